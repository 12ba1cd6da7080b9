//! kill -9 in the middle of polls, again and again: nothing that was shown is lost, nothing is half-written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::PATIENCE;
/// Much is revoked at once here, and that is right.
const UNGUARDED: &str = "min_keys = 100000\nsmall_scope = 100000";

use crate::support::{PROJECT_KEYS, Settings, Sim, Site, sql, text};

const KILLS: u64 = 24;

/// What readers were shown: keys, history and walks.
fn shown(file: &Path) -> BTreeSet<String> {
    let queries = [
        "SELECT 'key ' || account || ' ' || key_id || ' ' || first_seen_at AS row FROM keys",
        "SELECT 'change ' || change_id || ' ' || key_id || ' ' || change AS row FROM changes",
        "SELECT 'walk ' || id || ' ' || scope_id || ' ' || started_at || ' ' || outcome || ' ' || items AS row FROM walk",
    ];
    queries.iter().flat_map(|query| sql(file, query)).map(|row| text(&row, "row")).collect()
}

/// The file as the crash left it, its log included, so that looking does not mend what the next start has to mend.
fn copy(site: &Site, number: u64) -> PathBuf {
    let folder = site.path(&format!("crash-{number}"));
    std::fs::create_dir(&folder).unwrap();
    for name in ["inventory.db", "inventory.db-wal", "inventory.db-shm"] {
        if site.path(name).exists() {
            std::fs::copy(site.path(name), folder.join(name)).unwrap();
        }
    }
    folder.join("inventory.db")
}

/// Every list holds what its newest complete walk read, and nothing refers to what is not there.
#[track_caller]
fn assert_whole(file: &Path) {
    let check = sql(file, "PRAGMA integrity_check");
    assert_eq!(text(&check[0], "integrity_check"), "ok");
    assert!(sql(file, "PRAGMA foreign_key_check").is_empty());
    let torn = sql(
        file,
        "SELECT s.id, s.kind, w.items,
                (SELECT count(*) FROM sighting AS x WHERE x.scope_id = s.id AND x.unlisted_walk IS NULL) AS keys
           FROM scope AS s JOIN walk AS w ON w.id = s.complete_walk
          WHERE s.kind IN ('project', 'admin', 'organization') AND w.items <> keys",
    );
    assert!(torn.is_empty(), "lists that no walk read so: {torn:?}");
    let orphans = sql(file, "SELECT * FROM sighting WHERE walk_id NOT IN (SELECT id FROM walk)");
    assert!(orphans.is_empty(), "keys of walks that were not stored: {orphans:?}");
    let keys =
        sql(file, "SELECT id FROM key WHERE id NOT IN (SELECT key_id FROM last_use) OR id NOT IN (SELECT key_id FROM deadline)");
    assert!(keys.is_empty(), "keys without use or deadlines: {keys:?}");
}

#[test]
fn kill_9_in_the_middle_of_polls_loses_nothing_and_tears_nothing() {
    let sim = Sim::small();
    let settings =
        Settings { schedule: "* * * * * *".to_owned(), openai: "concurrency = 1", guard: UNGUARDED, ..Settings::default() };
    let site = Site::new(&sim, &settings);
    site.poll(&[]).ended(0);
    sim.faults(&format!("latency:40 on {PROJECT_KEYS}\nlatency:30 on /v1/org"));
    let mut cut_off = 0;
    for number in 0..KILLS {
        for _ in 0..5 {
            sim.beat();
        }
        let started = Instant::now();
        let daemon = site.daemon();
        let ready = started.elapsed();
        assert!(ready < Duration::from_secs(5), "start {number} took {ready:?}");
        // The polls of this start take about a fifth of a second, and begin within a twentieth.
        std::thread::sleep(Duration::from_millis(12 * (number + 1)));
        let before = shown(&site.inventory());
        daemon.process.signal(Signal::KILL);
        assert_eq!(daemon.process.finish(PATIENCE).code, None);

        let left = copy(&site, number);
        assert_whole(&left);
        let after = shown(&left);
        let lost: Vec<&String> = before.difference(&after).collect();
        assert!(lost.is_empty(), "kill {number} lost {lost:?}");
        cut_off += sql(&left, "SELECT id FROM poll WHERE settled_at IS NULL AND id = (SELECT max(id) FROM poll)").len();
    }
    assert!(cut_off >= 5, "only {cut_off} of {KILLS} kills hit a poll");
    sim.faults("");
    site.poll(&[]).ended(0);
    assert_whole(&site.inventory());
    assert_eq!(site.count("scopes WHERE state NOT IN ('complete', 'closed')"), 0);
    assert_eq!(site.count("keys WHERE presence = 'gone'"), 0, "nothing is proven within confirm_after");
    let configured = |key: &&keymuster::sim::TrueKey| key.provider != keymuster::sim::Remote::Braintrust;
    let listed = sim.truth().iter().filter(configured).filter(|key| key.listed || key.leaked).count();
    assert_eq!(site.count("keys WHERE presence = 'present'"), i64::try_from(listed).unwrap());
}

#[test]
fn kill_9_of_a_poll_by_hand_leaves_a_file_that_the_next_one_takes() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { openai: "concurrency = 1", guard: UNGUARDED, ..Settings::default() });
    sim.faults(&format!("latency:30 on {PROJECT_KEYS}"));
    for number in 0..10 {
        let poll = site.start(&["poll", "--config", site.config().to_str().unwrap()]);
        std::thread::sleep(Duration::from_millis(6 + 22 * number));
        poll.signal(Signal::KILL);
        poll.finish(PATIENCE);
        // An early one may have made nothing yet, or an empty file.
        let left = copy(&site, number);
        if left.exists() && sql(&left, "PRAGMA user_version")[0]["user_version"] != 0 {
            assert_whole(&left);
        }
    }
    site.poll(&[]).ended(0);
    crate::polling::assert_is_truth(&sim, &site);
}
