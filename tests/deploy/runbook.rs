//! The runbook's commands and queries work as they stand there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Finished, PATIENCE, Running};
use crate::shipped::text;
use crate::support::{Daemon, OPENAI, Settings, Sim, Site, sql};

/// The lines of all code blocks of a language.
pub fn blocks(language: &str) -> Vec<String> {
    let runbook = text("runbook.md");
    let fence = format!("```{language}\n");
    let after = runbook.split(&fence).skip(1);
    let lines: Vec<String> = after.flat_map(|text| text.split("```").next().unwrap().lines()).map(str::to_owned).collect();
    assert!(lines.len() > 5);
    lines
}

/// Words of other programs, which only their own machines have.
const OF_OTHERS: &[&str] = &["systemctl", "journalctl", "timedatectl", "fuser", "df", "curl", "amtool", "promtool"];

/// A site whose credentials are where the README says, and a daemon that reads them.
struct Setup {
    site: Site,
    /// The folder that systemd makes for the service, and for whatever `systemd-run` starts with the same credentials.
    passed: Option<PathBuf>,
}

impl Setup {
    /// The config names the credentials' files.
    fn of_files(sim: &Sim) -> Self {
        Self { site: Site::new(sim, &Settings::default()), passed: None }
    }

    /// systemd passes the credentials, as the README recommends.
    fn of_systemd(sim: &Sim) -> Self {
        let site = Site::new(sim, &Settings::default());
        let passed = site.pass_by_systemd();
        Self { site, passed: Some(passed) }
    }

    fn start(&self, words: &[&str], with_credentials: bool) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keymuster"));
        command.args(words).args(["--config", self.site.config().to_str().unwrap()]).env_clear();
        command.current_dir(self.site.path("")).env("TMPDIR", self.site.path("tmp"));
        if let Some(passed) = self.passed.as_ref().filter(|_| with_credentials) {
            command.env("CREDENTIALS_DIRECTORY", passed);
        }
        Running::start(command, "none, it is ours")
    }

    fn run(&self, arguments: &str, with_credentials: bool) -> Finished {
        // The only word with spaces is in quotes.
        let mut words: Vec<&str> = Vec::new();
        for (nth, part) in arguments.split('\'').enumerate() {
            if nth % 2 == 1 { words.push(part) } else { words.extend(part.split_whitespace()) }
        }
        self.start(&words, with_credentials).finish(PATIENCE)
    }
}

/// What the runbook shows in its blocks, and what alerts tell to go on with.
fn commands() -> Vec<String> {
    let mut commands: Vec<String> = blocks("sh");
    let rules = text("prometheus/keymuster.rules.yml");
    for description in rules.lines().filter_map(|line| line.trim().strip_prefix("description: ")) {
        if description.contains("dead man's switch") {
            continue;
        }
        let (_, command) = description.rsplit_once(": ").unwrap_or_else(|| panic!("no command to go on with: {description}"));
        let command = command.strip_suffix('"').unwrap().replace("{{ $labels.account }}", "ACCOUNT").replace("\\\"", "\"");
        commands.extend(command.split("; ").map(str::to_owned));
    }
    commands
}

#[test]
fn the_commands_of_the_runbook_and_of_the_alerts_work_in_either_setup() {
    let sim = Sim::small();
    for setup in [Setup::of_files(&sim), Setup::of_systemd(&sim)] {
        let daemon = Daemon::started(setup.start(&["run"], true));
        setup.run(&format!("ctl poll {OPENAI}"), false).ended(0);
        let mut ours = 0;
        for command in commands() {
            let command = command.replace("ACCOUNT", OPENAI);
            if let Some(query) = command.strip_prefix("sqlite3 -readonly /var/lib/keymuster/inventory.db \"") {
                sql(&setup.site.inventory(), query.trim_end_matches('"'));
            } else if let Some(arguments) = command.strip_prefix("keymuster ") {
                ours += 1;
                // What has to be run as *Check it* says, is.
                setup.run(arguments, arguments.starts_with("check")).ended(0);
            } else if let Some(properties) = command.strip_prefix("systemd-run ") {
                let (properties, arguments) = properties.split_once(" keymuster ").unwrap();
                assert_eq!(properties_of_the_unit(), passed_on(properties), "{command}");
                let arguments = arguments.strip_suffix(" --config /etc/keymuster/keymuster.toml").unwrap();
                setup.run(arguments, true).ended(0);
            } else {
                let program = command.split(' ').next().unwrap();
                assert!(OF_OTHERS.contains(&program), "{command}");
            }
        }
        assert!(ours > 30);
        daemon.stop().ended(0);
    }
}

/// The lines of the unit that decide who runs, and with which credentials.
fn properties_of_the_unit() -> BTreeSet<String> {
    let unit = text("systemd/keymuster.service");
    let decide = |line: &&str| ["User=", "LoadCredential", "StateDirectory"].iter().any(|name| line.starts_with(name));
    unit.lines().filter(decide).map(str::to_owned).collect()
}

/// What `systemd-run` is told by `-p`.
fn passed_on(options: &str) -> BTreeSet<String> {
    options.split(" -p ").skip(1).map(str::to_owned).collect()
}

/// Without the credentials that systemd passes `keymuster check` says only that; and a reload does not bring new ones.
#[test]
fn entries_that_need_credentials_say_how_they_come_to_it() {
    let sim = Sim::small();
    let setup = Setup::of_systemd(&sim);
    for arguments in ["check", "check --offline"] {
        let refused = setup.run(arguments, false).ended(78).all();
        assert!(refused.contains("CREDENTIALS_DIRECTORY is not set"), "{refused}");
    }
    let runbook = text("runbook.md");
    let (_, check_it) = runbook.split_once("\n# Check it\n").unwrap();
    assert!(check_it.split("\n# ").next().unwrap().contains("\nsystemd-run "), "{check_it}");
    let mut that_check = 0;
    for entry in runbook.split("\n## ").skip(1) {
        let words = entry.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = entry.lines().next().unwrap();
        assert!(!words.contains("keymuster poll"), "{name}: without credentials, only the daemon can poll");
        if words.contains("keymuster check") {
            that_check += 1;
            assert!(words.contains("[*Check it*](#check-it)"), "{name}");
        }
        if words.contains("credential_file") {
            assert!(words.contains("systemctl restart keymuster") && words.contains("keymuster ctl poll ACCOUNT"), "{name}");
        }
    }
    assert!(that_check > 5);
}
