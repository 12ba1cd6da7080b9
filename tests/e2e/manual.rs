//! What packages ship of the program's own word: the man page and the completions of shells.

use std::fs;
use std::process::Command;

use crate::process::{PATIENCE, Running};

fn told(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymuster"));
    command.args(arguments);
    Running::start(command, "keymuster").finish(PATIENCE).ended(0).stdout
}

/// The words that begin the lines of that part of a help text.
fn listed(help: &str, part: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != part).skip(1).take_while(|line| !line.is_empty());
    let words = lines.filter(|line| line.starts_with("  ") && !line.starts_with("    "));
    words.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).filter(|word| word != "help").collect()
}

/// Every command that can be run, with the long options of its help.
fn commands(path: &[&str]) -> Vec<(String, Vec<String>)> {
    let help = told(&[path, &["--help"]].concat());
    let below = listed(&help, "Commands:");
    if below.is_empty() {
        let first =
            |line: &str| line.trim_start().trim_start_matches(|c: char| c != '-').split([' ', '=']).next().map(str::to_owned);
        let lines = help.lines().filter(|line| line.trim_start().starts_with('-') && line.contains("--"));
        let long = lines.filter_map(|line| line.find("--").and_then(|at| first(&line[at..])));
        return vec![(path.join(" "), long.filter(|option| option != "--help").collect())];
    }
    below.iter().flat_map(|name| commands(&[path, &[name.as_str()]].concat())).collect()
}

#[test]
fn the_page_has_every_command_with_its_options() {
    let page = told(&["man"]);
    assert!(page.contains(".TH keymuster 1") && page.contains(&format!("keymuster {}", env!("CARGO_PKG_VERSION"))), "{page}");
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES", "\"SEE ALSO\""] {
        assert_eq!(page.lines().filter(|line| *line == format!(".SH {section}")).count(), 1, "{section}");
    }
    let plain = ["\\fB", "\\fI", "\\fR"].iter().fold(page.replace("\\-", "-"), |page, font| page.replace(font, ""));
    let commands = commands(&[]);
    assert!(commands.iter().any(|(path, options)| path == "ctl ack" && options.contains(&"--why".to_owned())), "{commands:?}");
    for (path, options) in commands {
        let begins = format!(".SS \"keymuster {path}");
        let part = plain
            .split(".SS ")
            .map(|part| format!(".SS {part}"))
            .find(|part| part.strip_prefix(&begins).is_some_and(|rest| rest.starts_with(['"', ' '])));
        let part = part.unwrap_or_else(|| panic!("no part of keymuster {path}:\n{plain}"));
        for option in options {
            assert!(part.lines().any(|line| line.split([' ', ',']).any(|word| word == option)), "{option}:\n{part}");
        }
    }
}

#[test]
fn shells_complete_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("keymuster");
    fs::write(&script, told(&["completions", "bash"])).unwrap();
    let completed = |words: &[&str]| {
        let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keymuster keymuster "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}""#;
        let mut bash = Command::new("bash");
        bash.args(["-c", ask, "bash", script.to_str().unwrap()]).args(words);
        let told = Running::start(bash, "bash").finish(PATIENCE).ended(0).stdout;
        told.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed(&["keymuster", "db", "b"]), ["backup"]);
    assert_eq!(completed(&["keymuster", "keys", "--cond"]), ["--condition"]);
    assert_eq!(completed(&["keymuster", "keys", "--format", ""]), ["table", "json", "csv"]);
    assert!(told(&["completions", "zsh"]).starts_with("#compdef keymuster"));
    assert!(told(&["completions", "fish"]).contains("complete -c keymuster"));
}
