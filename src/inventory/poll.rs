//! The frame of a poll: its number, the organisation it may apply to, and in which order scopes were attempted.

use std::collections::HashMap;

use rusqlite::Transaction;

use super::account::{self, Confirmed};
use super::apply::ensure_scope;
use super::error::Stored;
use super::open::Inventory;
use super::sql::word;
use crate::domain::{Organization, RemoteId, Scope, ScopeId, Time};

/// A poll under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// Its number.
    pub id: i64,
    /// Row of its account.
    pub account: i64,
    /// When it began.
    pub started: Time,
}

/// What a poll saw of its organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenOrganization {
    /// The provider named it.
    Named(Organization),
    /// The provider does not name it, but its projects show which it is.
    ByProjects {
        /// Their ids, as far as they were read.
        projects: Vec<RemoteId>,
        /// The list was read whole.
        whole: bool,
    },
}

impl Poll {
    /// Makes its row where it has none yet: in every transaction that names it.
    pub(super) fn store(self, transaction: &Transaction<'_>, run: i64) -> Stored<()> {
        transaction
            .prepare_cached(
                "INSERT INTO poll (id, account_id, run_id, started_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO NOTHING",
            )?
            .execute((self.id, self.account, run, self.started.unix()))?;
        Ok(())
    }
}

impl Inventory {
    /// Begins a poll of a configured account. Its row is made with the first of what it stores: no request waits for a disk.
    pub async fn begin_poll(&self, account: String, now: Time) -> Stored<Poll> {
        let id = self.next_number();
        let account = self.read(move |connection| account::account_row(connection, &account)).await?;
        Ok(Poll { id, account, started: now })
    }

    /// Compares what a poll saw of its organisation with the one that the account's keys stand under. The first is accepted.
    pub async fn confirm(&self, poll: Poll, seen: SeenOrganization) -> Stored<Confirmed> {
        self.write(move |transaction| match seen {
            SeenOrganization::Named(organization) => {
                account::confirm(transaction, poll.account, Some(&organization), poll.started)
            }
            // A list without a project is no organisation's: every one has a project, archived ones are listed too.
            SeenOrganization::ByProjects { projects, .. } if projects.is_empty() => Ok(Confirmed::NotShown),
            SeenOrganization::ByProjects { projects, whole } => {
                if let Some(row) = account::current_organization(transaction, poll.account)?
                    && !account::shares_a_project(transaction, row.organization, &projects)?
                {
                    if !whole {
                        return Ok(Confirmed::NotShown);
                    }
                    account::offer(transaction, poll.account, None, poll.started)?;
                    return Ok(Confirmed::Changed { stored: "the one whose projects were listed before".into() });
                }
                account::confirm(transaction, poll.account, None, poll.started)
            }
        })
        .await
    }

    /// Makes rows for scopes that are known but were not walked yet, so that they are counted as never read.
    pub async fn know_scopes(&self, organization: i64, scopes: Vec<Scope>) -> Stored<()> {
        if scopes.is_empty() {
            return Ok(());
        }
        self.write(move |transaction| {
            for scope in &scopes {
                ensure_scope(transaction, organization, scope)?;
            }
            Ok(())
        })
        .await
    }

    /// The number of the newest walk of each scope of the account's organisation: who waited longest has the smallest.
    pub async fn attempts(&self, account: i64) -> Stored<HashMap<ScopeId, i64>> {
        self.read(move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT s.kind, s.remote_id, s.newest_walk FROM scope AS s JOIN account AS a ON a.organization_id = s.organization_id
                      WHERE a.id = ?1 AND s.newest_walk IS NOT NULL",
                )?;
                let mut rows = select.query([account])?;
                let mut attempts = HashMap::new();
                while let Some(row) = rows.next()? {
                    let of = RemoteId::new(&row.get::<_, String>(1)?);
                    attempts.insert(ScopeId { kind: word(row, 0, "scope.kind")?, of }, row.get(2)?);
                }
                Ok(attempts)
            })
            .await
    }

    /// When each account was last polled to the end.
    pub async fn last_polls(&self) -> Stored<HashMap<String, Time>> {
        self.read(|connection| {
            // The newest by its number: a clock that went back since would make another one the latest.
            let mut select = connection.prepare_cached(
                "SELECT a.name, p.started_at FROM account AS a
                       JOIN poll AS p ON p.id = (SELECT max(id) FROM poll WHERE account_id = a.id AND settled_at IS NOT NULL)",
            )?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, Time::from_unix(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
