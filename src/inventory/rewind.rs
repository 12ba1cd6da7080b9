//! Turns a copy of the inventory back to how it was: what happened since is undone, the newest first.
//!
//! Exact are keys, their presence, names, homes, owners, access, expiry and dates of creation. What is written without history is
//! blanked: last use, when a key was last seen, what was held. Names of people and scopes are today's. That a key's owner had left is
//! known only of those who are away still.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::{StoreError, Stored};
use super::open::Inventory;
use super::sql::word;
use crate::domain::{ChangeKind, KeyKind, Moment, OwnerAccess, Presence, PresenceReason, Time};
use crate::policy::Policy;

/// An account whose keys nobody had read by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYetRead {
    /// Its name.
    pub account: String,
    /// When it was first read; `None` where it never was.
    pub first: Option<Time>,
}

/// Turns the file back to `to`, and judges it by the policy, but for what rests on use. Tells of which accounts nothing was known
/// then. `named` is what errors call the file that was copied.
///
/// # Errors
/// Nothing was read by then, or what happened since is no longer all there.
pub async fn rewind(copy: &Path, named: &Path, to: Time, policy: Arc<Policy>) -> Stored<Vec<NotYetRead>> {
    let (file, called) = (copy.to_owned(), named.to_owned());
    let turned = tokio::task::spawn_blocking(move || Ok((turn_back(&file, &called, to)?, Inventory::open(&file, to)?)));
    let (not_yet, inventory) = turned.await.unwrap_or(Err(StoreError::Stopped))?;
    inventory.judge_all(policy, to).await?;
    // Judged as not reported, use would make every key stale by its age.
    let blank = "UPDATE last_use SET stale_at = NULL, stale_basis = NULL, never_used_at = NULL";
    inventory.write(move |transaction| Ok(transaction.execute(blank, [])?)).await?;
    inventory.close().await?;
    Ok(not_yet)
}

fn turn_back(copy: &Path, named: &Path, to: Time) -> Stored<Vec<NotYetRead>> {
    let mut connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let since = known_since(&transaction)?;
    if since.is_none_or(|since| to < since) {
        return Err(StoreError::BeforeHistory { path: named.to_owned(), asked: to, since });
    }
    undo(&transaction, to)?;
    transaction.execute_batch(&format!(
        "UPDATE last_use SET used_at = NULL, used_state = 'not_reported', stale_at = NULL, stale_basis = NULL, never_used_at = NULL;
         UPDATE key SET seen_at = NULL, seen_walk = NULL, left_at = iif(left_at > {to}, NULL, left_at);
         DELETE FROM sighting;
         DELETE FROM held_key;
         DELETE FROM hold;
         DELETE FROM acknowledgement WHERE at > {to};
         DELETE FROM policy;
         DELETE FROM webhook;
         DELETE FROM told_finding;
         DELETE FROM told_scope;
         DELETE FROM delivery;
         CREATE TEMP TABLE later (id INTEGER PRIMARY KEY) STRICT;
         INSERT INTO temp.later SELECT id FROM key WHERE first_seen_at > {to};
         DELETE FROM change WHERE key_id IN (SELECT id FROM temp.later);
         DELETE FROM last_use WHERE key_id IN (SELECT id FROM temp.later);
         DELETE FROM deadline WHERE key_id IN (SELECT id FROM temp.later);
         DELETE FROM key WHERE id IN (SELECT id FROM temp.later);
         DROP TABLE temp.later;",
        to = to.unix()
    ))?;
    let not_yet = not_yet_read(&transaction, to)?;
    transaction.commit()?;
    Ok(not_yet)
}

/// Since when history is whole; `None` where nothing was ever read.
pub(super) fn known_since(connection: &Connection) -> Stored<Option<Time>> {
    let since: Option<i64> = connection.query_row(
        "SELECT max(begun, coalesce((SELECT whole_since FROM history), begun)) FROM (SELECT min(first_seen_at) AS begun FROM organization)",
        [],
        |row| row.get(0),
    )?;
    Ok(since.map(Time::from_unix))
}

fn not_yet_read(transaction: &Transaction<'_>, to: Time) -> Stored<Vec<NotYetRead>> {
    let mut select = transaction.prepare(
        "SELECT a.name, min(o.first_seen_at) FROM account AS a LEFT JOIN organization AS o ON o.account_id = a.id
          WHERE a.configured GROUP BY a.id HAVING coalesce(min(o.first_seen_at) > ?1, 1) ORDER BY a.name",
    )?;
    let accounts = select.query_map([to.unix()], |row| {
        Ok(NotYetRead { account: row.get(0)?, first: row.get::<_, Option<i64>>(1)?.map(Time::from_unix) })
    })?;
    Ok(accounts.collect::<Result<_, _>>()?)
}

/// Undoes of each key every change behind its last one that was seen by then: their order is that of their numbers, whatever the
/// clock showed. Key by key, because lines of a list that was begun before and stored after stand behind those of others.
fn undo(transaction: &Transaction<'_>, to: Time) -> Stored<()> {
    transaction.execute_batch("CREATE TEMP TABLE last (key_id INTEGER PRIMARY KEY, id INTEGER NOT NULL) STRICT")?;
    transaction
        .execute("INSERT INTO temp.last SELECT key_id, max(id) FROM change WHERE at <= ?1 GROUP BY key_id", [to.unix()])?;
    let mut select = transaction.prepare(
        "SELECT c.key_id, c.change, c.before FROM change AS c LEFT JOIN temp.last AS l ON l.key_id = c.key_id
          WHERE c.id > coalesce(l.id, 0) ORDER BY c.id DESC",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let change = Change { transaction, key: row.get(0)?, before: row.get(2)? };
        change.undo(word(row, 1, "change.change")?)?;
    }
    transaction.execute_batch(
        "DELETE FROM change WHERE id > coalesce((SELECT l.id FROM temp.last AS l WHERE l.key_id = change.key_id), 0);
         DROP TABLE temp.last;",
    )?;
    settle_reasons(transaction)
}

/// A line of history that is undone.
struct Change<'a> {
    transaction: &'a Transaction<'a>,
    key: i64,
    before: Option<String>,
}

impl Change<'_> {
    fn undo(&self, change: ChangeKind) -> Stored<()> {
        let before = self.before.as_deref();
        match change {
            ChangeKind::Appeared | ChangeKind::LastUseWentBack => Ok(()),
            ChangeKind::BecameMissing
            | ChangeKind::BecameGone
            | ChangeKind::Returned
            | ChangeKind::BecameUnknown
            | ChangeKind::BecameUnmanaged => self.presence(),
            ChangeKind::Renamed => self.set("name = ?2", before),
            ChangeKind::Moved => self.home(before.unwrap_or_default()),
            ChangeKind::OwnerChanged => self.set(
                "person_id = (SELECT p.id FROM person AS p WHERE p.organization_id = key.organization_id AND p.remote_id = ?2), left_at = NULL",
                before,
            ),
            ChangeKind::OwnerAccessChanged => {
                self.set("owner_access = ?2, access_lost_at = iif(?2 = 'inactive', first_seen_at, NULL)", before)
            }
            ChangeKind::ExpiryChanged => {
                let moment = moment(before.unwrap_or_default());
                let set = "UPDATE key SET expires_at = ?2, expires_state = ?3 WHERE id = ?1";
                self.transaction.prepare_cached(set)?.execute((self.key, moment.at().map(Time::unix), moment.state()))?;
                Ok(())
            }
            ChangeKind::Disabled => self.set("enabled = 1, disabled_at = ?2", None),
            ChangeKind::Enabled => self.set("enabled = 0, disabled_at = coalesce(?2, first_seen_at)", None),
            ChangeKind::Recreated => self.set("created_at = unixepoch(?2)", before),
        }
    }

    /// `assignments` with the text before as ?2.
    fn set(&self, assignments: &str, before: Option<&str>) -> Stored<()> {
        self.transaction.prepare_cached(&format!("UPDATE key SET {assignments} WHERE id = ?1"))?.execute((self.key, before))?;
        Ok(())
    }

    fn presence(&self) -> Stored<()> {
        let text = self.before.as_deref().unwrap_or_default();
        let presence: Presence =
            text.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{text}'"), column: "change.before" })?;
        let since = (presence == Presence::Missing).then_some(0);
        self.transaction
            .prepare_cached(
                "UPDATE key SET presence = ?2, missing_number = ?3, missing_at = ?3, missing_boot_s = ?3, missing_run = ?3 WHERE id = ?1",
            )?
            .execute((self.key, presence.as_str(), since))?;
        Ok(())
    }

    /// A key's kind, and the project or member behind it where there was one.
    fn home(&self, before: &str) -> Stored<()> {
        let (kind, of) = before.split_once(' ').unwrap_or((before, ""));
        let kind: KeyKind =
            kind.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{kind}'"), column: "change.before" })?;
        // Lists of the whole organisation have no id; which of them it was, other keys of that kind tell.
        self.transaction
            .prepare_cached(
                "UPDATE key SET kind = ?2, scope_id = coalesce(
                    (SELECT s.id FROM scope AS s WHERE s.organization_id = key.organization_id AND s.remote_id = ?3
                        AND s.kind NOT IN ('people', 'projects')
                      ORDER BY EXISTS (SELECT 1 FROM key AS o WHERE o.scope_id = s.id AND o.kind = ?2) DESC LIMIT 1), scope_id)
                  WHERE id = ?1",
            )?
            .execute((self.key, kind.as_str(), of))?;
        Ok(())
    }
}

fn moment(text: &str) -> Moment {
    match Time::from_remote_rfc3339(text) {
        Some(at) => Moment::At(at),
        None if text == Moment::Never.state() => Moment::Never,
        None => Moment::NotReported,
    }
}

/// The reason of a presence, and since when a key was disabled or its owner without access, as the history that is left tells.
fn settle_reasons(transaction: &Transaction<'_>) -> Stored<()> {
    let newest = |columns: &str, kinds: &[ChangeKind]| {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
        format!(
            "(SELECT {columns} FROM change AS c WHERE c.key_id = key.id AND c.change IN ({}) ORDER BY c.id DESC LIMIT 1)",
            kinds.join(", ")
        )
    };
    let presences = [
        ChangeKind::BecameMissing,
        ChangeKind::BecameGone,
        ChangeKind::Returned,
        ChangeKind::BecameUnknown,
        ChangeKind::BecameUnmanaged,
    ];
    transaction.execute_batch(&format!(
        "UPDATE key SET presence_reason = iif(presence = 'present', '{listed}', coalesce({reason}, presence_reason));
         UPDATE key SET disabled_at = coalesce({disabled}, disabled_at) WHERE NOT enabled;
         UPDATE key SET access_lost_at = coalesce({lost}, access_lost_at) WHERE owner_access = '{inactive}';",
        listed = PresenceReason::Listed,
        reason = newest("c.after", &presences),
        disabled = newest("c.at", &[ChangeKind::Disabled]),
        lost = newest("c.at", &[ChangeKind::OwnerAccessChanged]),
        inactive = OwnerAccess::Inactive.as_str(),
    ))?;
    Ok(())
}
