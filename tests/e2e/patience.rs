//! A provider that asks for patience: the program waits as long as it is told to, and stops at once when it is told to stop.

use std::time::Duration;

use rustix::process::Signal;

use crate::process::{PATIENCE, eventually};
use crate::support::{DEN, OPENAI, Settings, Sim, Site};

/// One retry, for which a minute must be waited.
const LIMITS: &str = "[limits]\nretries = 1";

/// Polls up to the refusal that asks for a minute's wait.
fn refused_for_haste(sim: &Sim, site: &Site, fault: &str, path: &str) {
    site.poll(&[]).ended(0);
    sim.faults(&format!("{fault} on {path}"));
    site.poll(&[]).ended(0);
}

fn wait_for_refusal(sim: &Sim, path: &str) {
    let refused = || sim.requests().iter().any(|asked| asked.path == path && asked.refused > 0);
    eventually("a refusal", PATIENCE, || refused().then_some(()));
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn a_poll_that_waits_for_a_minute_stops_when_told() {
    for (fault, path, account) in [
        ("rate_limit:openai:1", "/organization/admin_api_keys", OPENAI),
        ("rate_limit_seconds:openai:1", "/organization/admin_api_keys", OPENAI),
        ("rate_limit_date:den:1", "/v1/api-keys", DEN),
    ] {
        let sim = Sim::small();
        let site = Site::new(&sim, &Settings { tables: LIMITS, ..Settings::default() });
        refused_for_haste(&sim, &site, fault, path);
        let before = site.presences();
        for signal in [Signal::TERM, Signal::INT] {
            let mut poll = site.start(&["poll", "--config", site.config().to_str().unwrap(), "--account", account]);
            wait_for_refusal(&sim, path);
            assert!(poll.runs(), "{fault}: it did not wait: {}", poll.stdout());
            poll.signal(signal);
            let polled = poll.finish(Duration::from_secs(5)).ended(69);
            assert!(polled.stdout.contains("stopped: "), "{fault}: {}", polled.all());
            assert_eq!(site.presences(), before, "{fault}");
            assert!(!site.path("inventory.db-wal").exists(), "{fault}: the file was not closed");
        }
        assert_eq!(site.count("changes"), 0, "{fault}");
        sim.faults("");
        site.poll(&[]).ended(0);
    }
}

#[test]
fn a_daemon_that_waits_for_a_minute_stops_when_told() {
    let sim = Sim::small();
    let schedule = "* * * * * *".to_owned();
    let site = Site::new(&sim, &Settings { tables: LIMITS, schedule, ..Settings::default() });
    let path = "/organization/admin_api_keys";
    refused_for_haste(&sim, &site, "rate_limit:openai:1", path);
    let before = site.presences();
    let daemon = site.daemon();
    wait_for_refusal(&sim, path);
    let den = sim.asked("/v1/api-keys");
    eventually("polls of the other account", PATIENCE, || (sim.asked("/v1/api-keys") > den + 1).then_some(()));
    daemon.stop().ended(0);
    assert_eq!(site.presences(), before);
    assert_eq!(site.value("SELECT count(*) FROM walks WHERE account = 'acme-openai' AND kind = 'admin'"), 2, "nothing half-read");
}

#[test]
fn a_deadline_ends_a_poll_and_the_next_one_goes_on() {
    let sim = Sim::of(keymuster::sim::Size { projects: 12, archived_projects: 0, ..keymuster::sim::Size::demo() });
    let openai = "poll_deadline = \"1s\"\nconcurrency = 1";
    let site = Site::new(&sim, &Settings { openai, ..Settings::default() });
    sim.faults("latency:openai:250 on /organization/projects/{project_id}/api_keys");
    let polled = site.poll(&["--account", OPENAI]).ended(69);
    assert!(polled.stdout.contains("waited in vain"), "{}", polled.stdout);
    let never = |site: &Site| site.count("scopes WHERE state = 'never'");
    let first = never(&site);
    assert!((1..12).contains(&first), "{first} of 12 were not read");
    eventually("every list's turn", PATIENCE, || {
        site.poll(&["--account", OPENAI]);
        (never(&site) == 0).then_some(())
    });
    assert!(site.presences().values().all(|presence| presence == "present"));
    assert!(site.value("SELECT last_complete_poll_at FROM accounts WHERE account = 'acme-openai'").is_string());
}
