//! `keymuster check`: what the daemon would stumble over, told before.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keymuster::sim::Size;

use crate::process::{Finished, PATIENCE, Running};
use crate::support::{BRAINTRUST, DEN, OPENAI, Settings, Sim, Site, text};

/// The lines of an account, by their first word.
fn lines<'a>(checked: &'a Finished, word: &'a str, account: &'a str) -> Vec<&'a str> {
    let about = format!("account {account}: ");
    checked.stdout.lines().filter(|line| line.starts_with(word) && line.contains(&about)).collect()
}

#[track_caller]
fn only<'a>(checked: &'a Finished, word: &'a str, account: &'a str) -> &'a str {
    let found = lines(checked, word, account);
    assert_eq!(found.len(), 1, "{word} of {account}: {}", checked.stdout);
    found[0]
}

#[test]
fn a_good_config_is_good_and_harmless_requests_tell_so() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let checked = site.run("check", &[]).ended(0);
    assert!(checked.stdout.lines().all(|line| line.starts_with("ok ")), "{}", checked.stdout);
    for word in
        ["keymuster.toml is valid", "does not exist yet", "account acme-den", "account acme-openai", &sim.den_organization_id()]
    {
        assert!(checked.stdout.contains(word), "{word}: {}", checked.stdout);
    }
    let asked: u64 = sim.requests().iter().map(|asked| asked.count).sum();
    // One of each endpoint that a poll asks.
    assert_eq!((asked, sim.requests().len()), (7, 7), "{:?}", sim.requests());
    assert!(sim.requests().iter().all(|asked| asked.method == "GET"));
    assert!(!site.inventory().exists(), "checking makes nothing");
    site.poll(&[]).ended(0);
    let checked = site.run("check", &[]).ended(0);
    assert!(checked.stdout.contains("can be read"), "{}", checked.stdout);
}

#[test]
fn offline_asks_nobody() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.secret("openai-key", "sk-admin-wrong");
    let checked = site.run("check", &["--offline"]).ended(0);
    assert!(checked.stdout.contains("not asked"), "{}", checked.stdout);
    assert!(sim.requests().is_empty(), "{:?}", sim.requests());
}

#[test]
fn a_wrong_credential_is_told_with_the_remedy_and_the_other_account_is_checked_too() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.secret("den-session", "expired-or-mistyped");
    let checked = site.run("check", &[]).ended(69);
    let line =
        |word: &str| checked.stdout.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{}", checked.stdout));
    assert!(line("acme-den").starts_with("wrong ") && line("acme-den").contains("auth: "), "{}", checked.stdout);
    assert!(line("acme-den").contains("the session has ended"), "{}", checked.stdout);
    assert!(line("acme-openai").starts_with("ok "), "{}", checked.stdout);
    assert!(!checked.all().contains("expired-or-mistyped"));

    site.secret("den-session", sim.den_member_session());
    let checked = site.run("check", &[]).ended(69);
    assert!(checked.stdout.contains("needs owner or admin"), "{}", checked.stdout);
    site.secret("den-session", sim.den_session());
    site.edit(&sim.den_organization_id(), "org_01k9x2m4q7ragsb3e5tw8vzcdf");
    let checked = site.run("check", &[]).ended(69);
    assert!(checked.stdout.contains("check organization_id"), "{}", checked.stdout);
}

#[test]
fn a_poll_that_takes_longer_than_its_schedule_is_a_warning() {
    let sim = Sim::of(Size { projects: 30, archived_projects: 0, ..Size::demo() });
    let settings = Settings { schedule: "* * * * *".to_owned(), ..Settings::default() };
    let site = Site::new(&sim, &settings);
    let checked = site.run("check", &[]).ended(0);
    assert!(!checked.stdout.contains("warning"), "{}", checked.stdout);
    site.edit("pace = 6000\n\n\n[accounts.acme-den]", "pace = 6\n\n\n[accounts.acme-den]");
    let checked = site.run("check", &[]).ended(0);
    let warning = checked.stdout.lines().find(|line| line.starts_with("warning")).unwrap_or_else(|| panic!("{}", checked.stdout));
    assert!(warning.contains("acme-openai") && warning.contains("30 requests") && warning.contains("6 a minute"), "{warning}");
    assert!(warning.contains("longer gap"), "{warning}");
}

#[test]
fn two_accounts_of_one_organisation_are_named() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let text = std::fs::read_to_string(site.config()).unwrap();
    let (_, openai) = text.split_once("[accounts.acme-openai]").unwrap();
    let (openai, _) = openai.split_once("[accounts.").unwrap();
    std::fs::write(site.config(), format!("{text}\n[accounts.again]{openai}")).unwrap();
    let checked = site.run("check", &[]).ended(0);
    assert!(
        checked.stdout.contains("accounts acme-openai and again are one organisation")
            || checked.stdout.contains("accounts again and acme-openai are one organisation"),
        "{}",
        checked.stdout
    );
}

#[test]
fn two_accounts_of_one_organisation_are_named_by_each_poll_and_by_what_polls_have_shown() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    // A second key of each organisation: nothing in the config tells that they are the same.
    let text = std::fs::read_to_string(site.config()).unwrap();
    let mut more = text.clone();
    for (account, secret) in [("acme-openai", "openai-key"), ("acme-den", "den-session")] {
        let (_, table) = text.split_once(&format!("[accounts.{account}]")).unwrap();
        let table = table.split("[accounts.").next().unwrap().replace(secret, &format!("{secret}-2"));
        more.push_str(&format!("\n[accounts.{account}-2]{table}"));
        std::fs::copy(site.path(secret), site.path(&format!("{secret}-2"))).unwrap();
    }
    std::fs::write(site.config(), more).unwrap();
    let named = |told: &str, account: &str| told.contains(&format!("account {account} is the same organisation"));
    site.poll(&[]).ended(0);
    for (account, other) in [("acme-openai", "acme-openai-2"), ("acme-den", "acme-den-2")] {
        for (polled, twin) in [(account, other), (other, account)] {
            let told = site.poll(&["--account", polled]).ended(0).stdout;
            assert!(named(&told, twin) && told.matches("is the same organisation").count() == 1, "{told}");
        }
    }
    let checked = site.run("check", &["--offline"]).ended(0);
    for pair in ["accounts acme-den and acme-den-2 are one", "accounts acme-openai and acme-openai-2 are one"] {
        assert!(checked.stdout.contains(pair), "{}", checked.stdout);
    }
    let daemon = site.daemon();
    site.run("ctl", &["poll", "acme-den"]).ended(0);
    let log = crate::support::log_events(&daemon.stop().ended(0).stderr);
    let noted = |event: &serde_json::Value| event["note"].as_str().is_some_and(|note| named(note, "acme-den-2"));
    assert!(log.iter().any(noted), "{log:?}");
}

#[test]
fn a_provider_that_refuses_or_fails_is_told_at_once() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    sim.faults("http_500:den");
    let checked = site.run("check", &[]).ended(69);
    assert!(checked.stdout.contains("server: "), "{}", checked.stdout);
    let refused: u64 = sim.requests().iter().map(|asked| asked.refused).sum();
    assert_eq!(refused, 1, "asked again: {:?}", sim.requests());
    // Nobody listens on the port that was just let go, where nobody else takes one.
    let port = std::net::TcpListener::bind("127.77.3.1:0").unwrap().local_addr().unwrap();
    site.edit(&sim.openai_base_url(), &format!("http://{port}"));
    let checked = site.run("check", &[]).ended(69);
    assert!(checked.stdout.lines().any(|line| line.starts_with("wrong") && line.contains("acme-openai")), "{}", checked.stdout);
    assert!(checked.stdout.contains("network: "), "{}", checked.stdout);
}

#[test]
fn when_a_credential_expires_is_told_by_whoever_knows_and_missed_where_nobody_does() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { braintrust: Some("listing = \"auto\""), ..Settings::default() });
    let checked = site.run("check", &[]).ended(0);
    let expiry = |checked: &Finished, account: &str| {
        let found =
            lines(checked, "", account).into_iter().find(|line| line.contains("expires at") || line.contains("when this"));
        found.unwrap_or_else(|| panic!("{account}: {}", checked.stdout)).to_owned()
    };
    site.poll(&[]).ended(0);
    for account in [OPENAI, DEN] {
        let stored =
            text(&site.sql(&format!("SELECT credential_expires_at AS at FROM accounts WHERE account = '{account}'"))[0], "at");
        let told = expiry(&checked, account);
        assert!(told.starts_with("ok ") && told.contains(&stored), "{told} is not {stored}");
    }
    let nobody = only(&checked, "warning", BRAINTRUST);
    assert!(nobody.contains("nobody can say when this credential expires; set credential_expires"), "{nobody}");

    let table = format!("[accounts.{BRAINTRUST}]\n");
    site.edit(&table, &format!("{table}credential_expires = \"2091-01-01\"\n"));
    let table = format!("[accounts.{OPENAI}]\n");
    site.edit(&table, &format!("{table}credential_expires = \"2091-01-01\"\n"));
    let checked = site.run("check", &[]).ended(0);
    assert!(expiry(&checked, BRAINTRUST).starts_with("ok "), "{}", checked.stdout);
    let differ = only(&checked, "warning", OPENAI);
    assert!(differ.contains("credential_expires 2091-01-01") && differ.contains("correct that, or leave it out"), "{differ}");
    site.edit("2091-01-01", "2020-01-01");
    let checked = site.run("check", &[]).ended(0);
    assert!(only(&checked, "warning", BRAINTRUST).contains("expired at 2020-01-01"), "{}", checked.stdout);

    // Two keys with our mask: which of them is ours cannot be told.
    let of = "SELECT key_id FROM keys WHERE account = 'acme-openai' AND kind = 'admin' AND self =";
    let id = |own: u8| text(&site.sql(&format!("{of} {own} LIMIT 1"))[0], "key_id");
    assert!(sim.change(|world| world.make_alike(&id(0), &id(1))));
    site.edit(&format!("{table}credential_expires = \"2020-01-01\"\n"), &table);
    let checked = site.run("check", &[]).ended(0);
    assert!(only(&checked, "warning", OPENAI).contains("2 listed keys have its mask"), "{}", checked.stdout);
}

#[test]
fn a_missing_permission_is_named_with_the_list_that_needs_it() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    sim.faults("forbidden:openai on /organization/users");
    let checked = site.run("check", &[]).ended(0);
    let warning = only(&checked, "warning", OPENAI);
    assert!(warning.contains("people_not_permitted") && warning.contains("api.management.read"), "{warning}");
    for list in ["admin_api_keys", "projects"] {
        sim.faults(&format!("forbidden:openai on /organization/{list}"));
        let checked = site.run("check", &[]).ended(69);
        let wrong = only(&checked, "wrong", OPENAI);
        let named = wrong.contains(&format!("{}: forbidden: ", if list == "projects" { list } else { "admin" }));
        assert!(named && wrong.contains("api.management.read"), "{wrong}");
    }
    // It is refused before it is sent.
    sim.faults("");
    site.secret("openai-key", "sk-proj-abcdefghijklmnop");
    let checked = site.run("check", &[]).ended(78);
    assert!(only(&checked, "wrong", OPENAI).contains("create an admin key"), "{}", checked.stdout);
}

#[test]
fn a_braintrust_user_who_may_act_for_nobody_is_told_which_role_to_grant() {
    let sim = Sim::small();
    let config = |listing| Settings { braintrust: Some(listing), ..Settings::default() };
    let site = Site::new(&sim, &config("listing = \"auto\""));
    let listed = |checked: &Finished| {
        let found = lines(checked, "ok ", BRAINTRUST).into_iter().find(|line| line.contains("keys are listed by"));
        found.unwrap_or_else(|| panic!("{}", checked.stdout)).to_owned()
    };
    let checked = site.run("check", &[]).ended(0);
    assert!(listed(&checked).ends_with("keys are listed by organization"), "{}", checked.stdout);
    assert!(sim.requests().iter().all(|asked| asked.method == "GET" || asked.path == "/api/self/me"), "{:?}", sim.requests());

    // A server of one's own, which has no such list: each member's is read in the member's name.
    sim.faults("organization_list:missing");
    let checked = site.run("check", &[]).ended(0);
    assert!(listed(&checked).contains("keys are listed by header; listing by organization does not do: not_found: "));
    sim.faults("organization_list:missing\nimpersonation_refused");
    let checked = site.run("check", &[]).ended(69);
    let wrong = lines(&checked, "wrong", BRAINTRUST);
    let refused = wrong.iter().find(|line| line.contains("listing by header: impersonation_not_permitted")).unwrap_or(&"");
    assert!(refused.contains("grant the Owner role of the organisation directly"), "{}", checked.stdout);
    sim.faults("organization_list:empty\nheader_dropped");
    let checked = site.run("check", &[]).ended(69);
    for words in ["the list does not show the caller's own keys", "no proxy on the way drops the header"] {
        assert!(lines(&checked, "wrong", BRAINTRUST).iter().any(|line| line.contains(words)), "{words}: {}", checked.stdout);
    }
    sim.faults("token_exchange");
    site.configure(&sim, &config("listing = \"token\""));
    assert!(listed(&site.run("check", &[]).ended(0)).ends_with("keys are listed by token"));

    // A plain member sees neither service tokens nor anybody's keys.
    sim.faults("");
    site.configure(&sim, &config("listing = \"auto\""));
    site.secret("braintrust-key", sim.braintrust_member_credential());
    let checked = site.run("check", &[]).ended(69);
    let wrong = lines(&checked, "wrong", BRAINTRUST);
    assert!(wrong.iter().all(|line| line.contains("the Owner role")), "{}", checked.stdout);
    assert!(!wrong.is_empty(), "{}", checked.stdout);
}

#[test]
fn two_accounts_of_one_organisation_are_seen_before_any_poll() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { braintrust: Some("listing = \"auto\""), ..Settings::default() });
    let config = std::fs::read_to_string(site.config()).unwrap();
    let mut more = config.clone();
    for (account, secret) in [(OPENAI, "openai-key"), (DEN, "den-session"), (BRAINTRUST, "braintrust-key")] {
        let (_, table) = config.split_once(&format!("[accounts.{account}]")).unwrap();
        let table = table.split("[accounts.").next().unwrap().replace(secret, &format!("{secret}-2"));
        more.push_str(&format!("\n[accounts.{account}-2]{table}"));
        std::fs::copy(site.path(secret), site.path(&format!("{secret}-2"))).unwrap();
    }
    std::fs::write(site.config(), more).unwrap();
    let checked = site.run("check", &[]).ended(0);
    for account in [OPENAI, DEN, BRAINTRUST] {
        let pair = format!("accounts {account} and {account}-2 are one organisation");
        assert_eq!(checked.stdout.matches(&pair).count(), 1, "{}", checked.stdout);
    }
    assert!(!site.inventory().exists());
}

#[test]
fn a_daemon_that_runs_is_no_fault_and_is_told() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let daemon = site.daemon();
    let checked = site.run("check", &["--offline"]).ended(0);
    assert!(checked.stdout.contains("ok      inventory: a daemon is running on it"), "{}", checked.stdout);
    daemon.stop().ended(0);
    let checked = site.run("check", &["--offline"]).ended(0);
    assert!(!checked.stdout.contains("is running on it"), "{}", checked.stdout);
    // A writer without a socket, as a poll is.
    let lock = std::fs::File::open(site.path("inventory.db.lock")).unwrap();
    lock.lock().unwrap();
    let checked = site.run("check", &["--offline"]).ended(0);
    assert!(checked.stdout.contains("another keymuster is writing it just now"), "{}", checked.stdout);
    drop(lock);
    site.poll(&[]).ended(0);
}

/// Numbers that no account of the machine has.
const STRANGER: &str = "40929";

#[test]
fn a_state_folder_that_cannot_be_written_is_wrong_whether_or_not_the_file_is_there() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let root = rustix::process::geteuid().is_root();
    site.edit("path = \"inventory.db\"", "path = \"state/inventory.db\"");
    std::fs::create_dir(site.path("state")).unwrap();
    if root {
        mode(&site.path(""), 0o755);
        mode(&site.config(), 0o644);
        let mut copy = Command::new("cp");
        copy.arg(env!("CARGO_BIN_EXE_keymuster")).arg(site.path("keymuster"));
        Running::start(copy, "coreutils").finish(PATIENCE).ended(0);
        mode(&site.path("keymuster"), 0o755);
    }
    let check = || {
        if !root {
            return site.run("check", &["--offline"]);
        }
        // Root may write everywhere, so somebody else asks.
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={STRANGER}"), format!("--regid={STRANGER}"), "--clear-groups".to_owned()]);
        command.arg(site.path("keymuster")).args(["check", "--offline", "--config"]).arg(site.config());
        Running::start(command, "util-linux").finish(PATIENCE)
    };
    let wrong = |checked: &Finished| {
        let found = checked.stdout.lines().find(|line| line.starts_with("wrong   inventory: "));
        found.unwrap_or_else(|| panic!("{}", checked.all())).to_owned()
    };
    mode(&site.path("state"), 0o555);
    let told = wrong(&check().ended(78));
    assert!(told.contains("cannot be made") && told.contains("state is not writable") && told.contains("owned by"), "{told}");

    mode(&site.path("state"), 0o755);
    site.poll(&[]).ended(0);
    mode(&site.path("state/inventory.db"), 0o444);
    mode(&site.path("state"), 0o555);
    let told = wrong(&check().ended(78));
    assert!(told.contains("cannot be written") && told.contains("state is not writable"), "{told}");
    if !root {
        mode(&site.path("state"), 0o755);
        assert!(wrong(&check().ended(78)).contains("inventory.db is not writable"));
    }
    mode(&site.path("state"), 0o755);
}

#[test]
fn a_session_that_no_poll_will_put_off_is_a_warning() {
    let sim = Sim::small();
    let now = jiff::Timestamp::from_second(keymuster::clock::Clock::system().now().unix()).unwrap();
    let half_a_year_from_now = (now.to_zoned(jiff::tz::TimeZone::UTC).month() + 5) % 12 + 1;
    let schedule = format!("0 0 15 {half_a_year_from_now} *");
    let site = Site::new(&sim, &Settings { schedule, ..Settings::default() });
    let checked = site.run("check", &[]).ended(0).stdout;
    let warned = checked.lines().any(|line| line.starts_with("warning account acme-den: its session expires at "));
    assert!(warned && checked.contains("poll at least every day"), "{checked}");
}

#[test]
fn what_is_in_the_way_of_the_inventory_is_told() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    for (path, words) in [("openai-key/inventory.db", "openai-key is no folder"), ("tmp", "tmp is a folder")] {
        site.edit("path = \"inventory.db\"", &format!("path = \"{path}\""));
        let checked = site.run("check", &["--offline"]).ended(78).stdout;
        assert!(checked.contains(words) && checked.contains("inventory.path"), "{checked}");
        site.edit(&format!("path = \"{path}\""), "path = \"inventory.db\"");
    }
}
