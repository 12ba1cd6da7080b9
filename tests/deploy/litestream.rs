//! A copy that Litestream makes beside the running daemon, restored.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, eventually};
use crate::shipped::text;
use crate::support::{Settings, Sim, Site, far_off, sql};

fn program() -> PathBuf {
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/litestream/install");
    let installed = Running::start(Command::new(install), "python3-venv").finish(5 * PATIENCE).ended(0);
    PathBuf::from(installed.stdout.trim())
}

const HISTORY: &str = "SELECT (SELECT count(*) FROM keys) AS keys, (SELECT count(*) FROM changes) AS changes, \
                       (SELECT max(ended_at) FROM walks) AS walked";

#[test]
fn what_litestream_restores_is_the_inventory() {
    let litestream = program();
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    let config = site.path("litestream.yml");
    let shipped = text("litestream/litestream.yml");
    for part in ["/var/lib/keymuster/inventory.db", "/var/backups/keymuster", "sync-interval: 10s"] {
        assert!(shipped.contains(part), "{part}");
    }
    let here = shipped
        .replace("/var/lib/keymuster/inventory.db", site.inventory().to_str().unwrap())
        .replace("/var/backups/keymuster", site.path("replica").to_str().unwrap())
        .replace("sync-interval: 10s", "sync-interval: 100ms");
    std::fs::write(&config, here).unwrap();
    let litestream = |arguments: &[&str]| {
        let mut command = Command::new(&litestream);
        command.args(arguments).args(["-config", config.to_str().unwrap()]);
        command
    };

    let daemon = site.daemon();
    site.run("ctl", &["poll"]).ended(0);
    let replicating = Running::start(litestream(&["replicate"]), "none, it is installed by this test");
    for _ in 0..5 {
        sim.beat();
        site.run("ctl", &["poll"]).ended(0);
    }
    daemon.stop().ended(0);
    let history = site.sql(HISTORY);
    let restored = site.path("restored.db");
    eventually("the copy with all of it", PATIENCE, || {
        let _ = std::fs::remove_file(&restored);
        let mut command = litestream(&["restore"]);
        command.args(["-o", restored.to_str().unwrap(), site.inventory().to_str().unwrap()]);
        let finished = Running::start(command, "none, it is installed by this test").finish(PATIENCE);
        (finished.code == Some(0) && sql(&restored, HISTORY) == history).then_some(())
    });
    replicating.signal(Signal::INT);
    replicating.finish(PATIENCE);

    let checked = site.start(&["db", "check", "--inventory", restored.to_str().unwrap()]).finish(PATIENCE).ended(0);
    assert!(checked.stdout.starts_with("ok "), "{}", checked.all());
    // The daemon goes on from it.
    std::fs::rename(&restored, site.inventory()).unwrap();
    for left in ["inventory.db-wal", "inventory.db-shm"] {
        let _ = std::fs::remove_file(site.path(left));
    }
    site.poll(&[]).ended(0);
    assert_eq!(site.count("keys"), history[0]["keys"].as_i64().unwrap());
}
