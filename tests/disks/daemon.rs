//! A disk that is full, may not be written or fails, or a file that somebody else holds, under a running daemon: it says so, shows what it knows, and goes on once it can.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use keymuster::sim::Remote;
use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;

use crate::process::{PATIENCE, Running, eventually, get};
use crate::support::{Daemon, Settings, Sim, Site, lacks_root};

/// A small file system in memory, for as long as the test runs.
struct Small(PathBuf);

impl Small {
    fn mounted(at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        mount(&["-t", "tmpfs", "-o", "size=4m", "none", at.to_str().unwrap()]);
        Self(at)
    }

    /// Leaves no room at all.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut filler = File::create(&path).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
        path
    }

    fn again(&self, mode: &str) {
        mount(&["-o", &format!("remount,{mode}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Whoever still has a file of it open keeps it until then.
        let _ = Command::new("umount").args(["-l", self.0.to_str().unwrap()]).status();
    }
}

#[track_caller]
fn mount(arguments: &[&str]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success(), "mount {arguments:?}");
}

fn ctl_poll(site: &Site) -> (Option<i32>, String) {
    let ended = site.run("ctl", &["poll"]);
    (ended.code, ended.all())
}

/// What keeps the daemon from writing.
enum Broken {
    /// A file takes all the room.
    Full(PathBuf),
    /// strace puts an error in the place of each call that writes.
    Failing(Running),
    /// Somebody else writes, and does not end it.
    Held(Connection),
}

impl Broken {
    fn failing(daemon: &Daemon, error: &str) -> Self {
        let mut strace = Command::new("strace");
        let calls = format!("inject=pwrite64,ftruncate,fsync,fdatasync:error={error}");
        strace.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=pwrite64,ftruncate,fsync,fdatasync",
            "-e",
            &calls,
            "-p",
            &daemon.process.id().to_string(),
        ]);
        let strace = Running::start(strace, "strace");
        eventually("strace takes hold of the daemon", PATIENCE, || strace.stderr().contains("attached").then_some(()));
        Self::Failing(strace)
    }

    fn mend(self) {
        match self {
            Self::Full(filler) => fs::remove_file(filler).unwrap(),
            Self::Failing(strace) => {
                strace.signal(Signal::INT);
                strace.finish(PATIENCE);
            }
            Self::Held(connection) => connection.execute_batch("ROLLBACK").unwrap(),
        }
    }
}

/// Lets the daemon poll while something is broken, and once more behind it; one of these words has to be in its log.
fn goes_on(breaks: impl Fn(&Small, &Daemon) -> Broken, words: &[&str]) {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let small = Small::mounted(site.path("small"));
    site.edit("path = \"inventory.db\"", "path = \"small/inventory.db\"");
    let mut daemon = site.daemon();
    assert_eq!(ctl_poll(&site).0, Some(0));
    let page = |path: &str| get(daemon.address, path).unwrap();
    let keys = page("/keys.csv").body;
    let failures = || {
        let text = page("/metrics").body;
        let line = text.lines().find(|line| line.starts_with("keymuster_inventory_write_failures_total ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(failures() < 1.0);

    let revoked =
        sim.truth().into_iter().find(|key| key.provider == Remote::OpenAi && key.listed && !key.name.contains("keymuster"));
    let revoked = revoked.unwrap().id;
    sim.change(|world| world.revoke(&revoked));
    let broken = breaks(&small, &daemon);
    let (code, said) = ctl_poll(&site);
    assert_ne!(code, Some(0), "{said}");
    assert!(failures() >= 1.0, "{}", daemon.process.stderr());
    let log = daemon.process.stderr();
    assert!(words.iter().any(|word| log.contains(word)), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    for path in ["/healthz", "/readyz", "/", "/accounts"] {
        assert_eq!(page(path).status, 200, "{path}");
    }
    assert_eq!(page("/keys.csv").body, keys, "what was known before is shown");

    broken.mend();
    let (code, said) = ctl_poll(&site);
    assert_eq!(code, Some(0), "{said}");
    assert!(daemon.process.runs());
    daemon.stop().ended(0);
    let file = small.0.join("inventory.db");
    site.start(&["db", "check", "--inventory", file.to_str().unwrap()]).finish(PATIENCE).ended(0);
    let missing = crate::support::sql(&file, "SELECT key_id FROM keys WHERE presence = 'missing'");
    assert_eq!(missing.iter().map(|row| crate::support::text(row, "key_id")).collect::<Vec<_>>(), [revoked]);
}

#[test]
fn a_full_file_system_is_told_and_the_daemon_goes_on_once_there_is_room() {
    if lacks_root("mount a file system") {
        return;
    }
    goes_on(|small, _| Broken::Full(small.fill()), &["full"]);
}

#[test]
fn a_disk_that_may_not_be_written_is_told_and_the_daemon_goes_on_once_it_may() {
    if lacks_root("trace the daemon") {
        return;
    }
    goes_on(|_, daemon| Broken::failing(daemon, "EROFS"), &["readonly", "read-only", "I/O"]);
}

#[test]
fn a_disk_that_fails_is_told_and_the_daemon_goes_on_once_it_works() {
    if lacks_root("trace the daemon") {
        return;
    }
    goes_on(|_, daemon| Broken::failing(daemon, "EIO"), &["I/O"]);
}

#[test]
fn a_file_that_somebody_else_holds_is_told_and_the_daemon_goes_on_once_it_is_let_go() {
    if lacks_root("mount a file system") {
        return;
    }
    let hold = |small: &Small, _: &Daemon| {
        let connection = Connection::open_with_flags(small.0.join("inventory.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Broken::Held(connection)
    };
    goes_on(hold, &["locked"]);
}

#[test]
fn a_start_where_nothing_may_be_written_ends_with_the_reason() {
    if lacks_root("mount a file system") {
        return;
    }
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let small = Small::mounted(site.path("small"));
    site.edit("path = \"inventory.db\"", "path = \"small/inventory.db\"");
    small.again("ro");
    let ended = site.run("run", &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.all());
    assert!(ended.all().contains("small/inventory.db") && ended.all().contains("Read-only file system"), "{}", ended.all());
}
