//! How often to kill and when, and what is told of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, get};
use crate::support::{Site, log_events};

/// How soon a start is to be ready, after whatever was there before.
const PROMISED: Duration = Duration::from_secs(1);

/// So many of a plain run's 500 kills, as a share of what this run does.
pub fn share(of_500: usize) -> usize {
    let given = std::env::var_os("KEYMUSTER_KILLS").map(|text| text.into_string().unwrap().parse().unwrap());
    let long = std::env::var_os("KEYMUSTER_LONG").is_some();
    let total: usize = given.unwrap_or(if long { 5_000 } else { 500 });
    (total * of_500).div_ceil(500)
}

/// The same delays in every run: splitmix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A part of `span`, each as likely as the other.
    pub fn part(&mut self, span: Duration) -> Duration {
        let thousandths = u32::try_from(self.next() % 1_000).unwrap();
        span * thousandths / 1_000
    }
}

/// Where kills fell, and how long starts took after them.
pub struct Figures {
    what: &'static str,
    began: Instant,
    fell: BTreeMap<&'static str, usize>,
    ready: Vec<Duration>,
}

impl Figures {
    pub fn of(what: &'static str) -> Self {
        Self { what, began: Instant::now(), fell: BTreeMap::new(), ready: Vec::new() }
    }

    pub fn fell(&mut self, place: &'static str) {
        *self.fell.entry(place).or_default() += 1;
    }

    pub fn ready(&mut self, after: Duration) {
        self.ready.push(after);
    }

    /// Tells it past the capture of the test harness. Nine of ten starts were in time: a machine may stand still for a while.
    pub fn tell(mut self) {
        self.ready.sort();
        let at = |percent: usize| self.ready.get((self.ready.len() * percent / 100).min(self.ready.len().max(1) - 1)).copied();
        let kills: usize = self.fell.values().sum();
        let places: Vec<String> = self.fell.iter().map(|(place, count)| format!("{count} {place}")).collect();
        let ready = at(50).map_or_else(String::new, |half| {
            format!("; ready again after {half:.0?} (p50), {:.0?} (p99), {:.0?} (most)", at(99).unwrap(), at(100).unwrap())
        });
        let took = self.began.elapsed();
        writeln!(std::io::stderr(), "{}: {kills} signals in {took:.1?}: {}{ready}", self.what, places.join(", ")).unwrap();
        let late = self.ready.iter().filter(|after| **after > PROMISED).count();
        assert!(late <= self.ready.len().div_ceil(10), "{}: ready after {:?}", self.what, self.ready);
    }
}

/// A daemon that is ready, and how long that took.
pub struct Ready {
    pub daemon: Running,
    pub after: Duration,
}

/// Starts the daemon and waits until it says that it is ready.
pub fn start(site: &Site) -> Ready {
    let began = Instant::now();
    let mut daemon = site.start(&["run", "--config", site.config().to_str().unwrap()]);
    let address: SocketAddr = loop {
        assert!(daemon.runs(), "the daemon ended:\n{}", daemon.stderr());
        let events = log_events(&daemon.stderr());
        if let Some(started) = events.iter().find(|event| event["message"] == "started") {
            break started["address"].as_str().unwrap().parse().unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "the daemon does not start:\n{}", daemon.stderr());
        std::thread::sleep(Duration::from_millis(1));
    };
    let answer = get(address, "/readyz").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ready { daemon, after: began.elapsed() }
}

/// SIGKILL, and its end.
pub fn kill(process: Running) {
    process.signal(Signal::KILL);
    process.finish(PATIENCE);
}
