//! Gathers what bears on the presence of one key.

use rusqlite::Transaction;

use super::conclude::{Evidence, Missing, Newest, Witness};
use super::error::Stored;
use super::people_again::MembersStill;
use super::sql::word;
use crate::domain::{Presence, PresenceReason, ScopeKind, Standing};
use crate::walk::WalkId;

/// What is stored of key ?1.
pub(super) const EVIDENCE: &str = "SELECT k.presence, k.presence_reason, k.missing_number, k.missing_at, k.missing_boot_s, k.missing_run,
                    coalesce(p.kind = 'user' AND (p.unlisted_walk IS NOT NULL OR (p.listed = 0 AND EXISTS (
                        SELECT 1 FROM scope AS s WHERE s.organization_id = k.organization_id AND s.kind = 'people' AND s.complete_walk IS NOT NULL))), 0),
                    EXISTS (SELECT 1 FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id WHERE x.key_id = k.id AND h.ended_at IS NULL
                                AND x.absent_poll IS NULL)
                    OR coalesce(p.unlisted_walk >= (SELECT min(h.walk_id) FROM hold AS h JOIN scope AS s ON s.id = h.scope_id
                                 WHERE s.organization_id = k.organization_id AND s.kind = 'people' AND h.ended_at IS NULL), 0),
                    iif(p.kind = 'user', p.back_walk, NULL), iif(p.kind = 'user', p.remote_id, NULL)
               FROM key AS k LEFT JOIN person AS p ON p.id = k.person_id WHERE k.id = ?1";

/// The scopes that list or listed key ?1; whether poll ?2 read people completely, and then the list; and whether the key names no
/// owner, and a member left or came back since a list of current members' keys last held it.
pub(super) const WITNESSES: &str = "SELECT s.standing, x.unlisted_walk IS NOT NULL, s.kind, w.id, w.started_at, w.boot_s, w.run_id,
                    w.poll_id = ?2 AND EXISTS (SELECT 1 FROM scope AS p JOIN walk AS o ON o.id = p.complete_walk
                                                WHERE p.organization_id = s.organization_id AND p.kind = 'people' AND p.remote_id = ''
                                                  AND o.poll_id = ?2 AND o.id < w.id),
                    s.kind IN ('member', 'organization') AND (SELECT k.person_id IS NULL FROM key AS k WHERE k.id = ?1) AND EXISTS (
                        SELECT 1 FROM person AS p WHERE p.organization_id = s.organization_id AND p.kind = 'user'
                           AND max(coalesce(p.unlisted_walk, 0), coalesce(p.back_walk, 0)) >
                               coalesce((SELECT max(w.id) FROM walk AS w
                                          WHERE w.scope_id = s.id AND w.outcome = 'complete' AND w.id < x.unlisted_walk), 0))
               FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id LEFT JOIN walk AS w ON w.id = s.complete_walk WHERE x.key_id = ?1";

/// What is the same for every key that a poll's settling looks at.
pub(super) struct Common<'a> {
    pub poll: i64,
    pub members_still: &'a MembersStill,
    pub slowest_open: Option<WalkId>,
    pub confirm_after_s: i64,
}

/// Gathers it.
pub(super) fn evidence(transaction: &Transaction<'_>, key: i64, common: &Common<'_>) -> Stored<Evidence> {
    let mut select = transaction.prepare_cached(EVIDENCE)?;
    let mut rows = select.query([key])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let missing = match (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?) {
        (Some(number), Some(at), Some(boot_s), Some(run)) => Some(Since { number, at, boot_s, run }),
        (_, _, _, _) => None,
    };
    let owner_left = row.get(6)?;
    // What a list of current members left out while the owner was none of them says nothing, also when they are back.
    let user: Option<String> = row.get(9)?;
    let still = user.as_deref().is_none_or(|user| common.members_still.holds(user));
    let owner = Owner { is_user: user.is_some(), still, left: owner_left, back: row.get(8)? };
    Ok(Evidence {
        presence: word::<Presence>(row, 0, "key.presence")?,
        reason: word::<PresenceReason>(row, 1, "key.presence_reason")?,
        missing: missing.map(|since| Missing { number: since.number }),
        witnesses: witnesses(transaction, (key, common.poll), missing, owner)?,
        owner_left,
        slowest_open: common.slowest_open,
        held: row.get(7)?,
        confirm_after_s: common.confirm_after_s,
    })
}

/// Whether the key's owner was among the members.
#[derive(Clone, Copy)]
struct Owner {
    is_user: bool,
    /// They were on the list of people that was read after the lists of keys; true also of whoever is no user.
    still: bool,
    left: bool,
    /// The walk of people that listed them again.
    back: Option<i64>,
}

impl Owner {
    /// Whether a walk of current members' keys may have left out the key because its owner was away: they were seen to be, or
    /// the poll that settles did not see them before that walk and behind it.
    fn may_have_been_away(self, walk: Option<Newest>, people_read_before: bool) -> bool {
        let before = |back| walk.is_none_or(|newest| newest.walk.0 < back);
        let seen = people_read_before && self.still;
        !self.left && (self.back.is_some_and(before) || (self.is_user && !seen))
    }
}

fn witnesses(
    transaction: &Transaction<'_>,
    key_and_poll: (i64, i64),
    missing: Option<Since>,
    owner: Owner,
) -> Stored<Vec<Witness>> {
    let mut select = transaction.prepare_cached(WITNESSES)?;
    let mut rows = select.query(key_and_poll)?;
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
        let deaf = current_members_only && owner.may_have_been_away(newest, row.get(7)?);
        let unlisted = row.get::<_, bool>(1)? && !deaf;
        let standing = word::<Standing>(row, 0, "scope.standing")?;
        let may_be_a_leavers = row.get(8)?;
        witnesses.push(Witness { standing, unlisted, newest, current_members_only, may_be_a_leavers });
    }
    Ok(witnesses)
}

/// Since when a key is missing, as stored.
#[derive(Clone, Copy)]
struct Since {
    number: i64,
    at: i64,
    boot_s: i64,
    run: i64,
}
