//! Which keys a transaction touched: SQLite itself tells each row that is written, whoever wrote it.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::hooks::Action;

use crate::inventory::error::Stored;

/// The rows that were written since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub keys: Vec<i64>,
    pub scopes: Vec<i64>,
    /// Keys that have another home now, or are deleted, and the scope that was it.
    pub left_home: Vec<(i64, i64)>,
    /// So much that reading everything costs no more.
    pub all: bool,
    /// An organisation is new: its first poll touches more keys than it costs to read them all once, when somebody asks.
    pub new_organization: bool,
    last: Option<i64>,
}

/// Rows remembered one by one; beyond, all is read anew.
const MOST: usize = 200_000;

impl Touched {
    /// What is touched from here on is told behind what was touched until here, and told again where it is the same.
    pub fn mark(&mut self) {
        self.last = None;
    }

    fn key(&mut self, row: i64) {
        if self.last == Some(row) || self.all {
            return;
        }
        self.last = Some(row);
        self.keys.push(row);
        if self.keys.len() > MOST {
            (self.keys, self.all) = (Vec::new(), true);
        }
    }

    fn row(&mut self, action: Action, table: &str, row: i64) {
        match table {
            // Narrow tables beside the keys, whose rows have the same numbers.
            "key" | "last_use" | "deadline" => self.key(row),
            "scope" if self.scopes.last() != Some(&row) => self.scopes.push(row),
            "organization" if action == Action::SQLITE_INSERT => self.new_organization = true,
            "organization" => self.all = true,
            _ => {}
        }
    }
}

/// Rows of sightings have no number that SQLite could tell, and it tells none of what a row was before.
const TRIGGERS: &str = "
CREATE TEMP TRIGGER key_moved AFTER UPDATE OF scope_id ON main.key WHEN OLD.scope_id <> NEW.scope_id BEGIN SELECT left_home(OLD.id, OLD.scope_id); END;
CREATE TEMP TRIGGER key_deleted AFTER DELETE ON main.key BEGIN SELECT left_home(OLD.id, OLD.scope_id); END;
CREATE TEMP TRIGGER sighting_inserted AFTER INSERT ON main.sighting BEGIN SELECT touched(NEW.key_id); END;
CREATE TEMP TRIGGER sighting_updated AFTER UPDATE ON main.sighting BEGIN SELECT touched(NEW.key_id); END;
CREATE TEMP TRIGGER sighting_deleted AFTER DELETE ON main.sighting BEGIN SELECT touched(OLD.key_id); END;";

/// Has the connection tell what it writes from now on.
pub(super) fn listen(connection: &mut Connection, touched: &Arc<Mutex<Touched>>) -> Stored<()> {
    let by_hook = Arc::clone(touched);
    connection.update_hook(Some(move |action: Action, database: &str, table: &str, row| {
        if database == "main" {
            by_hook.lock().unwrap_or_else(PoisonError::into_inner).row(action, table, row);
        }
    }))?;
    by_trigger(connection, "touched", 1, touched, |touched, context| {
        touched.key(context.get(0)?);
        Ok(())
    })?;
    by_trigger(connection, "left_home", 2, touched, |touched, context| {
        touched.left_home.push((context.get(0)?, context.get(1)?));
        Ok(())
    })?;
    connection.execute_batch(TRIGGERS)?;
    Ok(())
}

/// A function of SQL by which triggers tell something.
fn by_trigger(
    connection: &Connection,
    name: &str,
    arguments: i32,
    touched: &Arc<Mutex<Touched>>,
    tell: fn(&mut Touched, &Context<'_>) -> rusqlite::Result<()>,
) -> Stored<()> {
    let touched = Arc::clone(touched);
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(name, arguments, flags, move |context| {
        tell(&mut touched.lock().unwrap_or_else(PoisonError::into_inner), context)?;
        Ok(rusqlite::types::Null)
    })?;
    Ok(())
}
