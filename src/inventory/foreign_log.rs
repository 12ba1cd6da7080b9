//! Notices a log that lies beside a file which has none, as after a restore into a folder that was not emptied: SQLite would mix it in.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::{StoreError, Stored};
use super::same_file::number;

/// The byte of the file that says whether it has a log: 2 from before the log is made until after it is removed, 1 where it has none
/// (the file's format by SQLite's authors, "File format version numbers").
const HAS_LOG: u64 = 18;

/// Files that were looked into. They stay open: where a process closes a file, the system lets go of all locks that SQLite holds on it
/// for that process.
static LOOKED_INTO: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Fails where the file says that it has no log, and one that holds something is there. What is not there is no matter of this.
pub(super) fn refuse_foreign_log(path: &Path) -> Stored<()> {
    let log = log_path(path);
    // Asked before and after the file: whoever writes it may begin or end meanwhile.
    let held = || fs::metadata(&log).ok().filter(|log| log.len() > 0).map(|log| (log.dev(), log.ino()));
    let before = held();
    if before.is_some() && says_it_has_none(path).unwrap_or(false) && held() == before {
        return Err(StoreError::ForeignLog { path: path.to_owned(), log });
    }
    Ok(())
}

fn says_it_has_none(path: &Path) -> std::io::Result<bool> {
    let named = number(path)?;
    let mut open = LOOKED_INTO.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match open.iter().position(|file| file.metadata().is_ok_and(|file| (file.dev(), file.ino()) == named)) {
        Some(place) => place,
        None => {
            open.push(File::open(path)?);
            open.len() - 1
        }
    };
    let mut version = [0];
    open[place].read_exact_at(&mut version, HAS_LOG)?;
    Ok(version == [1])
}

fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
