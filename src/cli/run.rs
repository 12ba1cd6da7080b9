//! `keymuster run`: the daemon.

use super::args;
use super::daemon::{Daemon, Look};
use super::exit::Exit;
use super::{log, setup, signals};
use crate::clock::Clock;

/// Runs until it is told to stop; SIGHUP makes it read its config again.
///
/// # Errors
/// Config, credentials, inventory or the address cannot be used.
pub async fn run(arguments: args::Run) -> anyhow::Result<Exit> {
    let config = setup::config(&arguments.config)?;
    config.require_accounts(&arguments.config)?;
    log::start(&config.log);
    let daemon = Daemon::start(&config, Some(arguments.config), &Clock::system(), Look::default()).await?;
    let mut hang_up = signals::hang_up()?;
    let asked_to_stop = signals::asked_to_stop();
    tokio::pin!(asked_to_stop);
    loop {
        tokio::select! {
            told = &mut asked_to_stop => break told?,
            _ = hang_up.recv() => daemon.reload().await,
        }
    }
    daemon.stop().await?;
    Ok(Exit::Ok)
}
