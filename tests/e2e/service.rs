//! The daemon as systemd runs it, with stand-ins for systemd's ends: a socket that is told how it stands, a folder of
//! credentials, a journal.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::control::ctl;
use crate::process::{PATIENCE, Running, eventually, get};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, far_off, lacks_root, log_events};
use crate::systemd::{Listener, journalled};

fn far() -> Settings {
    Settings { schedule: far_off(), ..Settings::default() }
}

fn daemon(site: &Site, environment: &[(&str, &Path)]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymuster"));
    command.args(["run", "--config", site.config().to_str().unwrap()]).env_clear().env("TMPDIR", site.path("tmp"));
    command.envs(environment.iter().copied());
    Running::start(command, "none, it is ours")
}

#[test]
fn the_service_manager_is_told_when_it_is_ready_how_it_stands_and_when_it_stops() {
    let sim = Sim::small();
    let site = Site::new(&sim, &far());
    let manager = Listener::at(&site.path("notify"));
    let run = daemon(&site, &[("NOTIFY_SOCKET", &site.path("notify")), ("WATCHDOG_USEC", Path::new("2000000"))]);
    manager.hears("READY=1\n");
    assert_eq!(manager.all()[0], "READY=1\n", "told before it was ready: {:?}", manager.all());
    // Ready is: the store is open, and the listener answers.
    let address = eventually("the start in the log", PATIENCE, || {
        let started = log_events(&run.stderr()).into_iter().find(|event| event["message"] == "started")?;
        Some(started["address"].as_str().unwrap().parse().unwrap())
    });
    assert_eq!(get(address, "/readyz").unwrap().status, 200);
    ctl(&site, &["poll"]).ended(0);
    let keys = site.count("keys");
    manager.hears(&format!("STATUS=2 accounts, {keys} keys, "));
    sim.faults("unauthorized:den");
    ctl(&site, &["poll"]).ended(69);
    manager.hears(&format!("; not read whole: {DEN}\n"));
    // Again and again.
    manager.hears("WATCHDOG=1\n");

    // Of what the config no longer names, nothing more is told.
    let config = std::fs::read_to_string(site.config()).unwrap();
    let (before, rest) = config.split_once(&format!("[accounts.{DEN}]")).unwrap();
    let after = rest.find("\n[accounts.").map_or("", |at| &rest[at..]);
    std::fs::write(site.config(), format!("{before}{after}")).unwrap();
    run.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1\n");
    let monotonic = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(monotonic.is_some_and(|usec| usec.parse::<u64>().unwrap() > 0), "{reloading}");
    manager.hears("READY=1\n");
    let standing = || manager.all().into_iter().find(|message| message.contains("STATUS=1 account, "));
    let standing = eventually("how one account stands", PATIENCE, standing);
    assert!(!standing.contains(DEN), "{standing}");

    // One that is refused leaves all as it was, and that shows.
    std::fs::write(site.config(), "[accounts").unwrap();
    run.signal(Signal::HUP);
    manager.hears("; the config was refused, and the one before is in force\n");

    run.signal(Signal::TERM);
    manager.hears("STOPPING=1\n");
    run.finish(PATIENCE).ended(0);
}

/// The longest time without a ping while somebody holds the file for four seconds, in which a poll is to be stored; and the log.
fn longest_silence(limit: &str) -> (Duration, String) {
    let sim = Sim::small();
    let site = Site::new(&sim, &far());
    let manager = Listener::at(&site.path("notify"));
    let mut run = daemon(&site, &[("NOTIFY_SOCKET", &site.path("notify")), ("WATCHDOG_USEC", Path::new(limit))]);
    manager.hears("WATCHDOG=1\n");
    let mut holding = Command::new("sqlite3");
    holding
        .args(["-bail", "-cmd", ".timeout 60000"])
        .arg(site.inventory())
        .args(["BEGIN EXCLUSIVE", ".system echo held; sleep 4"]);
    let holding = Running::start(holding, "sqlite3");
    eventually("the lock", PATIENCE, || holding.stdout().contains("held").then_some(()));
    let poll = site.start(&["ctl", "poll", "--config", site.config().to_str().unwrap()]);
    let pings = || manager.all().iter().filter(|message| message.contains("WATCHDOG=1\n")).count();
    let (began, mut heard, mut last, mut longest) = (Instant::now(), pings(), Instant::now(), Duration::ZERO);
    let enough = heard + 3;
    while heard < enough || began.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
        longest = longest.max(last.elapsed());
        assert!(longest < PATIENCE, "nothing for {longest:?}");
        if pings() > heard {
            (heard, last) = (pings(), Instant::now());
        }
    }
    poll.finish(PATIENCE).ended(0);
    holding.finish(PATIENCE).ended(0);
    assert!(run.runs());
    run.signal(Signal::TERM);
    (longest, run.finish(PATIENCE).ended(0).stderr.clone())
}

/// Pings are late, but come before the watchdog has had enough.
#[test]
fn a_writer_that_waits_is_not_taken_for_hung() {
    let (silence, _) = longest_silence("12000000");
    assert!(silence < Duration::from_secs(12), "nothing for {silence:?}; systemd would have killed it");
}

/// No ping comes from a part that still turns while another does not.
#[test]
fn a_writer_that_hangs_is_not_called_alive() {
    let (silence, log) = longest_silence("2000000");
    // Each second, where all is well.
    assert!(silence > Duration::from_millis(1_500), "at most {silence:?}; systemd would have let it hang");
    assert!(log.contains("did not turn; the watchdog is not told that all is well"), "{log}");
}

#[test]
fn a_start_that_fails_is_never_called_ready() {
    let sim = Sim::small();
    let site = Site::new(&sim, &far());
    let manager = Listener::at(&site.path("notify"));
    std::fs::remove_file(site.path("den-session")).unwrap();
    daemon(&site, &[("NOTIFY_SOCKET", &site.path("notify"))]).finish(PATIENCE).ended(78);
    assert_eq!(manager.all(), Vec::<String>::new());
}

#[test]
fn credentials_come_from_the_folder_that_systemd_makes() {
    let sim = Sim::small();
    let site = Site::new(&sim, &far());
    let credentials = site.pass_by_systemd();
    let refused = site.run("check", &[]).ended(78);
    assert!(refused.stdout.contains("CREDENTIALS_DIRECTORY is not set"), "{}", refused.all());

    let run = daemon(&site, &[("CREDENTIALS_DIRECTORY", &credentials)]);
    eventually("the first polls", PATIENCE, || (site.inventory().exists() && run.stderr().contains("started")).then_some(()));
    ctl(&site, &["poll"]).ended(0);
    for account in [OPENAI, DEN] {
        assert!(site.count(&format!("keys WHERE account = '{account}' AND presence = 'present'")) > 0);
    }
    run.signal(Signal::TERM);
    run.finish(PATIENCE).ended(0);
}

#[test]
fn events_reach_the_journal_with_their_fields() {
    if lacks_root("put a journal of its own in the place of the machine's") {
        return;
    }
    let sim = Sim::small();
    let settings = Settings { log: "format = \"auto\"", ..far() };
    let site = Site::new(&sim, &settings);
    let (run, journal) = journalled(&site, &[]);

    let started = journal.hears("MESSAGE=started ");
    assert!(started.contains("\nPRIORITY=6\n") && started.contains("\nSYSLOG_IDENTIFIER=keymuster\n"), "{started}");
    assert!(started.contains("\nKEYMUSTER_ACCOUNTS=2\n"), "{started}");
    sim.faults("unauthorized:den");
    ctl(&site, &["poll"]).ended(69);
    let failed = journal.hears(&format!("account={DEN} reason=auth"));
    for field in [&format!("KEYMUSTER_ACCOUNT={DEN}\n"), "KEYMUSTER_REASON=auth\n", "\nPRIORITY=4\n"] {
        assert!(failed.contains(field), "{field} in {failed}");
    }

    // A journal that is gone keeps nothing from being told.
    drop(journal);
    run.signal(Signal::HUP);
    eventually("the line on standard error", PATIENCE, || run.stderr().contains("<6>reloaded ").then_some(()));
    run.signal(Signal::TERM);
    let finished = run.finish(PATIENCE).ended(0);
    assert!(!finished.stderr.contains("started"), "told twice: {}", finished.stderr);
}

/// systemd runs `ctl reload` for the unit, and what it says stands in the daemon's journal.
#[test]
fn a_reload_stands_once_in_the_journal_and_whoever_asks_elsewhere_is_told() {
    let sim = Sim::small();
    let site = Site::new(&sim, &far());
    let daemon = site.daemon();
    let config = site.config();
    let reload = |is_of_the_unit: bool| {
        let export = if is_of_the_unit { "export MAINPID=1 JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); " } else { "" };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{export}exec \"$0\" ctl reload --config \"$1\""), env!("CARGO_BIN_EXE_keymuster")]);
        command.arg(&config).env_remove("JOURNAL_STREAM").env_remove("MAINPID");
        Running::start(command, "dash").finish(PATIENCE)
    };
    assert_eq!(reload(true).ended(0).all(), "");
    assert!(reload(false).ended(0).stdout.contains("reloaded "));
    site.edit("[guard]", "[guard]\nconfirm_afer = \"10m\"\nsmall_scope = \"many\"");
    assert_eq!(reload(true).ended(78).all(), "");
    let refused = reload(false).ended(78).stderr;
    assert!(refused.contains("keymuster.toml:") && refused.contains("`confirm_after`"), "{refused}");

    let events = log_events(&daemon.stop().ended(0).stderr);
    let told =
        |text: &str| -> Vec<_> { events.iter().filter(|event| event["message"].as_str().unwrap().contains(text)).collect() };
    assert_eq!(told("reloaded ").len(), 2, "one for each");
    let lines = told("the config was not reloaded; the one before stays in force");
    assert_eq!(lines.len(), 2, "one for each: {lines:?}");
    assert_eq!(lines[0]["file"], config.to_str().unwrap());
    let problems = lines[0]["problems"].as_str().unwrap();
    assert!(problems.contains("`confirm_after`? | ") && problems.contains("`guard.small_scope`"), "{problems}");

    // What the daemon cannot have told is told by whoever asked.
    assert!(reload(true).ended(69).stderr.contains("no daemon"));
}
