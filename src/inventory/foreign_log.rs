//! Notices a log that lies beside a file which has none, as after a restore into a folder that was not emptied: SQLite would mix it in.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::beside::beside;
use super::error::{StoreError, Stored};
use super::same_file::{identity, identity_of};

/// Where the file says whether it has a log: the byte is 2 from before the log is made until after it is removed, and 1 where there is
/// none (the file's format by SQLite's authors, "File format version numbers").
const WRITE_VERSION_AT: u64 = 18;

/// How long a log is that holds nothing yet. The power may fail when that much is there and the file is not yet said to have a log.
const LOG_HEADER: u64 = 32;

/// Files that were looked into. They stay open: where a process closes a file, the system lets go of all locks that SQLite holds on it
/// for that process.
static LOOKED_INTO: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Fails where the file says that it has no log, and one that holds something is there. What is not there is no matter of this.
pub(super) fn refuse_foreign_log(path: &Path) -> Stored<()> {
    let log = beside(path, "-wal");
    let there = || fs::metadata(&log).ok().filter(|log| log.len() > LOG_HEADER).map(|log| identity_of(&log));
    let says_it_has_none = || says_it_has_none(path).unwrap_or(false);
    // Asked in turns: whoever writes it may begin or end meanwhile.
    let before = there();
    if before.is_some() && says_it_has_none() && there() == before && says_it_has_none() {
        return Err(StoreError::ForeignLog { path: path.to_owned(), log });
    }
    Ok(())
}

fn says_it_has_none(path: &Path) -> std::io::Result<bool> {
    let named = identity(path)?;
    let mut open = LOOKED_INTO.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match open.iter().position(|file| file.metadata().is_ok_and(|file| identity_of(&file) == named)) {
        Some(place) => place,
        None => {
            open.push(File::open(path)?);
            open.len() - 1
        }
    };
    let mut version = [0];
    open[place].read_exact_at(&mut version, WRITE_VERSION_AT)?;
    Ok(version == [1])
}
