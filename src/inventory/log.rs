//! The write-ahead log's length: what is in it is copied into the file between transactions, not within them, where readers would wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

use super::error::Stored;

/// Pages of 4 KiB. Large transactions write the same pages over and over; the longer the log, the fewer of them are copied.
const LONG: i32 = 4_000;

/// How many pages the log has had since it was last copied. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<AtomicI32>);

impl Log {
    /// Has the connection tell, instead of copying by itself.
    pub fn of(connection: &mut Connection) -> Stored<Self> {
        let log = Self::default();
        let pages = Arc::clone(&log.0);
        connection.wal_hook(Some(move |_: &mut _, now: i32| {
            pages.store(now, Ordering::SeqCst);
            Ok(())
        }))?;
        Ok(log)
    }

    /// Copies a long log into the file, as far as no reader needs what is there. Where that fails, all of it stays in the log, and the
    /// next transaction tries again.
    pub fn shorten(&self, connection: &Connection) {
        if self.0.swap(0, Ordering::SeqCst) >= LONG {
            let _copied: rusqlite::Result<()> = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}
