//! The texts of the views, and the words of the domain as SQL reads and writes them.

use std::str::FromStr;
use std::sync::LazyLock;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type, ValueRef};

use super::error::{StoreError, Stored};
use crate::domain::{Condition, RemoteId, Time};

/// The private view with every condition of every key, at `:now`.
const STATES: &str = include_str!("views/states.sql");
/// The public view `keys`, at `:now`.
const KEYS: &str = include_str!("views/keys.sql");

/// The private view of keys that held lists of people and projects keep as they are.
const HELD_BY_LIST: &str = include_str!("views/held_by_list.sql");

/// Creates all views, with SQLite's own clock for `:now`.
pub static VIEWS: LazyLock<String> = LazyLock::new(|| {
    let by_clock = |text: &str| text.replace(":now", "unixepoch()");
    format!(
        "CREATE VIEW held_by_list AS {HELD_BY_LIST};\nCREATE VIEW key_state AS {};\nCREATE VIEW keys AS {};\n{}\n{}",
        by_clock(STATES),
        by_clock(KEYS),
        include_str!("views/public.sql"),
        include_str!("views/help.sql")
    )
});

/// A query over the same texts at a bound `:now`: `tail` reads from `key_state`, and from `keys` as the public view does.
pub fn at_now(tail: &str) -> String {
    format!("WITH held_by_list AS (\n{HELD_BY_LIST}), key_state AS (\n{STATES}), keys AS (\n{KEYS})\n{tail}")
}

/// What needs a person first: the lower, the sooner. Of the private view, where it costs less than by the text of all conditions.
const URGENCY: &str = "CASE WHEN t.expired THEN 0 WHEN t.expiring THEN 1 WHEN t.orphaned THEN 2 WHEN t.stale THEN 3
     WHEN t.never_used THEN 4 WHEN t.overdue THEN 5 WHEN t.no_expiry THEN 6 WHEN t.disabled THEN 7 ELSE 8 END";

/// The same, where `keys` has two more columns: `row`, by which a key is stored, and its `urgency`.
pub fn at_now_in_order(tail: &str) -> String {
    let keys = KEYS.replacen("SELECT ", &format!("SELECT k.id AS row, {URGENCY} AS urgency, "), 1);
    format!("WITH held_by_list AS (\n{HELD_BY_LIST}), key_state AS (\n{STATES}), keys AS (\n{keys})\n{tail}")
}

/// As [`at_now`], where `key_state` has the facts of each key beside its conditions, so that nothing is looked up twice; of the keys
/// whose rows `range` allows, a condition on `key.id`, and by their rows. `told_by` says of a claim about use whose time has come who
/// tells it: 0 the key's home, 1 nobody as long as that was not read, 2 another list.
pub fn facts_at_now(tail: &str, range: &str) -> String {
    const FACTS: &str = "key.created_at, key.expires_state, key.scope_id, key.person_id, key.first_seen_at";
    const TOLD: &str = "
         CASE WHEN k.judged AND (u.stale_at <= :now AND u.stale_basis <> 'age' OR u.never_used_at <= :now)
              THEN CASE WHEN k.home_told IS NOT NULL THEN 0
                        WHEN EXISTS (SELECT 1 FROM sighting AS y WHERE y.key_id = k.id AND y.scope_id <> k.scope_id) THEN 2 ELSE 1 END
              ELSE 0 END AS told_by,
         k.created_at, k.expires_at, k.expires_state, k.scope_id, k.person_id, k.first_seen_at, u.used_at, u.used_state, u.stale_at, u.never_used_at,
         d.expiring_at, d.expired_at, d.no_expiry_at, d.overdue_at, d.waived_until, d.label_set_id";
    let states = STATES
        .replacen("SELECT k.id AS id,", &format!("SELECT k.id AS id, {TOLD},"), 1)
        .replacen("(SELECT key.id,", &format!("(SELECT key.id, {FACTS},"), 1)
        .replacen("FROM key JOIN organization", "FROM key CROSS JOIN organization", 1)
        .replacen("o.id = key.organization_id) AS k", &format!("o.id = key.organization_id WHERE {range}) AS k"), 1);
    format!("WITH key_state AS (\n{states})\n{tail}")
}

/// As [`at_now`], for the one key whose row is bound as `:id`: no other is looked at.
pub fn one_at_now(tail: &str) -> String {
    format!(
        "WITH held_by_list AS (\n{HELD_BY_LIST}), key_state AS (\nSELECT * FROM (\n{STATES}) WHERE id = :id), keys AS (\n{KEYS})\n{tail}"
    )
}

/// A word of a closed enum from a column.
pub fn word<T: FromStr<Err = String>>(row: &Row<'_>, index: usize, column: &'static str) -> Stored<T> {
    let text = text(row, index)?;
    text.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{text}'"), column })
}

/// A text where the row holds it, without a copy.
pub fn text<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<&'row str> {
    let wrong = |error: FromSqlError| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error));
    row.get_ref(index)?.as_str().map_err(wrong)
}

/// The same of a column that may be null.
pub fn optional_text<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<Option<&'row str>> {
    if row.get_ref(index)? == ValueRef::Null { Ok(None) } else { text(row, index).map(Some) }
}

/// A word of a closed enum from a column that may be null.
pub fn optional_word<T: FromStr<Err = String>>(row: &Row<'_>, index: usize, column: &'static str) -> Stored<Option<T>> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| text.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{text}'"), column })).transpose()
}

/// A list of conditions as the view `keys` writes it.
pub fn conditions(row: &Row<'_>, index: usize) -> Stored<Vec<Condition>> {
    let text: String = row.get(index)?;
    let words = text.split(',').filter(|word| !word.is_empty());
    let read = words
        .map(|word| word.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{word}'"), column: "keys.conditions" }));
    read.collect()
}

/// A time of a view, which is text; `None` where there is none.
pub fn optional_time(row: &Row<'_>, index: usize, column: &'static str) -> Stored<Option<Time>> {
    let text: Option<String> = row.get(index)?;
    let Some(text) = text else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => Ok(Some(Time::from_unix(instant.as_second()))),
        Err(_) => Err(StoreError::Inconsistent { what: format!("'{text}'"), column }),
    }
}

/// A time of a view that is always there.
pub fn time(row: &Row<'_>, index: usize, column: &'static str) -> Stored<Time> {
    optional_time(row, index, column)?.ok_or(StoreError::Inconsistent { what: "no time".to_owned(), column })
}

/// A key's id as stored.
pub(super) fn key_id(text: String) -> Stored<RemoteId> {
    RemoteId::new(&text).ok_or(StoreError::Inconsistent { what: text, column: "key.remote_id" })
}

/// Ids as one parameter, for `json_each`.
pub(super) fn ids_as_json(ids: &[RemoteId]) -> String {
    serde_json::Value::from(ids.iter().map(RemoteId::as_str).collect::<Vec<&str>>()).to_string()
}
