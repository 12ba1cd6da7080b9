//! One poll of one account: plan, walk, apply, settle.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::line::Line;
use super::report::{Progress, Report, ScopeReport};
use super::round::{Common, Ended, Round};
use crate::clock::Clock;
use crate::domain::{Failure, Lists, Reason, Scope, ScopeId, ScopeKind, WalkEnd};
use crate::inventory::{Inventory, Judge, PollEnd, Stored};
use crate::policy::Policy;
use crate::providers::{Fetch, Known, Target};
use crate::walk::{Found, Stamp, Walked};

/// Polls once. However it goes, the poll settles; what could not be read is in the report.
///
/// # Errors
/// The inventory could not be written; what was not yet settled is concluded by the next poll.
pub async fn poll(
    inventory: &Inventory,
    line: &Arc<Line>,
    policy: &Arc<Policy>,
    clock: &Clock,
    stop: &CancellationToken,
    watch: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Stored<Report> {
    let began = clock.boot();
    let deadline = Instant::now() + line.deadline;
    let provider = line.provider.spec().id;
    let name = &line.account.name;
    let poll = inventory.begin_poll(name.clone(), clock.now()).await?;
    let attempts = inventory.attempts(poll.account).await?;
    let judge = Arc::new(Judge { policy: Arc::clone(policy), provider: provider.to_owned(), account: name.clone() });
    let mut batch = Batch::new(inventory.clone(), poll, judge);
    let mut course = Course::default();

    while !stop.is_cancelled() {
        let planned = course.plan(line, &attempts);
        if planned.is_empty() {
            break;
        }
        let common =
            Common { line: Arc::clone(line), known: course.known.clone(), clock: clock.clone(), inventory: inventory.clone() };
        let mut round = Round::new(common, planned);
        while let Some(ended) = round.next(deadline, stop).await {
            if let Some(walked) = course.take(ended) {
                let report = ScopeReport::new(&walked);
                watch(Progress::Ended(&report));
                course.reports.push(report);
                watch(Progress::Scopes { ended: course.reports.len(), known: course.asked_scopes });
                batch.push(walked, &course.known).await?;
            }
        }
        course.not_opened.extend(round.left().filter_map(|fetch| scope_of(&fetch).cloned()));
        if !course.not_opened.is_empty() {
            break;
        }
    }

    let (applied, refused_once) = batch.finish().await?;
    course.refuse(&refused_once);
    let mut report = Report {
        account: name.clone(),
        provider,
        started: poll.started,
        took: Duration::ZERO,
        scopes: course.reports,
        general: course.failed_questions,
        unapplied: applied.as_ref().err().cloned(),
        not_opened: course.not_opened.len(),
        changes: Vec::new(),
        holds: Vec::new(),
    };
    if stop.is_cancelled() {
        report.general.push(Failure::new(Reason::Stopped, "told to stop in the middle of the poll"));
    }
    if let Ok(row) = &applied {
        inventory.know_scopes(row.organization, course.not_opened).await?;
    }
    let end = PollEnd { failure: report.failure(), organization: applied.ok() };
    let now = Stamp { wall: clock.now(), boot: clock.boot() };
    let settled = inventory.settle(poll, end, Arc::clone(policy), line.guard, now).await?;
    (report.changes, report.holds) = (settled.changes, settled.holds);
    report.took = clock.boot().saturating_sub(began);
    Ok(report)
}

/// What a poll has asked and learnt so far.
#[derive(Default)]
struct Course {
    known: Known,
    asked: HashSet<Asked>,
    asked_scopes: usize,
    reports: Vec<ScopeReport>,
    failed_questions: Vec<Failure>,
    not_opened: Vec<Scope>,
}

/// What was asked already in this poll.
#[derive(PartialEq, Eq, Hash)]
enum Asked {
    Scope(ScopeId),
    Question(&'static str),
}

impl Course {
    /// What the adapter wants next and was not asked yet: lists that others hang on first, then whatever waited longest.
    fn plan(&mut self, line: &Line, attempts: &HashMap<ScopeId, i64>) -> Vec<Fetch> {
        let mut planned = line.provider.plan(&line.account, &self.known);
        planned.retain(|fetch| {
            self.asked.insert(match &fetch.target {
                Target::Scope(scope) => Asked::Scope(scope.id.clone()),
                Target::Question(question) => Asked::Question(question),
            })
        });
        planned.sort_by_key(|fetch| match scope_of(fetch) {
            None => (0, 0),
            Some(scope) if scope.id.kind.lists() != Lists::Keys || scope.id.kind == ScopeKind::Admin => (1, 0),
            Some(scope) => (2, attempts.get(&scope.id).copied().unwrap_or(0)),
        });
        self.asked_scopes += planned.iter().filter(|fetch| scope_of(fetch).is_some()).count();
        planned
    }

    /// Takes in what a task ended with; gives the walk back for the inventory.
    fn take(&mut self, ended: Ended) -> Option<Walked> {
        match ended {
            Ended::Question(question, Ok(learnt)) => {
                self.known.learn(learnt);
                self.known.answered.insert(question);
                None
            }
            Ended::Question(_, Err(failure)) => {
                self.failed_questions.push(failure);
                None
            }
            Ended::Walk(walked, learnt) => {
                self.known.learn(learnt);
                match walked.found() {
                    Found::Projects(projects) => {
                        self.known.projects.extend(projects.iter().map(|project| (project.id.clone(), project.clone())));
                    }
                    Found::People(people) => {
                        self.known.people.extend(people.iter().map(|person| (person.id.clone(), person.clone())));
                    }
                    Found::Keys(_) => {}
                }
                self.known.ended.insert(walked.scope().id.clone(), walked.end().clone());
                Some(*walked)
            }
        }
    }

    /// A first refusal of a list that was readable is an incomplete walk, as only the inventory could tell.
    fn refuse(&mut self, scopes: &[ScopeId]) {
        for report in self.reports.iter_mut().filter(|report| scopes.contains(&report.scope.id)) {
            let detail = format!("was readable before and is refused now ({})", report.end.reason().unwrap_or("closed"));
            report.end = WalkEnd::Incomplete(Failure::new(Reason::RefusedOnce, detail));
        }
    }
}

fn scope_of(fetch: &Fetch) -> Option<&Scope> {
    match &fetch.target {
        Target::Scope(scope) => Some(scope),
        Target::Question(_) => None,
    }
}
