//! One poll of one account: plan, walk, apply, settle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::course::{Course, scope_of};
use super::inquiry::inquire;
use super::line::Line;
use super::report::{Progress, Report, ScopeReport};
use super::round::{Common, Round};
use super::second_look::{identity, lacking, second_look};
use super::twins::twins;
use crate::clock::Clock;
use crate::domain::{Failure, Reason, ScopeKind};
use crate::inventory::{Inventory, Judge, PollEnd, Stored};
use crate::policy::Policy;
use crate::providers::Way;
use crate::walk::{Stamp, Walked};

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
    let common = |course: &Course| Common {
        line: Arc::clone(line),
        known: course.known.clone(),
        clock: clock.clone(),
        inventory: inventory.clone(),
    };

    while !stop.is_cancelled() {
        let planned = course.plan(line, &attempts);
        if planned.is_empty() {
            if course.leave_way(line) {
                continue;
            }
            break;
        }
        if let Some((member, fetch)) = course.canary(line, &planned) {
            let answered = stop.run_until_cancelled(identity(line, &course.known, &fetch)).await.flatten();
            course.proofs.identity(&member, answered.as_ref(), &course.known);
        }
        let mut round = Round::new(common(&course), planned);
        while let Some(ended) = round.next(deadline, stop).await {
            let lacking = lacking(inventory, poll, &ended).await?;
            if let Some(walked) = course.take(ended, lacking) {
                report_walk(&mut course, &walked, watch);
                batch.push(walked, &course.known).await?;
            }
        }
        course.not_opened.extend(round.left().filter_map(|fetch| scope_of(&fetch).cloned()));
        if !course.not_opened.is_empty() {
            break;
        }
    }
    // In a poll that was cut short too: what was read in vain is not to be read first again.
    for walked in second_look(common(&course), &mut course, deadline, stop).await {
        report_walk(&mut course, &walked, watch);
        batch.push(walked, &course.known).await?;
    }

    let (applied, refused_once) = batch.finish().await?;
    course.refuse(&refused_once);
    let (general, mut notes) = (course.failures(), course.notes());
    let (way, in_groups) = (course.way_taken(), course.in_groups());
    notes.extend(line.ways.left());
    if applied.is_ok() {
        let absent = inquire(inventory, line, &course.known, poll, deadline, stop).await?;
        notes.extend((absent > 0).then(|| format!("{absent} held keys are not found by their ids either, and are held no more")));
    }
    let mut report = Report {
        account: name.clone(),
        provider,
        started: poll.started,
        took: Duration::ZERO,
        scopes: course.reports,
        general,
        notes,
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
        if let Some(way) = way {
            let (left, taken) = scopes_of(way);
            inventory.retire(row.organization, left, taken).await?;
        }
        inventory.keep_group_members(row.organization, in_groups).await?;
    }
    let end = PollEnd { failure: report.failure(), organization: applied.ok() };
    let now = Stamp { wall: clock.now(), boot: clock.boot() };
    let settled = inventory.settle(poll, end, Arc::clone(policy), line.guard, now).await?;
    (report.changes, report.holds) = (settled.changes, settled.holds);
    report.notes.extend(twins(inventory, line).await?);
    report.took = clock.boot().saturating_sub(began);
    Ok(report)
}

fn report_walk(course: &mut Course, walked: &Walked, watch: &(dyn Fn(Progress<'_>) + Send + Sync)) {
    let report = ScopeReport::new(walked);
    watch(Progress::Ended(&report));
    course.reports.push(report);
    watch(Progress::Scopes { ended: course.reports.len(), known: course.planned });
}

/// The kind of scope that lists keys in other ways than this one, and the kind that does in this one.
const fn scopes_of(way: Way) -> (ScopeKind, ScopeKind) {
    match way {
        Way::Organization => (ScopeKind::Member, ScopeKind::Organization),
        Way::Header | Way::Token => (ScopeKind::Organization, ScopeKind::Member),
    }
}
