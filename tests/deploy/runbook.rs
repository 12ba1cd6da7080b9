//! The runbook's commands and queries work as they stand there.

use crate::process::PATIENCE;
use crate::shipped::text;
use crate::support::{OPENAI, Settings, Sim, Site, sql};

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

#[test]
fn the_commands_of_the_runbook_and_of_the_alerts_work() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
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
    let mut ours = 0;
    for command in commands {
        let command = command.replace("ACCOUNT", OPENAI);
        if let Some(query) = command.strip_prefix("sqlite3 -readonly /var/lib/keymuster/inventory.db \"") {
            sql(&site.inventory(), query.trim_end_matches('"'));
        } else if let Some(arguments) = command.strip_prefix("keymuster ") {
            ours += 1;
            run(&site, arguments);
        } else {
            let program = command.split(' ').next().unwrap();
            assert!(OF_OTHERS.contains(&program), "{command}");
        }
    }
    assert!(ours > 30);
    daemon.stop().ended(0);
}

fn run(site: &Site, arguments: &str) {
    // The only word with spaces is in quotes.
    let mut words: Vec<&str> = Vec::new();
    for (nth, part) in arguments.split('\'').enumerate() {
        if nth % 2 == 1 { words.push(part) } else { words.extend(part.split_whitespace()) }
    }
    let config = site.config();
    words.extend(["--config", config.to_str().unwrap()]);
    site.start(&words).finish(PATIENCE).ended(0);
}
