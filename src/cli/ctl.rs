//! `keymuster ctl`: talks to the running daemon.

use super::args::{self, CtlCommand};
use super::exit::{ConfigError, Exit};
use super::output::{Output, Tone};
use super::{log, poll, setup, table};
use crate::control::{self, Account, Answer, AskError, Request};

/// Runs the command.
///
/// # Errors
/// No daemon listens, this user may not ask it, or it refused.
pub async fn ctl(arguments: args::Ctl) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.config)?;
    let request = match arguments.command {
        CtlCommand::Status => Request::Status,
        CtlCommand::Poll { accounts } => Request::Poll { accounts },
        CtlCommand::Reload => Request::Reload,
        CtlCommand::Ack { account, scope, why } => Request::Ack { account, scope, why },
    };
    let answer = control::ask(&control::socket_path(&config.inventory), &request).await;
    let mut output = Output::new();
    match answer {
        Ok(Answer::Status { accounts }) => {
            let rows = accounts.iter().map(row).collect();
            output.text(&table::render(
                &output,
                &["ACCOUNT", "PROVIDER", "NOW", "NEXT", "READ SINCE", "LAST POLL", "HELD KEYS", "HELD LISTS"],
                rows,
            ))?;
            Ok(Exit::Ok)
        }
        Ok(Answer::Polled { accounts }) => {
            for account in &accounts {
                poll::print(&mut output, account)?;
            }
            Ok(if accounts.iter().any(|account| account.failed) { Exit::Unavailable } else { Exit::Ok })
        }
        Ok(Answer::Done { what }) => {
            output.line(&what)?;
            Ok(Exit::Ok)
        }
        Ok(Answer::Refused { why }) => Err(ConfigError(why.lines().map(str::to_owned).collect()).into()),
        Err(error @ (AskError::Nobody(_) | AskError::NotAllowed(_) | AskError::Broken(_) | AskError::Foreign)) => {
            Err(error.into())
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
