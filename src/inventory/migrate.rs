//! Brings a file to the newest schema: forward only, numbered, one transaction, a backup before.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::backup::{Existing, back_up};
use super::beside::beside;
use super::error::{StoreError, Stored};
use super::sql::VIEWS;

/// `application_id` of our files: "kmst".
const APPLICATION_ID: i64 = 0x6b6d_7374;

/// The schemas in order; the number of a file's schema is how many of them were applied.
pub const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];

/// Migrates to the newest of `migrations`. Old or new, never between: a crash inside leaves the old file.
pub fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Stored<()> {
    let (found, application) = header(connection, path)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let done = usize::try_from(found).ok().filter(|done| *done <= migrations.len());
    let Some(done) = done else {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
            backup: backup_path(path, found).display().to_string(),
        });
    };
    let pending = &migrations[done..];
    if !pending.is_empty() && done > 0 {
        // It lies in the state folder, and is read by whoever reads the inventory.
        back_up(connection, &backup_path(path, found), Existing::Replace, 0o640)?;
    }
    // A migration may reword a check where it stands, which a connection on its guard does not let happen.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    let migrated = apply(connection, pending, known);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    migrated
}

fn apply(connection: &mut Connection, pending: &[&str], known: i64) -> Stored<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !pending.is_empty() || views_differ(&transaction)? {
        drop_views(&transaction)?;
        for migration in pending {
            transaction.execute_batch(migration)?;
        }
        transaction.execute_batch(&VIEWS)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

/// What readers can use, which cannot migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// The newest schema alone: views and columns are as this program knows them.
    Newest,
    /// Earlier ones too, for whoever takes the file as a whole.
    UpToNewest,
}

/// Refuses a file that is not ours, or of a schema that is not `readable`.
pub fn check_readable(connection: &Connection, path: &Path, readable: Readable) -> Stored<()> {
    let (found, application) = header(connection, path)?;
    if found == 0 && std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // A start was cut off before it wrote anything.
        return Err(StoreError::Empty { path: path.to_owned() });
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
            backup: backup_path(path, found).display().to_string(),
        });
    }
    if readable == Readable::Newest && found < known {
        return Err(StoreError::Older { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// `user_version` and `application_id`: the first that is read of a file.
fn header(connection: &Connection, path: &Path) -> Stored<(i64, i64)> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let header = pragma("user_version").and_then(|version| Ok((version, pragma("application_id")?)));
    header.map_err(|error| StoreError::of_file(path, error))
}

/// The views are made from text that may change without a new schema.
fn views_differ(connection: &Connection) -> Stored<bool> {
    let mut stored = String::new();
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema WHERE type = 'view' ORDER BY rowid")?;
    for sql in statement.query_map([], |row| row.get::<_, String>(0))? {
        stored.push_str(&sql?);
        stored.push(';');
    }
    // SQLite keeps the text of a view from CREATE to the end of its last token.
    let squeeze = |text: &str| {
        text.lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .flat_map(|l| l.chars())
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    Ok(squeeze(&stored) != squeeze(&VIEWS))
}

fn drop_views(connection: &Connection) -> Stored<()> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        connection.execute_batch(&format!("DROP VIEW \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

/// `inventory.db` of schema 3 is backed up as `inventory.db.schema-3.bak`.
fn backup_path(path: &Path, schema: i64) -> PathBuf {
    beside(path, &format!(".schema-{schema}.bak"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (7);";
    const V2: &str = "ALTER TABLE t ADD COLUMN b INTEGER; UPDATE t SET b = a;";
    const BROKEN: &str = "ALTER TABLE t ADD COLUMN c INTEGER; SELECT no_such_function();";

    fn opened(path: &Path) -> Connection {
        Connection::open_with_flags(path, rusqlite::OpenFlags::default()).unwrap()
    }

    /// The views name tables that these small schemas lack; SQLite resolves them only when they are read.
    #[test]
    fn upgrades_are_whole_and_leave_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        migrate(&mut opened(&path), &path, &[V1]).unwrap();
        assert!(!backup_path(&path, 1).exists(), "a new file has nothing to back up");

        assert!(migrate(&mut opened(&path), &path, &[V1, V2, BROKEN]).is_err());
        let version: i64 = opened(&path).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 1, "a failed upgrade leaves the old file");

        migrate(&mut opened(&path), &path, &[V1, V2]).unwrap();
        let b: i64 = opened(&path).query_row("SELECT b FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(b, 7);
        let kept: i64 = opened(&backup_path(&path, 1)).query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7, "the backup holds the rows of before");
    }

    #[test]
    fn newer_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        migrate(&mut opened(&path), &path, &[V1, V2]).unwrap();
        assert!(matches!(migrate(&mut opened(&path), &path, &[V1]), Err(StoreError::Newer { found: 2, known: 1, .. })));

        let foreign = folder.path().join("other.db");
        opened(&foreign).execute_batch("CREATE TABLE x (a)").unwrap();
        assert!(matches!(migrate(&mut opened(&foreign), &foreign, &[V1]), Err(StoreError::Foreign { .. })));
    }

    #[test]
    fn views_are_renewed_only_when_their_text_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        migrate(&mut opened(&path), &path, MIGRATIONS).unwrap();
        assert!(!views_differ(&opened(&path)).unwrap());
        opened(&path).execute_batch("DROP VIEW help; CREATE VIEW help AS SELECT 1 AS one").unwrap();
        assert!(views_differ(&opened(&path)).unwrap());
        migrate(&mut opened(&path), &path, MIGRATIONS).unwrap();
        assert!(!views_differ(&opened(&path)).unwrap());
    }
}
