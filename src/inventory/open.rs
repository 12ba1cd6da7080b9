//! Opening and closing the file: modes, lock, pragmas, schema, the number of this run.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use super::backup::remove_copies_beside;
use super::beside::beside;
use super::deadlines::InForce;
use super::error::{StoreError, Stored};
use super::foreign_log::refuse_foreign_log;
use super::log::Log;
use super::migrate::{MIGRATIONS, Readable, check_readable, migrate};
use super::read::Reader;
use super::resident::Resident;
use super::same_file::SameFile;
use super::watch::Watch;
use super::writer::{Threads, Writer};
use crate::domain::{ScopeId, TagKey, Time};
use crate::walk::{Before, Digests, WalkId};

/// Questions of polls at once.
const QUESTIONS: usize = 2;

/// The open inventory: the one that writes. Cheap to clone; the last clone closes it only through [`Inventory::close`].
#[derive(Debug, Clone)]
pub struct Inventory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    same: Arc<SameFile>,
    writer: Writer,
    reader: Reader,
    questions: Semaphore,
    resident: Resident,
    log: Log,
    sequence: AtomicI64,
    generation: Arc<AtomicI64>,
    run: i64,
    in_force: InForce,
    tag_key: TagKey,
    digests: Digests,
    /// Held as long as the process writes; the system lets go of it when the process dies.
    lock: File,
}

impl Inventory {
    /// Opens the file for writing, creating or migrating it first.
    ///
    /// # Errors
    /// Another process writes it, it is newer than this program, another program's, or cannot be used.
    pub fn open(path: &Path, now: Time) -> Stored<Self> {
        Self::open_on(Threads::Own, path, now)
    }

    /// The same where all work is done on the thread that asks, for a simulation: beside a thread of its own the paused clock
    /// would run on while the work is done, and the order would be another each time. A crash of the machine may spoil the file.
    ///
    /// # Errors
    /// Those of [`Inventory::open`].
    pub fn open_inline(path: &Path, now: Time) -> Stored<Self> {
        Self::open_on(Threads::Callers, path, now)
    }

    fn open_on(threads: Threads, path: &Path, now: Time) -> Stored<Self> {
        create_folder(path)?;
        let lock = lock(path)?;
        refuse_foreign_log(path)?;
        remove_copies_beside(path);
        if !path.exists() {
            create_beside(path)?;
        }
        let same = Arc::new(SameFile::of(path)?);
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut connection, path, MIGRATIONS)?;
        turn_to(&connection, "PRAGMA journal_mode = WAL")?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;")?;
        if threads == Threads::Callers {
            connection.execute_batch("PRAGMA synchronous = OFF;")?;
        }
        same.check()?;
        let run = begin_run(&connection, now)?;
        let sequence = newest_number(&connection)?;
        let tag_key: String = connection.query_row("SELECT key FROM tag_key", [], |row| row.get(0))?;
        let resident = Resident::default();
        resident.listen(&mut connection)?;
        let log = Log::of(&mut connection)?;
        let reader = Reader::beside_writer(threads, path, resident.clone())?;
        let writer = Writer::start(threads, connection).map_err(|error| StoreError::File { path: path.to_owned(), error })?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            same,
            writer,
            reader,
            questions: Semaphore::new(QUESTIONS),
            resident,
            log,
            sequence: AtomicI64::new(sequence),
            generation: Arc::default(),
            run,
            in_force: InForce::default(),
            tag_key: TagKey::new(&tag_key),
            digests: Digests::default(),
            lock,
        })))
    }

    /// Some process writes the file now. Changes nothing, and makes nothing.
    pub fn is_held(path: &Path) -> bool {
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(beside(path, LOCK)).is_ok_and(held)
    }

    /// The next number of the sequence that orders walks, polls and conclusions.
    pub fn next_number(&self) -> i64 {
        self.0.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The number of a walk that begins now.
    pub fn next_walk(&self) -> WalkId {
        WalkId(self.next_number())
    }

    /// The number of this run of the program.
    pub fn run(&self) -> i64 {
        self.0.run
    }

    /// The key of this inventory's tags.
    pub fn tag_key(&self) -> &TagKey {
        &self.0.tag_key
    }

    /// The policy that every key was last judged by.
    pub(super) fn policy_in_force(&self) -> InForce {
        self.0.in_force.clone()
    }

    /// Makes what tells the elements of lists.
    pub fn digests(&self) -> &Digests {
        &self.0.digests
    }

    /// What the newest complete walk of that account's list held, where nothing but the list's own walks wrote what is stored of it.
    pub fn listed_before(&self, account: i64, scope: &ScopeId) -> Option<Arc<Before>> {
        self.0.resident.listed_before(account, scope)
    }

    pub(super) fn resident(&self) -> &Resident {
        &self.0.resident
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// For questions.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// As [`Reader::read`], for polls: so few questions at once that those of many polls take no connection from whoever looks, nor
    /// make new ones, each of which reads the schema first.
    pub(super) async fn read<R, F>(&self, ask: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> Stored<R> + Send + 'static,
    {
        let _turn = self.0.questions.acquire().await.map_err(|_| StoreError::Stopped)?;
        self.0.reader.read(ask).await
    }

    /// Grows with each transaction that changed something: what was read under an older number may have changed.
    pub fn generation(&self) -> i64 {
        self.0.generation.load(Ordering::SeqCst)
    }

    /// Tells whoever remembers what it read whether that may have changed.
    pub fn watch(&self) -> Watch {
        Watch::of_this_process(Arc::clone(&self.0.same), Arc::clone(&self.0.generation))
    }

    /// Runs `work` on the writer's connection in one transaction; an error of it leaves nothing.
    pub async fn write<R, F>(&self, work: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Stored<R> + Send + 'static,
    {
        self.write_then(work, || ()).await
    }

    /// The same, with what is to be done once that is committed, before any other work on the writer's connection.
    pub(super) async fn write_then<R, F, C>(&self, work: F, committed: C) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Stored<R> + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        let generation = Arc::clone(&self.0.generation);
        let counted = move || {
            committed();
            generation.fetch_add(1, Ordering::SeqCst);
        };
        self.transact(work, counted).await
    }

    /// The same of what no view and no count knows: what was remembered of the file stays true.
    pub(super) async fn write_aside<R, F>(&self, work: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Stored<R> + Send + 'static,
    {
        self.transact(work, || ()).await
    }

    /// What follows the commit is done by the writer itself: whoever asked may have gone away before.
    async fn transact<R, F, C>(&self, work: F, committed: C) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Stored<R> + Send + 'static,
        C: FnOnce() + Send + 'static,
    {
        let (resident, log, same) = (self.0.resident.clone(), self.0.log.clone(), Arc::clone(&self.0.same));
        self.0
            .writer
            .run(move |connection| {
                same.check()?;
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                resident.begin(&transaction)?;
                let result = work(&transaction)?;
                resident.commit(transaction)?;
                committed();
                log.shorten(connection);
                Ok(result)
            })
            .await
    }

    /// Runs `work` on the writer's connection outside of a transaction: it changes nothing that is stored.
    pub(super) async fn on_writer<R, F>(&self, work: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> Stored<R> + Send + 'static,
    {
        self.0.writer.run(work).await
    }

    /// Writes the whole file anew: what was deleted or replaced is in no page of it any more, nor in its log. False where somebody
    /// reads the old pages still.
    pub(super) async fn rewrite(&self) -> Stored<bool> {
        let same = Arc::clone(&self.0.same);
        self.0
            .writer
            .run(move |connection| {
                same.check()?;
                connection.execute_batch("VACUUM")?;
                let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
                Ok(!busy)
            })
            .await
    }

    /// Waits until the writer has done what was handed to it before, and changes nothing.
    pub async fn turn(&self) -> Stored<()> {
        self.0.writer.run(|_| Ok(())).await
    }

    /// Stops the writer after what it has in hand and leaves a file that everybody can read: without a write-ahead log.
    pub async fn close(self) -> Stored<()> {
        self.0.reader.close();
        let same = Arc::clone(&self.0.same);
        self.0
            .writer
            .run(move |connection| {
                let is_same = same.check();
                connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);")?;
                // The log is emptied, so that it is of no harm to what took the place of the file.
                is_same?;
                let began = Instant::now();
                loop {
                    match turn_to(connection, "PRAGMA journal_mode = DELETE") {
                        // SQLite does not wait here for connections that read. Nobody gets a new one of ours any more.
                        Err(error) if is_busy(&error) && began.elapsed() < OWN_READS_END => {
                            std::thread::sleep(OWN_READS_END / 50)
                        }
                        // Somebody else reads; the log stays, and readers of the group can still open the file.
                        Err(error) if is_busy(&error) => return Ok(()),
                        // Nothing is lost, but nobody can read the file until a writer has put it right.
                        done => return Ok(done?),
                    }
                }
            })
            .await?;
        self.0.writer.stop();
        remove_copies_beside(&self.0.path);
        // Not left to the end of the last clone: a process that is just being started shares the lock until it is another program.
        self.0.lock.unlock().map_err(|error| StoreError::File { path: self.0.path.clone(), error })
    }
}

/// Within this whoever was reading has ended, such as what counts all keys after a start.
const OWN_READS_END: Duration = Duration::from_millis(500);

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Gives the file another kind of log. SQLite tells the new one before it is written, so that whoever hears no more than that misses why
/// it failed.
fn turn_to(connection: &Connection, pragma: &'static str) -> rusqlite::Result<()> {
    let mut turn = connection.prepare(pragma)?;
    let mut told = turn.query([])?;
    while told.next()?.is_some() {}
    Ok(())
}

/// A connection with the settings that every connection has.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Stored<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Else most statements are planned anew each time that they are given other values, however well they are cached.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // 3 MB of cache: with 8 a poll is no faster, at 100,000 keys and at a million.
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -3000;",
        )
        .map_err(|error| StoreError::of_file(path, error))?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn connect_read_only(path: &Path, readable: Readable) -> Stored<Connection> {
    if !path.exists() {
        return Err(StoreError::Absent { path: path.to_owned() });
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_readable(&connection, path, readable)?;
    // There are several, and what is asked often is kept in memory.
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000;")?;
    Ok(connection)
}

/// Settings and numbers that a reader may be told; asked without a value, none of them changes anything.
const TOLD: [&str; 16] = [
    "application_id",
    "busy_timeout",
    "cell_size_check",
    "data_version",
    "foreign_key_check",
    "foreign_keys",
    "freelist_count",
    "integrity_check",
    "journal_mode",
    "mmap_size",
    "page_count",
    "page_size",
    "query_only",
    "synchronous",
    "trusted_schema",
    "user_version",
];

/// A connection that cannot write, and on which nothing but a question is so much as planned: no other file, no setting, no
/// change of the schema, not even a table of its own.
pub(super) fn connect_to_ask(path: &Path, readable: Readable) -> Stored<Connection> {
    let mut connection = connect_read_only(path, readable)?;
    connection.authorizer(Some(|asked: AuthContext<'_>| {
        let is_question = if let AuthAction::Pragma { pragma_name, pragma_value } = asked.action {
            pragma_value.is_none() && TOLD.contains(&pragma_name)
        } else {
            matches!(
                asked.action,
                AuthAction::Select
                    | AuthAction::Read { .. }
                    | AuthAction::Function { .. }
                    | AuthAction::Recursive
                    | AuthAction::Transaction { .. }
            )
        };
        if is_question { Authorization::Allow } else { Authorization::Deny }
    }))?;
    Ok(connection)
}

/// The state folder, where it is missing: the group may read it, and what is made in it belongs to the group.
fn create_folder(path: &Path) -> Stored<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else { return Ok(()) };
    let file_error = |error| StoreError::File { path: folder.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(file_error)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o2750)).map_err(file_error)
}

/// An empty file of that mode, whatever the umask. SQLite gives its log files the mode of the database.
pub(super) fn create_private(path: &Path, mode: u32) -> Stored<File> {
    let file_error = |error| StoreError::File { path: path.to_owned(), error };
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(file_error)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(file_error)?;
    Ok(file)
}

/// An empty file for the group to read. Made by root it belongs to the folder's owner, who is the daemon's user; SQLite does the
/// same for its log files. Nothing that is there is given away: its owner could have put a link to another file there.
fn create_beside(path: &Path) -> Stored<()> {
    let file = create_private(path, 0o640)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder)
        .and_then(|folder| std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid())))
        .map_err(|error| StoreError::File { path: path.to_owned(), error })
}

/// The lock's suffix.
const LOCK: &str = ".lock";

/// One writer per file, across processes. Whoever only looks whether there is one has a share in the lock for a moment.
fn lock(path: &Path) -> Stored<File> {
    let name = beside(path, LOCK);
    let file_error = |error| StoreError::File { path: name.clone(), error };
    match create_beside(&name) {
        Err(StoreError::File { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().write(true).custom_flags(no_link).open(&name).map_err(file_error)?;
    let refused = |error| match error {
        TryLockError::WouldBlock => StoreError::Locked { path: path.to_owned() },
        TryLockError::Error(error) => file_error(error),
    };
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < LOOKS_END => {}
            done => return done.map(|()| file).map_err(refused),
        }
        // A writer shares it with nobody.
        file.try_lock_shared().map_err(refused)?;
        file.unlock().map_err(file_error)?;
        std::thread::sleep(LOOKS_END / 500);
    }
}

/// Within this whoever looks at the lock has looked, however busy the machine is.
const LOOKS_END: Duration = Duration::from_secs(1);

fn begin_run(connection: &Connection, now: Time) -> Stored<i64> {
    connection.execute("INSERT INTO run (started_at, version) VALUES (?1, ?2)", (now.unix(), env!("CARGO_PKG_VERSION")))?;
    Ok(connection.last_insert_rowid())
}

/// The greatest number that anything stored carries. Numbers drawn and lost in a crash may come again: nothing names them.
pub(super) const NEWEST_NUMBER: &str =
    "SELECT max(coalesce((SELECT max(id) FROM walk), 0), coalesce((SELECT max(id) FROM poll), 0),
       coalesce((SELECT max(missing_number) FROM key WHERE missing_number IS NOT NULL), 0))";

fn newest_number(connection: &Connection) -> Stored<i64> {
    Ok(connection.query_row(NEWEST_NUMBER, [], |row| row.get(0))?)
}
