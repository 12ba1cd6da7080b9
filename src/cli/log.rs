//! The log: one event, one line; for people, as JSON, or as fields of the journal.

mod journal;
mod lines;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};
use journal::Journal;
pub use lines::Escapes;
use lines::Lines;

/// Where the level of the running log is changed.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts the log. Called once, before anything may log.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let started = tracing_subscriber::registry().with(filter).with(output(log.format)).try_init();
    // A second start finds the first one in place, which is as good.
    if started.is_ok() {
        let _ = FILTER.set(handle);
        // A bug is an event like others, on one line, whatever its text repeats of what a provider said.
        std::panic::set_hook(Box::new(|bug| {
            let place = bug.location().map(ToString::to_string);
            tracing::error!(place, what = bug.payload_as_str().unwrap_or("no words"), "a bug of keymuster: it panicked");
        }));
    }
}

/// For commands that people wait for: only what needs them.
pub fn start_quiet() {
    start(&Log { format: LogFormat::Text, level: LogLevel::Error });
}

/// From now on the log tells what is of this level.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = FILTER.get() {
        // It fails only where the log is gone, and then nobody reads it.
        let _ = handle.reload(filter(level));
    }
}

/// Of libraries only what they warn of, whatever the level: below that they tell of bytes, and of headers, which hold secrets.
fn filter(level: LogLevel) -> Targets {
    let (libraries, ours) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::WARN, LevelFilter::INFO),
        LogLevel::Debug => (LevelFilter::WARN, LevelFilter::DEBUG),
        LogLevel::Trace => (LevelFilter::WARN, LevelFilter::TRACE),
    };
    Targets::new().with_default(libraries).with_target("keymuster", ours)
}

/// What is written to standard error stands beside the daemon's own lines: systemd runs us for its unit, as `ExecReload` does.
pub fn is_beside_the_daemons() -> bool {
    std::env::var_os("MAINPID").is_some() && journal::is_stderr()
}

fn output<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = std::io::stderr().is_terminal();
    let text = || {
        let lines = Lines(Escapes::Text { colours: terminal });
        tracing_subscriber::fmt::layer().with_writer(lines).with_ansi(terminal).with_target(false).boxed()
    };
    let json = || tracing_subscriber::fmt::layer().with_writer(Lines(Escapes::Json)).json().flatten_event(true).boxed();
    match format {
        LogFormat::Text => text(),
        LogFormat::Json => json(),
        LogFormat::Journal => Journal::new().boxed(),
        LogFormat::Auto if terminal => text(),
        LogFormat::Auto if journal::is_stderr() => Journal::new().boxed(),
        LogFormat::Auto => json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program of the tests runs itself: the log and what is done in a panic are one for each process.
    const AGAIN: &str = "KEYMUSTER_TEST_OF_A_PANIC";

    #[test]
    fn a_panic_is_one_line_of_the_log() {
        if std::env::var_os(AGAIN).is_some() {
            start(&Log { format: LogFormat::Json, level: LogLevel::Error });
            panic!("of a name: a\nb\u{1b}[2J");
        }
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "--nocapture", "cli::log::tests::a_panic_is_one_line_of_the_log"]).env(AGAIN, "1");
        let told = String::from_utf8(again.output().unwrap().stderr).unwrap();
        let lines: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["what"]), (1, &"of a name: a\nb\u{1b}[2J".into()), "{told}");
        assert!(!told.contains('\u{1b}') && told.contains("src/cli/log.rs"), "{told}");
    }
}
