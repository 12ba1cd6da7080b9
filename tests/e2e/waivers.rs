//! The end of a waiver is told in the daemon's log, once, whether or not a daemon ran when it came.

use keymuster::clock::Clock;
use serde_json::Value;

use crate::process::{PATIENCE, eventually};
use crate::support::{Daemon, Settings, Sim, Site, far_off, log_events};

fn waiver(reason: &str, until: &str) -> String {
    format!(
        "[[waivers]]\nmatch = {{ account = \"acme-openai\", kind = \"admin\" }}\nreason = \"{reason}\"\nwho = \"ana\"\nuntil = \"{until}\"\n"
    )
}

/// The ends that a log tells, by the reasons of the waivers.
fn ended(log: &str) -> Vec<Value> {
    log_events(log).into_iter().filter(|event| event["message"] == "a waiver has ended: its keys count again").collect()
}

#[track_caller]
fn tells(daemon: &Daemon, reason: &str) -> Vec<Value> {
    eventually("the end of a waiver in the log", PATIENCE, || {
        let told = ended(&daemon.process.stderr());
        told.iter().any(|event| event["reason"] == reason).then_some(told)
    })
}

#[test]
fn the_end_of_a_waiver_is_told_once_across_restarts() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), tables: "# no waiver", ..Settings::default() });
    // One that was over before the first start never held.
    site.edit("# no waiver", &format!("# first\n{}", waiver("long over", "2020-01-01")));
    site.poll(&[]).ended(0);
    let in_seconds = |seconds| Clock::system().now().plus(seconds).to_string();

    let until = in_seconds(3);
    site.edit("# first", &format!("# second\n{}{}", waiver("frozen", &until), waiver("for ever", "2099-01-01")));
    let daemon = site.daemon();
    let told = tells(&daemon, "frozen");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["level"], &told[0]["who"], &told[0]["until"]), (&"WARN".into(), &"ana".into(), &until.as_str().into()));
    assert_eq!(told[0]["matches"], "account = acme-openai, kind = admin");
    daemon.stop().ended(0);

    // While no daemon runs, another one ends.
    let until = in_seconds(1);
    site.edit("# second", &format!("# third\n{}", waiver("thawed", &until)));
    let daemon = site.daemon();
    let told = tells(&daemon, "thawed");
    assert_eq!(told.len(), 1, "told again: {told:?}");
    daemon.stop().ended(0);
    assert_eq!(site.value("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', waivers_told_at, 'unixepoch') FROM policy"), until);
}
