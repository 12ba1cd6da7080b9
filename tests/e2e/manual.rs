//! What packages ship of the program's own word: the man page and the completions of shells.

use std::fs;
use std::process::Command;

use keymuster::domain::Condition;
use keymuster::providers::PROVIDERS;

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
    assert_eq!(completed(&["keymuster", "keys", "--format", ""]), ["table", "json", "csv", "markdown"]);
    // Closed lists are the program's own.
    let conditions: Vec<&str> = Condition::ALL.iter().map(|condition| condition.as_str()).collect();
    assert_eq!(completed(&["keymuster", "keys", "--condition", ""]), conditions);
    assert_eq!(completed(&["keymuster", "keys", "--presence", "m"]), ["missing"]);
    assert_eq!(completed(&["keymuster", "keys", "--kind", "ad"]), ["admin"]);
    let providers: Vec<&str> = PROVIDERS.iter().map(|provider| provider.spec().id).collect();
    assert_eq!(completed(&["keymuster", "keys", "--provider", ""]), providers);
    assert_eq!(completed(&["keymuster", "db", "export", "--view", "sc"]), ["scopes"]);
    assert!(told(&["completions", "zsh"]).starts_with("#compdef keymuster"));
    assert!(told(&["completions", "fish"]).contains("complete -c keymuster"));
}

#[test]
fn help_lists_the_words_of_closed_lists_and_a_wrong_one_is_told_the_nearest() {
    let help = told(&["keys", "--help"]);
    for word in
        Condition::ALL.iter().map(|condition| condition.as_str()).chain(PROVIDERS.iter().map(|provider| provider.spec().id))
    {
        assert!(help.contains(word), "{word}: {help}");
    }
    for (option, wrong, meant) in
        [("--condition", "expird", "expired"), ("--provider", "opena", "openai"), ("--presence", "missin", "missing")]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keymuster"));
        command.args(["keys", option, wrong]);
        let refused = Running::start(command, "keymuster").finish(PATIENCE).ended(64).all();
        assert!(refused.contains(&format!("similar value exists: '{meant}'")), "{refused}");
    }
}

/// What a script asks by, and what a person's word does, stand where they are looked for.
#[test]
fn help_says_how_commands_end_and_what_an_ack_covers() {
    let help = |path: &[&str]| told(&[path, &["--help"]].concat()).split_whitespace().collect::<Vec<_>>().join(" ");
    for (command, codes) in
        [("run", &["0", "78", "65", "1"][..]), ("poll", &["0", "69", "64", "78", "65"]), ("check", &["0", "78", "65", "69"])]
    {
        let help = help(&[command]);
        let (_, codes_of) = help.split_once("Exit code ").unwrap_or_else(|| panic!("{help}"));
        for code in codes {
            assert!(codes_of.contains(&format!("{code} if ")), "{code}: {help}");
        }
    }
    let ack = help(&["ctl", "ack"]);
    for covered in ["Held keys", "list of people or projects", "Another organisation", "closed or vanished", "Exit code 64"] {
        assert!(ack.contains(covered), "{covered}: {ack}");
    }
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("\n## Exit codes\n").unwrap();
    let rows = table.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let rows =
        rows.filter(|row| !row.starts_with("---")).map(|row| row.trim_end_matches(" |").replace(" | ", " ").replace('`', ""));
    let whole = told(&["--help"]);
    let (_, listed) = whole.split_once("Exit codes:\n").unwrap();
    let listed: Vec<String> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows.collect::<Vec<_>>(), listed);
}
