//! Tells whether the file may have changed since it was last asked about.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::error::{StoreError, Stored};
use super::same_file::SameFile;

/// A number that differs whenever the file may have changed in between. It means nothing to another `Watch`.
#[derive(Debug)]
pub struct Watch {
    same: Arc<SameFile>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The writer of this process counts its transactions.
    Writer(Arc<AtomicI64>),
    /// SQLite tells a connection whether another one has committed; only the same connection may compare.
    Connection(Mutex<Connection>),
}

impl Watch {
    pub(super) const fn of_this_process(same: Arc<SameFile>, generation: Arc<AtomicI64>) -> Self {
        Self { same, source: Source::Writer(generation) }
    }

    pub(super) const fn of_other_processes(same: Arc<SameFile>, connection: Connection) -> Self {
        Self { same, source: Source::Connection(Mutex::new(connection)) }
    }

    /// The number as of now. Ask before reading: what commits in between is then seen as a change.
    ///
    /// # Errors
    /// Another file is in its place, or the file of another process cannot be looked at.
    pub fn version(&self) -> Stored<i64> {
        self.same.check()?;
        match &self.source {
            Source::Writer(generation) => Ok(generation.load(Ordering::SeqCst)),
            Source::Connection(connection) => {
                let connection = connection.lock().map_err(|_| StoreError::Stopped)?;
                Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
            }
        }
    }
}
