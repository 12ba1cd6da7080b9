//! Each file in `invalid` is refused with exactly the text beside it, and no refusal repeats a value.
//!
//! `KEYMUSTER_BLESS=1 cargo test --test config` writes the texts anew, to be read before they are kept. A first line
//! `# environment: NAME=VALUE` sets a variable.

use std::path::{Path, PathBuf};

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/invalid")
}

fn refusal(name: &str, text: &str) -> String {
    let environment = text.lines().map_while(|line| line.strip_prefix("# environment: ")).map(|set| {
        let (name, value) = set.split_once('=').unwrap_or_else(|| panic!("{set} sets nothing"));
        (name.to_owned(), value.to_owned())
    });
    match Config::parse(Path::new(&format!("{name}.toml")), text, environment, PROVIDERS) {
        Ok(_) => panic!("{name} is accepted"),
        Err(problems) => format!("{problems}\n"),
    }
}

#[test]
fn refused_with_the_expected_text() {
    let bless = std::env::vars().any(|(name, _)| name == "KEYMUSTER_BLESS");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        cases += 1;
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let refusal = refusal(&name, &text);
        assert!(!refusal.to_lowercase().contains("canary"), "{name} repeats a value: {refusal}");
        let expected = path.with_extension("expect.txt");
        if bless {
            std::fs::write(&expected, &refusal).unwrap();
        }
        assert_eq!(refusal, std::fs::read_to_string(&expected).unwrap(), "{name}");
    }
    assert!(cases >= 20, "only {cases} cases were found");
}

#[test]
fn every_problem_has_a_place_and_a_remedy() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "txt") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let (place, rest) = line.split_once(": ").unwrap();
                let at_line = place.rsplit_once(':').is_some_and(|(_, line)| line.parse::<usize>().is_ok());
                assert!(at_line || place.starts_with("environment variable "), "{line}");
                assert!(rest.contains("; "), "{line}");
            }
        }
    }
}
