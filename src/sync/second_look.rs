//! What is asked once more before a poll settles: lists that showed nothing by themselves are believed only after it.

use tokio_util::sync::CancellationToken;

use super::course::Course;
use super::key_by_id::ask_for_key;
use super::line::Line;
use crate::domain::{Failure, Reason, RemoteId, ScopeId, ScopeKind};
use crate::inventory::{Inventory, Poll, Stored};
use crate::providers::Fetch;
use crate::walk::Walked;

/// How often the provider is asked whom it takes us for, for each list that came empty: one node of three may drop the header.
const IDENTITIES: usize = 3;
/// How many keys of a list that came empty are asked for by their ids.
const KEYS: u32 = 3;

/// Decides about the lists that the poll kept back, and gives them all back.
pub(super) async fn second_look(
    inventory: &Inventory,
    line: &Line,
    course: &mut Course,
    poll: Poll,
    stop: &CancellationToken,
) -> Stored<Vec<Walked>> {
    let looking = Looking { inventory, line, course, poll };
    let looked = tokio::select! {
        () = stop.cancelled() => None,
        looked = looking.look() => Some(looked?),
    };
    let Looked { organization, mistaken } = looked.unwrap_or_else(|| Looked {
        organization: Err(Failure::new(Reason::Stopped, "told to stop before the organisation was asked for once more")),
        mistaken: course.proofs.emptied(),
    });
    Ok(course.proofs.settle(organization, &mistaken, &course.known))
}

/// What the second look showed.
struct Looked {
    /// The credential sees the organisation still, or why that is not shown.
    organization: Result<(), Failure>,
    /// Members whose empty lists are not believed.
    mistaken: Vec<RemoteId>,
}

struct Looking<'a> {
    inventory: &'a Inventory,
    line: &'a Line,
    course: &'a Course,
    poll: Poll,
}

impl Looking<'_> {
    async fn look(&self) -> Stored<Looked> {
        Ok(Looked { organization: self.organization().await, mistaken: self.mistaken().await? })
    }

    /// Whether the credential sees the organisation still that it was asked for in the beginning.
    async fn organization(&self) -> Result<(), Failure> {
        let known = &self.course.known;
        if !self.course.proofs.awaits_organization() {
            return Ok(());
        }
        let unasked = || Failure::new(Reason::Internal, "the adapter cannot ask which organisation it is");
        let fetch = self.line.provider.organization(known).ok_or_else(unasked)?;
        let shown = self.line.remote.ask(self.line.provider, &fetch, known).await?.end.learnt.organization;
        match (shown, &known.organization) {
            (Some(shown), Some(before)) if shown.id == before.id => Ok(()),
            (_, _) => {
                Err(Failure::new(Reason::OrganizationChanged, "the credential saw another organisation after the list was read"))
            }
        }
    }

    /// Members who had keys, whose lists came empty, and of whom something shows that this may be a mistake: one that is
    /// believed costs its member every key. Where several members came empty and nobody else shows a key, none is believed,
    /// until somebody does.
    async fn mistaken(&self) -> Stored<Vec<RemoteId>> {
        let mut emptied = Vec::new();
        for member in self.course.proofs.emptied() {
            let scope = ScopeId { kind: ScopeKind::Member, of: Some(member.clone()) };
            let keys = self.inventory.witnessed_keys(self.poll.account, scope.clone(), KEYS).await?;
            if !keys.is_empty() {
                emptied.push((member, scope, keys));
            }
        }
        let members = || emptied.iter().map(|(member, ..)| member.clone()).collect();
        // One node that drops the header spoils every answer that shows nothing; and members do not lose all keys together.
        if self.course.proofs.saw_somebody_else() || (emptied.len() > 1 && !self.course.proofs.has_read_others()) {
            return Ok(members());
        }
        let mut mistaken = Vec::new();
        for (member, scope, keys) in &emptied {
            if self.is_taken_for_another(member).await {
                return Ok(members());
            }
            if self.is_there(scope, keys).await {
                mistaken.push(member.clone());
            }
        }
        Ok(mistaken)
    }

    /// The provider takes us for somebody else than that member, though it was told.
    async fn is_taken_for_another(&self, member: &RemoteId) -> bool {
        let Some(fetch) = self.line.provider.identity(&self.line.account, &self.course.known, member) else { return false };
        for _ in 0..IDENTITIES {
            if identity(self.line, self.course, &fetch).await.is_some_and(|answered| answered != *member) {
                return true;
            }
        }
        false
    }

    /// One of the keys answers by its id, though the list does not hold it.
    async fn is_there(&self, scope: &ScopeId, keys: &[RemoteId]) -> bool {
        for key in keys {
            let Some(answer) = ask_for_key(self.line, &self.course.known, scope, key).await else { return false };
            if answer.is_there() {
                return true;
            }
        }
        false
    }
}

/// Whom the provider takes us for; `None` where it does not say.
pub(super) async fn identity(line: &Line, course: &Course, fetch: &Fetch) -> Option<RemoteId> {
    line.remote.ask(line.provider, fetch, &course.known).await.ok()?.end.learnt.caller
}
