//! Being told to stop: Ctrl-C or SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits until the process is told to stop.
///
/// # Errors
/// The system does not let us listen for signals.
pub async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Being told to read the config again: SIGHUP.
///
/// # Errors
/// The system does not let us listen for signals.
pub fn hang_up() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}
