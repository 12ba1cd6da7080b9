//! What is shipped beside the program for those who run and watch it: the unit of systemd, the rules of Prometheus with their
//! runbook, the config of Alertmanager, the dashboard of Grafana. They are driven by the real programs, on what the real daemon
//! exports.

#![cfg(test)]

mod alertmanager;
mod dashboard;
mod links;
mod lint;
mod litestream;
mod notices;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/prometheus.rs"]
mod prometheus;
mod promql;
mod rules;
mod runbook;
mod schemathesis;
mod shipped;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/support.rs"]
mod support;
mod systemd;
#[path = "../e2e/typed.rs"]
mod typed;
