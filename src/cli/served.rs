//! What the daemon does when it is told something over its control socket, or by SIGHUP.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::exit::ConfigError;
use super::mistyped::repeated;
use super::setup::{self, Source};
use super::{listener, log};
use crate::clock::Clock;
use crate::config::{Config, Problems};
use crate::control::{Account, Answer, AskError, Fault, Peer, PolledAccount, Request, Serve, Waits};
use crate::domain::{ScopeState, Text};
use crate::inventory::{Acknowledged, Acknowledgement, Inventory, StoreError};
use crate::metrics::Tally;
use crate::sync::{Command, Plan};
use crate::views::{AccountFacts, ScopeRow, Views, Waiting};
use crate::web::Access;
use crate::webhook::Hook;

/// Of the reason for an acknowledgement, which is kept whole.
const LONGEST_REASON: usize = 256;

/// What it takes to do it.
pub struct Served {
    /// From where the config came; `None` where it was made for this process alone.
    pub source: Option<Source>,
    /// The config that the daemon started with.
    pub began_with: Config,
    /// The inventory.
    pub inventory: Inventory,
    /// What is read of it.
    pub views: Views,
    /// Where reloads are counted.
    pub tally: Arc<Tally>,
    /// The clock.
    pub clock: Clock,
    /// To the supervisor.
    pub commands: mpsc::Sender<Command>,
    /// To the listener: who may ask.
    pub access: watch::Sender<Access>,
    /// To whoever tells the webhook.
    pub hook: watch::Sender<Option<Arc<Hook>>>,
    /// Held while the config is read again.
    pub reloading: tokio::sync::Mutex<()>,
}

impl Serve for Served {
    async fn serve(&self, request: Request, peer: Peer) -> Answer {
        match request {
            Request::Status => self.status().await,
            Request::Poll { accounts } => self.poll(accounts).await,
            Request::Reload => match self.reload().await {
                Ok(what) => Answer::Done { what },
                Err(error) => Answer::refused(fault(&error), lines(&error)),
            },
            Request::Ack { account, scope, why } => self.acknowledge(account, scope, why, peer).await,
        }
    }
}

impl Served {
    async fn status(&self) -> Answer {
        let (answer, status) = oneshot::channel();
        let told = self.commands.send(Command::Status(answer)).await;
        let (Ok(()), Ok(status), Ok(counts)) = (told, status.await, self.views.counts().await) else {
            return stopping();
        };
        let mut accounts = Vec::new();
        for status in status {
            let waiting = match self.views.waiting(&status.account).await {
                Ok(waiting) => waiting,
                Err(error) => return Answer::refused(Fault::Other, error.to_string()),
            };
            let counted = counts.accounts.get(&status.account);
            accounts.push(Account {
                provider: counted.map_or_else(String::new, |counted| counted.provider.clone()),
                running: status.running,
                next: status.next.map(|at| at.to_string()),
                complete_since: counted.and_then(|counted| counted.read_since).map(|at| at.to_string()),
                last_poll: counted.and_then(|counted| counted.last_poll.as_ref()).map(|poll| match &poll.reason {
                    Some(reason) => reason.clone(),
                    None => "read".to_owned(),
                }),
                held: counted.map_or(0, |counted| counted.held_keys),
                held_lists: counted.map_or(0, |counted| counted.scopes.get(&ScopeState::Held).copied().unwrap_or(0)),
                waits: all_that_waits(&waiting),
                account: status.account,
            });
        }
        Answer::Status { accounts }
    }

    fn names(&self) -> Vec<String> {
        self.views.accounts().iter().map(|account| account.name.clone()).collect()
    }

    /// The refusal, where one of the names is no account's.
    fn unknown(&self, names: &[String]) -> Option<Answer> {
        let known = self.names();
        let unknown = repeated(names.iter().find(|name| !known.contains(name))?);
        Some(Answer::refused(Fault::Request, format!("no account '{unknown}'; there are {}", known.join(", "))))
    }

    async fn poll(&self, names: Vec<String>) -> Answer {
        if let Some(unknown) = self.unknown(&names) {
            return unknown;
        }
        let names = if names.is_empty() { self.names() } else { names };
        let mut waiting = Vec::new();
        for name in &names {
            let (answer, report) = oneshot::channel();
            if self.commands.send(Command::Poll(name.clone(), answer)).await.is_err() {
                return stopping();
            }
            waiting.push(report);
        }
        let mut accounts = Vec::new();
        for (report, name) in waiting.into_iter().zip(&names) {
            match report.await {
                Ok(report) => accounts.push(PolledAccount::from(&report)),
                Err(_) => return Answer::refused(Fault::Other, format!("the poll of {name} gave no report; the log says why")),
            }
        }
        Answer::Polled { accounts }
    }

    /// Reads the config again and works by it, all of it or nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it; the daemon goes on as before.
    pub async fn reload(&self) -> anyhow::Result<String> {
        // Two at once could leave the plan of the one with the accounts of the other.
        let _one_at_a_time = self.reloading.lock().await;
        let reloaded = self.take_over().await;
        self.tally.reloaded(reloaded.is_ok());
        match &reloaded {
            Ok(what) => tracing::info!("{what}"),
            Err(error) => {
                let file = self.source.as_ref().map(|source| source.file.display().to_string());
                let problems = lines(error).replace('\n', " | ");
                tracing::error!(file, problems, "the config was not reloaded; the one before stays in force");
            }
        }
        reloaded
    }

    async fn take_over(&self) -> anyhow::Result<String> {
        let Some(source) = &self.source else { anyhow::bail!("this daemon has no config file to read again") };
        let config = source.config()?;
        self.refuse_what_needs_a_restart(&config)?;
        let accounts =
            setup::lines(&config, &self.clock, &|account| self.tally.requests(account.provider.spec().id, &account.name))?;
        let access = setup::access(&config, Some(&self.access.borrow()))?;
        let hook = setup::webhook(&config, &self.clock)?;
        setup::apply(&config, &self.inventory, &self.clock).await?;
        listener::warn(&config, &access, &self.clock);
        self.access.send_replace(access);
        self.hook.send_replace(hook);
        setup::warn_of_twins(&config);
        let facts = AccountFacts::of_all(&config);
        log::set_level(config.log.level);
        self.tally.know(&facts);
        self.views.configure(facts);
        let policy = Arc::new(config.policy.clone());
        self.views.judge_by(Arc::clone(&policy));
        let plan = Plan { accounts, policy, retention: config.retention.clone() };
        let count = plan.accounts.len();
        self.commands.send(Command::Replace(plan)).await.map_err(|_| AskError::Stopping)?;
        Ok(format!("reloaded {}: {}", source.file.display(), super::output::counted(count, "account", "accounts")))
    }

    fn refuse_what_needs_a_restart(&self, config: &Config) -> Result<(), ConfigError> {
        let before = &self.began_with;
        let changed = [
            ("inventory.path", before.inventory != config.inventory),
            ("web.listen", before.web.listen != config.web.listen),
            ("[metrics]", before.metrics != config.metrics),
            ("log.format", before.log.format != config.log.format),
        ];
        let told: Vec<String> = changed
            .into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(name, _)| format!("{name} differs from what the daemon started with; restart it to change that"))
            .collect();
        if told.is_empty() { Ok(()) } else { Err(ConfigError(told)) }
    }

    async fn acknowledge(&self, account: String, scope: Option<String>, why: String, peer: Peer) -> Answer {
        // It stands in views that people read by tools which escape nothing.
        let mut why = Text::clean(why.trim());
        why.tag(self.inventory.tag_key());
        let why = why.to_string();
        if why.chars().count() > LONGEST_REASON {
            return Answer::refused(Fault::Request, format!("a reason has at most {LONGEST_REASON} characters"));
        }
        if why.is_empty() {
            return Answer::refused(Fault::Request, "an acknowledgement needs a reason");
        }
        if let Some(unknown) = self.unknown(std::slice::from_ref(&account)) {
            return unknown;
        }
        if let Some(name) = &scope
            && let Some(unknown) = self.unknown_scope(&account, name).await
        {
            return unknown;
        }
        let who = peer.name();
        let place = scope.as_ref().map_or_else(|| account.clone(), |scope| format!("{account} {scope}"));
        let word = Acknowledgement { account: account.clone(), scope, who: who.clone(), why: why.clone(), at: self.clock.now() };
        match self.inventory.acknowledge(word).await {
            Ok(done) if done == Acknowledged::default() => self.nothing_waits(&account, &place).await,
            Ok(done) => {
                tracing::warn!(place, who, why, holds = done.holds, keys = done.keys, gone = done.gone, "acknowledged");
                Answer::Done { what: sentence(&place, done) }
            }
            Err(error) => Answer::refused(Fault::Other, error.to_string()),
        }
    }

    /// The refusal, where the account has no such scope.
    async fn unknown_scope(&self, account: &str, name: &str) -> Option<Answer> {
        let scopes = match self.views.scopes(account).await {
            Ok(scopes) => scopes,
            Err(error) => return Some(Answer::refused(Fault::Other, error.to_string())),
        };
        if scopes.iter().any(|scope| named(scope) == name) {
            return None;
        }
        let known = several(scopes.iter().map(named).collect());
        Some(Answer::refused(Fault::Request, format!("no scope '{name}' of {account}; there are {known}")))
    }

    /// The refusal that says what does wait, if anything does.
    async fn nothing_waits(&self, account: &str, place: &str) -> Answer {
        let scopes = self.views.scopes(account).await.unwrap_or_default();
        let waiting: Vec<String> = scopes.iter().filter(|scope| waits(scope)).map(named).collect();
        let instead = if waiting.is_empty() { "none of its scopes does".to_owned() } else { several(waiting) };
        Answer::refused(Fault::Request, format!("nothing of {place} waits for a person; of {account}: {instead}"))
    }
}

/// What waits, a changed organisation first: nothing else can go on without a word for it.
fn all_that_waits(waiting: &Waiting) -> Vec<Waits> {
    let organization = waiting.organization.iter().map(|o| Waits::organization(o.id.as_deref(), o.name.as_deref(), o.at));
    let holds = waiting.holds.iter().map(|h| Waits::hold(h.cause.as_str(), h.list.as_deref(), h.held, h.since));
    organization.chain(holds).collect()
}

/// A scope as the view `scopes` names it: `kind` or `kind/scope_id`.
fn named(scope: &ScopeRow) -> String {
    if scope.scope_id.is_empty() { scope.kind.to_string() } else { format!("{}/{}", scope.kind, scope.scope_id) }
}

/// A person's word would change something: the scope is held, or its keys can no longer be read there.
const fn waits(scope: &ScopeRow) -> bool {
    match scope.state {
        ScopeState::Held => true,
        ScopeState::Vanished | ScopeState::Closed | ScopeState::Retired => scope.keys > 0,
        ScopeState::Never | ScopeState::Incomplete | ScopeState::Complete => false,
    }
}

/// Names in a sentence, as many as anybody reads.
fn several(mut names: Vec<String>) -> String {
    const READ: usize = 20;
    let beyond = names.len().saturating_sub(READ);
    names.truncate(READ);
    let listed = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    if beyond > 0 { format!("{listed} and {beyond} more in the view scopes") } else { listed }
}

fn sentence(place: &str, done: Acknowledged) -> String {
    let counted = |count, one, many| super::output::counted(count, one, many);
    let mut parts = Vec::new();
    if done.holds > 0 {
        parts.push(format!(
            "{} ended, {} go by the ordinary proof",
            counted(done.holds, "hold", "holds"),
            counted(done.keys, "key", "keys")
        ));
    }
    if done.gone > 0 {
        parts.push(format!("{} gone by your word", counted(done.gone, "key is", "keys are")));
    }
    if done.organization {
        parts.push("the organisation that it sees now is taken for the right one".to_owned());
    }
    format!("{place}: {}", parts.join("; "))
}

/// What has to be put right for a reload.
fn fault(error: &anyhow::Error) -> Fault {
    let is_config = error.is::<Problems>()
        || error.is::<ConfigError>()
        || matches!(error.downcast_ref(), Some(StoreError::ProviderChanged { .. }));
    match is_config {
        true => Fault::Config,
        false if error.is::<AskError>() => Fault::Stopping,
        false => Fault::Other,
    }
}

fn lines(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Problems>() {
        Some(problems) => problems.to_string(),
        None => format!("{error:#}"),
    }
}

fn stopping() -> Answer {
    Answer::refused(Fault::Stopping, "the daemon is stopping")
}
