//! Rows as programs take them: the columns of the public views by the same names, for commands and the API. Those of keys are in
//! `key_columns`.

use serde::Serialize;

use super::{AccountRow, ChangeRow, Owned, ScopeRow};
use crate::domain::{Condition, Time};

/// Lists are separated by commas; of ids each stands behind its account. Counts are without waived keys.
#[derive(Debug, Serialize)]
pub struct OwnerColumns {
    /// Null where the provider does not report an owner.
    owner_kind: Option<&'static str>,
    owner_name: Option<String>,
    owner_email: Option<String>,
    owner_ids: String,
    accounts: String,
    keys: u64,
    flagged: u64,
    stale: u64,
    never_used: u64,
    expiring: u64,
    expired: u64,
    no_expiry: u64,
    overdue: u64,
    disabled: u64,
    orphaned: u64,
    waived: u64,
}

impl OwnerColumns {
    /// `text` is what becomes of what people or remotes wrote.
    pub fn new(owned: &Owned, text: fn(&str) -> String) -> Self {
        let owner = owned.owner.as_ref();
        let ids = owner.into_iter().flat_map(|owner| &owner.ids).map(|(account, id)| format!("{account}/{id}"));
        Self {
            owner_kind: owner.map(|owner| owner.kind.as_str()),
            owner_name: owner.and_then(|owner| owner.name.as_deref()).map(text),
            owner_email: owner.and_then(|owner| owner.email.as_deref()).map(text),
            owner_ids: text(&ids.collect::<Vec<_>>().join(",")),
            accounts: text(&owned.accounts.iter().cloned().collect::<Vec<_>>().join(",")),
            keys: owned.keys,
            flagged: owned.flagged,
            stale: owned.in_condition(Condition::Stale),
            never_used: owned.in_condition(Condition::NeverUsed),
            expiring: owned.in_condition(Condition::Expiring),
            expired: owned.in_condition(Condition::Expired),
            no_expiry: owned.in_condition(Condition::NoExpiry),
            overdue: owned.in_condition(Condition::Overdue),
            disabled: owned.in_condition(Condition::Disabled),
            orphaned: owned.in_condition(Condition::Orphaned),
            waived: owned.waived,
        }
    }
}

/// The columns of the view `changes`, by the same names.
#[derive(Debug, Serialize)]
pub struct ChangeColumns {
    change_id: i64,
    at: String,
    provider: String,
    account: String,
    key_id: String,
    name: Option<String>,
    kind: &'static str,
    change: &'static str,
    before: Option<String>,
    after: Option<String>,
}

impl ChangeColumns {
    /// `text` is what becomes of what people or remotes wrote.
    pub fn new(row: &ChangeRow, text: fn(&str) -> String) -> Self {
        let maybe = |value: &Option<String>| value.as_deref().map(text);
        Self {
            change_id: row.change_id,
            at: row.at.to_string(),
            provider: text(&row.provider),
            account: text(&row.account),
            key_id: text(&row.key_id),
            name: maybe(&row.name),
            kind: row.kind.as_str(),
            change: row.change.as_str(),
            before: maybe(&row.before),
            after: maybe(&row.after),
        }
    }
}

/// The columns of the view `accounts`, by the same names.
#[derive(Debug, Serialize)]
pub struct AccountColumns {
    provider: String,
    account: String,
    organization_id: Option<String>,
    organization_name: Option<String>,
    configured: bool,
    last_poll_at: Option<String>,
    up: Option<bool>,
    reason: Option<String>,
    last_complete_poll_at: Option<String>,
    keys: u64,
    credential_expires_at: Option<String>,
}

impl From<AccountRow> for AccountColumns {
    fn from(row: AccountRow) -> Self {
        Self {
            provider: row.provider,
            account: row.account,
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            configured: row.configured,
            last_poll_at: text(row.last_poll_at),
            up: row.up,
            reason: row.reason,
            last_complete_poll_at: text(row.last_complete_poll_at),
            keys: row.keys,
            credential_expires_at: text(row.credential_expires_at),
        }
    }
}

/// The columns of the view `scopes`, by the same names.
#[derive(Debug, Serialize)]
pub struct ScopeColumns {
    provider: String,
    account: String,
    kind: &'static str,
    scope_id: String,
    scope_name: Option<String>,
    state: &'static str,
    reason: Option<String>,
    detail: Option<String>,
    last_walk_at: Option<String>,
    last_complete_at: Option<String>,
    keys: u64,
}

impl From<ScopeRow> for ScopeColumns {
    fn from(row: ScopeRow) -> Self {
        Self {
            provider: row.provider,
            account: row.account,
            kind: row.kind.as_str(),
            scope_id: row.scope_id,
            scope_name: row.scope_name,
            state: row.state.as_str(),
            reason: row.reason,
            detail: row.detail,
            last_walk_at: text(row.last_walk_at),
            last_complete_at: text(row.last_complete_at),
            keys: row.keys,
        }
    }
}

fn text(time: Option<Time>) -> Option<String> {
    time.map(|time| time.to_string())
}
