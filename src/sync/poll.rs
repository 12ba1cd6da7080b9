//! One poll of one account: plan, walk, apply, settle.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::course::Course;
use super::inquiry::inquire;
use super::line::Line;
use super::own_key::OwnKeySearch;
use super::people_again::members_still;
use super::report::{Progress, Report, ScopeReport};
use super::round::{Common, Ended};
use super::rounds::{Heard, Rounds};
use super::second_look::{before, identity, second_look};
use super::twins::twins;
use crate::clock::Clock;
use crate::domain::{Failure, Person, Reason, ScopeKind};
use crate::inventory::{Inventory, MembersStill, OwnCredential, Poll, PollEnd, Stored};
use crate::policy::Policy;
use crate::providers::{Fetch, Way};
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
    line.remote.poll_begins();
    let poll = inventory.begin_poll(line.account.name.clone(), clock.now()).await?;
    let mut polling = Polling {
        batch: Batch::new(inventory.clone(), Arc::clone(line), poll, Arc::clone(policy)),
        course: Course::default(),
        inventory,
        line,
        clock,
        stop,
        watch,
        poll,
        deadline,
        own_key: OwnKeySearch::default(),
    };
    polling.read().await?;
    polling.look_again().await?;
    let mut report = polling.settle(policy).await?;
    report.took = clock.boot().saturating_sub(began);
    Ok(report)
}

/// A poll under way.
struct Polling<'a> {
    inventory: &'a Inventory,
    line: &'a Arc<Line>,
    clock: &'a Clock,
    stop: &'a CancellationToken,
    watch: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    poll: Poll,
    deadline: Instant,
    batch: Batch,
    course: Course,
    own_key: OwnKeySearch,
}

impl Polling<'_> {
    /// Asks all that the adapter plans, round by round, until it plans nothing more or there is no time left.
    async fn read(&mut self) -> Stored<()> {
        let attempts = self.inventory.attempts(self.poll.account).await?;
        let mut rounds = Rounds::new(self.common(), self.deadline, self.stop.clone());
        while !self.stop.is_cancelled() {
            let planned = self.course.plan(self.line, &attempts);
            if planned.is_empty() {
                if self.course.leave_way(self.line) {
                    continue;
                }
                break;
            }
            self.canaries(&planned).await;
            rounds.begin(self.common(), planned);
            // Pages of people whose lists are not asked for yet.
            let mut listed: VecDeque<Vec<Person>> = VecDeque::new();
            while let Some(heard) = rounds.next().await {
                match heard {
                    Heard::People(people) => listed.push_back(people),
                    Heard::Ended(ended) => rounds.meanwhile(self.take(ended)).await?,
                }
                while let Some(people) = listed.front() {
                    let fetches = self.course.ahead(self.line, &attempts, people);
                    if fetches.is_empty() {
                        break;
                    }
                    listed.pop_front();
                    rounds.meanwhile(self.canaries(&fetches)).await;
                    rounds.ask_ahead(self.common(), fetches);
                }
            }
            self.course.not_opened.extend(rounds.left().filter_map(|fetch| fetch.scope().cloned()));
            if !self.course.not_opened.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Asks whom the provider takes us for, before the first list is read in somebody's name.
    async fn canaries(&mut self, planned: &[Fetch]) {
        for (member, fetch) in self.course.canaries(self.line, planned) {
            let answered = self.stop.run_until_cancelled(identity(self.line, &self.course.known, &fetch)).await.flatten();
            self.course.proofs.identity(&member, answered.as_ref(), &self.course.known);
            if answered.is_some() {
                break;
            }
        }
    }

    async fn take(&mut self, ended: Ended) -> Stored<()> {
        let before = before(self.inventory, self.poll, &ended).await?;
        match self.course.take(ended, before) {
            Some(walked) => self.keep(walked).await,
            None => Ok(()),
        }
    }

    /// In a poll that was cut short too: what was read in vain is not to be read first again.
    async fn look_again(&mut self) -> Stored<()> {
        for walked in second_look(self.common(), &mut self.course, self.poll, self.deadline, self.stop).await {
            self.keep(walked).await?;
        }
        Ok(())
    }

    async fn keep(&mut self, walked: Walked) -> Stored<()> {
        let report = ScopeReport::new(&walked);
        (self.watch)(Progress::Ended(&report));
        self.course.reports.push(report);
        self.own_key.look(self.line, &self.course.known, &walked);
        (self.watch)(Progress::Scopes { ended: self.course.reports.len(), known: self.course.planned });
        self.batch.push(walked, &self.course.known).await
    }

    fn common(&self) -> Common {
        common(self.inventory, self.line, self.clock, self.poll, &self.course)
    }

    /// Concludes what was read, in whichever way that ended.
    async fn settle(self, policy: &Arc<Policy>) -> Stored<Report> {
        let Self { inventory, line, clock, stop, poll, deadline, mut course, .. } = self;
        let (applied, refused_once) = self.batch.finish().await?;
        course.refuse(&refused_once);
        let mut notes = course.notes();
        notes.extend(line.ways.left());
        let mut general = course.failures();
        if stop.is_cancelled() {
            general.push(Failure::new(Reason::Stopped, "told to stop in the middle of the poll"));
        }
        if let Ok(row) = &applied {
            let absent = inquire(inventory, line, &course.known, poll, deadline, stop).await?;
            notes.extend(
                (absent > 0).then(|| format!("{absent} held keys are not found by their ids either, and are held no more")),
            );
            inventory.know_scopes(row.organization, course.not_opened.clone()).await?;
            if let Some(way) = course.way_taken() {
                let (left, taken) = scopes_of(way);
                inventory.retire(row.organization, left, taken).await?;
            }
            inventory.keep_group_members(row.organization, course.in_groups()).await?;
            let marked = inventory.own_mask(*row).await?;
            let own = OwnCredential {
                key: self.own_key.conclude(line, marked.as_deref()),
                expires: course.known.credential_expires,
                is_key: line.own_mask_shows().is_some(),
            };
            inventory.know_own_credential(*row, own, Arc::clone(policy)).await?;
        }
        let still = match &applied {
            Ok(row) if course.people_read() && inventory.lacks_members_keys(poll, *row).await? => {
                members_still(&common(inventory, line, clock, poll, &course), stop).await
            }
            Ok(_) | Err(_) => Ok(MembersStill::default()),
        };
        notes.extend(still.as_ref().err().map(|why| {
            format!("keys that lists of members' keys lack are not concluded to be missing: the people could not be read once more: {why}")
        }));
        let mut report = Report {
            account: line.account.name.clone(),
            provider: line.provider.spec().id,
            started: poll.started,
            took: Duration::ZERO,
            scopes: course.reports,
            general,
            notes,
            people_unread: still.as_ref().err().cloned(),
            unapplied: applied.as_ref().err().cloned(),
            not_opened: course.not_opened.len(),
            changes: Vec::new(),
            holds: Vec::new(),
        };
        let end = PollEnd { failure: report.failure(), organization: applied.ok(), members_still: still.unwrap_or_default() };
        let now = Stamp { wall: clock.now(), boot: clock.boot() };
        let settled = inventory.settle(poll, end, Arc::clone(policy), line.guard, now).await?;
        (report.changes, report.holds) = (settled.changes, settled.holds);
        report.notes.extend(twins(inventory, line).await?);
        Ok(report)
    }
}

/// What walks have in common, as of what is known now.
fn common(inventory: &Inventory, line: &Arc<Line>, clock: &Clock, poll: Poll, course: &Course) -> Common {
    Common {
        line: Arc::clone(line),
        known: course.known.clone(),
        clock: clock.clone(),
        inventory: inventory.clone(),
        account: poll.account,
    }
}

/// The kind of scope that lists keys in other ways than this one, and the kind that does in this one.
const fn scopes_of(way: Way) -> (ScopeKind, ScopeKind) {
    match way {
        Way::Organization => (ScopeKind::Member, ScopeKind::Organization),
        Way::Header | Way::Token => (ScopeKind::Organization, ScopeKind::Member),
    }
}
