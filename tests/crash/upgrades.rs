//! Kills of the start that brings a file of the first schema to the newest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::first_schema::first_schema;
use crate::kills::{Figures, Random, kill, share, start};
use crate::left::{Left, beside, texts};
use crate::support::{Settings, Sim, Site};

/// What an upgrade must not touch, of any schema.
const KEPT: &str = "SELECT concat_ws(' ', 'key', id, remote_id, presence, first_seen_at, first_walk) FROM key
      UNION SELECT concat_ws(' ', 'sighting', scope_id, key_id, walk_id, unlisted_walk) FROM sighting
      UNION SELECT concat_ws(' ', 'walk', id, scope_id, outcome, items) FROM walk
      UNION SELECT concat_ws(' ', 'change', id, key_id, change) FROM change
      UNION SELECT concat_ws(' ', 'last_use', key_id, used_at, used_state) FROM last_use";

#[test]
fn kills_of_an_upgrade() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let old = site.path("old.db");
    first_schema(&site.inventory(), &old);
    let newest = site.value("PRAGMA user_version").as_i64().unwrap();
    assert!(newest > 1, "there is something to upgrade to");
    let kept = texts(&Connection::open_with_flags(&old, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap(), KEPT);
    let backup = site.path("inventory.db.schema-1.bak");
    let restore = || {
        for file in [&site.inventory(), &backup] {
            for suffix in ["", "-wal", "-shm", "-journal", ".part"] {
                let _ = fs::remove_file(beside(file, suffix));
            }
        }
        fs::copy(&old, site.inventory()).unwrap();
    };

    restore();
    let measured = start(&site);
    let whole = measured.after;
    kill(measured.daemon);
    let (mut figures, mut random) = (Figures::of("upgrades"), Random(5));
    for number in 0..share(60) {
        restore();
        let first = site.start(&["run", "--config", site.config().to_str().unwrap()]);
        std::thread::sleep(whole / 10 + random.part(whole));
        kill(first);
        figures.fell(judge(&site, &backup, newest, &kept, number));

        let again = start(&site);
        figures.ready(again.after);
        kill(again.daemon);
        let left = Left::of(&site.inventory()).unwrap();
        left.assert_sound();
        assert_eq!((left.number("PRAGMA user_version"), left.texts(KEPT) == kept), (newest, true), "kill {number}");
        assert_backup(&backup, &kept, number);
        assert!(!beside(&backup, ".part").exists(), "kill {number}: what was left under way stays");
    }
    figures.tell();
}

/// The old file or the new one; the new one only with a whole backup beside it.
fn judge(site: &Site, backup: &Path, newest: i64, kept: &BTreeSet<String>, number: usize) -> &'static str {
    let unfinished = beside(backup, ".part").exists();
    let left = Left::of(&site.inventory()).unwrap();
    left.assert_sound();
    assert_eq!(&left.texts(KEPT), kept, "kill {number} changed rows");
    let schema = left.number("PRAGMA user_version");
    let columns = left.number("SELECT count(*) FROM pragma_table_info('held_key') WHERE name = 'absent_poll'");
    let views = left.number("SELECT count(*) FROM sqlite_schema WHERE type = 'view'");
    if backup.exists() {
        assert_backup(backup, kept, number);
    }
    if schema == 1 {
        assert_eq!((columns, views), (0, 0), "kill {number} left half an upgrade");
        return match (unfinished, backup.exists()) {
            (true, _) => "while the backup was written",
            (false, true) => "between backup and upgrade",
            (false, false) => "before it",
        };
    }
    assert_eq!((schema, columns), (newest, 1), "kill {number} left half an upgrade");
    assert!(views > 10 && backup.exists(), "kill {number}: upgraded without a backup");
    "after it"
}

fn assert_backup(backup: &Path, kept: &BTreeSet<String>, number: usize) {
    let connection = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_eq!(texts(&connection, "PRAGMA integrity_check"), BTreeSet::from(["ok".to_owned()]), "kill {number}");
    assert_eq!(
        (texts(&connection, "SELECT concat(user_version) FROM pragma_user_version"), &texts(&connection, KEPT)),
        (BTreeSet::from(["1".to_owned()]), kept),
        "kill {number}"
    );
}
