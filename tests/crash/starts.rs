//! Kills of the very first start.

use std::time::Duration;

use keymuster::inventory::PUBLIC_VIEWS;

use crate::kills::{Figures, Random, kill, share, start};
use crate::left::{Left, beside};
use crate::support::{Settings, Sim, Site, far_off};

#[test]
fn kills_of_a_first_start() {
    let sim = Sim::small();
    let (mut figures, mut random) = (Figures::of("first start"), Random(3));
    let measured = start(&Site::new(&sim, &Settings::default()));
    let whole = measured.after;
    kill(measured.daemon);
    for number in 0..share(60) {
        let site = Site::new(&sim, &Settings::default());
        let first = site.start(&["run", "--config", site.config().to_str().unwrap()]);
        // The beginning of a process is nothing of ours.
        std::thread::sleep(whole / 8 + random.part(whole));
        kill(first);
        figures.fell(judge(&site, number));

        let again = start(&site);
        figures.ready(again.after);
        kill(again.daemon);
        let left = Left::of(&site.inventory()).unwrap();
        left.assert_sound();
        assert_eq!(left.number("SELECT count(*) FROM account"), 2);
    }
    figures.tell();
}

/// All of the schema, or nothing at all.
fn judge(site: &Site, number: usize) -> &'static str {
    let path = site.inventory();
    let journal = beside(&path, "-journal").exists();
    let Some(left) = Left::of(&path) else {
        return if path.exists() { "with an empty file" } else { "before the file" };
    };
    let (schema, things) = (left.number("PRAGMA user_version"), left.number("SELECT count(*) FROM sqlite_schema"));
    if schema == 0 {
        assert_eq!(things, 0, "kill {number} left a part of the schema");
        return "while the schema was written";
    }
    left.assert_sound();
    let views = left.texts("SELECT name FROM sqlite_schema WHERE type = 'view'");
    let left_out: Vec<&&str> = PUBLIC_VIEWS.iter().filter(|view| !views.contains(**view)).collect();
    assert!(left_out.is_empty(), "kill {number} left out {left_out:?}");
    assert!(left.number("SELECT count(*) FROM run") <= 1);
    if journal { "while it turned to the log" } else { "with the whole schema" }
}

/// As a service manager does it with one that fails: a start asks no provider before an account is due.
#[test]
fn ten_starts_in_a_row_ask_no_provider() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let asked = || sim.requests().iter().map(|asked| asked.count).sum::<u64>();
    let before = asked();
    for _ in 0..10 {
        let ready = start(&site);
        // Longer than any splay of that schedule.
        std::thread::sleep(Duration::from_millis(300));
        kill(ready.daemon);
    }
    assert_eq!(asked(), before);
    assert_eq!(Left::of(&site.inventory()).unwrap().number("SELECT count(*) FROM run"), 11);
}

/// A clean stop turns the file into one without a log: nothing is lost there either.
#[test]
fn kills_of_a_stop() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let (mut figures, mut random) = (Figures::of("stops"), Random(4));
    let before = crate::left::shown_by(&site.inventory());
    for number in 0..share(20) {
        let ready = start(&site);
        figures.ready(ready.after);
        ready.daemon.signal(rustix::process::Signal::TERM);
        std::thread::sleep(random.part(Duration::from_millis(30)));
        kill(ready.daemon);
        let place = if beside(&site.inventory(), "-wal").exists() { "with the log still there" } else { "with the log taken in" };
        figures.fell(place);
        let left = Left::of(&site.inventory()).unwrap();
        left.assert_sound();
        let after = crate::left::shown(&left.connection);
        assert!(before.is_subset(&after), "kill {number} lost something");
    }
    figures.tell();
}
