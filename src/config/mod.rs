//! From the raw config file and the environment to a checked [`Config`], or to everything that is wrong with them.
//!
//! File and environment become one tree whose nodes know their place; readers take typed values out of it and report what
//! is wrong by place and with a remedy, and what nobody asked for. A problem never repeats a value: it may be a secret.
//! Secrets are not part of the config: it names where they are, and [`credential::load`] reads them.

mod accounts;
pub mod credential;
mod problem;
mod reader;
mod rules;
mod schedule;
mod secrets;
mod sections;
mod tree;
mod values;
mod web;
mod web_file;
mod webhook;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::policy::Policy;
use crate::providers::{PROVIDERS, Provider};

pub use accounts::AccountConfig;
pub use credential::{CredentialError, CredentialSource};
pub use problem::{Place, Problem, Problems};
pub use schedule::{Schedule, ScheduleError};
pub use secrets::in_environment as secrets_in;
pub use sections::{Guard, Limits, Log, LogFormat, LogLevel, Metrics, PerKey, Retention};
pub use web::Web;
pub use web_file::{Clients, PasswordHash, Tls, TlsVersion, WebFile};
pub use webhook::WebhookConfig;

use accounts::Surroundings;
use problem::Sink;
use reader::Section;
use rules::Names;

/// Where the inventory is unless `[inventory]` says otherwise.
const INVENTORY: &str = "/var/lib/keymuster/inventory.db";

/// Everything that is configured, checked. Relative paths have been joined to the folder of the config file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The database file.
    pub inventory: PathBuf,
    /// `[web]`.
    pub web: Web,
    /// `[policy]`, its rules, `[[waivers]]`, and the policy and labels of each account.
    pub policy: Policy,
    /// `[guard]`.
    pub guard: Guard,
    /// `[limits]`.
    pub limits: Limits,
    /// `[retention]`.
    pub retention: Retention,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[log]`.
    pub log: Log,
    /// `[webhook]`; `None` where nobody is told.
    pub webhook: Option<WebhookConfig>,
    /// `[accounts]`, by name.
    pub accounts: BTreeMap<String, AccountConfig>,
}

/// An argument of a command that sets what the config file sets.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its name, as `--web.listen-address`.
    pub name: &'static str,
    /// The setting, as `["web", "listen"]`.
    pub setting: &'static [&'static str],
    /// The value.
    pub value: String,
}

impl Config {
    /// Reads a config file, with the environment laid over it.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, Problems> {
        Self::parse(path, &text(path)?, environment, PROVIDERS)
    }

    /// The same, with arguments of a command laid over all.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load_with(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
        arguments: &[Argument],
    ) -> Result<Self, Problems> {
        Self::parse_with(path, &text(path)?, environment, arguments, PROVIDERS)
    }

    /// Where the inventory is, whatever else is wrong with the config: for whoever looks for the daemon that runs by it.
    ///
    /// # Errors
    /// The file cannot be read, it is no TOML, or the path in it is none.
    pub fn inventory_path(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<PathBuf, Problems> {
        let sink = Sink::default();
        let mut root = tree::from_toml(path, &text(path)?, &sink);
        sink.into_result()?;
        // What is wrong elsewhere is for whoever reads the whole.
        tree::overlay(&mut root, &environment.collect::<Vec<_>>(), &Sink::default());
        let sink = Sink::default();
        let inventory = inventory(&Section::new("", &root, &sink).section("inventory"), folder(path));
        sink.into_result()?;
        Ok(inventory)
    }

    /// The same from a text that was read already, for those providers. It reads nothing but a web config file that the text
    /// names. The file's path is for messages, and its folder
    /// is where relative paths begin. Of the environment only `KEYMUSTER__…` and `CREDENTIALS_DIRECTORY` are looked at.
    ///
    /// # Errors
    /// Everything that is wrong, at once; syntax errors alone where there are any.
    pub fn parse(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        providers: &[&'static dyn Provider],
    ) -> Result<Self, Problems> {
        Self::parse_with(path, text, environment, &[], providers)
    }

    fn parse_with(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        arguments: &[Argument],
        providers: &[&'static dyn Provider],
    ) -> Result<Self, Problems> {
        let sink = Sink::default();
        let mut root = tree::from_toml(path, text, &sink);
        sink.into_result()?;

        let sink = Sink::default();
        let environment: Vec<(String, String)> = environment.collect();
        tree::overlay(&mut root, &environment, &sink);
        arguments.iter().for_each(|argument| tree::argue(&mut root, argument, &sink));
        secrets::refuse(&mut root, &sink);
        let directory = environment.iter().find(|(name, _)| name == credential::DIRECTORY).map(|(_, path)| Path::new(path));
        let config = read(Section::new("", &root, &sink), folder(path), directory, providers);
        sink.into_result()?;
        Ok(config)
    }

    /// For commands that have nothing to do without an account.
    ///
    /// # Errors
    /// There is none.
    pub fn require_accounts(&self, path: &Path) -> Result<(), Problems> {
        if self.accounts.is_empty() {
            let place = Place::File(path.display().to_string().into(), None);
            return Err(Problems::one(place, "no account is configured", "add an [accounts.NAME] with provider and credential"));
        }
        Ok(())
    }

    /// Pairs of accounts that are [one organisation](Self::twins_of) for all that the config tells.
    pub fn same_organization(&self) -> Vec<(&str, &str)> {
        let accounts: Vec<&AccountConfig> = self.accounts.values().collect();
        let pairs = accounts.iter().enumerate().flat_map(|(at, a)| accounts[at + 1..].iter().map(move |b| (a, b)));
        pairs.filter(|(a, b)| are_one(a, b)).map(|(a, b)| (a.name.as_str(), b.name.as_str())).collect()
    }

    /// Accounts that are one organisation with that one for all that the config tells: the same provider, address and credential,
    /// and no option of different values among those that have no default, which are those that choose an organisation. That
    /// is allowed, both are counted, and people are told.
    pub fn twins_of(&self, account: &AccountConfig) -> impl Iterator<Item = &str> {
        let others = self.accounts.values().filter(|other| other.name != account.name && are_one(account, other));
        others.map(|other| other.name.as_str())
    }
}

fn are_one(a: &AccountConfig, b: &AccountConfig) -> bool {
    let spec = a.provider.spec();
    let mut choosing = spec.options.iter().filter(|option| option.default.is_none());
    spec.id == b.provider.spec().id
        && a.base_url == b.base_url
        && a.credential == b.credential
        && choosing.all(|option| match (a.account.option(option.name), b.account.option(option.name)) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        })
}

fn text(path: &Path) -> Result<String, Problems> {
    std::fs::read_to_string(path).map_err(|error| {
        let place = Place::File(path.display().to_string().into(), None);
        Problems::one(place, format!("cannot be read: {error}"), "see that it exists and that this user may read it")
    })
}

/// Where relative paths begin.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn inventory(section: &Section<'_>, folder: &Path) -> PathBuf {
    section.get_or("path", PathBuf::from(INVENTORY), values::path(folder))
}

fn read(root: Section<'_>, folder: &Path, credentials_directory: Option<&Path>, providers: &[&'static dyn Provider]) -> Config {
    let section = root.section("inventory");
    let inventory_path = inventory(&section, folder);
    section.finish();

    let around = Surroundings {
        folder,
        credentials_directory,
        providers,
        ca_file: root.get("ca_file", values::path(folder)),
        proxy: root.get("proxy", accounts::proxy),
    };
    let tables = root.tables("accounts");
    let account_names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
    let former_names: Vec<String> = tables.iter().filter_map(|(_, table)| table.get("formerly", values::string)).collect();
    let provider_names: Vec<&str> = providers.iter().map(|p| p.spec().id).collect();
    let matching: Vec<&str> = account_names.iter().copied().chain(former_names.iter().map(String::as_str)).collect();
    let names = Names { accounts: &matching, providers: &provider_names };
    let (limits, rules) = rules::policy(root.section("policy"), &names);
    let mut policy = Policy { limits, rules, waivers: rules::waivers(&root, &names), accounts: BTreeMap::new() };

    let mut former: BTreeMap<String, &str> = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (name, section) in tables {
        let place = section.place_of("formerly").clone();
        let Some((account, own)) = accounts::account(name, section, &around) else { continue };
        if let Some(before) = &account.formerly {
            let full = format!("`accounts.{name}.formerly`");
            if account_names.contains(&before.as_str()) {
                let remedy = "name an account that is no longer configured, or leave it out";
                root.problem(&place, format!("{full} names an account that is configured"), remedy);
            } else if let Some(other) = former.insert(before.clone(), name) {
                let message = format!("{full} names an account that `{other}` takes over already");
                root.problem(&place, message, "leave it out of one of them");
            }
        }
        policy.accounts.insert(name.to_owned(), own);
        accounts.insert(name.to_owned(), account);
    }

    let guard = Guard::read(root.section("guard"));
    let config = Config {
        inventory: inventory_path,
        web: Web::read(root.section("web"), folder),
        policy,
        limits: Limits::read(root.section("limits")),
        retention: Retention::read(root.section("retention"), &guard),
        guard,
        metrics: Metrics::read(root.section("metrics")),
        log: Log::read(root.section("log")),
        webhook: root.has(webhook::TABLE).then(|| WebhookConfig::read(root.section(webhook::TABLE), &around)).flatten(),
        accounts,
    };
    root.finish();
    config
}
