//! Whole copies of the file: written under another name, looked over, made to last, and only then given their own name.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::beside::{beside, with_suffix};
use super::error::{StoreError, Stored};
use super::integrity::{Rows, damage, rows};
use super::migrate::Readable;
use super::open::{connect, create_private};
use super::read::Reader;

/// What becomes of a file that has the backup's name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and no backup is made.
    Keep,
    /// It is replaced once the backup is whole.
    Replace,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The size of the file.
    pub bytes: u64,
    /// Tables and how many rows each has.
    pub rows: Rows,
}

/// Names that SQLite and we put behind that of the inventory.
const BESIDE: [&str; 6] = ["", "-wal", "-shm", "-journal", ".lock", ".ctl"];

/// Those of them that SQLite takes for a part of a file whose name they begin with.
const LOGS: [&str; 2] = ["-wal", "-journal"];

impl Reader {
    /// Writes a whole copy of the file, of one state of it, to `to`, beside whoever writes it. At every instant `to` is what it
    /// was before or the whole backup. Its mode is 0600.
    ///
    /// # Errors
    /// The copy cannot be written, is not what the inventory holds, or may not have that name.
    pub fn back_up(&self, to: &Path, existing: Existing) -> Stored<BackedUp> {
        if is_of_inventory(to, self.path()) {
            return Err(refused(to, "that is the inventory itself: name another file"));
        }
        let connection = self.connection_of_its_own()?;
        back_up(&connection, to, existing, 0o600)
    }

    /// Writes a whole copy of the file, of one state of it, to `path`, which must not exist: to be thrown away, so that nobody
    /// waits until it would survive a crash.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub async fn copy_to(&self, path: PathBuf) -> Stored<()> {
        let reader = self.clone();
        let copy = move || {
            let connection = reader.connection_of_its_own()?;
            create_private(&path, 0o600)?;
            vacuum_into(&connection, &path)
        };
        tokio::task::spawn_blocking(copy).await.map_err(|_| StoreError::Stopped)?
    }

    /// Not kept: it may write, so that it can make copies.
    fn connection_of_its_own(&self) -> Stored<Connection> {
        let connection = super::open::connect_read_only(self.path(), Readable::UpToNewest)?;
        self.check_same()?;
        connection.execute_batch("PRAGMA query_only = OFF")?;
        Ok(connection)
    }
}

/// The folder of copies that a process makes for itself, and how the names of theirs begin. Only whoever may write the file makes
/// any there.
pub fn copies_beside(inventory: &Path) -> (PathBuf, OsString) {
    let copies = beside(inventory, ".as-of-");
    (folder(&copies).to_owned(), copies.file_name().unwrap_or_default().to_owned())
}

/// Refuses where a copy, and as much again while it is written to, would leave whoever writes the inventory too little.
pub fn room_beside(inventory: &Path) -> Stored<()> {
    const LEFT: u64 = 64 << 20;
    let (folder, _) = copies_beside(inventory);
    let file_error = |error| StoreError::File { path: folder.clone(), error };
    let size = std::fs::metadata(inventory).map_err(file_error)?.len();
    let system = rustix::fs::statvfs(&folder).map_err(|error| file_error(error.into()))?;
    let needed = size.saturating_mul(2).saturating_add(LEFT);
    if system.f_bavail.saturating_mul(system.f_frsize) < needed {
        return Err(StoreError::NoRoom { folder, megabytes: needed >> 20 });
    }
    Ok(())
}

/// Removes such copies of a process that died. What cannot be removed is in nobody's way, and left.
pub(super) fn remove_copies_beside(inventory: &Path) {
    let (folder, prefix) = copies_beside(inventory);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// Backs up what `connection` has open.
pub(super) fn back_up(connection: &Connection, to: &Path, existing: Existing, mode: u32) -> Stored<BackedUp> {
    refuse_what_is_in_the_way(to, existing)?;
    let unfinished = Unfinished::begin(to, mode)?;
    let copied = || {
        let version = data_version(connection)?;
        let expected = rows(connection)?;
        vacuum_into(connection, &unfinished.path)?;
        Ok((expected, data_version(connection)? == version))
    };
    let unread = |error: StoreError| refused(to, &format!("{error}; run 'keymuster db check' on the inventory"));
    let (expected, undisturbed) = copied().map_err(unread)?;
    let found = look_over(&unfinished.path)?;
    // Whoever wrote meanwhile may have changed the counts; then only what SQLite says of the copy can be trusted.
    match found {
        Ok(rows) if rows == expected || !undisturbed => unfinished.finish(to, existing, rows),
        Ok(_) => Err(refused(to, "the copy does not hold as many rows as the inventory")),
        Err(what) => Err(refused(to, &format!("the copy is damaged ({what}); run 'keymuster db check' on the inventory"))),
    }
}

/// Backups are for bad days: what a copy is worth is seen when it is made. The rows, or the first thing that is wrong.
fn look_over(path: &Path) -> Stored<Result<Rows, String>> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match damage(&connection)?.into_iter().next() {
        Some(what) => Ok(Err(what)),
        None => Ok(Ok(rows(&connection)?)),
    }
}

fn refuse_what_is_in_the_way(to: &Path, existing: Existing) -> Stored<()> {
    if to.is_dir() {
        return Err(refused(to, "that is a folder: name a file in it"));
    }
    if existing == Existing::Keep && to.symlink_metadata().is_ok() {
        return Err(refused(to, "that file is there already: name another one, or add --replace"));
    }
    for log in LOGS {
        let beside = with_suffix(to, log);
        if beside.symlink_metadata().is_ok() {
            let why =
                format!("{} lies beside it, and SQLite would take that for a part of the backup: remove it", beside.display());
            return Err(refused(to, &why));
        }
    }
    Ok(())
}

/// Whether the name is that of the inventory, or of a file that belongs to it, by whatever path.
fn is_of_inventory(to: &Path, inventory: &Path) -> bool {
    let Some(to) = entry(to) else { return false };
    let inventories = [entry(inventory), inventory.canonicalize().ok()];
    inventories.iter().flatten().any(|inventory| BESIDE.iter().any(|suffix| with_suffix(inventory, suffix) == to))
}

/// The place that a path names in its folder, whether or not there is a link.
fn entry(path: &Path) -> Option<PathBuf> {
    Some(folder(path).canonicalize().ok()?.join(path.file_name()?))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A copy that does not have its name yet. Dropped, it is removed; one that a crash left is removed by the next to come.
struct Unfinished {
    path: PathBuf,
    /// Locked as long as somebody writes the copy: that tells a leftover from one under way.
    file: File,
    finished: bool,
}

impl Unfinished {
    fn begin(to: &Path, mode: u32) -> Stored<Self> {
        // Absolute, because SQLite takes a name that begins with "file:" for an address.
        let path =
            with_suffix(&std::path::absolute(to).map_err(|error| StoreError::File { path: to.to_owned(), error })?, ".part");
        let file_error = |error| StoreError::File { path: path.clone(), error };
        let folder = folder(to);
        if !folder.is_dir() {
            return Err(refused(to, &format!("there is no folder {}: make it first", folder.display())));
        }
        loop {
            let made = match create_private(&path, mode) {
                Ok(_) => true,
                Err(StoreError::File { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(error),
            };
            let file = match OpenOptions::new()
                .write(true)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
            {
                Ok(file) => file,
                // Whoever had it has just finished.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(file_error(error)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(refused(to, "another backup of that name is being written: wait for it"));
                }
                // Some file systems know no locks; there nobody can tell.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(file_error(error)),
            }
            let (ours, there) = (file.metadata().map_err(file_error)?, path.symlink_metadata());
            match there {
                // What is locked may have become somebody's backup, or been removed, before it was locked.
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {}
                Ok(_) | Err(_) => continue,
            }
            // SQLite would take the journal of a copy that was cut off for one of the copy to come.
            remove_logs(&path)?;
            // What was there, even empty, may be somebody's who would read along.
            if made {
                return Ok(Self { path, file, finished: false });
            }
            std::fs::remove_file(&path).map_err(file_error)?;
        }
    }

    /// Makes it last, and gives it its name.
    fn finish(mut self, to: &Path, existing: Existing, rows: Rows) -> Stored<BackedUp> {
        let file_error = |error| StoreError::File { path: self.path.clone(), error };
        self.file.sync_all().map_err(file_error)?;
        let bytes = self.file.metadata().map_err(file_error)?.len();
        match existing {
            Existing::Replace => std::fs::rename(&self.path, to),
            Existing::Keep => rename_to_new(&self.path, to),
        }
        .map_err(|error| StoreError::File { path: to.to_owned(), error })?;
        self.finished = true;
        let folder = folder(to);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| StoreError::File { path: folder.to_owned(), error })?;
        Ok(BackedUp { bytes, rows })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Where that fails, the next backup of that name removes it.
            let _ = remove_logs(&self.path).map(|()| std::fs::remove_file(&self.path));
        }
    }
}

fn remove_logs(of: &Path) -> Stored<()> {
    for log in LOGS {
        let path = with_suffix(of, log);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::File { path, error }),
        }
    }
    Ok(())
}

/// Somebody may have made a file of that name since we looked. Not every file system can rename without replacing.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn vacuum_into(connection: &Connection, path: &Path) -> Stored<()> {
    let name = path.to_str().ok_or_else(|| refused(path, "the name is no text that SQLite takes: name another file"))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// Differs between two calls if another connection wrote in between.
fn data_version(connection: &Connection) -> Stored<i64> {
    Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

fn refused(path: &Path, why: &str) -> StoreError {
    StoreError::NotBackedUp { path: path.to_owned(), why: why.to_owned() }
}
