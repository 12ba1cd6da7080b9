//! Keys as they are kept in memory, out of the file: all, or those that may have changed. What holds of a key is said by the one text
//! of all conditions; here is only until when.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as SqlRow, Rows};

use super::key::{Conditions, Day, Flags, Key, Row, Second, Told};
use crate::domain::{Basis, Condition, KeyKind, Presence, Time};
use crate::inventory::error::{StoreError, Stored};
use crate::inventory::sql::{facts_at_now, text};

const COLUMNS: &str = "
SELECT id, account_id, scope_id, person_id, label_set_id, created_at, used_at, expires_at, waived_until, kind, presence,
       stale + 2 * never_used + 4 * expiring + 8 * expired + 16 * no_expiry + 32 * overdue + 64 * disabled + 128 * orphaned, told_by, used_state, expires_state, stale_basis,
       stale_at, never_used_at, expiring_at, expired_at, no_expiry_at, overdue_at, first_seen_at
  FROM key_state
 WHERE used_state IS NOT NULL
 ORDER BY id";

/// Keys in the order of their rows, and since when they are as they are: the latest instant at which something of one began or ended.
#[derive(Debug)]
pub(super) struct Keys {
    pub keys: Vec<Key>,
    pub since: Second,
}

impl Default for Keys {
    fn default() -> Self {
        Self { keys: Vec::new(), since: Second::FIRST }
    }
}

/// Every key as of `now`.
pub(super) fn all(connection: &Connection, now: Time) -> Stored<Keys> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?;
    let mut read = Keys { keys: Vec::with_capacity(usize::try_from(rows).unwrap_or(0)), ..Keys::default() };
    let mut select = connection.prepare(&facts_at_now(COLUMNS, "true"))?;
    read.take(select.query(&[(":now", &now.unix())])?, now)?;
    Ok(read)
}

/// Those of these rows that are still there. `rows` are in order, each once.
pub(super) fn some(connection: &Connection, rows: &[Row], now: Time) -> Stored<Keys> {
    let mut read = Keys { keys: Vec::with_capacity(rows.len()), ..Keys::default() };
    let mut select = connection.prepare_cached(&facts_at_now(COLUMNS, "key.id BETWEEN :first AND :last"))?;
    // New keys are stored one behind the other.
    for run in rows.chunk_by(|one, next| one.id() + 1 == next.id()) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            read.take(select.query(&[(":now", &now.unix()), (":first", &first.id()), (":last", &last.id())])?, now)?;
        }
    }
    Ok(read)
}

impl Keys {
    fn take(&mut self, mut rows: Rows<'_>, now: Time) -> Stored<()> {
        while let Some(row) = rows.next()? {
            let (key, since) = key(row, now.unix())?;
            self.keys.push(key);
            self.since = self.since.max(since);
        }
        Ok(())
    }
}

/// A key, and since when it is as it is.
fn key(row: &SqlRow<'_>, now: i64) -> Stored<(Key, Second)> {
    let number = |index| row.get::<_, Option<i64>>(index);
    let other = |index| number(index)?.map(Row::new).transpose();
    let basis: Option<Basis> = match row.get_ref(15)? {
        ValueRef::Null => None,
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
            Some(word(row, 15, "last_use.stale_basis")?)
        }
    };
    let kind: KeyKind = word(row, 9, "key.kind")?;
    let presence: Presence = word(row, 10, "key.presence")?;
    let conditions = Conditions(row.get(11)?);
    let is_stale = conditions.any_of(Conditions::of(&[Condition::Stale]));
    let (expires, waived_until) = (number(7)?, number(8)?);
    let (mut next, mut claim, mut since) = (None, None, None);
    if presence.may_be_there() {
        let (stale, never_used) = (number(16)?, number(17)?);
        let has_come = |at: &i64| *at <= now;
        let waits = |at: Option<i64>, what| at.filter(has_come).filter(|_| !conditions.any_of(Conditions::of(&[what])));
        claim = waits(stale, Condition::Stale).into_iter().chain(waits(never_used, Condition::NeverUsed)).min();
        let others = [expires, waived_until, number(18)?, number(19)?, number(20)?, number(21)?];
        let all = || others.into_iter().chain([stale, never_used]).flatten();
        next = all().filter(|at| !has_come(at)).min();
        since = all().filter(has_come).max();
    }
    let key = Key {
        row: Row::new(row.get(0)?)?,
        account: Row::new(row.get(1)?)?,
        home: Row::new(row.get(2)?)?,
        owner: other(3)?,
        labels: other(4)?,
        created: Second::new(number(5)?),
        used: Second::new(number(6)?),
        expires: Second::new(expires),
        waived_until: Second::new(waived_until),
        next: Second::new(next),
        claim: Second::new(claim),
        seen: Day::of(row.get(22)?),
        kind: kind as u8,
        presence: presence as u8,
        conditions,
        flags: Flags::new(
            told_by(row.get(12)?),
            word(row, 13, "last_use.used_state")?,
            word(row, 14, "key.expires_state")?,
            basis.filter(|_| is_stale),
        ),
    };
    Ok((key, since.map_or(Second::FIRST, |since| Second::new(Some(since)))))
}

fn told_by(number: u8) -> Told {
    match number {
        0 => Told::ByHome,
        1 => Told::NotYet,
        _ => Told::ByOthers,
    }
}

fn word<T: std::str::FromStr<Err = String>>(row: &SqlRow<'_>, index: usize, column: &'static str) -> Stored<T> {
    text(row, index)?.parse().map_err(|what| StoreError::Inconsistent { what, column })
}
