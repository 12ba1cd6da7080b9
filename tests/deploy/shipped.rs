//! The files that are shipped, and what is read from them in more than one test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Finished, Running};
use crate::prometheus::Prometheus;

/// Rules are tested over days, evaluation by evaluation.
const LONG: Duration = Duration::from_mins(10);

/// A file below `deploy/`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

pub fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Runs a tool on shipped files, in the folder of the first.
pub fn tool(program: &str, package: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(path("prometheus"));
    Running::start(command, package).finish(LONG)
}

/// An alert as Prometheus reads it.
pub struct Alert {
    pub name: String,
    pub query: String,
    pub severity: String,
    pub annotations: Value,
}

/// The rules as Prometheus reads them: alerts, and what is recorded by name and query.
pub struct Rules {
    pub alerts: Vec<Alert>,
    pub recorded: Vec<(String, String)>,
}

impl Rules {
    /// As that Prometheus has loaded them.
    pub fn of(prometheus: &Prometheus) -> Self {
        let mut rules = Self { alerts: Vec::new(), recorded: Vec::new() };
        let loaded = prometheus.api("rules");
        for rule in loaded["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
            let word = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{rule}")).to_owned();
            let (name, query) = (word(&rule["name"]), word(&rule["query"]));
            if rule["type"] == "alerting" {
                let severity = word(&rule["labels"]["severity"]);
                rules.alerts.push(Alert { name, query, severity, annotations: rule["annotations"].clone() });
            } else {
                rules.recorded.push((name, query));
            }
        }
        assert!(rules.alerts.len() > 20 && !rules.recorded.is_empty());
        rules
    }
}

/// The shipped config with the shipped rules, made fast: scrapes and evaluations each second, and no waiting before an alert fires.
/// Written into that folder.
pub fn fast(folder: &Path, daemon: &str, alertmanager: &str) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let rules = text("prometheus/keymuster.rules.yml");
    let fast: Vec<&str> = rules.lines().filter(|line| !line.trim_start().starts_with("for: ")).collect();
    assert!(fast.len() + 20 < rules.lines().count());
    std::fs::write(folder.join("keymuster.rules.yml"), fast.join("\n")).unwrap();
    let mut config = text("prometheus/prometheus.yml");
    for (from, to) in [
        ("scrape_interval: 30s", "scrape_interval: 1s"),
        ("scrape_timeout: 10s", "scrape_timeout: 1s"),
        ("evaluation_interval: 30s", "evaluation_interval: 1s"),
        ("127.0.0.1:10847", daemon),
        ("127.0.0.1:9093", alertmanager),
    ] {
        assert!(config.contains(from), "{from}");
        config = config.replace(from, to);
    }
    config
}
