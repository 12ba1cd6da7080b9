//! `keymuster keys`: rows of the inventory, beside a running daemon or without one.

use super::args::{self, Format};
use super::exit::{Exit, UsageError};
use super::looked_at::LookedAt;
use super::mistyped::repeated;
use super::output::{Output, Tone, counted};
use super::{log, markdown, table};
use crate::domain::{Condition, Moment, Presence};
use crate::views::{Filter, KeyRow, KeysAsked, KeysFile, Order, OwnerRow, Views};

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read.
pub async fn keys(args::Keys { listed: arguments }: args::Keys) -> anyhow::Result<Exit> {
    log::start_quiet();
    let looked_at =
        LookedAt::open(arguments.from, arguments.as_of, &arguments.selection.conditions, arguments.selection.last_used).await?;
    let views = &looked_at.views;
    let accounts = arguments.selection.accounts.clone();
    known(&accounts, views).await?;
    let filter = Filter { presences: but_gone(arguments.presences), ..arguments.selection.filter() };
    let rows = views.keys(KeysAsked { filter, order: Order::Urgency, ..KeysAsked::default() }).await?;
    let mut output = Output::new();
    match arguments.format {
        Format::Table => print(&mut output, &rows)?,
        Format::Json => output.text(&file(KeysFile::json().looking_back(looked_at.is_turned_back()), &rows)?)?,
        Format::Csv => output.text(&file(KeysFile::csv().looking_back(looked_at.is_turned_back()), &rows)?)?,
        Format::Markdown => output.text(&markdown::table(&HEADINGS, rows.iter().map(row)))?,
    }
    looked_at.tell_worth(&accounts).await?;
    Ok(Exit::Ok)
}

/// Those that are asked for, or all but gone.
pub fn but_gone(asked: Vec<Presence>) -> Vec<Presence> {
    let all_but_gone = || Presence::ALL.iter().copied().filter(|presence| *presence != Presence::Gone).collect();
    if asked.is_empty() { all_but_gone() } else { asked }
}

/// Rows as a file of that format.
pub fn file(mut file: KeysFile, rows: &[KeyRow]) -> anyhow::Result<String> {
    rows.iter().for_each(|row| file.add(row));
    Ok(String::from_utf8(file.finish()?)?)
}

/// A misspelt account has no keys, and that must not pass for an answer.
pub async fn known(accounts: &[String], views: &Views) -> anyhow::Result<()> {
    let known = &views.counts().await?.accounts;
    let Some(account) = accounts.iter().find(|account| !known.contains_key(account.as_str())) else { return Ok(()) };
    let (account, known): (_, Vec<&str>) = (repeated(account), known.keys().map(String::as_str).collect());
    Err(UsageError(format!("no account '{account}' in {}; it has {}", views.path().display(), known.join(", "))).into())
}

const HEADINGS: [&str; 9] = ["ACCOUNT", "KIND", "NAME", "KEY", "OWNER", "LAST USED", "EXPIRES", "PRESENCE", "CONDITIONS"];

fn print(output: &mut Output, rows: &[KeyRow]) -> std::io::Result<()> {
    if rows.is_empty() {
        return output.line("no key matches");
    }
    output.text(&table::render(output, &HEADINGS, rows.iter().map(row).collect()))?;
    output.line(&output.paint(Tone::Faint, &counted(rows.len(), "key", "keys")))
}

fn row(key: &KeyRow) -> Vec<(Tone, String)> {
    let plain = |text: String| (Tone::Plain, text);
    let owner = key.owner.as_ref().map(owner);
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
        // Only a hold keeps it there.
        match key.held_since {
            Some(_) => (Tone::Warning, format!("{} (held)", key.presence)),
            None => (presence, key.presence.to_string()),
        },
        (if urgent { Tone::Bad } else { Tone::Warning }, conditions(key)),
    ]
}

/// What an owner is called by.
pub fn owner(owner: &OwnerRow) -> String {
    owner.email.clone().or_else(|| owner.name.clone()).unwrap_or_else(|| owner.id.clone())
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
