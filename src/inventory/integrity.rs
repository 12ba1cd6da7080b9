//! Whether the file is what SQLite and we think it is: its pages, its references, and sums of our own.

use rusqlite::Connection;

use super::error::Stored;
use super::migrate::MIGRATIONS;
use super::read::Reader;
use super::sums::{SUMS, WORDS};

/// Tables and how many rows each has, in order of name.
pub type Rows = Vec<(String, i64)>;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Table and row, or the file itself.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The file's schema.
    pub schema: i64,
    /// Empty where the file is too damaged to be counted.
    pub rows: Rows,
    /// Nothing, in a sound file.
    pub wrong: Vec<Wrong>,
}

/// As many rows are named of each thing that is wrong.
const NAMED: u32 = 20;

impl Reader {
    /// Looks over the whole file, beside whoever writes it.
    ///
    /// # Errors
    /// The file cannot even be begun to be read. What is wrong further inside is in the answer.
    pub fn look_over(&self) -> Stored<Looked> {
        self.read_blocking(look_over)
    }
}

/// Looks over all that one transaction sees.
pub(super) fn look_over(connection: &Connection) -> Stored<Looked> {
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut looked = Looked { schema, rows: Vec::new(), wrong: Vec::new() };
    let broken = |what: String| Wrong { place: "the file".to_owned(), what };
    // One part may be too damaged to be asked, and the others say more.
    match damage(connection) {
        Ok(found) => looked.wrong.extend(found.into_iter().map(broken)),
        Err(error) => looked.wrong.push(broken(error.to_string())),
    }
    match references(connection) {
        Ok(found) => looked.wrong.extend(found),
        Err(error) => looked.wrong.push(broken(format!("references cannot be followed: {error}"))),
    }
    // The sums are of the newest schema; an older file is brought to it by the next start.
    if usize::try_from(schema) == Ok(MIGRATIONS.len()) {
        match sums(connection) {
            Ok(found) => looked.wrong.extend(found),
            Err(error) => looked.wrong.push(broken(format!("sums cannot be made: {error}"))),
        }
    }
    match rows(connection) {
        Ok(rows) => looked.rows = rows,
        Err(error) => looked.wrong.push(broken(format!("rows cannot be counted: {error}"))),
    }
    Ok(looked)
}

/// What SQLite finds wrong with pages, indexes and constraints.
pub(super) fn damage(connection: &Connection) -> Stored<Vec<String>> {
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(if found == ["ok"] { Vec::new() } else { found })
}

/// Rows that point to rows that are not there.
fn references(connection: &Connection) -> Stored<Vec<Wrong>> {
    let mut check = connection.prepare("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT ?1")?;
    let found = check.query_map([NAMED], |row| {
        let (table, number, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let number = number.map_or_else(String::new, |number| format!(" {number}"));
        Ok(Wrong { place: format!("{table}{number}"), what: format!("points to a row of {parent} that is not there") })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn sums(connection: &Connection) -> Stored<Vec<Wrong>> {
    let mut wrong = Vec::new();
    for sum in SUMS {
        let mut select = connection.prepare(sum.rows)?;
        let rows: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        tell(&mut wrong, sum.table, sum.wrong, rows);
    }
    for words in WORDS {
        let (table, column) = (words.table, words.column);
        let sql = format!(
            "SELECT \"{column}\", group_concat(rowid, ', ') FROM (SELECT rowid, \"{column}\" FROM \"{table}\" WHERE \"{column}\" IS NOT NULL
              AND \"{column}\" NOT IN (SELECT value FROM json_each(?1)) LIMIT {NAMED}) GROUP BY 1"
        );
        let known = serde_json::Value::from_iter((words.known)());
        let mut select = connection.prepare(&sql)?;
        let found = select.query_map([known.to_string()], |row| {
            let (word, rows): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(Wrong {
                place: format!("{table} {rows}"),
                what: format!("{column} is '{word}', which no version up to this one writes"),
            })
        })?;
        wrong.extend(found.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(wrong)
}

fn tell(wrong: &mut Vec<Wrong>, table: &str, what: &str, rows: Vec<String>) {
    let mut rows = rows.into_iter();
    for row in rows.by_ref().take(NAMED as usize) {
        wrong.push(Wrong { place: format!("{table} {row}"), what: what.to_owned() });
    }
    let more = rows.count();
    if more > 0 {
        wrong.push(Wrong { place: table.to_owned(), what: format!("{more} more: {what}") });
    }
}

/// Counts the rows of every table.
pub(super) fn rows(connection: &Connection) -> Stored<Rows> {
    let mut tables = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let count = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok((table, count))
    };
    tables.into_iter().map(count).collect()
}
