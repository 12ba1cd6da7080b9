//! What lists of keys say of what is not known: each of the three moments by its own word wherever a key is shown, a key that is
//! held as held, and below the rows how old everything is and which lists cannot be seen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::process::get;
use crate::support::{Daemon, OPENAI, Settings, Sim, Site, text};

/// For the last use and for the expiry of three keys: the state as it is stored, and how it is told on a terminal.
const MOMENTS: [[(&str, &str); 2]; 3] = [
    [("at", "2026-09-21"), ("never", "never")],
    [("never", "never"), ("not_reported", "not reported")],
    [("not_reported", "not reported"), ("at", "2027-11-03")],
];
const USED: &str = "2026-09-21T14:13:20Z";
const EXPIRES: &str = "2027-11-03T04:00:00Z";

/// Three keys of one list with those moments, as no provider needs to tell them.
fn three_moments(site: &Site) -> Vec<String> {
    let rows = site.sql(&format!("SELECT key_id FROM keys WHERE account = '{OPENAI}' AND kind = 'project' ORDER BY 1 LIMIT 3"));
    let ids: Vec<String> = rows.iter().map(|row| text(row, "key_id")).collect();
    for (id, [(used, _), (expires, _)]) in ids.iter().zip(MOMENTS) {
        let time = |state: &str, at: &str| if state == "at" { format!("unixepoch('{at}')") } else { "NULL".to_owned() };
        site.meddle(&format!(
            "UPDATE last_use SET used_state = '{used}', used_at = {}, stale_at = NULL, stale_basis = NULL
              WHERE key_id = (SELECT id FROM key WHERE remote_id = '{id}');
             UPDATE key SET expires_state = '{expires}', expires_at = {} WHERE remote_id = '{id}';",
            time(used, USED),
            time(expires, EXPIRES),
        ));
    }
    ids
}

/// The cells of the only line that names the key, by what stands between them.
#[track_caller]
fn cells(table: &str, id: &str, between: &str) -> Vec<String> {
    let mut lines = table.lines().filter(|line| line.contains(id));
    let line = lines.next().unwrap_or_else(|| panic!("no line with {id}:\n{table}"));
    assert!(lines.next().is_none(), "{id} stands there twice:\n{table}");
    line.split(between).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
}

/// What stands behind `from`, up to `to`.
#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}:\n{text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} behind {from}")).0
}

fn page(daemon: &Daemon, path: &str) -> String {
    let answer = get(daemon.address, path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[test]
fn each_moment_is_told_by_its_own_word_wherever_a_key_is_shown() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let ids = three_moments(&site);
    let [table, markdown, csv] =
        ["table", "markdown", "csv"].map(|format| site.run("keys", &["--format", format]).ended(0).stdout);
    let json: Vec<Value> = serde_json::from_str(&site.run("keys", &["--format", "json"]).ended(0).stdout).unwrap();
    let daemon = site.daemon();
    let files = [csv, page(&daemon, "/keys.csv")];
    let api: Value = serde_json::from_str(&page(&daemon, "/api/v1/keys?limit=1000")).unwrap();
    let rows = [&json, api["items"].as_array().unwrap()];

    for (id, [(used, used_word), (expires, expires_word)]) in ids.iter().zip(MOMENTS) {
        for cells in [cells(&table, id, "  "), cells(&markdown, id, "|")] {
            assert_eq!(cells[5..8], [used_word, expires_word, "present"], "{cells:?}");
        }
        let explained = site.run("explain", &[id]).ended(0).stdout;
        for (what, word) in [("last used", used_word), ("expires", expires_word)] {
            let line = explained.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
            assert!(line.trim_start()[what.len()..].trim_start().starts_with(word), "{line}");
        }
        // On pages an instant is told relative to now; which one it is stands in the element.
        let listed = page(&daemon, &format!("/keys?q={id}"));
        let of_row = between(&listed, &format!("<small class=\"id\">{id}</small>"), "</tr>");
        let of_key = page(&daemon, &format!("/keys/{OPENAI}/{id}"));
        for (what, state, at) in [("Last used", used, USED), ("Expires", expires, EXPIRES)] {
            let shown = match state {
                "at" => format!("<time datetime=\"{at}\""),
                other => format!("<em>{}</em>", other.replace('_', " ")),
            };
            let cell = between(of_row, &format!("data-label=\"{what}\" class=\"time\"><span>"), "</span>");
            assert!(cell.starts_with(&shown), "{what}: {cell}");
            let fact = between(&of_key, &format!("<th scope=\"row\">{what}</th>"), "</td>");
            assert!(fact.contains(&shown), "{what}: {fact}");
        }
        let told = |state: &str, at: &str| if state == "at" { at.to_owned() } else { String::new() };
        let expected = [(used, told(used, USED)), (expires, told(expires, EXPIRES))];
        for file in &files {
            let mut reader = csv::Reader::from_reader(file.as_bytes());
            let names = reader.headers().unwrap().clone();
            let column = |name: &str| names.iter().position(|column| column == name).unwrap();
            let row = reader.records().map(Result::unwrap).find(|row| row[column("key_id")] == **id).unwrap();
            for (what, (state, at)) in ["last_used", "expires"].iter().zip(&expected) {
                let columns = [format!("{what}_at"), format!("{what}_state")].map(|name| row[column(&name)].to_owned());
                assert_eq!(columns, [at.as_str(), *state], "{what}");
            }
        }
        for rows in rows {
            let row = rows.iter().find(|row| row["key_id"] == **id).unwrap();
            for (what, (state, at)) in ["last_used", "expires"].iter().zip(&expected) {
                assert_eq!(row[format!("{what}_state")], *state, "{what}");
                let at = if at.is_empty() { Value::Null } else { at.as_str().into() };
                assert_eq!(row[format!("{what}_at")], at, "{what}");
            }
        }
    }
}

#[test]
fn a_key_that_only_a_hold_keeps_is_told_to_be_held() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    sim.faults("empty_list on /v1/api-keys");
    site.poll(&[]).ended(69);
    let held = site.sql("SELECT account, key_id, held_since FROM keys WHERE held_since IS NOT NULL ORDER BY key_id");
    let (account, id, since) = (text(&held[0], "account"), text(&held[0], "key_id"), text(&held[0], "held_since"));
    for (format, between) in [("table", "  "), ("markdown", "|")] {
        let shown = site.run("keys", &["--format", format]).ended(0).stdout;
        assert_eq!(shown.matches("present (held)").count(), held.len(), "{shown}");
        assert_eq!(cells(&shown, &id, between)[7], "present (held)", "{shown}");
    }
    let explained = site.run("explain", &[&id]).ended(0).stdout;
    assert!(explained.contains(&format!("; held for a person since {since}")), "{explained}");
    let daemon = site.daemon();
    let row = page(&daemon, "/keys?held=yes");
    assert!(between(&row, &format!("<small class=\"id\">{id}</small>"), "</tr>").contains("<i class=\"warn\">held</i>"), "{row}");
    let of_key = page(&daemon, &format!("/keys/{account}/{id}"));
    assert!(of_key.contains("<i class=\"warn\">held</i>") && of_key.contains(&since), "{of_key}");
}

/// The commands that list, each with arguments that make it list something.
fn lists(key: &str) -> [Vec<&str>; 6] {
    [vec!["keys"], vec!["findings"], vec!["owners"], vec!["changes"], vec!["explain", key], vec!["policy", "test"]]
}

/// What one of them says in that format, with the lines on standard error.
#[track_caller]
fn said(site: &Site, command: &[&str], more: &[&str]) -> (String, Vec<String>) {
    let config = site.config();
    let arguments = [command, &["--config", config.to_str().unwrap()], more].concat();
    let ended = site.start(&arguments).finish(crate::process::PATIENCE).ended(0);
    (ended.stdout, ended.stderr.lines().map(str::to_owned).collect())
}

#[test]
fn every_list_says_how_old_it_is_and_which_lists_cannot_be_seen() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    sim.faults("unauthorized:openai");
    site.poll(&[]).ended(69);
    let (_, told) = said(&site, &["findings"], &[]);
    assert_eq!(told[0], "warning: Not everything was read yet: numbers count only what was seen so far.");
    assert!(told[1].contains("cannot be seen whole: all keys of the account (acme-openai)"), "{told:?}");

    sim.faults("");
    site.poll(&[]).ended(0);
    let key = text(&site.sql(&format!("SELECT key_id FROM keys WHERE account = '{OPENAI}' LIMIT 1"))[0], "key_id");
    let since = || site.value("SELECT min(last_complete_poll_at) FROM accounts").as_str().unwrap().to_owned();
    let closed = site.sql("SELECT scope_name FROM scopes WHERE state = 'closed'");
    let archived = format!(
        "warning: 1 list cannot be seen whole: keys of project {} ({OPENAI}); 'keymuster db export --view scopes' tells why",
        text(&closed[0], "scope_name")
    );
    for command in lists(&key) {
        let (_, told) = said(&site, &command, &[]);
        let fresh = format!("note: Every open list was read completely, the oldest of them at {}, ", since());
        assert!(told[0].starts_with(&fresh), "{command:?}: {told:?}");
        assert_eq!(told[1..], [archived.as_str()], "{command:?}");
    }

    // One list that fails now, and an account that was not read for ten days.
    let failing = text(
        &site.sql("SELECT scope_id, scope_name FROM scopes WHERE kind = 'project' AND state = 'complete' LIMIT 1")[0],
        "scope_id",
    );
    sim.faults(&format!("http_500 on /organization/projects/{failing}/api_keys"));
    site.poll(&[]).ended(69);
    let failing = text(&site.sql("SELECT scope_name FROM scopes WHERE state = 'incomplete'")[0], "scope_name");
    site.meddle(&format!(
        "UPDATE scope SET complete_at = complete_at - 864000
          WHERE organization_id = (SELECT organization_id FROM account WHERE name = '{OPENAI}')"
    ));
    let old = format!(
        "warning: This is older than the schedule allows: every open list was read completely, the oldest of them at {}, 10 days ago",
        since()
    );
    for command in lists(&key) {
        for format in ["table", "csv", "json", "markdown"] {
            let (stdout, told) = said(&site, &command, &["--format", format]);
            assert_eq!(told.len(), 2, "{command:?}: {told:?}");
            assert_eq!(told[0], old, "{command:?}");
            let unseen = told[1].strip_prefix("warning: 2 lists cannot be seen whole: ").unwrap_or_else(|| panic!("{told:?}"));
            for name in [&failing, &text(&closed[0], "scope_name")] {
                assert!(unseen.contains(&format!("keys of project {name} ({OPENAI})")), "{command:?}: {unseen}");
            }
            // What programs read is what it was.
            match format {
                "json" => drop(serde_json::from_str::<Value>(&stdout).unwrap()),
                "csv" => assert!(csv::Reader::from_reader(stdout.as_bytes()).records().all(|row| row.is_ok()), "{stdout}"),
                _ => assert!(!stdout.contains("cannot be seen whole"), "{stdout}"),
            }
        }
    }
    // Of an account that is asked for alone it is that account's.
    for command in [&["keys"][..], &["findings"], &["owners"], &["changes"], &["policy", "test"]] {
        let (_, told) = said(&site, command, &["--account", "acme-den"]);
        assert!(told.len() == 1 && told[0].starts_with("note: Every open list"), "{command:?}: {told:?}");
    }
}

/// What has a meaning to SQL, to its patterns, to shells and to the reading of arguments.
const TEXTS: &[&str] = &[
    "'",
    "\"",
    "%",
    "_",
    "%%",
    "a%",
    "_a_",
    "100%_'\"--",
    "a_b",
    "\\",
    "*",
    "[a-z]*",
    "' OR '1'='1",
    "'; DROP TABLE key; --",
    "' UNION SELECT key FROM tag_key --",
    ":text",
    "?1",
    "$(id)",
    "`id`",
    "-1",
    "--format",
    "-h",
    "=1+1",
    "../../etc/passwd",
    "key_",
    "ci",
    "CI",
    "é",
    "\u{202e}",
    "",
    " ",
];

#[test]
fn a_text_that_is_searched_for_is_found_letter_by_letter() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    for (row, name) in ["100%_'\"--", "100xx'\"--", "a_b", "axb", "a%b", "\\", "it's", "\"", "[a-z]*"].iter().enumerate() {
        let quoted = name.replace('\'', "''");
        site.meddle(&format!(
            "UPDATE key SET name = '{quoted}' WHERE id = (SELECT id FROM key ORDER BY id LIMIT 1 OFFSET {row})"
        ));
    }
    let listed = |more: &[&str]| -> Vec<Value> {
        serde_json::from_str(&site.run("keys", &[&["--format", "json"], more].concat()).ended(0).stdout).unwrap()
    };
    let ids =
        |rows: &[Value]| -> BTreeSet<String> { rows.iter().map(|row| row["key_id"].as_str().unwrap().to_owned()).collect() };
    let all = listed(&[]);
    let holds = |columns: &[&str], is_it: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        let of = |row: &&Value| {
            columns.iter().filter_map(|column| row[column].as_str()).any(|value| is_it(&value.to_ascii_lowercase()))
        };
        ids(&all.iter().filter(of).cloned().collect::<Vec<_>>())
    };
    for text in TEXTS {
        let folded = text.to_ascii_lowercase();
        let searched = ["key_id", "name", "hint", "scope_name", "owner_id", "owner_name", "owner_email"];
        assert_eq!(ids(&listed(&["--", text])), holds(&searched, &|value| value.contains(&folded)), "{text:?}");
        let of_owner = listed(&[&format!("--owner={text}")]);
        assert_eq!(ids(&of_owner), holds(&searched[4..], &|value| value == folded), "owner {text:?}");
        assert!(listed(&[&format!("--team={text}")]).is_empty(), "team {text:?}");
        let refused = site.run("keys", &[&format!("--account={text}")]).ended(64);
        assert!(refused.stderr.contains("no account") && !refused.all().contains("SQL"), "{}", refused.all());
        for option in
            ["--created", "--last-used", "--expires", "--provider", "--kind", "--condition", "--presence", "--as-of", "--format"]
        {
            let refused = site.run("keys", &[&format!("{option}={text}")]).ended(64);
            assert!(
                !refused.stderr.contains("panicked") && !refused.stderr.contains("syntax error"),
                "{option} {text:?}: {}",
                refused.stderr
            );
        }
        let explained = site.run("explain", &["--", text]);
        assert!(matches!(explained.code, Some(0 | 64)), "{text:?}: {}", explained.all());
    }
}
