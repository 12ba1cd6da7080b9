//! No other program is started, as the kernel sees it.

use std::fs;

use crate::process::PATIENCE;
use crate::support::{Settings, Sim, Site};

#[test]
fn a_poll_starts_no_other_program() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { braintrust: Some(r#"listing = "header""#), ..Settings::default() });
    let log = site.path("trace");
    let under = ["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e", "trace=execve,execveat"];
    site.start_under(&under, &["poll", "--config", "keymuster.toml"]).finish(PATIENCE).ended(0);
    assert!(site.presences().len() > 10, "it polled");
    let log = fs::read_to_string(log).unwrap();
    let started: Vec<&str> = log.lines().filter(|line| line.contains(" execve")).collect();
    assert!(matches!(started[..], [own] if own.contains("/keymuster\"")), "{log}");
}
