//! `keymuster policy test`: what it says would change is what changes once the daemon has read that config, and nothing else is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{DEN, OPENAI, Row, Settings, Sim, Site, far_off, text};

const CHANGED: &str = r#"
[policy]
max_age = "10d"
stale_after = "30d"
[[policy.rules]]
match = { account = "acme-den" }
max_age = "1d"
labels = { team = "robots" }
[[waivers]]
match = { account = "acme-den" }
reason = "frozen"
who = "ana"
until = "2099-01-01"
"#;

/// A site that was polled once, and nothing of which comes due by itself.
fn polled(sim: &Sim) -> Site {
    let site = Site::new(sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    site
}

/// The site's config, with those tables before its accounts, under another name.
fn changed(site: &Site, tables: &str) -> PathBuf {
    let path = site.path("new.toml");
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(&path, text.replacen("[accounts.", &format!("{tables}\n[accounts."), 1)).unwrap();
    path
}

fn try_out(site: &Site, config: &Path, more: &[&str]) -> crate::process::Finished {
    let arguments = [&["policy", "test", "--config", config.to_str().unwrap()], more].concat();
    site.start(&arguments).finish(crate::process::PATIENCE)
}

fn rows(json: &str) -> Vec<Row> {
    serde_json::from_str(json).unwrap()
}

/// What the view says of every key.
fn told(site: &Site) -> BTreeMap<String, [String; 3]> {
    let rows = site.sql("SELECT account || '/' || key_id AS key, conditions, waived, presence FROM keys");
    rows.iter().map(|row| (text(row, "key"), ["conditions", "waived", "presence"].map(|column| text(row, column)))).collect()
}

#[test]
fn what_would_change_is_what_changes_once_the_config_is_in_force() {
    let sim = Sim::small();
    let site = polled(&sim);
    let new = changed(&site, CHANGED);
    let before = told(&site);
    let file = std::fs::read(site.inventory()).unwrap();
    let beside = || std::fs::read_dir(site.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let files = beside();

    let rows = rows(&try_out(&site, &new, &["--format", "json"]).ended(0).stdout);
    assert!(std::fs::read(site.inventory()).unwrap() == file, "the inventory was written");
    assert_eq!(beside(), files, "something was left beside it");
    assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "the copy is thrown away");

    let mut expected = before.clone();
    for row in &rows {
        let key = format!("{}/{}", text(row, "account"), text(row, "key_id"));
        let now = ["conditions_now", "waived_now", "presence_now"].map(|column| text(row, column));
        assert_eq!(before.get(&key), Some(&now));
        let then = ["conditions_then", "waived_then", "presence_then"].map(|column| text(row, column));
        assert_ne!(now, then, "{key} does not change");
        expected.insert(key, then);
    }
    let ways = |column: &str, word: &str| rows.iter().filter(|row| text(row, column).contains(word)).count();
    assert!(ways("conditions_then", "overdue") > 2 && ways("waived_then", "overdue") > 0, "{rows:?}");

    // The daemon reads it at its start; nothing is due.
    std::fs::rename(&new, site.config()).unwrap();
    site.daemon().stop().ended(0);
    assert_eq!(told(&site), expected);
    assert!(try_out(&site, &site.config(), &[]).ended(0).stdout.contains(" none would change"));
}

#[test]
fn changes_are_counted_chosen_and_failed_by_what_begins() {
    let sim = Sim::small();
    let site = polled(&sim);
    let new = changed(&site, CHANGED);
    let all = rows(&try_out(&site, &new, &["--format", "json"]).ended(0).stdout);
    let newly = |row: &&Row, condition: &str| {
        let holds = |column: &str| text(row, column).split(',').any(|word| word == condition);
        !holds("conditions_now") && holds("conditions_then") && text(row, "waived_then").is_empty()
    };
    let overdue = all.iter().filter(|row| newly(row, "overdue")).count();
    let table = try_out(&site, &new, &[]).ended(0).stdout;
    let words: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(words.contains(&format!("overdue no holds {overdue}")), "{table}");
    assert!(words.iter().any(|line| line.starts_with("overdue no waived ")), "{table}");
    let sum = format!("of {} keys {} would change condition or waiver", site.count("keys"), all.len());
    assert!(table.contains(&sum), "{table}");
    let labels = changed(&site, "[[policy.rules]]\nmatch = { kind = \"admin\" }\nlabels = { team = \"admins\" }");
    let relabelled =
        format!("none would change condition or waiver; {} would change labels alone", site.count("keys WHERE kind = 'admin'"));
    assert!(try_out(&site, &labels, &[]).ended(0).stdout.contains(&relabelled), "{relabelled}");
    let new = changed(&site, CHANGED);
    let markdown = try_out(&site, &new, &["--format", "markdown"]).ended(0).stdout;
    assert!(markdown.contains(&format!("| overdue | no | holds | {overdue} |")) && markdown.contains(&sum), "{markdown}");
    let csv = try_out(&site, &new, &["--format", "csv"]).ended(0).stdout;
    assert_eq!(csv.lines().count(), all.len() + 1);

    // Team and condition are looked for on both sides.
    let robots = rows(&try_out(&site, &new, &["--team", "robots", "--format", "json"]).ended(0).stdout);
    assert!(robots.iter().all(|row| text(row, "account") == DEN && row["team_now"] == Value::Null));
    assert_eq!(robots.len(), all.iter().filter(|row| text(row, "account") == DEN).count());
    let of_openai =
        rows(&try_out(&site, &new, &["--account", OPENAI, "--condition", "overdue", "--format", "json"]).ended(0).stdout);
    assert!(of_openai.len() >= overdue && of_openai.iter().all(|row| text(row, "account") == OPENAI));

    try_out(&site, &new, &["--fail-on", "overdue"]).ended(2);
    try_out(&site, &new, &["--fail-on", "overdue", "--account", DEN]).ended(0);
    try_out(&site, &site.config(), &["--fail-on", "overdue"]).ended(0);
}

#[test]
fn accounts_that_are_renamed_or_left_out_are_told() {
    let sim = Sim::small();
    let site = polled(&sim);
    let keys = site.count(&format!("keys WHERE account = '{DEN}'"));
    let text_of = std::fs::read_to_string(site.config()).unwrap();
    let new = site.path("new.toml");
    let renamed = text_of.replace("[accounts.acme-den]", "[accounts.robots]\nformerly = \"acme-den\"");
    std::fs::write(&new, &renamed).unwrap();
    let told = try_out(&site, &new, &[]).ended(0).stdout;
    assert_eq!(told, format!("of {} keys none would change condition or waiver\n", site.count("keys")));
    std::fs::write(&new, renamed.replace("formerly = \"acme-den\"", "")).unwrap();
    let left = try_out(&site, &new, &[]).ended(0).stdout;
    assert!(left.contains(&format!("{keys} of them to unmanaged: the config does not name their account")), "{left}");
    // Only an account of the same provider, under a name that is new, takes over.
    let (others, _) = text_of.split_once("[accounts.acme-den]").unwrap();
    let taken = others.replace("[accounts.acme-openai]", "[accounts.acme-openai]\nformerly = \"acme-den\"");
    std::fs::write(&new, taken).unwrap();
    let left = try_out(&site, &new, &[]).ended(0).stdout;
    assert!(left.contains(&format!("of {} keys {keys} would change", site.count("keys"))), "{left}");
    assert_eq!(site.count("keys WHERE presence = 'unmanaged'"), 0);

    std::fs::write(&new, text_of.replace("confirm_after", "confirm_aftre")).unwrap();
    assert!(try_out(&site, &new, &[]).ended(78).stderr.contains("confirm_after"));
    let typed = site.start(&["policy", "test", "new.toml"]).finish(crate::process::PATIENCE).ended(64).stderr;
    assert!(typed.contains("write --config new.toml"), "{typed}");
    let misspelt = try_out(&site, &site.config(), &["--account", "acme-dne"]).ended(64).stderr;
    assert!(
        misspelt.contains("no account 'acme-dne'") && misspelt.contains(&site.inventory().display().to_string()),
        "{misspelt}"
    );
    let absent = site.path("absent.db");
    try_out(&site, &site.config(), &["--inventory", absent.to_str().unwrap()]).ended(1);
    assert!(!absent.exists());
}
