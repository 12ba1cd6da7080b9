//! Names, columns and settings that others rely on.

use std::collections::{BTreeMap, BTreeSet};

use keymuster::inventory::Reader;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{connection, opened, schema, state};

/// The columns of `keys`, in their order: what people query.
const KEYS: &str = "provider, account, scope_id, scope_name, key_id, kind, name, hint, owner_kind, owner_id, owner_name, owner_email, \
created_at, last_used_at, last_used_state, expires_at, expires_state, enabled, presence, presence_reason, held_since, conditions, \
stale_basis, waived, self, first_seen_at, last_seen_at, team, labels";

/// Every public view.
const VIEWS: &[&str] = &[
    "keys",
    "stale_keys",
    "expired_keys",
    "expiring_keys",
    "orphaned_keys",
    "accounts",
    "scopes",
    "walks",
    "people",
    "holds",
    "acknowledgements",
    "changes",
    "waivers",
    "help",
];

/// Views that the others stand on.
const PRIVATE_VIEWS: &[&str] = &["key_state", "held_by_list"];

/// What a column may hold. There is none for key material, on purpose: whoever adds a column says here what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// A number of ours: a row, a walk, a poll, a count, a hash that nothing can be read back from.
    Number,
    /// A time, or a span.
    Time,
    /// A word of a closed list.
    Word,
    /// Yes or no.
    Flag,
    /// An id that a provider gave, through the gate for ids.
    RemoteId,
    /// Text that people wrote at a provider, through the gate for text.
    RemoteText,
    /// A provider's own mask of a secret, through the gate for hints.
    Mask,
    /// Text of ours or of the config.
    OwnText,
    /// Random digits of ours, which open nothing.
    OwnRandom,
    /// JSON that we made of columns of public views.
    Public,
}

use Holds::{Flag, Mask, Number, OwnRandom, OwnText, Public, RemoteId, RemoteText, Time, Word};

/// Every column of every table.
const COLUMNS: &[(&str, &[(&str, Holds)])] = &[
    ("run", &[("id", Number), ("started_at", Time), ("version", OwnText)]),
    (
        "account",
        &[
            ("id", Number),
            ("name", OwnText),
            ("provider", Word),
            ("configured", Flag),
            ("organization_id", Number),
            ("interval", Time),
            ("offered_id", RemoteId),
            ("offered_name", RemoteText),
            ("offered_at", Time),
            ("credential_expires_at", Time),
        ],
    ),
    (
        "organization",
        &[("id", Number), ("account_id", Number), ("remote_id", RemoteId), ("name", RemoteText), ("first_seen_at", Time)],
    ),
    (
        "poll",
        &[
            ("id", Number),
            ("account_id", Number),
            ("run_id", Number),
            ("started_at", Time),
            ("settled_at", Time),
            ("up", Flag),
            ("reason", Word),
        ],
    ),
    (
        "scope",
        &[
            ("id", Number),
            ("organization_id", Number),
            ("kind", Word),
            ("remote_id", RemoteId),
            ("name", RemoteText),
            ("standing", Word),
            ("standing_reason", Word),
            ("refusals", Number),
            ("newest_walk", Number),
            ("complete_walk", Number),
            ("complete_at", Time),
            ("before_walk", Number),
            ("unlisted_walk", Number),
            ("first_complete_at", Time),
            ("judged_walk", Number),
        ],
    ),
    (
        "walk",
        &[
            ("id", Number),
            ("poll_id", Number),
            ("scope_id", Number),
            ("run_id", Number),
            ("started_at", Time),
            ("boot_s", Time),
            ("ended_at", Time),
            ("outcome", Word),
            ("reason", Word),
            ("detail", OwnText),
            ("pages", Number),
            ("items", Number),
            ("refused", Number),
            ("other_organization", Number),
        ],
    ),
    (
        "person",
        &[
            ("id", Number),
            ("organization_id", Number),
            ("remote_id", RemoteId),
            ("kind", Word),
            ("name", RemoteText),
            ("email", RemoteText),
            ("listed", Flag),
            ("unlisted_walk", Number),
            ("back_walk", Number),
            ("by_group", Flag),
        ],
    ),
    (
        "key",
        &[
            ("id", Number),
            ("organization_id", Number),
            ("remote_id", RemoteId),
            ("kind", Word),
            ("scope_id", Number),
            ("name", RemoteText),
            ("hint", Mask),
            ("person_id", Number),
            ("owner_access", Word),
            ("created_at", Time),
            ("expires_at", Time),
            ("expires_state", Word),
            ("enabled", Flag),
            ("self", Flag),
            ("fingerprint", Number),
            ("presence", Word),
            ("presence_reason", Word),
            ("first_seen_at", Time),
            ("first_walk", Number),
            ("seen_at", Time),
            ("seen_walk", Number),
            ("missing_number", Number),
            ("missing_at", Time),
            ("missing_boot_s", Time),
            ("missing_run", Number),
            ("disabled_at", Time),
            ("access_lost_at", Time),
            ("left_at", Time),
        ],
    ),
    ("sighting", &[("scope_id", Number), ("key_id", Number), ("walk_id", Number), ("unlisted_walk", Number)]),
    (
        "last_use",
        &[
            ("key_id", Number),
            ("used_at", Time),
            ("used_state", Word),
            ("stale_at", Time),
            ("stale_basis", Word),
            ("never_used_at", Time),
        ],
    ),
    (
        "deadline",
        &[
            ("key_id", Number),
            ("expiring_at", Time),
            ("expired_at", Time),
            ("no_expiry_at", Time),
            ("overdue_at", Time),
            ("disabled_at", Time),
            ("orphaned_at", Time),
            ("waived_until", Time),
            ("label_set_id", Number),
        ],
    ),
    ("label_set", &[("id", Number), ("labels", OwnText)]),
    ("policy", &[("one", Number), ("fingerprint", Number), ("computed_at", Time), ("waivers_told_at", Time)]),
    ("tag_key", &[("key", OwnRandom)]),
    ("history", &[("whole_since", Time), ("walks_whole_since", Time)]),
    ("webhook", &[("one", Number), ("told_change", Number), ("looked_at", Time)]),
    ("told_finding", &[("key_id", Number), ("conditions", Word)]),
    ("told_scope", &[("scope_id", Number)]),
    (
        "delivery",
        &[
            ("id", Number),
            ("message_id", OwnRandom),
            ("made_at", Time),
            ("attempts", Number),
            ("next_at", Time),
            ("body", Public),
        ],
    ),
    ("waiver", &[("id", Number), ("matches", OwnText), ("reason", OwnText), ("who", OwnText), ("until", Time)]),
    (
        "hold",
        &[
            ("id", Number),
            ("account_id", Number),
            ("scope_id", Number),
            ("walk_id", Number),
            ("cause", Word),
            ("held", Number),
            ("since", Time),
            ("ended_at", Time),
            ("ended_by", OwnText),
            ("ended_why", OwnText),
        ],
    ),
    ("held_key", &[("hold_id", Number), ("key_id", Number), ("asked_poll", Number), ("absent_poll", Number)]),
    (
        "acknowledgement",
        &[
            ("id", Number),
            ("at", Time),
            ("account_id", Number),
            ("scope_id", Number),
            ("who", OwnText),
            ("why", OwnText),
            ("holds", Number),
            ("keys", Number),
            ("gone", Number),
            ("organization", Flag),
        ],
    ),
    (
        "change",
        &[
            ("id", Number),
            ("at", Time),
            ("poll_id", Number),
            ("key_id", Number),
            ("change", Word),
            ("before", RemoteText),
            ("after", RemoteText),
        ],
    ),
];

fn names(connection: &Connection, sql: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn columns(connection: &Connection, of: &str) -> Vec<String> {
    names(connection, &format!("SELECT name FROM pragma_table_info('{of}') ORDER BY cid"))
}

#[test]
fn views_have_the_columns_that_are_promised() {
    let (_folder, connection) = schema();
    let keys: Vec<&str> = KEYS.split(", ").collect();
    for view in ["keys", "stale_keys", "expired_keys", "expiring_keys", "orphaned_keys"] {
        assert_eq!(columns(&connection, view), keys, "{view}");
    }
    let stored: BTreeSet<String> = names(&connection, "SELECT name FROM sqlite_schema WHERE type = 'view'").into_iter().collect();
    let known: BTreeSet<String> = VIEWS.iter().chain(PRIVATE_VIEWS).map(|view| (*view).to_owned()).collect();
    assert_eq!(stored, known);
}

#[test]
fn every_view_and_column_is_in_help_and_nothing_else_is() {
    let (_folder, connection) = schema();
    let mut select = connection.prepare("SELECT \"view\", \"column\", meaning FROM help").unwrap();
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    for (view, list, meaning) in rows.map(Result::unwrap) {
        let (view, list, meaning): (String, String, String) = (view, list, meaning);
        assert!(meaning.len() > 3, "{view}.{list}: {meaning}");
        let of_view = told.entry(view.clone()).or_default();
        for column in list.split(", ") {
            assert!(of_view.insert(column.to_owned()), "{view}.{column} is there twice");
        }
    }
    assert_eq!(told.keys().map(String::as_str).collect::<BTreeSet<_>>(), VIEWS.iter().copied().collect());
    for (view, mut told) in told {
        assert!(told.remove(""), "{view} itself is explained");
        // Views of the same columns as `keys` say so.
        let expected: BTreeSet<String> =
            if view.ends_with("_keys") { BTreeSet::new() } else { columns(&connection, &view).into_iter().collect() };
        assert_eq!(told, expected, "{view}");
    }
}

#[test]
fn tables_are_strict_and_hold_metadata_alone() {
    let (_folder, connection) = schema();
    let loose = names(
        &connection,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'",
    );
    assert!(loose.is_empty(), "not STRICT: {loose:?}");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let stored: BTreeMap<String, BTreeSet<String>> = names(&connection, tables)
        .into_iter()
        .map(|table| (table.clone(), columns(&connection, &table).into_iter().collect()))
        .collect();
    let classified: BTreeMap<String, BTreeSet<String>> = COLUMNS
        .iter()
        .map(|(table, columns)| ((*table).to_owned(), columns.iter().map(|(column, _)| (*column).to_owned()).collect()))
        .collect();
    assert_eq!(stored, classified, "say what a new column holds, and that it holds no secret");
    for (table, columns) in COLUMNS {
        for (column, holds) in *columns {
            let declared: String = connection
                .query_row("SELECT type FROM pragma_table_info(?1) WHERE name = ?2", [table, column], |row| row.get(0))
                .unwrap();
            let expected = match holds {
                Number | Time | Flag => "INTEGER",
                Word | RemoteId | RemoteText | Mask | OwnText | OwnRandom | Public => "TEXT",
            };
            assert_eq!(declared, expected, "{table}.{column} holds {holds:?}");
        }
    }
    let blobs = names(
        &connection,
        "SELECT m.name || '.' || c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.type IN ('BLOB', 'ANY')",
    );
    assert!(blobs.is_empty(), "{blobs:?} could hold anything");
}

/// What every connection is set to; numbers, but for the journal.
const SETTINGS: [(&str, i64); 8] = [
    ("application_id", 0x6b6d_7374),
    // Milliseconds.
    ("busy_timeout", 5_000),
    ("cell_size_check", 1),
    ("foreign_keys", 1),
    ("mmap_size", 0),
    // FULL.
    ("synchronous", 2),
    ("trusted_schema", 0),
    ("user_version", 8),
];

#[track_caller]
fn assert_settings(connection: &Connection, query_only: i64, whose: &str) {
    for (pragma, expected) in SETTINGS.into_iter().chain([("query_only", query_only)]) {
        let value: Option<i64> = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).optional().unwrap();
        // Where memory cannot be mapped, there is no size of it.
        assert_eq!(value.unwrap_or(0), expected, "{pragma} of {whose}");
    }
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal", "{whose}");
    for (config, expected) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    ] {
        assert_eq!(connection.db_config(config).unwrap(), expected, "{config:?} of {whose}");
    }
}

/// A new file, whose schema was just made, and one that is opened again.
#[tokio::test]
async fn settings_are_as_designed() {
    let (_folder, path) = state();
    for time in ["the first time", "again"] {
        let inventory = opened(&path);
        let asked = inventory.write(|transaction| {
            assert_settings(transaction, 0, "the writer");
            Ok(())
        });
        asked.await.unwrap_or_else(|error| panic!("{time}: {error}"));
        for reader in [inventory.reader().clone(), Reader::open(&path).unwrap()] {
            // Those that are kept, and one that is made because they are busy.
            let nested = reader.read_blocking(|kept| {
                assert_settings(kept, 1, "a reader");
                reader.read_blocking(|made| {
                    assert_settings(made, 1, "a further reader");
                    Ok(())
                })
            });
            nested.unwrap();
        }
        inventory.close().await.unwrap();
    }
    let closed = connection(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let check: String = closed.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

/// Before 3.51.3 two programs that use a file with a write-ahead log can corrupt it; and what the machine has may be older.
#[test]
fn sqlite_is_our_own_and_not_one_that_corrupts_logs() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    let (_folder, connection) = schema();
    let told: String = connection.query_row("SELECT sqlite_version()", [], |row| row.get(0)).unwrap();
    assert_eq!(told, rusqlite::version());
    // The program, and this test, which has it open now.
    let linked = std::process::Command::new("ldd").arg(env!("CARGO_BIN_EXE_keymuster")).output().unwrap();
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    assert!(linked.contains("libc") && !linked.contains("sqlite"), "{linked}");
    let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!mapped.contains("libsqlite"), "{mapped}");
}
