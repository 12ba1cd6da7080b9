//! Whoever starts the program with whatever umask: nobody else reads what it writes, and the group what it is meant to.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::process::{PATIENCE, Running, get};
use crate::support::{Daemon, Settings, Sim, Site, far_off};

/// Starts the program as a shell of that umask does.
fn under(umask: &str, site: &Site, arguments: &[&str]) -> Running {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_keymuster")]).args(arguments);
    shell.env_clear().env("TMPDIR", site.path("tmp")).current_dir(site.path(""));
    Running::start(shell, "none, it is ours")
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Looks at everything below some folders without a pause: what stands there for a moment only is seen, mostly.
struct Watcher {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<BTreeMap<PathBuf, u32>>,
}

impl Watcher {
    /// Of each file and folder the bits that it ever had.
    fn of(folders: Vec<PathBuf>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let looks = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                let mut left = folders.clone();
                while let Some(folder) = left.pop() {
                    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                        let Ok(file) = std::fs::symlink_metadata(entry.path()) else { continue };
                        *seen.entry(entry.path()).or_default() |= file.mode() & 0o7777;
                        if file.is_dir() {
                            left.push(entry.path());
                        }
                    }
                }
            }
            seen
        });
        Self { stop, looks }
    }

    fn seen(self) -> BTreeMap<PathBuf, u32> {
        self.stop.store(true, Ordering::Relaxed);
        self.looks.join().unwrap()
    }
}

#[test]
fn what_is_written_is_for_the_owner_or_the_group_whatever_the_umask() {
    let sim = Sim::small();
    for umask in ["000", "077"] {
        let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
        std::fs::create_dir(site.path("state")).unwrap();
        std::fs::create_dir(site.path("backups")).unwrap();
        site.edit("path = \"inventory.db\"", "path = \"state/inventory.db\"");
        let (state, tmp, backups) = (site.path("state"), site.path("tmp"), site.path("backups"));
        let watcher = Watcher::of(vec![state.clone(), tmp, backups]);

        let daemon = Daemon::started(under(umask, &site, &["run", "--config", "keymuster.toml"]));
        let run = |arguments: &[&str]| under(umask, &site, arguments).finish(PATIENCE).ended(0);
        run(&["poll", "--config", "keymuster.toml"]);
        let beside = |suffix: &str| state.join(format!("inventory.db{suffix}"));
        for (suffix, expected) in [("", 0o640), ("-wal", 0o640), ("-shm", 0o640), (".lock", 0o640), (".ctl", 0o660)] {
            assert_eq!(mode(&beside(suffix)), expected, "{suffix}, umask {umask}");
        }
        run(&["db", "backup", "--config", "keymuster.toml", "backups/inventory.db"]);
        run(&["db", "backup", "--config", "keymuster.toml", "--replace", "backups/inventory.db"]);
        assert_eq!(mode(&site.path("backups/inventory.db")), 0o600, "the backup, umask {umask}");
        run(&["report", "--config", "keymuster.toml", "--from", "2d", "--out", "evidence"]);
        assert_eq!(mode(&site.path("evidence")), 0o700, "the evidence, umask {umask}");
        for file in std::fs::read_dir(site.path("evidence")).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}, umask {umask}", path.display());
        }
        // Copies of the daemon and of commands, some of which stand for a moment only.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let at = keymuster::clock::Clock::system().now().plus(-1).to_string();
        assert_eq!(get(daemon.address, &format!("/keys?as_of={at}")).unwrap().status, 200);
        run(&["keys", "--config", "keymuster.toml", "--as-of", &at]);
        run(&["policy", "test", "--config", "keymuster.toml"]);
        run(&["poll", "--config", "keymuster.toml", "--dry-run"]);
        daemon.stop().ended(0);
        assert_eq!(mode(&beside("")), 0o640, "after the stop, umask {umask}");

        let seen = watcher.seen();
        assert!(seen.keys().any(|path| path.to_string_lossy().contains(".as-of-")), "{seen:?}");
        assert!(seen.keys().any(|path| path.starts_with(site.path("tmp"))), "{seen:?}");
        for (path, bits) in seen {
            let of_inventory = path.parent() == Some(&*state) && !path.to_string_lossy().contains(".as-of-");
            let at_top =
                [&state, &site.path("tmp"), &site.path("backups")].into_iter().any(|folder| path.parent() == Some(folder));
            let most = match (path == beside(".ctl"), of_inventory, at_top) {
                (true, ..) => 0o660,
                (false, true, _) => 0o640,
                // Of a folder that is the owner's alone nobody else reaches what is inside.
                (false, false, true) => 0o700,
                (false, false, false) => 0o750,
            };
            assert_eq!(bits & 0o777 & !most, 0, "{} was {bits:o}, umask {umask}", path.display());
        }
    }
}
