//! `keymuster check`: what the daemon would stumble over, before it does.

mod account;
mod ask;
mod expiry;
mod files;
mod user;
mod ways;

use std::collections::BTreeSet;

use super::args;
use super::exit::Exit;
use super::log;
use super::output::{Output, Tone};
use super::setup;
use crate::clock::Clock;
use crate::config::Config;
use crate::inventory::Reader;
use crate::providers::Known;

/// Runs the command. Everything is checked, however much is wrong.
///
/// # Errors
/// The config is wrong, so that there is nothing to check by it, or the answer cannot be printed.
pub async fn check(arguments: args::Check) -> anyhow::Result<Exit> {
    log::start_quiet();
    let mut config = setup::config(&arguments.config)?;
    config.require_accounts(&arguments.config)?;
    // Somebody waits for the answer, and can ask again.
    config.limits.retries = 0;
    let mut findings = Findings { output: Output::new(), exit: Exit::Ok };
    findings.good("config", &format!("{} is valid", arguments.config.display()))?;
    let clock = Clock::system();
    if let Some(file) = &config.web.file {
        match setup::access(&config, None) {
            Ok(access) => {
                findings.good("listener", &format!("{} and what it names can be used", file.path.display()))?;
                if let Some(trouble) = access.certificate_trouble(clock.now()) {
                    findings.warning("listener", &trouble)?;
                }
            }
            Err(error) => findings.bad(Exit::Config, "listener", &error.to_string())?,
        }
    }
    if config.web.is_open() {
        findings.warning("listener", "whoever reaches the address can read everything: `insecure = true` in [web]")?;
    }
    if let Some(webhook) = &config.webhook {
        match setup::webhook(&config, &clock) {
            Ok(_) => findings.good("webhook", &format!("{} can be told; 'keymuster webhook test' posts to it", webhook.url))?,
            Err(error) => findings.bad(Exit::Config, "webhook", error.to_string().trim_start_matches("webhook: "))?,
        }
    }
    for problem in setup::secrets_in_environment(&config) {
        findings.bad(Exit::Config, "environment", &problem)?;
    }
    files::inventory(&config.inventory, &mut findings).await?;
    user::check(&config, &arguments.config, &mut findings)?;
    let mut seen = Vec::new();
    for account in config.accounts.values() {
        if let Some(known) = account::account(&config, account, &clock, arguments.offline, &mut findings).await? {
            seen.push((account.name.as_str(), account.provider.spec().id, known));
        }
    }
    for (one, other) in twins(&config, &seen).await {
        findings.warning("accounts", &format!("accounts {one} and {other} are one organisation; both are counted"))?;
    }
    Ok(findings.exit)
}

/// What was found, told as it is found; the worst of it is the exit code.
struct Findings {
    output: Output,
    exit: Exit,
}

impl Findings {
    fn good(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        self.line(Tone::Good, "ok", what, text)
    }

    fn warning(&mut self, what: &str, text: &str) -> std::io::Result<()> {
        self.line(Tone::Warning, "warning", what, text)
    }

    fn bad(&mut self, exit: Exit, what: &str, text: &str) -> std::io::Result<()> {
        if self.exit == Exit::Ok || exit == Exit::Config {
            self.exit = exit;
        }
        self.line(Tone::Bad, "wrong", what, text)
    }

    fn line(&mut self, tone: Tone, word: &str, what: &str, text: &str) -> std::io::Result<()> {
        let word = self.output.paint(tone, &format!("{word:<8}"));
        self.output.line(&format!("{word}{what}: {text}"))
    }
}

/// Pairs of accounts that are one organisation: by the config, by what polls have shown, or by what was seen just now.
async fn twins(config: &Config, seen: &[(&str, &'static str, Known)]) -> BTreeSet<(String, String)> {
    let told = config.same_organization().into_iter().map(|(one, other)| (one.to_owned(), other.to_owned()));
    let mut pairs: BTreeSet<(String, String)> = told.collect();
    // Whether the inventory can be read was told before.
    if let Ok(reader) = Reader::open(&config.inventory) {
        let stored = reader.same_organization().await.unwrap_or_default().into_iter();
        let configured = |name: &String| config.accounts.contains_key(name);
        pairs.extend(stored.filter(|(one, other)| configured(one) && configured(other)));
    }
    for (at, (one, provider, known)) in seen.iter().enumerate() {
        let others = seen[at + 1..].iter().filter(|(_, of, other)| of == provider && is_one_organization(known, other));
        pairs.extend(others.map(|(other, ..)| ((*one).to_owned(), (*other).to_owned())));
    }
    // Whoever named a pair the other way round named the same one.
    pairs.into_iter().map(|(one, other)| if one < other { (one, other) } else { (other, one) }).collect()
}

/// Ids of organisations and of projects are a provider's own, whichever credential asks.
fn is_one_organization(one: &Known, other: &Known) -> bool {
    match (&one.organization, &other.organization) {
        (Some(one), Some(other)) => one.id == other.id,
        (None, _) | (_, None) => one.projects.keys().any(|id| other.projects.contains_key(id)),
    }
}
