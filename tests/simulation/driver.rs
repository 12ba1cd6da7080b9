//! Lives through a story: lets time pass, makes things happen, polls, and has everything checked after each poll.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keymuster::inventory::Stored;
use keymuster::sim::{Happening, Remote, World};
use keymuster::sync::{self, Polls, Report};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checks::{Checker, Polled, Verdict, calls};
use crate::site::{Setup, Site};
use crate::truth::{Moment, Truth};

/// A poll under way.
struct Running {
    remote: Remote,
    began: Moment,
    faults: bool,
    wrong_by: i64,
}

/// A site that is lived with.
pub struct Driver {
    pub site: Site,
    pub truth: Truth,
    pub checker: Checker,
    /// Grows with everything that happens.
    now: Moment,
    started: Instant,
    running: BTreeMap<String, Running>,
    polls: JoinSet<(String, Stored<Report>)>,
    stop: CancellationToken,
    /// When something last happened that a poll which began before cannot have been quiet through.
    disturbed: Moment,
    /// When headers last began or ceased to get lost.
    unheaded: Moment,
    /// Providers that were once read whole: the inventory knows which organisation it is.
    known: BTreeSet<&'static str>,
    /// How often the world had changed when the truth was last taken in.
    seen_changes: Option<u64>,
    /// The newest report of each account.
    pub reports: BTreeMap<String, Report>,
    /// The number of the policy that keys were last judged by.
    policy_in_force: usize,
    /// What is polled is another organisation, of which there is no truth but which keys it has.
    pub another: bool,
}

impl Driver {
    pub async fn new(setup: Setup) -> Self {
        let policy_in_force = setup.policy;
        let site = Site::new(setup).await;
        let mut driver = Self {
            site,
            truth: Truth::default(),
            checker: Checker::default(),
            now: 1,
            started: Instant::now(),
            running: BTreeMap::new(),
            polls: JoinSet::new(),
            stop: CancellationToken::new(),
            disturbed: 0,
            unheaded: 0,
            known: BTreeSet::new(),
            seen_changes: None,
            reports: BTreeMap::new(),
            policy_in_force,
            another: false,
        };
        driver.look();
        driver
    }

    /// Lets time pass until so many seconds after the start; polls end and are checked meanwhile.
    pub async fn until(&mut self, at: u64) -> Verdict {
        let then = self.started + Duration::from_secs(at);
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.polls.join_next(), if !self.polls.is_empty() => {
                    let (account, result) = ended.map_err(|error| format!("panic: {error}"))?;
                    self.ended(account, result).await?;
                }
                () = tokio::time::sleep_until(then) => return Ok(()),
            }
        }
    }

    /// Waits until no poll runs.
    pub async fn rest(&mut self) -> Verdict {
        while let Some(ended) = self.polls.join_next().await {
            let (account, result) = ended.map_err(|error| format!("panic: {error}"))?;
            self.ended(account, result).await?;
        }
        Ok(())
    }

    /// Lets so many seconds pass.
    pub async fn pass(&mut self, seconds: u64) -> Verdict {
        self.until(self.started.elapsed().as_secs() + seconds).await
    }

    /// Everything has happened.
    pub async fn end(&mut self) -> Verdict {
        self.rest().await?;
        calls::are_on_the_list(&self.site.simulation)?;
        let tally = &self.checker.tally;
        if tally.has("concluded", "recreated") && !tally.has("faults", "recreated") {
            return Err("recreated: no provider ever said so".into());
        }
        self.checker.exported(&self.site, &self.truth, self.now).await
    }

    /// Begins a poll, unless one of the account runs.
    pub fn poll(&mut self, account: &str) {
        let Some(line) = self.site.lines.get(account).map(Arc::clone) else { return };
        if self.running.contains_key(account) {
            return;
        }
        self.look();
        let remote = self.remote_of(account);
        self.checker.begins(account, remote, self.now);
        let running = Running { remote, began: self.now, faults: !self.site.faults().is_empty(), wrong_by: self.site.wrong_by };
        self.running.insert(account.to_owned(), running);
        let (inventory, policy, clock) = (self.site.inventory().clone(), Arc::clone(&self.site.policy), self.site.clock.clone());
        let (stop, account) = (self.stop.clone(), account.to_owned());
        self.polls.spawn(async move {
            let result = sync::poll(&inventory, &line, &policy, &clock, &stop, &|_| {}).await;
            (account, result)
        });
    }

    fn remote_of(&self, account: &str) -> Remote {
        self.site.setup.accounts.iter().find(|(name, _)| name == account).map_or(Remote::OpenAi, |(_, remote)| *remote)
    }

    async fn ended(&mut self, account: String, result: Stored<Report>) -> Verdict {
        let report = result.map_err(|error| format!("the inventory was not written: {error}"))?;
        self.look();
        self.checker.tally.add("polls", &account);
        if let Some(reason) = report.failure() {
            self.checker.tally.add("failed", reason.as_str());
        }
        self.site.tally().ended(&report);
        self.reports.insert(account.clone(), report.clone());
        for hold in &report.holds {
            self.checker.tally.add("polls", &format!("holding {}", hold.cause));
        }
        let Some(Running { remote, began, faults, wrong_by }) = self.running.remove(&account) else { return Ok(()) };
        let quiet = !faults && wrong_by == 0 && self.disturbed < began;
        let leaves_out = self.site.faults().iter().any(|fault| leaves_out(fault));
        let header_lost = self.unheaded >= began || self.site.faults().iter().any(|fault| loses_headers(fault));
        if report.failure().is_none() {
            self.known.insert(remote.as_str());
        }
        self.checker.tally.add_if(quiet, "polls", "quiet");
        self.checker.tally.add_if(faults, "polls", "under faults");
        let polled = Polled { account, remote, began, report, quiet, header_lost, leaves_out, another: self.another };
        self.checker.poll(&polled, &self.site, &self.truth).await
    }

    /// A moment later; the truth as it is then.
    fn look(&mut self) {
        self.now += 1;
        let changes = Some(self.site.simulation.changes());
        if self.seen_changes != changes {
            self.truth.see(self.site.simulation.truth(), self.now);
            self.seen_changes = changes;
        }
    }

    fn disturb(&mut self) {
        self.look();
        self.disturbed = self.now;
    }

    pub fn life(&mut self, what: Happening, pick: u64) -> Option<String> {
        let now = self.site.sun.now();
        let happened = self.change(|world| world.happen(what, pick, now)).map(|event| event.id);
        if what == Happening::ProjectRestored {
            self.checker.restored = self.now;
        }
        happened
    }

    /// Changes the organisation.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut World) -> T) -> T {
        // A fault may have made a key in the middle of a poll: seen, though it be gone with this change.
        self.look();
        let changed = self.site.simulation.change(change);
        self.disturb();
        changed
    }

    pub fn fault(&mut self, fault: &str) {
        // A first poll takes whatever organisation it is shown for the right one, and not every provider is asked for it again
        // after its lists. Of a list that turns empty between two pages nobody can tell. A machine that sleeps can make any poll
        // last until then.
        let elsewhere = fault.strip_prefix("wrong_org:");
        let between_polls = elsewhere.is_some() || fault == "organization_list:empty";
        if elsewhere.is_some_and(|remote| !self.known.contains(remote)) || (between_polls && !self.running.is_empty()) {
            return;
        }
        let mut faults = self.site.faults().to_vec();
        faults.push(fault.to_owned());
        self.site.set_faults(faults);
        self.faults_changed(fault);
    }

    pub fn heal(&mut self, fault: &str) {
        let mut faults = self.site.faults().to_vec();
        if let Some(at) = faults.iter().position(|active| active == fault) {
            faults.remove(at);
            self.site.set_faults(faults);
        }
        self.faults_changed(fault);
    }

    fn faults_changed(&mut self, fault: &str) {
        self.disturb();
        if loses_headers(fault) {
            self.unheaded = self.now;
        }
    }

    pub fn set_clock(&mut self, by: i64) {
        self.site.set_clock(by);
        self.checker.clock_was_set();
        self.disturb();
    }

    /// The machine sleeps: everything that waits finds, when it wakes, that it has waited long enough.
    pub async fn suspend(&mut self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        self.disturb();
    }

    /// The daemon dies in the middle of whatever it does, or the machine under it.
    pub async fn kill(&mut self, rebooted: bool) -> Verdict {
        self.polls.shutdown().await;
        for account in self.running.keys() {
            self.checker.cut_off(account);
        }
        self.running.clear();
        self.restart(rebooted).await
    }

    /// The daemon is told to stop, does so, and is started again.
    pub async fn stop(&mut self) -> Verdict {
        self.disturb();
        self.stop.cancel();
        self.rest().await?;
        self.stop = CancellationToken::new();
        self.restart(false).await
    }

    /// What was counted before is counted after.
    async fn restart(&mut self, rebooted: bool) -> Verdict {
        let policy = self.policy_in_force;
        let before = self.site.views().counts().await.unwrap();
        self.site.restart(rebooted).await;
        self.policy_in_force = self.site.setup.policy;
        if rebooted {
            self.checker.clock_was_set();
        }
        self.checker.restarted();
        self.disturb();
        let after = self.site.views().counts().await.unwrap();
        if before.accounts != after.accounts && policy == self.site.setup.policy {
            return Err(format!("restart: counted {before:?} before, and {after:?} after"));
        }
        self.checker.settled(&self.site, &self.truth, self.now).await
    }

    /// A reload with other accounts or another policy. Polls of accounts that go are cut off.
    pub async fn reload(&mut self, change: impl FnOnce(&mut Setup)) -> Verdict {
        // All polls end first: one that is cut off has its own story.
        self.rest().await?;
        let before = self.site.setup.accounts.clone();
        change(&mut self.site.setup);
        self.site.configure().await;
        self.policy_in_force = self.site.setup.policy;
        for (name, _) in before.iter().filter(|account| !self.site.setup.accounts.contains(account)) {
            self.checker.removed(name);
        }
        self.disturb();
        self.checker.exported(&self.site, &self.truth, self.now).await
    }

    /// A person acknowledges what is held, unless that would accept another organisation.
    pub async fn ack(&mut self, account: &str) -> Verdict {
        // As the inventory has it, not the last report: a poll under way may just have been shown another one.
        let waits = self.site.views().waiting(account).await.map_err(|error| error.to_string())?;
        if waits.organization.is_none() {
            let ended = self.site.ack(account).await;
            self.checker.tally.add_if(ended.holds > 0 || ended.gone > 0, "concluded", "acknowledged");
        }
        self.disturb();
        Ok(())
    }

    pub fn second(&self) -> Verdict {
        if self.site.is_locked() { Ok(()) } else { Err("second daemon: the inventory could be opened twice".into()) }
    }
}

/// Nobody can notice that it does.
fn leaves_out(fault: &str) -> bool {
    fault.starts_with("short_list") || fault.starts_with("empty_list")
}

fn loses_headers(fault: &str) -> bool {
    fault.starts_with("header_dropped")
}
