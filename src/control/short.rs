//! A path to the socket that is short enough: the kernel takes no longer one than 107 bytes, and inventories lie deeper.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// What fits beside the zero that ends it.
const LONGEST: usize = 107;

/// A path by which a socket can be bound or reached, as long as this lives.
pub(super) struct Short {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Short {
    /// The path itself, or, where it is too long, the way to it through its opened folder.
    ///
    /// # Errors
    /// The folder cannot be opened, or already the name in it is too long.
    pub fn of(path: &Path) -> io::Result<Self> {
        if fits(path) {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(too_long()) };
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = rustix::fs::open(here, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = through(&folder, name);
        if fits(&path) { Ok(Self { path, _folder: Some(folder) }) } else { Err(too_long()) }
    }

    /// The short path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn through(folder: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
}

fn fits(path: &Path) -> bool {
    path.as_os_str().as_bytes().len() <= LONGEST
}

fn too_long() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "its name is too long for a socket; give the file of inventory.path a name of at most 80 bytes",
    )
}
