//! What is wrong is told before anything starts: by exit code, by place, all at once, with the remedy.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::process::{Finished, PATIENCE};
use crate::support::{Settings, Sim, Site, lacks_root, shell};

fn ready() -> (Sim, Site) {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    (sim, site)
}

/// Each command that needs the config refuses it in the same words; only checking asks a provider whose account is in order.
fn refused_everywhere(sim: &Sim, site: &Site, code: i32, words: &[&str]) {
    for command in ["run", "poll", "check"] {
        let asked = sim.requests();
        let refused = site.run(command, &[]).ended(code);
        assert!(command == "check" || sim.requests() == asked, "a poll began");
        for word in words {
            assert!(refused.all().contains(word), "{command} does not say '{word}':\n{}", refused.all());
        }
        assert!(!refused.all().contains("panicked"), "{}", refused.all());
    }
}

#[test]
fn a_bad_config_never_starts_and_tells_everything_at_once() {
    let (sim, site) = ready();
    site.edit("[guard]", "[guard]\nconfirm_afer = \"10m\"\nsmall_scope = \"many\"");
    site.edit("provider = \"den\"", "provider = \"dem\"");
    site.edit("schedule = \"@hourly\"", "schedule = \"61 * * * *\"");
    let text = std::fs::read_to_string(site.config()).unwrap();
    let at = |wanted: &str| text.lines().position(|line| line.starts_with(wanted)).unwrap() + 1;
    let places = [at("confirm_afer"), at("small_scope"), at("provider = \"dem\""), at("schedule")];
    let places = places.map(|line| format!("keymuster.toml:{line}: "));
    let mut words: Vec<&str> = places.iter().map(String::as_str).collect();
    words.extend(["confirm_after", "den"]);
    refused_everywhere(&sim, &site, 78, &words);
    assert!(!site.inventory().exists() && sim.requests().is_empty(), "something was started");

    std::fs::write(site.config(), "[web\nlisten = 1").unwrap();
    refused_everywhere(&sim, &site, 78, &["keymuster.toml:1: "]);
    std::fs::remove_file(site.config()).unwrap();
    refused_everywhere(&sim, &site, 78, &["keymuster.toml: cannot be read"]);
    std::fs::write(site.config(), "[web]\n").unwrap();
    refused_everywhere(&sim, &site, 78, &["no account is configured"]);
}

#[test]
fn names_of_settings_are_text_to_a_terminal_too() {
    let (_sim, site) = ready();
    site.edit("[guard]", "\"\\u001b[2J\\u202Ex\\ny\" = 1\n[guard]\n\"\\u009b31m\" = 1");
    let refused = site.run("check", &["--offline"]).ended(78);
    assert!(
        refused.stderr.contains("`log.\\u{1b}[2J\\u{202e}x\\u{a}y`") && refused.stderr.contains("`guard.\\u{9b}31m`"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.lines().all(|line| line.starts_with("error: ") && !line.contains(char::is_control)),
        "{}",
        refused.stderr
    );
}

#[test]
fn credentials_that_cannot_be_used_are_refused_with_the_remedy() {
    let (sim, site) = ready();
    let mode = |name: &str, mode: u32| std::fs::set_permissions(site.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    mode("openai-key", 0o644);
    refused_everywhere(&sim, &site, 78, &["openai-key", "0644", "everybody may read it", "chmod 600"]);
    mode("openai-key", 0o620);
    refused_everywhere(&sim, &site, 78, &["0620", "its group may write it"]);
    mode("openai-key", 0o640);

    site.secret("den-session", sim.den_api_key());
    refused_everywhere(&sim, &site, 78, &["den-session", "begins with den_", "401", "sign_in = \"api_key\""]);
    site.secret("den-session", "");
    site.secret("openai-key", "sk-proj-abc");
    refused_everywhere(&sim, &site, 78, &["den-session: is empty", "begins with sk-proj-", "create an admin key"]);

    std::fs::remove_file(site.path("den-session")).unwrap();
    site.secret("openai-key", sim.openai_credential());
    refused_everywhere(&sim, &site, 78, &["acme-den", "den-session: cannot be read", "see that it exists"]);
    std::fs::create_dir(site.path("den-session")).unwrap();
    refused_everywhere(&sim, &site, 78, &["is no regular file"]);
    assert!(!site.inventory().exists());
}

#[test]
fn a_secret_in_config_environment_or_arguments_is_refused_and_not_repeated() {
    let (sim, site) = ready();
    let secret = sim.openai_credential();
    site.edit("credential_file = \"openai-key\"", &format!("credential = \"{secret}\""));
    let refused = site.run("poll", &[]).ended(78);
    assert!(!refused.all().contains(secret), "{}", refused.all());
    assert!(refused.stderr.contains("credential_file"), "{}", refused.stderr);
    site.edit(&format!("credential = \"{secret}\""), &format!("api_key = \"{secret}\""));
    let refused = site.run("poll", &[]).ended(78);
    assert!(!refused.all().contains(secret), "{}", refused.all());
    site.edit(&format!("api_key = \"{secret}\""), "credential_file = \"openai-key\"");

    let refused = site.run("poll", &["--credential", secret]).ended(64);
    assert!(!refused.all().contains(secret), "an argument is repeated: {}", refused.all());
}

#[test]
fn a_database_of_a_newer_program_is_left_as_it_is() {
    let (sim, site) = ready();
    site.poll(&[]).ended(0);
    site.meddle("PRAGMA user_version = 99");
    let before = std::fs::read(site.inventory()).unwrap();
    refused_everywhere(&sim, &site, 65, &["inventory.db", "99", "install the newer keymuster"]);
    assert!(std::fs::read(site.inventory()).unwrap() == before, "the file was written");
    assert!(!site.path("inventory.db-wal").exists());
}

#[test]
fn a_file_of_another_program_is_left_as_it_is() {
    let (_sim, site) = ready();
    shell(&site.inventory(), &[], "CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('bread')");
    let before = std::fs::read(site.inventory()).unwrap();
    for command in ["run", "poll"] {
        let refused = site.run(command, &[]).ended(1);
        assert!(refused.stderr.contains("not of keymuster"), "{}", refused.stderr);
    }
    assert!(std::fs::read(site.inventory()).unwrap() == before);
    std::fs::write(site.inventory(), "not a database at all, but text that is long enough").unwrap();
    let refused = site.run("poll", &[]).ended(1);
    assert!(refused.stderr.contains("database"), "{}", refused.stderr);
}

#[test]
fn a_second_daemon_on_the_same_file_is_refused() {
    let (_sim, site) = ready();
    let mut first = site.daemon();
    let refused = site.run("run", &[]).ended(1);
    assert!(refused.stderr.contains("inventory.db is in use by another keymuster"), "{}", refused.stderr);
    assert!(first.process.runs());
    first.stop().ended(0);
    site.poll(&[]).ended(0);
}

#[test]
fn an_occupied_port_is_told_and_nothing_else_happens() {
    let (sim, site) = ready();
    // An address of loopback where nobody else takes a port in between.
    let taken = TcpListener::bind("127.77.1.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    site.edit("127.0.0.1:0", &address);
    let refused = site.run("run", &[]).ended(1);
    assert!(refused.stderr.contains(&format!("cannot listen on {address}")), "{}", refused.stderr);
    assert!(refused.stderr.contains("web.listen"), "{}", refused.stderr);
    assert!(!site.inventory().exists() && sim.requests().is_empty());
    drop(taken);
    let daemon = site.daemon();
    assert_eq!(daemon.address.to_string(), address);
    daemon.stop().ended(0);
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let (_sim, site) = ready();
    std::fs::write(site.path("file"), "").unwrap();
    site.edit("path = \"inventory.db\"", "path = \"file/below/inventory.db\"");
    let refused = site.run("run", &[]).ended(1);
    assert!(refused.stderr.contains("file/below"), "{}", refused.stderr);
}

#[test]
fn wrong_arguments_are_64_and_help_is_0() {
    let (_sim, site) = ready();
    let run = |arguments: &[&str]| -> Finished { site.start(arguments).finish(PATIENCE) };
    for arguments in [
        &["pol"][..],
        &["poll", "--colour"],
        &["run", "--config"],
        &["simulate", "--fault", "http_501"],
        &["demo", "--listen", "x"],
        &[],
    ] {
        let refused = run(arguments).ended(64);
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["poll", "--help"], &["--version"]] {
        let shown = run(arguments).ended(0);
        assert!(shown.stderr.is_empty() && shown.stdout.contains("keymuster"), "{arguments:?}");
    }
    let refused = site.poll(&["--account", "nobody"]).ended(64);
    assert!(
        refused.stderr.contains("no account 'nobody'") && refused.stderr.contains("acme-den, acme-openai"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_misspelt_filter_does_not_pass_for_an_empty_answer() {
    let (_sim, site) = ready();
    site.run("poll", &[]).ended(0);
    let refused = site.run("keys", &["--account", "no-such-account"]).ended(64);
    assert!(refused.all().contains("no account 'no-such-account'") && refused.all().contains("it has "), "{}", refused.all());
    let refused = site.run("keys", &["--provider", "dem"]).ended(64);
    assert!(refused.all().contains("invalid value 'dem'") && refused.all().contains("exists: 'den'"), "{}", refused.all());
}

/// Numbers that no account of the machine has.
const STRANGER: u32 = 40_929;

/// Root checks and polls for the daemon's user, whose the state folder is.
#[test]
fn what_root_does_in_the_daemons_folder_is_the_daemons() {
    if lacks_root("give a folder to another user") {
        return;
    }
    let (_sim, site) = ready();
    site.edit("path = \"inventory.db\"", "path = \"state/inventory.db\"");
    let unknown = site.run("check", &["--offline"]).ended(0).stdout;
    assert!(unknown.contains("warning user: ") && unknown.contains("state is not there yet"), "{unknown}");
    std::fs::create_dir(site.path("state")).unwrap();
    assert!(site.run("check", &["--offline"]).ended(0).stdout.contains("user: checked as root, who owns /"));
    std::os::unix::fs::chown(site.path("state"), Some(STRANGER), Some(STRANGER)).unwrap();
    let checked = site.run("check", &["--offline"]).ended(78).stdout;
    for file in ["openai-key", "den-session"] {
        assert!(checked.contains(&format!("{file} cannot be read by user {STRANGER}")), "{checked}");
        std::os::unix::fs::chown(site.path(file), Some(STRANGER), None).unwrap();
    }
    std::fs::set_permissions(site.config(), std::fs::Permissions::from_mode(0o644)).unwrap();
    site.run("check", &["--offline"]).ended(0);

    site.poll(&[]).ended(0);
    for file in ["inventory.db", "inventory.db.lock"] {
        let made = std::fs::metadata(site.path("state").join(file)).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (STRANGER, STRANGER, 0o640), "{file}");
    }
    // Nothing that was there is given away, least of all what a link points to.
    std::fs::remove_file(site.path("state/inventory.db.lock")).unwrap();
    std::os::unix::fs::symlink(site.path("target"), site.path("state/inventory.db.lock")).unwrap();
    for there in [false, true] {
        if there {
            std::fs::write(site.path("target"), "").unwrap();
        }
        assert_ne!(site.poll(&[]).code, Some(0));
        assert_eq!(std::fs::metadata(site.path("target")).is_ok_and(|target| target.uid() == 0), there);
    }
}

#[test]
fn a_second_daemon_is_told_of_the_first_and_poll_asks_it_without_credentials_of_its_own() {
    let (_sim, site) = ready();
    let daemon = site.daemon();
    site.edit("127.0.0.1:0", &daemon.address.to_string());
    let second = site.run("run", &[]).ended(1);
    assert!(second.stderr.contains("is in use by another keymuster"), "{}", second.stderr);

    // Those that systemd passes reach the service alone.
    site.edit("credential_file = \"openai-key\"", "credential = \"openai\"");
    assert!(site.poll(&[]).ended(0).stdout.contains("acme-openai"));
    let refused = site.poll(&["--dry-run"]).ended(78);
    assert!(
        refused.stderr.contains("systemd-run") && refused.stderr.contains("while keymuster.service runs"),
        "{}",
        refused.stderr
    );
    daemon.stop().ended(0);
}
