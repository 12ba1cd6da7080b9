//! Keys as they are kept in memory, out of the file: all, or those that may have changed. What holds of a key is said by the one text
//! of all conditions; here is only until when.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as SqlRow, Rows};

use super::key::{Conditions, Flags, Key, Row, Second, Told};
use crate::domain::{Basis, Condition, KeyKind, Presence, Time};
use crate::inventory::error::{StoreError, Stored};
use crate::inventory::sql::{facts_at_now, text};

const COLUMNS: &str = "
SELECT id, account_id, scope_id, person_id, label_set_id, created_at, used_at, expires_at, waived_until, kind, presence,
       stale + 2 * never_used + 4 * expiring + 8 * expired + 16 * no_expiry + 32 * overdue + 64 * disabled + 128 * orphaned, told_by, used_state, expires_state, stale_basis,
       stale_at, never_used_at, expiring_at, expired_at, no_expiry_at, overdue_at
  FROM key_state
 ORDER BY id";

/// Every key as of `now`, in the order of their rows.
pub(super) fn all(connection: &Connection, now: Time) -> Stored<Vec<Key>> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?;
    let mut keys = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
    let mut select = connection.prepare(&facts_at_now(COLUMNS, "true"))?;
    take(select.query(&[(":now", &now.unix())])?, now, &mut keys)?;
    Ok(keys)
}

/// Those of these rows that are still there. `rows` are in order, each once.
pub(super) fn some(connection: &Connection, rows: &[Row], now: Time) -> Stored<Vec<Key>> {
    let mut keys = Vec::with_capacity(rows.len());
    let mut select = connection.prepare_cached(&facts_at_now(COLUMNS, "key.id BETWEEN :first AND :last"))?;
    // New keys are stored one behind the other.
    for run in rows.chunk_by(|one, next| one.id() + 1 == next.id()) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            take(select.query(&[(":now", &now.unix()), (":first", &first.id()), (":last", &last.id())])?, now, &mut keys)?;
        }
    }
    Ok(keys)
}

fn take(mut rows: Rows<'_>, now: Time, keys: &mut Vec<Key>) -> Stored<()> {
    while let Some(row) = rows.next()? {
        keys.push(key(row, now.unix())?);
    }
    Ok(())
}

fn key(row: &SqlRow<'_>, now: i64) -> Stored<Key> {
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
    let (mut next, mut claim) = (None, None);
    if Key::is_judged(presence) {
        let (stale, never_used) = (number(16)?, number(17)?);
        let has_come = |at: &i64| *at <= now;
        let waits = |at: Option<i64>, what| at.filter(has_come).filter(|_| !conditions.any_of(Conditions::of(&[what])));
        claim = waits(stale, Condition::Stale).into_iter().chain(waits(never_used, Condition::NeverUsed)).min();
        let others = [expires, waived_until, number(18)?, number(19)?, number(20)?, number(21)?];
        next = others.into_iter().chain([stale, never_used]).flatten().filter(|at| !has_come(at)).min();
    }
    Ok(Key {
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
        kind: kind as u8,
        presence: presence as u8,
        conditions,
        flags: Flags::new(
            told_by(row.get(12)?),
            word(row, 13, "last_use.used_state")?,
            word(row, 14, "key.expires_state")?,
            basis.filter(|_| is_stale),
        ),
    })
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
