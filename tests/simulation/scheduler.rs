//! The supervisor lives through random days: polls that people ask for, clocks that are set, reloads, stops and starts, with the
//! engine, SQLite and simulated providers behind it. Accounts are due by its own looks at the clock alone: the scheduler's goes
//! by the machine's, which does not stand still.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keymuster::clock::Clock;
use keymuster::config::{Retention, Schedule};
use keymuster::domain::Time;
use keymuster::inventory::StoreError;
use keymuster::policy::Span;
use keymuster::sync::{Command, Plan, Polls, Report, Scheduled, Supervisor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::random::Random;
use crate::site::{Setup, Site, TINY};

/// When every account is due: each first of the month. A month that ends by itself only the scheduler's clock would tell.
const SCHEDULE: &str = "0 0 1 * *";

/// What is missed is made up for within this: a look at the clock each minute, a splay of a minute, and the poll.
const SOON: Duration = Duration::from_mins(5);

/// A stop ends within this, whatever runs.
const STOPS: Duration = Duration::from_secs(5);

/// Every poll that ended, by the clock that is not set, and what should not have happened.
struct Watch {
    clock: Clock,
    polls: Mutex<BTreeMap<String, Vec<(Duration, Duration)>>>,
    wrong: Mutex<Vec<String>>,
}

impl Polls for Watch {
    fn ended(&self, report: &Report) {
        let end = self.clock.boot();
        self.polls.lock().unwrap().entry(report.account.clone()).or_default().push((end - report.took, end));
    }

    fn failed(&self, account: &str, _: &str, error: &StoreError) {
        self.wrong.lock().unwrap().push(format!("{account}: {error}"));
    }

    fn broke(&self, account: &str, _: &str) {
        self.wrong.lock().unwrap().push(format!("{account}: a bug"));
    }

    fn overlapped(&self, _: &str) {}
}

/// The supervisor as it runs.
struct Daemon {
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

struct Days {
    site: Site,
    watch: Arc<Watch>,
    daemon: Daemon,
    /// The accounts that it polls.
    accounts: BTreeSet<String>,
    /// Whoever waits for a report, of which account.
    asked: Vec<(String, oneshot::Receiver<Report>)>,
    /// The wall clock when what was missed was last to be looked for.
    wound: Time,
}

impl Days {
    async fn new(setup: Setup) -> Self {
        let site = Site::new(setup).await;
        let accounts: BTreeSet<String> = site.lines.keys().cloned().collect();
        let watch = Watch { clock: site.clock.clone(), polls: Mutex::default(), wrong: Mutex::default() };
        let watch = Arc::new(watch);
        let daemon = start(&site, &watch, plan(&site, &accounts));
        let wound = site.clock.now();
        Self { site, watch, daemon, accounts, asked: Vec::new(), wound }
    }

    async fn ask(&mut self, account: &str) {
        let (answer, report) = oneshot::channel();
        self.daemon.commands.send(Command::Poll(account.to_owned(), answer)).await.unwrap();
        if self.accounts.contains(account) {
            self.asked.push((account.to_owned(), report));
        } else {
            assert!(report.await.is_err(), "{account} is not polled");
        }
    }

    fn set_clock(&mut self, by: i64) {
        self.site.set_clock(by);
        self.wound = self.site.clock.now();
    }

    async fn reload(&mut self, accounts: BTreeSet<String>) {
        self.daemon.commands.send(Command::Replace(plan(&self.site, &accounts))).await.unwrap();
        self.asked.retain(|(account, _)| accounts.contains(account));
        (self.accounts, self.wound) = (accounts, self.site.clock.now());
    }

    /// Whatever runs ends in good order, and nothing after it.
    async fn stop(&mut self, random: &mut Random) {
        let began = Instant::now();
        self.daemon.stop.cancel();
        (&mut self.daemon.ended).await.unwrap();
        assert!(began.elapsed() < STOPS, "a stop took {:?}", began.elapsed());
        let ended = self.polls();
        sleep(Duration::from_secs(random.between(0, 40 * 86_400))).await;
        assert_eq!(self.polls(), ended, "polled while nothing runs");
        self.asked.clear();
        self.daemon = start(&self.site, &self.watch, plan(&self.site, &self.accounts));
        self.wound = self.site.clock.now();
    }

    fn polls(&self) -> usize {
        self.watch.polls.lock().unwrap().values().map(Vec::len).sum()
    }

    /// After a while everybody is answered, and nothing is missed.
    async fn rest(&mut self) {
        sleep(SOON).await;
        for (account, mut report) in self.asked.drain(..) {
            let report = report.try_recv().unwrap_or_else(|error| panic!("who asked for {account} waits still: {error}"));
            assert_eq!(report.account, account);
        }
        let (now, schedule) = (self.site.clock.now(), Schedule::parse(SCHEDULE).unwrap());
        let due = schedule.previous_before(now).unwrap();
        let last = self.site.inventory().last_polls().await.unwrap();
        // What came by itself in between only the machine's clock tells.
        for account in self.accounts.iter().filter(|_| due <= self.wound) {
            assert!(last.get(account).is_some_and(|last| *last >= due), "{account} was due at {due}, polled at {last:?}");
        }
    }

    fn end(&self) {
        assert_eq!(*self.watch.wrong.lock().unwrap(), Vec::<String>::new());
        for (account, polls) in &mut *self.watch.polls.lock().unwrap() {
            polls.sort();
            for two in polls.windows(2) {
                assert!(two[0].1 <= two[1].0, "{account} was polled twice at once: {two:?}");
            }
        }
    }
}

fn plan(site: &Site, accounts: &BTreeSet<String>) -> Plan {
    let scheduled = |name: &String| {
        let schedule = Schedule::parse(SCHEDULE).unwrap();
        (name.clone(), Scheduled { line: Arc::clone(&site.lines[name]), schedule })
    };
    let retention = Retention { history: Span::days(4_000), walks: Span::days(4_000) };
    Plan { accounts: accounts.iter().map(scheduled).collect(), policy: Arc::clone(&site.policy), retention }
}

fn start(site: &Site, watch: &Arc<Watch>, plan: Plan) -> Daemon {
    let (commands, told) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let watch = Arc::clone(watch) as Arc<dyn Polls>;
    let supervisor = Supervisor::new(site.inventory().clone(), site.clock.clone(), watch, plan, stop.clone());
    let ended = tokio::spawn(async move { supervisor.run(told).await.unwrap() });
    Daemon { commands, stop, ended }
}

async fn days(seed: u64) {
    let mut random = Random::new(seed);
    let nature = vec![format!("latency:{}", random.between(1, 3_000))];
    let mut days = Days::new(Setup { size: TINY, nature, ..Setup::new(seed) }).await;
    let names = days.accounts.clone();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..30 {
        match random.between(0, 10) {
            0..=4 => days.ask(random.pick(&all)).await,
            5 | 6 => {
                let by = random.between(3_600, 40 * 86_400).cast_signed();
                days.set_clock(if random.percent(60) { by } else { -by });
            }
            7 => days.reload(all.iter().filter(|_| random.percent(70)).map(|name| (*name).to_owned()).collect()).await,
            8 => days.stop(&mut random).await,
            _ => days.rest().await,
        }
        sleep(Duration::from_millis(random.between(0, 10_000))).await;
    }
    days.rest().await;
    days.end();
}

#[test]
fn accounts_are_polled_when_they_are_due_or_asked_for_and_never_twice_at_once() {
    for seed in 1..=100 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(days(seed))));
        assert!(told.is_ok(), "the days of seed {seed}");
    }
}
