//! The k-th call that writes is the last one, or finds no room, or fails: of a first start with its poll, of a poll and its settling, of
//! a backup and of an upgrade. strace counts the calls of each thread, and puts the fault in the place of one.
//!
//! A run tries eight places of each call; with `KEYMUSTER_LONG` it tries every one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use keymuster::sim::Remote;

use crate::first_schema::first_schema;
use crate::left::{Left, shown};
use crate::process::{Finished, PATIENCE};
use crate::support::{Settings, Sim, Site};

/// What happens in the place of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The process is killed as it begins.
    Kill,
    /// It fails once.
    Once(&'static str),
    /// It fails, and all of its kind behind it.
    FromThenOn(&'static str),
}

impl Fault {
    fn injected(self, call: &str, at: usize) -> String {
        match self {
            Self::Kill => format!("inject={call}:signal=KILL:when={at}"),
            Self::Once(error) => format!("inject={call}:error={error}:when={at}"),
            Self::FromThenOn(error) => format!("inject={call}:error={error}:when={at}+"),
        }
    }

    /// What has to be said where the work could not be done.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Kill => &[],
            // Where the index of its log cannot grow, SQLite says no more than that.
            Self::Once("ENOSPC") | Self::FromThenOn("ENOSPC") => &["full", "No space", "I/O"],
            Self::Once(_) | Self::FromThenOn(_) => &["I/O", "Input/output"],
        }
    }
}

/// Calls that change what is on a disk, and what is put in their place.
const FAULTS: &[(&str, Fault)] = &[
    ("pwrite64", Fault::Kill),
    ("pwrite64", Fault::Once("ENOSPC")),
    ("pwrite64", Fault::FromThenOn("ENOSPC")),
    ("pwrite64", Fault::Once("EIO")),
    ("fsync", Fault::Kill),
    ("fsync", Fault::Once("EIO")),
    ("fdatasync", Fault::Kill),
    ("fdatasync", Fault::Once("EIO")),
    ("ftruncate", Fault::Kill),
    ("ftruncate", Fault::Once("EIO")),
    ("unlink", Fault::Kill),
    ("rename", Fault::Kill),
    ("rename", Fault::Once("EIO")),
];

/// Something that writes, over and over from the same beginning.
struct Work {
    what: &'static str,
    sim: Sim,
    site: Site,
    arguments: Vec<String>,
    /// The inventory that it begins with; `None` where there is none.
    before: Option<PathBuf>,
    /// What it leaves where nothing fails.
    presences: BTreeMap<String, String>,
}

impl Work {
    /// `begins` makes the inventory that it begins with, after a first poll.
    fn new(what: &'static str, arguments: &[&str], begins: impl FnOnce(&Site) -> Option<PathBuf>) -> Self {
        let sim = Sim::small();
        let site = Site::new(&sim, &Settings::default());
        site.poll(&[]).ended(0);
        let before = begins(&site);
        sim.beat();
        let revoked =
            sim.truth().into_iter().filter(|key| key.provider == Remote::OpenAi && key.listed && !key.name.contains("keymuster"));
        for key in revoked.take(2) {
            sim.change(|world| world.revoke(&key.id));
        }
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut work = Self { what, sim, site, arguments, before, presences: BTreeMap::new() };
        work.restore();
        work.run(&[]).ended(0);
        work.presences = work.site.presences();
        if work.arguments[0] == "poll" {
            let theirs =
                work.sim.truth().into_iter().filter(|key| key.provider != Remote::Braintrust && (key.listed || key.leaked));
            let present = work.presences.iter().filter(|(_, presence)| *presence == "present");
            let present: BTreeSet<&str> = present.map(|(key, _)| key.split_once('/').unwrap().1).collect();
            let theirs: Vec<String> = theirs.map(|key| key.id).collect();
            assert_eq!(present, theirs.iter().map(String::as_str).collect(), "what is compared with is the truth");
        }
        work
    }

    fn restore(&self) {
        for entry in fs::read_dir(self.site.path("")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("inventory.db") || name.starts_with("copy.db") {
                fs::remove_file(&path).unwrap();
            }
        }
        if let Some(before) = &self.before {
            fs::copy(before, self.site.inventory()).unwrap();
        }
    }

    fn run(&self, under: &[&str]) -> Finished {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.site.start_under(under, &arguments).finish(PATIENCE)
    }

    /// The most calls of one thread.
    fn calls(&self, call: &str) -> usize {
        self.restore();
        let log = self.site.path("trace");
        let trace = format!("trace={call}");
        self.run(&["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e", &trace]).ended(0);
        let mut threads: BTreeMap<String, usize> = BTreeMap::new();
        for line in fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(&format!(" {call}("))) {
            *threads.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        threads.into_values().max().unwrap_or(0)
    }

    fn try_all(&self) {
        let (began, mut tried, mut failed) = (Instant::now(), 0, 0);
        for (call, fault) in FAULTS {
            for at in places(self.calls(call)) {
                self.restore();
                let before = self.shown();
                let injected = fault.injected(call, at);
                let log = self.site.path("trace");
                let trace = format!("trace={call}");
                let ended = self.run(&["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e", &trace, "-e", &injected]);
                let place = format!("{}, {injected}", self.what);
                failed += usize::from(ended.code != Some(0));
                self.judge(*fault, &ended, &before, &place);
                self.mend(&place);
                tried += 1;
            }
        }
        let took = began.elapsed();
        writeln!(std::io::stderr(), "{}: {tried} faults in {took:.1?}, {failed} of which ended it", self.what).unwrap();
        assert!(failed > 0 && tried > 20, "nothing was tried");
    }

    fn shown(&self) -> BTreeSet<String> {
        Left::of(&self.site.inventory()).map_or_else(BTreeSet::new, |left| {
            if left.number("PRAGMA user_version") > 1 { shown(&left.connection) } else { BTreeSet::new() }
        })
    }

    /// What was there is there, all is whole, and an end that says that all is well is right.
    fn judge(&self, fault: Fault, ended: &Finished, before: &BTreeSet<String>, place: &str) {
        let said = ended.all();
        assert!(!said.contains("panicked") && !said.contains("a bug of keymuster"), "{place}: {said}");
        if let Some(left) = Left::of(&self.site.inventory())
            && left.number("SELECT count(*) FROM sqlite_schema") > 0
        {
            left.assert_sound();
        } else {
            assert!(self.before.is_none(), "{place}: the inventory is gone");
        }
        let lost: Vec<String> = before.difference(&self.shown()).cloned().collect();
        assert!(lost.is_empty(), "{place} lost {lost:?}");
        match ended.code {
            Some(0) => assert_eq!(self.site.presences(), self.presences, "{place}: said to be done"),
            Some(_) => {
                let told = fault.words().iter().any(|word| said.contains(word));
                assert!(told, "{place}: why it ended is not said: {said}");
            }
            None => assert_eq!(fault, Fault::Kill, "{place}: {said}"),
        }
    }

    /// The same once more on a disk that is well again.
    fn mend(&self, place: &str) {
        let again = self.run(&[]);
        assert_eq!(again.code, Some(0), "{place}, and once more: {}", again.all());
        assert_eq!(self.site.presences(), self.presences, "{place}, and once more");
        let left = Left::of(&self.site.inventory()).unwrap();
        left.assert_sound();
        for entry in fs::read_dir(self.site.path("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(".part"), "{place}, and once more: {name} stays");
        }
    }
}

/// All places of a call in a long run, else eight that are spread over them, the first and the last among them.
fn places(calls: usize) -> Vec<usize> {
    if std::env::var_os("KEYMUSTER_LONG").is_some() || calls <= 8 {
        return (1..=calls).collect();
    }
    (0..8).map(|place| 1 + place * (calls - 1) / 7).collect()
}

fn kept(site: &Site) -> PathBuf {
    let before = site.path("before.db");
    fs::copy(site.inventory(), &before).unwrap();
    before
}

fn poll() -> [&'static str; 3] {
    ["poll", "--config", "keymuster.toml"]
}

#[test]
fn of_a_first_start_and_its_poll() {
    Work::new("first start", &poll(), |_| None).try_all();
}

#[test]
fn of_a_poll_and_its_settling() {
    Work::new("poll", &poll(), |site| Some(kept(site))).try_all();
}

#[test]
fn of_an_upgrade() {
    let begins = |site: &Site| {
        let old = site.path("old.db");
        first_schema(&site.inventory(), &old);
        Some(old)
    };
    Work::new("upgrade", &poll(), begins).try_all();
}

#[test]
fn of_a_backup() {
    Work::new("backup", &["db", "backup", "--config", "keymuster.toml", "--replace", "copy.db"], |site| Some(kept(site)))
        .try_all();
}
