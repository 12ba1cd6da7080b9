//! The log: lines on standard error, as the config wants them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{Log, LogFormat, LogLevel};

/// Libraries that tell too much at their own level.
const QUIET: &str = "tokio_cron_scheduler=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn";

/// Starts the log. Called once, before anything may log.
pub fn start(log: &Log) {
    let filter = EnvFilter::new(format!("{},{QUIET}", log.level.as_str()));
    let terminal = std::io::stderr().is_terminal();
    let json = match log.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal)
        .with_span_events(FmtSpan::NONE);
    // A second start finds the first one in place, which is as good.
    let _ = if json { lines.json().flatten_event(true).try_init() } else { lines.with_target(false).try_init() };
}

/// For commands that people wait for: only what needs them.
pub fn start_quiet() {
    start(&Log { format: LogFormat::Text, level: LogLevel::Error });
}
