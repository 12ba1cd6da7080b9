//! Rows of the public view `scopes`.

use rusqlite::{Row, named_params};

use super::error::Stored;
use super::read::Reader;
use super::sql::{optional_time, word};
use crate::domain::{ScopeKind, ScopeState, Time};

/// A list that is read, and how that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    /// Its provider's word.
    pub provider: String,
    /// Its account.
    pub account: String,
    /// What sort of list.
    pub kind: ScopeKind,
    /// The project or member; empty where the organisation has only one such list.
    pub scope_id: String,
    /// That one's name.
    pub scope_name: Option<String>,
    /// By its newest walk.
    pub state: ScopeState,
    /// Why it is not complete: a word of a closed list.
    pub reason: Option<String>,
    /// What was seen, in our own words.
    pub detail: Option<String>,
    /// When the newest walk began.
    pub last_walk_at: Option<Time>,
    /// When the newest complete one began.
    pub last_complete_at: Option<Time>,
    /// Keys that it lists.
    pub keys: u64,
}

/// Those that cannot be seen whole come first.
const SELECT: &str = "
SELECT provider, account, kind, scope_id, scope_name, state, reason, detail, last_walk_at, last_complete_at, keys,
       count(*) OVER ()
  FROM scopes
 WHERE (json_array_length(:accounts) = 0 OR account IN (SELECT value FROM json_each(:accounts)))
   AND (NOT :unseen OR (state NOT IN ('complete', 'retired') AND NOT (state = 'vanished' AND keys = 0)))
 ORDER BY account, state = 'complete', kind, scope_name, scope_id
 LIMIT :limit";

/// In the order of what a list is known by, which never changes.
const BEHIND: &str = "
SELECT provider, account, kind, scope_id, scope_name, state, reason, detail, last_walk_at, last_complete_at, keys
  FROM scopes
 WHERE (json_array_length(:accounts) = 0 OR account IN (SELECT value FROM json_each(:accounts)))
   AND (:account IS NULL OR (account, kind, scope_id) > (:account, :kind, :scope_id))
 ORDER BY account, kind, scope_id
 LIMIT :limit";

/// What a list is known by: its account, its kind and the project or member.
pub type ScopePlace = (String, ScopeKind, String);

impl Reader {
    /// Scopes of these accounts, or of all where none is named, behind that one, in the order of what they are known by.
    pub async fn scopes_behind(&self, accounts: Vec<String>, behind: Option<ScopePlace>, limit: u32) -> Stored<Vec<ScopeRow>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(BEHIND)?;
            let accounts = serde_json::Value::from(accounts).to_string();
            let (account, kind, scope_id) = match behind {
                Some((account, kind, scope_id)) => (Some(account), Some(kind.as_str()), Some(scope_id)),
                None => (None, None, None),
            };
            let mut rows = select.query(named_params! {
                ":accounts": accounts, ":account": account, ":kind": kind, ":scope_id": scope_id, ":limit": limit,
            })?;
            let mut scopes = Vec::new();
            while let Some(row) = rows.next()? {
                scopes.push(scope(row)?);
            }
            Ok(scopes)
        })
        .await
    }

    /// Every scope of an account, those first that cannot be seen whole.
    pub async fn scopes(&self, account: String) -> Stored<Vec<ScopeRow>> {
        Ok(self.list_scopes(vec![account], false, None).await?.0)
    }

    /// Scopes of these accounts, or of all where none is named, that are neither read completely nor retired, at most so many,
    /// and how many there are. What vanished counts only while keys were last listed there.
    pub async fn unseen_scopes(&self, accounts: Vec<String>, limit: u32) -> Stored<(Vec<ScopeRow>, u64)> {
        self.list_scopes(accounts, true, Some(limit)).await
    }

    async fn list_scopes(&self, accounts: Vec<String>, unseen: bool, limit: Option<u32>) -> Stored<(Vec<ScopeRow>, u64)> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(SELECT)?;
            let limit = limit.map_or(-1, i64::from);
            let accounts = serde_json::Value::from(accounts).to_string();
            let mut rows = select.query(named_params! { ":accounts": accounts, ":unseen": unseen, ":limit": limit })?;
            let (mut scopes, mut all) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                scopes.push(scope(row)?);
                all = row.get::<_, i64>(11)?.unsigned_abs();
            }
            Ok((scopes, all))
        })
        .await
    }
}

fn scope(row: &Row<'_>) -> Stored<ScopeRow> {
    Ok(ScopeRow {
        provider: row.get(0)?,
        account: row.get(1)?,
        kind: word(row, 2, "scope.kind")?,
        scope_id: row.get(3)?,
        scope_name: row.get(4)?,
        state: word(row, 5, "scopes.state")?,
        reason: row.get(6)?,
        detail: row.get(7)?,
        last_walk_at: optional_time(row, 8, "scopes.last_walk_at")?,
        last_complete_at: optional_time(row, 9, "scopes.last_complete_at")?,
        keys: row.get::<_, i64>(10)?.unsigned_abs(),
    })
}
