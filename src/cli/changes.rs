//! `keymuster changes`: what was seen to change, the newest first.

use super::args::{self, Format};
use super::exit::Exit;
use super::keys::known;
use super::output::{Output, Tone, counted};
use super::{log, markdown, table, worth};
use crate::clock::Clock;
use crate::inventory::Reader;
use crate::views::{ChangeColumns, ChangeRow, ChangesAsked, Views, spreadsheet, told};

const HEADINGS: [&str; 5] = ["SEEN", "KEY", "NAME", "CHANGE", "DETAIL"];
/// Lines where neither a time nor a number was given.
const FEW: u32 = 50;

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; there is no such account.
pub async fn changes(arguments: args::Changes) -> anyhow::Result<Exit> {
    log::start_quiet();
    let views = Views::of_file(Reader::open(&arguments.from.path()?)?, Clock::system(), Vec::new())?;
    known(&arguments.accounts, &views).await?;
    let accounts = arguments.accounts.clone();
    let now = views.clock().now();
    let few = arguments.since.is_none().then_some(FEW);
    let limit = arguments.limit.or(few);
    let asked = ChangesAsked {
        accounts: arguments.accounts,
        key_id: arguments.key,
        since: arguments.since.map(|since| since.instant(now)),
        // One more tells whether there are more.
        limit: limit.map(|limit| limit.saturating_add(1)),
        ..ChangesAsked::default()
    };
    let mut rows = views.changes(asked).await?;
    let shown = limit.map_or(rows.len(), |limit| rows.len().min(limit as usize));
    let more = rows.len() > shown;
    rows.truncate(shown);
    let mut output = Output::new();
    match arguments.format {
        Format::Table | Format::Markdown if rows.is_empty() => output.line("no change was seen")?,
        Format::Table => {
            output.text(&table::render(&output, &HEADINGS, rows.iter().map(row).collect()))?;
            let more = if more { "; there are older ones, see --limit and --since" } else { "" };
            output.line(&output.paint(Tone::Faint, &format!("{}{more}", counted(rows.len(), "change", "changes"))))?;
        }
        Format::Json => {
            let shown: Vec<ChangeColumns> = rows.iter().map(|row| ChangeColumns::new(row, str::to_owned)).collect();
            output.line(&serde_json::to_string_pretty(&shown)?)?;
        }
        Format::Csv => {
            let mut writer = spreadsheet::writer(Vec::new());
            for row in &rows {
                writer.serialize(ChangeColumns::new(row, spreadsheet::harmless))?;
            }
            output.text(&String::from_utf8(writer.into_inner()?)?)?;
        }
        Format::Markdown => output.text(&markdown::table(&HEADINGS, rows.iter().map(row)))?,
    }
    worth::tell(&views, &accounts).await?;
    Ok(Exit::Ok)
}

fn row(change: &ChangeRow) -> Vec<(Tone, String)> {
    vec![
        (Tone::Plain, change.at.to_string()),
        (Tone::Plain, format!("{}/{}", change.account, change.key_id)),
        change.name.clone().map_or((Tone::Faint, "unnamed".to_owned()), |name| (Tone::Plain, name)),
        (Tone::Plain, told::change(change)),
        (Tone::Plain, told::change_detail(change)),
    ]
}
