//! SIGTERM in the middle of a poll: out within five seconds, leaving a file that everybody can read.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{Finished, PATIENCE, eventually};
use crate::support::{Daemon, PROJECT_KEYS, Settings, Sim, Site, far_off};

/// How long a stop may take, whatever is under way.
const PROMISED: Duration = Duration::from_secs(5);

/// What a daemon says that gave up waiting for a poll or a connection.
const GAVE_UP: &str = "did not end in time";

/// SIGTERM to both at the same moment: what the busy one left behind, and how long it and the idle one took to end.
fn stop_beside(busy: Daemon, idle: Daemon) -> (Finished, Duration, Duration) {
    let began = Instant::now();
    busy.process.signal(Signal::TERM);
    idle.process.signal(Signal::TERM);
    let idle = std::thread::spawn(move || {
        idle.process.finish(PATIENCE).ended(0);
        began.elapsed()
    });
    let finished = busy.process.finish(PATIENCE).ended(0);
    let took = began.elapsed();
    (finished, took, idle.join().unwrap())
}

#[test]
fn sigterm_in_the_middle_of_a_poll_leaves_a_whole_file() {
    let sim = Sim::small();
    let idle = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    idle.poll(&[]).ended(0);
    let settings = Settings {
        schedule: "* * * * * *".to_owned(),
        openai: "concurrency = 1",
        tables: "[limits]\nrequest_timeout = \"1h\"",
        ..Settings::default()
    };
    let site = Site::new(&sim, &settings);
    site.poll(&[]).ended(0);
    let before = site.presences();
    sim.beat();
    sim.beat();
    // The first list of keys is not answered while the test runs.
    sim.faults(&format!("latency:3600000 on {PROJECT_KEYS}"));

    let idle = idle.daemon();
    let asked = sim.asked("/organization/projects");
    let daemon = site.daemon();
    eventually("a poll", PATIENCE, || (sim.asked("/organization/projects") > asked).then_some(()));
    std::thread::sleep(Duration::from_millis(400));
    assert!(site.path("inventory.db-wal").exists(), "a running daemon writes a log");
    let walks = site.count("walks WHERE kind = 'project'");
    let (finished, took, control) = stop_beside(daemon, idle);
    assert!(finished.stderr.contains("stopped"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(took < control + PROMISED, "the stop took {took:?}, that of an idle daemon {control:?}");
    if control < Duration::from_secs(1) {
        assert!(!finished.stderr.contains(GAVE_UP), "it waited for the poll: {}", finished.stderr);
    } else {
        writeln!(std::io::stderr(), "not tried: an idle daemon took {control:?} to stop").unwrap();
    }

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
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    for signal in [Signal::INT, Signal::TERM] {
        // A machine that stands still for seconds does so once.
        let prompt = (0..3).any(|_| {
            let daemon = site.daemon();
            daemon.process.signal(signal);
            let finished = daemon.process.finish(PATIENCE).ended(0);
            assert!(!site.path("inventory.db-wal").exists());
            !finished.stderr.contains(GAVE_UP)
        });
        assert!(prompt, "{signal:?}: it waited although nothing was under way");
    }
}
