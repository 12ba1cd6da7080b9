//! Replays what a coverage-guided fuzzer found (`tests/fuzz/run`): bytes of strangers, kept because each goes a way through the code
//! that no other goes. A target panics where an invariant is broken.

#![cfg(test)]

#[expect(dead_code, reason = "shared with the tests of outputs, which use more of it")]
#[path = "../outputs/house.rs"]
mod house;
mod targets;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use targets::{TARGETS, Target};

#[test]
fn the_corpus_breaks_nothing() {
    // Each waits for a disk or for sockets most of the time.
    std::thread::scope(|threads| {
        for (name, target) in TARGETS {
            threads.spawn(|| replay(name, *target));
        }
    });
}

fn replay(name: &str, target: Target) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let (began, mut replayed) = (Instant::now(), 0);
    for entry in fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| target(&bytes)).is_ok(), "{} breaks the target {name}", path.display());
        replayed += 1;
    }
    assert!(replayed > 10, "{name} has hardly any corpus");
    writeln!(std::io::stderr(), "{name}: {replayed} inputs in {:.1?}", began.elapsed()).unwrap();
}
