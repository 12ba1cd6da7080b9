//! The control socket, as people use it: through `keymuster ctl`, and through `keymuster poll` beside the daemon.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{Finished, PATIENCE, Running, eventually, get};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, far_off, lacks_root, log_events, text};

/// Nothing is due while a test runs, and no request ends because it takes long.
pub fn settings() -> Settings {
    Settings {
        schedule: far_off(),
        openai: "concurrency = 1",
        confirm_after: "4s",
        tables: "[limits]\nretries = 0\nrequest_timeout = \"1h\"",
        ..Settings::default()
    }
}

#[track_caller]
pub fn ctl(site: &Site, arguments: &[&str]) -> Finished {
    site.run("ctl", arguments)
}

/// What was reported, but for how long it took.
fn told(finished: &Finished) -> Vec<String> {
    let mut lines: Vec<String> =
        finished.stdout.lines().map(|line| line.split(" in ").next().unwrap().trim_end().to_owned()).collect();
    lines.sort();
    lines
}

#[test]
fn polls_are_told_alike_whoever_makes_them() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    let alone = site.poll(&[]).ended(0);
    assert!(alone.stdout.contains("no changes"), "{}", alone.stdout);

    let daemon = site.daemon();
    let asked = sim.asked("/organization/projects");
    let beside = site.poll(&[]).ended(0);
    let by_ctl = ctl(&site, &["poll"]).ended(0);
    assert_eq!((told(&beside), told(&by_ctl)), (told(&alone), told(&alone)));
    assert_eq!(sim.asked("/organization/projects"), asked + 2, "the daemon polls once each time");

    let one = ctl(&site, &["poll", DEN]).ended(0);
    assert!(one.stdout.contains(DEN) && !one.stdout.contains(OPENAI), "{}", one.stdout);
    let unknown = ctl(&site, &["poll", "nobody"]).ended(64);
    assert!(unknown.stderr.contains("no account 'nobody'; there are acme-den, acme-openai"), "{}", unknown.stderr);

    sim.faults("http_500:den");
    for failed in [site.poll(&[]).ended(69), ctl(&site, &["poll"]).ended(69), site.poll(&["--account", DEN]).ended(69)] {
        assert!(failed.stdout.contains("server: "), "{}", failed.stdout);
    }
    site.poll(&["--account", OPENAI]).ended(0);
    daemon.stop().ended(0);
}

#[test]
fn whoever_asks_at_once_is_answered_by_one_poll() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let daemon = site.daemon();
    ctl(&site, &["poll", DEN]).ended(0);
    let once = sim.asked("/v1/api-keys");
    // Long enough for all of them to have come.
    sim.faults("latency:den:15000 on /v1/api-keys");
    let config = site.config();
    let asking: Vec<Running> = (0..20).map(|_| site.start(&["ctl", "--config", config.to_str().unwrap(), "poll", DEN])).collect();
    let answers: Vec<Vec<String>> = asking.into_iter().map(|one| told(&one.finish(PATIENCE).ended(0))).collect();
    assert_eq!(sim.asked("/v1/api-keys"), 2 * once);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(site.count(&format!("walks WHERE account = '{DEN}' AND kind = 'organization'")), 2);
    daemon.stop().ended(0);
}

#[test]
fn status_tells_what_each_account_does() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let daemon = site.daemon();
    ctl(&site, &["poll"]).ended(0);
    let status = ctl(&site, &["status"]).ended(0).stdout;
    for (account, provider) in [(DEN, "den"), (OPENAI, "openai")] {
        let line = status.lines().find(|line| line.contains(account)).unwrap_or_else(|| panic!("no {account}: {status}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let read = site.value(&format!("SELECT last_complete_poll_at FROM accounts WHERE account = '{account}'"));
        assert_eq!((words[1], words[2], &words[5..]), (provider, "waiting", &["read", "0", "0"][..]), "{status}");
        assert_eq!(words[4], read.as_str().unwrap(), "{status}");
        assert!(words[3].ends_with('Z') && words[3] > words[4], "{status}");
    }
    sim.faults("latency:den:3600000");
    let polling = site.start(&["ctl", "--config", site.config().to_str().unwrap(), "poll", DEN]);
    eventually("a poll under way", PATIENCE, || {
        let status = ctl(&site, &["status"]).ended(0).stdout;
        status.lines().any(|line| line.contains(DEN) && line.contains("polling")).then_some(())
    });
    daemon.stop().ended(0);
    let cut = polling.finish(PATIENCE).ended(69).stdout;
    assert!(cut.contains("stopped: "), "{cut}");
}

#[test]
fn without_a_daemon_ctl_says_so() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    for command in [&["status"][..], &["poll"], &["reload"], &["ack", DEN, "--why", "x"]] {
        let refused = ctl(&site, command).ended(69);
        assert!(
            refused.stderr.contains("no daemon listens on") && refused.stderr.contains("keymuster run"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("inventory.db.ctl"), "{}", refused.stderr);
    }
    assert!(!site.inventory().exists(), "asking makes nothing");
    ctl(&site, &["ack", DEN]).ended(64);
}

#[test]
fn the_socket_comes_and_goes_with_the_daemon() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let socket = site.path("inventory.db.ctl");
    let daemon = site.daemon();
    let found = std::fs::metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o660);
    daemon.stop().ended(0);
    assert!(!socket.exists(), "a clean stop leaves no socket");

    let daemon = site.daemon();
    daemon.process.signal(Signal::KILL);
    daemon.process.finish(PATIENCE);
    assert!(socket.exists(), "nobody was left to remove it");
    let refused = ctl(&site, &["status"]).ended(69);
    assert!(refused.stderr.contains("no daemon listens on"), "{}", refused.stderr);
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
    ctl(&site, &["status"]).ended(0);
    daemon.stop().ended(0);
    assert!(!socket.exists());
}

#[test]
fn a_daemon_whose_inventory_lies_deep_is_reached_all_the_same() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let deep = format!("{}/inventory.db", ["a-folder-with-a-name-of-forty-bytes-or-so"; 4].join("/"));
    site.edit("path = \"inventory.db\"", &format!("path = \"{deep}\""));
    let daemon = site.daemon();
    let socket = site.path(&format!("{deep}.ctl"));
    assert!(socket.as_os_str().len() > 107 && std::fs::metadata(&socket).unwrap().file_type().is_socket());
    ctl(&site, &["poll"]).ended(0);
    let status = ctl(&site, &["status"]).ended(0).stdout;
    assert!(status.contains(DEN), "{status}");
    daemon.stop().ended(0);
    assert!(!socket.exists(), "a clean stop leaves no socket");
    let refused = ctl(&site, &["status"]).ended(69);
    assert!(refused.stderr.contains("no daemon listens on") && refused.stderr.contains(&deep), "{}", refused.stderr);

    // Where already the name is too long, the start says so.
    let name = format!("{}.db", "n".repeat(120));
    site.edit(&deep, &name);
    let refused = site.run("run", &[]).ended(1);
    assert!(refused.stderr.contains("too long for a socket") && refused.stderr.contains("inventory.path"), "{}", refused.stderr);
}

#[test]
fn a_socket_that_cannot_be_made_is_told_and_leaves_nothing_open() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    std::fs::create_dir(site.path("inventory.db.ctl")).unwrap();
    let refused = site.run("run", &[]).ended(1);
    assert!(refused.stderr.contains("cannot listen on") && refused.stderr.contains("inventory.db.ctl"), "{}", refused.stderr);
    assert!(!site.path("inventory.db-wal").exists() && sim.requests().is_empty());
}

#[test]
fn a_daemon_is_reached_by_a_link_to_its_inventory_and_by_the_file() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    std::fs::create_dir(site.path("links")).unwrap();
    std::os::unix::fs::symlink(site.inventory(), site.path("links/link.db")).unwrap();
    let (file, link) = ("path = \"inventory.db\"", "path = \"links/link.db\"");
    for (of_daemon, of_others) in [(file, link), (link, file)] {
        let daemon = site.daemon();
        let sizes = get(daemon.address, "/metrics").unwrap().body;
        assert!(sizes.contains("keymuster_inventory_file_size_bytes{file=\"wal\"}"), "{sizes}");
        assert!(!sizes.contains("keymuster_inventory_file_size_bytes{file=\"wal\"} 0"), "it has a log: {sizes}");
        site.edit(of_daemon, of_others);
        ctl(&site, &["status"]).ended(0);
        site.poll(&[]).ended(0);
        daemon.stop().ended(0);
        let left: Vec<_> = std::fs::read_dir(site.path("links")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["link.db"], "nothing lies beside the link");
    }
}

/// Numbers that no account of the machine has.
const STRANGER: u32 = 40_928;

#[test]
fn only_the_daemons_user_its_group_and_root_may_ask() {
    if lacks_root("become another user to ask as one") {
        return;
    }
    assert!(Path::new("/usr/bin/setpriv").exists(), "setpriv is missing: install the package util-linux");
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    // Others may pass the folder here, so that it is the socket that stops them.
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(site.config().parent().unwrap(), 0o755);
    // By another process: what ours holds open for writing while another test starts a program cannot be run.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_keymuster")).arg(site.path("keymuster"));
    Running::start(copy, "coreutils").finish(PATIENCE).ended(0);
    // Whatever umask these were made under.
    mode(&site.config(), 0o644);
    mode(&site.path("keymuster"), 0o755);
    let as_other = |more: &[&str]| {
        let mut command = Command::new("/usr/bin/setpriv");
        command.arg(format!("--reuid={STRANGER}")).args(more).arg(site.path("keymuster"));
        command.args(["ctl", "status", "--config"]).arg(site.config()).env_clear();
        Running::start(command, "util-linux").finish(PATIENCE)
    };
    let stranger = &["--regid=40928", "--clear-groups"][..];
    let daemon = site.daemon();
    let refused = as_other(stranger).ended(1);
    assert!(refused.stderr.contains("is for the daemon's user, its group and root"), "{}", refused.stderr);

    mode(&site.path("inventory.db.ctl"), 0o666);
    let refused = as_other(stranger).ended(1);
    assert!(refused.stderr.contains("only the daemon's user, its group and root may ask"), "{}", refused.stderr);
    mode(&site.path("inventory.db.ctl"), 0o660);

    as_other(&["--regid=0", "--clear-groups"]).ended(0);
    as_other(&["--regid=40928", "--groups=0"]).ended(0);
    let log = daemon.stop().ended(0).stderr;
    let refusals = log_events(&log).into_iter().filter(|event| event["uid"] == STRANGER).count();
    assert_eq!(refusals, 1, "{log}");
}

#[test]
fn a_hold_waits_for_a_word_and_then_goes_by_the_ordinary_proof() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let daemon = site.daemon();
    ctl(&site, &["poll"]).ended(0);
    let keys = site.count(&format!("keys WHERE account = '{DEN}'"));
    assert!(keys >= 10);
    let refused = ctl(&site, &["ack", DEN, "--why", "nothing"]).ended(64);
    assert!(refused.stderr.contains("nothing of acme-den waits for a person"), "{}", refused.stderr);

    sim.faults("empty_list on /v1/api-keys");
    let held = site.poll(&[]).ended(69).stdout;
    let words = [format!("held: list_emptied: {keys} at once"), format!("keymuster ctl ack {DEN} organization --why '...'")];
    assert!(words.iter().all(|word| held.contains(word.as_str())), "{held}");
    let of = |presence: &str| site.count(&format!("keys WHERE account = '{DEN}' AND presence = '{presence}'"));
    assert_eq!((of("present"), site.count("keys WHERE held_since IS NOT NULL")), (keys, keys));
    let status = ctl(&site, &["status"]).ended(0).stdout;
    let line = status.lines().find(|line| line.contains(DEN)).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[words.len() - 2..], [keys.to_string().as_str(), "1"], "{status}");
    let waits = status.lines().find(|line| line.contains("keymuster ctl ack")).unwrap_or_else(|| panic!("{status}"));
    for word in [format!("{DEN}: list_emptied: {keys} at once of organization"), format!("ctl ack {DEN} organization --why")] {
        assert!(waits.contains(&word), "{status}");
    }

    for (account, why, code, word) in [
        ("nobody", "x", 64, "no account 'nobody'; there are acme-den, acme-openai"),
        (OPENAI, "x", 64, "nothing of acme-openai waits"),
        (DEN, "  ", 64, "needs a reason"),
        (DEN, &"x".repeat(257), 64, "at most 256 characters"),
    ] {
        let refused = ctl(&site, &["ack", account, "--why", why]).ended(code);
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    let refused = ctl(&site, &["ack", DEN, "organisation", "--why", "x"]).ended(64);
    assert!(refused.stderr.contains("no scope 'organisation' of acme-den; there are organization"), "{}", refused.stderr);
    let done = ctl(&site, &["ack", DEN, "organization", "--why", "the team was\u{1b}[2J closed\n"]).ended(0).stdout;
    assert!(done.contains("1 hold ended") && done.contains(&format!("{keys} keys go by the ordinary proof")), "{done}");
    let hold = &site.sql("SELECT ended_by, ended_why, ended_at FROM holds")[0];
    let uid = rustix::process::geteuid().as_raw();
    assert!(text(hold, "ended_by").contains(&format!("uid {uid}")), "{hold:?}");
    assert_eq!(text(hold, "ended_why"), "the team was\\u{1b}[2J closed", "what a terminal would obey is spelt out");
    assert_eq!(of("present"), keys, "a word by itself concludes nothing");

    let report = site.poll(&[]).ended(0).stdout;
    let missing = Instant::now();
    assert!(report.contains(&format!("{keys} organization became_missing")), "{report}");
    assert_eq!(of("missing"), keys);
    std::thread::sleep(Duration::from_secs(6).saturating_sub(missing.elapsed()));
    let report = site.poll(&[]).ended(0).stdout;
    assert!(report.contains(&format!("{keys} organization became_gone")), "{report}");
    assert_eq!(of("gone"), keys);
    let log = daemon.stop().ended(0).stderr;
    assert!(
        log_events(&log)
            .iter()
            .any(|event| event["message"] == "acknowledged" && event["why"] == "the team was\\u{1b}[2J closed")
    );
}

#[test]
fn a_changed_organisation_waits_for_a_word() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    let daemon = site.daemon();
    ctl(&site, &["poll"]).ended(0);
    let keys = site.count(&format!("keys WHERE account = '{OPENAI}'"));
    sim.faults("wrong_org:openai");
    let refused = site.poll(&["--account", OPENAI]).ended(69).stdout;
    assert!(refused.contains("organization_changed") && refused.contains("keymuster ctl ack acme-openai --why"), "{refused}");
    assert_eq!(site.count(&format!("keys WHERE account = '{OPENAI}' AND presence = 'present'")), keys);
    let status = ctl(&site, &["status"]).ended(0).stdout;
    assert!(status.lines().any(|line| line.contains(OPENAI) && line.contains("organization_changed")), "{status}");
    let waits = format!("{OPENAI}: the credential sees another organisation");
    let accept = format!("keymuster ctl ack {OPENAI} --why '...'");
    assert!(status.lines().any(|line| line.starts_with(&waits) && line.contains(&accept)), "{status}");
    let done = ctl(&site, &["ack", OPENAI, "--why", "we moved"]).ended(0).stdout;
    assert!(done.contains("the organisation that it sees now is taken for the right one"), "{done}");
    let status = ctl(&site, &["status"]).ended(0).stdout;
    assert!(!status.contains("another organisation"), "{status}");
    let unmanaged = "presence = 'unmanaged' AND presence_reason = 'organization_changed'";
    assert_eq!(site.count(&format!("keys WHERE account = '{OPENAI}' AND {unmanaged}")), keys);
    site.poll(&["--account", OPENAI]);
    assert!(site.count(&format!("keys WHERE account = '{OPENAI}' AND presence = 'present'")) > 0, "the new ones are a baseline");
    assert_eq!(site.count("changes WHERE change = 'appeared'"), 0);
    daemon.stop().ended(0);
}

#[test]
fn lists_that_an_outage_hit_do_not_stay_complete() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    sim.faults("http_500");
    site.poll(&[]).ended(69);
    let asked = "kind IN ('projects', 'people', 'admin')";
    let rows = site.sql(&format!("SELECT account, kind, state, reason FROM scopes WHERE {asked}"));
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert!(rows.iter().all(|row| row["state"] == "incomplete" && row["reason"] == "server"), "{rows:?}");
    assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
    sim.faults("");
    site.poll(&[]).ended(0);
    assert_eq!(site.count(&format!("scopes WHERE {asked} AND state <> 'complete'")), 0);
}
