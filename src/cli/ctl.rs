//! `keymuster ctl`: talks to the running daemon.

use std::path::{Path, PathBuf};

use super::args::{self, CtlCommand};
use super::exit::{ConfigError, Exit, refusal};
use super::output::{Output, Tone, warning_line};
use super::{log, poll, setup, table};
use crate::config::Config;
use crate::control::{self, Account, Answer, Request};

/// Runs the command.
///
/// # Errors
/// No daemon listens, this user may not ask it, or it refused.
pub async fn ctl(arguments: args::Ctl) -> anyhow::Result<Exit> {
    log::start_quiet();
    let socket = socket(&arguments)?;
    if arguments.socket.is_none() && matches!(arguments.command, CtlCommand::Status) {
        warn_of_problems(&arguments.config);
    }
    // The daemon logs what comes of a reload, whoever asked for it: in its own journal, once is enough.
    let is_told = matches!(arguments.command, CtlCommand::Reload) && log::is_beside_the_daemons();
    let request = match arguments.command {
        CtlCommand::Status => Request::Status,
        CtlCommand::Poll { accounts } => Request::Poll { accounts },
        CtlCommand::Reload => Request::Reload,
        CtlCommand::Ack { account, scope, why } => Request::Ack { account, scope, why },
    };
    let answer = control::ask(&socket, &request).await;
    let mut output = Output::new();
    match answer {
        Ok(Answer::Status { accounts }) => {
            let rows = accounts.iter().map(row).collect();
            output.text(&table::render(
                &output,
                &["ACCOUNT", "PROVIDER", "NOW", "NEXT", "READ SINCE", "LAST POLL", "HELD KEYS", "HELD LISTS"],
                rows,
            ))?;
            for account in &accounts {
                for waits in &account.waits {
                    let text = format!("{}: {}", account.account, poll::to_accept(&account.account, waits));
                    output.line(&output.paint(Tone::Bad, &text))?;
                }
            }
            Ok(Exit::Ok)
        }
        Ok(Answer::Polled { accounts }) => {
            for account in &accounts {
                poll::print(&mut output, account)?;
            }
            Ok(if accounts.iter().any(|account| account.failed) { Exit::Unavailable } else { Exit::Ok })
        }
        Ok(Answer::Done { .. }) if is_told => Ok(Exit::Ok),
        Ok(Answer::Refused { fault, .. }) if is_told => Ok(Exit::of(fault)),
        Ok(Answer::Done { what }) => {
            output.line(&what)?;
            Ok(Exit::Ok)
        }
        Ok(Answer::Refused { fault, why }) => Err(refusal(fault, why)),
        Err(error) => Err(error.into()),
    }
}

/// Where the daemon listens. Only the inventory's place is read of the config: what else is wrong there is no reason not to ask.
fn socket(arguments: &args::Ctl) -> Result<PathBuf, ConfigError> {
    if let Some(socket) = &arguments.socket {
        return Ok(socket.clone());
    }
    match Config::inventory_path(&arguments.config, setup::environment()) {
        Ok(inventory) => Ok(setup::socket(&inventory)),
        Err(problems) => {
            let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            lines.push("so nothing tells where the daemon listens; name its socket, which is beside the inventory: --socket /var/lib/keymuster/inventory.db.ctl".to_owned());
            Err(ConfigError(lines))
        }
    }
}

/// The daemon works by the config that it read; the next start and the next reload refuse this one.
fn warn_of_problems(config: &Path) {
    if let Err(problems) = Config::load(config, setup::environment()) {
        for problem in problems.iter() {
            warning_line(&format!("the daemon will not reload this: {problem}"));
        }
    }
}

fn held(count: u64) -> (Tone, String) {
    (if count > 0 { Tone::Bad } else { Tone::Plain }, count.to_string())
}

fn row(account: &Account) -> Vec<(Tone, String)> {
    let plain = |text: &str| (Tone::Plain, text.to_owned());
    vec![
        plain(&account.account),
        plain(&account.provider),
        if account.running { (Tone::Good, "polling".to_owned()) } else { (Tone::Faint, "waiting".to_owned()) },
        plain(account.next.as_deref().unwrap_or("never")),
        account.complete_since.as_deref().map_or_else(|| (Tone::Warning, "not yet".to_owned()), plain),
        match account.last_poll.as_deref() {
            None => (Tone::Warning, "none yet".to_owned()),
            Some("read") => plain("read"),
            Some(reason) => (Tone::Bad, reason.to_owned()),
        },
        held(account.held),
        held(account.held_lists),
    ]
}
