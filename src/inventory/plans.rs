//! How the questions asked in every poll find their rows, in a file large enough that SQLite plans as it does for a million keys.

use rusqlite::Connection;

use super::asked::{Filter, KeysAsked};
use super::sql::{VIEWS, at_now_in_order, facts_at_now, one_at_now};
use super::{
    add_keys, apply, apply_key, apply_keys, deadlines, evidence, holds, list_changes, list_keys, migrate, open, people_again,
    settle, witnessed,
};

/// A file of many keys: whether or not SQLite was let count them (it is at each stop), the plans have to be good.
/// What SQLite knows of the tables when it plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistics {
    Nothing,
    Counted,
    /// What `PRAGMA optimize` left in a file of one organisation with a million keys: it looks at two thousand rows of an index, and
    /// takes them for all that begin alike.
    Estimated,
}

impl Statistics {
    const ALL: [Self; 3] = [Self::Nothing, Self::Counted, Self::Estimated];
}

const ESTIMATED: &str = "
    DELETE FROM sqlite_stat1;
    INSERT INTO sqlite_stat1 VALUES
        ('account', 'sqlite_autoindex_account_1', '3 1'), ('organization', 'organization_by_account', '1 1'),
        ('poll', 'poll_by_account', '1 1 1'), ('walk', 'walk_by_poll', '1003 1003'), ('walk', 'walk_by_scope', '1003 1 1'),
        ('scope', 'sqlite_autoindex_scope_1', '1003 1003 251 1'), ('person', 'sqlite_autoindex_person_1', '4000 2001 1'),
        ('sighting', 'sighting_unlisted', '0 0'), ('sighting', 'sighting_by_key', '1000011 1'), ('sighting', 'sighting', '1000011 667 1'),
        ('key', 'key_missing', '0 0'), ('key', 'key_self', '1 1'), ('key', 'key_left', '0 0'), ('key', 'key_by_home', '1000005 667'),
        ('key', 'key_by_person', '1000005 223'), ('key', 'sqlite_autoindex_key_1', '1000005 2001 1');
    ANALYZE sqlite_schema;";

fn filled(statistics: Statistics) -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.db");
    let mut connection = Connection::open_with_flags(&path, rusqlite::OpenFlags::default()).unwrap();
    migrate::migrate(&mut connection, &path, migrate::MIGRATIONS).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN;
             INSERT INTO run VALUES (1, 0, '');
             INSERT INTO account (id, name, provider, configured, organization_id, interval) VALUES (1, 'a', 'openai', 1, 1, 3600), (2, 'b', 'den', 1, 2, 3600);
             INSERT INTO organization VALUES (1, 1, 'o', 'o', 0), (2, 2, 'p', 'p', 0);
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
             INSERT INTO scope (id, organization_id, kind, remote_id, standing, complete_walk, complete_at)
             SELECT i, 1 + i % 2, 'project', 'p' || i, iif(i % 10 = 0, 'closed', 'open'), i, i FROM n;
             INSERT INTO scope (id, organization_id, kind, complete_walk, before_walk, complete_at) VALUES (101, 1, 'people', 101, 50, 1);
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO person (id, organization_id, remote_id, kind, listed, unlisted_walk)
             SELECT i, 1 + i % 2, 'u' || i, 'user', 1, iif(i % 100 = 0, 10, NULL) FROM n;
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO key (id, organization_id, remote_id, kind, scope_id, person_id, expires_state, enabled, fingerprint, presence,
                              presence_reason, first_seen_at, first_walk)
             SELECT i, 1 + i % 2, 'k' || i, 'project', 1 + i % 100, 1 + i % 1000, 'never', 1, i, 'present', 'listed', 1, 1 FROM n;
             INSERT INTO sighting SELECT scope_id, id, 1, iif(id % 1000 = 0, 2, NULL) FROM key;
             INSERT INTO last_use SELECT id, NULL, 'never', NULL, NULL, NULL FROM key;
             INSERT INTO deadline (key_id) SELECT id FROM key;
             INSERT INTO poll VALUES (1, 1, 1, 1, 1, 1, NULL);
             INSERT INTO change (at, poll_id, key_id, change) SELECT 1, 1, id, 'appeared' FROM key;
             COMMIT;",
        )
        .unwrap();
    match statistics {
        Statistics::Nothing => {}
        Statistics::Counted => connection.execute_batch("ANALYZE").unwrap(),
        Statistics::Estimated => connection.execute_batch(&format!("ANALYZE; {ESTIMATED}")).unwrap(),
    }
    (folder, connection)
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![1_i64; explain.parameter_count()];
    let rows = explain.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// Tables that grow with the number of keys or of polls, by every name that the texts give them.
const LARGE: &[&str] = &["key", "k", "sighting", "x", "y", "last_use", "u", "deadline", "d", "change", "c", "walk", "w"];

fn whole_tables(plan: &[String]) -> Vec<&String> {
    // Only a scan of the partial index of what complete lists no longer hold is small by itself.
    let scans = |step: &str| {
        let table = step.strip_prefix("SCAN ")?.split(' ').next()?;
        (LARGE.contains(&table) && !step.contains("INDEX sighting_unlisted") && !step.contains("INDEX key_left")).then_some(())
    };
    plan.iter().filter(|step| scans(step).is_some() || step.contains("AUTOMATIC")).collect()
}

#[test]
fn polls_read_no_table_whole() {
    for statistics in Statistics::ALL {
        let (_folder, connection) = filled(statistics);
        for (name, sql) in [
            ("supersede", settle::SUPERSEDE),
            ("left", settle::LEFT),
            ("back", settle::BACK),
            ("candidates", settle::CANDIDATES),
            ("evidence", evidence::EVIDENCE),
            ("witnesses", evidence::WITNESSES),
            ("witnessed", witnessed::WITNESSED),
            ("lacks members' keys", people_again::LACKS),
            ("changes", settle::CHANGES),
            ("lost", holds::LOST),
            ("ended", holds::ENDED),
            ("held", holds::HELD),
            ("held of a list", holds::HELD_OF_LIST),
            ("listed", apply_keys::LISTED),
            ("listed of an id", apply_keys::LISTED_OF_ID),
            ("listed of a row", apply_keys::LISTED_OF_ROW),
            ("known", add_keys::KNOWN),
            ("elsewhere", apply_keys::ELSEWHERE),
            ("sight", add_keys::SIGHT),
            ("at home", apply::AT_HOME),
            ("owned", apply_key::OWNED),
            ("to judge", deadlines::TO_JUDGE),
            ("newest number", open::NEWEST_NUMBER),
        ] {
            let plan = plan(&connection, sql);
            assert!(whole_tables(&plan).is_empty(), "{name}, {statistics:?}: {plan:#?}");
            let all_of_one = |step: &String| step.ends_with("sqlite_autoindex_key_1 (organization_id=?)");
            assert!(!plan.iter().any(all_of_one), "{name}, {statistics:?}: {plan:#?}");
        }
    }
}

/// SQLite makes a table anew, for each row that is written, of what stands in an `IN` of more than two words.
#[test]
fn rows_are_checked_without_a_table_made_for_it() {
    let (_folder, connection) = filled(Statistics::Nothing);
    for table in ["scope", "walk", "person", "key", "sighting", "last_use", "deadline", "change"] {
        let columns: i64 = connection.query_row("SELECT count(*) FROM pragma_table_info(?1)", [table], |row| row.get(0)).unwrap();
        let marks = vec!["?"; usize::try_from(columns).unwrap()].join(", ");
        let mut explain = connection.prepare(&format!("EXPLAIN INSERT INTO {table} VALUES ({marks})")).unwrap();
        let parameters = rusqlite::params_from_iter(vec![1_i64; explain.parameter_count()]);
        let rows = explain.query_map(parameters, |row| row.get::<_, String>(1)).unwrap();
        let steps = rows.collect::<Result<Vec<_>, _>>().unwrap();
        assert!(steps.iter().any(|step| step == "Insert" || step == "IdxInsert"), "{table}: {steps:?}");
        assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{table}: {steps:?}");
    }
}

#[test]
fn checks_refuse_what_they_refused() {
    let (_folder, connection) = filled(Statistics::Nothing);
    for statement in [
        "UPDATE scope SET standing = 'x'",
        "UPDATE person SET kind = 'x'",
        "UPDATE key SET expires_state = 'x'",
        "UPDATE key SET presence = 'x'",
        "UPDATE last_use SET used_state = 'x'",
        "INSERT INTO walk SELECT 1, 1, 1, 1, 0, 0, 0, 'x', NULL, NULL, 0, 0, 0, 0",
    ] {
        let refused = connection.execute_batch(statement).unwrap_err();
        assert!(refused.to_string().starts_with("CHECK constraint failed"), "{statement}: {refused}");
    }
}

/// What is kept in memory is read row by row, and some of it by their rows alone.
#[test]
fn memory_is_filled_in_the_order_of_rows() {
    // The plan hangs on what is in the file: the text says so in every one.
    assert!(facts_at_now("", "true").contains("FROM key CROSS JOIN organization"));
    for statistics in Statistics::ALL {
        let (_folder, connection) = filled(statistics);
        let all = plan(&connection, &facts_at_now("SELECT id, conditions, told_by FROM key_state ORDER BY id", "true"));
        assert!(all.iter().any(|step| step == "SCAN key") && !all.iter().any(|step| step.contains("TEMP B-TREE")), "{all:#?}");
        let range = "key.id BETWEEN :first AND :last";
        let some = plan(&connection, &facts_at_now("SELECT id, conditions, told_by FROM key_state ORDER BY id", range));
        assert!(whole_tables(&some).is_empty() && !some.iter().any(|step| step.contains("TEMP B-TREE")), "{some:#?}");
    }
}

#[test]
fn one_account_of_many_is_found_by_an_index() {
    assert!(VIEWS.contains("CREATE VIEW keys"));
    for statistics in Statistics::ALL {
        let (_folder, connection) = filled(statistics);
        for filter in ["account = 'a'", "account = 'a' AND key_id = 'k1'"] {
            let plan = plan(&connection, &format!("SELECT * FROM keys WHERE {filter}"));
            assert!(whole_tables(&plan).is_empty(), "{filter}, {statistics:?}: {plan:#?}");
        }
    }
}

#[test]
fn the_page_of_a_key_reads_no_table_whole() {
    let filter = Filter { accounts: vec!["a".to_owned()], id: Some("k1".to_owned()), ..Filter::default() };
    let chosen = KeysAsked { filter, ..KeysAsked::default() }.chosen().sql;
    for statistics in Statistics::ALL {
        let (_folder, connection) = filled(statistics);
        for (name, sql) in [
            ("key", at_now_in_order(&format!("{}{chosen}", list_keys::SELECT))),
            ("row", one_at_now(list_keys::SELECT)),
            ("history", list_changes::of_key()),
        ] {
            let plan = plan(&connection, &sql);
            assert!(whole_tables(&plan).is_empty(), "{name}, {statistics:?}: {plan:#?}");
        }
    }
}
