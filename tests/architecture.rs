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

/// Ways to start another program or to load code at run time: there is none.
const NO_OTHER_PROGRAM: &[&str] =
    &["process::Command", "std::process::{", "CommandExt", "libloading", "dlopen", "load_extension", "exec("];

/// Ways to open a file by ourselves.
const OPENING: &[&str] = &[
    "File::open(",
    "File::create",
    "OpenOptions::new()",
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "hard_link(",
];

/// Who opens files by themselves, in how many places, and which. Where it is the inventory that SQLite has open, nobody closes it: the
/// whole process would lose its locks.
const OPENED: &[(&str, usize, &str)] = &[
    ("config/credential.rs", 1, "a secret"),
    ("config/mod.rs", 1, "the config"),
    ("config/web_file.rs", 1, "the web config file"),
    ("remote/roots.rs", 1, "a file of authorities"),
    ("control/peer.rs", 1, "the machine's users"),
    ("metrics/process.rs", 1, "what the kernel tells of this process"),
    ("inventory/open.rs", 3, "the lock beside the inventory, and an empty file where there is none yet"),
    ("inventory/foreign_log.rs", 1, "the inventory: for a byte, where a log lies beside it, and it is never closed again"),
    ("inventory/backup.rs", 2, "the lock of a copy, before it is one, and its folder"),
    ("cli/report/folder.rs", 1, "evidence"),
    ("cli/scratch.rs", 2, "the demo's config and credentials"),
];

/// Tables of what was seen, from which a line goes only where a list of ours says so.
const KEPT: &[&str] = &["change", "key"];

/// Who removes lines of history or keys, in how many places, and of which file.
const REMOVED: &[(&str, usize, &str)] = &[
    ("inventory/retention.rs", 2, "the inventory: what is over, after the time that the config says"),
    ("inventory/rewind.rs", 3, "a copy that is looked back with, and thrown away"),
];

/// Words that show that a text is SQL, or a part of it.
const SQL: &[&str] = &[
    "SELECT",
    "WITH ",
    "UPDATE ",
    "INSERT ",
    "DELETE ",
    "CREATE ",
    "DROP ",
    "ALTER ",
    "PRAGMA ",
    "ATTACH ",
    "VACUUM",
    "WHERE ",
    "ORDER BY",
    " IN (",
    " IS NULL",
    " IS NOT NULL",
    " IS {",
    "LIMIT ",
    " LIKE ",
];

/// Where pieces stand in SQL that `format!` makes, other than constants, which say so by their letters: which pieces, and why none
/// of them is a value. Values are parameters.
const PIECES: &[(&str, &str, &str)] = &[
    ("inventory/asked.rs", "{} allowed {} column name", "terms of this file, each a constant, and names of parameters"),
    ("inventory/export.rs", "view", "one of the public views, which are constants"),
    (
        "inventory/integrity.rs",
        "column column table column column {}",
        "columns and tables of a constant list; names of the file's own schema, quoted",
    ),
    ("inventory/list_changes.rs", "{}", "terms of that function, each a constant"),
    ("inventory/list_keys.rs", "{} {} {}", "what asked.rs chose, and columns, which are constants"),
    ("inventory/list_owned.rs", "{}", "what asked.rs chose"),
    ("inventory/migrate.rs", "{}", "a view's name as the file's own schema has it, quoted"),
    (
        "inventory/position.rs",
        "term name term name term name term name {} {} name rest",
        "constants of an order, and names of parameters",
    ),
    (
        "inventory/pseudonymise.rs",
        "of_organization column column column column column column column of_organization of_organization",
        "constants of that function",
    ),
    ("inventory/resident/choose.rs", "term", "what whose.rs made"),
    ("inventory/resident/page.rs", "each way way", "constants of that function"),
    (
        "inventory/rewind.rs",
        "to to to assignments columns {} listed reason disabled lost inactive",
        "constants, words of closed lists and a number",
    ),
    (
        "inventory/sql.rs",
        "{} {} {} {} tail keys tail range states tail tail",
        "texts of this file, and what its callers ask at the end of them",
    ),
    ("inventory/when.rs", "at", "a column, which is a constant"),
];

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

/// What is forbidden in the manifest no attribute in a file can allow again.
#[test]
fn our_own_code_is_safe() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_or_default();
    let (_, lints) = manifest.split_once("[lints.rust]\n").unwrap_or_default();
    assert!(lints.starts_with("unsafe_code = \"forbid\"\n"), "unsafe code is no longer forbidden");
}

#[test]
fn nothing_weakens_tls() {
    let sources = sources();
    let weak = |source: &Source| NOWHERE.iter().any(|word| source.code.contains(word));
    let wrong: Vec<String> = sources.iter().filter(|s| weak(s)).map(|s| s.path.display().to_string()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_other_program_is_started_and_no_code_loaded() {
    let mut wrong = Vec::new();
    for source in sources() {
        let named = NO_OTHER_PROGRAM.iter().filter(|word| source.code.contains(**word));
        wrong.extend(named.map(|word| format!("{}: {word}", source.path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sqlite_alone_opens_the_inventory() {
    let mut opened = BTreeMap::new();
    for source in sources() {
        let places: usize = OPENING.iter().map(|word| source.code.matches(word).count()).sum();
        if places > 0 {
            opened.insert(source.path.to_string_lossy().into_owned(), places);
        }
    }
    let known: BTreeMap<String, usize> = OPENED.iter().map(|(path, places, _)| ((*path).to_owned(), *places)).collect();
    assert_eq!(opened, known, "say which file is opened; where it is the inventory, closing it drops the locks of SQLite");
}

#[test]
fn history_and_keys_are_removed_in_few_places() {
    let mut removed = BTreeMap::new();
    for source in sources() {
        let places = source.code.split("DELETE FROM").skip(1).filter(|rest| KEPT.contains(&table(rest))).count();
        if places > 0 {
            removed.insert(source.path.to_string_lossy().into_owned(), places);
        }
    }
    let known: BTreeMap<String, usize> = REMOVED.iter().map(|(path, places, _)| ((*path).to_owned(), *places)).collect();
    assert_eq!(removed, known, "say what is removed, and from which file; of the inventory only retention removes history");
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inventory/migrations");
    for migration in fs::read_dir(migrations).unwrap() {
        let path = migration.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let removes = text.split("DELETE FROM").skip(1).any(|rest| KEPT.contains(&table(rest)));
        assert!(!removes && !text.contains("ON DELETE"), "{} removes history or keys", path.display());
    }
}

/// The name that a text goes on with.
fn table(rest: &str) -> &str {
    let rest = rest.trim_start().trim_start_matches("main.");
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[test]
fn values_reach_sql_as_parameters() {
    let mut found = BTreeMap::new();
    for source in sources().iter().filter(|source| source.room == "inventory" && !source.path.ends_with("plans.rs")) {
        let texts = source.code.split("format!(").skip(1).filter_map(literal);
        let of_sql = texts.filter(|text| SQL.iter().any(|word| text.contains(word)));
        let pieces: Vec<String> = of_sql.flat_map(pieces).filter(|piece| !is_constant(piece)).collect();
        if !pieces.is_empty() {
            found.insert(source.path.to_string_lossy().into_owned(), pieces.join(" "));
        }
    }
    let known: BTreeMap<String, String> =
        PIECES.iter().map(|(path, pieces, _)| ((*path).to_owned(), (*pieces).to_owned())).collect();
    assert_eq!(found, known, "a value is a parameter; say what else stands in the text of a statement");
}

/// The string that a macro's arguments begin with, if they do.
fn literal(arguments: &str) -> Option<&str> {
    let text = arguments.trim_start().strip_prefix('"')?;
    let mut before = ' ';
    let end = text.find(|c: char| {
        let is_end = c == '"' && before != '\\';
        before = if before == '\\' { ' ' } else { c };
        is_end
    });
    end.map(|end| &text[..end])
}

/// What a format string has between braces, `{}` for what stands behind it.
fn pieces(text: &str) -> Vec<String> {
    let plain = text.replace("{{", "").replace("}}", "");
    let inside = plain.split('{').skip(1).filter_map(|part| part.split_once('}'));
    inside.map(|(piece, _)| if piece.is_empty() { "{}".to_owned() } else { piece.to_owned() }).collect()
}

fn is_constant(piece: &str) -> bool {
    piece != "{}" && piece.chars().all(|c| c.is_ascii_uppercase() || c == '_')
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
