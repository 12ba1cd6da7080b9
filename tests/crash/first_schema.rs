//! A file as the first release left it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::left::texts;

const FIRST: &str = include_str!("../../src/inventory/migrations/0001.sql");

/// The rows of a file of the newest schema in one of the first.
pub fn first_schema(of: &Path, to: &Path) {
    let connection = Connection::open_with_flags(to, OpenFlags::default()).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA application_id = 0x6b6d7374; PRAGMA user_version = 1").unwrap();
    connection.execute_batch(FIRST).unwrap();
    connection.execute("ATTACH ?1 AS newest", [of.to_str().unwrap()]).unwrap();
    let tables = texts(&connection, "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    for table in tables {
        let columns: Vec<String> =
            texts(&connection, &format!("SELECT name FROM pragma_table_info('{table}', 'main')")).into_iter().collect();
        let columns = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        connection.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}")).unwrap();
    }
}
