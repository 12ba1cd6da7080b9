//! `keymuster findings`: the keys that need a person, and why.

use super::args::{self, Format};
use super::exit::Exit;
use super::keys::{file, known, owner};
use super::looked_at::LookedAt;
use super::output::{Output, Tone, counted};
use super::{log, markdown, table};
use crate::domain::{Condition, Time};
use crate::views::told::{self, URGENCY};
use crate::views::{Filter, KeyRow, KeysAsked, KeysFile, Order};

const HEADINGS: [&str; 6] = ["CONDITIONS", "NAME", "KEY", "OWNER", TEAM, "BECAUSE"];
/// Left out where no key has one.
const TEAM: &str = "TEAM";

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; there is no such account.
pub async fn findings(arguments: args::Findings) -> anyhow::Result<Exit> {
    log::start_quiet();
    let asked = [arguments.selection.conditions.as_slice(), &arguments.fail_on].concat();
    let looked_at = LookedAt::open(arguments.from, arguments.as_of, &asked, arguments.selection.last_used).await?;
    let views = &looked_at.views;
    let accounts = arguments.selection.accounts.clone();
    known(&accounts, views).await?;
    let filter = Filter { flagged: Some(true), waived: Some(false), ..arguments.selection.filter() };
    let rows = views.keys(KeysAsked { filter, order: Order::Urgency, ..KeysAsked::default() }).await?;
    let now = views.clock().now();
    let in_teams = rows.iter().any(|key| key.team.is_some());
    let headings: Vec<&str> = HEADINGS.into_iter().filter(|heading| in_teams || *heading != TEAM).collect();
    let shown = rows.iter().map(|key| row(key, in_teams, now));
    let mut output = Output::new();
    match arguments.format {
        Format::Table | Format::Markdown if rows.is_empty() => output.line("no key that was read needs a person")?,
        Format::Table => {
            output.text(&table::render(&output, &headings, shown.collect()))?;
            output.line(&output.paint(Tone::Faint, &counted(rows.len(), "key", "keys")))?;
        }
        Format::Json => output.text(&file(KeysFile::json().looking_back(looked_at.is_turned_back()), &rows)?)?,
        Format::Csv => output.text(&file(KeysFile::csv().looking_back(looked_at.is_turned_back()), &rows)?)?,
        Format::Markdown => output.text(&markdown::table(&headings, shown))?,
    }
    looked_at.tell_worth(&accounts).await?;
    let fails = rows.iter().any(|key| key.conditions.iter().any(|condition| arguments.fail_on.contains(condition)));
    Ok(if fails { Exit::Findings } else { Exit::Ok })
}

fn row(key: &KeyRow, in_teams: bool, now: Time) -> Vec<(Tone, String)> {
    let in_order = || URGENCY.into_iter().filter(|condition| key.conditions.contains(condition));
    let words: Vec<&str> = in_order().map(Condition::as_str).collect();
    let urgent = key.conditions.iter().any(|condition| matches!(condition, Condition::Expired | Condition::Orphaned));
    let faint = |text: Option<String>, none: &str| text.map_or((Tone::Faint, none.to_owned()), |text| (Tone::Plain, text));
    let owner = key.owner.as_ref().map(owner);
    let mut reasons: Vec<String> = in_order().map(|condition| told::why(key, condition, now)).collect();
    reasons.dedup();
    let mut cells = vec![
        (if urgent { Tone::Bad } else { Tone::Warning }, words.join(", ")),
        faint(key.name.clone(), "unnamed"),
        (Tone::Plain, format!("{}/{}", key.account, key.key_id)),
        faint(owner, "not reported"),
    ];
    cells.extend(in_teams.then(|| faint(key.team.clone(), "none")));
    cells.push((Tone::Plain, reasons.join("; ")));
    cells
}
