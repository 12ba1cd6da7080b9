//! The example file is the reference of all settings: complete, valid, and true about defaults.

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;

use crate::{known_settings, parse};

const EXAMPLE: &str = include_str!("../../config/keymuster.example.toml");

/// The example with its commented settings switched on.
pub(crate) fn switched_on() -> String {
    let on = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        Some(_) | None => line,
    });
    on.collect::<Vec<_>>().join("\n")
}

fn read(text: &str) -> Config {
    parse(text, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn it_states_the_defaults() {
    let (example, mut empty) = (read(EXAMPLE), read(""));
    // The example writes the defaults of the policy out; unset ones mean the same.
    assert_eq!(example.policy.limits, keymuster::policy::Limits::built_in());
    empty.policy.limits = example.policy.limits.clone();
    assert_eq!(format!("{example:#?}"), format!("{empty:#?}"));
}

#[test]
fn it_is_valid_with_everything_switched_on() {
    // The only file that is read at once.
    let web = tempfile::NamedTempFile::new().unwrap();
    let text = switched_on();
    assert!(text.contains("/etc/keymuster/web.yml"));
    let config = read(&text.replace("/etc/keymuster/web.yml", web.path().to_str().unwrap()));
    assert_eq!((config.policy.rules.len(), config.policy.waivers.len()), (1, 1));
    for provider in PROVIDERS {
        let spec = provider.spec();
        let account = config.accounts.values().find(|a| a.provider.spec().id == spec.id);
        let account = account.unwrap_or_else(|| panic!("no account of {}", spec.id));
        let default = keymuster::remote::BaseUrl::parse(spec.base_url).unwrap();
        assert_eq!(account.base_url, default, "{}: its own address", spec.id);
        for option in spec.options {
            assert!(account.account.option(option.name).is_some(), "{}: option {} is not shown", spec.id, option.name);
        }
        assert!(account.account.option("sign_in").is_some());
        for way in spec.sign_ins {
            assert!(EXAMPLE.contains(way.word), "{}: sign_in {} is not explained", spec.id, way.word);
        }
    }
}

#[test]
fn it_shows_every_setting() {
    let text = switched_on();
    let in_table = |header: &str| {
        let body = if header.is_empty() { text.as_str() } else { text.split(&format!("\n{header}\n")).nth(1).unwrap() };
        body.split("\n[").next().unwrap_or_default().to_owned()
    };
    for header in ["[inventory]", "[web]", "[log]", "[policy]", "[guard]", "[limits]", "[retention]", "[metrics]"]
        .into_iter()
        .chain(["[[policy.rules]]", "[[waivers]]"])
    {
        let body = in_table(header);
        let known = known_settings(header);
        assert!(known.len() > usize::from(header != "[inventory]"), "{header}: {known:?}");
        for name in known.iter().filter(|name| *name != "rules") {
            assert!(body.contains(&format!("\n{name} = ")) || body.starts_with(&format!("{name} = ")), "{header} {name}");
        }
    }
    // No account has both kinds of credential, so that two of them together show all settings.
    let accounts = in_table("[accounts.acme-openai]") + "\n" + &in_table("[accounts.acme-den]");
    for name in known_settings("[accounts.acme-openai]") {
        assert!(accounts.contains(&format!("\n{name} = ")) || accounts.starts_with(&format!("{name} = ")), "account: {name}");
    }
    // It has one kind of secret.
    let webhook = in_table("[webhook]").replace("\n# secret = ", "\nsecret = ");
    for name in known_settings("[webhook]") {
        assert!(webhook.contains(&format!("\n{name} = ")), "webhook: {name}");
    }
    for name in known_settings("[[policy.rules]]\n[policy.rules.match]") {
        assert!(in_table("[[policy.rules]]").contains(&format!(" {name} = ")), "match: {name}");
    }
    for name in known_settings("[accounts.acme-openai.policy]") {
        assert!(accounts.contains(&format!(" {name} = ")), "policy of an account: {name}");
    }
    for name in known_settings("") {
        let shown = [format!("\n{name} = "), format!("\n[{name}]"), format!("\n[[{name}]]"), format!("\n[{name}.")];
        assert!(shown.iter().any(|s| text.contains(s.as_str())), "top level: {name}");
    }
}
