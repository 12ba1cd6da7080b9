//! The texts of the views, and the words of the domain as SQL reads and writes them.

use std::str::FromStr;
use std::sync::LazyLock;

use rusqlite::Row;

use super::error::{StoreError, Stored};

/// The private view with every condition of every key, at `:now`.
const STATES: &str = include_str!("views/states.sql");
/// The public view `keys`, at `:now`.
const KEYS: &str = include_str!("views/keys.sql");

/// Creates all views, with SQLite's own clock for `:now`.
pub static VIEWS: LazyLock<String> = LazyLock::new(|| {
    let by_clock = |text: &str| text.replace(":now", "unixepoch()");
    format!(
        "CREATE VIEW key_state AS {};\nCREATE VIEW keys AS {};\n{}\n{}",
        by_clock(STATES),
        by_clock(KEYS),
        include_str!("views/public.sql"),
        include_str!("views/help.sql")
    )
});

/// A query over the same texts at a bound `:now`: `tail` reads from `key_state`, and from `keys` as the public view does.
pub fn at_now(tail: &str) -> String {
    format!("WITH key_state AS (\n{STATES}), keys AS (\n{KEYS})\n{tail}")
}

/// A word of a closed enum from a column.
pub fn word<T: FromStr<Err = String>>(row: &Row<'_>, index: usize, column: &'static str) -> Stored<T> {
    let text: String = row.get(index)?;
    text.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{text}'"), column })
}
