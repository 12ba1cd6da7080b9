//! From a config file to accounts that can be polled: what `run`, `poll` and `check` have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exit::ConfigError;
use crate::clock::Clock;
use crate::config::credential::{self, DIRECTORY};
use crate::config::{AccountConfig, Argument, Config, secrets_in};
use crate::inventory::{ConfiguredAccount, Inventory, StoreError, Wanted, beside};
use crate::remote::{Requests, Roots, Webhook, WebhookSecret, WebhookSettings};
use crate::sync::{Line, Scheduled};
use crate::web::Access;
use crate::webhook::Hook;

/// Reads the config, with the environment laid over it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn config(path: &Path) -> anyhow::Result<Config> {
    Ok(Config::load(path, environment())?)
}

/// From where the daemon's config comes, at its start and at each reload.
#[derive(Debug, Clone)]
pub struct Source {
    /// The config file.
    pub file: PathBuf,
    /// What the command line says instead of it.
    pub arguments: Vec<Argument>,
}

impl Source {
    /// Reads it.
    ///
    /// # Errors
    /// Everything that is wrong with it; or it has no account.
    pub fn config(&self) -> anyhow::Result<Config> {
        let config = Config::load_with(&self.file, environment(), &self.arguments)?;
        config.require_accounts(&self.file)?;
        Ok(config)
    }
}

/// What systemd passes to the service as we ship it, while that runs: root asks with the same credentials.
const OF_THE_SERVICE: &str = "/run/credentials/keymuster.service";

/// Variables that are no text are none of ours. Whoever was passed no credentials uses the service's, where he may.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let lent = std::env::var_os(DIRECTORY).is_none() && std::fs::read_dir(OF_THE_SERVICE).is_ok();
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .chain(lent.then(|| (DIRECTORY.to_owned(), OF_THE_SERVICE.to_owned())))
}

/// What is wrong with the environment, for the accounts of a config: it holds a secret.
pub fn secrets_in_environment(config: &Config) -> Vec<String> {
    let specs: Vec<_> = config.accounts.values().map(|account| account.provider.spec()).collect();
    secrets_in(&specs, |name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Reads every credential and sets up every account.
///
/// # Errors
/// All that is wrong with any of them, at once.
pub fn lines(
    config: &Config,
    clock: &Clock,
    requests: &dyn Fn(&AccountConfig) -> Arc<dyn Requests>,
) -> Result<BTreeMap<String, Scheduled>, ConfigError> {
    let mut problems = secrets_in_environment(config);
    let (mut accounts, roots) = (BTreeMap::new(), Roots::default());
    for (name, account) in &config.accounts {
        let sign_in = account.provider.spec().sign_in(&account.account);
        let line = credential::load(&account.credential, sign_in).map_err(|error| format!("account {name}: {error}")).and_then(
            |secret| {
                Line::new(config, account, secret, &roots, clock, requests(account))
                    .map_err(|error| format!("account {name}: {error}"))
            },
        );
        match line {
            Ok(line) => {
                accounts.insert(name.clone(), Scheduled { line: Arc::new(line), schedule: account.schedule.clone() });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(accounts) } else { Err(ConfigError(problems)) }
}

/// Reads the webhook's secret and sets up the line there; `None` where there is none.
///
/// # Errors
/// The secret or the CA file cannot be used.
pub fn webhook(config: &Config, clock: &Clock) -> Result<Option<Arc<Hook>>, ConfigError> {
    let Some(webhook) = &config.webhook else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| ConfigError(vec![format!("webhook: {error}")]);
    let text = credential::load_secret(&webhook.secret).map_err(|error| wrong(&error))?;
    let secret = WebhookSecret::parse(&text).map_err(|error| wrong(&format!("{} {error}", webhook.secret)))?;
    let (url, ca_file, proxy) = (webhook.url.clone(), webhook.ca_file.clone(), webhook.proxy.clone());
    let line = Webhook::new(WebhookSettings { url, secret, ca_file, proxy }, clock.clone()).map_err(|error| wrong(&error))?;
    let wanted = Wanted { findings: webhook.findings.clone(), changes: webhook.changes.clone() };
    Ok(Some(Arc::new(Hook { line, wanted })))
}

/// Reads what the web config file names; `before` is what is replaced.
///
/// # Errors
/// One of those files cannot be used.
pub fn access(config: &Config, before: Option<&Access>) -> Result<Access, ConfigError> {
    Access::new(&config.web, before).map_err(|error| ConfigError(vec![error.to_string()]))
}

/// Opens the inventory at `path` and makes it the config's: its accounts, its policy.
///
/// # Errors
/// It cannot be opened or written.
pub async fn inventory(config: &Config, path: &Path, clock: &Clock) -> Result<Inventory, StoreError> {
    let inventory = Inventory::open(path, clock.now())?;
    apply(config, &inventory, clock).await?;
    Ok(inventory)
}

/// Where the daemon of an inventory listens: beside it, so that whoever knows the one finds the other.
pub fn socket(inventory: &Path) -> PathBuf {
    beside(inventory, ".ctl")
}

/// Makes an open inventory the config's.
///
/// # Errors
/// It cannot be written, and is as before.
pub async fn apply(config: &Config, inventory: &Inventory, clock: &Clock) -> Result<(), StoreError> {
    let accounts = config.accounts.values().map(|account| ConfiguredAccount {
        name: account.name.clone(),
        provider: account.provider.spec().id,
        formerly: account.formerly.clone(),
        interval: account.schedule.shortest_gap().as_secs(),
    });
    inventory.configure(accounts.collect(), Arc::new(config.policy.clone()), clock.now()).await
}

/// Two accounts that are one organisation are counted both, which somebody may not expect.
pub fn warn_of_twins(config: &Config) {
    for (one, other) in config.same_organization() {
        tracing::warn!(one, other, "two accounts are one organisation; both are counted");
    }
}

/// For commands that count nothing.
pub struct Uncounted;

impl Requests for Uncounted {
    fn ended(&self, _: &'static str, _: &'static str, _: std::time::Duration) {}
}
