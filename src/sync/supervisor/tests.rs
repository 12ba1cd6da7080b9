//! Accounts are due by a clock that somebody may set.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};

use secrecy::SecretString;

use super::*;
use crate::config::Config;
use crate::inventory::{ConfiguredAccount, StoreError};
use crate::providers::PROVIDERS;
use crate::remote::{Requests, Roots};

/// Nobody listens there, and every poll ends with that. It is due once a year, so never by the scheduler, which goes by the
/// machine's clock.
const CONFIG: &str = "
[accounts.acme]
provider = 'den'
credential_file = '/none'
base_url = 'http://127.0.0.1:1'
schedule = '0 0 1 1 *'
";

#[derive(Default)]
struct Ended {
    polls: Mutex<Vec<Time>>,
    /// So many more meet a bug.
    bugs: AtomicU32,
    broken: AtomicU32,
    /// Those that take long to end begin to.
    ending: AtomicU32,
    are_slow: AtomicBool,
}

impl Polls for Ended {
    fn ended(&self, report: &Report) {
        let bug = self.bugs.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        assert!(bug.is_err(), "as a bug would");
        if self.are_slow.load(SeqCst) {
            self.ending.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_secs(2));
        }
        self.polls.lock().unwrap().push(report.started);
    }

    fn broke(&self, _: &str, _: &str) {
        self.broken.fetch_add(1, SeqCst);
    }

    fn failed(&self, _: &str, _: &str, error: &StoreError) {
        panic!("{error}");
    }

    fn overlapped(&self, account: &str) {
        panic!("{account} is polled already");
    }
}

struct Uncounted;

impl Requests for Uncounted {
    fn ended(&self, _: &'static str, _: &'static str, _: Duration) {}
}

impl Ended {
    /// Lets time pass until so many polls have ended. The limit is real time: paused time runs ahead while files are written.
    async fn come_to(&self, polls: usize) -> Vec<Time> {
        let began = std::time::Instant::now();
        loop {
            let ended = self.polls.lock().unwrap().clone();
            if ended.len() >= polls {
                return ended;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{ended:?}: no {polls} polls");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

struct Site {
    folder: tempfile::TempDir,
    inventory: Inventory,
    clock: Clock,
    polls: Arc<Ended>,
    stop: CancellationToken,
    supervisor: tokio::task::JoinHandle<Result<(), JobSchedulerError>>,
    commands: mpsc::Sender<Command>,
}

async fn supervised() -> Site {
    let folder = tempfile::tempdir().unwrap();
    // The fifteenth of June 2025.
    let clock = Clock::runtime(Time::from_unix(1_749_945_600));
    let inventory = Inventory::open(&folder.path().join("inventory.db"), clock.now()).unwrap();
    let config = Config::parse(Path::new("/keymuster.toml"), CONFIG, std::iter::empty(), PROVIDERS).unwrap();
    let account = &config.accounts["acme"];
    let configured = ConfiguredAccount { name: "acme".into(), provider: "den", formerly: None, interval: 1 };
    inventory.configure(vec![configured], Arc::new(config.policy.clone()), clock.now()).await.unwrap();
    let line = Line::new(&config, account, SecretString::from("none"), &Roots::default(), &clock, Arc::new(Uncounted)).unwrap();
    let scheduled = Scheduled { line: Arc::new(line), schedule: account.schedule.clone() };
    let accounts = BTreeMap::from([("acme".to_owned(), scheduled)]);
    let plan = Plan { accounts, policy: Arc::new(config.policy.clone()), retention: config.retention.clone() };
    let (polls, stop) = (Arc::new(Ended::default()), CancellationToken::new());
    let (commands, told) = mpsc::channel(1);
    let supervisor = Supervisor::new(inventory.clone(), clock.clone(), Arc::clone(&polls) as Arc<dyn Polls>, plan, stop.clone());
    let supervisor = tokio::spawn(supervisor.run(told));
    Site { folder, inventory, clock, polls, stop, supervisor, commands }
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_was_set_passed_over_is_made_up_for() {
    let Site { folder: _folder, clock, polls, stop, supervisor, commands: _commands, .. } = supervised().await;
    polls.come_to(1).await;
    clock.jump(366 * 86_400);
    let ended = polls.come_to(2).await;
    assert!(ended[1].since(ended[0]) >= 365 * 86_400);
    // Set right again, it has passed over nothing.
    clock.jump(-366 * 86_400);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(polls.come_to(2).await.len(), 2);
    stop.cancel();
    supervisor.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_inventory_is_tidied_up_each_day_and_not_at_the_start() {
    let Site { folder, polls, stop, supervisor, commands: _commands, .. } = supervised().await;
    polls.come_to(1).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    // What tidying empties. Closing does so too, but nothing is closed here.
    let log = || std::fs::metadata(folder.path().join("inventory.db-wal")).unwrap().len();
    assert!(log() > 0, "at the start much is due");
    let began = std::time::Instant::now();
    while log() > 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "{} bytes", log());
        tokio::time::sleep(Duration::from_mins(10)).await;
    }
    stop.cancel();
    supervisor.await.unwrap().unwrap();
}

/// A list that was read whole just now, and once before, longer ago than anything is kept.
const READ: &str = "
    INSERT INTO organization (account_id, first_seen_at) SELECT id, 0 FROM account;
    INSERT INTO scope (organization_id, kind, newest_walk, complete_walk, complete_at) SELECT id, 'admin', 900002, 900002, 1749945600 FROM organization;
    INSERT INTO walk (id, poll_id, scope_id, run_id, started_at, boot_s, ended_at, outcome, pages, items, refused)
    SELECT 900000 + value, p.id, s.id, p.run_id, (value - 1) * 1749945600, 0, 0, 'complete', 1, 0, 0
      FROM json_each('[1,2]'), (SELECT id, run_id FROM poll LIMIT 1) AS p, scope AS s WHERE s.kind = 'admin';";

#[tokio::test(start_paused = true)]
async fn what_is_over_is_removed_while_it_runs() {
    let Site { folder: _folder, inventory, polls, stop, supervisor, commands: _commands, .. } = supervised().await;
    polls.come_to(1).await;
    let walks = |connection: &rusqlite::Connection| {
        let mut select = connection.prepare("SELECT id FROM walk WHERE id > 900000 ORDER BY id")?;
        Ok(select.query_map([], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?)
    };
    let read = move |transaction: &rusqlite::Transaction<'_>| {
        transaction.execute_batch(READ)?;
        walks(transaction)
    };
    assert_eq!(inventory.write(read).await.unwrap(), [900_001, 900_002]);
    let began = std::time::Instant::now();
    while inventory.reader().read(walks).await.unwrap() != [900_002] {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing is removed");
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    stop.cancel();
    supervisor.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bug_costs_one_poll_and_the_next_one_begins() {
    let Site { folder: _folder, polls, stop, supervisor, commands, .. } = supervised().await;
    polls.come_to(1).await;
    polls.bugs.store(1, SeqCst);
    for is_answered in [false, true] {
        let (answer, report) = oneshot::channel();
        commands.send(Command::Poll("acme".into(), answer)).await.unwrap();
        assert_eq!(report.await.is_ok(), is_answered, "nobody waits for ever");
    }
    assert_eq!((polls.come_to(2).await.len(), polls.broken.load(SeqCst)), (2, 1));
    stop.cancel();
    supervisor.await.unwrap().unwrap();
}

/// In real time: what holds a thread holds all of paused time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_what_is_about_to_end() {
    let Site { folder: _folder, polls, stop, supervisor, commands, .. } = supervised().await;
    polls.are_slow.store(true, SeqCst);
    let (answer, _report) = oneshot::channel();
    commands.send(Command::Poll("acme".into(), answer)).await.unwrap();
    let began = std::time::Instant::now();
    while polls.ending.load(SeqCst) == 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "no poll ends");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    supervisor.await.unwrap().unwrap();
    assert_eq!(polls.polls.lock().unwrap().len(), 1, "the stop did not wait");
}
