//! A provider that asks for patience: the program waits as long as it is told to, and stops at once when it is told to stop.

use std::time::Duration;

use rustix::process::Signal;

use crate::polling::assert_is_truth;
use crate::process::{PATIENCE, eventually, get};
use crate::support::{BRAINTRUST, DEN, OPENAI, PROJECT_KEYS, Settings, Sim, Site};

/// One retry, for which a minute must be waited.
const LIMITS: &str = "[limits]\nretries = 1";

/// Lets a limit of one request a minute refuse the next one: a stranger makes the one, which counts before anybody looks at
/// credentials.
fn use_up(base_url: &str, path: &str) {
    let rest = base_url.strip_prefix("http://").unwrap();
    let (address, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    get(address.parse().unwrap(), &format!("{base}{path}")).unwrap();
}

fn refusals(sim: &Sim, path: &str) -> u64 {
    sim.requests().iter().filter(|asked| asked.path == path).map(|asked| asked.refused).sum()
}

fn wait_for_refusal(sim: &Sim, path: &str, before: u64) {
    eventually("a refusal", PATIENCE, || (refusals(sim, path) > before).then_some(()));
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
        site.poll(&[]).ended(0);
        let before = site.presences();
        let base_url = if account == OPENAI { sim.openai_base_url() } else { sim.den_base_url() };
        for signal in [Signal::TERM, Signal::INT] {
            // With the fault, its minute begins anew.
            sim.faults(&format!("{fault} on {path}"));
            use_up(&base_url, path);
            let refused = refusals(&sim, path);
            let mut poll = site.start(&["poll", "--config", site.config().to_str().unwrap(), "--account", account]);
            wait_for_refusal(&sim, path, refused);
            assert!(poll.runs(), "{fault}: it did not wait: {}", poll.stdout());
            poll.signal(signal);
            let polled = poll.finish(PATIENCE).ended(69);
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
    site.poll(&[]).ended(0);
    let before = site.presences();
    // However long the machine takes, no request is let in.
    sim.faults(&format!("status:openai:429 on {path}"));
    let daemon = site.daemon();
    wait_for_refusal(&sim, path, 0);
    let den = sim.asked("/v1/api-keys");
    eventually("polls of the other account", PATIENCE, || (sim.asked("/v1/api-keys") > den + 1).then_some(()));
    daemon.stop().ended(0);
    assert_eq!(site.presences(), before);
    assert_eq!(site.value("SELECT count(*) FROM walks WHERE account = 'acme-openai' AND kind = 'admin'"), 1, "nothing half-read");
}

/// The page that was refused is asked for again, and none of those before it.
#[test]
fn a_list_that_is_refused_in_its_middle_goes_on_from_there() {
    let keys =
        keymuster::sim::Size { projects: 1, archived_projects: 0, project_keys: 240, ..keymuster::sim::Size::members(12, 2) };
    let braintrust = Some("listing = 'organization'");
    for (account, path, cap, least) in
        [(OPENAI, PROJECT_KEYS, "", 3), (BRAINTRUST, "/v1/organization/api_keys", "page_cap:5\n", 5)]
    {
        let sim = Sim::of(keys);
        let site = Site::new(&sim, &Settings { tables: LIMITS, braintrust, ..Settings::default() });
        sim.faults(cap);
        site.poll(&[]).ended(0);
        let (pages, before) = (sim.asked(path), site.presences());
        assert!(pages >= least, "{account}: {pages} pages");
        for page in 2..pages {
            sim.faults(&format!("{cap}busy:1 on {path} from {page} to {page}"));
            let (asked, refused) = (sim.asked(path), refusals(&sim, path));
            site.poll(&["--account", account]).ended(0);
            assert_eq!((sim.asked(path) - asked, refusals(&sim, path) - refused), (pages + 1, 1), "{account}, page {page}");
        }
        assert_eq!((site.presences(), site.count("changes")), (before, 0), "{account}");
        assert_is_truth(&sim, &site);
    }
}

#[test]
fn a_deadline_ends_a_poll_and_the_next_one_goes_on() {
    let sim = Sim::of(keymuster::sim::Size { projects: 12, archived_projects: 0, ..keymuster::sim::Size::demo() });
    let openai = "poll_deadline = \"3s\"\nconcurrency = 1";
    let site = Site::new(&sim, &Settings { openai, ..Settings::default() });
    sim.faults("latency:openai:600 on /organization/projects/{project_id}/api_keys");
    let polled = site.poll(&["--account", OPENAI]).ended(69);
    assert!(polled.stdout.contains("waited in vain"), "{}", polled.stdout);
    let read = || site.count("scopes WHERE kind = 'project' AND state = 'complete'");
    let first = read();
    assert!(first < 12, "{first} of 12 were read in three seconds, at more than half a second each");
    eventually("every list's turn", PATIENCE, || {
        site.poll(&["--account", OPENAI]);
        (read() == 12 && site.count("scopes WHERE state = 'never'") == 0).then_some(())
    });
    assert!(site.presences().values().all(|presence| presence == "present"));
    assert!(site.value("SELECT last_complete_poll_at FROM accounts WHERE account = 'acme-openai'").is_string());
}
