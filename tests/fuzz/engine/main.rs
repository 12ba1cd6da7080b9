//! One target of `tests/fuzz` under libFuzzer: the one that `KEYMUSTER_FUZZ` names.

#![no_main]

#[expect(dead_code, reason = "shared with the tests of outputs, which use more of it")]
#[path = "../../outputs/house.rs"]
mod house;
#[path = "../targets/mod.rs"]
mod targets;

use std::sync::LazyLock;

use targets::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let named = std::env::var("KEYMUSTER_FUZZ").unwrap_or_default();
    let (_, target) = TARGETS.iter().find(|(name, _)| *name == named).expect("KEYMUSTER_FUZZ names a target");
    *target
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
