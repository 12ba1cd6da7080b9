//! Pages of the file that are not what was written: empty, cut off, in each other's place, or a bit of them turned. What changes anything
//! that is told is found by `db check`, and nothing is made anew in its place; single bits are counted.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use keymuster::domain::Time;
use keymuster::inventory::{Inventory, PUBLIC_VIEWS, Piece, Reader, StoreError, Stored};
use rusqlite::{Connection, OpenFlags};

use rustix::process::Signal;

use crate::left::beside;
use crate::process::PATIENCE;
use crate::support::{Settings, Sim, Site, far_off};

const PAGE: usize = 4096;

/// What became of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// The file is not opened, or `db check` says what is wrong.
    Detected,
    /// All that is told is what it was.
    Harmless,
    /// Something is told that was not written, and nobody notices.
    Silent,
}

/// An inventory that two polls filled, closed.
fn polled() -> (Site, Vec<u8>) {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    sim.beat();
    site.poll(&[]).ended(0);
    let bytes = fs::read(site.inventory()).unwrap();
    assert_eq!(bytes.len() % PAGE, 0);
    (site, bytes)
}

/// Every row of the views that people read; their order is promised by none of them.
fn told(path: &Path) -> Option<Vec<String>> {
    let mut told = Vec::new();
    Reader::open(path)
        .ok()?
        .export(PUBLIC_VIEWS, |piece| -> Stored<()> {
            if let Piece::Row { columns: _, values } = piece {
                told.push(format!("{values:?}"));
            }
            Ok(())
        })
        .ok()?;
    told.sort_unstable();
    Some(told)
}

fn judge(path: &Path, bytes: &[u8], undamaged: &Path) -> Found {
    fs::write(path, bytes).unwrap();
    let sound = Reader::open(path).and_then(|reader| reader.look_over()).is_ok_and(|looked| looked.wrong.is_empty());
    match (sound, told(path)) {
        (false, _) | (true, None) => Found::Detected,
        // Keys expire while the test runs.
        (true, there) if there == told(undamaged) || told(path) == told(undamaged) => Found::Harmless,
        (true, Some(_)) => Found::Silent,
    }
}

/// A start on it makes no new inventory in its place: it ends, or leaves the pages that it need not write.
fn is_kept_by_a_start(path: &Path, bytes: &[u8], what: &str) {
    fs::write(path, bytes).unwrap();
    if Inventory::open(path, Time::from_unix(1_795_000_000)).is_ok() {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        // What it wrote comes into the file, as far as that is possible.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    let after = fs::read(path).unwrap();
    let same = bytes.chunks(PAGE).zip(after.chunks(PAGE)).filter(|(before, after)| before == after).count();
    assert!(same * 2 > bytes.len() / PAGE, "{what}: {same} pages of {} are left", bytes.len().div_ceil(PAGE));
    for suffix in ["-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
}

#[test]
fn pages_that_are_not_what_was_written_are_found() {
    let (site, bytes) = polled();
    let pages = bytes.len() / PAGE;
    let path = site.path("damaged.db");
    let undamaged = site.inventory();
    assert_eq!(judge(&path, &bytes, &undamaged), Found::Harmless, "what is not damaged is told");
    let mut found: BTreeMap<(&str, Found), u32> = BTreeMap::new();
    for page in 0..pages {
        let (from, to) = (page * PAGE, (page + 1) * PAGE);
        let mut zeroed = bytes.clone();
        zeroed[from..to].fill(0);
        let cut = bytes[..from].to_vec();
        let half = bytes[..from + PAGE / 2].to_vec();
        let mut swapped = bytes.clone();
        let other = (page + 1) % pages;
        swapped.copy_within(from..to, other * PAGE);
        swapped[from..to].copy_from_slice(&bytes[other * PAGE..(other + 1) * PAGE]);
        for (what, damaged) in [("zeroed", zeroed), ("cut off", cut), ("cut in two", half), ("swapped", swapped)] {
            let judged = judge(&path, &damaged, &undamaged);
            assert_ne!(judged, Found::Silent, "page {page} {what} is told as if it were whole");
            *found.entry((what, judged)).or_default() += 1;
            // Of an empty file nobody can tell that it was more.
            if !damaged.is_empty() {
                is_kept_by_a_start(&path, &damaged, &format!("page {page} {what}"));
            }
        }
    }
    writeln!(std::io::stderr(), "of {pages} pages: {found:?}").unwrap();
}

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// A daemon that was killed left a file, and a log of everything since its start. The log is lost, is one of before, ends early, or a bit
/// of it is turned: what is told is what some commit left behind, and no mixture of two.
#[test]
fn a_log_that_is_not_what_was_written_leaves_what_was_committed() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
    sim.beat();
    site.run("ctl", &["poll"]).ended(0);
    let read = |suffix| fs::read(beside(&site.inventory(), suffix)).unwrap();
    let older = read("-wal");
    sim.beat();
    site.run("ctl", &["poll"]).ended(0);
    daemon.process.signal(Signal::KILL);
    daemon.process.finish(PATIENCE);
    let (file, log) = (read(""), read("-wal"));
    let path = site.path("damaged.db");
    let with = |log: &[u8]| {
        fs::write(&path, &file).unwrap();
        fs::write(beside(&path, "-wal"), log).unwrap();
        let _ = fs::remove_file(beside(&path, "-shm"));
        told(&path).expect("it is opened")
    };
    // Where each commit ends; the first is the file without the log.
    let frame = FRAME_HEADER + PAGE;
    let ends = (LOG_HEADER + frame..=log.len()).step_by(frame).filter(|end| log[end - PAGE - 20..end - PAGE - 16] != [0; 4]);
    let commits: Vec<usize> = std::iter::once(0).chain(ends).collect();
    assert!(commits.len() > 5 && log.starts_with(&older[..older.len() / 2]), "{} commits", commits.len());
    let last = with(&log);
    assert_ne!(with(&[]), last, "the log holds something");
    assert_ne!(with(&older), last);
    assert!(commits.iter().any(|end| with(&log[..*end]) == with(&older)), "an older log is an older state");
    let mut states = BTreeMap::new();
    for place in (0..log.len()).step_by(log.len() / 60) {
        let before = *commits.iter().rfind(|end| **end <= place).unwrap();
        let mut turned = log.clone();
        turned[place] ^= 1 << (place % 8);
        for damaged in [&turned[..], &log[..place]] {
            assert!(with(damaged) == with(&log[..before]), "byte {place} of {}: not what the commit before it left", log.len());
        }
        *states.entry(before).or_insert(0) += 1;
    }
    assert!(states.len() > 3, "{states:?}");
    with(&log);
    assert!(Reader::open(&path).unwrap().look_over().unwrap().wrong.is_empty());
}

/// A daemon's file and the log of it, while it runs.
struct Run {
    file: Vec<u8>,
    log: Vec<u8>,
}

/// Four runs on one inventory, which the last of them closed.
fn runs() -> (Site, Vec<Run>) {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let read = |suffix| fs::read(beside(&site.inventory(), suffix)).unwrap();
    let mut runs = Vec::new();
    for _ in 0..4 {
        let daemon = site.daemon();
        (0..5).for_each(|_| sim.beat());
        site.run("ctl", &["poll"]).ended(0);
        runs.push(Run { file: read(""), log: read("-wal") });
        daemon.stop().ended(0);
    }
    (site, runs)
}

/// A restore into a folder that was not emptied leaves the log of the file that was there.
#[test]
fn a_log_beside_a_file_that_was_closed_is_refused() {
    let (site, runs) = runs();
    let copy = site.path("copy.db");
    site.run("db", &["backup", copy.to_str().unwrap()]).ended(0);
    for file in [site.inventory(), copy] {
        is_kept_from_logs(&fs::read(file).unwrap(), &runs, &site.path("restored.db"));
    }
}

fn is_kept_from_logs(closed: &[u8], runs: &[Run], path: &Path) {
    fs::write(path, closed).unwrap();
    let undamaged = told(path).expect("it is opened");
    for Run { file: _, log } in runs {
        for length in (1..=8).map(|eighth| log.len() * eighth / 8) {
            fs::write(beside(path, "-wal"), &log[..length]).unwrap();
            let refused = [Reader::open(path).map(|_| ()), Inventory::open(path, Time::from_unix(1_795_000_000)).map(|_| ())];
            for refused in refused {
                assert!(matches!(refused, Err(StoreError::ForeignLog { .. })), "{refused:?}");
            }
            assert!(fs::read(path).unwrap() == *closed && fs::read(beside(path, "-wal")).unwrap() == log[..length]);
        }
    }
    for nothing in [&[][..], &runs[0].log[..LOG_HEADER]] {
        fs::write(beside(path, "-wal"), nothing).unwrap();
        assert_eq!(told(path).as_ref(), Some(&undamaged), "the log holds nothing");
    }
    fs::remove_file(beside(path, "-wal")).unwrap();
    assert_eq!(told(path), Some(undamaged), "nothing of it came into the file");
}

/// As a copy of single files at different times puts one beside a file that was in use, and SQLite takes it for the file's own: most of
/// what it makes of both is found or harmless, and the rest counted.
#[test]
fn logs_of_earlier_runs_are_counted() {
    let (site, runs) = runs();
    let path = site.path("damaged.db");
    let with = |file: &[u8], log: &[u8]| {
        let _ = fs::remove_file(beside(&path, "-shm"));
        fs::write(beside(&path, "-wal"), log).unwrap();
        fs::write(&path, file).unwrap();
        let sound = Reader::open(&path).and_then(|reader| reader.look_over()).is_ok_and(|looked| looked.wrong.is_empty());
        told(&path).filter(|_| sound)
    };
    let mut found: BTreeMap<Found, u32> = BTreeMap::new();
    for (newer, Run { file, log: _ }) in runs.iter().enumerate() {
        for Run { file: older, log } in &runs[..newer] {
            for length in (1..=4).map(|quarter| log.len() * quarter / 4) {
                let there = with(file, &log[..length]);
                let judged = if there.is_none() {
                    Found::Detected
                } else if there == with(older, &log[..length]) || there == with(file, &[]) {
                    Found::Harmless
                } else {
                    Found::Silent
                };
                *found.entry(judged).or_default() += 1;
            }
        }
    }
    writeln!(std::io::stderr(), "logs of earlier runs: {found:?}").unwrap();
    assert!(found.get(&Found::Silent).is_none_or(|silent| *silent <= 8), "{found:?}");
}

/// Each bit is a bit of some page: as many as there are places, spread over the file; with `KEYMUSTER_LONG` one of every byte.
#[test]
fn bits_that_turn_are_counted() {
    let (site, mut bytes) = polled();
    let path = site.path("damaged.db");
    let undamaged = site.inventory();
    let step = if std::env::var_os("KEYMUSTER_LONG").is_some() { 1 } else { bytes.len() / 400 };
    let mut found: BTreeMap<Found, u32> = BTreeMap::new();
    for (number, place) in (0..bytes.len()).step_by(step).enumerate() {
        let bit = 1 << (number * 5 % 8);
        bytes[place] ^= bit;
        *found.entry(judge(&path, &bytes, &undamaged)).or_default() += 1;
        bytes[place] ^= bit;
    }
    writeln!(std::io::stderr(), "single bits: {found:?}").unwrap();
    assert!(found.get(&Found::Detected).is_some_and(|detected| *detected > 10), "{found:?}");
    let (silent, all) = (found.get(&Found::Silent).copied().unwrap_or_default(), found.values().sum::<u32>());
    assert!(silent * 10 <= all, "one in twenty was usual: {found:?}");
}
