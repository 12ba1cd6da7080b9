//! What people see on a terminal: the program on a pseudo-terminal of a given width, by `script`.

use std::process::Command;

use keymuster::sim::Size;

use crate::process::{Finished, PATIENCE, Running};
use crate::support::{OPENAI, Settings, Sim, Site, text};

/// What a line that is written over begins with.
const OVER: &str = "\r\u{1b}[K";

/// Runs the program on a terminal that many columns wide; `environment` are further variables.
#[track_caller]
pub fn on_terminal(site: &Site, columns: u16, environment: &str, arguments: &[&str]) -> Finished {
    let config = site.config();
    let typed = format!(
        "stty cols {columns} rows 40; exec env -i TMPDIR={} {environment} {} {} --config {}",
        site.path("tmp").display(),
        env!("CARGO_BIN_EXE_keymuster"),
        arguments.join(" "),
        config.display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).env("SHELL", "/bin/sh");
    Running::start(script, "bsdutils").finish(PATIENCE)
}

/// One whose lists of project keys take twenty seconds to read, and more: six at once, then one in ten seconds.
fn unhurried(sim: &Sim) -> Site {
    let site = Site::new(sim, &Settings::default());
    site.edit("pace = 6000", "pace = 6");
    site
}

fn seven_projects() -> Sim {
    Sim::of(Size { people: 6, projects: 6, archived_projects: 0, project_keys: 20, admin_keys: 3, ..Size::members(3, 1) })
}

#[test]
fn a_poll_shows_one_line_that_is_written_over_and_leaves_no_trace() {
    let sim = seven_projects();
    let site = unhurried(&sim);
    let shown = on_terminal(&site, 50, "", &["poll", "--account", OPENAI]).ended(0).stdout;
    let (progress, report) = shown.rsplit_once(OVER).unwrap_or_else(|| panic!("no line was written over: {shown:?}"));
    let lines: Vec<&str> = progress.split(OVER).skip(1).collect();
    assert!(lines.iter().all(|line| line.starts_with("acme-openai: ") && !line.contains('\n')), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() < 50), "it would wrap: {lines:?}");
    assert!(lines.iter().any(|line| line.contains(" lists, ") && line.contains(" requests, waiting ")), "{lines:?}");
    assert!(report.contains("acme-openai (openai): ") && !report.contains("waiting"), "{report}");
}

#[test]
fn elsewhere_a_poll_that_takes_long_tells_so_in_lines() {
    let sim = seven_projects();
    let site = unhurried(&sim);
    let polled = site.poll(&["--account", OPENAI]).ended(0);
    assert!(!polled.stderr.contains(['\r', '\u{1b}']), "{:?}", polled.stderr);
    let mut lines = polled.stderr.lines();
    assert!(
        lines.next().is_some_and(|line| line.starts_with("acme-openai: ") && line.contains(" requests")),
        "{}",
        polled.stderr
    );
    assert!(polled.stdout.starts_with("acme-openai (openai): "), "{}", polled.stdout);
}

#[test]
fn what_was_mistyped_changes_nothing_on_a_terminal() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    for typed in ["keys \"$(printf -- '--\\033[2Jx')\"", "poll --account \"$(printf '\\033[2Jx')\"", "\"$(printf '\\033[2Jx')\""]
    {
        let shown = on_terminal(&site, 80, "TERM=xterm", &[typed]).ended(64).stdout;
        assert!(!without_colours(&shown).contains(|c: char| c.is_control() && c != '\n'), "{typed}: {shown:?}");
        assert!(!shown.contains("\u{1b}[2J"), "{typed}: {shown:?}");
    }
}

#[test]
fn tables_fit_the_terminal_and_ids_stay_whole() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: "[policy]\nmax_age = \"10d\"", ..Settings::default() });
    site.poll(&[]).ended(0);
    let ids: Vec<String> =
        site.sql("SELECT key_id FROM keys WHERE conditions <> ''").iter().map(|row| text(row, "key_id")).collect();
    assert!(ids.len() > 3);
    for environment in ["TERM=xterm", "TERM=xterm NO_COLOR=1"] {
        for columns in [60, 80, 120, 200] {
            let shown = on_terminal(&site, columns, environment, &["findings"]).ended(0).stdout;
            let escapes = shown.matches('\u{1b}').count();
            assert_eq!(escapes > 0, !environment.contains("NO_COLOR"), "{environment}: {shown:?}");
            let plain = without_colours(&shown);
            for id in &ids {
                assert!(plain.contains(id), "{id} is broken at {columns} columns:\n{plain}");
            }
            // A name of one endless word is broken by the terminal, and so is what is no table.
            let mut table = plain.lines().filter(|line| !line.starts_with("warning: ") && !line.starts_with("note: "));
            let long = table.find(|line| line.chars().count() > columns.into() && line.split_whitespace().count() > 2);
            assert_eq!(long, None, "at {columns} columns");
            let below_each_other = plain.lines().filter(|line| line.starts_with("KEY ")).count();
            match columns {
                60 => assert_eq!(below_each_other, ids.len(), "{plain}"),
                200 => assert!(below_each_other == 0 && plain.lines().next().unwrap().contains("BECAUSE"), "{plain}"),
                _ => {}
            }
        }
    }
}

/// Without sequences that set colours.
pub fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest)).replace('\r', "")
}
