//! What can go wrong with the inventory, by what has to be done about it.

use std::path::PathBuf;

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
    /// There is no such file.
    #[error("{path} does not exist: start the daemon, or run 'keymuster poll', to create it")]
    Absent {
        /// The file.
        path: PathBuf,
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
    /// The writer's thread is gone.
    #[error("the database writer has stopped")]
    Stopped,
}

/// Result of the inventory's functions.
pub type Stored<T> = Result<T, StoreError>;
