//! Which account is polled when: one poll per account at a time, a stable splay, catch-up after downtime, an orderly stop.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_cron_scheduler::JobSchedulerError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::due::{Clockwork, splay};
use super::line::Line;
use super::poll::poll;
use super::report::Report;
use crate::clock::Clock;
use crate::config::{Retention, Schedule};
use crate::domain::Time;
use crate::inventory::{Forgotten, Inventory, Stored};
use crate::policy::{Policy, Span};

/// How often what is over is removed: retention is in days.
const UPKEEP: Duration = Duration::from_hours(24);

/// An account and when it is polled.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// How it is polled.
    pub line: Arc<Line>,
    /// When.
    pub schedule: Schedule,
}

/// Told of each poll as it ends.
pub trait Polls: Send + Sync {
    /// A poll ended, in whichever way.
    fn ended(&self, report: &Report);
    /// The inventory could not be written.
    fn failed(&self, account: &str, provider: &str, error: &crate::inventory::StoreError);
    /// An account was due while its poll was still running.
    fn overlapped(&self, account: &str);
}

/// Decides what runs.
pub struct Supervisor {
    inventory: Inventory,
    policy: Arc<Policy>,
    clock: Clock,
    polls: Arc<dyn Polls>,
    accounts: BTreeMap<String, Scheduled>,
    retention: Retention,
    running: Arc<Mutex<HashSet<String>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Supervisor {
    /// A supervisor of those accounts; `stop` ends it and what it runs.
    pub fn new(
        inventory: Inventory,
        policy: Arc<Policy>,
        clock: Clock,
        polls: Arc<dyn Polls>,
        accounts: BTreeMap<String, Scheduled>,
        retention: Retention,
        stop: CancellationToken,
    ) -> Self {
        Self { inventory, policy, clock, polls, accounts, retention, running: Arc::default(), tracker: TaskTracker::new(), stop }
    }

    /// Runs until it is told to stop, and until every poll under way has ended.
    ///
    /// # Errors
    /// The scheduler refused a schedule, which the config would have refused too.
    pub async fn run(self) -> Result<(), JobSchedulerError> {
        let (due, mut is_due) = mpsc::channel(self.accounts.len().max(1) * 2);
        let schedules: Vec<(String, String)> =
            self.accounts.iter().map(|(name, account)| (name.clone(), account.schedule.six_fields().to_owned())).collect();
        let clockwork = Clockwork::start(&schedules, due).await?;
        self.catch_up().await;
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                name = is_due.recv() => match name {
                    Some(name) => self.start(&name),
                    None => break,
                },
                _ = upkeep.tick() => self.forget().await,
            }
        }
        let stopped = clockwork.stop().await;
        is_due.close();
        self.tracker.close();
        self.tracker.wait().await;
        stopped
    }

    /// Polls what was due while nobody was there to do it. One poll each, however many were missed.
    async fn catch_up(&self) {
        let last = self.last_polls().await.unwrap_or_default();
        let now = self.clock.now();
        for (name, account) in &self.accounts {
            let missed = account.schedule.previous_before(now);
            let last = last.get(name);
            if last.is_none() || last.copied() < missed {
                self.start(name);
            }
        }
    }

    /// Removes what retention says is over.
    async fn forget(&self) {
        let now = self.clock.now();
        let before = |span: Span| now.plus(-span.as_secs());
        match self.inventory.forget(before(self.retention.walks), before(self.retention.history)).await {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { walks, changes, keys }) => {
                tracing::info!(walks, changes, keys, "removed what is older than [retention] keeps")
            }
            Err(error) => tracing::error!(%error, "cannot remove what is older than [retention] keeps"),
        }
    }

    async fn last_polls(&self) -> Stored<HashMap<String, Time>> {
        self.inventory.last_polls().await
    }

    /// Starts a poll after the account's splay, unless one is running.
    fn start(&self, name: &str) {
        let Some(account) = self.accounts.get(name) else { return };
        let Some(turn) = Turn::take(&self.running, name) else {
            self.polls.overlapped(name);
            return;
        };
        let (inventory, policy, clock, polls, stop) =
            (self.inventory.clone(), Arc::clone(&self.policy), self.clock.clone(), Arc::clone(&self.polls), self.stop.clone());
        let line = Arc::clone(&account.line);
        let wait = splay(name, account.schedule.shortest_gap().as_duration());
        self.tracker.spawn(async move {
            let turn = turn;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            match poll(&inventory, &line, &policy, &clock, &stop, &|_| {}).await {
                Ok(report) => polls.ended(&report),
                Err(error) => polls.failed(&line.account.name, line.provider.spec().id, &error),
            }
            drop(turn);
        });
    }
}

/// One account's turn: while it is held, no other poll of the account begins.
struct Turn {
    running: Arc<Mutex<HashSet<String>>>,
    name: String,
}

impl Turn {
    fn take(running: &Arc<Mutex<HashSet<String>>>, name: &str) -> Option<Self> {
        let mut names = running.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned()).then(|| Self { running: Arc::clone(running), name: name.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
