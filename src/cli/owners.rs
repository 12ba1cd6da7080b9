//! `keymuster owners`: who has keys, across providers and accounts; leavers first.

use super::args::{self, Format};
use super::exit::Exit;
use super::keys::{but_gone, known};
use super::looked_at::LookedAt;
use super::output::{Output, Tone, counted};
use super::{log, markdown, table};
use crate::domain::Condition;
use crate::views::told::URGENCY;
use crate::views::{Filter, KeysAsked, Owned, OwnerColumns, spreadsheet};

const HEADINGS: [&str; 6] = ["OWNER", "KIND", "ACCOUNTS", "KEYS", "FLAGGED", "CONDITIONS"];

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; there is no such account.
pub async fn owners(args::Owners { listed: arguments }: args::Owners) -> anyhow::Result<Exit> {
    log::start_quiet();
    let looked_at =
        LookedAt::open(arguments.from, arguments.as_of, &arguments.selection.conditions, arguments.selection.last_used).await?;
    let views = &looked_at.views;
    let accounts = arguments.selection.accounts.clone();
    known(&accounts, views).await?;
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
            let shown: Vec<OwnerColumns> = owners.iter().map(|owned| OwnerColumns::new(owned, str::to_owned)).collect();
            output.line(&serde_json::to_string_pretty(&shown)?)?;
        }
        Format::Csv => {
            let mut writer = spreadsheet::writer(Vec::new());
            for owned in &owners {
                writer.serialize(OwnerColumns::new(owned, spreadsheet::harmless))?;
            }
            output.text(&String::from_utf8(writer.into_inner()?)?)?;
        }
        Format::Markdown => output.text(&markdown::table(&HEADINGS, owners.iter().map(row)))?,
    }
    looked_at.tell_worth(&accounts).await?;
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
