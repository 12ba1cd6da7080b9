//! The program itself, started as people start it, against the simulated providers and beside the tools that stand around
//! it: the sqlite3 shell and Prometheus. Nothing here looks inside; what is known is known from exit codes, output, files,
//! the public views, pages and metrics.
//!
//! Every program that a test starts is ended by its own id, every wait has an end, every port is a free one.

#![cfg(test)]

mod appetite;
mod as_of;
mod attribution;
mod braintrust;
#[path = "../simulation/checks/calls.rs"]
mod calls;
mod canaries;
mod certificate;
mod check;
mod closed_list;
mod control;
mod daemon;
mod db;
mod demo;
mod explain;
mod faults;
mod findings;
mod forget;
mod hardening;
mod hostile;
mod inquiry;
mod keys;
mod listener;
mod log;
mod manual;
mod member_outcomes;
mod modes;
mod outcomes;
mod own_credential;
mod owners;
mod patience;
mod policy;
mod polling;
mod presence;
mod process;
mod prometheus;
mod receiver;
mod refusals;
mod reload;
mod report;
mod restore;
mod scrape;
mod secrets;
mod service;
mod side_by_side;
mod sign_in;
mod stopping;
mod strangers;
mod support;
mod systemd;
mod terminal;
mod typed;
mod waivers;
mod web_file;
mod webhook;
