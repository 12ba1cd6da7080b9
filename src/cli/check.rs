//! `keymuster check`: what the daemon would stumble over, before it does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::args;
use super::estimate::Estimate;
use super::exit::Exit;
use super::log;
use super::output::{Output, Tone};
use super::setup::{self, Uncounted};
use crate::clock::Clock;
use crate::config::{AccountConfig, Config, credential};
use crate::domain::{Failure, Lists, WalkEnd};
use crate::inventory::Reader;
use crate::providers::{Item, Known, Next, Target};
use crate::sync::Line;

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
    if let Some(file) = &config.web.file {
        match setup::access(&config) {
            Ok(_) => findings.good("listener", &format!("{} and what it names can be used", file.path.display()))?,
            Err(error) => findings.bad(Exit::Config, "listener", &error.to_string())?,
        }
    }
    if config.web.is_open() {
        findings.warning("listener", "whoever reaches the address can read everything: `insecure = true` in [web]")?;
    }
    inventory(&config.inventory, &mut findings)?;
    for (one, other) in twins(&config).await {
        findings.warning("accounts", &format!("accounts {one} and {other} are one organisation; both are counted"))?;
    }
    let clock = Clock::system();
    for account in config.accounts.values() {
        self::account(&config, account, &clock, arguments.offline, &mut findings).await?;
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

/// Pairs of accounts that are one organisation, by the config or by what polls have shown.
async fn twins(config: &Config) -> BTreeSet<(String, String)> {
    let told = config.same_organization().into_iter().map(|(one, other)| (one.to_owned(), other.to_owned()));
    let mut pairs: BTreeSet<(String, String)> = told.collect();
    // Whether the inventory can be read was told before.
    if let Ok(reader) = Reader::open(&config.inventory) {
        let seen = reader.same_organization().await.unwrap_or_default().into_iter();
        let configured = |name: &String| config.accounts.contains_key(name);
        pairs.extend(seen.filter(|(one, other)| configured(one) && configured(other)));
    }
    pairs
}

/// The file, or the folder that it will be made in.
fn inventory(path: &Path, findings: &mut Findings) -> std::io::Result<()> {
    let what = "inventory";
    if path.exists() {
        return match Reader::open(path) {
            Ok(_) => findings.good(what, &format!("{} can be read", path.display())),
            Err(error) => {
                let exit =
                    if matches!(error, crate::inventory::StoreError::Newer { .. }) { Exit::NewerDatabase } else { Exit::Config };
                findings.bad(exit, what, &error.to_string())
            }
        };
    }
    let folder = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
        Ok(()) => findings.good(what, &format!("{} does not exist yet; the first poll makes it", path.display())),
        Err(error) => findings.bad(
            Exit::Config,
            what,
            &format!(
                "{} cannot be made in {}: {error}; make the folder, owned by the daemon's user",
                path.display(),
                folder.display()
            ),
        ),
    }
}

async fn account(
    config: &Config,
    account: &AccountConfig,
    clock: &Clock,
    offline: bool,
    findings: &mut Findings,
) -> std::io::Result<()> {
    let what = format!("account {}", account.name);
    let spec = account.provider.spec();
    let secret = match credential::load(&account.credential, spec.sign_in(&account.account)) {
        Ok(secret) => secret,
        Err(error) => return findings.bad(Exit::Config, &what, &error.to_string()),
    };
    let line = match Line::new(config, account, secret, clock, Arc::new(Uncounted)) {
        Ok(line) => line,
        Err(error) => return findings.bad(Exit::Config, &what, &error.to_string()),
    };
    if offline {
        return findings.good(&what, "credential file and settings are usable; the provider was not asked");
    }
    match ask(&line).await {
        Ok(known) => {
            findings.good(&what, &format!("{} accepts the credential{}", spec.name, organization(&known)))?;
            let estimate = Estimate::new(&line, account, &known);
            if estimate.fits() {
                findings.good(&what, &estimate.to_string())
            } else {
                findings.warning(&what, &estimate.to_string())
            }
        }
        Err(failure) => findings.bad(Exit::Unavailable, &what, &format!("{}: {}", failure.reason, failure.detail)),
    }
}

fn organization(known: &Known) -> String {
    known.organization.as_ref().map_or_else(String::new, |organization| match &organization.name {
        Some(name) => format!(", of organisation {name} ({})", organization.id),
        None => format!(", of organisation {}", organization.id),
    })
}

/// Asks what a poll would ask first, one page of it: harmless, and refused where a poll would be. A list of people shows too
/// little: every member may see it, few may see keys.
async fn ask(line: &Line) -> Result<Known, Failure> {
    let mut known = Known::default();
    // A question, or who the people are, may have to be answered before the first list can be asked for.
    loop {
        let Some(fetch) = line.provider.plan(&line.account, &known).into_iter().find(|fetch| match &fetch.target {
            Target::Question(question) => !known.answered.contains(question),
            Target::Scope(scope) => !known.ended.contains_key(&scope.id),
        }) else {
            return Ok(known);
        };
        let page = line.remote.ask(line.provider, &fetch, &known).await?;
        known.organization = page.end.learnt.organization.or(known.organization);
        known.organizations = page.end.learnt.organizations.or(known.organizations);
        match fetch.target {
            Target::Question(question) => {
                known.answered.insert(question);
            }
            Target::Scope(scope) => {
                for item in page.items {
                    match item {
                        Item::Project(project) => {
                            known.projects.insert(project.id.clone(), project);
                        }
                        Item::Person(person) => {
                            known.people.insert(person.id.clone(), person);
                        }
                        Item::Key(_) | Item::Skipped => {}
                    }
                }
                let whole = page.end.next == Next::Done;
                let end = if whole {
                    WalkEnd::Complete
                } else {
                    WalkEnd::Incomplete(Failure::new(crate::domain::Reason::Stopped, "one page is enough"))
                };
                let says_enough = scope.id.kind.lists() != Lists::People;
                known.ended.insert(scope.id, end);
                if says_enough {
                    return Ok(known);
                }
            }
        }
    }
}
