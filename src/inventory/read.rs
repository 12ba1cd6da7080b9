//! Connections that cannot write, for everybody who asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::error::{StoreError, Stored};
use super::foreign_log::refuse_foreign_log;
use super::migrate::{Readable, check_readable};
use super::open::connect_to_ask;
use super::resident::Resident;
use super::same_file::SameFile;
use super::watch::Watch;
use super::writer::Threads;

/// Reads the inventory. Cheap to clone; connections are made as they are needed and kept.
#[derive(Debug, Clone)]
pub struct Reader(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    same: Arc<SameFile>,
    threads: Threads,
    readable: Readable,
    idle: Mutex<Option<Vec<Connection>>>,
    /// What the process that writes keeps in memory.
    resident: Option<Resident>,
}

/// Connections that are kept while nobody asks.
const KEPT: usize = 2;

impl Reader {
    /// Opens the file for reading, beside whoever writes it.
    ///
    /// # Errors
    /// It does not exist, is another program's, or of another schema than this one's.
    pub fn open(path: &Path) -> Stored<Self> {
        Self::open_on(Threads::Own, path, Readable::Newest)
    }

    /// The same for whoever takes the file as a whole, such as the copy that an upgrade kept: an earlier schema will do.
    ///
    /// # Errors
    /// It does not exist, is another program's, or newer than this one.
    pub fn open_up_to_newest(path: &Path) -> Stored<Self> {
        Self::open_on(Threads::Own, path, Readable::UpToNewest)
    }

    fn open_on(threads: Threads, path: &Path, readable: Readable) -> Stored<Self> {
        refuse_foreign_log(path)?;
        Self::of(threads, path, readable, None)
    }

    /// The reader of the process that writes.
    pub(super) fn beside_writer(threads: Threads, path: &Path, resident: Resident) -> Stored<Self> {
        Self::of(threads, path, Readable::Newest, Some(resident))
    }

    fn of(threads: Threads, path: &Path, readable: Readable, resident: Option<Resident>) -> Stored<Self> {
        let same = Arc::new(SameFile::of(path)?);
        let first = connect_to_ask(path, readable)?;
        same.check()?;
        Ok(Self(Arc::new(Pool { path: path.to_owned(), same, threads, readable, idle: Mutex::new(Some(vec![first])), resident })))
    }

    /// What is kept in memory, where it is.
    pub(super) fn resident(&self) -> Option<Resident> {
        self.0.resident.clone()
    }

    /// Runs `ask` on a thread that may block. All that one call reads is of one state of the file.
    pub async fn read<R, F>(&self, ask: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Stored<R> + Send + 'static,
    {
        if self.0.threads == Threads::Callers {
            return self.read_blocking(ask);
        }
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.read_blocking(ask)).await.map_err(|_| StoreError::Stopped)?
    }

    /// As [`Reader::read`], for threads that may block.
    pub fn read_blocking<R>(&self, ask: impl FnOnce(&Connection) -> Stored<R>) -> Stored<R> {
        let connection = self.take()?;
        self.check_same()?;
        connection.execute_batch("BEGIN")?;
        let result = ask(&connection);
        connection.execute_batch("ROLLBACK")?;
        self.give_back(connection);
        result
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Tells whether another process has changed the file.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn watch(&self) -> Stored<Watch> {
        let connection = connect_to_ask(&self.0.path, self.0.readable)?;
        self.check_same()?;
        Ok(Watch::of_other_processes(Arc::clone(&self.0.same), connection))
    }

    /// Whether questions are answered: the file is there, ours, of a schema that this program knows, and can be read.
    ///
    /// # Errors
    /// It is not so.
    pub async fn check(&self) -> Stored<()> {
        let (path, readable) = (self.0.path.clone(), self.0.readable);
        self.read(move |connection| {
            check_readable(connection, &path, readable)?;
            let _accounts: i64 = connection.query_row("SELECT count(*) FROM account", [], |row| row.get(0))?;
            Ok(())
        })
        .await
    }

    /// Fails where another file is in the place of the one that was opened: to be asked when it was opened once more.
    pub(super) fn check_same(&self) -> Stored<()> {
        self.0.same.check()
    }

    fn take(&self) -> Stored<Connection> {
        let idle = match self.0.idle.lock() {
            Ok(mut idle) => idle.as_mut().ok_or(StoreError::Stopped)?.pop(),
            Err(_) => return Err(StoreError::Stopped),
        };
        idle.map_or_else(|| connect_to_ask(&self.0.path, self.0.readable), Ok)
    }

    fn give_back(&self, connection: Connection) {
        if let Ok(mut idle) = self.0.idle.lock()
            && let Some(idle) = idle.as_mut()
            && idle.len() < KEPT
        {
            idle.push(connection);
        }
    }

    /// Closes what is idle and lets nobody ask any more.
    pub(super) fn close(&self) {
        if let Ok(mut idle) = self.0.idle.lock() {
            idle.take();
        }
    }
}
