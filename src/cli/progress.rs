//! What is shown of a poll while it runs, on standard error: on a terminal one line that is written over again and again,
//! elsewhere a line of its own now and then, where it takes long.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::output::{counted, width_of};
use crate::remote::Requests;
use crate::sync::Progress;

/// How often the line on a terminal is written over.
const LIVE: Duration = Duration::from_millis(200);
/// How often there is a plain line.
const PLAIN: Duration = Duration::from_secs(10);

/// What is counted of a poll under way.
#[derive(Default)]
pub struct Counted {
    ended: AtomicUsize,
    known: AtomicUsize,
    requests: AtomicU64,
    waits_until: Mutex<Option<Instant>>,
}

impl Requests for Counted {
    fn ended(&self, _: &'static str, _: &'static str, _: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn waits(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut waits_until = self.waits_until.lock().unwrap_or_else(PoisonError::into_inner);
        *waits_until = (*waits_until).max(Some(until));
    }
}

impl Counted {
    /// Counts what the poll tells.
    pub fn watch(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Scopes { ended, known } => {
                self.ended.store(*ended, Ordering::Relaxed);
                self.known.store(*known, Ordering::Relaxed);
            }
            Progress::Ended(_) => {}
        }
    }
}

/// The polls that are under way, by their accounts' names.
#[derive(Default)]
pub struct UnderWay(BTreeMap<String, Arc<Counted>>);

/// Accounts that are named; of more it is said how many there are.
const NAMED: usize = 3;

impl UnderWay {
    /// An account's poll begins.
    pub fn begins(&mut self, account: &str, counted: &Arc<Counted>) {
        self.0.insert(account.to_owned(), Arc::clone(counted));
    }

    /// It has ended.
    pub fn ends(&mut self, account: &str) {
        self.0.remove(account);
    }

    /// `acme-den, acme-openai: 12 of 103 lists, 40 requests, waiting 17 s for its pace`: all of them together, and the longest wait.
    /// The accounts' names are the config's, and the rest are numbers: nothing that a provider said is on the line.
    pub fn line(&self) -> String {
        let (mut ended, mut known, mut requests, mut waits_until) = (0, 0, 0, None);
        for counted in self.0.values() {
            ended += counted.ended.load(Ordering::Relaxed);
            known += counted.known.load(Ordering::Relaxed);
            requests += counted.requests.load(Ordering::Relaxed);
            waits_until = waits_until.max(*counted.waits_until.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let lists = if known == 0 { String::new() } else { format!("{ended} of {known} lists, ") };
        let requests = counted(usize::try_from(requests).unwrap_or(usize::MAX), "request", "requests");
        let wait = waits_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        // What is over before it is read is not worth reading.
        let wait = if wait.as_secs() == 0 { String::new() } else { format!(", waiting {} s for its pace", wait.as_secs()) };
        format!("{}: {lists}{requests}{wait}", self.names())
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.0.keys().take(NAMED).map(String::as_str).collect();
        let more = self.0.len().saturating_sub(NAMED);
        names.join(", ") + &if more == 0 { String::new() } else { format!(" and {more} more") }
    }
}

/// Runs `work` to its end and shows lines meanwhile.
pub async fn shown<T>(line: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    let live = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let mut tick = tokio::time::interval(if live { LIVE } else { PLAIN });
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Of what ends at once nothing is shown.
    tick.tick().await;
    let mut work = pin!(work);
    let mut is_shown = false;
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            _ = tick.tick() => {
                let mut err = std::io::stderr().lock();
                // Progress is for whoever looks; where it cannot be written, nobody does.
                let _ = if live {
                    is_shown = true;
                    let line = fitting(&line(), width_of(&err));
                    write!(err, "\r\x1b[K{line}").and_then(|()| err.flush())
                } else {
                    writeln!(err, "{}", line())
                };
            }
        }
    };
    if is_shown {
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
    }
    done
}

/// What fits one line: where it would go on in the next one, it could not be written over.
fn fitting(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() >= width => {
            let kept = line.chars().take(width.saturating_sub(2));
            kept.chain("…".chars()).take(width.saturating_sub(1)).collect()
        }
        Some(_) | None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_known_and_fits_the_terminal() {
        let [one, other] = [(); 2].map(|()| Arc::<Counted>::default());
        let mut under_way = UnderWay::default();
        under_way.begins("acme", &one);
        assert_eq!(under_way.line(), "acme: 0 requests");
        one.ended("/a", "ok", Duration::ZERO);
        one.watch(&Progress::Scopes { ended: 2, known: 11 });
        assert_eq!(under_way.line(), "acme: 2 of 11 lists, 1 request");
        under_way.begins("zebra", &other);
        other.ended("/a", "ok", Duration::ZERO);
        other.watch(&Progress::Scopes { ended: 1, known: 3 });
        assert_eq!(under_way.line(), "acme, zebra: 3 of 14 lists, 2 requests");
        one.waits(Duration::from_secs(100_000));
        one.waits(Duration::from_secs(1));
        let line = under_way.line();
        let waits = |names: &str| line.starts_with(&format!("{names}, waiting 99")) && line.ends_with(" s for its pace");
        assert!(waits("acme, zebra: 3 of 14 lists, 2 requests"), "{line}");
        for name in ["b", "c"] {
            under_way.begins(name, &Arc::default());
        }
        assert!(under_way.line().starts_with("acme, b, c and 1 more: 3 of 14 lists, "), "{}", under_way.line());
        under_way.ends("acme");
        assert_eq!(under_way.line(), "b, c, zebra: 1 of 3 lists, 1 request", "what has ended is not under way");
        for (width, fits) in [(None, "abcdef"), (Some(7), "abcdef"), (Some(6), "abcd…"), (Some(2), "…"), (Some(1), "")] {
            assert_eq!(fitting("abcdef", width), fits, "{width:?}");
        }
    }
}
