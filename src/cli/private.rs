//! Folders that are there for a while: for whoever runs the program alone, whatever the umask.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

/// One among the system's temporary files, whose name begins so; removed when it is dropped.
pub fn folder(prefix: &str) -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(0o700)).tempdir()
}
