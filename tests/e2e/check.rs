//! `keymuster check`: what the daemon would stumble over, told before.

use keymuster::sim::Size;

use crate::support::{Settings, Sim, Site};

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
    assert_eq!(asked, 3, "{:?}", sim.requests());
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
