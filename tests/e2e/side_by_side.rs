//! One `keymuster poll` of several accounts: none waits for another, and none is cut off by another, but where the inventory fails.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, eventually};
use crate::support::{DEN, OPENAI, PROJECT_KEYS, Settings, Sim, Site};

/// Whoever is asked for these does not answer while a test runs.
const NEVER: &str = "latency:3600000 on";

/// An inventory that has been polled, and answers that may take an hour.
fn site(sim: &Sim) -> Site {
    let site = Site::new(sim, &Settings { tables: "[limits]\nrequest_timeout = \"1h\"", ..Settings::default() });
    site.poll(&[]).ended(0);
    site
}

fn start(site: &Site) -> Running {
    site.start(&["poll", "--config", site.config().to_str().unwrap()])
}

/// The lines told of each account, in the order in which they were told.
fn blocks(stdout: &str) -> Vec<Vec<&str>> {
    let blocks = stdout.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(|block| block.lines().collect()).collect()
}

#[test]
fn an_account_that_does_not_answer_delays_no_other_and_a_stop_ends_it() {
    let sim = Sim::small();
    let site = site(&sim);
    // Each of them, the first by name and the last.
    for (slow, fast, fault) in [(DEN, OPENAI, "/v1/org"), (OPENAI, DEN, PROJECT_KEYS)] {
        for signal in [Signal::INT, Signal::TERM] {
            sim.faults(&format!("{NEVER} {fault}"));
            let polls = site.count("accounts WHERE last_poll_at IS NOT NULL");
            let mut poll = start(&site);
            let told = eventually("what the fast account gave", PATIENCE, || {
                Some(poll.stdout()).filter(|told| told.contains("no changes\n\n"))
            });
            assert!(poll.runs() && told.starts_with(&format!("{fast} (")) && !told.contains(slow), "{told}");
            poll.signal(signal);
            let polled = poll.finish(PATIENCE).ended(69);
            let blocks = blocks(&polled.stdout);
            assert_eq!(blocks.len(), 2, "{}", polled.stdout);
            assert!(blocks[0][0].starts_with(fast) && blocks[1][0].starts_with(slow), "{}", polled.stdout);
            assert!(!blocks[0].iter().any(|line| line.starts_with("stopped: ")), "{}", polled.stdout);
            assert!(blocks[1].iter().any(|line| line.starts_with("stopped: ")), "{}", polled.stdout);
            assert_eq!(site.count("accounts WHERE last_poll_at IS NOT NULL"), polls);
            assert!(!site.path("inventory.db-wal").exists(), "the file was not closed");
        }
    }
    assert_eq!(site.value("PRAGMA integrity_check"), "ok");
    assert!(site.presences().values().all(|presence| presence == "present"));
    sim.faults("");
    site.poll(&[]).ended(0);
}

#[test]
fn an_inventory_that_cannot_be_written_ends_all_polls_at_once() {
    let sim = Sim::small();
    let site = site(&sim);
    site.meddle("CREATE TRIGGER full BEFORE INSERT ON walk BEGIN SELECT RAISE(ABORT, 'nothing more fits in'); END");
    sim.faults(&format!("{NEVER} {PROJECT_KEYS}"));
    let failed = start(&site).finish(PATIENCE).ended(1);
    assert!(failed.stderr.contains("nothing more fits in") && failed.stdout.is_empty(), "{}", failed.all());
    site.meddle("DROP TRIGGER full");
    sim.faults("");
    site.poll(&[]).ended(0);
    assert_eq!(site.value("PRAGMA integrity_check"), "ok");
}

#[test]
fn several_accounts_that_take_long_are_told_of_in_one_line() {
    let sim = Sim::small();
    let site = site(&sim);
    sim.faults(&format!("{NEVER} {PROJECT_KEYS}\n{NEVER} /v1/org"));
    let poll = start(&site);
    let told = eventually("a line", Duration::from_secs(100), || Some(poll.stderr()).filter(|told| told.ends_with('\n')));
    assert!(told.starts_with("acme-den, acme-openai: ") && told.contains(" lists, "), "{told}");
    poll.signal(Signal::TERM);
    poll.finish(PATIENCE).ended(69);
}

/// A process begins with few: accounts polled at the same time would have to share them.
#[test]
fn as_many_files_and_sockets_are_used_as_the_system_lets_us() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mut limited = Command::new("sh");
    let typed = r#"ulimit -S -n 12 && exec "$0" poll --config "$1""#;
    limited.args(["-c", typed, env!("CARGO_BIN_EXE_keymuster"), site.config().to_str().unwrap()]).env("TMPDIR", site.path("tmp"));
    Running::start(limited, "dash").finish(PATIENCE).ended(0);
}
