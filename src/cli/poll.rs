//! `keymuster poll`: one poll now, and what each scope gave.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::args;
use super::exit::{ConfigError, Exit};
use super::output::{Output, Tone, counted};
use super::setup::{self, Uncounted};
use super::signals::Signals;
use super::{log, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::WalkEnd;
use crate::inventory::{Inventory, StoreError};
use crate::sync::{self, Progress, Report, Scheduled, ScopeReport};

/// Runs the command.
///
/// # Errors
/// Config, credentials or inventory cannot be used.
pub async fn poll(arguments: args::Poll) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.config)?;
    config.require_accounts(&arguments.config)?;
    let clock = Clock::system();
    let mut accounts = setup::lines(&config, &clock, &|_| Arc::new(Uncounted))?;
    for name in &arguments.accounts {
        if !accounts.contains_key(name) {
            let known: Vec<&str> = accounts.keys().map(String::as_str).collect();
            return Err(ConfigError(vec![format!(
                "no account '{name}' in {}; it has {}",
                arguments.config.display(),
                known.join(", ")
            )])
            .into());
        }
    }
    if !arguments.accounts.is_empty() {
        accounts.retain(|name, _| arguments.accounts.contains(name));
    }

    let stop = stop_when_told(Signals::listen()?);
    let scratch = tempfile::Builder::new().prefix("keymuster-dry-run-").tempdir()?;
    let path = if arguments.dry_run { copy(&config.inventory, scratch.path()).await? } else { config.inventory.clone() };
    let inventory = setup::inventory(&config, &path, &clock).await?;
    let mut output = Output::new();
    if arguments.dry_run {
        output.line("dry run: nothing is stored")?;
    }
    let mut exit = Exit::Ok;
    for (name, account) in accounts {
        if stop.is_cancelled() {
            exit = Exit::Unavailable;
            break;
        }
        let report = one(&inventory, &config, &account, &clock, &stop).await?;
        print(&mut output, &name, &report)?;
        if report.failure().is_some() || report.not_opened > 0 {
            exit = Exit::Unavailable;
        }
    }
    inventory.close().await?;
    Ok(exit)
}

async fn one(
    inventory: &Inventory,
    config: &Config,
    account: &Scheduled,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Report, StoreError> {
    let name = account.line.account.name.clone();
    let live = std::io::stderr().is_terminal();
    let watch = move |progress: Progress<'_>| {
        let mut err = std::io::stderr().lock();
        // Progress is for whoever looks; where it cannot be written, nobody does.
        let _ = match progress {
            Progress::Scopes { ended, known } if live => {
                write!(err, "\r\x1b[K{name}: {ended} of {known} scopes").and_then(|()| err.flush())
            }
            Progress::Scopes { .. } | Progress::Ended(_) => Ok(()),
        };
    };
    let report = sync::poll(inventory, &account.line, &Arc::new(config.policy.clone()), clock, stop, &watch).await;
    if live {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
    }
    report
}

/// A copy of the inventory to work on; an empty one where there is none yet.
async fn copy(inventory: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("inventory.db");
    if inventory.exists() {
        crate::inventory::Reader::open(inventory)?.copy_to(path.clone()).await?;
    }
    Ok(path)
}

fn stop_when_told(mut signals: Signals) -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signals.asked_to_stop().await;
        told.cancel();
    });
    stop
}

fn print(output: &mut Output, name: &str, report: &Report) -> anyhow::Result<()> {
    let keys: usize = report
        .scopes
        .iter()
        .filter(|scope| scope.scope.id.kind.lists() == crate::domain::Lists::Keys)
        .map(|scope| scope.items)
        .sum();
    let heading = format!(
        "{name} ({}): {} listed on {} in {:.1} s",
        report.provider,
        counted(keys, "key", "keys"),
        counted(report.scopes.len(), "list", "lists"),
        report.took.as_secs_f64()
    );
    output.line(&output.paint(Tone::Strong, &heading))?;
    let rows = report.scopes.iter().map(row).collect();
    output.text(&table::render(output, &["SCOPE", "NAME", "ITEMS", "PAGES", "OUTCOME", "WHY"], rows))?;
    if report.not_opened > 0 {
        output.line(&output.paint(
            Tone::Warning,
            &format!("{} waited in vain: the poll's deadline passed", counted(report.not_opened, "list", "lists")),
        ))?;
    }
    for failure in report.unapplied.iter().chain(&report.general) {
        output.line(&output.paint(Tone::Bad, &format!("{}: {}", failure.reason, failure.detail)))?;
    }
    if report.changes.is_empty() {
        output.line("no changes")?;
    } else {
        let changes: Vec<String> =
            report.changes.iter().map(|(kind, change, count)| format!("{count} {kind} {change}")).collect();
        output.line(&format!("changes: {}", changes.join(", ")))?;
    }
    output.line("")?;
    Ok(())
}

fn row(report: &ScopeReport) -> Vec<(Tone, String)> {
    let (tone, why) = match &report.end {
        WalkEnd::Complete => (Tone::Good, String::new()),
        WalkEnd::Closed(reason) => (Tone::Warning, reason.to_string()),
        WalkEnd::Incomplete(failure) => (Tone::Bad, failure.to_string()),
    };
    let plain = |text: String| (Tone::Plain, text);
    vec![
        plain(report.scope.id.to_string()),
        plain(report.scope.name.as_ref().map_or_else(String::new, ToString::to_string)),
        plain(report.items.to_string()),
        plain(report.pages.to_string()),
        (tone, report.end.as_str().to_owned()),
        plain(why),
    ]
}
