//! What comes out of file and environment together.

use std::collections::BTreeMap;
use std::path::Path;

use keymuster::config::{Config, CredentialSource, LogLevel};
use keymuster::domain::Condition;
use keymuster::policy::{Limit, Span};

use crate::parse;

const ACCOUNT: &str = "[accounts.acme-openai]\nprovider = \"openai\"\ncredential_file = \"openai.key\"\n";

fn read(text: &str, environment: &[(&str, &str)]) -> Config {
    parse(text, environment).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_account_with_nothing_but_the_necessary() {
    let config = read(ACCOUNT, &[]);
    let account = &config.accounts["acme-openai"];
    assert_eq!(account.credential, CredentialSource::File("/etc/keymuster/openai.key".into()));
    assert_eq!(account.schedule.as_str(), "@hourly");
    assert_eq!(account.base_url.as_str(), "https://api.openai.com/v1");
    assert_eq!((account.pace, account.concurrency, account.poll_deadline), (None, 4, Span::hours(1)));
    assert_eq!(account.account.options, BTreeMap::from([("sign_in".to_owned(), "admin_key".to_owned())]));
    assert!(config.require_accounts(Path::new("x.toml")).is_ok());
    let none = read("", &[]).require_accounts(Path::new("x.toml")).unwrap_err().to_string();
    assert_eq!(none, "x.toml: no account is configured; add an [accounts.NAME] with provider and credential");
}

#[test]
fn the_environment_wins() {
    let text = format!("{ACCOUNT}[web]\nlisten = \"127.0.0.1:1\"\n[policy]\nmax_age = \"1d\"\nignore = []\n");
    let config = read(
        &text,
        &[
            ("KEYMUSTER__WEB__LISTEN", "[::1]:2"),
            ("KEYMUSTER__POLICY__MAX_AGE", "never"),
            ("KEYMUSTER__POLICY__IGNORE", "stale, overdue"),
            ("KEYMUSTER__GUARD__MIN_KEYS", "3"),
            ("KEYMUSTER__GUARD__SCOPE_SHARE", "0.25"),
            ("KEYMUSTER__LIMITS__WIRE_BYTES", "65536"),
            ("KEYMUSTER__LOG__LEVEL", "debug"),
            ("KEYMUSTER__ACCOUNTS__ACME_OPENAI__SCHEDULE", "*/5 * * * *"),
            ("KEYMUSTER__ACCOUNTS__ACME_OPENAI__LABELS__TEAM", "platform"),
            ("KEYMUSTER__ACCOUNTS__SECOND__PROVIDER", "den"),
            ("KEYMUSTER__ACCOUNTS__SECOND__CREDENTIAL", "den_session"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials/keymuster.service"),
            // Not ours, and not looked at.
            ("KEYMUSTER_WEB_LISTEN", "nonsense"),
            ("OPENAI_ADMIN_KEY", "canary"),
            ("HTTPS_PROXY", "http://proxy.example.com"),
        ],
    );
    assert_eq!(config.web.listen.to_string(), "[::1]:2");
    assert_eq!(config.policy.limits.max_age, Some(Limit::Never));
    let ignored = config.policy.limits.ignore.unwrap();
    assert_eq!(ignored.into_iter().collect::<Vec<_>>(), [Condition::Stale, Condition::Overdue]);
    assert_eq!((config.guard.min_keys, config.guard.scope_share, config.limits.wire_bytes), (3, 0.25, 65536));
    assert_eq!(config.log.level, LogLevel::Debug);
    let account = &config.accounts["acme-openai"];
    assert_eq!(account.schedule.as_str(), "*/5 * * * *");
    assert_eq!(account.poll_deadline, Span::minutes(5));
    assert_eq!(config.policy.accounts["acme-openai"].labels["team"], "platform");
    assert_eq!(account.proxy, None);
    let directory = Some("/run/credentials/keymuster.service".into());
    assert_eq!(config.accounts["second"].credential, CredentialSource::Systemd { name: "den_session".into(), directory });
}

#[test]
fn top_level_settings_reach_the_accounts_that_have_none() {
    let text = format!(
        "ca_file = \"ca.pem\"\nproxy = \"http://one:1\"\n{ACCOUNT}\
         [accounts.b]\nprovider = \"openai\"\ncredential_file = \"/b\"\nca_file = \"/own.pem\"\nproxy = \"http://two:2\"\n"
    );
    let config = read(&text, &[]);
    let of = |name: &str| {
        let account = &config.accounts[name];
        (account.ca_file.clone().unwrap().display().to_string(), account.proxy.clone().unwrap().to_string())
    };
    assert_eq!(of("acme-openai"), ("/etc/keymuster/ca.pem".to_owned(), "http://one:1".to_owned()));
    assert_eq!(of("b"), ("/own.pem".to_owned(), "http://two:2".to_owned()));
}

#[test]
fn accounts_that_are_one_organisation_are_named() {
    let text = format!(
        "{ACCOUNT}[accounts.twin]\nprovider = \"openai\"\ncredential_file = \"openai.key\"\n\
         [accounts.other]\nprovider = \"openai\"\ncredential_file = \"other.key\"\n"
    );
    assert_eq!(read(&text, &[]).same_organization(), [("acme-openai", "twin")]);
    let den = |name: &str, id: &str| {
        let options =
            if id.is_empty() { String::new() } else { format!("options.organization_id = \"org_{}\"\n", id.repeat(26)) };
        format!("[accounts.{name}]\nprovider = \"den\"\ncredential_file = \"/den\"\n{options}")
    };
    let text = format!("{}{}{}", den("one", "1"), den("two", "2"), den("any", ""));
    assert_eq!(read(&text, &[]).same_organization(), [("any", "one"), ("any", "two")]);
}

#[test]
fn a_file_that_is_not_there() {
    let error = Config::load(Path::new("/nonexistent/keymuster.toml"), std::iter::empty()).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/keymuster.toml: cannot be read: "), "{error}");
}

#[test]
fn a_file_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keymuster.toml");
    std::fs::write(&path, ACCOUNT).unwrap();
    let config = Config::load(&path, std::iter::empty()).unwrap();
    assert_eq!(config.accounts["acme-openai"].credential, CredentialSource::File(folder.path().join("openai.key")));
}

#[test]
fn a_waiver_may_name_an_account_as_it_was_called_before() {
    let account = "[accounts.acme-eu]\nprovider = 'openai'\ncredential_file = '/none'\n";
    let waiver = "[[waivers]]\nmatch = { account = 'acme' }\nreason = 'r'\nwho = 'w'\nuntil = '2030-01-01'\n";
    let refused = parse(&format!("{account}{waiver}"), &[]).unwrap_err().to_string();
    assert!(refused.contains("names no account"), "{refused}");
    let config = parse(&format!("{account}formerly = 'acme'\n{waiver}"), &[]).unwrap();
    assert_eq!(config.policy.accounts["acme-eu"].formerly.as_deref(), Some("acme"));
}
