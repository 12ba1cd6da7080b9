//! Settles a poll: one closing transaction that concludes what the complete walks prove, and nothing else.

use std::sync::Arc;

use rusqlite::Transaction;

use super::account::{OrganizationRow, is_current};
use super::conclude::{Conclusion, conclude};
use super::deadlines::rejudge;
use super::error::Stored;
use super::evidence::{Common, evidence};
use super::guard::GuardLimits;
use super::holds::Holds;
use super::open::Inventory;
use super::people_again::MembersStill;
use super::poll::Poll;
use super::sql::word;
use super::waiting::{OpenHold, open_holds};
use crate::domain::{ChangeKind, KeyKind, Presence, PresenceReason, Reason};
use crate::policy::Policy;
use crate::walk::{Stamp, WalkId};

/// Sightings of ?1 that another scope has answered since.
pub(super) const SUPERSEDE: &str = "DELETE FROM sighting INDEXED BY sighting_unlisted
              WHERE unlisted_walk IS NOT NULL AND EXISTS (SELECT 1 FROM scope AS o WHERE o.id = sighting.scope_id AND o.organization_id = ?1)
                AND EXISTS (SELECT 1 FROM sighting AS y JOIN scope AS s ON s.id = y.scope_id
                             WHERE y.key_id = sighting.key_id AND y.unlisted_walk IS NULL AND s.standing = 'open'
                               AND max(coalesce(s.complete_walk, 0), y.walk_id) > sighting.unlisted_walk)";

/// Scopes of ?1 that nothing leads to any more.
const VANISHED: &str = "UPDATE scope SET standing = 'vanished', standing_reason = 'not_on_parent_list'
              WHERE organization_id = ?1 AND kind IN ('member', 'project') AND standing IN ('open', 'closed')
                AND (unlisted_walk IS NOT NULL AND EXISTS (
                        SELECT 1 FROM scope AS s WHERE s.organization_id = ?1 AND s.complete_walk > coalesce(scope.newest_walk, 0)
                           AND s.kind = CASE scope.kind WHEN 'member' THEN 'people' ELSE 'projects' END)
                     OR kind = 'member' AND EXISTS (
                        SELECT 1 FROM person AS p WHERE p.organization_id = ?1 AND p.remote_id = scope.remote_id AND p.kind = 'service_account'))
                AND NOT EXISTS (SELECT 1 FROM hold AS h JOIN scope AS s ON s.id = h.scope_id
                                 WHERE s.organization_id = ?1 AND h.ended_at IS NULL
                                   AND s.kind = CASE scope.kind WHEN 'member' THEN 'people' ELSE 'projects' END)";

/// Keys of ?1 whose owner is proven to have left. From the people to their keys: who left is rare.
pub(super) const LEFT: &str =
    "UPDATE key SET left_at = (SELECT s.complete_at FROM scope AS s WHERE s.organization_id = ?1 AND s.kind = 'people')
              WHERE id IN (
                    SELECT k.id FROM scope AS s
                     CROSS JOIN person AS p ON p.organization_id = s.organization_id
                     CROSS JOIN key AS k ON k.person_id = p.id
                     WHERE s.organization_id = ?1 AND s.kind = 'people' AND s.standing = 'open'
                       AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.scope_id = s.id AND h.ended_at IS NULL)
                       AND p.kind = 'user' AND NOT p.by_group AND (p.unlisted_walk <= s.before_walk OR p.listed = 0)
                       AND k.left_at IS NULL AND k.first_walk < s.before_walk)
             RETURNING id";

/// Keys of ?1 whose owner is back.
pub(super) const BACK: &str = "UPDATE key SET left_at = NULL
              WHERE organization_id = ?1 AND left_at IS NOT NULL
                AND EXISTS (SELECT 1 FROM person AS p WHERE p.id = key.person_id AND (p.listed AND p.unlisted_walk IS NULL OR p.kind <> 'user'))
             RETURNING id";

/// Keys of ?1 that something may have to be concluded of.
pub(super) const CANDIDATES: &str =
    "SELECT x.key_id FROM sighting AS x INDEXED BY sighting_unlisted JOIN scope AS s ON s.id = x.scope_id
              WHERE x.unlisted_walk IS NOT NULL AND s.organization_id = ?1
             UNION
             SELECT x.key_id FROM scope AS s CROSS JOIN sighting AS x ON x.scope_id = s.id CROSS JOIN key AS k ON k.id = x.key_id
              WHERE s.organization_id = ?1 AND s.standing <> 'open'
                AND NOT (k.presence = 'unknown' AND k.presence_reason = 'scope_' || s.standing)";

/// The history that poll ?1 wrote, counted.
pub(super) const CHANGES: &str =
    "SELECT k.kind, c.change, count(*) FROM change AS c JOIN key AS k ON k.id = c.key_id WHERE c.poll_id = ?1 GROUP BY 1, 2";

/// How a poll ended, as the walks of it tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollEnd {
    /// The first reason why a scope that it opened is neither complete nor closed.
    pub failure: Option<Reason>,
    /// The organisation that its walks were applied to; `None` where nothing was applied.
    pub organization: Option<OrganizationRow>,
    /// Whom the poll saw among the people once more at its end.
    pub members_still: MembersStill,
}

/// What settling concluded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Every line of history that the poll wrote, counted.
    pub changes: Vec<(KeyKind, ChangeKind, u64)>,
    /// What waits for a person now: the open holds of the account.
    pub holds: Vec<OpenHold>,
}

/// What one settling has in common.
struct Settling<'a> {
    transaction: &'a Transaction<'a>,
    organization: i64,
    poll: Poll,
    run: i64,
    number: i64,
    now: Stamp,
    guard: GuardLimits,
    members_still: &'a MembersStill,
}

impl Inventory {
    /// Settles a poll, however it ended. Nothing is concluded where the account was removed from the config, or given another
    /// organisation, while it ran.
    pub async fn settle(&self, poll: Poll, end: PollEnd, policy: Arc<Policy>, guard: GuardLimits, now: Stamp) -> Stored<Settled> {
        let (run, number, in_force) = (self.run(), self.next_number(), self.policy_in_force());
        self.write(move |transaction| {
            poll.store(transaction, run)?;
            if let Some(row) = end.organization
                && is_current(transaction, row)?
            {
                let members_still = &end.members_still;
                let settling =
                    Settling { transaction, organization: row.organization, poll, run, number, now, guard, members_still };
                settling.settle(&in_force.or(&policy))?;
            }
            transaction.prepare_cached("UPDATE poll SET settled_at = ?2, up = ?3, reason = ?4 WHERE id = ?1")?.execute((
                poll.id,
                now.wall.unix(),
                end.failure.is_none(),
                end.failure.map(Reason::as_str),
            ))?;
            Ok(Settled { changes: changes(transaction, poll.id)?, holds: open_holds(transaction, poll.account)? })
        })
        .await
    }
}

impl Settling<'_> {
    fn settle(&self, policy: &Arc<Policy>) -> Stored<()> {
        self.supersede()?;
        let holds = Holds {
            transaction: self.transaction,
            account: self.poll.account,
            organization: self.organization,
            guard: &self.guard,
            now: self.now.wall,
        };
        holds.release()?;
        holds.hold_lists()?;
        self.vanish()?;
        self.depart(policy)?;
        let common = Common {
            poll: self.poll.id,
            members_still: self.members_still,
            slowest_open: self.slowest_open()?,
            confirm_after_s: self.guard.confirm_after_s,
        };
        let mut concluded = Vec::new();
        for key in self.candidates()? {
            let evidence = evidence(self.transaction, key, &common)?;
            concluded.push((key, evidence.presence, conclude(&evidence)));
        }
        let missing = concluded.iter().filter(|(.., conclusion)| *conclusion == Conclusion::BecomesMissing).map(|(key, ..)| *key);
        let held = holds.hold_keys(missing.collect())?;
        for (key, before, conclusion) in concluded {
            if !held.contains(&key) {
                self.write(key, before, conclusion)?;
            }
        }
        Ok(())
    }

    /// What a scope no longer listed is answered by another scope that listed the key since.
    fn supersede(&self) -> Stored<()> {
        self.transaction.prepare_cached(SUPERSEDE)?.execute([self.organization])?;
        Ok(())
    }

    /// Scopes that the newest complete parent list does not hold, and that nothing else led to since; and those of service
    /// accounts, which some lists of people hold too: whoever was asked once as a member is not asked again.
    fn vanish(&self) -> Stored<()> {
        self.transaction.prepare_cached(VANISHED)?.execute([self.organization])?;
        Ok(())
    }

    /// Users who are on neither of the two newest complete lists of people, both read after the key was first seen: they left.
    fn depart(&self, policy: &Arc<Policy>) -> Stored<()> {
        let mut left = self.transaction.prepare_cached(LEFT)?;
        let mut back = self.transaction.prepare_cached(BACK)?;
        for statement in [&mut left, &mut back] {
            let keys: Vec<i64> = statement.query_map([self.organization], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for key in keys {
                rejudge(self.transaction, policy, Some(key))?;
            }
        }
        Ok(())
    }

    /// The oldest of the newest complete walks of the open scopes.
    fn slowest_open(&self) -> Stored<Option<WalkId>> {
        let walk: Option<i64> = self
            .transaction
            .prepare_cached(
                "SELECT iif(count(*) = count(complete_walk), min(complete_walk), NULL) FROM scope
              WHERE organization_id = ?1 AND standing = 'open'",
            )?
            .query_row([self.organization], |row| row.get(0))?;
        Ok(walk.map(WalkId))
    }

    /// The keys about which something may have to be concluded: few, however many there are.
    fn candidates(&self) -> Stored<Vec<i64>> {
        let mut select = self.transaction.prepare_cached(CANDIDATES)?;
        Ok(select.query_map([self.organization], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn write(&self, key: i64, before: Presence, conclusion: Conclusion) -> Stored<()> {
        match conclusion {
            Conclusion::Unchanged => Ok(()),
            Conclusion::BecomesMissing => {
                self.becomes(key, Presence::Missing, PresenceReason::NotListed)?;
                self.change(key, ChangeKind::BecameMissing, before, PresenceReason::NotListed)
            }
            Conclusion::WaitsAnew => self.becomes(key, Presence::Missing, PresenceReason::NotListed),
            Conclusion::BecomesGone => {
                self.becomes(key, Presence::Gone, PresenceReason::ProvenAbsent)?;
                self.transaction.prepare_cached("DELETE FROM sighting WHERE key_id = ?1")?.execute([key])?;
                self.change(key, ChangeKind::BecameGone, before, PresenceReason::ProvenAbsent)
            }
            Conclusion::BecomesUnknown(reason) => {
                self.becomes(key, Presence::Unknown, reason)?;
                if before == Presence::Unknown {
                    return Ok(());
                }
                self.change(key, ChangeKind::BecameUnknown, before, reason)
            }
        }
    }

    fn becomes(&self, key: i64, presence: Presence, reason: PresenceReason) -> Stored<()> {
        let missing = (presence == Presence::Missing)
            .then(|| (self.number, self.now.wall.unix(), self.now.boot.as_secs().cast_signed(), self.run));
        self.transaction
            .prepare_cached(
                "UPDATE key SET presence = ?2, presence_reason = ?3, missing_number = ?4, missing_at = ?5, missing_boot_s = ?6, missing_run = ?7
                  WHERE id = ?1",
            )?
            .execute((
                key,
                presence.as_str(),
                reason.as_str(),
                missing.map(|m| m.0),
                missing.map(|m| m.1),
                missing.map(|m| m.2),
                missing.map(|m| m.3),
            ))?;
        Ok(())
    }

    fn change(&self, key: i64, what: ChangeKind, before: Presence, reason: PresenceReason) -> Stored<()> {
        self.transaction
            .prepare_cached("INSERT INTO change (at, poll_id, key_id, change, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute((self.now.wall.unix(), self.poll.id, key, what.as_str(), before.as_str(), reason.as_str()))?;
        Ok(())
    }
}

/// The lines of history that the poll wrote, counted.
fn changes(transaction: &Transaction<'_>, poll: i64) -> Stored<Vec<(KeyKind, ChangeKind, u64)>> {
    let mut select = transaction.prepare_cached(CHANGES)?;
    let mut rows = select.query([poll])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(2)?;
        changes.push((word(row, 0, "key.kind")?, word(row, 1, "change.change")?, count.unsigned_abs()));
    }
    Ok(changes)
}
