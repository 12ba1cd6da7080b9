//! `keymuster db`: backups, checks and exports of the real file, beside the daemon and without one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Finished, PATIENCE, eventually};
use crate::support::{OPENAI, Settings, Sim, Site, shell, sql, text};

/// An inventory in which something is missing, and something has been renamed, made and left.
fn lived() -> (Sim, Site) {
    let sim = Sim::small();
    let guard = "min_keys = 100000\nsmall_scope = 100000";
    let site = Site::new(&sim, &Settings { guard, schedule: "* * * * * *".to_owned(), ..Settings::default() });
    site.poll(&[]).ended(0);
    for _ in 0..25 {
        sim.beat();
    }
    site.poll(&[]).ended(0);
    assert!(site.count("keys WHERE presence = 'missing'") > 0 && site.count("changes") > 5);
    (sim, site)
}

fn db(site: &Site, more: &[&str]) -> Finished {
    site.start(&[&["db", "--config", "keymuster.toml"], more].concat()).finish(PATIENCE)
}

fn check_of(site: &Site, file: &Path) -> Finished {
    site.start(&["db", "check", "--inventory", file.to_str().unwrap()]).finish(PATIENCE)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_beside_the_daemon_is_whole_and_can_be_restored() {
    let (sim, site) = lived();
    let daemon = site.daemon();
    eventually("a poll of the daemon", PATIENCE, || {
        (site.count("run") == 3 && site.count("poll WHERE run_id = 3") > 0).then_some(())
    });
    let folder = site.path("backups");
    fs::create_dir(&folder).unwrap();
    let told = db(&site, &["backup", "backups/monday.db"]).ended(0).stdout;
    assert!(told.contains("keys") && told.contains("sound"), "{told}");
    let backup = folder.join("monday.db");
    assert_eq!(names(&folder), ["monday.db"], "nothing else is left");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    check_of(&site, &backup).ended(0);
    assert_eq!(sql(&backup, "SELECT count(*) AS n FROM key")[0]["n"], Value::from(site.count("key")));
    assert_eq!(sql(&backup, "SELECT count(*) AS n FROM run")[0]["n"], Value::from(3));

    // What there is stays, unless it is told otherwise.
    let before = fs::read(&backup).unwrap();
    let refused = db(&site, &["backup", "backups/monday.db"]).ended(1).all();
    assert!(refused.contains("monday.db") && refused.contains("--replace"), "{refused}");
    assert_eq!(fs::read(&backup).unwrap(), before);
    // What a crash left under way is in nobody's way.
    fs::write(folder.join("monday.db.part"), "half").unwrap();
    fs::write(folder.join("monday.db.part-journal"), "half").unwrap();
    eventually("another poll", PATIENCE, || {
        (site.count("poll") as usize > sql(&backup, "SELECT id FROM poll").len()).then_some(())
    });
    db(&site, &["backup", "backups/monday.db", "--replace"]).ended(0);
    assert_ne!(fs::read(&backup).unwrap(), before);
    assert_eq!(names(&folder), ["monday.db"]);

    daemon.stop().ended(0);
    // Much happens that the backup knows nothing of; then the file is lost.
    for _ in 0..20 {
        sim.beat();
    }
    site.poll(&[]).ended(0);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(site.path(&format!("inventory.db{suffix}")));
    }
    fs::copy(&backup, site.inventory()).unwrap();
    let known = site.presences();
    site.poll(&[]).ended(0);
    db(&site, &["check"]).ended(0);
    let truth: Vec<String> = sim.truth().iter().filter(|key| key.listed || key.leaked).map(|key| key.id.clone()).collect();
    for (key, presence) in site.presences() {
        let id = key.split_once('/').unwrap().1.to_owned();
        match presence.as_str() {
            "present" => assert!(truth.contains(&id), "{key} is present and does not exist"),
            "missing" | "gone" => assert!(!truth.contains(&id), "{key} is {presence} and exists"),
            _ => assert!(known.contains_key(&key), "{key} is {presence} from the start"),
        }
    }
    assert_eq!(site.count("keys WHERE presence = 'gone'"), 0, "nothing is proven by one poll");
}

#[test]
fn backups_that_would_destroy_something_are_refused() {
    let (_sim, site) = lived();
    let before = names(site.path("").as_path());
    fs::create_dir(site.path("folder")).unwrap();
    std::os::unix::fs::symlink(site.path(""), site.path("folder/link")).unwrap();
    let refused = |to: &str, words: &str| {
        let told = db(&site, &["backup", to, "--replace"]).ended(1).all();
        assert!(told.contains(words) && told.contains(to) && !told.contains("panicked"), "{to}: {told}");
    };
    for own in ["inventory.db", "./inventory.db", "folder/link/inventory.db", "inventory.db-wal", "inventory.db.lock"] {
        refused(own, "that is the inventory itself");
    }
    refused("folder", "that is a folder");
    refused("nowhere/b.db", "there is no folder nowhere");
    fs::write(site.path("folder/b.db-wal"), "").unwrap();
    refused("folder/b.db", "b.db-wal lies beside it");
    fs::remove_file(site.path("folder/b.db-wal")).unwrap();
    // Somebody else is at it: the sign is the lock, not the file.
    let part = fs::File::create(site.path("folder/b.db.part")).unwrap();
    part.lock().unwrap();
    refused("folder/b.db", "another backup of that name is being written");
    drop(part);
    db(&site, &["backup", "folder/b.db"]).ended(0);
    // No address: a file of that name.
    db(&site, &["backup", "file:b.db"]).ended(0);
    check_of(&site, &site.path("file:b.db")).ended(0);
    fs::remove_file(site.path("file:b.db")).unwrap();

    fs::remove_dir_all(site.path("folder")).unwrap();
    assert_eq!(names(site.path("").as_path()), before);
    db(&site, &["check"]).ended(0);
}

#[test]
fn an_export_is_what_the_views_hold() {
    let (_sim, site) = lived();
    // In whatever order, and a condition may have begun between two looks.
    let sorted = |mut rows: Vec<Value>| {
        rows.sort_by_key(Value::to_string);
        rows
    };
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let views = site.sql("SELECT DISTINCT view FROM help");
    assert!(views.len() > 10, "the views are found");
    for view in views.iter().map(|row| text(row, "view")) {
        eventually(&format!("an export of {view} as it is"), PATIENCE, || {
            let all = read(&db(&site, &["export"]).ended(0).stdout);
            assert_eq!(all.as_object().unwrap().len(), views.len());
            let one = read(&db(&site, &["export", "--view", &view]).ended(0).stdout);
            let rows = sorted(site.sql(&format!("SELECT * FROM {view}")).into_iter().map(Value::from).collect());
            let exported = [all[&view].clone(), one].map(|rows| sorted(rows.as_array().unwrap().clone()));
            (exported == [rows.clone(), rows]).then_some(())
        });
    }

    // A spreadsheet runs what begins as a formula does.
    site.meddle("UPDATE key SET name = '=1+1' WHERE id = 1");
    let csv = db(&site, &["export", "--view", "keys", "--format", "csv"]).ended(0).stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(i64::try_from(lines.len()).unwrap(), site.count("keys") + 1);
    assert!(
        lines[0].starts_with("\"provider\",\"account\",\"scope_id\"") && csv.contains("\"'=1+1\"") && !csv.contains("\"=1+1\"")
    );

    let refused = db(&site, &["export", "--format", "csv"]).ended(64).all();
    assert!(refused.contains("--view") && refused.contains("orphaned_keys"), "{refused}");
    db(&site, &["export", "--view", "kees"]).ended(64);
}

#[test]
fn files_that_are_no_inventory_are_told_apart() {
    let (_sim, site) = lived();
    let told = |name: &str, code: i32, words: &[&str]| {
        let file = site.path(name);
        for command in ["check", "export"] {
            let told = site.start(&["db", command, "--inventory", file.to_str().unwrap()]).finish(PATIENCE).ended(code).all();
            for word in [&[name], words].concat() {
                assert!(told.contains(word) && !told.contains("panicked"), "{command} {name} does not say '{word}': {told}");
            }
        }
    };
    told("absent.db", 1, &["does not exist", "keymuster poll"]);
    fs::write(site.path("empty.db"), "").unwrap();
    told("empty.db", 1, &["is empty", "keymuster poll"]);
    fs::write(site.path("text.db"), "not a database at all, but long enough to be looked at as if it were one of SQLite's")
        .unwrap();
    told("text.db", 1, &["is no database"]);
    shell(&site.path("foreign.db"), &[], "CREATE TABLE recipes (name TEXT)");
    told("foreign.db", 1, &["not of keymuster"]);
    fs::copy(site.inventory(), site.path("newer.db")).unwrap();
    shell(&site.path("newer.db"), &[], "PRAGMA user_version = 1000");
    told("newer.db", 65, &["schema 1000", "install the newer keymuster"]);
}

/// A first schema, as an upgrade keeps it beside the file: taken as a whole it is sound, and its rows are not read as if they were
/// of this version.
#[test]
fn an_earlier_schema_is_checked_and_copied_and_not_read() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let file = site.path("earlier.db");
    let first = include_str!("../../src/inventory/migrations/0001.sql");
    shell(&file, &[], &format!("PRAGMA application_id = 0x6b6d7374; PRAGMA user_version = 1;\n{first}"));
    let (file, copy) = (file.to_str().unwrap(), site.path("copy.db"));
    let told = |arguments: &[&str], code: i32, words: &str| {
        let told = site.start(&[arguments, &["--inventory", file]].concat()).finish(PATIENCE).ended(code).all();
        assert!(told.contains(words), "{arguments:?} does not say '{words}': {told}");
    };
    told(&["db", "check"], 0, "earlier.db: schema 1, 0 keys");
    told(&["db", "backup", copy.to_str().unwrap()], 0, "the copy is sound");
    for command in [&["keys"][..], &["db", "export"], &["db", "export", "--view", "keys", "--format", "csv"]] {
        told(command, 1, "has schema 1, and this program reads");
        told(command, 1, "keymuster poll");
    }
}

/// What each sum of `db check` is for, done to the file: statement, and what has to be told.
const WRONGS: &[(&str, &str)] = &[
    (
        "UPDATE account SET organization_id = (SELECT max(id) FROM organization WHERE account_id <> account.id)",
        "account 1 (acme-den)|stands under an organisation of another account",
    ),
    ("DELETE FROM last_use WHERE key_id = 3", "key 3 (|has no row in last_use"),
    ("DELETE FROM deadline WHERE key_id = 3", "key 3 (|has no row in deadline"),
    (
        "UPDATE key SET missing_at = 7 WHERE id = 3",
        "key 3 (|is missing and does not say since when, or says so and is not missing",
    ),
    (
        "UPDATE key SET scope_id = (SELECT s.id FROM scope AS s WHERE s.organization_id <> key.organization_id) WHERE id = 3",
        "key 3 (|belongs to another organisation than its home",
    ),
    (
        "UPDATE key SET person_id = (SELECT p.id FROM person AS p WHERE p.organization_id <> key.organization_id) WHERE id = 3",
        "key 3 (|belongs to another organisation than its owner",
    ),
    ("DELETE FROM sighting WHERE key_id = 3", "key 3 (|is present or missing, and no scope lists it or did"),
    ("UPDATE key SET presence = 'gone' WHERE id = 3", "key 3 (|is gone, and a scope lists it"),
    (
        "UPDATE sighting SET scope_id = (SELECT s.id FROM scope AS s JOIN key AS k ON k.id = sighting.key_id WHERE s.organization_id <> k.organization_id) WHERE key_id = 3",
        "/3|joins a scope and a key of two organisations (scope/key)",
    ),
    ("UPDATE sighting SET unlisted_walk = walk_id WHERE key_id = 3", "/3|ended before it began (scope/key)"),
    ("UPDATE scope SET before_walk = complete_walk WHERE kind = 'people'", "people/)|has walks out of order"),
    (
        "UPDATE scope SET newest_walk = 100000 WHERE kind = 'people'",
        "people/)|names a newest walk that is not stored as one of its own",
    ),
    (
        "UPDATE walk SET outcome = 'incomplete' WHERE id IN (SELECT complete_walk FROM scope WHERE kind = 'people')",
        "people/)|names a complete walk that is not stored as a complete one of its own",
    ),
    (
        "UPDATE scope SET newest_walk = complete_walk - 1, complete_walk = NULL, before_walk = NULL WHERE kind = 'people'",
        "people/)|has a walk with a greater number than its newest",
    ),
    ("UPDATE poll SET account_id = 3 - account_id", "walk |belongs to a poll of another account"),
    (
        "UPDATE walk SET poll_id = (SELECT max(id) FROM poll) WHERE id = (SELECT min(id) FROM walk)",
        "walk |has a number from before its poll, or that of another poll",
    ),
    (
        "INSERT INTO hold (account_id, scope_id, cause, held, since) SELECT 3 - o.account_id, s.id, 'list_shrank', 1, 1 FROM scope AS s JOIN organization AS o ON o.id = s.organization_id LIMIT 1",
        "hold 1|is of another account than its scope",
    ),
    (
        "INSERT INTO hold (account_id, cause, held, since) SELECT 3 - o.account_id, 'list_shrank', 1, 1 FROM key AS k JOIN organization AS o ON o.id = k.organization_id WHERE k.id = 3; INSERT INTO held_key (hold_id, key_id) VALUES (1, 3)",
        "held_key 1/3|holds a key of another account (hold/key)",
    ),
    (
        "INSERT INTO change (at, poll_id, key_id, change) SELECT 1, p.id, k.id, 'renamed' FROM key AS k JOIN organization AS o ON o.id = k.organization_id JOIN poll AS p ON p.account_id <> o.account_id LIMIT 1",
        "change |was written by a poll of another account",
    ),
    ("UPDATE poll SET settled_at = NULL", "change |tells what settling concludes, of a poll that did not settle"),
    ("UPDATE scope SET kind = 'basket' WHERE kind = 'people'", "scope |kind is 'basket'"),
    ("UPDATE key SET kind = 'skeleton' WHERE id = 3", "key 3|kind is 'skeleton'"),
    ("UPDATE key SET presence_reason = 'luck' WHERE id = 3", "key 3|presence_reason is 'luck'"),
    ("UPDATE key SET owner_access = 'maybe' WHERE id = 3", "key 3|owner_access is 'maybe'"),
    ("UPDATE last_use SET stale_at = 1, stale_basis = 'smell' WHERE key_id = 3", "last_use 3|stale_basis is 'smell'"),
    ("INSERT INTO change (at, key_id, change) VALUES (1, 3, 'painted')", "change |change is 'painted'"),
    ("UPDATE poll SET reason = 'weather'", "poll |reason is 'weather'"),
    ("INSERT INTO hold (account_id, cause, held, since) VALUES (1, 'mood', 1, 1)", "hold 1|cause is 'mood'"),
    // What SQLite finds by itself.
    ("UPDATE sighting SET walk_id = 1; DELETE FROM key WHERE id = 3", "sighting|points to a row of key that is not there"),
    // What the schema itself refuses.
    (
        "PRAGMA ignore_check_constraints = ON; UPDATE key SET expires_state = 'at', expires_at = NULL WHERE id = 3",
        "key 3 (|does not say when it expires, or says when and that it does not",
    ),
    (
        "PRAGMA ignore_check_constraints = ON; UPDATE last_use SET used_state = 'never', used_at = 7 WHERE key_id = 3",
        "last_use 3|does not say when the key was used, or says when and that it was not",
    ),
    ("PRAGMA ignore_check_constraints = ON; UPDATE key SET presence = 'lost' WHERE id = 3", "key 3|presence is 'lost'"),
    ("PRAGMA ignore_check_constraints = ON; UPDATE key SET expires_state = 'soon' WHERE id = 3", "key 3|expires_state is 'soon'"),
    (
        "PRAGMA ignore_check_constraints = ON; UPDATE last_use SET used_state = 'soon' WHERE key_id = 3",
        "last_use 3|used_state is 'soon'",
    ),
    ("PRAGMA ignore_check_constraints = ON; UPDATE person SET kind = 'cat' WHERE id = 1", "person 1|kind is 'cat'"),
    ("PRAGMA ignore_check_constraints = ON; UPDATE scope SET standing = 'lying' WHERE id = 1", "scope 1|standing is 'lying'"),
    ("PRAGMA ignore_check_constraints = ON; UPDATE walk SET outcome = 'tired'", "walk |outcome is 'tired'"),
];

#[test]
fn a_check_names_what_is_wrong_with_table_and_row() {
    let (_sim, site) = lived();
    let sound = check_of(&site, &site.inventory()).ended(0).stdout;
    assert!(sound.starts_with("ok ") && sound.contains("keys"), "{sound}");
    let broken = site.path("broken.db");
    for (statement, told) in WRONGS {
        fs::copy(site.inventory(), &broken).unwrap();
        shell(&broken, &[], statement);
        let (place, what) = told.split_once('|').unwrap();
        let Finished { code, stdout: said, .. } = check_of(&site, &broken);
        assert_eq!(code, Some(1), "after {statement}: {said}");
        let line = said.lines().find(|line| line.starts_with("wrong ") && line.contains(place) && line.contains(what));
        assert!(line.is_some(), "after {statement} it does not say '{place}: {what}':\n{said}");
        assert!(said.contains("restore the newest backup"), "{said}");
    }
    // Every sum has its line above.
    let source = include_str!("../../src/inventory/sums.rs");
    let sums: Vec<&str> = source.lines().filter_map(|line| line.trim().strip_prefix("wrong: \"")?.strip_suffix("\",")).collect();
    assert!(sums.len() > 15, "the sums are found");
    let untried: Vec<&&str> = sums.iter().filter(|sum| !WRONGS.iter().any(|(_, told)| told.ends_with(**sum))).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn damaged_pages_are_found_and_never_backed_up() {
    let (_sim, site) = lived();
    let broken = site.path("broken.db");
    let mut bytes = fs::read(site.inventory()).unwrap();
    let page = 4096
        * usize::try_from(site.value("SELECT rootpage FROM sqlite_schema WHERE name = 'sighting'").as_i64().unwrap() - 1)
            .unwrap();
    bytes[page..page + 4096].fill(0xa5);
    fs::write(&broken, &bytes).unwrap();
    let said = check_of(&site, &broken).ended(1).all();
    assert!(said.contains("the file: ") && !said.contains("panicked"), "{said}");
    let refused = site.start(&["db", "backup", "--inventory", "broken.db", "b.db"]).finish(PATIENCE).ended(1).all();
    assert!(refused.contains("b.db was not written") && refused.contains("keymuster db check"), "{refused}");
    assert!(!site.path("b.db").exists() && !site.path("b.db.part").exists());
}

#[test]
fn a_check_beside_the_daemon_finds_nothing_wrong_with_what_is_under_way() {
    let (sim, site) = lived();
    let daemon = site.daemon();
    for _ in 0..8 {
        sim.beat();
        db(&site, &["check"]).ended(0);
    }
    daemon.process.signal(Signal::KILL);
    daemon.process.finish(PATIENCE);
    db(&site, &["check"]).ended(0);
    let refused =
        site.start(&["keys", "--config", "keymuster.toml", "--account", OPENAI, "--format", "json"]).finish(PATIENCE).ended(0);
    assert!(refused.stdout.starts_with('['), "the file of a killed daemon is read as it is");
}
