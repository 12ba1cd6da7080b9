//! `keymuster report`: evidence of a period for an auditor, as files that can be checked and a page that can be printed.

mod folder;
mod page;
mod rules;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args;
use super::exit::{Exit, UsageError};
use super::looked_at::LookedAt;
use super::output::Output;
use super::{log, private, setup};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Condition, Time};
use crate::inventory::{EvidenceOf, Inventory, Period, Reader, Sheet, StoreError};
use crate::views::{AsOf, LEFT_OUT, Since, WITHOUT_HISTORY, not_yet_read};
use folder::Folder;
use page::Page;

/// A table of the report: its file's name, what it holds, and the table.
pub(super) struct Part {
    pub name: &'static str,
    pub title: &'static str,
    pub sheet: Sheet,
}

/// How many keys are in a condition, at both ends; `None` at the start where that is not known.
pub(super) struct Count {
    pub what: String,
    pub before: Option<usize>,
    pub after: usize,
}

/// What the report says of itself.
pub(super) struct Front {
    pub period: Period,
    pub made: Time,
    pub notes: Vec<String>,
    pub counts: Vec<Count>,
}

/// Runs the command.
///
/// # Errors
/// The config is wrong, the inventory cannot be read or does not go back so far, the folder is not empty or cannot be written.
pub async fn report(arguments: args::Report) -> anyhow::Result<Exit> {
    log::start_quiet();
    let made = Clock::system().now();
    let period = period(arguments.from_when, arguments.to_when, made)?;
    let config = setup::config(&arguments.from.config)?;
    let source = arguments.from.inventory.clone().unwrap_or_else(|| config.inventory.clone());
    let folder = Folder::beside(&arguments.out)?;

    // One state of the file for every table.
    let scratch = private::folder("keymuster-report-")?;
    let snapshot = scratch.path().join("inventory.db");
    Reader::open(&source)?.copy_to(snapshot.clone()).await?;
    // Both ends by one policy, the one that the report shows: the daemon may not have read it yet.
    let judged = Inventory::open(&snapshot, made)?;
    judged.judge_all(Arc::new(config.policy.clone()), made).await?;
    judged.close().await?;
    let (front, parts) = gather(&snapshot, &source, &config, period, period.to < made, made).await?;

    for part in &parts {
        folder.sheet(part)?;
    }
    folder.write("summary.json", &serde_json::to_vec_pretty(&summary(&front, &parts))?)?;
    folder.write("index.html", Page::new(&front, &parts).text()?.as_bytes())?;
    let (out, sum) = folder.finish()?;
    told(&out, &sum, &front, &parts)?;
    Ok(Exit::Ok)
}

fn period(from: Since, to: Option<AsOf>, now: Time) -> anyhow::Result<Period> {
    let to = to.map_or(Ok(now), |to| to.instant(now)).map_err(|ahead| UsageError(format!("--to {ahead}")))?;
    let period = Period { from: from.instant(now), to };
    if period.from > period.to {
        return Err(UsageError(format!("--from {} lies behind --to {}", period.from, period.to)).into());
    }
    Ok(period)
}

async fn gather(
    snapshot: &Path,
    source: &Path,
    config: &Config,
    period: Period,
    looks_back: bool,
    made: Time,
) -> anyhow::Result<(Front, Vec<Part>)> {
    let live = Reader::open(snapshot)?;
    let mut notes = Vec::new();
    let within =
        async |reader: &Reader, of, name, title, period| anyhow::Ok(Part { name, title, sheet: reader.sheet(of, period).await? });
    let of = async |reader: &Reader, of, name, title| within(reader, of, name, title, period).await;
    let mut back = None;
    if looks_back {
        let turned_back = LookedAt::turned_back(snapshot, source, config.policy.clone(), period.to).await?;
        notes.push(format!("Keys are as of {}: {LEFT_OUT}.", period.to));
        notes.extend(turned_back.not_yet.iter().map(|account| format!("{}.", not_yet_read(account))));
        back = Some(turned_back);
    }
    let at_end = back.as_ref().map_or(&live, |back| &back.reader);
    let before = match LookedAt::turned_back(snapshot, source, config.policy.clone(), period.from).await {
        Ok(turned_back) => {
            let at_start = |account| format!("At the start: {}.", not_yet_read(account));
            notes.extend(turned_back.not_yet.iter().map(at_start));
            Some(conditions(&turned_back.reader.sheet(EvidenceOf::Keys, period_of(period.from)).await?))
        }
        Err(error) => {
            let since = match error.downcast_ref::<StoreError>() {
                Some(StoreError::BeforeHistory { since: Some(since), .. }) => *since,
                _ => return Err(error),
            };
            notes.push(format!("History goes back to {since}: of what was before, this report knows nothing."));
            None
        }
    };
    let mut walks = period;
    if let Some(since) = live.walks_since().await?.filter(|since| *since > period.from) {
        walks.from = since.min(period.to);
        notes.push(format!("Records of walks go back to {since}: coverage is counted from there."));
    }
    let mut parts = vec![
        of(at_end, EvidenceOf::Findings, "findings", "Keys in a condition, at the end").await?,
        within(&live, EvidenceOf::Coverage, "coverage", "Coverage: how each list was read", walks).await?,
        of(at_end, EvidenceOf::Changes, "changes", "Changes").await?,
        of(&live, EvidenceOf::Acknowledgements, "acknowledgements", "What people acknowledged").await?,
        of(&live, EvidenceOf::Holds, "holds", "Disappearances that waited for a person").await?,
        of(at_end, EvidenceOf::Waivers, "waivers", "Waivers in the config").await?,
        Part { name: "policy", title: "Policy in the config", sheet: rules::sheet(&config.policy) },
        of(at_end, EvidenceOf::Keys, "keys", "All keys, at the end").await?,
    ];
    if looks_back {
        parts.iter_mut().for_each(|part| part.sheet.leave_out(&WITHOUT_HISTORY));
    }
    let after = parts.last().map(|keys| conditions(&keys.sheet)).unwrap_or_default();
    Ok((Front { period, made, notes, counts: counts(before.as_ref(), &after, looks_back) }, parts))
}

const fn period_of(at: Time) -> Period {
    Period { from: at, to: at }
}

/// Keys that are not gone, all of them and in each condition, by the columns of the view `keys`.
fn conditions(keys: &Sheet) -> BTreeMap<String, usize> {
    let column = |name: &str| keys.columns.iter().position(|column| column == name);
    let (presence, conditions) = (column("presence"), column("conditions"));
    let mut counts = BTreeMap::new();
    for row in &keys.rows {
        let text = |index: Option<usize>| index.and_then(|index| row[index].as_str()).unwrap_or_default();
        if text(presence) == "gone" {
            continue;
        }
        *counts.entry(ALL.to_owned()).or_default() += 1;
        for word in text(conditions).split(',').filter(|word| !word.is_empty()) {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

const ALL: &str = "keys";

fn counts(before: Option<&BTreeMap<String, usize>>, after: &BTreeMap<String, usize>, looks_back: bool) -> Vec<Count> {
    let of_use = [Condition::Stale, Condition::NeverUsed];
    let words =
        Condition::ALL.iter().filter(|condition| !looks_back || !of_use.contains(condition)).map(|word| (*word, word.as_str()));
    let mut counts = vec![Count {
        what: ALL.to_owned(),
        before: before.map(|before| before.get(ALL).copied().unwrap_or(0)),
        after: after.get(ALL).copied().unwrap_or(0),
    }];
    counts.extend(words.map(|(condition, word)| Count {
        what: word.to_owned(),
        before: before.filter(|_| !of_use.contains(&condition)).map(|before| before.get(word).copied().unwrap_or(0)),
        after: after.get(word).copied().unwrap_or(0),
    }));
    counts
}

fn summary(front: &Front, parts: &[Part]) -> Value {
    let counts: Vec<Value> =
        front.counts.iter().map(|count| json!({ "what": count.what, "at_start": count.before, "at_end": count.after })).collect();
    let files: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "file": format!("{}.csv", part.name), "about": part.title, "rows": part.sheet.rows.len() }))
        .collect();
    json!({
        "from": front.period.from.to_string(),
        "to": front.period.to.to_string(),
        "made_at": front.made.to_string(),
        "made_by": concat!("keymuster ", env!("CARGO_PKG_VERSION")),
        "notes": front.notes,
        "counts": counts,
        "files": files,
    })
}

fn told(out: &Path, sum: &str, front: &Front, parts: &[Part]) -> std::io::Result<()> {
    let mut output = Output::new();
    for note in &front.notes {
        output.line(note)?;
    }
    for part in parts {
        output.line(&format!("{:>8}  {}", part.sheet.rows.len(), part.name))?;
    }
    output.line(&format!("{}: open index.html; check with 'sha256sum -c {}' in there", out.display(), folder::MANIFEST))?;
    output.line(&format!("{sum}  {}: keep this line elsewhere", folder::MANIFEST))
}
