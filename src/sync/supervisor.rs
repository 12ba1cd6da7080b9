//! Which account is polled when: one poll per account at a time, a stable splay, catch-up after downtime, an orderly stop.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_cron_scheduler::JobSchedulerError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::due::{Clockwork, splay};
use super::line::Line;
use super::poll::poll;
use super::report::Report;
use super::turns::{Taken, Turns};
use super::wall::Wall;
use crate::clock::Clock;
use crate::config::{Retention, Schedule};
use crate::domain::Time;
use crate::inventory::{Forgotten, Inventory, Keep, Rewritten};
use crate::policy::Policy;

/// How often what is over is removed: retention is in days.
const UPKEEP: Duration = Duration::from_hours(24);

/// How often to look whether the clock was set.
const LOOK: Duration = Duration::from_mins(1);

/// What the supervisor works by; a reload replaces it as a whole.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The accounts, by name.
    pub accounts: BTreeMap<String, Scheduled>,
    /// The policy that keys are judged by.
    pub policy: Arc<Policy>,
    /// How long what is over is kept.
    pub retention: Retention,
}

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
    /// It met a bug of ours, and nothing more comes of it.
    fn broke(&self, account: &str, provider: &str);
    /// An account was due while its poll was still running.
    fn overlapped(&self, account: &str);
}

/// What a running supervisor can be told.
#[derive(Debug)]
pub enum Command {
    /// Poll this account now; a poll under way counts. The answer is missing where there is no such account, where the inventory
    /// could not be written, and at a stop.
    Poll(String, oneshot::Sender<Report>),
    /// Work by this plan from now on. Polls under way end as they began, those of accounts that are gone are cut off.
    Replace(Plan),
    /// Say what runs and what comes.
    Status(oneshot::Sender<Vec<AccountStatus>>),
}

/// What an account is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountStatus {
    /// Its name.
    pub account: String,
    /// Its poll runs, or waits for its splay.
    pub running: bool,
    /// When it is due next.
    pub next: Option<Time>,
}

/// Decides what runs.
pub struct Supervisor {
    inventory: Inventory,
    clock: Clock,
    polls: Arc<dyn Polls>,
    plan: Plan,
    turns: Turns,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Supervisor {
    /// A supervisor by that plan; `stop` ends it and what it runs.
    pub fn new(inventory: Inventory, clock: Clock, polls: Arc<dyn Polls>, plan: Plan, stop: CancellationToken) -> Self {
        Self { inventory, clock, polls, plan, turns: Turns::default(), tracker: TaskTracker::new(), stop }
    }

    /// Runs until it is told to stop, and until every poll under way has ended.
    ///
    /// # Errors
    /// The scheduler refused a schedule, which the config would have refused too.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Result<(), JobSchedulerError> {
        let (mut clockwork, mut is_due) = self.wind().await?;
        self.catch_up().await;
        let mut upkeep = tokio::time::interval(UPKEEP);
        // Not at the start, when much is due.
        let (mut has_run, mut untidy) = (false, false);
        let mut wall = Wall::new(self.clock.clone());
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(name) = is_due.recv() => self.due(&name),
                Some(command) = commands.recv() => match command {
                    Command::Poll(name, answer) => self.poll_now(&name, answer),
                    Command::Status(answer) => drop(answer.send(self.status())),
                    Command::Replace(plan) => {
                        clockwork.stop().await?;
                        self.replace(plan);
                        (clockwork, is_due) = self.wind().await?;
                        self.catch_up().await;
                    }
                },
                _ = upkeep.tick() => {
                    self.forget().await;
                    untidy = std::mem::replace(&mut has_run, true);
                }
                _ = look.tick() => {
                    untidy = untidy && !self.tidy();
                    if let Some(seconds) = wall.was_set() {
                    tracing::warn!(seconds, "the clock was set; schedules go by it from now on, and what it passed over is made up for");
                    clockwork.stop().await?;
                    (clockwork, is_due) = self.wind().await?;
                    self.catch_up().await;
                    }
                }
            }
        }
        let stopped = clockwork.stop().await;
        is_due.close();
        self.tracker.close();
        self.tracker.wait().await;
        stopped
    }

    /// Starts the clock for the schedules of the plan.
    async fn wind(&self) -> Result<(Clockwork, mpsc::Receiver<String>), JobSchedulerError> {
        let (due, is_due) = mpsc::channel(self.plan.accounts.len().max(1) * 2);
        let schedules: Vec<(String, String)> =
            self.plan.accounts.iter().map(|(name, account)| (name.clone(), account.schedule.six_fields().to_owned())).collect();
        Ok((Clockwork::start(&schedules, due).await?, is_due))
    }

    fn replace(&mut self, plan: Plan) {
        for name in self.plan.accounts.keys().filter(|name| !plan.accounts.contains_key(*name)) {
            self.turns.cut_off(name);
        }
        self.plan = plan;
    }

    fn status(&self) -> Vec<AccountStatus> {
        let now = self.clock.now();
        let status = |(name, account): (&String, &Scheduled)| AccountStatus {
            account: name.clone(),
            running: self.turns.is_taken(name),
            next: account.schedule.next_after(now),
        };
        self.plan.accounts.iter().map(status).collect()
    }

    /// Polls what was due while nobody was there to do it. One poll each, however many were missed.
    async fn catch_up(&self) {
        let last = self.inventory.last_polls().await.unwrap_or_default();
        let now = self.clock.now();
        for (name, account) in &self.plan.accounts {
            let last = last.get(name).copied();
            let missed = last.is_none() || last < account.schedule.previous_before(now);
            // What runs already, as it may after a reload, is what was missed.
            if missed && !self.turns.is_taken(name) {
                self.due(name);
            }
        }
    }

    /// Has the inventory tidied up, unless something is polled. Polls that begin meanwhile wait with what they write.
    fn tidy(&self) -> bool {
        if !self.turns.are_free() {
            return false;
        }
        let inventory = self.inventory.clone();
        self.tracker.spawn(async move {
            match inventory.tidy().await {
                Ok(Some(Rewritten { before, after })) => {
                    tracing::info!(before, after, "wrote the inventory anew: much of the file was empty");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "cannot tidy up the inventory"),
            }
        });
        true
    }

    /// Removes what retention says is over.
    async fn forget(&self) {
        let keep = Keep { walks: self.plan.retention.walks, history: self.plan.retention.history };
        match self.inventory.forget(self.clock.now(), keep).await {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { walks, changes, keys }) => {
                tracing::info!(walks, changes, keys, "removed what is older than [retention] keeps");
            }
            Err(error) => tracing::error!(%error, "cannot remove what is older than [retention] keeps"),
        }
    }

    /// Starts a poll after the account's splay, unless one is running.
    fn due(&self, name: &str) {
        let Some(account) = self.plan.accounts.get(name) else { return };
        match self.turns.take(name, &self.stop) {
            Some(turn) => self.start(account, splay(name, account.schedule.shortest_gap().as_duration()), turn),
            None => self.polls.overlapped(name),
        }
    }

    /// Starts a poll at once, or hurries the one that waits, or joins the one that runs.
    fn poll_now(&self, name: &str, answer: oneshot::Sender<Report>) {
        let Some(account) = self.plan.accounts.get(name) else { return };
        if let Some(turn) = self.turns.take_or_join(name, &self.stop, answer) {
            self.start(account, Duration::ZERO, turn);
        }
    }

    fn start(&self, account: &Scheduled, wait: Duration, turn: Taken) {
        let (inventory, policy, clock, polls) =
            (self.inventory.clone(), Arc::clone(&self.plan.policy), self.clock.clone(), Arc::clone(&self.polls));
        let line = Arc::clone(&account.line);
        self.tracker.spawn(async move {
            tokio::select! {
                () = turn.stop.cancelled() => return,
                () = turn.hurry.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            let (account, provider) = (line.account.name.as_str(), line.provider.spec().id);
            let polled = async {
                match poll(&inventory, &line, &policy, &clock, &turn.stop, &|_| {}).await {
                    Ok(report) => {
                        polls.ended(&report);
                        turn.answer(&report);
                    }
                    Err(error) => polls.failed(account, provider, &error),
                }
            };
            // What a poll holds is its own, but for the inventory, which bears a panic.
            if AssertUnwindSafe(polled).catch_unwind().await.is_err() {
                polls.broke(account, provider);
            }
        });
    }
}

#[cfg(test)]
mod tests;
