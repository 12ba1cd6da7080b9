//! What lies beside the inventory: files whose names begin with its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file of that suffix beside the inventory's own file, where SQLite has its log, and not beside a link to it: whoever comes by
/// another name meets the same one.
pub fn beside(inventory: &Path, suffix: &str) -> PathBuf {
    with_suffix(&std::fs::canonicalize(inventory).unwrap_or_else(|_| inventory.to_owned()), suffix)
}

/// That name with the suffix, whatever it names.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
