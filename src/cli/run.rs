//! `keymuster run`: the daemon.

use super::args;
use super::daemon::{Daemon, Look};
use super::exit::Exit;
use super::setup::Source;
use super::signals::{Signals, Told};
use super::{log, service};
use crate::clock::Clock;

/// Runs until it is told to stop; SIGHUP makes it read its config again.
///
/// # Errors
/// Config, credentials, inventory or the address cannot be used.
pub async fn run(arguments: args::Run) -> anyhow::Result<Exit> {
    let source = Source { arguments: arguments.arguments(), file: arguments.config };
    let config = source.config()?;
    log::start(&config.log);
    let mut signals = Signals::listen()?;
    let daemon = Daemon::start(&config, Some(source), &Clock::system(), Look::default()).await?;
    service::ready();
    daemon.attend();
    let exit = loop {
        let told = tokio::select! {
            told = signals.next() => told,
            exit = daemon.failed() => break exit,
        };
        match told {
            Told::Stop => break Exit::Ok,
            Told::Reload => {
                service::reloading();
                daemon.reload().await;
                service::ready();
            }
        }
    };
    service::stopping();
    daemon.stop().await?;
    Ok(exit)
}
