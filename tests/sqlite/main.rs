//! The inventory file as operators meet it: Debian's own `sqlite3` in the hands of another user of the file's group.

#![cfg(test)]

mod contract;
mod fill;
mod readers;
mod refusals;

use std::path::{Path, PathBuf};

use keymuster::domain::Time;
use keymuster::inventory::Inventory;

/// When everything in these tests happens.
const NOW: Time = Time::from_unix(1_760_000_000);

/// A state folder as the service manager makes it, and the file in it.
fn state() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("inventory.db");
    (folder, path)
}

fn opened(path: &Path) -> Inventory {
    Inventory::open(path, NOW).unwrap()
}

fn connection(path: &Path, flags: rusqlite::OpenFlags) -> rusqlite::Connection {
    rusqlite::Connection::open_with_flags(path, flags).unwrap()
}

/// The schema as the program makes it, to ask about.
fn schema() -> (tempfile::TempDir, rusqlite::Connection) {
    let (folder, path) = state();
    drop(opened(&path));
    let connection = connection(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
    (folder, connection)
}
