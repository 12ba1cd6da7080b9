//! The log: one event, one line; for people, as JSON, or as fields of the journal.

mod journal;
mod lines;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};
use journal::Journal;
use lines::{Escapes, Lines};

/// Libraries that tell too much at their own level.
const QUIET: &str = "tokio_cron_scheduler=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// Where the level of the running log is changed.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts the log. Called once, before anything may log.
pub fn start(log: &Log) {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let started = tracing_subscriber::registry().with(filter).with(output(log.format)).try_init();
    // A second start finds the first one in place, which is as good.
    if started.is_ok() {
        let _ = FILTER.set(handle);
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

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},{QUIET}", level.as_str()))
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
