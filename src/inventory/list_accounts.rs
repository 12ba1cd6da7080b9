//! Rows of the public view `accounts`.

use rusqlite::Row;

use super::error::Stored;
use super::read::Reader;
use super::sql::optional_time;
use crate::domain::Time;

/// A row of the view, with its columns typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its provider's word.
    pub provider: String,
    /// Its name in the config.
    pub account: String,
    /// The id of its organisation, where a poll confirmed one and the provider tells.
    pub organization_id: Option<String>,
    /// The organisation's name, likewise.
    pub organization_name: Option<String>,
    /// Whether the config names it.
    pub configured: bool,
    /// When its last poll that came to an end began.
    pub last_poll_at: Option<Time>,
    /// Every scope that it opened ended complete or closed; `None` before the first poll.
    pub up: Option<bool>,
    /// Why not: a word of a closed list.
    pub reason: Option<String>,
    /// Everything was read since then.
    pub last_complete_poll_at: Option<Time>,
    /// Keys of that organisation that are not gone.
    pub keys: u64,
    /// When the credential that it is polled with expires, where the provider tells.
    pub credential_expires_at: Option<Time>,
}

const SELECT: &str = "
SELECT provider, account, organization_id, organization_name, configured, last_poll_at, up, reason, last_complete_poll_at, keys,
       credential_expires_at
  FROM accounts
 ORDER BY account";

impl Reader {
    /// Every account in the file, those no longer configured too.
    pub async fn accounts(&self) -> Stored<Vec<AccountRow>> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(SELECT)?;
            let mut rows = select.query([])?;
            let mut accounts = Vec::new();
            while let Some(row) = rows.next()? {
                accounts.push(account(row)?);
            }
            Ok(accounts)
        })
        .await
    }
}

fn account(row: &Row<'_>) -> Stored<AccountRow> {
    Ok(AccountRow {
        provider: row.get(0)?,
        account: row.get(1)?,
        organization_id: row.get(2)?,
        organization_name: row.get(3)?,
        configured: row.get(4)?,
        last_poll_at: optional_time(row, 5, "accounts.last_poll_at")?,
        up: row.get(6)?,
        reason: row.get(7)?,
        last_complete_poll_at: optional_time(row, 8, "accounts.last_complete_poll_at")?,
        keys: row.get::<_, i64>(9)?.unsigned_abs(),
        credential_expires_at: optional_time(row, 10, "accounts.credential_expires_at")?,
    })
}
