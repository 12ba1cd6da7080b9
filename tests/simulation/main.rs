//! The daemon's engine over months of simulated time: real polls, settling, guard and SQLite on a clock that stands still
//! until everybody waits, against simulated providers of which all is known.
//!
//! `months` tells random stories, each from a seed alone; named stories are in `stories`. A random story that goes wrong is
//! shortened and printed with the command that tells it again.
//!
//! - `KEYMUSTER_SEEDS=2000 cargo test --release --test simulation months` tells so many, from seed 1 on.
//! - `KEYMUSTER_SEED=123 cargo test --test simulation months` tells that one.
//! - `KEYMUSTER_SEEDS=random:500 …` tells so many that nobody knows yet, and prints where they begin.
//! - `KEYMUSTER_STORY=FILE cargo test --test simulation replay` tells the story in that file.

#![cfg(test)]
#![expect(clippy::print_stderr, reason = "a run of minutes says how far it is")]

mod carrier;
mod checks;
mod driver;
mod event;
mod faults;
mod month;
mod random;
mod scheduler;
mod shrink;
mod site;
mod stories;
mod tally;
mod tell;
mod truth;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use event::Story;
use tally::Tally;
use tell::tell;

/// Months that a plain `cargo test` tells.
const FEW: u64 = 8;
/// Months that go wrong after which no more are told.
const ENOUGH: usize = 10;
/// Months in which everything has to happen that can.
const MANY: u64 = 1_000;
/// Months at once.
const THREADS: usize = 2;

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.into_string().unwrap())
}

/// The seeds to tell: the first, and how many.
fn seeds() -> (u64, u64) {
    if let Some(seed) = variable("KEYMUSTER_SEED") {
        return (seed.parse().unwrap(), 1);
    }
    let Some(seeds) = variable("KEYMUSTER_SEEDS") else { return (1, FEW) };
    match seeds.strip_prefix("random:") {
        Some(count) => {
            let clock = keymuster::clock::Clock::system();
            let first = clock.now().unix().unsigned_abs() * 1_000_000;
            eprintln!("seeds {first} and on; KEYMUSTER_SEED tells one of them again");
            (first, count.parse().unwrap())
        }
        None => (1, seeds.parse().unwrap()),
    }
}

#[test]
fn months() {
    let (first, count) = seeds();
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let all = Mutex::new(Tally::default());
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= count || broken.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                    match tell(&month::of(first + nth)) {
                        Ok(tally) => all.lock().unwrap().take_in(tally),
                        Err(failure) => {
                            eprintln!("seed {}, event {}: {}\n", first + nth, failure.events, failure.what);
                            broken.lock().unwrap().push((first + nth, failure));
                        }
                    }
                    if (nth + 1).is_multiple_of(100) {
                        eprintln!("{} months of {count} in {} s", nth + 1, began.elapsed().as_secs());
                    }
                }
            });
        }
    });
    if let Some((seed, failure)) = broken.into_inner().unwrap().into_iter().min_by_key(|(seed, _)| *seed) {
        let (story, failure) = shrink::shrink(&month::of(seed), &failure);
        panic!("{}", told(seed, &story, &failure.what));
    }
    let all = all.into_inner().unwrap();
    eprintln!("{count} months in {} s{all}", began.elapsed().as_secs());
    if count >= MANY {
        assert_eq!(all.lacking(), Vec::<&str>::new(), "never happened in {count} months");
    }
}

/// What went wrong, for people.
fn told(seed: u64, story: &Story, what: &str) -> String {
    format!(
        "the month of seed {seed} went wrong\n\n{what}\n\nthe whole of it: KEYMUSTER_SEED={seed} cargo test --test simulation months\n\
         what is left of it when all is left out that does not matter:\n\n\
         cat >/tmp/story <<'END'\n{story}END\nKEYMUSTER_STORY=/tmp/story cargo test --test simulation replay -- --nocapture\n"
    )
}

/// Tells the story in the file that `KEYMUSTER_STORY` names; nothing where it names none.
#[test]
fn replay() {
    let Some(path) = variable("KEYMUSTER_STORY") else { return };
    let story: Story = std::fs::read_to_string(path).unwrap().parse().unwrap();
    if let Err(failure) = tell(&story) {
        panic!("after event {}: {}", failure.events, failure.what);
    }
}
