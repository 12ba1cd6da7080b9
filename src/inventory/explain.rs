//! What policy makes of one key, and where its facts come from.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::deadlines::load;
use super::error::Stored;
use super::read::Reader;
use super::sql::word;
use crate::domain::{ScopeKind, Standing, Time};
use crate::policy::{Claim, Policy, Waiver};

/// What a policy makes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// How it stands to every condition.
    pub claims: Vec<Claim>,
    /// The waivers that match it, also those that are over.
    pub waivers: Vec<Waiver>,
    /// The inventory's deadlines are those of this policy.
    pub in_force: bool,
    /// The lists that hold it, or held it; that of its facts first.
    pub lists: Vec<ListedBy>,
}

/// A list that showed the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBy {
    /// What sort of list.
    pub kind: ScopeKind,
    /// The project or member; empty where the organisation has only one such list.
    pub scope_id: String,
    /// That one's name.
    pub scope_name: Option<String>,
    /// Whether it is listed now.
    pub standing: Standing,
    /// The key's facts come from it.
    pub home: bool,
    /// Whether it shows the key.
    pub showing: Showing,
    /// When it was last read completely.
    pub last_complete_at: Option<Time>,
}

/// Whether a list shows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// It did when it was last read completely.
    WhenReadWhole,
    /// It did since then, in a reading that was not complete.
    SinceThen,
    /// It did not when it was last read completely.
    NotAnyMore,
}

/// The row of a key; of an organisation that the account saw before only where the present one has none of that id.
const ROW: &str = "
SELECT k.id FROM key AS k JOIN organization AS o ON o.id = k.organization_id JOIN account AS a ON a.id = o.account_id
 WHERE a.name = ?1 AND k.remote_id = ?2 ORDER BY o.id = a.organization_id DESC, k.id DESC LIMIT 1";

const LISTS: &str = "
SELECT s.kind, s.remote_id, s.name, s.standing, x.scope_id = k.scope_id,
       x.unlisted_walk IS NULL, x.walk_id <= coalesce(s.complete_walk, 0), s.complete_at
  FROM sighting AS x JOIN key AS k ON k.id = x.key_id JOIN scope AS s ON s.id = x.scope_id
 WHERE x.key_id = ?1
 ORDER BY x.scope_id = k.scope_id DESC, s.kind, s.remote_id";

impl Reader {
    /// What that policy makes of a key; `None` where there is no such key.
    pub async fn explain(&self, account: String, key_id: String, policy: Arc<Policy>) -> Stored<Option<Explained>> {
        self.read(move |connection| {
            let row: Option<i64> = connection.prepare_cached(ROW)?.query_row([account, key_id], |row| row.get(0)).optional()?;
            let Some(row) = row else { return Ok(None) };
            let stored: Option<i64> = connection.query_row("SELECT fingerprint FROM policy", [], |row| row.get(0)).optional()?;
            let in_force = stored == Some(policy.fingerprint());
            let judged = load(connection, &policy, row - 1, row)?;
            let Some((_, judge, known)) = judged.first() else { return Ok(None) };
            let (claims, waivers) =
                known.profiled(judge, |policy, key| (policy.claims(key), policy.waivers_for(key).cloned().collect()));
            Ok(Some(Explained { claims, waivers, in_force, lists: lists(connection, row)? }))
        })
        .await
    }
}

fn lists(connection: &Connection, key: i64) -> Stored<Vec<ListedBy>> {
    let mut select = connection.prepare_cached(LISTS)?;
    let mut rows = select.query([key])?;
    let mut lists = Vec::new();
    while let Some(row) = rows.next()? {
        lists.push(ListedBy {
            kind: word(row, 0, "scope.kind")?,
            scope_id: row.get(1)?,
            scope_name: row.get(2)?,
            standing: word(row, 3, "scope.standing")?,
            home: row.get(4)?,
            showing: match (row.get(5)?, row.get(6)?) {
                (true, true) => Showing::WhenReadWhole,
                (true, false) => Showing::SinceThen,
                (false, _) => Showing::NotAnyMore,
            },
            last_complete_at: row.get::<_, Option<i64>>(7)?.map(Time::from_unix),
        });
    }
    Ok(lists)
}
