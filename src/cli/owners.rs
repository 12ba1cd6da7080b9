//! `keymuster owners`: who has keys, across providers and accounts; leavers first.

use serde::Serialize;

use super::args::{self, Format};
use super::exit::Exit;
use super::keys::{but_gone, known};
use super::looked_at::LookedAt;
use super::output::{Output, Tone, counted};
use super::{log, markdown, table};
use crate::domain::Condition;
use crate::views::told::URGENCY;
use crate::views::{Filter, KeysAsked, Owned, spreadsheet};

const HEADINGS: [&str; 6] = ["OWNER", "KIND", "ACCOUNTS", "KEYS", "FLAGGED", "CONDITIONS"];

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; there is no such account.
pub async fn owners(args::Owners { listed: arguments }: args::Owners) -> anyhow::Result<Exit> {
    log::start_quiet();
    let looked_at = LookedAt::open(arguments.from, arguments.as_of, &arguments.selection.conditions).await?;
    let views = &looked_at.views;
    known(&arguments.selection.accounts, views).await?;
    let filter = Filter { presences: but_gone(arguments.presences), ..arguments.selection.filter() };
    let owners = views.owners(KeysAsked { filter, ..KeysAsked::default() }).await?;
    let mut output = Output::new();
    match arguments.format {
        Format::Table | Format::Markdown if owners.is_empty() => output.line("no key matches")?,
        Format::Table => {
            output.text(&table::render(&output, &HEADINGS, owners.iter().map(row).collect()))?;
            output.line(&output.paint(Tone::Faint, &sum(&owners)))?;
        }
        Format::Json => {
            let shown: Vec<Shown> = owners.iter().map(|owned| Shown::new(owned, str::to_owned)).collect();
            output.line(&serde_json::to_string_pretty(&shown)?)?;
        }
        Format::Csv => {
            let mut writer = spreadsheet::writer(Vec::new());
            for owned in &owners {
                writer.serialize(Shown::new(owned, spreadsheet::harmless))?;
            }
            output.text(&String::from_utf8(writer.into_inner()?)?)?;
        }
        Format::Markdown => output.text(&markdown::table(&HEADINGS, owners.iter().map(row)))?,
    }
    Ok(Exit::Ok)
}

fn sum(owners: &[Owned]) -> String {
    let reported = owners.iter().filter(|owned| owned.owner.is_some()).count();
    let keys: u64 = owners.iter().map(|owned| owned.keys).sum();
    let left = owners.iter().filter(|owned| owned.in_condition(Condition::Orphaned) > 0).count();
    let left = if left == 0 { String::new() } else { format!(", {left} of them with orphaned keys") };
    let keys = counted(usize::try_from(keys).unwrap_or(usize::MAX), "key", "keys");
    format!("{}{left}; {keys}", counted(reported, "owner", "owners"))
}

fn row(owned: &Owned) -> Vec<(Tone, String)> {
    let plain = |text: String| (Tone::Plain, text);
    let owner = owned.owner.as_ref();
    let called = owner.and_then(|owner| match (&owner.name, &owner.email) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (Some(text), None) | (None, Some(text)) => Some(text.clone()),
        (None, None) => owner.ids.first().map(|(_, id)| id.clone()),
    });
    let flagged = if owned.flagged > 0 { Tone::Warning } else { Tone::Plain };
    let left = owned.in_condition(Condition::Orphaned) > 0;
    let counts = URGENCY.into_iter().filter_map(|condition| match owned.in_condition(condition) {
        0 => None,
        count => Some(format!("{count} {condition}")),
    });
    let waived = (owned.waived > 0).then(|| format!("{} waived", owned.waived));
    vec![
        called.map_or((Tone::Faint, "not reported".to_owned()), plain),
        plain(owner.map(|owner| owner.kind.to_string()).unwrap_or_default()),
        plain(owned.accounts.iter().cloned().collect::<Vec<_>>().join(", ")),
        plain(owned.keys.to_string()),
        (flagged, owned.flagged.to_string()),
        (if left { Tone::Bad } else { Tone::Warning }, counts.chain(waived).collect::<Vec<_>>().join(", ")),
    ]
}

/// Lists are separated by commas; of ids each stands behind its account. Counts are without waived keys.
#[derive(Serialize)]
struct Shown {
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

impl Shown {
    /// `text` is what becomes of what people or remotes wrote.
    fn new(owned: &Owned, text: fn(&str) -> String) -> Self {
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
