//! Notices that the file is another one than was opened. What is open still goes on being read and written, but nobody else sees it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{StoreError, Stored};

/// A file as it was opened.
#[derive(Debug)]
pub(super) struct SameFile {
    path: PathBuf,
    opened: (u64, u64),
}

impl SameFile {
    pub fn of(path: &Path) -> Stored<Self> {
        let opened = number(path).map_err(|error| StoreError::File { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), opened })
    }

    /// Fails where another one is at its place, or none.
    pub fn check(&self) -> Stored<()> {
        if number(&self.path).is_ok_and(|there| there == self.opened) {
            return Ok(());
        }
        Err(StoreError::Replaced { path: self.path.clone() })
    }
}

/// What tells one file from another: the file system, and the file's number there.
pub(super) fn number(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}
