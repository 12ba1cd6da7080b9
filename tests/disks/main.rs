//! Disks that fail: a call that writes is the last one, finds no room or fails; a file system is full or may not be written; pages of
//! the file are not what was written. What was told to be stored is there, and where it cannot be, that is said; nothing is made up,
//! and nothing is made anew in the place of what is damaged.

#![cfg(test)]

mod calls;
mod daemon;
mod damaged;
#[path = "../crash/first_schema.rs"]
mod first_schema;
#[expect(dead_code, reason = "shared with the tests of crashes, which use more of it")]
#[path = "../crash/kills.rs"]
mod kills;
#[expect(dead_code, reason = "shared with the tests of crashes, which use more of it")]
#[path = "../crash/left.rs"]
mod left;
mod power;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/process.rs"]
mod process;
mod programs;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use more of it")]
#[path = "../e2e/support.rs"]
mod support;
