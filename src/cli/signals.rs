//! Being told to stop, by Ctrl-C or SIGTERM, or to read the config again, by SIGHUP.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from when it is made: a signal that comes before somebody waits for it is not lost, and does not end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Stop.
    Stop,
    /// Read the config again.
    Reload,
}

impl Signals {
    /// Begins to listen. To be called before anything is opened that has to be closed.
    ///
    /// # Errors
    /// The system does not let us listen for signals.
    pub fn listen() -> std::io::Result<Self> {
        let listen = |kind| signal(kind);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told something.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    /// Waits until the process is told to stop. A command that has no config to read again stops when its terminal hangs up.
    pub async fn asked_to_stop(&mut self) {
        self.next().await;
    }
}
