//! Reads the history of changes.

use super::error::Stored;
use super::read::Reader;
use super::sql::word;
use crate::domain::{ChangeKind, Time};

/// One line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number: later lines have greater ones.
    pub id: i64,
    /// When it was seen.
    pub at: Time,
    /// The account.
    pub account: String,
    /// The provider's id of the key.
    pub key_id: String,
    /// The key's name now.
    pub name: Option<String>,
    /// What happened.
    pub change: ChangeKind,
    /// What it was before, where there is something to tell.
    pub before: Option<String>,
    /// What it is since.
    pub after: Option<String>,
}

/// Lines that one question gives at most.
const MOST: i64 = 1000;

impl Reader {
    /// What happened after the line of that number, oldest first, a thousand lines at most.
    pub async fn changes_after(&self, id: i64) -> Stored<Vec<Change>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT c.id, c.at, a.name, k.remote_id, k.name, c.change, c.before, c.after
                   FROM change AS c JOIN key AS k ON k.id = c.key_id JOIN organization AS o ON o.id = k.organization_id
                   JOIN account AS a ON a.id = o.account_id
                  WHERE c.id > ?1 ORDER BY c.id LIMIT ?2",
            )?;
            let mut rows = select.query([id, MOST])?;
            let mut changes = Vec::new();
            while let Some(row) = rows.next()? {
                changes.push(Change {
                    id: row.get(0)?,
                    at: Time::from_unix(row.get(1)?),
                    account: row.get(2)?,
                    key_id: row.get(3)?,
                    name: row.get(4)?,
                    change: word(row, 5, "change.change")?,
                    before: row.get(6)?,
                    after: row.get(7)?,
                });
            }
            Ok(changes)
        })
        .await
    }
}
