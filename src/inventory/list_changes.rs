//! Rows of the public view `changes`.

use rusqlite::types::Value;
use rusqlite::{Row, ToSql};

use super::error::Stored;
use super::read::Reader;
use super::sql::{time, word};
use crate::domain::{ChangeKind, KeyKind, Time};

/// A line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Grows with time.
    pub change_id: i64,
    /// When it was seen.
    pub at: Time,
    /// The key's provider.
    pub provider: String,
    /// The key's account.
    pub account: String,
    /// The provider's id of the key.
    pub key_id: String,
    /// The key's name now.
    pub name: Option<String>,
    /// The key's kind now.
    pub kind: KeyKind,
    /// What changed.
    pub change: ChangeKind,
    /// What was before, where that can be said.
    pub before: Option<String>,
    /// What is since.
    pub after: Option<String>,
}

/// Which lines. An empty list and `None` allow everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangesAsked {
    /// Of one of these accounts.
    pub accounts: Vec<String>,
    /// Of the key with this id.
    pub key_id: Option<String>,
    /// Only lines of a greater number.
    pub after: Option<i64>,
    /// Only lines of a smaller number.
    pub before: Option<i64>,
    /// Of one of these kinds.
    pub changes: Vec<ChangeKind>,
    /// Seen at that instant or later.
    pub since: Option<Time>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// Columns as [`change`] reads them.
pub(super) const SELECT: &str = "SELECT change_id, at, provider, account, key_id, name, kind, change, before, after FROM changes";
const ACCOUNTS: &str = "account IN (SELECT value FROM json_each(:accounts))";
/// By the rows of the keys: through the view all of history would be read.
const KEY: &str =
    "change_id IN (SELECT c.id FROM organization AS o CROSS JOIN key AS k ON k.organization_id = o.id AND k.remote_id = :key_id
                           CROSS JOIN change AS c ON c.key_id = k.id)";
const AFTER: &str = "change_id > :after";
const BEFORE: &str = "change_id < :before";
const CHANGES: &str = "change IN (SELECT value FROM json_each(:changes))";
const SINCE: &str = "unixepoch(at) >= :since";
const NEWEST_FIRST: &str = "ORDER BY change_id DESC LIMIT :limit";

/// The history of a key, as it is asked for.
#[cfg(test)]
pub(super) fn of_key() -> String {
    format!("{SELECT} WHERE {ACCOUNTS} AND {KEY} {NEWEST_FIRST}")
}

impl Reader {
    /// Lists what changed, the newest first.
    pub async fn changes(&self, asked: ChangesAsked) -> Stored<Vec<ChangeRow>> {
        self.read(move |connection| {
            let mut terms = vec!["true"];
            let mut values: Vec<(&str, Value)> = vec![(":limit", asked.limit.map_or(-1, i64::from).into())];
            let accounts = (!asked.accounts.is_empty()).then(|| serde_json::Value::from(asked.accounts).to_string().into());
            let changes: Vec<&str> = asked.changes.iter().map(|change| change.as_str()).collect();
            let changes = (!changes.is_empty()).then(|| serde_json::Value::from(changes).to_string().into());
            for (term, name, value) in [
                (ACCOUNTS, ":accounts", accounts),
                (KEY, ":key_id", asked.key_id.map(Value::from)),
                (AFTER, ":after", asked.after.map(Value::from)),
                (BEFORE, ":before", asked.before.map(Value::from)),
                (CHANGES, ":changes", changes),
                (SINCE, ":since", asked.since.map(|since| since.unix().into())),
            ] {
                if let Some(value) = value {
                    terms.push(term);
                    values.push((name, value));
                }
            }
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE {} {NEWEST_FIRST}", terms.join(" AND ")))?;
            let values: Vec<(&str, &dyn ToSql)> = values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect();
            let mut rows = select.query(values.as_slice())?;
            let mut changes = Vec::new();
            while let Some(row) = rows.next()? {
                changes.push(change(row)?);
            }
            Ok(changes)
        })
        .await
    }
}

/// Reads a row of the view, in the order of its columns.
pub(super) fn change(row: &Row<'_>) -> Stored<ChangeRow> {
    Ok(ChangeRow {
        change_id: row.get(0)?,
        at: time(row, 1, "changes.at")?,
        provider: row.get(2)?,
        account: row.get(3)?,
        key_id: row.get(4)?,
        name: row.get(5)?,
        kind: word(row, 6, "key.kind")?,
        change: word(row, 7, "change.change")?,
        before: row.get(8)?,
        after: row.get(9)?,
    })
}
