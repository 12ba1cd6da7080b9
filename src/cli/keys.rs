//! `keymuster keys`: rows of the inventory, beside a running daemon or without one.

use serde::Serialize;

use super::args::{self, Format};
use super::exit::{Exit, UsageError};
use super::output::{Output, Tone, counted};
use super::{log, setup, spreadsheet, table};
use crate::clock::Clock;
use crate::domain::{Condition, Moment, Presence, Time};
use crate::inventory::Reader;
use crate::views::{Filter, KeyRow, KeysAsked, Order, Views};

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read.
pub async fn keys(arguments: args::Keys) -> anyhow::Result<Exit> {
    log::start_quiet();
    let path = match arguments.inventory {
        Some(path) => path,
        None => setup::config(&arguments.config)?.inventory,
    };
    let views = Views::of_file(Reader::open(&path)?, Clock::system(), Vec::new())?;
    if let Some(account) = &arguments.account {
        known(account, &views).await?;
    }
    let all_but_gone = || Presence::ALL.iter().copied().filter(|presence| *presence != Presence::Gone).collect();
    let filter = Filter {
        accounts: arguments.account.into_iter().collect(),
        providers: arguments.provider.into_iter().collect(),
        kinds: arguments.kind.into_iter().collect(),
        presences: arguments.presence.map_or_else(all_but_gone, |presence| vec![presence]),
        conditions: arguments.condition.into_iter().collect(),
        owner: arguments.owner,
        text: arguments.search,
        ..Filter::default()
    };
    let rows = views.keys(KeysAsked { filter, order: Order::Urgency, ..KeysAsked::default() }).await?;
    let mut output = Output::new();
    match arguments.format {
        Format::Table => print(&mut output, &rows)?,
        Format::Json => {
            let shown: Vec<Shown> = rows.iter().map(|row| Shown::new(row, str::to_owned)).collect();
            output.line(&serde_json::to_string_pretty(&shown)?)?;
        }
        Format::Csv => output.text(&csv(&rows)?)?,
    }
    Ok(Exit::Ok)
}

/// A misspelt account has no keys, and that must not pass for an answer.
async fn known(account: &str, views: &Views) -> anyhow::Result<()> {
    let accounts = &views.counts().await?.accounts;
    if accounts.contains_key(account) {
        return Ok(());
    }
    let known: Vec<&str> = accounts.keys().map(String::as_str).collect();
    Err(UsageError(format!("no account '{account}' in {}; it has {}", views.path().display(), known.join(", "))).into())
}

fn print(output: &mut Output, rows: &[KeyRow]) -> std::io::Result<()> {
    if rows.is_empty() {
        return output.line("no key matches");
    }
    let headings = ["ACCOUNT", "KIND", "NAME", "KEY", "OWNER", "LAST USED", "EXPIRES", "PRESENCE", "CONDITIONS"];
    output.text(&table::render(output, &headings, rows.iter().map(row).collect()))?;
    output.line(&output.paint(Tone::Faint, &counted(rows.len(), "key", "keys")))
}

fn row(key: &KeyRow) -> Vec<(Tone, String)> {
    let plain = |text: String| (Tone::Plain, text);
    let owner =
        key.owner.as_ref().map(|owner| owner.email.clone().or_else(|| owner.name.clone()).unwrap_or_else(|| owner.id.clone()));
    let presence = match key.presence {
        Presence::Present => Tone::Plain,
        Presence::Missing | Presence::Unknown => Tone::Warning,
        Presence::Gone | Presence::Unmanaged => Tone::Faint,
    };
    let urgent = key.conditions.contains(&Condition::Expired) && key.waived.is_empty();
    vec![
        plain(key.account.clone()),
        plain(key.kind.to_string()),
        key.name.clone().map_or((Tone::Faint, "unnamed".to_owned()), plain),
        plain(key.key_id.clone()),
        owner.map_or((Tone::Faint, "not reported".to_owned()), plain),
        day(key.last_used),
        day(key.expires),
        (presence, key.presence.to_string()),
        (if urgent { Tone::Bad } else { Tone::Warning }, conditions(key)),
    ]
}

/// The basis of a claim of staleness is told with it.
fn conditions(key: &KeyRow) -> String {
    let word = |condition: &Condition| match (condition, key.stale_basis) {
        (Condition::Stale, Some(basis)) => format!("stale ({basis})"),
        (
            Condition::Stale
            | Condition::NeverUsed
            | Condition::Expiring
            | Condition::Expired
            | Condition::NoExpiry
            | Condition::Overdue
            | Condition::Disabled
            | Condition::Orphaned,
            _,
        ) => condition.to_string(),
    };
    let words: Vec<String> = key.conditions.iter().map(word).collect();
    let waived = if key.waived.is_empty() { "" } else { " (waived)" };
    format!("{}{waived}", words.join(", "))
}

fn day(moment: Moment) -> (Tone, String) {
    match moment {
        Moment::At(time) => (Tone::Plain, time.to_string().chars().take(10).collect()),
        Moment::Never => (Tone::Plain, "never".to_owned()),
        Moment::NotReported => (Tone::Faint, "not reported".to_owned()),
    }
}

fn csv(rows: &[KeyRow]) -> anyhow::Result<String> {
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
