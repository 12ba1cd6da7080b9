//! A person's word: ends holds, accepts a changed organisation, lets the keys of a scope go that cannot be read any more.

use rusqlite::{OptionalExtension, Transaction};

use super::account::{account_row, disown, own_again};
use super::error::Stored;
use super::last_seen;
use super::open::Inventory;
use crate::domain::{ChangeKind, Presence, PresenceReason, Time};

/// Whose word it is, for what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The account.
    pub account: String,
    /// Only this scope: `kind` or `kind/scope_id`.
    pub scope: Option<String>,
    /// Who says so.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Time,
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acknowledged {
    /// Holds that it ended.
    pub holds: usize,
    /// Keys that go by the ordinary proof from now on.
    pub keys: usize,
    /// Keys that are gone by this word.
    pub gone: usize,
    /// The account's keys stand under the organisation that it sees now.
    pub organization: bool,
}

impl Inventory {
    /// Takes a person's word. Nothing is done twice: a word for what is not held does nothing, and says so.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn acknowledge(&self, word: Acknowledgement) -> Stored<Acknowledged> {
        self.write(move |transaction| {
            let account = account_row(transaction, &word.account)?;
            let scope = match &word.scope {
                Some(name) => match scope_row(transaction, account, name)? {
                    Some(scope) => Some(scope),
                    None => return Ok(Acknowledged::default()),
                },
                None => None,
            };
            let (holds, keys) = end_holds(transaction, account, scope, &word)?;
            let done = Acknowledged {
                holds,
                keys,
                gone: scope.map_or(Ok(0), |scope| let_go(transaction, scope, &word))?,
                organization: scope.is_none() && accept_organization(transaction, account, word.at)?,
            };
            if done != Acknowledged::default() {
                transaction.execute(
                    "INSERT INTO acknowledgement (at, account_id, scope_id, who, why, holds, keys, gone, organization)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    (
                        word.at.unix(),
                        account,
                        scope,
                        &word.who,
                        &word.why,
                        count(holds),
                        count(keys),
                        count(done.gone),
                        done.organization,
                    ),
                )?;
            }
            Ok(done)
        })
        .await
    }
}

fn scope_row(transaction: &Transaction<'_>, account: i64, name: &str) -> Stored<Option<i64>> {
    let (kind, of) = name.split_once('/').unwrap_or((name, ""));
    let mut find = transaction.prepare_cached(
        "SELECT s.id FROM scope AS s JOIN account AS a ON a.organization_id = s.organization_id
          WHERE a.id = ?1 AND s.kind = ?2 AND s.remote_id = ?3",
    )?;
    Ok(find.query_row((account, kind, of), |row| row.get(0)).optional()?)
}

/// The keys stay under the ended hold: that is the mark that somebody looked at them. Of a list it covers all that was lost
/// until a poll last settled, not only what the hold began with, and nothing that a poll under way has read.
fn end_holds(transaction: &Transaction<'_>, account: i64, scope: Option<i64>, word: &Acknowledgement) -> Stored<(usize, usize)> {
    let keys: i64 = transaction.query_row(
        "SELECT count(DISTINCT x.key_id) FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id
          WHERE h.account_id = ?1 AND h.ended_at IS NULL AND x.absent_poll IS NULL AND (?2 IS NULL OR h.scope_id = ?2)",
        (account, scope),
        |row| row.get(0),
    )?;
    let holds = transaction.execute(
        "UPDATE hold SET ended_at = ?3, ended_by = ?4, ended_why = ?5
          WHERE account_id = ?1 AND ended_at IS NULL AND (?2 IS NULL OR scope_id = ?2)",
        (account, scope, word.at.unix(), &word.who, &word.why),
    )?;
    Ok((holds, usize::try_from(keys).unwrap_or(0)))
}

/// Keys that this closed, vanished or retired scope listed, and that no open one lists, are gone, because a person says so.
fn let_go(transaction: &Transaction<'_>, scope: i64, word: &Acknowledgement) -> Stored<usize> {
    let mut select = transaction.prepare(
        "SELECT k.id, k.presence FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id JOIN key AS k ON k.id = x.key_id
          WHERE s.id = ?1 AND s.standing <> 'open' AND k.presence IN ('unknown', 'missing')
            AND NOT EXISTS (SELECT 1 FROM sighting AS y JOIN scope AS o ON o.id = y.scope_id
                             WHERE y.key_id = k.id AND y.unlisted_walk IS NULL AND o.standing = 'open')",
    )?;
    let keys: Vec<(i64, String)> = select.query_map([scope], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (key, before) in &keys {
        transaction.execute(
            "UPDATE key SET presence = ?2, presence_reason = ?3, missing_number = NULL, missing_at = NULL, missing_boot_s = NULL,
                    missing_run = NULL WHERE id = ?1",
            (key, Presence::Gone.as_str(), PresenceReason::Acknowledged.as_str()),
        )?;
        last_seen::keep(transaction, *key)?;
        transaction.execute("DELETE FROM sighting WHERE key_id = ?1", [key])?;
        transaction.execute(
            "INSERT INTO change (at, key_id, change, before, after) VALUES (?1, ?2, ?3, ?4, ?5)",
            (word.at.unix(), key, ChangeKind::BecameGone.as_str(), before, PresenceReason::Acknowledged.as_str()),
        )?;
    }
    Ok(keys.len())
}

/// The organisation that the credential was seen to see becomes the account's; the keys of the old one are unmanaged. One that
/// the account stood under before takes its keys up again.
fn accept_organization(transaction: &Transaction<'_>, account: i64, at: Time) -> Stored<bool> {
    let offered: Option<(Option<String>, Option<String>)> = transaction
        .query_row("SELECT offered_id, offered_name FROM account WHERE id = ?1 AND offered_at IS NOT NULL", [account], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((id, name)) = offered else { return Ok(false) };
    disown(transaction, account, PresenceReason::OrganizationChanged, at)?;
    let known: Option<i64> = transaction
        .query_row("SELECT id FROM organization WHERE account_id = ?1 AND remote_id = ?2", (account, &id), |row| row.get(0))
        .optional()?;
    let organization = match known {
        Some(known) => known,
        None => {
            transaction.execute(
                "INSERT INTO organization (account_id, remote_id, name, first_seen_at) VALUES (?1, ?2, ?3, ?4)",
                (account, id, name, at.unix()),
            )?;
            transaction.last_insert_rowid()
        }
    };
    transaction.execute(
        "UPDATE account SET organization_id = ?2, offered_id = NULL, offered_name = NULL, offered_at = NULL WHERE id = ?1",
        (account, organization),
    )?;
    own_again(transaction, account, PresenceReason::OrganizationChanged, at)?;
    Ok(true)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
