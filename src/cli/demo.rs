//! `keymuster demo`: the whole thing at work on this machine alone, while one watches.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::args;
use super::daemon::{Daemon, Look};
use super::exit::Exit;
use super::output::{Output, Tone};
use super::scratch::{self, WATCHED};
use super::signals::Signals;
use super::{log, setup};
use crate::clock::Clock;
use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::sim::{self, Options, Size};
use crate::views::ChangesAsked;

/// One beat of the made-up world's life.
const BEAT: Duration = Duration::from_secs(3);

/// How often the page loads itself again.
const REFRESH: Duration = Duration::from_secs(5);

/// Runs until it is told to stop.
///
/// # Errors
/// The address is taken, or the scratch folder cannot be written.
pub async fn demo(arguments: args::Demo) -> anyhow::Result<Exit> {
    log::start(&Log { format: LogFormat::Text, level: LogLevel::Warn });
    let mut signals = Signals::listen()?;
    let clock = Clock::system();
    let options =
        Options { seed: arguments.seed, size: Size::demo(), faults: arguments.faults, lively: Some(BEAT), ..Options::default() };
    let simulation = sim::start(options, clock.clone()).await?;
    let folder = tempfile::Builder::new().prefix("keymuster-demo-").tempdir()?;
    let path = scratch::write_config(&simulation, folder.path(), &WATCHED)?;
    let mut config = setup::config(&path)?;
    config.web.listen = listen(arguments.listen, config.web.listen).await;

    let daemon = Daemon::start(&config, Some(path), &clock, Look { title: "demo".into(), refresh: Some(REFRESH) }).await?;
    let mut output = Output::new();
    print(&mut output, &config, daemon.address())?;
    tokio::select! {
        () = signals.asked_to_stop() => {}
        broken = follow(&mut output, &daemon) => broken?,
    }
    output.line("")?;
    daemon.stop().await?;
    simulation.stop().await;
    output.line("Stopped; the scratch inventory is gone.")?;
    Ok(Exit::Ok)
}

/// The address that was asked for, else the usual one, else any that is free.
async fn listen(asked: Option<SocketAddr>, usual: SocketAddr) -> SocketAddr {
    match asked {
        Some(asked) => asked,
        None if TcpListener::bind(usual).await.is_ok() => usual,
        None => SocketAddr::new(usual.ip(), 0),
    }
}

fn print(output: &mut Output, config: &Config, address: SocketAddr) -> std::io::Result<()> {
    let inventory = config.inventory.display();
    output.line(&output.paint(Tone::Strong, "A made-up organisation at simulated providers, everything on this machine"))?;
    output.line("")?;
    output.line(&format!("  Page       http://{address}/"))?;
    output.line(&format!("  Metrics    http://{address}/metrics"))?;
    output.line(&format!("  Inventory  {inventory}"))?;
    let query = "SELECT provider, name, owner_email, expires_at FROM expired_keys";
    output.line(&output.paint(Tone::Faint, &format!("             sqlite3 -readonly {inventory} '{query}'")))?;
    output.line("")?;
    output.line("Keys are used, made and revoked while you watch; a member leaves after a minute. Ctrl-C ends it.")?;
    output.line("")
}

/// Prints what changes, as it changes.
async fn follow(output: &mut Output, daemon: &Daemon) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut changes = daemon.views().changes(ChangesAsked { after: Some(after), ..ChangesAsked::default() }).await?;
        changes.reverse();
        for change in changes {
            after = change.change_id;
            let what = output.paint(Tone::Strong, &format!("{:<21}", change.change.as_str()));
            let name = change.name.unwrap_or_else(|| "(unnamed)".into());
            output.line(&format!("{}  {what} {} {name} ({})", change.at, change.account, change.key_id))?;
        }
    }
}
