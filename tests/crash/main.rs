//! SIGKILL at random points of the real program: of a first start, an upgrade, a poll and its settling, a backup, a word of
//! `ctl`. What is left is sound and whole, what was told to be stored is there, nothing is there that never was, and the next
//! start takes it as it is. And SIGTERM: it ends soon, and leaves no less.
//!
//! A run kills 500 times, and tells 200 times to stop; with `KEYMUSTER_LONG` ten times as often, with `KEYMUSTER_KILLS=20000` that often. Delays come from
//! fixed seeds and are spread over what a phase was measured to take; where a kill fell is read from what it left, and told on
//! standard error.

#![cfg(test)]

mod acks;
mod backups;
mod first_schema;
mod kills;
mod left;
mod polls;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/process.rs"]
mod process;
mod starts;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/support.rs"]
mod support;
mod terms;
mod upgrades;
