//! Holds: what the guard stops when a poll settles, and how it comes free again by itself.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Transaction;

use super::error::Stored;
use super::guard::{Cause, GuardLimits, Loss};
use crate::domain::Time;

/// How many keys of ?1 became missing since ?2 without anybody's word, and are still; those past their expiry then do not count.
pub(super) const LOST: &str =
    "SELECT count(DISTINCT c.key_id) FROM change AS c INDEXED BY change_became_missing JOIN key AS k ON k.id = c.key_id
              WHERE k.organization_id = ?1 AND c.change = 'became_missing' AND c.at > ?2 AND k.presence IN ('missing', 'gone')
                AND coalesce(k.expires_at > c.at, 1)
                AND NOT EXISTS (SELECT 1 FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id
                                 WHERE x.key_id = k.id AND (h.ended_by IS NOT NULL OR x.absent_poll IS NOT NULL))";

/// Unexpired keys under open holds of account ?1 as of ?2.
macro_rules! held {
    ($and:literal) => {
        concat!(
            "SELECT count(DISTINCT k.id) FROM hold AS h JOIN held_key AS x ON x.hold_id = h.id JOIN key AS k ON k.id = x.key_id
              WHERE h.account_id = ?1 AND h.ended_at IS NULL AND x.absent_poll IS NULL AND coalesce(k.expires_at > ?2, 1)",
            $and
        )
    };
}

/// All of them.
pub(super) const HELD: &str = held!("");
/// Those that scope ?3 no longer lists.
pub(super) const HELD_OF_LIST: &str =
    held!(" AND EXISTS (SELECT 1 FROM sighting AS y WHERE y.scope_id = ?3 AND y.key_id = k.id AND y.unlisted_walk IS NOT NULL)");

/// Open holds of keys of account ?1 that cover none any more end at ?2.
pub(super) const ENDED: &str = "UPDATE hold SET ended_at = ?2
              WHERE account_id = ?1 AND ended_at IS NULL AND walk_id IS NULL AND NOT EXISTS (
                    SELECT 1 FROM held_key AS x WHERE x.hold_id = hold.id AND x.absent_poll IS NULL)";

/// The guard at work on one organisation.
pub(super) struct Holds<'a> {
    pub transaction: &'a Transaction<'a>,
    pub account: i64,
    pub organization: i64,
    pub guard: &'a GuardLimits,
    pub now: Time,
}

/// A list of people or projects whose rows carry the walk that no longer held them.
struct List {
    scope: i64,
    /// What it lost up to that walk an earlier settling has judged. Walks that none followed, as a crash leaves them, have not been.
    judged_walk: i64,
    complete_walk: i64,
    of_people: bool,
}

/// What a list lost, and the first walk that no longer held some of it.
struct ListLoss {
    loss: Loss,
    first_walk: Option<i64>,
}

/// Keys that would become missing, and how many of them count.
#[derive(Default)]
struct Doubtful {
    keys: Vec<i64>,
    counted: u64,
}

impl Doubtful {
    fn add(&mut self, key: i64, expired: bool) {
        self.keys.push(key);
        self.counted += u64::from(!expired);
    }
}

impl Holds<'_> {
    /// Ends holds that hold nothing any more: of keys, when the last was sighted or proven absent; of a list, when all are back
    /// that it lost, and what it lost since is little.
    pub fn release(&self) -> Stored<()> {
        self.transaction.prepare_cached(ENDED)?.execute((self.account, self.now.unix()))?;
        for list in self.lists()? {
            let mut select =
                self.transaction.prepare_cached("SELECT id, walk_id FROM hold WHERE scope_id = ?1 AND ended_at IS NULL")?;
            let held: Vec<(i64, i64)> =
                select.query_map([list.scope], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            for (hold, walk) in held {
                let loss = self.list_loss(&list, walk - 1)?.loss;
                if self.are_back(&list, walk)? && self.guard.of_list(loss).is_none() {
                    if list.of_people {
                        self.count_leavers_anew(&list, walk)?;
                    }
                    self.transaction
                        .prepare_cached("UPDATE hold SET ended_at = ?2 WHERE id = ?1")?
                        .execute((hold, self.now.unix()))?;
                } else {
                    self.transaction
                        .prepare_cached("UPDATE hold SET held = max(held, ?2) WHERE id = ?1")?
                        .execute((hold, loss.lost.cast_signed()))?;
                }
            }
        }
        Ok(())
    }

    /// Holds a list of people or projects that lost too much since a settling last judged it.
    pub fn hold_lists(&self) -> Stored<()> {
        for list in self.lists()? {
            let ListLoss { loss, first_walk } = self.list_loss(&list, list.judged_walk)?;
            if let Some(cause) = self.guard.of_list(loss)
                && !self.is_held(&list)?
            {
                self.insert(Some(list.scope), first_walk, cause, loss.lost)?;
            }
            self.transaction
                .prepare_cached(
                    "UPDATE scope SET judged_walk = complete_walk WHERE id = ?1 AND judged_walk IS NOT complete_walk",
                )?
                .execute([list.scope])?;
        }
        Ok(())
    }

    /// Holds keys that would become missing where they are too many of a list or of the account. Returns those held.
    ///
    /// Keys past their own expiry do not count, some providers purge those; but where a list is held, it is held whole, because
    /// it is the list that is in doubt. Acknowledged keys have been looked at and go, and so do those not found by their ids.
    pub fn hold_keys(&self, missing: Vec<i64>) -> Stored<HashSet<i64>> {
        let mut by_scope: BTreeMap<i64, Doubtful> = BTreeMap::new();
        let mut all = Doubtful::default();
        for key in missing {
            let Some(expired) = self.is_expired_unless_settled(key)? else { continue };
            all.add(key, expired);
            let mut scopes = self.transaction.prepare_cached("SELECT scope_id FROM sighting WHERE key_id = ?1")?;
            for scope in scopes.query_map([key], |row| row.get(0))? {
                by_scope.entry(scope?).or_default().add(key, expired);
            }
        }
        let mut held = HashSet::new();
        for (scope, doubtful) in by_scope {
            let loss = Loss { lost: doubtful.counted + self.held_of_list(scope)?, left: self.listed(scope)? };
            if let Some(cause) = self.guard.of_list(loss) {
                self.hold(Some(scope), cause, &doubtful.keys)?;
                held.extend(doubtful.keys);
            }
        }
        if all.counted == 0 {
            return Ok(held);
        }
        let held_before = self.held_of_account()?;
        let lost = self.account_lost()? + held_before + all.counted;
        // What is left is a look at every key, which a few that go missing are not worth.
        if !self.guard.is_many(lost) {
            return Ok(held);
        }
        let left = self.account_left()?.saturating_sub(held_before + all.counted);
        if let Some(cause) = self.guard.of_account(Loss { lost, left }) {
            let free: Vec<i64> = all.keys.into_iter().filter(|key| !held.contains(key)).collect();
            if !free.is_empty() {
                self.hold(None, cause, &free)?;
                held.extend(free);
            }
        }
        Ok(held)
    }

    /// Whether a key is past its own expiry; `None` where its disappearance was acknowledged, or proven by its id.
    fn is_expired_unless_settled(&self, key: i64) -> Stored<Option<bool>> {
        let mut select = self.transaction.prepare_cached(
            "SELECT coalesce(k.expires_at <= ?2, 0),
                    EXISTS (SELECT 1 FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id
                             WHERE x.key_id = k.id AND (h.ended_by IS NOT NULL OR x.absent_poll IS NOT NULL))
               FROM key AS k WHERE k.id = ?1",
        )?;
        let (expired, settled): (bool, bool) = select.query_row((key, self.now.unix()), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((!settled).then_some(expired))
    }

    /// Unexpired keys that a scope still lists.
    fn listed(&self, scope: i64) -> Stored<u64> {
        let mut select = self.transaction.prepare_cached(
            "SELECT count(*) FROM sighting AS x JOIN key AS k ON k.id = x.key_id
              WHERE x.scope_id = ?1 AND x.unlisted_walk IS NULL AND coalesce(k.expires_at > ?2, 1)",
        )?;
        let listed: i64 = select.query_row((scope, self.now.unix()), |row| row.get(0))?;
        Ok(listed.unsigned_abs())
    }

    /// Unexpired keys that open holds cover: what is in doubt stays in doubt for what is lost next, and they keep their presence.
    fn held_of_account(&self) -> Stored<u64> {
        let held: i64 = self.transaction.prepare_cached(HELD)?.query_row((self.account, self.now.unix()), |row| row.get(0))?;
        Ok(held.unsigned_abs())
    }

    /// Those of them that this list no longer holds.
    fn held_of_list(&self, scope: i64) -> Stored<u64> {
        let held: i64 =
            self.transaction.prepare_cached(HELD_OF_LIST)?.query_row((self.account, self.now.unix(), scope), |row| row.get(0))?;
        Ok(held.unsigned_abs())
    }

    /// What the account lost within the window without anybody's word.
    fn account_lost(&self) -> Stored<u64> {
        let lost: i64 = self
            .transaction
            .prepare_cached(LOST)?
            .query_row((self.organization, self.now.plus(-self.guard.window_s).unix()), |row| row.get(0))?;
        Ok(lost.unsigned_abs())
    }

    /// The account's unexpired keys that are present.
    fn account_left(&self) -> Stored<u64> {
        let left: i64 = self
            .transaction
            .prepare_cached(
                "SELECT count(*) FROM key WHERE organization_id = ?1 AND presence = 'present' AND coalesce(expires_at > ?2, 1)",
            )?
            .query_row((self.organization, self.now.unix()), |row| row.get(0))?;
        Ok(left.unsigned_abs())
    }

    fn lists(&self) -> Stored<Vec<List>> {
        let mut select = self.transaction.prepare_cached(
            "SELECT id, coalesce(judged_walk, complete_walk - 1), complete_walk, kind = 'people' FROM scope
              WHERE organization_id = ?1 AND kind IN ('people', 'projects') AND complete_walk IS NOT NULL",
        )?;
        let lists = select.query_map([self.organization], |row| {
            Ok(List { scope: row.get(0)?, judged_walk: row.get(1)?, complete_walk: row.get(2)?, of_people: row.get(3)? })
        })?;
        Ok(lists.collect::<Result<_, _>>()?)
    }

    /// What a list lost by walks behind that one, and what it holds.
    fn list_loss(&self, list: &List, walk: i64) -> Stored<ListLoss> {
        let sql = if list.of_people {
            "SELECT count(*) FILTER (WHERE unlisted_walk > ?2), count(*) FILTER (WHERE unlisted_walk IS NULL),
                    min(unlisted_walk) FILTER (WHERE unlisted_walk > ?2)
               FROM person WHERE organization_id = ?1 AND listed"
        } else {
            "SELECT count(*) FILTER (WHERE unlisted_walk > ?2), count(*) FILTER (WHERE unlisted_walk IS NULL),
                    min(unlisted_walk) FILTER (WHERE unlisted_walk > ?2)
               FROM scope WHERE organization_id = ?1 AND kind = 'project'"
        };
        let (lost, left, first_walk): (i64, i64, _) = self
            .transaction
            .prepare_cached(sql)?
            .query_row((self.organization, walk), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(ListLoss { loss: Loss { lost: lost.unsigned_abs(), left: left.unsigned_abs() }, first_walk })
    }

    /// A list that was held says of nobody that they left: those who went meanwhile are not on it for the first time now.
    fn count_leavers_anew(&self, list: &List, walk: i64) -> Stored<()> {
        self.transaction
            .prepare_cached("UPDATE person SET unlisted_walk = ?3 WHERE organization_id = ?1 AND unlisted_walk >= ?2")?
            .execute((self.organization, walk, list.complete_walk))?;
        Ok(())
    }

    /// All are on the list again that it no longer held by that walk.
    fn are_back(&self, list: &List, walk: i64) -> Stored<bool> {
        let sql = if list.of_people {
            "SELECT 1 FROM person WHERE organization_id = ?1 AND listed AND unlisted_walk = ?2"
        } else {
            "SELECT 1 FROM scope WHERE organization_id = ?1 AND kind = 'project' AND unlisted_walk = ?2"
        };
        Ok(!self.transaction.prepare_cached(sql)?.exists((self.organization, walk))?)
    }

    /// An open hold covers what this list loses.
    fn is_held(&self, list: &List) -> Stored<bool> {
        Ok(self
            .transaction
            .prepare_cached("SELECT 1 FROM hold WHERE scope_id = ?1 AND ended_at IS NULL")?
            .exists([list.scope])?)
    }

    /// Puts keys under the open hold of that scope or account, made where there is none.
    fn hold(&self, scope: Option<i64>, cause: Cause, keys: &[i64]) -> Stored<()> {
        let mut find = self.transaction.prepare_cached(
            "SELECT id FROM hold WHERE account_id = ?1 AND scope_id IS ?2 AND walk_id IS NULL AND ended_at IS NULL",
        )?;
        let mut found = find.query_map((self.account, scope), |row| row.get::<_, i64>(0))?;
        let hold = match found.next() {
            Some(hold) => hold?,
            None => self.insert(scope, None, cause, 0)?,
        };
        let mut put = self.transaction.prepare_cached("INSERT OR IGNORE INTO held_key (hold_id, key_id) VALUES (?1, ?2)")?;
        for key in keys {
            put.execute((hold, key))?;
        }
        self.transaction
            .prepare_cached(
                "UPDATE hold SET held = max(held, (SELECT count(*) FROM held_key AS x WHERE x.hold_id = hold.id)) WHERE id = ?1",
            )?
            .execute([hold])?;
        Ok(())
    }

    fn insert(&self, scope: Option<i64>, walk: Option<i64>, cause: Cause, held: u64) -> Stored<i64> {
        self.transaction
            .prepare_cached(
                "INSERT INTO hold (account_id, scope_id, walk_id, cause, held, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((self.account, scope, walk, cause.as_str(), held.cast_signed(), self.now.unix()))?;
        Ok(self.transaction.last_insert_rowid())
    }
}
