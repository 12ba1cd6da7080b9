//! Keys as programs and spreadsheets take them: the columns of the view `keys`, by the same names.

use serde::Serialize;

use super::spreadsheet;
use crate::domain::{Condition, Time};
use crate::views::KeyRow;

/// One array of objects.
pub fn json(rows: &[KeyRow]) -> serde_json::Result<String> {
    let shown: Vec<Shown> = rows.iter().map(|row| Shown::new(row, str::to_owned)).collect();
    serde_json::to_string_pretty(&shown)
}

/// For spreadsheets.
pub fn csv(rows: &[KeyRow]) -> anyhow::Result<String> {
    let mut writer = spreadsheet::writer(Vec::new());
    for row in rows {
        writer.serialize(Shown::new(row, spreadsheet::harmless))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The columns of the view, as texts.
#[derive(Serialize)]
struct Shown {
    provider: String,
    account: String,
    scope_id: String,
    scope_name: Option<String>,
    key_id: String,
    kind: &'static str,
    name: Option<String>,
    hint: Option<String>,
    owner_kind: Option<&'static str>,
    owner_id: Option<String>,
    owner_name: Option<String>,
    owner_email: Option<String>,
    created_at: Option<String>,
    last_used_at: Option<String>,
    last_used_state: &'static str,
    expires_at: Option<String>,
    expires_state: &'static str,
    enabled: bool,
    presence: &'static str,
    presence_reason: &'static str,
    held_since: Option<String>,
    conditions: String,
    stale_basis: Option<&'static str>,
    waived: String,
    #[serde(rename = "self")]
    is_self: bool,
    first_seen_at: String,
    last_seen_at: Option<String>,
    team: Option<String>,
    labels: String,
}

impl Shown {
    /// `text` is what becomes of what people or remotes wrote.
    fn new(row: &KeyRow, text: fn(&str) -> String) -> Self {
        let maybe = |value: &Option<String>| value.as_deref().map(text);
        let time = |value: Option<Time>| value.map(|time| time.to_string());
        let list = |conditions: &[Condition]| conditions.iter().map(|condition| condition.as_str()).collect::<Vec<_>>().join(",");
        let owner = row.owner.as_ref();
        Self {
            provider: text(&row.provider),
            account: text(&row.account),
            scope_id: text(&row.scope_id),
            scope_name: maybe(&row.scope_name),
            key_id: text(&row.key_id),
            kind: row.kind.as_str(),
            name: maybe(&row.name),
            hint: maybe(&row.hint),
            owner_kind: owner.map(|owner| owner.kind.as_str()),
            owner_id: owner.map(|owner| text(&owner.id)),
            owner_name: owner.and_then(|owner| maybe(&owner.name)),
            owner_email: owner.and_then(|owner| maybe(&owner.email)),
            created_at: time(row.created_at),
            last_used_at: time(row.last_used.at()),
            last_used_state: row.last_used.state(),
            expires_at: time(row.expires.at()),
            expires_state: row.expires.state(),
            enabled: row.enabled,
            presence: row.presence.as_str(),
            presence_reason: row.presence_reason.as_str(),
            held_since: time(row.held_since),
            conditions: list(&row.conditions),
            stale_basis: row.stale_basis.map(crate::domain::Basis::as_str),
            waived: list(&row.waived),
            is_self: row.is_self,
            first_seen_at: row.first_seen_at.to_string(),
            last_seen_at: time(row.last_seen_at),
            team: maybe(&row.team),
            labels: text(&row.labels),
        }
    }
}
