//! Notices that the file is another one than was opened. What is open still goes on being read and written, but nobody else sees it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{StoreError, Stored};

/// A file as it was opened.
#[derive(Debug)]
pub(super) struct SameFile {
    path: PathBuf,
    opened: Identity,
}

/// What tells one file from another: the file system, and the file's number there.
pub(super) type Identity = (u64, u64);

impl SameFile {
    /// Before it is opened: what is opened then is this one, or the check finds another.
    pub fn of(path: &Path) -> Stored<Self> {
        let path = path.to_owned();
        match identity(&path) {
            Ok(opened) => Ok(Self { path, opened }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Absent { path }),
            Err(error) => Err(StoreError::File { path, error }),
        }
    }

    /// Fails where another one is at its place, or none.
    pub fn check(&self) -> Stored<()> {
        let path = self.path.clone();
        match identity(&self.path) {
            Ok(there) if there == self.opened => Ok(()),
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(StoreError::File { path, error })
            }
            Ok(_) | Err(_) => Err(StoreError::Replaced { path }),
        }
    }
}

pub(super) fn identity(path: &Path) -> std::io::Result<Identity> {
    Ok(identity_of(&std::fs::metadata(path)?))
}

pub(super) fn identity_of(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}
