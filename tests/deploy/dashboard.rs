//! The dashboard beside a real Prometheus that scrapes the demo: each of its queries gives data.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::{PATIENCE, Running, eventually};
use crate::prometheus::{Prometheus, escaped};
use crate::promql::{Selector, read};
use crate::shipped::{fast, path, text};
use crate::support::{Settings, Sim, Site};

/// In the demo nobody makes an admin key.
const RARE: &[&str] = &["keymuster_new_admin_key_timestamp_seconds"];

const DASHBOARD: &str = "grafana/keymuster.json";

pub fn dashboard() -> Value {
    serde_json::from_str(&text(DASHBOARD)).unwrap()
}

/// All panels that show data.
pub fn panels() -> Vec<Value> {
    let mut dashboard = dashboard();
    let all: Vec<Value> = serde_json::from_value(dashboard["panels"].take()).unwrap();
    all.into_iter().filter(|panel| panel["type"] != "row").collect()
}

/// Every query of panels and annotations, with where it stands.
pub fn queries() -> Vec<(String, String)> {
    let of = |title: &Value, target: &Value| {
        (
            format!("{title} {}", target["refId"]),
            target["expr"].as_str().unwrap_or_else(|| panic!("{title}: no query")).to_owned(),
        )
    };
    let mut queries = Vec::new();
    for panel in panels() {
        queries.extend(panel["targets"].as_array().unwrap().iter().map(|target| of(&panel["title"], target)));
    }
    let dashboard = dashboard();
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        queries.push(of(&annotation["name"], &annotation["target"]));
    }
    assert!(queries.len() > 40);
    queries
}

/// The demo with everything that can be seen: polls that fail, refused elements, a text that looks like a secret, credentials
/// that expire.
fn demo(site: &Site) -> Running {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_keymuster"));
    demo.args(["demo", "--listen", "127.0.0.1:0"]);
    for fault in [
        "unauthorized on /organization/admin_api_keys from 3",
        "bad_item on /organization/users from 2 every 2",
        "secret_name:den",
    ] {
        demo.args(["--fault", fault]);
    }
    demo.env_clear().env("TMPDIR", site.path("tmp"));
    demo.env("KEYMUSTER__ACCOUNTS__DEMO_OPENAI__CREDENTIAL_EXPIRES", "2099-01-01");
    Running::start(demo, "none, it is ours")
}

fn address(demo: &Running) -> String {
    eventually("where the demo is", PATIENCE, || {
        let shown = demo.stdout();
        let (_, after) = shown.split_once("http://")?;
        shown.contains("Ctrl-C").then(|| after.split('/').next().unwrap().to_owned())
    })
}

/// Waits until a query gives a number.
#[track_caller]
fn data(demo: &mut Running, prometheus: &Prometheus, place: &str, query: &str) {
    eventually(&format!("{place}: {query}"), PATIENCE, || {
        assert!(demo.runs(), "{}", demo.stderr());
        let is_number = |sample: &Value| sample["value"][1].as_str().is_some_and(|value| value != "NaN");
        prometheus.query(query).iter().any(is_number).then_some(())
    });
}

#[test]
fn each_query_gives_data_in_the_demo() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mut running = demo(&site);
    let instance = address(&running);
    let folder = site.path("prometheus");
    let prometheus = Prometheus::start(&fast(&folder, &instance, "127.0.0.1:9"), &folder);
    prometheus.becomes("up", 1.0);

    // As Grafana puts them in where all are chosen: values that are listed as alternatives of a regular expression.
    let chosen = |query: &str| {
        let values = [
            ("$job", "keymuster"),
            ("$instance", &instance),
            ("$provider", ".+"),
            ("$account", ".+"),
            ("$__rate_interval", "30s"),
        ];
        let mut query = query.to_owned();
        for (variable, value) in values {
            query = query.replace(variable, value);
        }
        assert!(!query.contains('$'), "{query}");
        query
    };
    for (place, query) in queries() {
        // An annotation marks what is over zero; that something started anew does not happen here.
        let query = if place.contains("Anno") { query.trim_end_matches(" > 0").to_owned() } else { query };
        let query = chosen(&query);
        data(&mut running, &prometheus, &place, &query);
        // Where one thing stands in for another, each has to be there, but for what does not happen in the demo.
        for Selector { metric, matchers } in read(&query).0.into_iter().filter(|one| !RARE.contains(&one.metric.as_str())) {
            let matchers: Vec<String> =
                matchers.iter().map(|(name, operator, value)| format!("{name}{operator}\"{value}\"")).collect();
            data(&mut running, &prometheus, &place, &format!("{metric}{{{}}}", matchers.join(",")));
        }
    }
    for variable in &dashboard()["templating"]["list"].as_array().unwrap()[1..] {
        let query = variable["query"].as_str().unwrap();
        let (selector, label) = query.trim_start_matches("label_values(").trim_end_matches(')').rsplit_once(", ").unwrap();
        let values = prometheus.api(&format!("label/{label}/values?match[]={}", escaped(&chosen(selector))));
        assert!(!values.as_array().unwrap().is_empty(), "{query}");
    }
}

#[test]
fn grafanas_own_types_accept_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/grafana");
    let mut check = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/grafana/check"));
    check.arg(path(DASHBOARD)).arg(folder);
    let finished = Running::start(check, "npm").finish(Duration::from_mins(10));
    assert_eq!(finished.code, Some(0), "{}", finished.all());
}
