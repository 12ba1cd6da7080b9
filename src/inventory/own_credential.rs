//! What is known of the credential that an account signs in with: which listed key it is, and when it expires.

use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::account::{OrganizationRow, is_current};
use super::deadlines::rejudge;
use super::error::Stored;
use super::open::Inventory;
use crate::domain::{RemoteId, Time};
use crate::policy::Policy;

/// Keys of the account ?1 that bear the mark, but for the key ?3 of the organisation ?2.
const UNMARK: &str = "UPDATE key SET self = 0
              WHERE self = 1 AND organization_id IN (SELECT id FROM organization WHERE account_id = ?1)
                AND (organization_id <> ?2 OR remote_id IS NOT ?3)
             RETURNING id";

/// Which listed key an account's credential is, as far as a poll could tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnKey {
    /// That one.
    Is(RemoteId),
    /// None that could be told from all others.
    NotKnown,
    /// What would tell was not read: the one that it was.
    AsBefore,
}

/// What a poll learnt of the credential that it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredential {
    /// Which listed key it is.
    pub key: OwnKey,
    /// When it expires, where it is no key and the provider said so.
    pub expires: Option<Time>,
    /// It is a key: what was said of another credential counts no more.
    pub is_key: bool,
}

impl Inventory {
    /// The mask of the key that was last taken for the account's own.
    pub async fn own_mask(&self, row: OrganizationRow) -> Stored<Option<String>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached("SELECT hint FROM key WHERE self = 1 AND organization_id = ?1")?;
            Ok(select.query_row([row.organization], |row| row.get(0)).optional()?.flatten())
        })
        .await
    }

    /// Marks the account's own key and takes the mark from any other; keeps when the credential expires. Nothing is changed
    /// where the account was removed from the config, or given another organisation, while the poll ran.
    pub async fn know_own_credential(&self, row: OrganizationRow, own: OwnCredential, policy: Arc<Policy>) -> Stored<()> {
        let in_force = self.policy_in_force();
        self.write(move |transaction| {
            if !is_current(transaction, row)? {
                return Ok(());
            }
            transaction
                .prepare_cached(
                    "UPDATE account SET credential_expires_at = iif(?3, NULL, coalesce(?2, credential_expires_at))
                      WHERE id = ?1 AND credential_expires_at IS NOT iif(?3, NULL, coalesce(?2, credential_expires_at))",
                )?
                .execute((row.account, own.expires.map(Time::unix), own.is_key))?;
            let own = match &own.key {
                OwnKey::Is(id) => Some(id.as_str()),
                OwnKey::NotKnown => None,
                OwnKey::AsBefore => return Ok(()),
            };
            let mut unmark = transaction.prepare_cached(UNMARK)?;
            let mut mark = transaction.prepare_cached(
                "UPDATE key SET self = 1 WHERE self = 0 AND organization_id = ?1 AND remote_id = ?2 RETURNING id",
            )?;
            let read = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let mut changed: Vec<i64> =
                unmark.query_map((row.account, row.organization, own), read)?.collect::<Result<_, _>>()?;
            for key in mark.query_map((row.organization, own), read)? {
                changed.push(key?);
            }
            // Rules about use do not apply to it.
            let policy = in_force.or(&policy);
            changed.into_iter().try_for_each(|key| rejudge(transaction, &policy, Some(key)))
        })
        .await
    }
}
