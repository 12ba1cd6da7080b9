//! `keymuster explain`: why a key is in a condition, and when that changes next.

use std::sync::Arc;

use serde::Serialize;

use super::args::{self, ExplainFormat};
use super::exit::{Exit, UsageError};
use super::output::{Output, Tone};
use super::{log, setup, table};
use crate::clock::Clock;
use crate::domain::{Condition, Moment, Time};
use crate::inventory::Reader;
use crate::policy::{Claim, Standing};
use crate::views::{ChangeRow, ChangesAsked, Explained, Filter, KeyRow, KeysAsked, ListedBy, Views, because, day};

/// Keys that are named where a text fits several.
const NAMED: u32 = 5;

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; no key, or more than one, is meant.
pub async fn explain(arguments: args::Explain) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.from.config)?;
    let path = arguments.from.inventory.unwrap_or(config.inventory);
    let views = Views::of_file(Reader::open(&path)?, Clock::system(), Vec::new())?;
    let key = meant(&views, &arguments.key).await?;
    let Some(explained) = views.explain(&key, Arc::new(config.policy)).await? else {
        return Err(UsageError(format!("the key {} is no longer in the inventory", arguments.key)).into());
    };
    let asked = ChangesAsked { accounts: vec![key.account.clone()], key_id: Some(key.key_id.clone()), ..ChangesAsked::default() };
    let told = Told { key, explained, changes: views.changes(asked).await?, now: views.clock().now() };
    let mut output = Output::new();
    match arguments.format {
        ExplainFormat::Text => told.print(&mut output)?,
        ExplainFormat::Json => output.line(&serde_json::to_string_pretty(&told.shown())?)?,
    }
    Ok(Exit::Ok)
}

/// The key that `ACCOUNT/KEY_ID` or the beginning of an id means.
async fn meant(views: &Views, text: &str) -> anyhow::Result<KeyRow> {
    let (account, id) = text.rsplit_once('/').map_or((None, text), |(account, id)| (Some(account), id));
    let filter = Filter {
        accounts: account.map(str::to_owned).into_iter().collect(),
        id_prefix: Some(id.to_owned()),
        ..Filter::default()
    };
    let mut found = views.keys(KeysAsked { filter, limit: Some(NAMED), ..KeysAsked::default() }).await?;
    let exact: Vec<usize> = (0..found.len()).filter(|at| found[*at].key_id == id).collect();
    match (exact.as_slice(), found.len()) {
        ([only], _) => Ok(found.swap_remove(*only)),
        (_, 1) => Ok(found.swap_remove(0)),
        (_, 0) => Err(UsageError(format!("no key '{text}' in {}; 'keymuster keys' lists them", views.path().display())).into()),
        (_, several) => {
            let names: Vec<String> = found.iter().map(|key| format!("{}/{}", key.account, key.key_id)).collect();
            let more = if several == NAMED as usize { ", and perhaps others" } else { "" };
            Err(UsageError(format!("'{text}' fits several keys: {}{more}", names.join(", "))).into())
        }
    }
}

/// All that is told.
struct Told {
    key: KeyRow,
    explained: Explained,
    changes: Vec<ChangeRow>,
    now: Time,
}

/// How a condition stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It holds.
    Holds,
    /// It holds, and a waiver accepts it.
    Waived,
    /// It will, if nothing changes.
    Will,
    /// Its time has come, but the key was not seen since.
    Unseen,
    /// It held, until the next one took its place.
    Over,
    /// It does not hold.
    No,
}

impl State {
    const fn tone(self) -> Tone {
        match self {
            Self::Holds => Tone::Bad,
            Self::Waived | Self::Will | Self::Unseen => Tone::Warning,
            Self::Over | Self::No => Tone::Faint,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Waived => "waived",
            Self::Will => "will",
            Self::Unseen => "not seen since",
            Self::Over => "over",
            Self::No => "no",
        }
    }
}

impl Told {
    fn state(&self, claim: &Claim) -> State {
        if self.key.conditions.contains(&claim.condition) {
            return if self.key.waived.contains(&claim.condition) { State::Waived } else { State::Holds };
        }
        match claim.standing {
            Standing::From(at) if at > self.now => State::Will,
            // What has expired is no longer about to.
            Standing::From(_) if claim.condition == Condition::Expiring => State::Over,
            Standing::From(_) => State::Unseen,
            Standing::Not(_) => State::No,
        }
    }

    /// The next instant at which a condition begins.
    fn next(&self) -> Option<(Condition, Time)> {
        let ahead = self.explained.claims.iter().filter_map(|claim| match claim.standing {
            Standing::From(at) if at > self.now => Some((claim.condition, at)),
            Standing::From(_) | Standing::Not(_) => None,
        });
        ahead.min_by_key(|(_, at)| *at)
    }

    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let key = &self.key;
        let name = key.name.clone().unwrap_or_else(|| "(no name)".to_owned());
        output.line(&format!("{}  {}", output.paint(Tone::Strong, &name), self.id()))?;
        let owner = key.owner.as_ref().map_or_else(
            || "not reported".to_owned(),
            |owner| {
                let words = [owner.name.as_deref(), owner.email.as_deref(), Some(owner.id.as_str())];
                format!("{} ({})", words.into_iter().flatten().collect::<Vec<_>>().join(", "), owner.kind)
            },
        );
        let facts = [
            ("kind", format!("{} at {}", key.kind, key.provider)),
            ("hint", key.hint.clone().unwrap_or_else(|| "not reported".to_owned())),
            ("owner", owner),
            ("made", key.created_at.map_or_else(|| "not reported".to_owned(), day)),
            ("last used", moment(key.last_used)),
            ("expires", moment(key.expires)),
            ("presence", format!("{}, {}", key.presence, key.presence_reason.as_str().replace('_', " "))),
            ("team", key.team.clone().unwrap_or_else(|| "none".to_owned())),
        ];
        for (what, fact) in facts {
            output.line(&format!("  {} {fact}", output.paint(Tone::Faint, &format!("{what:<10}"))))?;
        }
        for list in &self.explained.lists {
            output.line(&format!("  {} {}", output.paint(Tone::Faint, &format!("{:<10}", "listed by")), listed(list)))?;
        }
        if !self.explained.in_force {
            output.line(&output.paint(
                Tone::Warning,
                "\nThis config's policy is not the one that the inventory was last judged by: the daemon has not read it yet.",
            ))?;
        }
        output.line("")?;
        let rows = self.explained.claims.iter().map(|claim| {
            let state = self.state(claim);
            let from = match claim.standing {
                Standing::From(at) => day(at),
                Standing::Not(_) => String::new(),
            };
            vec![
                (Tone::Plain, claim.condition.to_string()),
                (state.tone(), state.word().to_owned()),
                (Tone::Plain, from),
                (Tone::Plain, because(claim)),
            ]
        });
        output.text(&table::render(output, &["CONDITION", "STATE", "FROM", "BECAUSE"], rows.collect()))?;
        for waiver in &self.explained.waivers {
            let until = if waiver.until > self.now { "until" } else { "was waived until" };
            output.line(&format!("\nwaived by {} {until} {}: {}", waiver.who, day(waiver.until), waiver.reason))?;
        }
        match self.next() {
            Some((condition, at)) => output.line(&format!("\nNext change: {condition} from {at}."))?,
            None => output.line("\nNothing changes by itself: no condition lies ahead.")?,
        }
        if !self.changes.is_empty() {
            output.line("")?;
            let rows = self.changes.iter().map(|change| {
                let [before, after] = [&change.before, &change.after].map(|text| text.clone().unwrap_or_default());
                [change.at.to_string(), change.change.to_string(), before, after]
                    .into_iter()
                    .map(|text| (Tone::Plain, text))
                    .collect()
            });
            output.text(&table::render(output, &["SEEN", "CHANGE", "BEFORE", "AFTER"], rows.collect()))?;
        }
        Ok(())
    }

    fn id(&self) -> String {
        format!("{}/{}", self.key.account, self.key.key_id)
    }

    fn shown(&self) -> Shown {
        let claims = self.explained.claims.iter().map(|claim| ShownClaim {
            condition: claim.condition.as_str(),
            state: self.state(claim),
            from: match claim.standing {
                Standing::From(at) => Some(at.to_string()),
                Standing::Not(_) => None,
            },
            limit: claim.limit.map(|limit| limit.value.to_string()),
            limit_by: claim.limit.map(|limit| limit.by.to_string()),
            because: because(claim),
        });
        Shown {
            key: self.id(),
            policy_in_force: self.explained.in_force,
            conditions: claims.collect(),
            next: self.next().map(|(condition, at)| ShownNext { condition: condition.as_str(), at: at.to_string() }),
            lists: self.explained.lists.iter().map(listed).collect(),
        }
    }
}

#[derive(Serialize)]
struct Shown {
    key: String,
    policy_in_force: bool,
    conditions: Vec<ShownClaim>,
    next: Option<ShownNext>,
    lists: Vec<String>,
}

#[derive(Serialize)]
struct ShownClaim {
    condition: &'static str,
    state: State,
    from: Option<String>,
    limit: Option<String>,
    limit_by: Option<String>,
    because: String,
}

#[derive(Serialize)]
struct ShownNext {
    condition: &'static str,
    at: String,
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(at) => day(at),
        Moment::Never => "never".to_owned(),
        Moment::NotReported => "not reported".to_owned(),
    }
}

/// `project proj_1 (search): its facts come from here; read completely 2026-11-27T10:00:00Z`.
fn listed(list: &ListedBy) -> String {
    let name = list.scope_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let id = if list.scope_id.is_empty() { String::new() } else { format!(" {}", list.scope_id) };
    let here = if list.listed { "" } else { ", but not when that was last read" };
    let home = if list.home { "; its facts come from there" } else { "" };
    let read = list.last_complete_at.map_or_else(|| "never read completely".to_owned(), |at| format!("read completely {at}"));
    format!("{}{id}{name}{here}{home}; {}, {read}", list.kind, list.standing)
}
