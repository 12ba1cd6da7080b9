//! Files that are not opened, and are left as they were.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keymuster::inventory::{ConfiguredAccount, Inventory, Reader, StoreError};
use rusqlite::OpenFlags;

use crate::fill::{Filling, ids};
use crate::{NOW, connection, opened, state};

#[tokio::test]
async fn a_newer_file_is_refused_and_not_touched() {
    let (_folder, path) = state();
    opened(&path).close().await.unwrap();
    let known: i64 = {
        let connection = connection(&path, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let known: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "user_version", known + 1).unwrap();
        known
    };
    let before = fs::read(&path).unwrap();
    for refused in [Inventory::open(&path, NOW).map(|_| ()), Reader::open(&path).map(|_| ())] {
        match refused {
            Err(StoreError::Newer { found, known: ours, .. }) => assert_eq!((found, ours), (known + 1, known)),
            other => panic!("{other:?}"),
        }
    }
    assert!(fs::read(&path).unwrap() == before, "not a byte of it changed");
    assert!(!path.with_extension("db-wal").exists());
}

#[test]
fn the_database_of_another_program_is_refused_and_not_touched() {
    let (_folder, path) = state();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    connection(&path, OpenFlags::default()).execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    for refused in [Inventory::open(&path, NOW).map(|_| ()), Reader::open(&path).map(|_| ())] {
        assert!(matches!(refused, Err(StoreError::Foreign { .. })), "{refused:?}");
    }
    assert!(fs::read(&path).unwrap() == before);

    fs::write(&path, "not a database at all, but long enough to be looked at as if it were one of SQLite's").unwrap();
    let refused = Inventory::open(&path, NOW);
    assert!(matches!(refused, Err(StoreError::NoDatabase { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_second_writer_is_told_that_the_file_is_in_use() {
    let (_folder, path) = state();
    let first = opened(&path);
    let link = path.with_file_name("link.db");
    std::os::unix::fs::symlink("inventory.db", &link).unwrap();
    for name in [&path, &link] {
        assert!(matches!(Inventory::open(name, NOW), Err(StoreError::Locked { .. })), "{}", name.display());
        assert!(Inventory::is_held(name));
    }
    assert!(Reader::open(&path).is_ok(), "readers are welcome");
    first.close().await.unwrap();
    opened(&path).close().await.unwrap();
}

/// As a command does that asks whether a daemon runs.
#[tokio::test]
async fn whoever_looks_whether_the_file_is_in_use_keeps_no_daemon_from_it() {
    let (_folder, path) = state();
    opened(&path).close().await.unwrap();
    let look = fs::File::open(path.with_file_name("inventory.db.lock")).unwrap();
    look.try_lock_shared().unwrap();
    let looked = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(look);
    });
    opened(&path).close().await.unwrap();
    looked.join().unwrap();
}

/// Where a process closes a file, the system lets go of the locks that SQLite holds on it.
#[tokio::test]
async fn looking_for_a_log_of_another_file_lets_go_of_no_lock() {
    let (_folder, path) = state();
    let inventory = opened(&path);
    for _ in 0..2 {
        drop(Reader::open(&path).unwrap());
    }
    let turned = Command::new("sqlite3").arg(&path).arg("PRAGMA journal_mode = DELETE").output().unwrap();
    assert!(String::from_utf8_lossy(&turned.stderr).contains("database is locked"), "{turned:?}");
    inventory.close().await.unwrap();
}

#[tokio::test]
async fn the_log_of_another_file_is_looked_for_beside_the_file_and_not_beside_a_link() {
    let (folder, path) = state();
    opened(&path).close().await.unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let log = [b'x'; 33];
    fs::write(folder.path().join("link.db-wal"), log).unwrap();
    assert!(Reader::open(&link).is_ok());
    fs::write(path.with_file_name("inventory.db-wal"), log).unwrap();
    for name in [&path, &link] {
        for refused in [Inventory::open(name, NOW).map(|_| ()), Reader::open(name).map(|_| ())] {
            assert!(matches!(refused, Err(StoreError::ForeignLog { .. })), "{refused:?}");
        }
    }
    fs::write(path.with_file_name("inventory.db-wal"), &log[..32]).unwrap();
    opened(&path).close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_stored_in_a_file_that_is_not_where_it_was() {
    let (_folder, path) = state();
    let inventory = opened(&path);
    let account = || vec![ConfiguredAccount { name: "acme".into(), provider: "openai", formerly: None, interval: 3_600 }];
    let aside = path.with_file_name("aside.db");
    for another in [false, true] {
        fs::rename(&path, &aside).unwrap();
        if another {
            fs::copy(&aside, &path).unwrap();
        }
        let refused = inventory.configure(account(), Arc::default(), NOW).await.map(|_| ());
        assert!(matches!(refused, Err(StoreError::Replaced { .. })), "{refused:?}");
        let refused = inventory.reader().check().await;
        assert!(matches!(refused, Err(StoreError::Replaced { .. })), "{refused:?}");
        fs::rename(&aside, &path).unwrap();
    }
    inventory.reader().check().await.unwrap();
    inventory.configure(account(), Arc::default(), NOW).await.unwrap();
    inventory.close().await.unwrap();
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, path) = state();
    let inventory = opened(&path);
    for statement in [
        "DELETE FROM run",
        "INSERT INTO run VALUES (9, 9, 'x')",
        "UPDATE run SET version = 'x'",
        "CREATE TABLE x (a)",
        "CREATE TEMP TABLE x (a)",
        "CREATE VIEW x AS SELECT 1",
        "CREATE TEMP TRIGGER x AFTER DELETE ON run BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE x USING json_each",
        "DROP VIEW keys",
        "ALTER TABLE run RENAME TO walked",
        "ANALYZE",
        "REINDEX",
        "SAVEPOINT x",
        "ATTACH ':memory:' AS x",
        "ATTACH 'other.db' AS x",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO 'other.db'",
        "PRAGMA user_version = 9",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF",
        "PRAGMA trusted_schema = ON",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA wal_checkpoint",
        "PRAGMA optimize",
        "PRAGMA incremental_vacuum",
        "SELECT * FROM pragma_wal_checkpoint",
    ] {
        for reader in [inventory.reader().clone(), Reader::open(&path).unwrap()] {
            let mut refused = None;
            let _ = reader.read_blocking(|connection| {
                refused = connection.execute_batch(statement).err();
                Ok(())
            });
            // Not at the end, where the file cannot be written: nothing of it is so much as planned.
            let refused = refused.unwrap_or_else(|| panic!("{statement} was done")).to_string();
            // A copy begins by attaching a file, which nobody comes to within a transaction; and not every pragma is a table.
            let otherwise = ["cannot VACUUM from within a transaction", "no such table: pragma_"];
            let is_refused = refused.contains("not authorized") || otherwise.iter().any(|why| refused.contains(why));
            assert!(is_refused, "{statement}: {refused}");
        }
    }
    inventory.close().await.unwrap();
    assert!(matches!(Reader::open(&path.with_file_name("none.db")), Err(StoreError::Absent { .. })));
}

#[tokio::test]
async fn history_is_append_only() {
    let (_folder, path) = state();
    let filling = Filling::begin(opened(&path)).await;
    filling.list("proj_a", &ids(0, 1)).await;
    filling.list("proj_a", &ids(0, 2)).await;
    filling.settle().await;
    filling.inventory.close().await.unwrap();
    let connection = connection(&path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let lines: i64 = connection.query_row("SELECT count(*) FROM change", [], |row| row.get(0)).unwrap();
    assert_eq!(lines, 1, "the second key appeared");
    let error = connection.execute("UPDATE change SET change = 'renamed'", []).unwrap_err();
    assert!(error.to_string().contains("append-only"), "{error}");
}
