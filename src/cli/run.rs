//! `keymuster run`: the daemon.

use super::args;
use super::daemon::{Daemon, Look};
use super::exit::Exit;
use super::signals::Signals;
use super::{log, setup};
use crate::clock::Clock;

/// Runs until it is told to stop.
///
/// # Errors
/// Config, credentials, inventory or the address cannot be used.
pub async fn run(arguments: args::Run) -> anyhow::Result<Exit> {
    let config = setup::config(&arguments.config)?;
    config.require_accounts(&arguments.config)?;
    log::start(&config.log);
    let mut signals = Signals::listen()?;
    let daemon = Daemon::start(&config, &Clock::system(), Look::default()).await?;
    signals.asked_to_stop().await;
    daemon.stop().await?;
    Ok(Exit::Ok)
}
