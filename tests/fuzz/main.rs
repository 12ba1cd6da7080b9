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

use targets::TARGETS;

#[test]
fn the_corpus_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut replayed = 0;
    for (name, target) in TARGETS {
        let before = replayed;
        for entry in fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("corpus of {name}: {error}")) {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(std::panic::catch_unwind(|| target(&bytes)).is_ok(), "{} breaks the target {name}", path.display());
            replayed += 1;
        }
        assert!(replayed > before + 10, "{name} has hardly any corpus");
    }
    writeln!(std::io::stderr(), "{replayed} inputs replayed").unwrap();
}
