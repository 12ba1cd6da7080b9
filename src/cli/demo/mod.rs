//! `keymuster demo`: the whole thing at work on this machine alone, while one watches.

mod story;
mod words;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;

use super::args;
use super::daemon::{Daemon, Look};
use super::exit::Exit;
use super::log;
use super::output::{Output, Tone, fault_line};
use super::private;
use super::scratch::{self, WATCHED};
use super::setup::{self, Source};
use super::signals::Signals;
use crate::clock::Clock;
use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::sim::{self, Fault, Options, Size};
use story::Story;

/// One beat of the made-up world's life.
const BEAT: Duration = Duration::from_secs(3);

/// How often the page loads itself again.
const REFRESH: Duration = Duration::from_secs(5);

/// How often the story goes on.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until it is told to stop.
///
/// # Errors
/// The address is taken, or the scratch folder cannot be written.
pub async fn demo(arguments: args::Demo) -> anyhow::Result<Exit> {
    // What the log warns of, the story tells.
    log::start(&Log { format: LogFormat::Text, level: LogLevel::Error });
    let mut signals = Signals::listen()?;
    let clock = Clock::system();
    let faults = arguments.faults.clone();
    let options =
        Options { seed: arguments.seed, size: Size::demo(), faults: arguments.faults, lively: Some(BEAT), ..Options::default() };
    let simulation = sim::start(options, clock.clone()).await?;
    let folder = private::folder("keymuster-demo-")?;
    let path = std::path::absolute(scratch::write_config(&simulation, folder.path(), &WATCHED)?)?;
    let mut config = setup::config(&path)?;
    config.web.listen = listen(arguments.listen, config.web.listen).await;

    let look = Look { title: "demo".into(), refresh: Some(REFRESH) };
    let daemon = Daemon::start(&config, Some(Source { file: path.clone(), arguments: Vec::new() }), &clock, look).await?;
    let mut output = Output::new();
    print(&mut output, &config, daemon.address(), &faults)?;
    let mut story = Story::new(daemon.views().clone(), control(&path)?);
    let exit = until(signals.asked_to_stop(), daemon.failed(), follow(&mut output, &mut story)).await?;
    output.line("")?;
    daemon.stop().await?;
    simulation.stop().await;
    output.line("Stopped; the scratch inventory is gone.")?;
    Ok(exit)
}

/// What ends it first: somebody, a daemon that does not work any more, or a story that cannot be told.
async fn until(
    stopped: impl Future<Output = ()>,
    failed: impl Future<Output = Exit>,
    story: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Exit> {
    tokio::select! {
        () = stopped => Ok(Exit::Ok),
        exit = failed => Ok(exit),
        told = story => told.map(|()| Exit::Ok),
    }
}

/// The address that was asked for, else the usual one, else any that is free.
async fn listen(asked: Option<SocketAddr>, usual: SocketAddr) -> SocketAddr {
    match asked {
        Some(asked) => asked,
        None if TcpListener::bind(usual).await.is_ok() => usual,
        None => SocketAddr::new(usual.ip(), 0),
    }
}

/// The beginning of every command to this daemon, as it can be pasted into another terminal.
fn control(config: &Path) -> std::io::Result<String> {
    let program = std::env::current_exe()?;
    Ok(format!("{} ctl --config {}", words::quoted(&program), words::quoted(config)))
}

fn print(output: &mut Output, config: &Config, address: SocketAddr, faults: &[Fault]) -> std::io::Result<()> {
    let inventory = config.inventory.display();
    output.line(&output.paint(Tone::Strong, "A made-up organisation at simulated providers, everything on this machine"))?;
    output.line("")?;
    output.line(&format!("  Page       http://{address}/"))?;
    output.line(&format!("  Metrics    http://{address}/metrics"))?;
    output.line(&format!("  Inventory  {inventory}"))?;
    let query = "SELECT provider, name, owner_email, expires_at FROM expired_keys";
    output.line(&output.paint(Tone::Faint, &format!("             sqlite3 -readonly {inventory} '{query}'")))?;
    for fault in faults {
        fault_line(output, "  Fault      ", fault)?;
    }
    output.line("")?;
    for line in [
        "All providers are read every 5 seconds, while keys are used, made and revoked. After a minute a member leaves;",
        "half a minute later so many keys disappear at once that a person has to look. Ctrl-C ends it.",
    ] {
        output.line(line)?;
    }
    output.line("")
}

/// Tells what happens, as it happens.
async fn follow(output: &mut Output, story: &mut Story) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        story.go_on(output).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_daemon_that_has_failed_ends_the_demo_as_it_ends_the_daemon() {
        let exit = until(pending(), ready(Exit::Bug), pending()).await.unwrap();
        assert_eq!(exit.number(), 70);
        assert_eq!(until(ready(()), pending(), pending()).await.unwrap(), Exit::Ok);
        assert!(until(pending(), pending(), ready(Err(anyhow::anyhow!("no output")))).await.is_err());
    }
}
