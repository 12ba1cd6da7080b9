//! A copy that Litestream makes beside the running daemon, restored.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, eventually};
use crate::shipped::{path, text};
use crate::support::{Settings, Sim, Site, far_off, sql};
use crate::typed::{block, programs, typed};

fn program() -> PathBuf {
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/litestream/install");
    let installed = Running::start(Command::new(install), "python3-venv").finish(5 * PATIENCE).ended(0);
    PathBuf::from(installed.stdout.trim())
}

const HISTORY: &str = "SELECT (SELECT count(*) FROM keys) AS keys, (SELECT count(*) FROM changes) AS changes, \
                       (SELECT max(ended_at) FROM walks) AS walked";

/// The command that the unit runs.
fn replicate() -> String {
    let unit = text("litestream/keymuster-litestream.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
    assert!(unit.contains("\nUser=keymuster\n") && unit.contains("\nReadWritePaths=-/var/backups/keymuster\n"), "{unit}");
    command.to_owned()
}

#[test]
fn what_the_document_says_of_litestream_copies_the_inventory_and_restores_it() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    let programs = programs(&site, &[("litestream", &program())]);
    let at = |name: &str| site.path(name).to_str().unwrap().trim_end_matches('/').to_owned();
    let (state, copy, config, examples, units) =
        (at(""), at("copy"), at("litestream.yml"), path("litestream").to_str().unwrap().to_owned(), at("units"));
    let here = [
        ("/var/lib/keymuster", state.as_str()),
        ("/var/backups/keymuster", copy.as_str()),
        ("/etc/keymuster/litestream.yml", config.as_str()),
        ("/usr/share/doc/keymuster/examples", examples.as_str()),
        ("/etc/systemd/system", units.as_str()),
    ];
    std::fs::create_dir(&units).unwrap();
    let document = text("README.md");
    let (daemon, litestream) = (RefCell::new(None), RefCell::new(None));
    // What systemd would start and stop, in its place.
    let service = |command: &str| {
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "--now").collect();
        for unit in &words[2..] {
            match (words[1], *unit) {
                ("stop", "keymuster") => drop(daemon.take().map(|daemon: crate::support::Daemon| daemon.stop().ended(0))),
                ("stop", "keymuster-litestream") => drop(litestream.take().map(|running: Running| {
                    running.signal(Signal::TERM);
                    running.finish(PATIENCE)
                })),
                ("start", "keymuster") => drop(daemon.replace(Some(site.daemon()))),
                ("start" | "enable", "keymuster-litestream") => {
                    let mut command = Command::new("sh");
                    let line =
                        here.iter().fold(format!("exec {}/{}", programs.path().display(), replicate()), |line, (there, here)| {
                            line.replace(there, here)
                        });
                    command.args(["-c", &line]);
                    drop(litestream.replace(Some(Running::start(command, "none, it is installed by this test"))));
                }
                _ => panic!("{command}"),
            }
        }
    };
    let type_all = |after: &str| {
        for command in block(&document, after) {
            if command.starts_with("systemctl daemon-reload") || command.starts_with("journalctl ") {
                continue;
            }
            if command.starts_with("systemctl ") {
                service(&command)
            } else {
                typed(&command, &here, programs.path())
            }
            if command.ends_with("/etc/keymuster/litestream.yml") {
                // The places of this test, and its patience.
                let shipped = std::fs::read_to_string(&config).unwrap();
                let fast = here.iter().fold(shipped, |text, (there, here)| text.replace(there, here));
                assert!(fast.contains(&copy) && fast.contains("sync-interval: 10s"), "{fast}");
                std::fs::write(&config, fast.replace("sync-interval: 10s", "sync-interval: 100ms")).unwrap();
            }
        }
    };

    type_all("\n### Copy it all the time\n");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700, "for nobody else");
    assert!(Path::new(&units).join("keymuster-litestream.service").exists());
    service("systemctl start keymuster");
    for _ in 0..5 {
        sim.beat();
        site.run("ctl", &["poll"]).ended(0);
    }
    service("systemctl stop keymuster");
    let history = site.sql(HISTORY);
    // The copy follows in its own time.
    let looked_at = site.path("looked-at.db");
    eventually("the copy with all of it", PATIENCE, || {
        let _ = std::fs::remove_file(&looked_at);
        let mut command = Command::new(programs.path().join("litestream"));
        command.args(["restore", "-config", &config, "-o", looked_at.to_str().unwrap(), site.inventory().to_str().unwrap()]);
        let finished = Running::start(command, "none, it is installed by this test").finish(PATIENCE);
        (finished.code == Some(0) && sql(&looked_at, HISTORY) == history).then_some(())
    });
    service("systemctl stop keymuster-litestream");

    // It is lost, and restored; and the copy goes on from there.
    std::fs::write(site.inventory(), "no database").unwrap();
    type_all("To restore by it:\n");
    assert_eq!(site.sql(HISTORY), history);
    site.run("ctl", &["poll"]).ended(0);
    assert_eq!(site.count("keys"), history[0]["keys"].as_i64().unwrap());
    assert_eq!(std::fs::metadata(site.inventory()).unwrap().permissions().mode() & 0o777, 0o640);
    service("systemctl stop keymuster-litestream keymuster");
}
