//! `keymuster policy test`: what a changed config would make of the keys, before the daemon reads it.

use std::path::Path;

use serde::Serialize;

use super::args::{self, Format, PolicyCommand};
use super::exit::{Exit, UsageError};
use super::keys::known;
use super::output::{Output, Tone, counted};
use super::{log, markdown, private, setup, table, worth};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Condition, Presence};
use crate::inventory::Reader;
use crate::views::{Compared, Comparison, Filter, KeyRow, KeysAsked, Order, Pair, Stand, Views, spreadsheet, state};

/// Of the changes, counted.
const GROUPS: [&str; 4] = ["CONDITION", "NOW", "THEN", "KEYS"];
/// Of the keys.
const HEADINGS: [&str; 4] = ["NAME", "KEY", "NOW", "THEN"];

/// Runs the command.
///
/// # Errors
/// The config is wrong; the inventory cannot be read or copied.
pub async fn policy(arguments: args::Policy) -> anyhow::Result<Exit> {
    match arguments.command {
        PolicyCommand::Test(arguments) => test(arguments).await,
    }
}

async fn test(arguments: args::PolicyTest) -> anyhow::Result<Exit> {
    log::start_quiet();
    if let Some(text) = arguments.selection.search.as_ref().filter(|text| Path::new(text).is_file()) {
        return Err(UsageError(format!("'{text}' is a file: to try it, write --config {text}")).into());
    }
    let config = setup::config(&arguments.from.config)?;
    // The daemon would refuse it.
    config.require_accounts(&arguments.from.config)?;
    let inventory = arguments.from.inventory.as_ref().unwrap_or(&config.inventory);
    let filter = arguments.selection.filter();
    let reader = Reader::open(inventory)?;
    let views = Views::of_file(reader.clone(), Clock::system(), Vec::new())?;
    let compared = tried(&config, reader, &views, &filter).await?;

    let mut output = Output::new();
    match arguments.format {
        Format::Table => print(&mut output, &compared)?,
        Format::Json => {
            let shown: Vec<Shown> = compared.changed.iter().map(|pair| Shown::new(pair, str::to_owned)).collect();
            output.line(&serde_json::to_string_pretty(&shown)?)?;
        }
        Format::Csv => {
            let mut writer = spreadsheet::writer(Vec::new());
            for pair in &compared.changed {
                writer.serialize(Shown::new(pair, spreadsheet::harmless))?;
            }
            output.text(&String::from_utf8(writer.into_inner()?)?)?;
        }
        Format::Markdown => {
            if !compared.changed.is_empty() {
                output.text(&markdown::table(&GROUPS, groups(&compared).into_iter()))?;
                output.line("")?;
                output.text(&markdown::table(&HEADINGS, compared.changed.iter().map(row)))?;
                output.line("")?;
            }
            output.line(&sum(&compared))?;
        }
    }
    // An account that is to be renamed is not in the inventory by its new name; all are told of then.
    let stored = &views.counts().await?.accounts;
    let asked: Vec<String> = filter.accounts.iter().filter(|name| stored.contains_key(*name)).cloned().collect();
    worth::tell(&views, &asked).await?;
    let fails = compared.changed.iter().any(|pair| arguments.fail_on.iter().any(|condition| pair.comes_into(*condition)));
    Ok(if fails { Exit::Findings } else { Exit::Ok })
}

/// Does to a copy of the inventory what the daemon does to the inventory when it reads its config.
async fn tried(config: &Config, reader: Reader, views: &Views, filter: &Filter) -> anyhow::Result<Compared> {
    let clock = Clock::system();
    let stored = &views.counts().await?.accounts;
    let in_inventory: Vec<String> = filter.accounts.iter().filter(|name| !config.accounts.contains_key(*name)).cloned().collect();
    known(&in_inventory, views).await?;
    let renamed = config.accounts.values().filter_map(|account| {
        let (old, new) = (account.formerly.as_ref()?, &account.name);
        let takes_over = !stored.contains_key(new) && stored.get(old)?.provider == account.provider.spec().id;
        takes_over.then(|| (old.clone(), new.clone()))
    });
    let comparison = Comparison::new(renamed.collect(), filter.clone());

    let scratch = private::folder("keymuster-policy-test-")?;
    let path = scratch.path().join("inventory.db");
    reader.copy_to(path.clone()).await?;
    let now = clock.now();
    let asked = |order| KeysAsked {
        // The rest is looked at on both sides.
        filter: Filter { accounts: Vec::new(), conditions: Vec::new(), teams: Vec::new(), ..filter.clone() },
        order,
        ..KeysAsked::default()
    };
    let copy = Reader::open(&path)?;
    let comparison = copy.each_key(asked(Order::Id), now, comparison, Comparison::before).await?;
    let judged = setup::inventory(config, &path, &clock).await?;
    let comparison = copy.each_key(asked(Order::Urgency), now, comparison, Comparison::after).await?;
    judged.close().await?;
    Ok(comparison.compared())
}

fn print(output: &mut Output, compared: &Compared) -> std::io::Result<()> {
    if !compared.changed.is_empty() {
        output.text(&table::render(output, &GROUPS, groups(compared)))?;
        output.line("")?;
        output.text(&table::render(output, &HEADINGS, compared.changed.iter().map(row).collect()))?;
        output.line("")?;
    }
    output.line(&output.paint(Tone::Faint, &sum(compared)))
}

fn sum(compared: &Compared) -> String {
    let (keys, changed) = (counted(compared.keys, "key", "keys"), compared.changed.len());
    let labels = match compared.relabelled {
        0 => String::new(),
        count => format!("; {count} would change labels alone"),
    };
    let unmanaged = match compared.unmanaged() {
        0 => String::new(),
        count => format!(", {count} of them to unmanaged: the config does not name their account"),
    };
    let changed = if changed == 0 { "none".to_owned() } else { changed.to_string() };
    format!("of {keys} {changed} would change condition or waiver{unmanaged}{labels}")
}

fn groups(compared: &Compared) -> Vec<Vec<(Tone, String)>> {
    let row = |((condition, now, then), keys): ((Condition, Stand, Stand), usize)| {
        let tone = if then == Stand::Holds { Tone::Warning } else { Tone::Good };
        vec![
            (Tone::Plain, condition.to_string()),
            (Tone::Plain, now.to_string()),
            (tone, then.to_string()),
            (Tone::Plain, keys.to_string()),
        ]
    };
    compared.groups().into_iter().map(row).collect()
}

fn row(pair: &Pair) -> Vec<(Tone, String)> {
    let key = &pair.after;
    let needs = |key: &KeyRow| !key.conditions.is_empty() && key.waived.is_empty();
    let tone = match key.presence {
        Presence::Gone | Presence::Unmanaged => Tone::Faint,
        Presence::Present | Presence::Missing | Presence::Unknown if needs(key) => Tone::Warning,
        Presence::Present | Presence::Missing | Presence::Unknown => Tone::Good,
    };
    vec![
        key.name.clone().map_or((Tone::Faint, "unnamed".to_owned()), |name| (Tone::Plain, name)),
        (Tone::Plain, format!("{}/{}", key.account, key.key_id)),
        (Tone::Plain, state(&pair.before)),
        (tone, state(key)),
    ]
}

/// The words of the view `keys`, each as it is and as it would be.
#[derive(Serialize)]
struct Shown {
    provider: String,
    account: String,
    key_id: String,
    kind: &'static str,
    name: Option<String>,
    owner_email: Option<String>,
    conditions_now: String,
    conditions_then: String,
    waived_now: String,
    waived_then: String,
    presence_now: &'static str,
    presence_then: &'static str,
    team_now: Option<String>,
    team_then: Option<String>,
}

impl Shown {
    /// `text` is what becomes of what people or remotes wrote.
    fn new(Pair { before, after }: &Pair, text: fn(&str) -> String) -> Self {
        let maybe = |value: Option<&String>| value.map(|value| text(value));
        let list = |conditions: &[Condition]| conditions.iter().map(|condition| condition.as_str()).collect::<Vec<_>>().join(",");
        Self {
            provider: text(&after.provider),
            account: text(&after.account),
            key_id: text(&after.key_id),
            kind: after.kind.as_str(),
            name: maybe(after.name.as_ref()),
            owner_email: maybe(after.owner.as_ref().and_then(|owner| owner.email.as_ref())),
            conditions_now: list(&before.conditions),
            conditions_then: list(&after.conditions),
            waived_now: list(&before.waived),
            waived_then: list(&after.waived),
            presence_now: before.presence.as_str(),
            presence_then: after.presence.as_str(),
            team_now: maybe(before.team.as_ref()),
            team_then: maybe(after.team.as_ref()),
        }
    }
}
