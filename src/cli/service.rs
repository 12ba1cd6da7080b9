//! What the service manager is told through `NOTIFY_SOCKET`: that the daemon is ready, reads its config again or stops, a line
//! on how it stands, and that it is alive. Where nobody asked to be told, nothing is said.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::output::counted;
use crate::inventory::{AccountCounts, Counts, Inventory};
use crate::metrics::Tally;
use crate::sync::Command;
use crate::views::{AccountFacts, Views};

/// How often the line is looked at where no watchdog waits for more.
const LOOK: Duration = Duration::from_secs(15);

/// The store is open and the listeners are bound.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The config is being read again, until [`ready`].
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager could not be told of the reload"),
    }
}

/// What is under way ends, and then the process.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells how the daemon stands, and that it is alive as long as [`Pulse::beats`], until `stop`.
pub async fn attend(pulse: Pulse, views: Views, tally: Arc<Tally>, stop: CancellationToken) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = sd_notify::watchdog_enabled();
    let pause = watchdog.map_or(LOOK, |limit| LOOK.min(limit / 4));
    let mut told = String::new();
    loop {
        // A ping means that the work turns, not that this task does.
        if watchdog.is_some() {
            if pulse.beats(pause).await {
                tell(&[NotifyState::Watchdog]);
            } else {
                tracing::warn!(
                    "the supervisor or the inventory's writer did not turn; the watchdog is not told that all is well"
                );
            }
        }
        if let Ok(counts) = views.counts().await {
            let mut line = standing(&counts, &views.accounts());
            if tally.reload_was_refused() {
                line.push_str("; the config was refused, and the one before is in force");
            }
            if line != told {
                tell(&[NotifyState::Status(&line)]);
                told = line;
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Whether the parts that do the work still turn.
pub struct Pulse {
    /// To the supervisor.
    pub commands: mpsc::Sender<Command>,
    /// The inventory.
    pub inventory: Inventory,
}

impl Pulse {
    /// The supervisor answers, and the inventory's writer comes to the next piece of work, both in time.
    pub async fn beats(&self, limit: Duration) -> bool {
        let turn = async {
            let (answer, status) = oneshot::channel();
            self.commands.send(Command::Status(answer)).await.is_ok()
                && status.await.is_ok()
                && self.inventory.turn().await.is_ok()
        };
        timeout(limit, turn).await.unwrap_or(false)
    }
}

/// `3 accounts, 312 keys, 41 flagged, 2 held; not read whole: acme-den`, of the accounts that are configured now.
fn standing(counts: &Counts, configured: &[AccountFacts]) -> String {
    let accounts = || configured.iter().filter_map(|account| counts.accounts.get(&account.name));
    let keys: u64 = accounts().map(AccountCounts::keys_that_may_be_there).sum();
    let flagged: u64 = accounts().map(AccountCounts::flagged_at_all).sum();
    let held: u64 = accounts().map(|account| account.held_keys).sum();
    let is_down = |name: &String| {
        let last_poll = counts.accounts.get(name).and_then(|account| account.last_poll.as_ref());
        last_poll.is_some_and(|poll| !poll.up)
    };
    let down: Vec<&str> =
        configured.iter().filter(|account| is_down(&account.name)).map(|account| account.name.as_str()).collect();
    let keys = counted(usize::try_from(keys).unwrap_or(usize::MAX), "key", "keys");
    let mut line = format!("{}, {keys}, {flagged} flagged", counted(configured.len(), "account", "accounts"));
    if held > 0 {
        line.push_str(&format!(", {held} held"));
    }
    if !down.is_empty() {
        line.push_str(&format!("; not read whole: {}", down.join(", ")));
    }
    line
}

/// A service manager that does not listen keeps nobody from working.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as blocking;

    use super::*;
    use crate::clock::Clock;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    /// Answers as a supervisor does.
    fn supervise(mut told: mpsc::Receiver<Command>) {
        tokio::spawn(async move {
            while let Some(command) = told.recv().await {
                if let Command::Status(answer) = command {
                    let _ = answer.send(Vec::new());
                }
            }
        });
    }

    #[tokio::test]
    async fn a_writer_that_hangs_has_no_pulse() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Clock::system().now()).unwrap();
        let (commands, told) = mpsc::channel(1);
        supervise(told);
        let pulse = Pulse { commands, inventory: inventory.clone() };
        assert!(pulse.beats(LONG).await);

        let (release, hang) = blocking::channel::<()>();
        let hanging = tokio::spawn({
            let inventory = inventory.clone();
            async move { inventory.write(move |_| Ok(hang.recv().is_ok())).await }
        });
        tokio::task::yield_now().await;
        assert!(!pulse.beats(SHORT).await);
        release.send(()).unwrap();
        assert!(hanging.await.unwrap().unwrap());
        assert!(pulse.beats(LONG).await);
    }

    #[tokio::test]
    async fn a_supervisor_that_hangs_has_no_pulse() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Clock::system().now()).unwrap();
        let (commands, told) = mpsc::channel(1);
        let pulse = Pulse { commands, inventory };
        assert!(!pulse.beats(SHORT).await);
        supervise(told);
        assert!(pulse.beats(LONG).await);
    }
}
