//! Reads `[accounts.NAME]`: one credential at one provider each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::domain::Time;
use crate::policy::{AccountPolicy, Span};
use crate::providers::{self, Provider, Spec};
use crate::remote::{BaseUrl, ProxyUrl};

use super::credential::{self, CredentialSource};
use super::problem::Fault;
use super::reader::{Section, suggestion, unknown};
use super::rules;
use super::schedule::Schedule;
use super::secrets;
use super::tree::Node;
use super::values;

/// How often an account is polled unless it says otherwise.
const SCHEDULE: &str = "@hourly";
/// Requests in flight at once for one account unless it says otherwise.
const CONCURRENCY: u32 = 4;

const CREDENTIAL: credential::Names =
    credential::Names { what: "credential", file: "credential_file", systemd: "credential", remedy: secrets::RIGHT_WAY };

/// One configured credential at one provider.
#[derive(Clone)]
pub struct AccountConfig {
    /// The table's name: the `account` label.
    pub name: String,
    /// The provider's adapter.
    pub provider: &'static dyn Provider,
    /// From where the credential comes.
    pub credential: CredentialSource,
    /// When it is polled.
    pub schedule: Schedule,
    /// Where the API is; the provider's own address unless configured.
    pub base_url: BaseUrl,
    /// What the adapter may know: the name, and the options with their defaults and `sign_in`.
    pub account: providers::Account,
    /// Labels of all its keys, unless a rule gives others.
    pub labels: BTreeMap<String, String>,
    /// Requests a minute, instead of the provider's pace.
    pub pace: Option<u32>,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// After this long a poll opens no more scopes.
    pub poll_deadline: Span,
    /// When our own credential expires, where somebody wrote that down.
    pub credential_expires: Option<Time>,
    /// The name that this account had before, whose keys, history and waivers it takes over.
    pub formerly: Option<String>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy for this account's requests.
    pub proxy: Option<ProxyUrl>,
}

impl fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountConfig")
            .field("name", &self.name)
            .field("provider", &self.provider.spec().id)
            .field("credential", &self.credential)
            .field("schedule", &self.schedule)
            .field("base_url", &self.base_url)
            .field("options", &self.account.options)
            .field("labels", &self.labels)
            .field("pace", &self.pace)
            .field("concurrency", &self.concurrency)
            .field("poll_deadline", &self.poll_deadline)
            .field("credential_expires", &self.credential_expires)
            .field("formerly", &self.formerly)
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy)
            .finish()
    }
}

/// What all accounts are read with.
pub(super) struct Surroundings<'a> {
    /// Relative paths start here.
    pub(super) folder: &'a Path,
    /// The value of `CREDENTIALS_DIRECTORY`.
    pub(super) credentials_directory: Option<&'a Path>,
    pub(super) providers: &'a [&'static dyn Provider],
    /// Top-level `ca_file` and `proxy`, for accounts that have none of their own.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) proxy: Option<ProxyUrl>,
}

/// Reads one account; what is wrong is reported, and `None` is returned where something is missing that has no default.
pub(super) fn account(name: &str, section: Section<'_>, around: &Surroundings<'_>) -> Option<(AccountConfig, AccountPolicy)> {
    if !is_account_name(name) {
        let message = format!("`{}` is no name of an account", section.name());
        section.problem(section.place_of(""), message, "write a to z, 0 to 9, `_` and `-`, at most 63, not `_` or `-` first");
    }
    let provider = provider(&section, around);
    let credential = credential::source(&section, &CREDENTIAL, around.folder, around.credentials_directory);
    let schedule = section.get("schedule", |node| {
        let remedy = "write cron fields in UTC such as \"*/30 * * * *\", or @hourly, @daily, @weekly";
        Schedule::parse(values::text(node)?).map_err(|error| Fault::new(error.to_string(), remedy))
    });
    let schedule = schedule.or_else(|| Schedule::parse(SCHEDULE).ok());
    let configured_url = section.get("base_url", base_url);
    let options = provider.map(|provider| options(&section, provider.spec()));
    if provider.is_none() {
        section.skip("options");
    }
    let labels = values::labels(&section, "labels");
    let own_policy = section.section("policy");
    let limits = rules::limits(&own_policy);
    own_policy.finish();
    let pace = section.get("pace", values::whole(1..=60_000));
    let concurrency = section.get_or("concurrency", CONCURRENCY, values::whole(1..=64));
    let poll_deadline = section.get("poll_deadline", values::span(Span::seconds(1)..=Span::days(30)));
    let credential_expires = section.get("credential_expires", values::instant);
    let formerly = section.get("formerly", values::string);
    let ca_file = section.get("ca_file", values::path(around.folder)).or_else(|| around.ca_file.clone());
    let proxy = section.get("proxy", proxy).or_else(|| around.proxy.clone());
    section.finish();

    let (provider, schedule) = (provider?, schedule?);
    let base_url = configured_url.or_else(|| BaseUrl::parse(provider.spec().base_url).ok())?;
    let config = AccountConfig {
        name: name.to_owned(),
        provider,
        credential: credential?,
        base_url,
        account: providers::Account { name: name.to_owned(), options: options? },
        labels: labels.clone(),
        pace,
        concurrency,
        poll_deadline: poll_deadline.unwrap_or_else(|| schedule.shortest_gap()),
        schedule,
        credential_expires,
        formerly: formerly.clone(),
        ca_file,
        proxy,
    };
    Some((config, AccountPolicy { limits, labels, formerly }))
}

fn is_account_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    name.len() <= 63 && name.bytes().all(inner) && !name.starts_with(['_', '-']) && !name.is_empty()
}

fn provider(section: &Section<'_>, around: &Surroundings<'_>) -> Option<&'static dyn Provider> {
    let known: Vec<&str> = around.providers.iter().map(|p| p.spec().id).collect();
    if !section.has("provider") {
        let message = format!("`{}` has no `provider`", section.name());
        section.problem(section.place_of(""), message, format!("set it to one of {}", known.join(", ")));
    }
    section.get("provider", |node| {
        let text = values::text(node)?;
        let found = around.providers.iter().copied().find(|p| p.spec().id == text);
        found.ok_or_else(|| Fault::new("names no provider", suggestion(text, &known)))
    })
}

/// Options as the provider declares them, and `sign_in`; defaults filled in.
fn options(section: &Section<'_>, spec: &Spec) -> BTreeMap<String, String> {
    let ways: Vec<&str> = spec.sign_ins.iter().map(|s| s.word).collect();
    let known: Vec<&str> = spec.options.iter().map(|o| o.name).chain(["sign_in"]).collect();
    let mut options: BTreeMap<String, String> =
        spec.options.iter().filter_map(|o| Some((o.name.to_owned(), o.default?.to_owned()))).collect();
    options.extend(ways.first().map(|way| ("sign_in".to_owned(), (*way).to_owned())));
    for (name, node) in section.entries("options") {
        let full = section.full(&format!("options.{name}"));
        let value = if name == "sign_in" {
            section.read(&full, node, |node| {
                let word = values::text(node)?;
                if ways.contains(&word) { Ok(word) } else { Err(values::none_of(word, &ways)) }
            })
        } else if let Some(option) = spec.options.iter().find(|o| o.name == name) {
            section.read(&full, node, |node| {
                let value = values::text(node)?;
                (option.check)(value).map_err(|must_be| Fault::new("is refused", format!("must be {must_be}")))?;
                Ok(value)
            })
        } else {
            unknown(&full, name, node, &known, section.sink());
            None
        };
        options.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    options
}

/// The address of an API, or of who is told.
pub(super) fn base_url(node: &Node) -> Result<BaseUrl, Fault> {
    let remedy = "write https://HOST or https://HOST/PATH";
    BaseUrl::parse(values::text(node)?).map_err(|error| Fault::new(error.to_string(), remedy))
}

/// A proxy's URL.
pub(super) fn proxy(node: &Node) -> Result<ProxyUrl, Fault> {
    let remedy = "write http://HOST:PORT; a proxy that wants a password is not supported";
    ProxyUrl::parse(values::text(node)?).map_err(|error| Fault::new(error.to_string(), remedy))
}
