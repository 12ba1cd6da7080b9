//! Another user of the file's group reads beside the program, after it stopped, and after it was killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use crate::fill::{Filling, expiry, ids};
use crate::{opened, state};

/// The question of the README, word by word.
const QUESTION: &str = "SELECT provider, name, owner_email, expires_at FROM expired_keys";

/// Numbers that no account of the machine has: a user needs no name to read a file.
const GROUP: u32 = 40_917;
const READER: u32 = 40_918;
const STRANGER_GROUP: u32 = 40_919;

/// The tools of the machine, or why this cannot be tested here.
fn tools() -> Option<()> {
    if !rustix::process::geteuid().is_root() {
        let why = "only root can become another user to read the file as one of its group";
        writeln!(std::io::stderr(), "skipped: {why}").unwrap();
        return None;
    }
    for (tool, package) in [("/usr/bin/sqlite3", "sqlite3"), ("/usr/bin/setpriv", "util-linux")] {
        assert!(Path::new(tool).exists(), "{tool} is missing: install the package {package}");
    }
    Some(())
}

/// A state folder that belongs to the group, below folders that everybody may pass.
async fn grouped() -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = state();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Dropped, it would still be removing its files while we do.
    opened(&path).close().await.unwrap();
    let state = path.parent().unwrap();
    assert_eq!(mode(state), 0o2750, "the state folder");
    // What an installation does once, before the first start.
    chown(state, None, Some(GROUP)).unwrap();
    fs::set_permissions(state, fs::Permissions::from_mode(0o2750)).unwrap();
    for left in fs::read_dir(state).unwrap() {
        fs::remove_file(left.unwrap().path()).unwrap();
    }
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Runs the question as a user of that group.
fn ask_as(user: u32, group: u32, path: &Path, question: &str) -> Output {
    Command::new("/usr/bin/setpriv")
        // A user who has no account has no home either, which the shell complains of.
        .env("HOME", "/")
        .args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()])
        .args(["/usr/bin/sqlite3", "-readonly"])
        .arg(path)
        .arg(question)
        .output()
        .unwrap()
}

fn read(path: &Path, question: &str) -> String {
    let output = ask_as(READER, GROUP, path, question);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{question}: {errors}");
    assert!(errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn answer(ids: &[String]) -> String {
    ids.iter().map(|id| format!("openai|name of {id}|ada@example.com|{}\n", expiry())).collect()
}

#[tokio::test]
async fn the_group_reads_beside_the_program_and_after_a_clean_stop() {
    let Some(()) = tools() else { return };
    let (_folder, path) = grouped().await;
    let filling = Filling::begin(opened(&path)).await;
    filling.list("proj_a", &ids(0, 3)).await;
    filling.settle().await;
    let log = path.with_extension("db-wal");
    assert!(log.exists(), "the program writes to a log beside the file");

    assert_eq!(read(&path, QUESTION), answer(&ids(0, 3)), "while it is open");
    for file in fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path()) {
        assert_eq!(mode(&file), 0o640, "{}", file.display());
        assert_eq!(fs::metadata(&file).unwrap().gid(), GROUP, "{}", file.display());
    }
    let views = read(&path, "SELECT DISTINCT view FROM help");
    for view in views.lines() {
        read(&path, &format!("SELECT * FROM {view}"));
    }

    filling.inventory.close().await.unwrap();
    assert!(!log.exists() && !path.with_extension("db-shm").exists(), "nothing is left beside the file");
    assert_eq!(read(&path, "PRAGMA journal_mode"), "delete\n");
    assert_eq!(read(&path, QUESTION), answer(&ids(0, 3)), "after it was closed");

    let again = opened(&path);
    assert_eq!(read(&path, "PRAGMA journal_mode"), "wal\n", "the next start returns to the log");
    assert_eq!(read(&path, QUESTION), answer(&ids(0, 3)), "after it was opened again");
    again.close().await.unwrap();
}

#[tokio::test]
async fn others_read_nothing_and_the_group_writes_nothing() {
    let Some(()) = tools() else { return };
    let (_folder, path) = grouped().await;
    let filling = Filling::begin(opened(&path)).await;
    filling.list("proj_a", &ids(0, 1)).await;

    let stranger = ask_as(READER, STRANGER_GROUP, &path, QUESTION);
    assert!(!stranger.status.success() && stranger.stdout.is_empty(), "{stranger:?}");
    let errors = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(errors.contains("unable to open"), "{errors}");

    for statement in ["DELETE FROM key", "CREATE TABLE x (a)", "UPDATE run SET version = 'x'"] {
        let output = Command::new("/usr/bin/setpriv")
            .env("HOME", "/")
            .args([format!("--reuid={READER}"), format!("--regid={GROUP}"), "--clear-groups".into()])
            .arg("/usr/bin/sqlite3")
            .arg(&path)
            .arg(statement)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains("readonly"), "{statement}: {output:?}");
    }
    assert_eq!(read(&path, QUESTION), answer(&ids(0, 1)), "nothing was written");
    filling.inventory.close().await.unwrap();
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "077"] {
        let (_folder, path) = state();
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "readers::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(PATH_OF_WRITER, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (count, pipe) = acknowledged(&mut child, 2);
        assert_eq!(count, 2);
        assert_eq!(mode(path.parent().unwrap()), 0o2750, "the state folder, umask {umask}");
        let files: Vec<PathBuf> = fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().path()).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(pipe);
        assert!(files.len() >= 4, "the file, its log, its index and its lock: {files:?}");
        for file in files {
            assert_eq!(mode(&file), 0o640, "{}, umask {umask}", file.display());
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_the_group_reads_it() {
    let Some(()) = tools() else { return };
    let (_folder, path) = grouped().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "readers::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(PATH_OF_WRITER, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // SIGKILL, at whatever it is doing.
    let (acknowledged, pipe) = acknowledged(&mut child, 25);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert!(path.with_extension("db-wal").exists(), "a killed program leaves its log");

    let listed = read(&path, "SELECT key_id FROM keys ORDER BY key_id");
    let stored = listed.lines().count();
    assert!(stored >= acknowledged, "{acknowledged} keys were acknowledged, {stored} are there");
    assert_eq!(listed.lines().map(str::to_owned).collect::<Vec<_>>(), ids(0, stored), "none is missing in between");
    assert_eq!(read(&path, QUESTION).lines().count(), stored);

    let inventory = opened(&path);
    let after: usize = inventory
        .reader()
        .read_blocking(|connection| Ok(connection.query_row("SELECT count(*) FROM keys", [], |row| row.get::<_, i64>(0))?))
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(after, stored, "opening again loses nothing");
    inventory.close().await.unwrap();
    assert_eq!(read(&path, QUESTION).lines().count(), stored);
}

/// Tells the child process where to write.
const PATH_OF_WRITER: &str = "KEYMUSTER_TEST_WRITER";

/// Waits until the child has told that so many keys are stored; returns how many it told, and the pipe: a child that nobody
/// listens to any more would end by itself, in good order, before it is killed.
fn acknowledged(child: &mut Child, enough: usize) -> (usize, BufReader<ChildStdout>) {
    let mut pipe = BufReader::new(child.stdout.take().unwrap());
    let mut count = 0;
    for line in pipe.by_ref().lines().map_while(Result::ok) {
        // The test harness begins a line of its own, without an end.
        count += usize::from(line.ends_with("stored"));
        if count == enough {
            break;
        }
    }
    (count, pipe)
}

/// The process that is killed: one key a transaction, told once it is stored.
#[tokio::test]
#[ignore = "runs in a child process of the tests that kill it"]
async fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH_OF_WRITER) else { return };
    let filling = Filling::begin(opened(Path::new(&path))).await;
    // Should nobody kill it, it ends when nobody listens any more.
    for number in 0.. {
        filling.list(&format!("proj_{number}"), &ids(number, 1)).await;
        // Past the capture of the test harness.
        writeln!(std::io::stdout(), "stored").unwrap();
    }
}
