//! What can go wrong with the inventory, by what has to be done about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;

use crate::domain::Time;

/// A failure of the inventory. Nothing is half-written after any of them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is of a later version of the program.
    #[error("{path} has schema {found}, this program knows up to {known}: install the newer keymuster, or restore {backup}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that this program knows.
        known: i64,
        /// Where backups of before upgrades lie.
        backup: String,
    },
    /// The file is of an earlier version, and whoever only reads cannot bring it up to date.
    #[error(
        "{path} has schema {found}, and this program reads {known}: start its daemon, or run 'keymuster poll'; they bring the file up to date, and keep a copy"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The one that this program reads.
        known: i64,
    },
    /// The file is a database of another program.
    #[error("{path} is a database, but not of keymuster: name another file as inventory.path")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes the file.
    #[error("{path} is in use by another keymuster: stop it first, or let it do the work")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The config gives a stored account to another provider.
    #[error(
        "account {account} holds keys of {stored}, and the config makes it one of {configured}: give that one another name, {account} stays in the inventory"
    )]
    ProviderChanged {
        /// The account's name.
        account: String,
        /// The provider's word in the inventory.
        stored: String,
        /// The provider's word in the config.
        configured: String,
    },
    /// Nobody can tell how it was at that instant.
    #[error("{path} cannot tell how it was at {asked}: {}", match since { Some(since) => format!("its history goes back to {since}"), None => "nothing was read yet".to_owned() })]
    BeforeHistory {
        /// The file.
        path: PathBuf,
        /// The instant.
        asked: Time,
        /// Since when it can tell; `None` where nothing was ever read.
        since: Option<Time>,
    },
    /// There is no such file.
    #[error("{path} does not exist: start the daemon, or run 'keymuster poll', to create it")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// There is an empty one.
    #[error("{path} is empty: start the daemon, or run 'keymuster poll', to fill it")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is no database.
    #[error("{path} is no database, or its first page is damaged: name another file, or restore a backup")]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// Somebody put another file in its place, or took it away, while it was open.
    #[error(
        "{path} is not the file that was opened: somebody moved, removed or replaced it; put it back, or stop the daemon before another takes its place"
    )]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// A log lies beside the file that is not its own.
    #[error(
        "{log} is of another file or of another run, and what it holds would be mixed into {path}, which has no log: stop the daemon, if one runs, and move {log} away"
    )]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// A change of the whole file was cut off, and only who may write it can take it back.
    #[error("{path} was left by a crash: start the daemon, or run 'keymuster poll', which puts it right")]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// No backup was made; what was there is there.
    #[error("{path} was not written: {why}")]
    NotBackedUp {
        /// Where it was to be.
        path: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// The disk is too full for a copy.
    #[error("there is no room for a copy in {folder}: it takes {megabytes} MB")]
    NoRoom {
        /// Where it was to be.
        folder: PathBuf,
        /// What has to be free.
        megabytes: u64,
    },
    /// A file or folder could not be used.
    #[error("{path}: {error}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// SQLite refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds what no version of the program writes.
    #[error("database holds {what} in {column}, which no version of keymuster writes: run 'keymuster db check'")]
    Inconsistent {
        /// The value, as found.
        what: String,
        /// Table and column.
        column: &'static str,
    },
    /// What was to be written met a bug of ours. All of it is stored or nothing; behind the commit there is little that can panic.
    #[error("a bug of keymuster, which its log names, ended what was to be written: whether it is stored is not known")]
    Panicked,
    /// The writer's thread is gone.
    #[error("the database writer has stopped")]
    Stopped,
}

impl StoreError {
    /// What it means that SQLite cannot begin to read a file.
    pub(super) fn of_file(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error().map(|error| (error.code, error.extended_code)) {
            Some((ErrorCode::NotADatabase, _)) => Self::NoDatabase { path: path.to_owned() },
            Some((_, SQLITE_READONLY_ROLLBACK)) => Self::CutOff { path: path.to_owned() },
            _ => error.into(),
        }
    }
}

/// Result of the inventory's functions.
pub type Stored<T> = Result<T, StoreError>;
