//! What the process gives away of its secrets to those around it: nothing by its environment, its memory or a crash.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::canaries::Canaries;
use crate::process::{PATIENCE, Running, eventually, get};
use crate::support::{Settings, Sim, Site};

/// Numbers that no account of the machine has.
const STRANGER: u32 = 40_931;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_credential_in_the_environment_is_refused_where_it_would_be_expected_and_not_repeated() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let started = |command: &str, variable: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_keymuster"));
        program.args([command, "--config"]).arg(site.config()).env_clear().env("TMPDIR", site.path("tmp"));
        program.env(variable, "canary-of-the-environment");
        Running::start(program, "none, it is ours").finish(PATIENCE)
    };
    for command in ["run", "poll", "check"] {
        let refused = started_and_refused(&started(command, "OPENAI_ADMIN_KEY"));
        assert!(refused.contains("OPENAI_ADMIN_KEY") && refused.contains("credential_file"), "{refused}");
    }
    // Of a provider without an account here it is somebody else's.
    let checked = started("check", "BRAINTRUST_API_KEY");
    assert_eq!(checked.code, Some(0), "{}", checked.all());
}

#[test]
fn a_secret_as_an_argument_is_told_the_right_way_and_not_repeated() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let config = site.config();
    let config = config.to_str().unwrap();
    const PASTED: &str = "sk-proj-cAnaRyq8Zt4Lw0Vx7Kd2Rb5Hn9Jf3Gs6";
    let (word, session) = ("canary-of-the-arguments", "cAnaRyq8Zt4Lw0Vx7Kd2Rb5Hn9Jf3Gs6");
    for arguments in [
        &["poll", "--openai-admin-key", word][..],
        &["poll", "--key", word],
        &["check", "--token=canary-of-the-arguments"],
        &["run", word],
        &["poll", "--config", config, word],
        &["ctl", "status", word],
        &[word],
        &["ctl", word],
        &["db", session],
    ] {
        let refused = site.start(arguments).finish(PATIENCE).ended(64).all();
        assert!(!refused.to_lowercase().contains("canary"), "{arguments:?}: {refused}");
        assert!(refused.contains("credential_file") && refused.contains("systemd credential"), "{arguments:?}: {refused}");
    }
    // In the place of something else that is expected.
    for arguments in
        [&["poll", "--config", config, "--account", session][..], &["changes", "--config", config, "--format", session]]
    {
        let refused = site.start(arguments).finish(PATIENCE).ended(64).all();
        assert!(!refused.to_lowercase().contains("canary"), "{arguments:?}: {refused}");
    }
    site.poll(&[]).ended(0);
    for arguments in [&["keys", "--config", config, "--account", session][..], &["explain", "--config", config, PASTED]] {
        let refused = site.start(arguments).finish(PATIENCE).ended(64).all();
        assert!(!refused.to_lowercase().contains("canary"), "{arguments:?}: {refused}");
    }
    let daemon = site.daemon();
    let refused = site.run("ctl", &["poll", session]).ended(64).all();
    assert!(!refused.to_lowercase().contains("canary"), "{refused}");
    let stopped = daemon.stop().ended(0).all();
    assert!(!stopped.to_lowercase().contains("canary"), "{stopped}");
    // What was mistyped is named where it cannot be one.
    let mistyped = site.start(&["poll", "--acount", "x"]).finish(PATIENCE).ended(64).all();
    assert!(mistyped.contains("--acount") && mistyped.contains("--account") && !mistyped.contains("credential"), "{mistyped}");
    let mistyped = site.start(&["kyes"]).finish(PATIENCE).ended(64).all();
    assert!(mistyped.contains("'kyes'") && mistyped.contains("'keys'"), "{mistyped}");
}

#[track_caller]
fn started_and_refused(finished: &crate::process::Finished) -> String {
    assert_eq!(finished.code, Some(78), "{}", finished.all());
    assert!(!finished.all().contains("canary"), "{}", finished.all());
    finished.all()
}

/// A program under way, of which more is asked than its exit code. Dropped, it is killed.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The daemon as a user who is not root, started by a shell with those words before it; standard error goes to a file.
fn daemon_of_a_stranger(site: &Site, before: &str) -> Started {
    mode(&site.path(""), 0o755);
    std::fs::create_dir_all(site.path("state")).unwrap();
    site.edit("path = \"inventory.db\"", "path = \"state/inventory.db\"");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_keymuster")).arg(site.path("keymuster"));
    Running::start(copy, "coreutils").finish(PATIENCE).ended(0);
    mode(&site.path("keymuster"), 0o755);
    mode(&site.config(), 0o644);
    let mut command = if rustix::process::geteuid().is_root() {
        for path in ["state", "tmp", "openai-key", "den-session"] {
            std::os::unix::fs::chown(site.path(path), Some(STRANGER), Some(STRANGER)).unwrap();
        }
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={STRANGER}"), format!("--regid={STRANGER}"), "--clear-groups".into()]).arg("/bin/sh");
        command
    } else {
        Command::new("/bin/sh")
    };
    let log = std::fs::File::create(site.path("log")).unwrap();
    command.args(["-c", &format!("{before} exec \"$0\" run --config \"$1\"")]).arg(site.path("keymuster")).arg(site.config());
    command.env_clear().env("TMPDIR", site.path("tmp")).current_dir(site.path("state"));
    Started(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

#[track_caller]
fn address(site: &Site, child: &mut Child) -> std::net::SocketAddr {
    eventually("the daemon's start", PATIENCE, || {
        let log = std::fs::read_to_string(site.path("log")).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the daemon ended: {log}");
        let started = crate::support::log_events(&log).into_iter().find(|event| event["message"] == "started")?;
        Some(started["address"].as_str().unwrap().parse().unwrap())
    })
}

#[test]
fn nobody_looks_into_the_process_and_a_crash_leaves_no_core() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: "* * * * * *".to_owned(), ..Settings::default() });
    let mut started = daemon_of_a_stranger(&site, "ulimit -c unlimited 2>/dev/null;");
    let child = &mut started.0;
    let address = address(&site, child);
    eventually("a poll", PATIENCE, || (sim.asked("/organization/users") > 0).then_some(()));
    let of_process = |name: &str| format!("/proc/{}/{name}", child.id());
    // What is not dumpable belongs to root, whoever runs it: no process of the same user may open its memory.
    let proc = std::fs::metadata(of_process("environ")).unwrap();
    assert_eq!(proc.uid(), 0, "others of its user may read its memory");
    if rustix::process::geteuid().is_root() {
        let mut peek = Command::new("setpriv");
        peek.args([format!("--reuid={STRANGER}"), format!("--regid={STRANGER}"), "--clear-groups".into()]);
        let peeked = Running::start(peek_at(peek, &of_process("mem")), "util-linux").finish(PATIENCE);
        assert!(peeked.code != Some(0) && peeked.stderr.contains("ermission denied"), "{}", peeked.all());
        for name in ["cmdline", "environ"] {
            let shown = String::from_utf8_lossy(&std::fs::read(of_process(name)).unwrap()).into_owned();
            for secret in [sim.openai_credential(), sim.den_session()] {
                assert!(!shown.contains(secret), "{name}: {shown}");
            }
        }
    }
    let limits = std::fs::read_to_string(of_process("limits")).unwrap();
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    // Its own figures it still reads.
    let metrics = get(address, "/metrics").unwrap().body;
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"] {
        assert!(metrics.contains(&format!("\n{name} ")), "{name} is missing");
    }

    kill_process(Pid::from_child(child), Signal::ABORT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    let mut left = Vec::new();
    for folder in ["", "state", "tmp"] {
        left.extend(std::fs::read_dir(site.path(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
    assert!(!left.iter().any(|name| name.starts_with("core")), "{left:?}");
    // The program itself holds the simulators' secrets.
    std::fs::remove_file(site.path("keymuster")).unwrap();
    let searched = Canaries::of(&sim).sing_not_in_files(&site);
    assert!(searched.iter().any(|name| name == "inventory.db"), "{searched:?}");
}

fn peek_at(mut command: Command, path: &str) -> Command {
    command.args(["/usr/bin/head", "-c", "1", path]).env_clear();
    command
}
