//! When the people have to be read once more: a list of current members' keys also lacks the keys of who left while it was read.

use std::collections::BTreeSet;

use super::account::OrganizationRow;
use super::error::Stored;
use super::open::Inventory;
use super::poll::Poll;
use crate::domain::RemoteId;

/// Those whom a list of people that was read whole behind a poll's lists of keys holds; nobody where none was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembersStill(BTreeSet<RemoteId>);

impl MembersStill {
    /// They are on that list.
    pub fn of(ids: impl Iterator<Item = RemoteId>) -> Self {
        Self(ids.collect())
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        RemoteId::new(id).is_some_and(|id| self.0.contains(&id))
    }
}

/// Whether a list of current members' keys of organisation ?1 that poll ?2 read whole lacks a key of somebody who is on the list
/// of people, and something may follow from that.
pub(super) const LACKS: &str = "SELECT 1 FROM sighting AS x INDEXED BY sighting_unlisted JOIN scope AS s ON s.id = x.scope_id
      JOIN walk AS w ON w.id = s.complete_walk JOIN key AS k ON k.id = x.key_id JOIN person AS p ON p.id = k.person_id
     WHERE x.unlisted_walk IS NOT NULL AND s.organization_id = ?1 AND s.kind IN ('member', 'organization') AND w.poll_id = ?2
       AND k.presence IN ('present', 'missing', 'unknown') AND p.kind = 'user' AND p.listed AND p.unlisted_walk IS NULL";

impl Inventory {
    /// Whether the poll's lists of keys lack some whose owners it saw among the people.
    pub async fn lacks_members_keys(&self, poll: Poll, row: OrganizationRow) -> Stored<bool> {
        self.read(move |connection| Ok(connection.prepare_cached(LACKS)?.exists((row.organization, poll.id))?)).await
    }
}
