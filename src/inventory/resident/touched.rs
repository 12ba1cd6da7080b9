//! Which keys a transaction touched: SQLite itself tells each row that is written, whoever wrote it.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::Action;

use crate::inventory::error::Stored;

/// The rows that were written since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub keys: Vec<i64>,
    pub scopes: Vec<i64>,
    /// So much that reading everything costs no more.
    pub all: bool,
}

/// Rows remembered one by one; beyond, all is read anew.
const MOST: usize = 200_000;

impl Touched {
    fn key(&mut self, row: i64) {
        if self.keys.last() == Some(&row) || self.all {
            return;
        }
        self.keys.push(row);
        if self.keys.len() > MOST {
            (self.keys, self.all) = (Vec::new(), true);
        }
    }

    fn row(&mut self, table: &str, row: i64) {
        match table {
            // Narrow tables beside the keys, whose rows have the same numbers.
            "key" | "last_use" | "deadline" => self.key(row),
            "scope" if self.scopes.last() != Some(&row) => self.scopes.push(row),
            "organization" => self.all = true,
            _ => {}
        }
    }
}

/// Rows of this table have no number that SQLite could tell.
const SIGHTINGS: &str = "
CREATE TEMP TRIGGER sighting_inserted AFTER INSERT ON main.sighting BEGIN SELECT touched(NEW.key_id); END;
CREATE TEMP TRIGGER sighting_updated AFTER UPDATE ON main.sighting BEGIN SELECT touched(NEW.key_id); END;
CREATE TEMP TRIGGER sighting_deleted AFTER DELETE ON main.sighting BEGIN SELECT touched(OLD.key_id); END;";

/// Has the connection tell what it writes from now on.
pub(super) fn listen(connection: &mut Connection, touched: &Arc<Mutex<Touched>>) -> Stored<()> {
    let by_hook = Arc::clone(touched);
    connection.update_hook(Some(move |_: Action, database: &str, table: &str, row| {
        if database == "main" {
            by_hook.lock().unwrap_or_else(PoisonError::into_inner).row(table, row);
        }
    }))?;
    let by_trigger = Arc::clone(touched);
    connection.create_scalar_function(
        "touched",
        1,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS,
        move |context| {
            by_trigger.lock().unwrap_or_else(PoisonError::into_inner).key(context.get(0)?);
            Ok(rusqlite::types::Null)
        },
    )?;
    connection.execute_batch(SIGHTINGS)?;
    Ok(())
}
