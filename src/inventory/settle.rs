//! Settles a poll: one closing transaction that concludes what the complete walks prove, and nothing else.

use std::sync::Arc;

use rusqlite::Transaction;

use super::account::OrganizationRow;
use super::conclude::{Conclusion, Evidence, Missing, Newest, Witness, conclude};
use super::deadlines::rejudge;
use super::error::Stored;
use super::open::Inventory;
use super::poll::Poll;
use super::sql::word;
use crate::domain::{ChangeKind, KeyKind, Presence, PresenceReason, Reason, ScopeKind, Standing};
use crate::policy::Policy;
use crate::walk::{Stamp, WalkId};

/// How a poll ended, as the walks of it tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollEnd {
    /// The first reason why a scope that it opened is neither complete nor closed.
    pub failure: Option<Reason>,
    /// The organisation that its walks were applied to; `None` where nothing was applied.
    pub organization: Option<OrganizationRow>,
}

/// What settling concluded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Every line of history that the poll wrote, counted.
    pub changes: Vec<(KeyKind, ChangeKind, u64)>,
}

/// What one settling has in common.
struct Settling<'a> {
    transaction: &'a Transaction<'a>,
    organization: i64,
    poll: Poll,
    run: i64,
    number: i64,
    now: Stamp,
    confirm_after_s: i64,
}

impl Inventory {
    /// Settles a poll, however it ended.
    pub async fn settle(
        &self,
        poll: Poll,
        end: PollEnd,
        policy: Arc<Policy>,
        confirm_after_s: i64,
        now: Stamp,
    ) -> Stored<Settled> {
        let (run, number) = (self.run(), self.next_number());
        self.write(move |transaction| {
            if let Some(row) = end.organization {
                let settling = Settling { transaction, organization: row.organization, poll, run, number, now, confirm_after_s };
                settling.settle(&policy)?;
            }
            transaction.execute(
                "UPDATE poll SET settled_at = ?2, up = ?3, reason = ?4 WHERE id = ?1",
                (poll.id, now.wall.unix(), end.failure.is_none(), end.failure.map(Reason::as_str)),
            )?;
            changes(transaction, poll.id)
        })
        .await
    }
}

impl Settling<'_> {
    fn settle(&self, policy: &Arc<Policy>) -> Stored<()> {
        self.supersede()?;
        self.vanish()?;
        self.depart(policy)?;
        let slowest_open = self.slowest_open()?;
        for key in self.candidates()? {
            let (kind, evidence) = self.evidence(key, slowest_open)?;
            self.write(key, kind, &evidence, conclude(&evidence))?;
        }
        Ok(())
    }

    /// What a scope no longer listed is answered by another scope that listed the key since.
    fn supersede(&self) -> Stored<()> {
        self.transaction.execute(
            "DELETE FROM sighting
              WHERE unlisted_walk IS NOT NULL AND scope_id IN (SELECT id FROM scope WHERE organization_id = ?1)
                AND EXISTS (SELECT 1 FROM sighting AS y JOIN scope AS s ON s.id = y.scope_id
                             WHERE y.key_id = sighting.key_id AND y.unlisted_walk IS NULL AND s.standing = 'open'
                               AND max(coalesce(s.complete_walk, 0), y.walk_id) > sighting.unlisted_walk)",
            [self.organization],
        )?;
        Ok(())
    }

    /// Scopes that a complete parent list no longer holds.
    fn vanish(&self) -> Stored<()> {
        self.transaction.execute(
            "UPDATE scope SET standing = 'vanished', standing_reason = 'not_on_parent_list'
              WHERE organization_id = ?1 AND unlisted_walk IS NOT NULL AND standing IN ('open', 'closed')",
            [self.organization],
        )?;
        Ok(())
    }

    /// Users who are on neither of the two newest complete lists of people, both read after the key was first seen: they left.
    fn depart(&self, policy: &Arc<Policy>) -> Stored<()> {
        let mut left = self.transaction.prepare_cached(
            "UPDATE key SET left_at = s.complete_at FROM scope AS s
              WHERE key.organization_id = ?1 AND s.organization_id = ?1 AND s.kind = 'people' AND s.standing = 'open'
                AND key.left_at IS NULL AND key.first_walk < s.before_walk
                AND key.person_id IN (SELECT p.id FROM person AS p
                                       WHERE p.organization_id = ?1 AND p.kind = 'user' AND (p.unlisted_walk <= s.before_walk OR p.listed = 0))
             RETURNING key.id",
        )?;
        let mut back = self.transaction.prepare_cached(
            "UPDATE key SET left_at = NULL
              WHERE organization_id = ?1 AND left_at IS NOT NULL
                AND EXISTS (SELECT 1 FROM person AS p WHERE p.id = key.person_id AND (p.listed AND p.unlisted_walk IS NULL OR p.kind <> 'user'))
             RETURNING id",
        )?;
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
        let walk: Option<i64> = self.transaction.query_row(
            "SELECT iif(count(*) = count(complete_walk), min(complete_walk), NULL) FROM scope
              WHERE organization_id = ?1 AND standing = 'open'",
            [self.organization],
            |row| row.get(0),
        )?;
        Ok(walk.map(WalkId))
    }

    /// The keys about which something may have to be concluded: few, however many there are.
    fn candidates(&self) -> Stored<Vec<i64>> {
        let mut select = self.transaction.prepare_cached(
            "SELECT x.key_id FROM sighting AS x INDEXED BY sighting_unlisted JOIN scope AS s ON s.id = x.scope_id
              WHERE x.unlisted_walk IS NOT NULL AND s.organization_id = ?1
             UNION
             SELECT x.key_id FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id WHERE s.organization_id = ?1 AND s.standing <> 'open'",
        )?;
        Ok(select.query_map([self.organization], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn evidence(&self, key: i64, slowest_open: Option<WalkId>) -> Stored<(KeyKind, Evidence)> {
        let mut select = self.transaction.prepare_cached(
            "SELECT k.kind, k.presence, k.presence_reason, k.missing_number, k.missing_at, k.missing_boot_s, k.missing_run,
                    coalesce(p.kind = 'user' AND (p.unlisted_walk IS NOT NULL OR (p.listed = 0 AND EXISTS (
                        SELECT 1 FROM scope AS s WHERE s.organization_id = k.organization_id AND s.kind = 'people' AND s.complete_walk IS NOT NULL))), 0),
                    EXISTS (SELECT 1 FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id WHERE x.key_id = k.id AND h.ended_at IS NULL),
                    iif(p.kind = 'user', p.back_walk, NULL)
               FROM key AS k LEFT JOIN person AS p ON p.id = k.person_id WHERE k.id = ?1",
        )?;
        let mut rows = select.query([key])?;
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let missing = match (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?) {
            (Some(number), Some(at), Some(boot_s), Some(run)) => Some(Since { number, at, boot_s, run }),
            (_, _, _, _) => None,
        };
        let owner_left = row.get(7)?;
        // What a list of current members left out while the owner was none of them says nothing, also when they are back.
        let deaf_until = if owner_left { None } else { row.get(9)? };
        let evidence = Evidence {
            presence: word::<Presence>(row, 1, "key.presence")?,
            reason: word::<PresenceReason>(row, 2, "key.presence_reason")?,
            missing: missing.map(|since| Missing { number: since.number }),
            witnesses: self.witnesses(key, missing, deaf_until)?,
            owner_left,
            slowest_open,
            held: row.get(8)?,
            confirm_after_s: self.confirm_after_s,
        };
        Ok((word(row, 0, "key.kind")?, evidence))
    }

    fn witnesses(&self, key: i64, missing: Option<Since>, deaf_until: Option<i64>) -> Stored<Vec<Witness>> {
        let mut select = self.transaction.prepare_cached(
            "SELECT s.standing, x.unlisted_walk IS NOT NULL, s.kind, w.id, w.started_at, w.boot_s, w.run_id
               FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id LEFT JOIN walk AS w ON w.id = s.complete_walk WHERE x.key_id = ?1",
        )?;
        let mut rows = select.query([key])?;
        let mut witnesses = Vec::new();
        while let Some(row) = rows.next()? {
            let newest = match (row.get::<_, Option<i64>>(3)?, missing) {
                (None, _) => None,
                (Some(walk), None) => Some(Newest { walk: WalkId(walk), after_missing_s: 0 }),
                (Some(walk), Some(since)) => {
                    let (at, boot_s, run): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
                    let after_missing_s = if run == since.run { boot_s - since.boot_s } else { at - since.at };
                    Some(Newest { walk: WalkId(walk), after_missing_s })
                }
            };
            let current_members_only = word::<ScopeKind>(row, 2, "scope.kind")?.current_members_only();
            let deaf = current_members_only && deaf_until.is_some_and(|back| newest.is_none_or(|newest| newest.walk.0 < back));
            let unlisted = row.get::<_, bool>(1)? && !deaf;
            let standing = word::<Standing>(row, 0, "scope.standing")?;
            witnesses.push(Witness { standing, unlisted, newest, current_members_only });
        }
        Ok(witnesses)
    }

    fn write(&self, key: i64, _kind: KeyKind, evidence: &Evidence, conclusion: Conclusion) -> Stored<()> {
        match conclusion {
            Conclusion::Unchanged => Ok(()),
            Conclusion::BecomesMissing => {
                self.becomes(key, Presence::Missing, PresenceReason::NotListed)?;
                self.change(key, ChangeKind::BecameMissing, evidence.presence, PresenceReason::NotListed)
            }
            Conclusion::WaitsAnew => self.becomes(key, Presence::Missing, PresenceReason::NotListed),
            Conclusion::BecomesGone => {
                self.becomes(key, Presence::Gone, PresenceReason::ProvenAbsent)?;
                self.transaction.prepare_cached("DELETE FROM sighting WHERE key_id = ?1")?.execute([key])?;
                self.change(key, ChangeKind::BecameGone, evidence.presence, PresenceReason::ProvenAbsent)
            }
            Conclusion::BecomesUnknown(reason) => {
                self.becomes(key, Presence::Unknown, reason)?;
                if evidence.presence == Presence::Unknown {
                    return Ok(());
                }
                self.change(key, ChangeKind::BecameUnknown, evidence.presence, reason)
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

/// Since when a key is missing, as stored.
#[derive(Clone, Copy)]
struct Since {
    number: i64,
    at: i64,
    boot_s: i64,
    run: i64,
}

/// The lines of history that the poll wrote, counted.
fn changes(transaction: &Transaction<'_>, poll: i64) -> Stored<Settled> {
    let mut select = transaction.prepare_cached(
        "SELECT k.kind, c.change, count(*) FROM change AS c JOIN key AS k ON k.id = c.key_id WHERE c.poll_id = ?1 GROUP BY 1, 2",
    )?;
    let mut rows = select.query([poll])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(2)?;
        changes.push((word(row, 0, "key.kind")?, word(row, 1, "change.change")?, count.unsigned_abs()));
    }
    Ok(Settled { changes })
}
