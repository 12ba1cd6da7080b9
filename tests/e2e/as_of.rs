//! Looking back: what `--as-of` tells is what the inventory told then, but for what is kept without history.

use std::collections::BTreeMap;
use std::time::Duration;

use keymuster::clock::Clock;
use keymuster::domain::{Presence, Time};
use keymuster::sim::Size;
use serde_json::Value;

use rustix::process::Signal;

use crate::process::get;
use crate::support::{Row, Settings, Sim, Site, far_off, text};

/// Columns that are kept without history, or are told as they are today.
const BLANK: [&str; 8] =
    ["last_used_at", "last_used_state", "last_seen_at", "stale_basis", "held_since", "owner_name", "owner_email", "scope_name"];
/// Conditions that rest on them.
const OF_USE: [&str; 2] = ["stale", "never_used"];

fn keys(site: &Site, more: &[&str]) -> BTreeMap<String, Row> {
    let presences = Presence::ALL.iter().flat_map(|presence| ["--presence", presence.as_str()]);
    let arguments: Vec<&str> = presences.chain(["--format", "json"]).chain(more.iter().copied()).collect();
    let told = site.run("keys", &arguments).ended(0).stdout;
    let rows: Vec<Row> = serde_json::from_str(&told).unwrap();
    rows.into_iter().map(|row| (format!("{}/{}", text(&row, "account"), text(&row, "key_id")), row)).collect()
}

/// What can be told of it later, and whether it was orphaned.
fn lasting(mut row: Row) -> (Row, bool) {
    assert_eq!(row.contains_key("last_used_state"), row.contains_key("held_since"), "both are left out, or neither");
    for column in BLANK {
        row.insert(column.to_owned(), Value::Null);
    }
    let words = |column: &str, row: &Row| -> Vec<String> {
        text(row, column).split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let conditions = words("conditions", &row);
    for column in ["conditions", "waived"] {
        let kept = words(column, &row).into_iter().filter(|word| !OF_USE.contains(&word.as_str()) && word != "orphaned");
        row.insert(column.to_owned(), kept.collect::<Vec<_>>().into());
    }
    (row, conditions.iter().any(|word| word == "orphaned"))
}

fn now() -> Time {
    Clock::system().now()
}

#[test]
fn what_is_told_of_a_past_instant_is_what_was_told_then() {
    let sim = Sim::of(Size::demo());
    let policy = "[policy]\nmax_age = \"100d\"\nexpiring_within = \"60d\"\nignore = []";
    let site = Site::new(&sim, &Settings { tables: policy, braintrust: Some("listing = 'auto'"), ..Settings::default() });
    let mut snapshots = Vec::new();
    let mut happened = 0;
    for _ in 0..5 {
        site.poll(&[]);
        let at = now();
        snapshots.push((at, keys(&site, &[])));
        while now() == at {
            std::thread::sleep(Duration::from_millis(50));
        }
        for _ in 0..40 {
            happened += sim.change(|world| world.step(now())).len();
        }
    }
    site.poll(&[]);
    assert!(happened > 100, "only {happened} things happened");
    assert!(site.count("changes") > 20, "history has only {} lines", site.count("changes"));
    for (at, then) in snapshots {
        let told = keys(&site, &["--as-of", &at.to_string()]);
        assert_eq!(told.keys().collect::<Vec<_>>(), then.keys().collect::<Vec<_>>(), "at {at}");
        for (id, row) in then {
            let words = told[&id]["conditions"].to_string();
            assert!(OF_USE.iter().all(|word| !words.contains(word)), "{id} at {at}: {words}");
            let ((row, was_orphaned), (told, orphaned)) = (lasting(row), lasting(told[&id].clone()));
            assert_eq!(told, row, "{id} at {at}");
            // Whose owner was away and is back is not told of.
            assert!(was_orphaned || !orphaned, "{id} at {at}: orphaned, and was not");
        }
    }
}

#[test]
fn pages_tell_of_a_past_instant_what_the_command_does_and_a_crash_leaves_no_copy() {
    let sim = Sim::of(Size::demo());
    let policy =
        "[policy]\nmax_age = \"100d\"\nignore = []\n[[policy.rules]]\nmatch = { provider = 'den' }\nlabels = { team = 'agents' }";
    let site = Site::new(&sim, &Settings { schedule: far_off(), tables: policy, ..Settings::default() });
    let mut instants = Vec::new();
    for _ in 0..3 {
        site.poll(&[]);
        let at = now();
        instants.push(at);
        while now() == at {
            std::thread::sleep(Duration::from_millis(50));
        }
        (0..40).for_each(|_| sim.beat());
    }
    site.poll(&[]);
    let daemon = site.daemon();
    for at in instants {
        let at = at.to_string();
        for (format, path) in [("json", "/keys.json"), ("csv", "/keys.csv")] {
            let told =
                site.run("keys", &["--as-of", &at, "--format", format, "--presence", "gone", "--presence", "present"]).ended(0);
            let page = get(daemon.address, &format!("{path}?as_of={at}&presence=gone&presence=present")).unwrap();
            assert_eq!((page.status, page.body), (200, told.stdout), "{path} at {at}");
            assert!(page.head.contains("filename=\"keys-as-of-20"), "{}", page.head);
        }
        let owners = site.run("owners", &["--as-of", &at, "--format", "json"]).ended(0);
        let owners: Vec<Row> = serde_json::from_str(&owners.stdout).unwrap();
        let page = get(daemon.address, &format!("/owners?as_of={at}")).unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains(&format!("<b>{} owners</b>", owners.len())), "{} at {at}: {}", owners.len(), page.body);
    }
    let copies = || {
        let entries = std::fs::read_dir(site.inventory().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().contains(".as-of-")).count()
    };
    assert_eq!(copies(), 2);
    daemon.process.signal(Signal::KILL);
    drop(daemon);
    assert_eq!(copies(), 2, "a crash leaves what it left");
    let daemon = site.daemon();
    assert_eq!(copies(), 0, "and the next start removes it");
    daemon.stop().ended(0);
}

#[test]
fn nobody_can_look_behind_history_or_ahead() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]);
    let ended = site.run("keys", &["--as-of", "2020-01-01"]).ended(64);
    assert!(ended.stderr.contains("its history goes back to"), "{}", ended.stderr);
    let live = site.run("keys", &["--format", "json"]).ended(0);
    let today = site.run("keys", &["--format", "json", "--as-of", &now().to_string()[..10]]).ended(0);
    assert_eq!(today.stdout, live.stdout, "today is as of now");
    // But for how long ago everything was read, as it says behind the last comma.
    let said =
        |text: &str| text.lines().map(|line| line.rsplit_once(',').map_or(line, |(said, _)| said).to_owned()).collect::<Vec<_>>();
    assert_eq!(said(&today.stderr), said(&live.stderr), "today is as of now");
    let ended = site.run("findings", &["--as-of", "2090-01-01"]).ended(64);
    assert!(ended.stderr.contains("lies ahead"), "{}", ended.stderr);
    let ended = site.run("keys", &["--as-of", &now().plus(-1).to_string(), "--last-used", "never"]).ended(64);
    assert!(ended.stderr.contains("cannot tell what was last used when"), "{}", ended.stderr);
    let ended = site.run("owners", &["--as-of", "yesterday"]).ended(64);
    assert!(ended.stderr.contains("write a day"), "{}", ended.stderr);
    let ended = site.run("findings", &["--as-of", &now().plus(-1).to_string(), "--fail-on", "stale"]).ended(64);
    assert!(ended.stderr.contains("kept without history"), "{}", ended.stderr);
    // What retention removed cannot be undone.
    let at = now().plus(-1);
    site.meddle("UPDATE history SET whole_since = unixepoch() + 1000");
    let ended = site.run("keys", &["--as-of", &at.to_string()]).ended(64);
    assert!(ended.stderr.contains("its history goes back to"), "{}", ended.stderr);
}
