//! The promises of `SECURITY.md` and the tests that hold them: each test is there, and the table says what `tests/promises.toml` says.
//! With `KEYMUSTER_WRITE=1` the table is written anew.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promises {
    promise: Vec<Promise>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    /// A letter for the part of the program, and a number.
    id: String,
    what: String,
    text: String,
    /// `file::name`.
    tests: Vec<String>,
}

const BEGINS: &str = "<!-- written by tests/promises.rs -->\n";

const PARTS: &[(char, &str)] = &[
    ('S', "Secrets"),
    ('N', "Network"),
    ('D', "What comes in"),
    ('O', "What goes out"),
    ('H', "Listener"),
    ('B', "Database"),
    ('P', "Process"),
    ('K', "Disks"),
    ('C', "Supply"),
];

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn promises() -> Vec<Promise> {
    let text = fs::read_to_string(file("tests/promises.toml")).unwrap();
    toml::from_str::<Promises>(&text).unwrap().promise
}

/// A test of Rust with its attribute somewhere before it, or a function of a script.
fn is_there(test: &str) -> Result<(), String> {
    let (path, name) = test.split_once("::").ok_or_else(|| format!("{test} is no file::name"))?;
    let text = fs::read_to_string(file(path)).map_err(|error| format!("{test}: {error}"))?;
    if !path.ends_with(".rs") {
        let begins = [format!("{name}() {{"), format!("def {name}(")];
        let is_function = text.lines().any(|line| begins.iter().any(|begins| line.starts_with(begins.as_str())));
        return is_function.then_some(()).ok_or_else(|| format!("{test}: no such function"));
    }
    let (before, _) = text.split_once(&format!("fn {name}(")).ok_or_else(|| format!("{test}: no such test"))?;
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    let is_test = attributes.contains("test]") || attributes.contains("test(") || text.contains("proptest! {");
    is_test.then_some(()).ok_or_else(|| format!("{test} is no test"))
}

fn table(promises: &[Promise]) -> String {
    let mut table = String::new();
    for (letter, part) in PARTS {
        let of_part: Vec<&Promise> = promises.iter().filter(|promise| promise.id.starts_with(*letter)).collect();
        assert!(!of_part.is_empty(), "nothing is promised of {part}");
        write!(table, "\n### {part}\n\n| | what | promise | held by |\n| --- | --- | --- | --- |\n").unwrap();
        for Promise { id, what, text, tests } in of_part {
            let links: Vec<String> = tests
                .iter()
                .map(|test| {
                    let (path, name) = test.split_once("::").unwrap();
                    format!("[`{name}`]({path})")
                })
                .collect();
            writeln!(table, "| {id} | {what} | {text} | {} |", links.join(", ")).unwrap();
        }
    }
    table
}

#[test]
fn each_promise_is_held_by_a_test_that_is_there() {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for promise in promises() {
        if !ids.insert(promise.id.clone()) {
            wrong.push(format!("{} is there twice", promise.id));
        }
        if promise.tests.is_empty() {
            wrong.push(format!("{} is held by nothing", promise.id));
        }
        wrong
            .extend(promise.tests.iter().filter_map(|test| is_there(test).err()).map(|error| format!("{}: {error}", promise.id)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_that_of_the_promises() {
    let path = file("SECURITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, table_there) = text.split_once(BEGINS).expect("SECURITY.md says where the table begins");
    let table = table(&promises());
    if std::env::var_os("KEYMUSTER_WRITE").is_some() {
        fs::write(&path, format!("{before}{BEGINS}{table}")).unwrap();
    } else {
        assert!(
            table_there == table,
            "the table of SECURITY.md is another; write it with KEYMUSTER_WRITE=1 cargo test --test promises"
        );
    }
}
