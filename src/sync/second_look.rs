//! What is asked once more before a poll settles: lists that leave something open are believed only after it.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::course::Course;
use super::doubt::{Before, Look, Silent};
use super::key_by_id::ask_for_key;
use super::line::Line;
use super::round::{Common, Ended, planned, walk};
use crate::domain::{Failure, Reason, RemoteId, Scope, ScopeId, WalkEnd};
use crate::inventory::{Inventory, Poll, Stored};
use crate::providers::{Fetch, Known, Proof};
use crate::walk::Walked;

/// How often the provider is asked whom it takes us for, for each open list: one node of three may drop the header.
const IDENTITIES: usize = 3;
/// How often such a list is read again.
const READINGS: usize = 2;
/// How many lists are asked about after the poll's deadline: they were read before it, and where every poll ends at its
/// deadline they would be believed in none.
const LATE: usize = 4;
/// How many keys that such a list lacks are asked for by their ids.
const KEYS: usize = 3;

/// What the inventory has against a member's list that was read whole.
pub(super) async fn before(inventory: &Inventory, poll: Poll, ended: &Ended) -> Stored<Before> {
    let Ended::Walk(walked, _, subject) = ended else { return Ok(Before::default()) };
    let in_their_name = subject.proof == Proof::Impersonation;
    let is_own = subject.proof == Proof::None && subject.member.is_some();
    if !(in_their_name || is_own) || *walked.end() != WalkEnd::Complete {
        return Ok(Before::default());
    }
    let mut lacking = inventory.witnessed_keys(poll.account, walked.scope().id.clone()).await?;
    let listed = ids(walked);
    lacking.retain(|id| !listed.contains(id) && !walked.other_organization().contains(id));
    let ownerless: Vec<RemoteId> = walked.keys().iter().filter(|key| key.owner.is_none()).map(|key| key.id.clone()).collect();
    let strange = match &subject.member {
        Some(member) if in_their_name && !ownerless.is_empty() => {
            inventory.is_anothers(poll.account, member.clone(), ownerless).await?
        }
        Some(_) | None => false,
    };
    Ok(Before { lacking, strange })
}

/// Asks about the lists that the poll kept back, about few after its deadline, decides about them and gives them all back.
pub(super) async fn second_look(
    common: Common,
    course: &mut Course,
    poll: Poll,
    deadline: Instant,
    stop: &CancellationToken,
) -> Vec<Walked> {
    let looking = Looking { common };
    let mut late = 0;
    let organization = tokio::select! {
        () = stop.cancelled() => Err(Failure::new(Reason::Stopped, "told to stop before the organisation was asked for once more")),
        shown = looking.organization(course.proofs.awaits_organization()) => shown,
    };
    let mut firsts: Option<HashMap<ScopeId, (Scope, Fetch)>> = None;
    let mut open: Vec<&mut Silent> = course.proofs.open(&course.known).collect();
    if !open.is_empty() {
        // Another one is the first in each poll: some may lack keys for long.
        let first = usize::try_from(poll.id).unwrap_or(0) % open.len();
        open.rotate_left(first);
    }
    for list in open {
        late += usize::from(Instant::now() >= deadline);
        if late > LATE {
            list.look = Look::Unasked("the poll's deadline came");
            continue;
        }
        let first = firsts.get_or_insert_with(|| planned(&looking.common)).get(&list.walked.scope().id);
        let first = first.map(|(_, fetch)| fetch);
        list.look = tokio::select! {
            biased;
            () = stop.cancelled() => Look::Unasked("told to stop"),
            looked = looking.look(list, first) => match looked {
                Ok(true) => Look::Confirmed,
                Ok(false) => Look::Uncontradicted,
                Err(against) => against,
            },
        };
    }
    let settled = course.proofs.settle(organization, &course.known);
    settled.iter().for_each(|walked| course.ended(walked));
    settled
}

struct Looking {
    common: Common,
}

impl Looking {
    /// Whether the credential sees the organisation still that it was asked for in the beginning. One question that ends a walk
    /// under way, so that the deadline does not stop it.
    async fn organization(&self, awaited: bool) -> Result<(), Failure> {
        let Common { line, known, .. } = &self.common;
        if !awaited {
            return Ok(());
        }
        let unasked = || Failure::new(Reason::Internal, "the adapter cannot ask which organisation it is");
        let fetch = line.provider.organization(known).ok_or_else(unasked)?;
        let shown = line.remote.ask(line.provider, &fetch, known).await?.end.learnt.organization;
        match (shown, &known.organization) {
            (Some(shown), Some(before)) if shown.id == before.id => Ok(()),
            (_, _) => {
                Err(Failure::new(Reason::OrganizationChanged, "the credential saw another organisation after the list was read"))
            }
        }
    }

    /// Whether the provider takes us for the member each time, where nothing speaks against the list; else what does.
    async fn look(&self, list: &Silent, first: Option<&Fetch>) -> Result<bool, Look> {
        let told = list.is_own || self.identity(&list.member).await?;
        for _ in 0..READINGS {
            self.read(list, first).await?;
        }
        self.by_id(list).await?;
        Ok(told)
    }

    async fn identity(&self, member: &RemoteId) -> Result<bool, Look> {
        let Common { line, known, .. } = &self.common;
        let Some(fetch) = line.provider.identity(&line.account, known, member) else { return Ok(false) };
        for _ in 0..IDENTITIES {
            match identity(line, known, &fetch).await {
                Some(answered) if answered == *member => {}
                Some(another) => return Err(Look::TakenFor(another)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads the list again: it has to hold the same.
    async fn read(&self, list: &Silent, first: Option<&Fetch>) -> Result<(), Look> {
        let unplanned = || Look::Unreadable(Failure::new(Reason::Internal, "the adapter plans it no more"));
        let first = first.ok_or_else(unplanned)?.clone();
        let (again, _) = walk(&self.common, list.walked.scope().clone(), first).await;
        match again.end() {
            WalkEnd::Complete => {}
            WalkEnd::Incomplete(failure) => return Err(Look::Unreadable(failure.clone())),
            WalkEnd::Closed(reason) => return Err(Look::Unreadable(Failure::new(Reason::Forbidden, reason.as_str()))),
        }
        match ids(&list.walked).symmetric_difference(&ids(&again)).next() {
            Some(key) => Err(Look::ReadOtherwise((*key).clone())),
            None => Ok(()),
        }
    }

    /// Asks for keys that the list lacks by their ids: where pages are small, every second answer may be about somebody else, and
    /// each reading end at the same one.
    async fn by_id(&self, list: &Silent) -> Result<(), Look> {
        for key in list.before.lacking.iter().take(KEYS) {
            let Some(answer) = ask_for_key(&self.common.line, &self.common.known, &list.walked.scope().id, key).await else {
                break;
            };
            if answer.is_there() {
                return Err(Look::Answers(key.clone()));
            }
        }
        Ok(())
    }
}

/// Whom the provider takes us for; `None` where it does not say.
pub(super) async fn identity(line: &Line, known: &Known, fetch: &Fetch) -> Option<RemoteId> {
    line.remote.ask(line.provider, fetch, known).await.ok()?.end.learnt.caller
}

fn ids(walked: &Walked) -> HashSet<&RemoteId> {
    walked.keys().iter().map(|key| &key.id).collect()
}

#[cfg(test)]
mod tests;
