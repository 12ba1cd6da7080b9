//! The house keeps its directions: which room may know which, and which of them touch the outside world.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each room, the rooms that it may name. Whoever adds an arrow here says why in the commit.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("policy", &["domain"]),
    ("providers", &["domain"]),
    ("walk", &["domain", "providers"]),
    ("remote", &["clock", "domain", "providers", "walk"]),
    ("inventory", &["domain", "policy", "walk"]),
    ("config", &["domain", "policy", "providers", "remote"]),
    ("sync", &["clock", "config", "domain", "inventory", "policy", "providers", "remote", "walk"]),
    ("control", &["domain", "sync"]),
    ("views", &["clock", "config", "domain", "inventory", "policy", "providers"]),
    ("metrics", &["clock", "config", "domain", "inventory", "providers", "remote", "sync", "views"]),
    ("web", &["clock", "config", "domain", "inventory", "metrics", "views"]),
    ("webhook", &["clock", "domain", "inventory", "metrics", "remote", "views"]),
    ("sim", &["clock", "domain"]),
    (
        "cli",
        &[
            "clock",
            "config",
            "control",
            "domain",
            "inventory",
            "metrics",
            "policy",
            "providers",
            "remote",
            "sim",
            "sync",
            "views",
            "walk",
            "web",
            "webhook",
        ],
    ),
];

/// Words that only one room may use, because it alone touches that part of the world.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("rusqlite::", &["inventory"]),
    ("reqwest::", &["remote"]),
    ("tokio_cron_scheduler::", &["sync", "cli"]),
    ("axum::", &["web", "sim"]),
    ("clap::", &["cli"]),
    ("SystemTime", &["clock"]),
    ("std::env::", &["cli"]),
];

/// Words that no room may use, because with them what is encrypted is no longer between us and the provider.
const NOWHERE: &[&str] =
    &["danger_accept_invalid", ".dangerous()", "ServerCertVerifier", "set_certificate_verifier", "KeyLog", "key_log"];

/// A file longer than this has lost its one job.
const LONGEST: usize = 500;

struct Source {
    path: PathBuf,
    room: String,
    /// Without comments and without test modules.
    code: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
                let room = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let is_test = inside.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
                    || inside.to_string_lossy().ends_with("_tests.rs");
                let code = if is_test { String::new() } else { code_of(&text) };
                found.push(Source { path: inside.to_owned(), room, code, lines: text.lines().count() });
            }
        }
    }
    assert!(found.len() > 50, "the sources are found");
    found
}

/// Drops comments, and everything from the test module on, which is the last thing in a file.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_name_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_NAME.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources() {
        if matches!(source.room.as_str(), "lib" | "main") {
            continue;
        }
        let Some(may) = allowed.get(source.room.as_str()) else {
            wrong.push(format!("{}: the room {} is not on the map of this test", source.path.display(), source.room));
            continue;
        };
        for part in source.code.split("crate::").skip(1) {
            let named: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let is_room = allowed.contains_key(named.as_str());
            if is_room && named != source.room && !may.contains(&named.as_str()) {
                wrong.push(format!("{}: {} may not name {named}", source.path.display(), source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_room_touches_each_part_of_the_world() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (word, rooms) in ONLY_IN {
            if source.code.contains(word) && !rooms.contains(&source.room.as_str()) {
                wrong.push(format!("{}: {word} belongs to {}", source.path.display(), rooms.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_weakens_tls() {
    let sources = sources();
    let weak = |source: &Source| NOWHERE.iter().any(|word| source.code.contains(word));
    let wrong: Vec<String> = sources.iter().filter(|s| weak(s)).map(|s| s.path.display().to_string()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.lines > LONGEST)
        .map(|source| format!("{}: {} lines", source.path.display(), source.lines))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
