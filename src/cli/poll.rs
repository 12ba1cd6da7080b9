//! `keymuster poll`: one poll now, by us or by the daemon that holds the inventory, and what each scope gave.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args;
use super::exit::{ConfigError, Exit, UsageError, refusal};
use super::mistyped::repeated;
use super::output::{Output, Tone, counted};
use super::progress::{Counted, UnderWay, shown};
use super::setup;
use super::signals::Signals;
use super::{log, private, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Answer, AskError, PolledAccount, PolledScope, Request, Waits};
use crate::inventory::{Inventory, StoreError};
use crate::sync::{self, Progress, Scheduled};

/// Runs the command.
///
/// # Errors
/// Config, credentials or inventory cannot be used.
pub async fn poll(arguments: args::Poll) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.config)?;
    config.require_accounts(&arguments.config)?;
    for name in &arguments.accounts {
        if !config.accounts.contains_key(name) {
            let known: Vec<&str> = config.accounts.keys().map(String::as_str).collect();
            let file = arguments.config.display();
            let name = repeated(name);
            return Err(UsageError(format!("no account '{name}' in {file}; it has {}", known.join(", "))).into());
        }
    }
    let mut names: Vec<String> = config.accounts.keys().cloned().collect();
    if !arguments.accounts.is_empty() {
        names.retain(|name| arguments.accounts.contains(name));
    }

    let clock = Clock::system();
    let counted: BTreeMap<&str, Arc<Counted>> = names.iter().map(|name| (name.as_str(), Arc::default())).collect();
    let lines = || {
        let of_account = |name: &str| counted.get(name).map(Arc::clone).unwrap_or_default();
        let mut lines = setup::lines(&config, &clock, &|account| of_account(&account.name))?;
        lines.retain(|name, _| names.contains(name));
        Ok::<_, ConfigError>(lines.into_values().map(|line| (of_account(&line.line.account.name), line)).collect::<Vec<_>>())
    };
    let stop = stop_when_told(Signals::listen()?);
    let mut output = Output::new();
    let polled = if arguments.dry_run {
        output.line("dry run: nothing is stored")?;
        let scratch = private::folder("keymuster-dry-run-")?;
        let lines = lines()?;
        let path = copy(&config.inventory, scratch.path()).await?;
        ourselves(&mut output, &config, setup::inventory(&config, &path, &clock).await?, lines, &clock, &stop).await?
    } else if Inventory::is_held(&config.inventory) {
        // The credentials are the daemon's, and may be out of our reach.
        daemon(&mut output, &config, names.clone()).await?
    } else {
        let lines = lines()?;
        match setup::inventory(&config, &config.inventory, &clock).await {
            Ok(inventory) => ourselves(&mut output, &config, inventory, lines, &clock, &stop).await?,
            Err(StoreError::Locked { .. }) => daemon(&mut output, &config, names.clone()).await?,
            Err(error) => return Err(error.into()),
        }
    };
    let cut_off = stop.is_cancelled();
    Ok(if cut_off || polled.iter().any(|account| account.failed) { Exit::Unavailable } else { Exit::Ok })
}

/// Polls the accounts side by side, as the daemon does, and prints what each gave when it has ended: no account waits for another.
async fn ourselves(
    output: &mut Output,
    config: &Config,
    inventory: Inventory,
    accounts: Vec<(Arc<Counted>, Scheduled)>,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<PolledAccount>> {
    let policy = Arc::new(config.policy.clone());
    let (mut under_way, mut polls) = (UnderWay::default(), JoinSet::new());
    for (counted, Scheduled { line, .. }) in accounts {
        under_way.begins(&line.account.name, &counted);
        let (inventory, policy, clock, stop) = (inventory.clone(), Arc::clone(&policy), clock.clone(), stop.clone());
        polls.spawn(async move {
            let watch = |progress: Progress<'_>| counted.watch(&progress);
            sync::poll(&inventory, &line, &policy, &clock, &stop, &watch).await
        });
    }
    let mut polled = Vec::new();
    while let Some(ended) = shown(|| under_way.line(), polls.join_next()).await {
        // Where the inventory cannot be written, the others are polled in vain.
        let account = PolledAccount::from(&ended.unwrap_or_else(|broken| resume_unwind(broken.into_panic()))?);
        under_way.ends(&account.account);
        print(output, &account)?;
        polled.push(account);
    }
    inventory.close().await?;
    Ok(polled)
}

/// Asks the daemon that holds the inventory to poll.
async fn daemon(output: &mut Output, config: &Config, accounts: Vec<String>) -> anyhow::Result<Vec<PolledAccount>> {
    let line = format!("the daemon polls {}", accounts.join(", "));
    let (socket, request) = (setup::socket(&config.inventory), Request::Poll { accounts });
    match shown(|| line.clone(), control::ask(&socket, &request)).await {
        Ok(Answer::Polled { accounts }) => {
            accounts.iter().try_for_each(|account| print(output, account))?;
            Ok(accounts)
        }
        Ok(Answer::Refused { fault, why }) => Err(refusal(fault, format!("the daemon refused: {why}"))),
        Ok(Answer::Status { .. } | Answer::Done { .. }) => Err(AskError::Foreign.into()),
        // Somebody holds the inventory who is no daemon: another poll, or a backup.
        Err(AskError::Nobody(_)) => Err(StoreError::Locked { path: config.inventory.clone() }.into()),
        Err(error) => Err(error.into()),
    }
}

/// A copy of the inventory to work on; an empty one where there is none yet.
async fn copy(inventory: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("inventory.db");
    if inventory.exists() {
        crate::inventory::Reader::open_up_to_newest(inventory)?.copy_to(path.clone()).await?;
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

/// Prints what a poll of one account gave.
pub fn print(output: &mut Output, polled: &PolledAccount) -> anyhow::Result<()> {
    let items: usize = polled.scopes.iter().map(|scope| scope.items).sum();
    let heading = format!(
        "{} ({}): {} on {} in {:.1} s",
        polled.account,
        polled.provider,
        counted(items, "entry", "entries"),
        counted(polled.scopes.len(), "list", "lists"),
        polled.took_s
    );
    output.line(&output.paint(Tone::Strong, &heading))?;
    if !polled.scopes.is_empty() {
        let rows = polled.scopes.iter().map(row).collect();
        output.text(&table::render(output, &["SCOPE", "NAME", "ITEMS", "PAGES", "OUTCOME", "WHY"], rows))?;
    }
    let unread = polled.scopes.iter().filter(|scope| scope.outcome == "incomplete").count();
    if unread > 0 {
        let text = format!(
            "{} not read whole: nothing is concluded of keys that did not show there",
            counted(unread, "list was", "lists were")
        );
        output.line(&output.paint(Tone::Warning, &text))?;
    }
    if polled.not_opened > 0 {
        let text = format!("{} waited in vain: the poll's deadline passed", counted(polled.not_opened, "list", "lists"));
        output.line(&output.paint(Tone::Warning, &text))?;
    }
    for failure in &polled.failures {
        output.line(&output.paint(Tone::Bad, &format!("{}: {}", failure.reason, failure.detail)))?;
    }
    for note in &polled.notes {
        output.line(&output.paint(Tone::Faint, note))?;
    }
    for waits in &polled.waits {
        output.line(&output.paint(Tone::Bad, &format!("held: {}", to_accept(&polled.account, waits))))?;
    }
    if polled.changes.is_empty() {
        output.line("no changes")?;
    } else {
        let changes: Vec<String> =
            polled.changes.iter().map(|(kind, change, count)| format!("{count} {kind} {change}")).collect();
        output.line(&format!("changes: {}", changes.join(", ")))?;
    }
    output.line("")?;
    Ok(())
}

/// What waits for a person, and the command that lets it go.
pub fn to_accept(account: &str, waits: &Waits) -> String {
    let scope = waits.scope.as_ref().map_or_else(String::new, |scope| format!(" {scope}"));
    format!("{}, since {}. If that is right: keymuster ctl ack {account}{scope} --why '...'", waits.what, waits.since)
}

fn row(scope: &PolledScope) -> Vec<(Tone, String)> {
    let tone = match scope.outcome.as_str() {
        "complete" => Tone::Good,
        "closed" => Tone::Warning,
        _ => Tone::Bad,
    };
    let plain = |text: String| (Tone::Plain, text);
    vec![
        plain(scope.scope.clone()),
        plain(scope.name.clone().unwrap_or_default()),
        plain(scope.items.to_string()),
        plain(scope.pages.to_string()),
        (tone, scope.outcome.clone()),
        plain(scope.why.clone().unwrap_or_default()),
    ]
}
