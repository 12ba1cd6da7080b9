//! The alert rules: each can fire and be silent, is explained, and names only what there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::process::get;
use crate::prometheus::Prometheus;
use crate::promql::wrong_names;
use crate::shipped::{Rules, fast, path, text, tool};
use crate::support::{Settings, Sim, Site};

const TESTS: &[&str] = &["keymuster.rules.test.yml", "keymuster.rules.days.test.yml"];
/// Where the package puts the runbook.
const RUNBOOK: &str = "file:///usr/share/doc/keymuster/runbook.md";

fn loaded(folder: &std::path::Path) -> Rules {
    Rules::of(&Prometheus::start(&fast(folder, "127.0.0.1:9", "127.0.0.1:9"), folder))
}

#[test]
fn the_tools_find_no_fault_with_what_is_shipped() {
    let checked = tool("promtool", "prometheus", &["check", "rules", "keymuster.rules.yml"]).ended(0);
    assert!(checked.stdout.contains("SUCCESS"), "{}", checked.all());
    tool("promtool", "prometheus", &["check", "config", "prometheus.yml"]).ended(0);
    let config = path("alertmanager/alertmanager.yml");
    tool("amtool", "prometheus-alertmanager", &["check-config", config.to_str().unwrap()]).ended(0);
}

#[test]
fn each_alert_fires_when_it_should() {
    std::thread::scope(|scope| {
        for file in TESTS {
            scope.spawn(move || tool("promtool", "prometheus", &["test", "rules", file]).ended(0));
        }
    });
}

/// For each alert whether its tests expect that it fires, and whether they expect that it does not.
fn expected() -> BTreeMap<String, BTreeSet<bool>> {
    let mut expected: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for file in TESTS {
        let text = text(&format!("prometheus/{file}"));
        let mut asked = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("alertname: ") {
                asked = Some(name.to_owned());
            } else if let Some(alerts) = line.strip_prefix("exp_alerts:") {
                let name = asked.take().unwrap_or_else(|| panic!("{file}: exp_alerts without alertname"));
                expected.entry(name).or_default().insert(alerts.trim() != "[]");
            }
        }
    }
    expected
}

#[test]
fn each_alert_has_a_case_that_fires_one_that_does_not_and_an_entry_in_the_runbook() {
    let folder = tempfile::tempdir().unwrap();
    let rules = loaded(folder.path());
    let names: BTreeSet<&str> = rules.alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names.len(), rules.alerts.len(), "an alert's name is its place in the runbook");
    let expected = expected();
    assert_eq!(expected.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    for (name, cases) in &expected {
        assert_eq!(cases.len(), 2, "{name} has no case that {}", if cases.contains(&true) { "is silent" } else { "fires" });
    }

    let runbook = text("runbook.md");
    let headings: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, names, "entries of the runbook");
    for alert in &rules.alerts {
        let name = &alert.name;
        let said = |key: &str| alert.annotations[key].as_str().unwrap_or_else(|| panic!("{name} has no {key}"));
        assert_eq!(said("runbook_url"), format!("{RUNBOOK}#{}", name.to_lowercase()));
        assert!(said("summary").len() > 20 && said("description").len() > 60, "{name}");
        assert!(["critical", "warning", "info", "none"].contains(&alert.severity.as_str()), "{name}: {}", alert.severity);
        let (_, entry) = runbook.split_once(&format!("## {name}\n\n")).unwrap();
        assert!(entry.starts_with(&format!("**Severity** {}\n", alert.severity)), "{name} in the runbook");
        let entry = entry.split("\n## ").next().unwrap();
        for part in
            ["**What it means.**", "**Why it matters.**", "**What to look at**", "**What to do.**", "**When it goes away:**"]
        {
            assert!(entry.contains(part), "{name} in the runbook: {part}");
        }
    }
}

#[test]
fn rules_and_runbook_name_only_what_the_program_exports() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let rules = loaded(&site.path("prometheus"));
    let recorded: Vec<&str> = rules.recorded.iter().map(|(name, _)| name.as_str()).collect();
    let queries = rules.alerts.iter().map(|alert| (&alert.name, &alert.query)).chain(rules.recorded.iter().map(|(n, q)| (n, q)));
    for (name, query) in queries {
        assert_eq!(wrong_names(query, &recorded), [""; 0], "{name}: {query}");
    }
    for query in crate::runbook::blocks("promql") {
        assert_eq!(wrong_names(&query, &recorded), [""; 0], "runbook: {query}");
    }
    // What is declared is what a daemon exports.
    let daemon = site.daemon();
    let metrics = get(daemon.address, "/metrics").unwrap().body;
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert_eq!(wrong_names(series, &[]), [""; 0], "{series}");
    }
    daemon.stop().ended(0);
}
