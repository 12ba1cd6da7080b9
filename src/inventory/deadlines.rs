//! Writes what policy makes of a key beside the key: deadlines and labels.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction};

use super::apply::moment;
use super::error::Stored;
use super::open::Inventory;
use super::sql::word;
use crate::domain::{Deadlines, KeyKind, Moment, Time};
use crate::policy::{Matchable, Policy, Profile, Verdict};

/// What policy may know of the keys behind row ?1, up to row ?2, at most ?3. Begun with those rows, whatever SQLite knows of the tables: by
/// its statistics it would go through all keys of the one organisation that there is.
pub(super) const TO_JUDGE: &str =
    "SELECT k.id, a.provider, a.name, k.remote_id, k.kind, s.name, p.remote_id, p.name, p.email, k.name, k.created_at,
                u.used_at, u.used_state, k.expires_at, k.expires_state, k.enabled, k.disabled_at,
                coalesce(min(k.access_lost_at, k.left_at), k.access_lost_at, k.left_at), k.self
           FROM key AS k CROSS JOIN organization AS o ON o.id = k.organization_id CROSS JOIN account AS a ON a.id = o.account_id
           CROSS JOIN scope AS s ON s.id = k.scope_id CROSS JOIN last_use AS u ON u.key_id = k.id LEFT JOIN person AS p ON p.id = k.person_id
          WHERE k.id > ?1 AND k.id <= ?2 ORDER BY k.id LIMIT ?3";

/// The policy, and for which account it judges.
#[derive(Debug)]
pub(super) struct Judge {
    pub policy: Arc<Policy>,
    pub provider: String,
    pub account: String,
}

impl Judge {
    /// By that policy, for the account of that row. It may be called otherwise than when a poll of it began.
    pub fn of(transaction: &Transaction<'_>, account: i64, policy: Arc<Policy>) -> Stored<Self> {
        let mut select = transaction.prepare_cached("SELECT provider, name FROM account WHERE id = ?1")?;
        Ok(select.query_row([account], |row| Ok(Self { policy, provider: row.get(0)?, account: row.get(1)? }))?)
    }
}

/// What is known of a key that policy may ask for, owned by whoever read it.
#[derive(Debug)]
pub(super) struct KeyToJudge {
    pub key_id: String,
    pub kind: KeyKind,
    pub scope_name: Option<String>,
    pub owner: Rc<[String]>,
    pub name: Option<String>,
    pub created_at: Option<Time>,
    pub last_used: Moment,
    pub expires: Moment,
    pub enabled: bool,
    pub disabled_at: Option<i64>,
    pub orphaned_at: Option<i64>,
    pub is_self: bool,
}

impl KeyToJudge {
    fn judge(&self, judge: &Judge) -> Verdict {
        self.profiled(judge, |policy, key| policy.judge(key))
    }

    /// Asks policy something about the key.
    pub fn profiled<T>(&self, judge: &Judge, ask: impl FnOnce(&Policy, &Profile<'_>) -> T) -> T {
        let owner: Vec<&str> = self.owner.iter().map(String::as_str).collect();
        let key = Profile {
            matched: Matchable {
                provider: &judge.provider,
                account: &judge.account,
                key_id: &self.key_id,
                kind: self.kind,
                scope_name: self.scope_name.as_deref(),
                owner: &owner,
                name: self.name.as_deref(),
            },
            created_at: self.created_at,
            last_used: self.last_used,
            expires: self.expires,
            enabled: self.enabled,
            disabled_since: self.disabled_at.map(Time::from_unix),
            orphaned_since: self.orphaned_at.map(Time::from_unix),
            is_self: self.is_self,
        };
        ask(&judge.policy, &key)
    }
}

/// Adds the row of a key's last use; what stands behind it says what becomes of one that is there.
macro_rules! last_use {
    ($otherwise:literal) => {
        concat!(
            "INSERT INTO last_use (key_id, used_at, used_state, stale_at, stale_basis, never_used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            $otherwise
        )
    };
}

/// The same for the row of its other deadlines.
macro_rules! deadline {
    ($otherwise:literal) => {
        concat!(
            "INSERT INTO deadline (key_id, expiring_at, expired_at, no_expiry_at, overdue_at, disabled_at, orphaned_at, waived_until, label_set_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            $otherwise
        )
    };
}

/// Writes what policy makes of keys, many with the same statements.
pub(super) struct Verdicts<'a> {
    transaction: &'a Transaction<'a>,
    last_use: CachedStatement<'a>,
    deadline: CachedStatement<'a>,
}

impl<'a> Verdicts<'a> {
    /// Of keys that are new: SQLite keeps no journal of a statement that replaces nothing.
    pub fn of_new(transaction: &'a Transaction<'a>) -> Stored<Self> {
        Self::by(transaction, last_use!(""), deadline!(""))
    }

    fn of_stored(transaction: &'a Transaction<'a>) -> Stored<Self> {
        Self::by(
            transaction,
            last_use!(
                " ON CONFLICT (key_id) DO UPDATE SET used_at = ?2, used_state = ?3, stale_at = ?4, stale_basis = ?5, never_used_at = ?6"
            ),
            deadline!(
                " ON CONFLICT (key_id) DO UPDATE SET expiring_at = ?2, expired_at = ?3, no_expiry_at = ?4, overdue_at = ?5,
                                                     disabled_at = ?6, orphaned_at = ?7, waived_until = ?8, label_set_id = ?9"
            ),
        )
    }

    fn by(transaction: &'a Transaction<'a>, last_use: &str, deadline: &str) -> Stored<Self> {
        let (last_use, deadline) = (transaction.prepare_cached(last_use)?, transaction.prepare_cached(deadline)?);
        Ok(Self { transaction, last_use, deadline })
    }

    /// Writes the last use, all deadlines and the labels of a key.
    pub fn write(&mut self, key: i64, last_used: Moment, verdict: &Verdict) -> Stored<()> {
        self.write_use(key, last_used, &verdict.deadlines)?;
        let labels = label_set(self.transaction, &verdict.labels)?;
        let unix = |time: Option<Time>| time.map(Time::unix);
        let deadlines = &verdict.deadlines;
        self.deadline.execute((
            key,
            unix(deadlines.expiring),
            unix(deadlines.expired),
            unix(deadlines.no_expiry),
            unix(deadlines.overdue),
            unix(deadlines.disabled),
            unix(deadlines.orphaned),
            unix(verdict.waived_until),
            labels,
        ))?;
        Ok(())
    }

    /// Writes the last use and the two deadlines that move with it.
    fn write_use(&mut self, key: i64, last_used: Moment, deadlines: &Deadlines) -> Stored<()> {
        self.last_use.execute((
            key,
            last_used.at().map(Time::unix),
            last_used.state(),
            deadlines.stale.map(|(at, _)| at.unix()),
            deadlines.stale.map(|(_, basis)| basis.as_str()),
            deadlines.never_used.map(Time::unix),
        ))?;
        Ok(())
    }
}

/// Writes the last use of a stored key and the two deadlines that move with it.
pub(super) fn write_use(transaction: &Transaction<'_>, policy: &Arc<Policy>, key: i64, last_used: Moment) -> Stored<()> {
    let mut verdicts = Verdicts::of_stored(transaction)?;
    for (key, judge, known) in load(transaction, policy, key - 1, key)? {
        let known = KeyToJudge { last_used, ..known };
        verdicts.write_use(key, last_used, &known.judge(&judge).deadlines)?;
    }
    Ok(())
}

/// Writes the last use, all deadlines and the labels of a stored key whose facts changed.
pub(super) fn write_anew(transaction: &Transaction<'_>, policy: &Arc<Policy>, key: i64, last_used: Moment) -> Stored<()> {
    let mut verdicts = Verdicts::of_stored(transaction)?;
    for (key, judge, known) in load(transaction, policy, key - 1, key)? {
        let known = KeyToJudge { last_used, ..known };
        verdicts.write(key, last_used, &known.judge(&judge))?;
    }
    Ok(())
}

/// Judges the keys anew that `select` names by `of`.
pub(super) fn rejudge_each(transaction: &Transaction<'_>, policy: &Arc<Policy>, select: &str, of: i64) -> Stored<()> {
    let mut select = transaction.prepare_cached(select)?;
    let keys: Vec<i64> = select.query_map([of], |row| row.get(0))?.collect::<Result<_, _>>()?;
    keys.into_iter().try_for_each(|key| rejudge(transaction, policy, Some(key)))
}

/// The row of a set of labels; `None` for the empty one.
fn label_set(transaction: &Transaction<'_>, labels: &BTreeMap<String, String>) -> Stored<Option<i64>> {
    if labels.is_empty() {
        return Ok(None);
    }
    let object: serde_json::Map<String, serde_json::Value> =
        labels.iter().map(|(name, value)| (name.clone(), serde_json::Value::String(value.clone()))).collect();
    let text = serde_json::Value::Object(object).to_string();
    let found: Option<i64> = transaction
        .prepare_cached("SELECT id FROM label_set WHERE labels = ?1")?
        .query_row([&text], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(Some(id));
    }
    transaction.prepare_cached("INSERT INTO label_set (labels) VALUES (?1)")?.execute([&text])?;
    Ok(Some(transaction.last_insert_rowid()))
}

impl Inventory {
    /// Recomputes every deadline if they were computed by another policy.
    pub async fn judge_all(&self, policy: Arc<Policy>, now: Time) -> Stored<()> {
        self.judge_all_after(|_| Ok(()), policy, now).await
    }

    /// The same after `first`, in one transaction. The policy is in force once that is committed.
    pub(super) async fn judge_all_after<F>(&self, first: F, policy: Arc<Policy>, now: Time) -> Stored<()>
    where
        F: FnOnce(&Transaction<'_>) -> Stored<()> + Send + 'static,
    {
        let (in_force, judged_by) = (self.policy_in_force(), Arc::clone(&policy));
        let work = move |transaction: &Transaction<'_>| {
            first(transaction)?;
            judge_all(transaction, &policy, now)
        };
        self.write_then(work, move || in_force.replace(judged_by)).await
    }
}

fn judge_all(transaction: &Transaction<'_>, policy: &Arc<Policy>, now: Time) -> Stored<()> {
    let fingerprint = policy.fingerprint();
    let stored: Option<i64> = transaction.query_row("SELECT fingerprint FROM policy", [], |row| row.get(0)).optional()?;
    if stored == Some(fingerprint) {
        return Ok(());
    }
    rejudge(transaction, policy, None)?;
    write_waivers(transaction, policy)?;
    transaction.execute(
        "INSERT INTO policy (one, fingerprint, computed_at, waivers_told_at) VALUES (1, ?1, ?2, ?2)
         ON CONFLICT (one) DO UPDATE SET fingerprint = ?1, computed_at = ?2",
        (fingerprint, now.unix()),
    )?;
    Ok(())
}

/// The policy that every key was last judged by. A poll that began under another one judges by this: else what it touches would
/// keep the old deadlines.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce(Arc<Mutex<Option<Arc<Policy>>>>);

impl InForce {
    /// The policy in force, or `other` where none was named yet.
    pub fn or(&self, other: &Arc<Policy>) -> Arc<Policy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(|| Arc::clone(other))
    }

    fn replace(&self, policy: Arc<Policy>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy);
    }
}

fn write_waivers(transaction: &Transaction<'_>, policy: &Policy) -> Stored<()> {
    transaction.execute("DELETE FROM waiver", [])?;
    let mut insert = transaction.prepare_cached("INSERT INTO waiver (matches, reason, who, until) VALUES (?1, ?2, ?3, ?4)")?;
    for waiver in &policy.waivers {
        insert.execute((waiver.matches.to_string(), &waiver.reason, &waiver.who, waiver.until.unix()))?;
    }
    Ok(())
}

/// Keys judged between two looks at the table: no query runs over rows that it changes, and memory stays bounded.
const SLICE: i64 = 5000;

/// Judges stored keys anew: all of them, or the one named.
pub(super) fn rejudge(transaction: &Transaction<'_>, policy: &Arc<Policy>, only: Option<i64>) -> Stored<()> {
    let (mut after, last) = only.map_or((0, i64::MAX), |key| (key - 1, key));
    let mut verdicts = Verdicts::of_stored(transaction)?;
    loop {
        let slice = load(transaction, policy, after, last)?;
        let Some((newest, ..)) = slice.last() else { return Ok(()) };
        after = *newest;
        for (key, judge, known) in &slice {
            verdicts.write(*key, known.last_used, &known.judge(judge))?;
        }
    }
}

/// The keys behind row `after`, up to row `last`, at most a slice of them.
pub(super) fn load(
    connection: &Connection,
    policy: &Arc<Policy>,
    after: i64,
    last: i64,
) -> Stored<Vec<(i64, Judge, KeyToJudge)>> {
    let mut select = connection.prepare_cached(TO_JUDGE)?;
    let mut rows = select.query([after, last, SLICE])?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let owner = [6, 7, 8].into_iter().map(|index| row.get::<_, Option<String>>(index)).collect::<Result<Vec<_>, _>>()?;
        let known = KeyToJudge {
            key_id: row.get(3)?,
            kind: word(row, 4, "key.kind")?,
            scope_name: row.get(5)?,
            owner: owner.into_iter().flatten().collect(),
            name: row.get(9)?,
            created_at: row.get::<_, Option<i64>>(10)?.map(Time::from_unix),
            last_used: moment(row, 11)?,
            expires: moment(row, 13)?,
            enabled: row.get(15)?,
            disabled_at: row.get(16)?,
            orphaned_at: row.get(17)?,
            is_self: row.get(18)?,
        };
        let judge = Judge { policy: Arc::clone(policy), provider: row.get(1)?, account: row.get(2)? };
        read.push((row.get(0)?, judge, known));
    }
    Ok(read)
}
