//! The unit and what belongs to it, as systemd's own tools judge them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::process::{Finished, PATIENCE, Running};
use crate::shipped::{path, text};

/// The most that `systemd-analyze security` may call the exposure, in tenths.
const EXPOSURE: u32 = 12;

fn systemd(program: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).env("SYSTEMD_COLORS", "0");
    Running::start(command, "systemd").finish(PATIENCE)
}

#[test]
fn the_unit_is_valid_and_exposes_little() {
    let folder = tempfile::tempdir().unwrap();
    let unit = text("systemd/keymuster.service");
    // Its program is not installed here.
    assert!(unit.contains("ExecStart=/usr/bin/keymuster run "));
    let here = unit.replace("/usr/bin/keymuster", env!("CARGO_BIN_EXE_keymuster"));
    let file = folder.path().join("keymuster.service");
    std::fs::write(&file, here).unwrap();
    let file = file.to_str().unwrap();
    let verified = systemd("systemd-analyze", &["verify", "--man=no", file]).ended(0);
    assert_eq!(verified.all(), "", "what systemd says of the unit");
    let limit = format!("--threshold={EXPOSURE}");
    let judged = systemd("systemd-analyze", &["security", "--offline=true", &limit, "--no-pager", file]);
    assert_eq!(judged.code, Some(0), "{}", judged.all());
    // The limit is one that can be missed.
    let open = unit.lines().filter(|line| !line.starts_with("Protect") && !line.starts_with("SystemCall"));
    std::fs::write(file, open.collect::<Vec<_>>().join("\n")).unwrap();
    assert_ne!(systemd("systemd-analyze", &["security", "--offline=true", &limit, "--no-pager", file]).code, Some(0));
}

#[test]
fn the_unit_of_litestream_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let unit = text("litestream/keymuster-litestream.service").replace("/usr/bin/litestream", "/bin/true");
    let file = folder.path().join("keymuster-litestream.service");
    std::fs::write(&file, unit).unwrap();
    let verified = systemd("systemd-analyze", &["verify", "--man=no", file.to_str().unwrap()]).ended(0);
    assert_eq!(verified.all(), "", "what systemd says of the unit");
}

/// What no score counts.
#[test]
fn a_hung_daemon_leaves_no_core_and_no_swap_with_its_secrets() {
    let unit = text("systemd/keymuster.service");
    for line in ["LimitCORE=0", "WatchdogSignal=SIGKILL", "MemorySwapMax=0", "Type=notify", "RestartPreventExitStatus=65 78"] {
        assert!(unit.lines().any(|of_unit| of_unit == line), "{line}");
    }
    let environment: Vec<&str> = unit.lines().filter(|line| line.trim_start().starts_with("Environment")).collect();
    assert_eq!(environment, ["Environment=MALLOC_ARENA_MAX=2"], "whoever asks systemd sees the environment of a unit");
}

/// How long a start and later work may take, how often it is started again, and how much memory it may have.
#[test]
fn the_unit_bounds_time_starts_and_memory() {
    let unit = text("systemd/keymuster.service");
    for line in [
        "TimeoutStartSec=15min",
        "WatchdogSec=2min",
        "Restart=on-failure",
        "StartLimitIntervalSec=10min",
        "StartLimitBurst=5",
        "MemoryHigh=384M",
        "MemoryMax=512M",
    ] {
        assert_eq!(unit.lines().filter(|of_unit| of_unit == &line).count(), 1, "{line}");
    }
}

#[test]
fn user_and_folders_are_made_as_the_unit_needs_them() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    std::fs::create_dir(at("etc")).unwrap();
    let of_root = format!("--root={}", root.path().display());
    let sysusers = path("systemd/sysusers.d/keymuster.conf");
    if rustix::process::geteuid().is_root() {
        systemd("systemd-sysusers", &[&of_root, sysusers.to_str().unwrap()]).ended(0);
        let users = std::fs::read_to_string(at("etc/passwd")).unwrap();
        assert!(users.lines().any(|line| line.starts_with("keymuster:x:") && line.contains(":/var/lib/keymuster:")), "{users}");

        let tmpfiles = path("systemd/tmpfiles.d/keymuster.conf");
        systemd("systemd-tmpfiles", &["--create", &of_root, tmpfiles.to_str().unwrap()]).ended(0);
        for (folder, mode) in
            [("etc/keymuster", 0o750), ("etc/keymuster/credentials.d", 0o700), ("etc/keymuster/credentials.encrypted.d", 0o700)]
        {
            let facts = std::fs::metadata(at(folder)).unwrap();
            assert_eq!((facts.permissions().mode() & 0o7777, facts.uid()), (mode, 0), "{folder}");
        }
    } else {
        let shown = systemd("systemd-sysusers", &["--dry-run", sysusers.to_str().unwrap()]).ended(0);
        assert!(shown.all().contains("keymuster"), "{}", shown.all());
    }
    let unit = text("systemd/keymuster.service");
    for folder in ["/etc/keymuster/credentials.d", "/etc/keymuster/credentials.encrypted.d"] {
        assert!(text("systemd/tmpfiles.d/keymuster.conf").contains(folder) && unit.contains(folder));
    }
}

/// Of two lines with one name systemd heeds the last, and says nothing.
#[test]
fn no_credential_hides_another() {
    let unit = text("systemd/keymuster.service");
    let names = unit.lines().filter_map(|line| line.strip_prefix("LoadCredential")?.split_once('=')?.1.split(':').next());
    let names: Vec<&str> = names.collect();
    assert_eq!(names, ["key", "encrypted"]);
}
