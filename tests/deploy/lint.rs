//! What a good dashboard keeps to, whoever reads it: the rules of Grafana's own linter as far as they fit, and ours.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::dashboard::{dashboard, panels, queries};
use crate::promql::wrong_names;

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn whole(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn it_is_named_and_nobody_edits_it_in_place() {
    let dashboard = dashboard();
    assert_eq!(dashboard["editable"], false);
    assert!(word(&dashboard, "/uid").len() > 3 && word(&dashboard, "/title").starts_with("keymuster"));
    assert!(dashboard.get("id").is_none(), "the id belongs to one Grafana");
}

#[test]
fn variables_choose_the_data_source_the_daemon_and_the_account() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| word(variable, "/name")).collect();
    assert_eq!(names, ["datasource", "job", "instance", "provider", "account"]);
    assert_eq!((word(&variables[0], "/type"), word(&variables[0], "/query")), ("datasource", "prometheus"));
    for variable in &variables[1..] {
        assert_eq!(word(variable, "/datasource/uid"), "${datasource}");
        assert!(variable["multi"] == true && variable["includeAll"] == true, "{variable}");
        assert!(!word(variable, "/label").is_empty());
    }
    // Each offers what goes with the choices before it.
    for (nth, variable) in variables.iter().enumerate().skip(1) {
        let query = word(variable, "/query");
        let inside = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).unwrap();
        let (selector, label) = inside.rsplit_once(", ").unwrap();
        assert_eq!(label, names[nth]);
        assert_eq!(wrong_names(selector, &[]), [""; 0], "{query}");
        let matched: Vec<String> = crate::promql::read(selector).0[0].matchers.iter().map(|(name, ..)| name.clone()).collect();
        assert_eq!(matched, names[1..nth], "{query}");
    }
    // Everything that is scraped has a job and an instance; `.+` would take in other programs where `up` is asked for.
    assert!(variables[1].get("allValue").is_none() && variables[2].get("allValue").is_none());
}

#[test]
fn each_panel_says_what_it_is_in_which_unit_and_what_nothing_means() {
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let title = word(panel, "/title");
        assert!(ids.insert(whole(panel, "/id")), "{title}: its id is another's");
        assert!(titles.insert(title.to_owned()), "{title} is there twice");
    }
    for panel in panels() {
        let title = word(&panel, "/title");
        assert!(word(&panel, "/description").ends_with('.'), "{title}");
        assert_eq!(word(&panel, "/datasource/uid"), "${datasource}", "{title}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(!word(defaults, "/unit").is_empty() && !word(defaults, "/noValue").is_empty(), "{title}");
        // The lowest step is also the colour of what is not known.
        assert!(!["green", "blue"].contains(&word(defaults, "/thresholds/steps/0/color")), "{title}: unknown is not fine");
        let fine = |step: &Value| step["color"] == "green";
        let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap().iter();
        for property in overrides.flat_map(|one| one["properties"].as_array().unwrap()).filter(|p| p["id"] == "thresholds") {
            assert!(!fine(&property["value"]["steps"][0]), "{title}: unknown is not fine");
        }
        let refs: BTreeSet<&str> = panel["targets"].as_array().unwrap().iter().map(|target| word(target, "/refId")).collect();
        assert_eq!(refs.len(), panel["targets"].as_array().unwrap().len(), "{title}: a letter is there twice");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(word(target, "/datasource/uid"), "${datasource}", "{title}");
            let is_table = panel["type"] == "table";
            assert_eq!(word(target, "/format"), if is_table { "table" } else { "time_series" }, "{title}");
            assert_eq!(target["instant"].as_bool(), Some(panel["type"] != "timeseries"), "{title}");
        }
        if panel["type"] == "table" {
            columns_are_renamed(&panel);
        }
    }
}

/// Overrides go by the names that columns have after they were renamed; one that names no column does nothing.
fn columns_are_renamed(panel: &Value) {
    let title = word(panel, "/title");
    let organize = panel["transformations"].as_array().unwrap().iter().find(|step| step["id"] == "organize").unwrap();
    let renamed = organize["options"]["renameByName"].as_object().unwrap();
    let is_hidden = |name: &str| organize["options"]["excludeByName"].get(name).is_some();
    let shown: BTreeSet<&str> =
        renamed.values().map(|name| name.as_str().unwrap()).chain(["account", "provider", "severity"]).collect();
    for over in panel["fieldConfig"]["overrides"].as_array().unwrap() {
        let name = word(over, "/matcher/options");
        assert!(shown.contains(name), "{title}: no column {name}");
    }
    for target in panel["targets"].as_array().unwrap() {
        let column = format!("Value #{}", word(target, "/refId"));
        let is_only = panel["targets"].as_array().unwrap().len() == 1;
        assert!(renamed.contains_key(&column) || is_hidden(&column) || is_only, "{title}: {column} has no name");
    }
}

#[test]
fn panels_fill_the_grid_and_do_not_overlap() {
    let mut taken: BTreeSet<(i64, i64)> = BTreeSet::new();
    let mut bottom = 0;
    for panel in dashboard()["panels"].as_array().unwrap() {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| whole(panel, &format!("/gridPos/{side}")));
        assert!(x >= 0 && w > 0 && h > 0 && x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} overlaps another at {cell:?}", panel["title"]);
        }
        bottom = bottom.max(y + h);
    }
    assert_eq!(i64::try_from(taken.len()).unwrap(), 24 * bottom, "a hole in the grid");
}

#[test]
fn each_query_is_of_the_chosen_daemon_and_names_only_what_is_exported() {
    for (place, query) in queries() {
        let (selectors, _) = crate::promql::read(&query);
        assert!(!selectors.is_empty(), "{place}: {query}");
        for selector in selectors {
            let asks = |label: &str, of: &str| {
                selector
                    .matchers
                    .iter()
                    .any(|(name, operator, value)| name == label && operator == "=~" && value.trim_end_matches('|') == of)
            };
            assert!(asks("job", "$job") && asks("instance", "$instance"), "{place}: {selector:?}");
            let of_accounts = !["up", "keymuster_build_info"].contains(&selector.metric.as_str())
                && !["process_", "keymuster_inventory_", "keymuster_config_"]
                    .iter()
                    .any(|part| selector.metric.starts_with(part));
            assert!(!of_accounts || asks("provider", "$provider") && asks("account", "$account"), "{place}: {selector:?}");
        }
        assert_eq!(wrong_names(&query, &[]), [""; 0], "{place}: {query}");
        for (call, range) in ranges(&query) {
            assert_eq!(range, "$__rate_interval", "{place}: {call} in {query}");
        }
    }
}

/// Functions over a range, and the range.
fn ranges(query: &str) -> Vec<(&str, &str)> {
    let parts = query.split('[').collect::<Vec<_>>();
    parts.windows(2).map(|pair| (pair[0], pair[1].split(']').next().unwrap())).collect()
}
