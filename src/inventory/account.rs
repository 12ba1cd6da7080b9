//! The configured accounts in the file, and the organisation that each of them sees.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::error::{StoreError, Stored};
use super::open::Inventory;
use crate::domain::{ChangeKind, Organization, Presence, PresenceReason, RemoteId, Time};
use crate::policy::Policy;

/// An account as the config names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredAccount {
    /// Its name.
    pub name: String,
    /// Its provider's word.
    pub provider: &'static str,
    /// The name that it had before, whose keys and history it takes over.
    pub formerly: Option<String>,
    /// Seconds between two polls.
    pub interval: i64,
}

/// The organisation under which an account's scopes and keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Row of the account.
    pub account: i64,
    /// Row of the organisation.
    pub organization: i64,
}

/// What a poll may apply its walks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// The organisation of before, or the first one.
    Yes(OrganizationRow),
    /// The credential sees another organisation than before: the stored one's id.
    Changed {
        /// The organisation that the account's keys stand under.
        stored: String,
    },
    /// Nothing that was read shows which organisation it is.
    NotShown,
}

impl Inventory {
    /// Makes the file's accounts those of the config, and judges its keys by that policy, all of it or nothing. Accounts no longer
    /// named keep their keys, as unmanaged.
    ///
    /// # Errors
    /// An account is stored as one of another provider: its keys cannot be that one's. The database refused.
    pub async fn configure(&self, accounts: Vec<ConfiguredAccount>, policy: Arc<Policy>, now: Time) -> Stored<()> {
        self.judge_all_after(move |transaction| configure(transaction, &accounts, now), policy, now).await
    }
}

fn configure(transaction: &Transaction<'_>, accounts: &[ConfiguredAccount], now: Time) -> Stored<()> {
    for account in accounts {
        if let Some(old) = &account.formerly {
            transaction.prepare_cached("UPDATE account SET name = ?1 WHERE name = ?2 AND provider = ?3 AND NOT EXISTS (SELECT 1 FROM account WHERE name = ?1)")?.execute(
                (&account.name, old, account.provider),
            )?;
        }
        let stored: Option<String> = transaction
            .prepare_cached("SELECT provider FROM account WHERE name = ?1")?
            .query_row([&account.name], |row| row.get(0))
            .optional()?;
        if let Some(stored) = stored.filter(|stored| stored != account.provider) {
            let (account, configured) = (account.name.clone(), account.provider.to_owned());
            return Err(StoreError::ProviderChanged { account, stored, configured });
        }
        transaction
            .prepare_cached(
                "INSERT INTO account (name, provider, configured, interval) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (name) DO UPDATE SET interval = excluded.interval",
            )?
            .execute((&account.name, account.provider, account.interval))?;
    }
    let mut statement = transaction.prepare("SELECT id, name, configured FROM account")?;
    let stored: Vec<(i64, String, bool)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (id, name, was_configured) in stored {
        let configured = accounts.iter().any(|account| account.name == name);
        transaction.prepare_cached("UPDATE account SET configured = ?2 WHERE id = ?1")?.execute((id, configured))?;
        if was_configured && !configured {
            disown(transaction, id, PresenceReason::AccountRemoved, now)?;
        } else if configured && !was_configured {
            own_again(transaction, id, PresenceReason::AccountRemoved, now)?;
        }
    }
    Ok(())
}

/// Turns the keys of an account's organisation unmanaged.
pub(super) fn disown(transaction: &Transaction<'_>, account: i64, reason: PresenceReason, now: Time) -> Stored<()> {
    transaction
        .prepare_cached(
            "INSERT INTO change (at, key_id, change, before, after)
         SELECT ?2, id, ?3, presence, ?4 FROM key
          WHERE presence NOT IN ('gone', 'unmanaged') AND organization_id = (SELECT organization_id FROM account WHERE id = ?1)",
        )?
        .execute((account, now.unix(), ChangeKind::BecameUnmanaged.as_str(), reason.as_str()))?;
    transaction.prepare_cached("UPDATE key SET presence = ?2, presence_reason = ?3, missing_number = NULL, missing_at = NULL, missing_boot_s = NULL, missing_run = NULL
          WHERE presence NOT IN ('gone', 'unmanaged') AND organization_id = (SELECT organization_id FROM account WHERE id = ?1)")?.execute(
        (account, Presence::Unmanaged.as_str(), reason.as_str()),
    )?;
    Ok(())
}

/// Turns the keys of an account's organisation, unmanaged for that reason, unknown: nothing has been seen of them since, and
/// the next poll says which are there.
pub(super) fn own_again(transaction: &Transaction<'_>, account: i64, reason: PresenceReason, now: Time) -> Stored<()> {
    transaction
        .prepare_cached(
            "INSERT INTO change (at, key_id, change, before, after)
         SELECT ?2, id, ?3, presence, presence_reason FROM key
          WHERE presence = 'unmanaged' AND presence_reason = ?4
            AND organization_id = (SELECT organization_id FROM account WHERE id = ?1)",
        )?
        .execute((account, now.unix(), ChangeKind::BecameUnknown.as_str(), reason.as_str()))?;
    transaction
        .prepare_cached(
            "UPDATE key SET presence = 'unknown'
          WHERE presence = 'unmanaged' AND presence_reason = ?2
            AND organization_id = (SELECT organization_id FROM account WHERE id = ?1)",
        )?
        .execute((account, reason.as_str()))?;
    // Nobody was told of them, and what is there now is no news: so is what the next complete walk shows.
    transaction
        .prepare_cached(
            "UPDATE scope SET first_complete_at = NULL
              WHERE organization_id = (SELECT organization_id FROM account WHERE id = ?1) AND id NOT IN (SELECT scope_id FROM told_scope)",
        )?
        .execute([account])?;
    Ok(())
}

/// Whether the account is configured and its keys stand under that organisation: a poll may outlast either.
pub(super) fn is_current(connection: &Connection, row: OrganizationRow) -> Stored<bool> {
    let mut find = connection.prepare_cached("SELECT 1 FROM account WHERE id = ?1 AND configured AND organization_id = ?2")?;
    Ok(find.exists((row.account, row.organization))?)
}

/// The row of an account.
pub fn account_row(connection: &Connection, name: &str) -> Stored<i64> {
    connection
        .prepare_cached("SELECT id FROM account WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::Inconsistent { what: format!("no account '{name}'"), column: "account.name" })
}

/// The organisation under which an account's keys stand, if any poll confirmed one.
pub fn current_organization(connection: &Connection, account: i64) -> Stored<Option<OrganizationRow>> {
    let organization: Option<i64> =
        connection.prepare_cached("SELECT organization_id FROM account WHERE id = ?1")?.query_row([account], |row| row.get(0))?;
    Ok(organization.map(|organization| OrganizationRow { account, organization }))
}

/// Compares the organisation that a poll saw with the stored one; the first is accepted, and so is a first name or id.
pub fn confirm(transaction: &Transaction<'_>, account: i64, seen: Option<&Organization>, now: Time) -> Stored<Confirmed> {
    let seen_id = seen.map(|organization| organization.id.as_str());
    let seen_name = seen.and_then(|organization| organization.name.as_ref()).map(crate::domain::Text::as_str);
    let Some(row) = current_organization(transaction, account)? else {
        transaction
            .prepare_cached("INSERT INTO organization (account_id, remote_id, name, first_seen_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute((account, seen_id, seen_name, now.unix()))?;
        let organization = transaction.last_insert_rowid();
        transaction.prepare_cached("UPDATE account SET organization_id = ?2 WHERE id = ?1")?.execute((account, organization))?;
        return Ok(Confirmed::Yes(OrganizationRow { account, organization }));
    };
    let stored: Option<String> = transaction
        .prepare_cached("SELECT remote_id FROM organization WHERE id = ?1")?
        .query_row([row.organization], |r| r.get(0))?;
    match (stored, seen_id) {
        (Some(stored), Some(id)) if stored != id => {
            offer(transaction, account, seen, now)?;
            Ok(Confirmed::Changed { stored })
        }
        (_, Some(id)) => {
            withdraw(transaction, account)?;
            transaction
                .prepare_cached(
                    "UPDATE organization SET remote_id = ?2, name = ?3 WHERE id = ?1 AND (remote_id IS NOT ?2 OR name IS NOT ?3)",
                )?
                .execute((row.organization, id, seen_name))?;
            Ok(Confirmed::Yes(row))
        }
        (_, None) => {
            withdraw(transaction, account)?;
            Ok(Confirmed::Yes(row))
        }
    }
}

/// Keeps the organisation that a poll saw in the place of the stored one, for a person to accept.
pub fn offer(transaction: &Transaction<'_>, account: i64, seen: Option<&Organization>, now: Time) -> Stored<()> {
    let name = seen.and_then(|organization| organization.name.as_ref()).map(crate::domain::Text::as_str);
    transaction
        .prepare_cached("UPDATE account SET offered_id = ?2, offered_name = ?3, offered_at = ?4 WHERE id = ?1")?
        .execute((account, seen.map(|organization| organization.id.as_str()), name, now.unix()))?;
    Ok(())
}

/// The stored organisation was seen again.
fn withdraw(transaction: &Transaction<'_>, account: i64) -> Stored<()> {
    transaction.prepare_cached("UPDATE account SET offered_id = NULL, offered_name = NULL, offered_at = NULL WHERE id = ?1 AND offered_at IS NOT NULL")?.execute(
        [account],
    )?;
    Ok(())
}

/// Whether the projects that a poll saw are those of the organisation: one of the ids is known, or none was ever.
pub fn shares_a_project(connection: &Connection, organization: i64, seen: &[RemoteId]) -> Stored<bool> {
    let known: i64 = connection
        .prepare_cached("SELECT count(*) FROM scope WHERE organization_id = ?1 AND kind = 'project'")?
        .query_row([organization], |row| row.get(0))?;
    let mut find =
        connection.prepare_cached("SELECT 1 FROM scope WHERE organization_id = ?1 AND kind = 'project' AND remote_id = ?2")?;
    for id in seen {
        if find.exists((organization, id.as_str()))? {
            return Ok(true);
        }
    }
    Ok(known == 0)
}
