//! Evidence of a period: what its files hold is what the inventory says, and the manifest shows a change of any of them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keymuster::clock::Clock;
use keymuster::domain::Time;
use keymuster::sim::Size;

use crate::support::{Row, Settings, Sim, Site, text};

const WAIVER: &str =
    "[[waivers]]\nmatch = { kind = \"admin\" }\nreason = \"<b>frozen</b>\"\nwho = \"ana\"\nuntil = \"2099-01-01\"";

fn rows(folder: &Path, name: &str) -> Vec<Row> {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn is_whole(folder: &Path) -> bool {
    let checked =
        Command::new("sha256sum").args(["-c", "--strict", "--quiet", "SHA256SUMS"]).current_dir(folder).output().unwrap();
    checked.status.success()
}

fn now() -> Time {
    Clock::system().now()
}

fn polled_twice() -> (Sim, Site, Time) {
    let sim = Sim::of(Size::demo());
    let site = Site::new(&sim, &Settings { tables: WAIVER, braintrust: Some("listing = 'auto'"), ..Settings::default() });
    site.poll(&[]);
    let between = now();
    while now() == between {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for _ in 0..30 {
        sim.change(|world| world.step(now()));
    }
    site.poll(&[]);
    (sim, site, between)
}

#[test]
fn a_report_to_now_says_what_the_inventory_says_and_can_be_checked() {
    let (_sim, site, _) = polled_twice();
    let out = site.path("evidence");
    site.run("report", &["--from", "30d", "--out", out.to_str().unwrap()]).ended(0);

    let keys = rows(&out, "keys.json");
    assert_eq!(keys.len() as i64, site.count("keys"));
    let findings: BTreeSet<String> = rows(&out, "findings.json").iter().map(|row| text(row, "key_id")).collect();
    let flagged: BTreeSet<String> =
        site.sql("SELECT key_id FROM keys WHERE conditions <> ''").iter().map(|row| text(row, "key_id")).collect();
    assert_eq!(findings, flagged);
    assert_eq!(rows(&out, "changes.json").len() as i64, site.count("changes"));
    assert_eq!(rows(&out, "coverage.json").len() as i64, site.count("scopes"));
    let of_walks: i64 = rows(&out, "coverage.json").iter().map(|row| row["walks"].as_i64().unwrap()).sum();
    assert_eq!(of_walks, site.count("walks"));
    assert_eq!(rows(&out, "waivers.json").len(), 1);
    assert!(rows(&out, "policy.json").iter().any(|row| text(row, "setting") == "max_age" && text(row, "value") == "365d"));

    // Every file is in the manifest, and only the owner reads any.
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    for entry in std::fs::read_dir(&out).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(name == "SHA256SUMS" || sums.contains(&format!("  {name}\n")), "{name} is not in\n{sums}");
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{name}");
    }
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o077, 0);
    assert!(is_whole(&out));
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("&#60;b&#62;frozen") && !page.contains("<b>frozen"), "markup of a config is text");
    std::fs::write(out.join("keys.csv"), "\"provider\"\n").unwrap();
    assert!(!is_whole(&out), "a changed file is not noticed");

    let again = site.run("report", &["--from", "30d", "--out", out.to_str().unwrap()]).ended(64);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
}

#[test]
fn a_report_of_the_past_says_how_it_was_and_what_it_cannot_say() {
    let (_sim, site, between) = polled_twice();
    let out = site.path("past");
    let first = site.sql("SELECT min(first_seen_at) AS at FROM keys");
    let (from, to) = (text(&first[0], "at"), between.to_string());
    let told = site.run("report", &["--from", &from, "--to", &to, "--out", out.to_str().unwrap()]).ended(0).stdout;
    assert!(told.contains("leaves out last use"), "{told}");
    let keys = rows(&out, "keys.json");
    assert_eq!(keys.len() as i64, site.count(&format!("keys WHERE first_seen_at <= '{to}'")));
    assert!((keys.len() as i64) < site.count("keys"), "nothing appeared since");
    assert!(rows(&out, "changes.json").iter().all(|row| text(row, "at") <= to));
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("What this cannot say") && !page.contains(">stale<"), "use is not told of");

    let before = site.run("report", &["--from", "2019-01-01", "--to", "2019-02-01", "--out", "x"]).ended(64);
    assert!(before.stderr.contains("its history goes back to"), "{}", before.stderr);
    let turned = site.run("report", &["--from", "2026-02-01", "--to", "2026-01-01", "--out", "x"]).ended(64);
    assert!(turned.stderr.contains("lies behind"), "{}", turned.stderr);
    let ahead = site.run("report", &["--from", "1d", "--to", "2090-01-01", "--out", "x"]).ended(64);
    assert!(ahead.stderr.contains("lies ahead"), "{}", ahead.stderr);
}
