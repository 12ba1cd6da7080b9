//! Reading the config again, by SIGHUP and by `keymuster ctl reload`: all of it or, where anything is wrong, nothing.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::control::{ctl, settings};
use crate::process::{PATIENCE, eventually, get};
use crate::support::{DEN, Daemon, OPENAI, Settings, Sim, Site, log_events, text};

struct Reloading {
    sim: Sim,
    site: Site,
    daemon: Daemon,
    config: String,
}

impl Reloading {
    /// A daemon that has polled once.
    fn new() -> Self {
        let sim = Sim::small();
        let site = Site::new(&sim, &settings());
        let daemon = site.daemon();
        ctl(&site, &["poll"]).ended(0);
        let config = std::fs::read_to_string(site.config()).unwrap();
        Self { sim, site, daemon, config }
    }

    fn restore(&self) {
        std::fs::write(self.site.config(), &self.config).unwrap();
    }

    fn events(&self, message: &str) -> Vec<Value> {
        let events = log_events(&self.daemon.process.stderr()).into_iter();
        events.filter(|event| event["message"].as_str().is_some_and(|told| told.contains(message))).collect()
    }

    /// SIGHUP, and what the log says of it.
    #[track_caller]
    fn hang_up(&self, message: &str) -> Value {
        let before = self.events(message).len();
        self.daemon.process.signal(Signal::HUP);
        eventually(message, PATIENCE, || self.events(message).into_iter().nth(before))
    }

    #[track_caller]
    fn reload(&self) {
        self.hang_up("reloaded ");
    }

    /// SIGHUP that is refused: the problems that the log tells.
    #[track_caller]
    fn refused(&self) -> String {
        self.hang_up("the config was not reloaded")["problems"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn successful(&self) -> String {
        let metrics = get(self.daemon.address, "/metrics").unwrap().body;
        let line = metrics.lines().find(|line| line.starts_with("keymuster_config_last_reload_successful")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    /// Cuts the table of an account out of the config.
    fn without(&self, account: &str) -> String {
        let (before, rest) = self.config.split_once(&format!("[accounts.{account}]")).unwrap();
        let after = rest.find("\n[accounts.").map_or("", |at| &rest[at..]);
        format!("{before}{after}")
    }

    fn count(&self, account: &str, more: &str) -> i64 {
        self.site.count(&format!("keys WHERE account = '{account}' {more}"))
    }
}

#[test]
fn accounts_come_and_go_by_a_reload() {
    let house = Reloading::new();
    let keys = house.count(DEN, "");
    std::fs::write(house.site.config(), house.without(DEN)).unwrap();
    house.reload();
    assert_eq!(house.count(DEN, "AND presence = 'unmanaged' AND presence_reason = 'account_removed'"), keys);
    let refused = ctl(&house.site, &["poll", DEN]).ended(64);
    assert!(refused.stderr.contains("no account 'acme-den'"), "{}", refused.stderr);
    let status = ctl(&house.site, &["status"]).ended(0).stdout;
    assert!(status.contains(OPENAI) && !status.contains(DEN), "{status}");

    // Back again, beside a new one, which is polled without being asked.
    let (_, den) = house.config.split_once("[accounts.acme-den]").unwrap();
    std::fs::write(house.site.config(), format!("{}\n[accounts.second-den]{den}", house.config)).unwrap();
    let done = ctl(&house.site, &["reload"]).ended(0).stdout;
    assert!(done.contains("3 accounts"), "{done}");
    eventually("the first poll of a new account", PATIENCE, || {
        (house.count("second-den", "AND presence = 'present'") == keys).then_some(())
    });
    assert_eq!(house.count(DEN, "AND presence IN ('unknown', 'present')"), keys);
    ctl(&house.site, &["poll", DEN]).ended(0);
    assert_eq!(house.count(DEN, "AND presence = 'present'"), keys);
    house.daemon.stop().ended(0);
}

#[test]
fn the_poll_of_an_account_that_is_removed_is_cut_off_and_changes_nothing() {
    let house = Reloading::new();
    let keys = house.count(OPENAI, "");
    // The list of projects, asked first, is read at once, so that the organisation is confirmed; then it takes its time.
    house.sim.faults("latency:openai:3600000 on /organization/admin_api_keys");
    let asked = house.sim.asked("/organization/projects");
    let config = house.site.config();
    let polling = house.site.start(&["ctl", "--config", config.to_str().unwrap(), "poll", OPENAI]);
    eventually("a poll under way", PATIENCE, || {
        let status = ctl(&house.site, &["status"]).ended(0).stdout;
        let runs = status.lines().any(|line| line.contains(OPENAI) && line.contains("polling"));
        (runs && house.sim.asked("/organization/projects") > asked).then_some(())
    });
    std::fs::write(&config, house.without(OPENAI)).unwrap();
    house.reload();
    let cut = polling.finish(PATIENCE).ended(69).stdout;
    assert!(cut.contains("stopped: "), "{cut}");
    assert_eq!(house.count(OPENAI, "AND presence = 'unmanaged'"), keys);
    let Reloading { daemon, site, .. } = house;
    daemon.stop().ended(0);
    assert_eq!(site.count(&format!("keys WHERE account = '{OPENAI}' AND presence = 'unmanaged'")), keys);
}

#[test]
fn a_new_schedule_and_a_new_policy_count_at_once() {
    let house = Reloading::new();
    let asked = house.sim.asked("/v1/api-keys");
    let overdue = "keys WHERE instr(conditions, 'overdue') > 0";
    let before = house.site.count(overdue);
    let old = settings_schedule(&house.config);
    std::fs::write(house.site.config(), house.config.replace(&old, "schedule = \"* * * * * *\"")).unwrap();
    house.site.edit("[guard]", "[policy]\nmax_age = \"1h\"\n\n[guard]");
    house.reload();
    assert!(house.site.count(overdue) > before, "the conditions are those of the new policy");
    let rows = house.site.sql("SELECT account || '/' || key_id AS key FROM keys WHERE provider = 'den' LIMIT 1");
    let page = get(house.daemon.address, &format!("/keys/{}", text(&rows[0], "key"))).unwrap().body;
    assert!(page.contains("max_age = 1h by [policy]") && !page.contains("last judged by"), "explained by the new policy: {page}");
    eventually("polls by the new schedule", PATIENCE, || (house.sim.asked("/v1/api-keys") >= asked + 3).then_some(()));

    house.restore();
    house.reload();
    assert_eq!(house.site.count(overdue), before);
    // A poll of the other schedule may still be under way, or wait for its splay.
    eventually("the end of all polls", PATIENCE, || {
        let status = ctl(&house.site, &["status"]).ended(0).stdout;
        (status.matches("waiting").count() == 2).then_some(())
    });
    let asked = house.sim.asked("/v1/api-keys");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(house.sim.asked("/v1/api-keys"), asked, "the old schedule is in force again");
    house.daemon.stop().ended(0);
}

fn settings_schedule(config: &str) -> String {
    config.lines().find(|line| line.starts_with("schedule")).unwrap().to_owned()
}

#[test]
fn a_config_with_anything_wrong_changes_nothing_and_tells_everything() {
    let house = Reloading::new();
    assert_eq!(house.successful(), "1");
    house.site.edit("[guard]", "[guard]\nconfirm_afer = \"10m\"");
    house.site.edit("provider = \"den\"", "provider = \"dem\"");
    let problems = house.refused();
    assert!(problems.contains("`confirm_after`") && problems.contains("names no provider"), "{problems}");
    assert_eq!(house.successful(), "0");

    std::fs::remove_file(house.site.config()).unwrap();
    assert!(house.refused().contains("cannot be read"));
    house.restore();

    // What only the daemon can see is wrong, it tells whoever asked.
    for (name, hidden) in [("openai-key", "openai-hidden"), ("den-session", "den-hidden")] {
        std::fs::rename(house.site.path(name), house.site.path(hidden)).unwrap();
    }
    let refused = ctl(&house.site, &["reload"]).ended(78);
    assert!(refused.stderr.contains("openai-key") && refused.stderr.contains("den-session"), "{}", refused.stderr);
    assert_eq!(house.successful(), "0");
    ctl(&house.site, &["poll"]).ended(0);
    assert_eq!(house.site.count("keys WHERE presence <> 'present'"), 0, "the daemon goes on as before");
    for (name, hidden) in [("openai-key", "openai-hidden"), ("den-session", "den-hidden")] {
        std::fs::rename(house.site.path(hidden), house.site.path(name)).unwrap();
    }
    house.reload();
    assert_eq!(house.successful(), "1");
    house.daemon.stop().ended(0);
}

#[test]
fn a_config_with_errors_keeps_nobody_from_the_daemon_that_runs() {
    let house = Reloading::new();
    house.site.edit("[guard]", "[guard]\nconfirm_afer = \"10m\"");
    let status = ctl(&house.site, &["status"]).ended(0);
    assert!(status.stdout.contains(OPENAI) && status.stdout.contains(DEN), "{}", status.stdout);
    assert!(status.stderr.contains("warning: ") && status.stderr.contains("`confirm_after`"), "{}", status.stderr);
    let refused = ctl(&house.site, &["reload"]).ended(78);
    assert!(refused.stderr.contains("`confirm_after`"), "{}", refused.stderr);
    ctl(&house.site, &["poll", DEN]).ended(0);

    // What is no TOML does not even tell where the inventory is.
    std::fs::write(house.site.config(), "[accounts").unwrap();
    let socket = house.site.path("inventory.db.ctl");
    let refused = ctl(&house.site, &["status"]).ended(78);
    assert!(refused.stderr.contains("keymuster.toml:1: ") && refused.stderr.contains("--socket"), "{}", refused.stderr);
    let status = ctl(&house.site, &["status", "--socket", socket.to_str().unwrap()]).ended(0);
    assert!(status.stdout.contains(OPENAI), "{}", status.stdout);
    let refused = ctl(&house.site, &["reload", "--socket", socket.to_str().unwrap()]).ended(78);
    assert!(refused.stderr.contains("keymuster.toml:1: "), "{}", refused.stderr);
    std::fs::remove_file(house.site.config()).unwrap();
    let refused = ctl(&house.site, &["status"]).ended(78);
    assert!(refused.stderr.contains("cannot be read") && refused.stderr.contains("--socket"), "{}", refused.stderr);
    house.restore();
    house.reload();
    house.daemon.stop().ended(0);
}

#[test]
fn the_level_of_the_log_follows_a_reload() {
    let house = Reloading::new();
    let told = |message| house.events(message).len();
    let polled = told("polled");
    assert!(polled > 0 && told("asked") == 0);
    house.site.edit("format = \"json\"", "format = \"json\"\nlevel = \"error\"");
    ctl(&house.site, &["reload"]).ended(0);
    ctl(&house.site, &["poll"]).ended(0);
    house.site.edit("level = \"error\"", "level = \"debug\"");
    ctl(&house.site, &["reload"]).ended(0);
    eventually("the second reload in the log", PATIENCE, || (told("reloaded") > 0).then_some(()));
    assert_eq!((told("polled"), told("asked")), (polled, 0));
    ctl(&house.site, &["poll", DEN]).ended(0);
    eventually("what happened since", PATIENCE, || (told("polled") > polled && told("asked") > 0).then_some(()));
    house.daemon.stop().ended(0);
}

#[test]
fn what_needs_a_restart_is_refused_by_name() {
    let house = Reloading::new();
    house.site.edit("127.0.0.1:0", "127.0.0.1:1");
    house.site.edit("format = \"json\"", "format = \"text\"");
    house.site.edit("[guard]", "[metrics]\nper_key_limit = 7\n\n[guard]");
    let refused = ctl(&house.site, &["reload"]).ended(78);
    for name in ["web.listen", "log.format", "[metrics]"] {
        assert!(refused.stderr.contains(&format!("{name} differs from what the daemon started with")), "{}", refused.stderr);
    }
    assert!(refused.stderr.contains("restart"), "{}", refused.stderr);
    house.restore();
    house.site.edit("path = \"inventory.db\"", "path = \"other.db\"");
    let problems = house.refused();
    assert!(problems.contains("inventory.path differs"), "{problems}");
    assert!(!house.site.path("other.db").exists());
    house.restore();
    house.reload();
    house.daemon.stop().ended(0);
}

#[test]
fn an_account_never_becomes_another_providers() {
    let house = Reloading::new();
    let swapped = house.config.replace(OPENAI, "x").replace(DEN, OPENAI).replace("accounts.x", &format!("accounts.{DEN}"));
    std::fs::write(house.site.config(), swapped).unwrap();
    let words = ["acme-openai", "acme-den", "holds keys of", "give that one another name"];
    let refused = ctl(&house.site, &["reload"]).ended(78);
    assert!(words[2..].iter().all(|word| refused.stderr.contains(word)), "{}", refused.stderr);
    assert_eq!(house.successful(), "0");
    ctl(&house.site, &["poll"]).ended(0);
    house.daemon.stop().ended(0);

    let stored = "SELECT account, provider FROM accounts ORDER BY 1";
    let before = house.site.sql(stored);
    for command in ["run", "poll"] {
        let refused = house.site.run(command, &[]).ended(78);
        assert!(words[2..].iter().all(|word| refused.stderr.contains(word)), "{}", refused.stderr);
        assert!(words[..2].iter().any(|word| refused.stderr.contains(word)), "{}", refused.stderr);
    }
    assert_eq!(house.site.sql(stored), before);
    assert_eq!(house.site.count("keys WHERE presence <> 'present'"), 0);
    std::fs::write(house.site.config(), &house.config).unwrap();
    house.site.poll(&[]).ended(0);
}

#[test]
fn a_signal_to_read_again_ends_no_command_that_has_nothing_to_read() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    sim.faults("latency:den:3600000 on /v1/api-keys");
    let poll = site.start(&["poll", "--config", site.config().to_str().unwrap()]);
    eventually("a poll under way", PATIENCE, || (sim.asked("/v1/org") > 0).then_some(()));
    poll.signal(Signal::HUP);
    let finished = poll.finish(PATIENCE).ended(69);
    assert!(finished.stdout.contains("stopped"), "{}", finished.all());
}

#[test]
fn a_changed_credential_counts_from_the_reload_on() {
    let house = Reloading::new();
    let own = || {
        let own = format!("SELECT key_id, expires_at FROM keys WHERE account = '{OPENAI}' AND self = 1");
        let rows = house.site.sql(&own);
        assert_eq!(rows.len(), 1, "{rows:?}");
        format!("{rows:?}")
    };
    let first = own();
    let mut before = first.clone();
    let mut secrets = Vec::new();
    for by_signal in [false, true] {
        let secret = house.sim.rotate_admin_key();
        let refused = ctl(&house.site, &["poll", OPENAI]).ended(69).stdout;
        assert!(refused.contains("auth: "), "{refused}");
        assert_eq!(own(), before, "what could not be read says nothing");
        house.site.secret("openai-key", &secret);
        if by_signal {
            house.reload();
        } else {
            ctl(&house.site, &["reload"]).ended(0);
        }
        ctl(&house.site, &["poll", OPENAI]).ended(0);
        assert_ne!(own(), before, "the mark moved to the new key");
        before = own();
        secrets.push(secret);
    }
    let log = house.daemon.stop().ended(0).all();
    assert!(secrets.iter().all(|secret| !log.contains(secret)), "{log}");
}
