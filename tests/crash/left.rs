//! What a kill left, looked at in a copy, so that looking does not mend what the next start has to mend.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keymuster::inventory::Reader;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempDir;

/// A copy of an inventory and of the logs beside it.
pub struct Left {
    _folder: TempDir,
    pub path: PathBuf,
    pub connection: Connection,
    /// The log ends in the middle of a transaction.
    pub torn: bool,
}

impl Left {
    /// `None` where there is no file yet, or an empty one.
    pub fn of(inventory: &Path) -> Option<Self> {
        let folder = memory();
        let path = folder.path().join("inventory.db");
        for suffix in ["", "-wal", "-journal"] {
            let from = beside(inventory, suffix);
            if from.exists() {
                fs::copy(from, beside(&path, suffix)).unwrap();
            }
        }
        let written = fs::metadata(&path).is_ok_and(|file| file.len() > 0) || beside(&path, "-wal").exists();
        if !written {
            return None;
        }
        let torn = ends_torn(&beside(&path, "-wal"));
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        Some(Self { _folder: folder, path, connection, torn })
    }

    /// The only value of the only row.
    #[track_caller]
    pub fn number(&self, sql: &str) -> i64 {
        self.connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    #[track_caller]
    pub fn texts(&self, sql: &str) -> BTreeSet<String> {
        texts(&self.connection, sql)
    }

    /// Pages, references and everything else that always holds.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert_sound(&self.path, &self.connection);
    }
}

#[track_caller]
pub fn assert_sound(path: &Path, connection: &Connection) {
    assert_eq!(texts(connection, "PRAGMA integrity_check"), BTreeSet::from(["ok".to_owned()]));
    let looked = Reader::open_up_to_newest(path).unwrap().look_over().unwrap();
    assert!(looked.wrong.is_empty(), "{:?}", looked.wrong);
    assert!(!looked.rows.is_empty());
}

#[track_caller]
pub fn texts(connection: &Connection, sql: &str) -> BTreeSet<String> {
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// What readers are shown: keys, history, walks and settled polls.
const SHOWN: &str = "SELECT concat_ws(' ', 'key', account, key_id, first_seen_at) FROM keys
      UNION SELECT concat_ws(' ', 'change', change_id, key_id, change) FROM changes
      UNION SELECT concat_ws(' ', 'walk', id, scope_id, started_at, outcome, items) FROM walk
      UNION SELECT concat_ws(' ', 'poll', id, settled_at) FROM poll WHERE settled_at IS NOT NULL
      UNION SELECT concat_ws(' ', 'run', id) FROM run";

pub fn shown(connection: &Connection) -> BTreeSet<String> {
    texts(connection, SHOWN)
}

/// What readers of the file are shown while a program writes it; nothing where that has just been killed while it turned the
/// file to its log or back, which only a writer can put right.
pub fn shown_by(path: &Path) -> BTreeSet<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(crate::process::PATIENCE).unwrap();
    match connection.query_row("SELECT count(*) FROM run", [], |row| row.get::<_, i64>(0)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => BTreeSet::new(),
        _ => shown(&connection),
    }
}

pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Memory where there is some: what a test only looks at need not wait for a disk.
fn memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// Whether the frames behind the last whole transaction of a write-ahead log belong to one that was cut off.
fn ends_torn(log: &Path) -> bool {
    let bytes = fs::read(log).unwrap_or_default();
    let Some((header, frames)) = bytes.split_at_checked(32) else { return false };
    let page = usize::try_from(u32::from_be_bytes(header[8..12].try_into().unwrap())).unwrap();
    let ours = frames.chunks(24 + page).take_while(|frame| frame.len() > 24 && frame[8..16] == header[16..24]);
    ours.last().is_some_and(|frame| frame.len() < 24 + page || frame[4..8] == [0; 4])
}
