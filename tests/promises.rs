//! The promises and failures of `SECURITY.md` and the tests that hold them: each test is there, and the tables say what
//! `tests/promises.toml` and `tests/faults.toml` say. With `KEYMUSTER_WRITE=1` the tables are written anew.

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    fault: Vec<Fault>,
}

/// A failure, and the tests that show what is done then: of each provider where its answers are meant, else of all at once. No list
/// where it cannot happen, an empty one where nothing shows it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    id: String,
    what: String,
    text: String,
    openai: Option<Vec<String>>,
    braintrust: Option<Vec<String>>,
    den: Option<Vec<String>>,
    all: Option<Vec<String>>,
}

impl Fault {
    fn lists(&self) -> [&Option<Vec<String>>; 4] {
        [&self.openai, &self.braintrust, &self.den, &self.all]
    }
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

fn faults() -> Vec<Fault> {
    let text = fs::read_to_string(file("tests/faults.toml")).unwrap();
    toml::from_str::<Faults>(&text).unwrap().fault
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

/// How many tests there are, and the first of them.
fn cell(tests: &Option<Vec<String>>) -> String {
    match tests.as_deref() {
        None => String::new(),
        Some([]) => "**none**".to_owned(),
        Some([first, ..]) => {
            let (path, name) = first.split_once("::").unwrap();
            format!("[{}]({path} \"{name}\")", tests.iter().flatten().count())
        }
    }
}

fn table_of_faults(faults: &[Fault]) -> String {
    let mut table = "\n### Failures\n\nWhat is done when something fails, and how many tests show it, of each provider or of the whole.\n\n\
                     | | what fails | what is done then | OpenAI | Braintrust | Den | whole |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for fault in faults {
        let cells: Vec<String> = fault.lists().into_iter().map(cell).collect();
        writeln!(table, "| {} | {} | {} | {} |", fault.id, fault.what, fault.text, cells.join(" | ")).unwrap();
    }
    let shown = |list: fn(&Fault) -> &Option<Vec<String>>| {
        let can_happen: Vec<&Vec<String>> = faults.iter().filter_map(|fault| list(fault).as_ref()).collect();
        format!("{} of {}", can_happen.iter().filter(|tests| !tests.is_empty()).count(), can_happen.len())
    };
    let (openai, braintrust) = (shown(|fault| &fault.openai), shown(|fault| &fault.braintrust));
    let (den, all) = (shown(|fault| &fault.den), shown(|fault| &fault.all));
    writeln!(table, "\nShown with OpenAI: {openai} that can happen there; with Braintrust {braintrust}, with Den {den}; of the machine and of people {all}; some of them in part, as\n`tests/faults.toml` says.")
        .unwrap();
    table
}

#[test]
fn each_promise_and_failure_is_held_by_tests_that_are_there() {
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
    for fault in faults() {
        let tests = fault.lists().into_iter().flatten().flatten();
        wrong.extend(tests.filter_map(|test| is_there(test).err()).map(|error| format!("{}: {error}", fault.id)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_are_those_of_the_promises_and_failures() {
    let path = file("SECURITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, table_there) = text.split_once(BEGINS).expect("SECURITY.md says where the table begins");
    let table = table(&promises()) + &table_of_faults(&faults());
    if std::env::var_os("KEYMUSTER_WRITE").is_some() {
        fs::write(&path, format!("{before}{BEGINS}{table}")).unwrap();
    } else {
        assert!(
            table_there == table,
            "the tables of SECURITY.md are others; write them with KEYMUSTER_WRITE=1 cargo test --test promises"
        );
    }
}
