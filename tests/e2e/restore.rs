//! A restore, by the steps that people are told.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rusqlite::OpenFlags;

use crate::process::{PATIENCE, Running, get};
use crate::support::{Settings, Sim, Site, far_off};
use crate::typed::{block, programs, typed};

/// The files that a text tells to remove: what it names beside the inventory itself.
fn told_to_remove(text: &str) -> BTreeSet<String> {
    let (_, steps) = text.split_once("stop the daemon").unwrap();
    let (steps, _) = steps.split_once("copy").unwrap();
    let words = steps.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
    words.filter(|word| word.starts_with("inventory.db-")).map(str::to_owned).collect()
}

/// Leaves the inventory as a migration that is killed does: in the old journal mode, half written, with a journal that whoever
/// opens the file next rolls back.
fn kill_a_write(site: &Site) {
    let mut command = Command::new("sqlite3");
    command.args(["-bail", "-cmd", "PRAGMA journal_mode = DELETE", "-cmd", "PRAGMA cache_size = 1"]).arg(site.inventory());
    let write =
        "BEGIN IMMEDIATE; UPDATE key SET name = name || hex(randomblob(4000)); UPDATE person SET name = hex(randomblob(4000));";
    // The shell that it starts kills its parent, which is that very sqlite3.
    command.args([write, ".system kill -KILL $PPID"]);
    assert_eq!(Running::start(command, "sqlite3").finish(PATIENCE).code, None, "it was killed");
    let journal = fs::read(site.path("inventory.db-journal")).unwrap();
    assert_eq!(journal[..8], [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7], "the journal is hot");
}

#[test]
fn the_steps_that_people_are_told_restore_everything_over_a_file_that_a_killed_write_left() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let known = site.presences();
    let document = include_str!("../../deploy/README.md");
    let programs = programs(&site, &[]);
    let (backup, state) = (site.path("backup"), site.path(""));
    let here =
        [("/backup/keymuster", backup.to_str().unwrap()), ("/var/lib/keymuster", state.to_str().unwrap().trim_end_matches('/'))];
    // That the daemon really stops and starts is seen where systemd is.
    let type_all = |after: &str| {
        let commands = block(document, after).into_iter().filter(|command| !command.starts_with("systemctl "));
        commands.for_each(|command| typed(&command, &here, programs.path()));
    };
    type_all("\n### Back up\n");

    let help = site.start(&["db", "backup", "--help"]).finish(PATIENCE).ended(0).stdout;
    for by_document in [true, false] {
        // The file has grown since: its pages lie elsewhere than those of the backup.
        site.meddle("CREATE TABLE filler (x); INSERT INTO filler SELECT randomblob(3000) FROM key; VACUUM");
        kill_a_write(&site);
        if by_document {
            type_all("\n### Restore\n");
        } else {
            for name in told_to_remove(&help) {
                let _ = fs::remove_file(site.path(&name));
            }
            fs::copy(site.path("backup/inventory.db"), site.inventory()).unwrap();
        }
        site.run("db", &["check"]).ended(0);
        assert_eq!(site.presences(), known, "nothing is lost, and nothing is from the old file");
        let polled = site.poll(&[]).ended(0).stdout;
        assert!(polled.contains("no changes"), "{polled}");
    }
}

/// As a restore under a running daemon does: what is open goes on being a file that nobody else sees.
#[test]
fn a_daemon_whose_file_is_replaced_says_so_and_polls_nothing_into_it() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    fs::copy(site.inventory(), site.path("restored.db")).unwrap();
    let daemon = site.daemon();
    let status = |path: &str| get(daemon.address, path).unwrap().status;
    let stored = |name: &str| {
        let file = rusqlite::Connection::open_with_flags(site.path(name), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        file.query_row("SELECT (SELECT count(*) FROM poll), (SELECT count(*) FROM walk)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    };
    let before: (i64, i64) = stored("inventory.db").unwrap();
    let asked = sim.requests();
    assert_eq!((status("/readyz"), status("/keys"), status("/metrics")), (200, 200, 200));
    fs::rename(site.inventory(), site.path("aside.db")).unwrap();
    for replaced in [false, true] {
        if replaced {
            fs::rename(site.path("restored.db"), site.inventory()).unwrap();
        }
        assert_eq!((status("/readyz"), status("/keys"), status("/metrics")), (503, 503, 503), "replaced: {replaced}");
        assert_ne!(site.run("ctl", &["poll"]).code, Some(0), "replaced: {replaced}");
    }
    let said = format!("{} is not the file that was opened", site.inventory().display());
    assert!(daemon.process.stderr().contains(&said), "{}", daemon.process.stderr());
    fs::rename(site.path("aside.db"), site.inventory()).unwrap();
    assert_eq!((stored("inventory.db").unwrap(), sim.requests()), (before, asked), "nothing was asked, nor stored");
    assert_eq!((status("/readyz"), status("/keys"), status("/metrics")), (200, 200, 200));
    site.run("ctl", &["poll"]).ended(0);
    daemon.stop().ended(0);
    site.run("db", &["check"]).ended(0);

    // What it stored is in the file, wherever that is now, and none of it in a log beside another.
    fs::copy(site.inventory(), site.path("restored.db")).unwrap();
    let daemon = site.daemon();
    site.run("ctl", &["poll"]).ended(0);
    let polls = stored("inventory.db").unwrap().0;
    fs::rename(site.inventory(), site.path("aside.db")).unwrap();
    fs::rename(site.path("restored.db"), site.inventory()).unwrap();
    let ended = daemon.stop().ended(1);
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert!(fs::metadata(site.path("inventory.db-wal")).is_ok_and(|log| log.len() == 0));
    assert_eq!(stored("aside.db").unwrap().0, polls);
    site.daemon().stop().ended(0);
    site.run("db", &["check"]).ended(0);
}
