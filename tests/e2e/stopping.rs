//! SIGTERM in the middle of a poll: out within five seconds, leaving a file that everybody can read.

use std::time::Duration;

use crate::process::{PATIENCE, eventually};
use crate::support::{PROJECT_KEYS, Settings, Sim, Site};

#[test]
fn sigterm_in_the_middle_of_a_poll_leaves_a_whole_file() {
    let sim = Sim::small();
    let settings = Settings { schedule: "* * * * * *".to_owned(), openai: "concurrency = 1", ..Settings::default() };
    let site = Site::new(&sim, &settings);
    site.poll(&[]).ended(0);
    let before = site.presences();
    sim.beat();
    sim.beat();
    sim.faults(&format!("latency:1500 on {PROJECT_KEYS}"));

    let asked = sim.asked("/organization/projects");
    let daemon = site.daemon();
    eventually("a poll", PATIENCE, || (sim.asked("/organization/projects") > asked).then_some(()));
    std::thread::sleep(Duration::from_millis(400));
    assert!(site.path("inventory.db-wal").exists(), "a running daemon writes a log");
    let walks = site.count("walks WHERE kind = 'project'");
    let finished = daemon.stop().ended(0);
    assert!(finished.stderr.contains("stopped"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);

    for name in ["inventory.db-wal", "inventory.db-shm", "inventory.db-journal"] {
        assert!(!site.path(name).exists(), "{name} is left");
    }
    assert_eq!(site.value("PRAGMA journal_mode"), "delete");
    assert_eq!(site.value("PRAGMA integrity_check"), "ok");
    assert_eq!(site.count("walks WHERE kind = 'project'"), walks, "a walk that was cut off is no walk");
    let after = site.presences();
    assert!(before.keys().all(|key| after[key] == "present" || key.contains("apk_")), "{after:?}");

    sim.faults("");
    site.poll(&[]).ended(0);
    assert_eq!(site.count("scopes WHERE state NOT IN ('complete', 'closed')"), 0);
}

#[test]
fn an_idle_daemon_stops_at_once_on_either_signal() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let daemon = site.daemon();
        daemon.process.signal(signal);
        daemon.process.finish(Duration::from_secs(2)).ended(0);
        assert!(!site.path("inventory.db-wal").exists());
    }
}
