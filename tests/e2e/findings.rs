//! `keymuster findings` and `keymuster changes`: what they tell is what the views hold.

use serde_json::Value;

use crate::support::{DEN, OPENAI, Settings, Sim, Site, text};

const RULE: &str =
    "[policy]\nmax_age = \"10d\"\n[[policy.rules]]\nmatch = { account = \"acme-den\" }\nlabels = { team = \"robots\" }";

fn ids(json: &str) -> Vec<String> {
    let rows: Vec<Value> = serde_json::from_str(json).unwrap();
    let mut ids: Vec<String> = rows.iter().map(|row| row["key_id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

fn listed(site: &Site, from: &str) -> Vec<String> {
    site.sql(&format!("SELECT key_id FROM {from} ORDER BY key_id")).iter().map(|row| text(row, "key_id")).collect()
}

#[test]
fn findings_are_the_keys_in_a_condition_and_fail_what_asked_for_them() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: RULE, ..Settings::default() });
    site.poll(&[]).ended(0);
    let flagged = "keys WHERE conditions <> '' AND waived = ''";
    let all = site.run("findings", &["--format", "json"]).ended(0);
    assert_eq!(ids(&all.stdout), listed(&site, flagged));
    assert!(listed(&site, flagged).len() > 3);
    let robots = site.run("findings", &["--team", "robots", "--team", "nobody", "--format", "json"]).ended(0);
    assert_eq!(ids(&robots.stdout), listed(&site, &format!("{flagged} AND account = '{DEN}'")));
    let two = ["--condition", "overdue", "--condition", "stale", "--account", OPENAI, "--format", "json"];
    let some = format!("{flagged} AND account = '{OPENAI}' AND (instr(conditions, 'overdue') OR instr(conditions, 'stale'))");
    assert_eq!(ids(&site.run("findings", &two).ended(0).stdout), listed(&site, &some));

    site.run("findings", &["--fail-on", "overdue"]).ended(2);
    site.run("findings", &["--fail-on", "disabled", "--team", "nobody"]).ended(0);
    assert!(site.run("findings", &["--team", "nobody"]).ended(0).stdout.contains("no key that was read needs a person"));
    let misspelt = site.run("findings", &["--account", "acme-opemai"]).ended(64);
    assert!(misspelt.stderr.contains("no account 'acme-opemai'"), "{}", misspelt.stderr);
    let table = site.run("findings", &["--condition", "overdue"]).ended(0).stdout;
    assert!(table.contains("rotation is due") && table.lines().next().unwrap().contains("BECAUSE"), "{table}");
    let markdown = site.run("findings", &["--format", "markdown"]).ended(0).stdout;
    assert_eq!(markdown.lines().count(), listed(&site, flagged).len() + 2, "{markdown}");
    assert!(markdown.lines().all(|line| line.replace("\\|", "").matches('|').count() == 7), "{markdown}");
}

#[test]
fn changes_are_the_newest_lines_of_history() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    assert_eq!(site.run("changes", &[]).ended(0).stdout, "no change was seen\n");
    let gone: Vec<String> =
        sim.truth().iter().filter(|key| key.home.starts_with("proj_") && key.listed).map(|key| key.id.clone()).collect();
    for id in &gone[..2] {
        assert!(sim.change(|world| world.revoke(id)));
    }
    site.poll(&[]).ended(0);
    let both = site.run("changes", &["--since", "1h", "--format", "json"]).ended(0).stdout;
    assert_eq!(ids(&both), listed(&site, "changes"));
    assert_eq!(ids(&both).len(), 2);
    assert_eq!(ids(&site.run("changes", &["--key", &gone[1], "--format", "json"]).ended(0).stdout), [gone[1].clone()]);
    let one = site.run("changes", &["--limit", "1"]).ended(0).stdout;
    assert!(one.contains("is missing") && one.contains("1 change; there are older ones"), "{one}");
    assert_eq!(ids(&site.run("changes", &["--since", "2099-01-01", "--format", "json"]).ended(0).stdout), Vec::<String>::new());
    let bad = site.run("changes", &["--since", "yesterday"]).ended(64).stderr;
    assert!(bad.contains("write a length of time (7d, 12h), a day (2026-11-01) or an instant"), "{bad}");
}
