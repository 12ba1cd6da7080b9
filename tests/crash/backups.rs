//! Kills of `db backup` beside a daemon that polls.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use keymuster::sim::Size;
use rusqlite::{Connection, OpenFlags};

use crate::kills::{Figures, Random, kill, share, start};
use crate::left::{assert_sound, shown, shown_by};
use crate::process::PATIENCE;
use crate::support::{Settings, Sim, Site};

#[test]
fn kills_of_a_backup() {
    let size = Size {
        people: 12,
        projects: 4,
        archived_projects: 1,
        project_keys: 600,
        admin_keys: 5,
        den_keys: 60,
        ..Size::members(10, 3)
    };
    let sim = Sim::of(size);
    let site = Site::new(&sim, &Settings { schedule: "* * * * * *".to_owned(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let folder = site.path("backups");
    fs::create_dir(&folder).unwrap();
    let to = folder.join("inventory.db");
    let backup = || site.start(&["db", "backup", "--config", "keymuster.toml", "--replace", to.to_str().unwrap()]);
    let began = Instant::now();
    backup().finish(PATIENCE).ended(0);
    let whole = began.elapsed();

    let daemon = start(&site).daemon;
    let (mut figures, mut random) = (Figures::of("backups"), Random(6));
    for number in 0..share(60) {
        if number % 10 == 0 {
            sim.beat();
        }
        let (old, at_least) = (fs::read(&to).unwrap(), shown_by(&site.inventory()));
        let process = backup();
        std::thread::sleep(whole / 20 + random.part(whole));
        kill(process);
        // Only one name is a backup's; what else is there says by its name that it is none.
        let names: BTreeSet<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let unfinished = names.contains("inventory.db.part");
        let others: Vec<&String> = names
            .iter()
            .filter(|name| !["inventory.db", "inventory.db.part", "inventory.db.part-journal"].contains(&name.as_str()))
            .collect();
        assert!(others.is_empty(), "kill {number} left {others:?}");
        let connection = Connection::open_with_flags(&to, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert_sound(&to, &connection);
        let kept = fs::read(&to).unwrap() == old;
        assert!(
            kept || at_least.is_subset(&shown(&connection)),
            "kill {number} left a backup that is neither the old nor a new one"
        );
        figures.fell(match (kept, unfinished) {
            (true, true) => "while it was written",
            (true, false) => "before it",
            (false, _) => "after it",
        });
    }
    // What kills left under way is in nobody's way.
    backup().finish(PATIENCE).ended(0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let copy = site.path("restored.db");
    fs::copy(&to, &copy).unwrap();
    site.start(&["db", "check", "--inventory", copy.to_str().unwrap()]).finish(PATIENCE).ended(0);
    kill(daemon);
    figures.tell();
}
