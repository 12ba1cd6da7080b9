//! What can be asked over the socket, and what is answered.

use serde::{Deserialize, Serialize};

use crate::domain::{Failure, Time, WalkEnd};
use crate::sync::Report;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What runs, what comes, what waits for a person.
    Status,
    /// Poll now; every account where none is named.
    Poll {
        /// Names of accounts.
        accounts: Vec<String>,
    },
    /// Read the config again.
    Reload,
    /// Accept what is held.
    Ack {
        /// The account.
        account: String,
        /// Only this scope, as the view `scopes` names it: `kind` or `kind/scope_id`.
        scope: Option<String>,
        /// Why; stored with who and when.
        why: String,
    },
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To `status`.
    Status {
        /// Every account of the config.
        accounts: Vec<Account>,
    },
    /// To `poll`.
    Polled {
        /// In the order of their names.
        accounts: Vec<PolledAccount>,
    },
    /// To `reload` and `ack`: what was done, in a sentence.
    Done {
        /// The sentence.
        what: String,
    },
    /// To anything: why it was not done.
    Refused {
        /// What has to be put right.
        fault: Fault,
        /// The reason, and the remedy.
        why: String,
    },
}

/// What has to be put right before the daemon does what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// What was asked: it names nothing that there is.
    Request,
    /// The config, or something that it names.
    Config,
    /// Nothing; the daemon stops just now.
    Stopping,
    /// Something else, which the reason tells.
    Other,
}

impl Answer {
    /// A refusal.
    pub fn refused(fault: Fault, why: impl Into<String>) -> Self {
        Self::Refused { fault, why: why.into() }
    }
}

/// What an account is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub account: String,
    /// Its provider's word.
    pub provider: String,
    /// A poll of it runs.
    pub running: bool,
    /// When it is due next, ISO 8601 UTC.
    pub next: Option<String>,
    /// When everything was last read, ISO 8601 UTC.
    pub complete_since: Option<String>,
    /// What the last poll failed on first, `read` where on nothing.
    pub last_poll: Option<String>,
    /// Keys that wait for a person.
    pub held: u64,
    /// Lists that do, of people and projects too.
    pub held_lists: u64,
    /// What these are, and what else waits for a person.
    pub waits: Vec<Waits>,
}

/// Something that waits for a person's `ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// In a sentence.
    pub what: String,
    /// The scope to name; none for what is of the whole account.
    pub scope: Option<String>,
    /// Since when, ISO 8601 UTC.
    pub since: String,
}

impl Waits {
    /// A hold: why, of which list (the whole account's where there is none), how much.
    pub fn hold(cause: &str, list: Option<&str>, held: u64, since: Time) -> Self {
        let of = list.map_or_else(String::new, |list| format!(" of {list}"));
        Self {
            what: format!("{cause}: {held} at once{of}; nothing is concluded of them"),
            scope: list.map(str::to_owned),
            since: since.to_string(),
        }
    }

    /// An organisation that the credential sees in the place of the stored one.
    pub fn organization(id: Option<&str>, name: Option<&str>, since: Time) -> Self {
        let named = match (name, id) {
            (Some(name), Some(id)) => format!("another organisation, {name} ({id})"),
            (Some(one), None) | (None, Some(one)) => format!("another organisation, {one}"),
            (None, None) => "another organisation, which the provider does not name".to_owned(),
        };
        Self { what: format!("the credential sees {named}; nothing of it is stored"), scope: None, since: since.to_string() }
    }
}

/// What a poll of one account gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolledAccount {
    /// Its name.
    pub account: String,
    /// Its provider's word.
    pub provider: String,
    /// Seconds that it took.
    pub took_s: f64,
    /// What each scope gave.
    pub scopes: Vec<PolledScope>,
    /// Failures that hit no one scope.
    pub failures: Vec<Failed>,
    /// What is amiss without being a failure.
    pub notes: Vec<String>,
    /// Scopes whose turn did not come.
    pub not_opened: usize,
    /// Kind, change and count of what changed.
    pub changes: Vec<(String, String, u64)>,
    /// What waits for a person.
    pub waits: Vec<Waits>,
    /// Some scope is neither complete nor closed, or was not opened; nothing could be stored; or something is held.
    pub failed: bool,
}

/// What one scope gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolledScope {
    /// `kind` or `kind/scope_id`.
    pub scope: String,
    /// Its name.
    pub name: Option<String>,
    /// Elements that passed the gate.
    pub items: usize,
    /// Pages read.
    pub pages: u64,
    /// `complete`, `incomplete` or `closed`.
    pub outcome: String,
    /// Why it is not complete.
    pub why: Option<String>,
}

/// A failure with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The word of the closed list.
    pub reason: String,
    /// What was seen.
    pub detail: String,
}

impl From<&Failure> for Failed {
    fn from(failure: &Failure) -> Self {
        Self { reason: failure.reason.to_string(), detail: failure.detail.clone() }
    }
}

impl From<&Report> for PolledAccount {
    fn from(report: &Report) -> Self {
        let scope = |one: &crate::sync::ScopeReport| PolledScope {
            scope: one.scope.id.to_string(),
            name: one.scope.name.as_ref().map(ToString::to_string),
            items: one.items,
            pages: one.pages,
            outcome: one.end.as_str().to_owned(),
            why: match &one.end {
                WalkEnd::Complete => None,
                WalkEnd::Closed(reason) => Some(reason.to_string()),
                WalkEnd::Incomplete(failure) => Some(failure.to_string()),
            },
        };
        let holds = report.holds.iter();
        let holds = holds.map(|hold| Waits::hold(hold.cause.as_str(), hold.list.as_deref(), hold.held, hold.since));
        Self {
            account: report.account.clone(),
            provider: report.provider.to_owned(),
            took_s: report.took.as_secs_f64(),
            scopes: report.scopes.iter().map(scope).collect(),
            failures: report.unapplied.iter().chain(&report.general).map(Failed::from).collect(),
            notes: report.notes.clone(),
            not_opened: report.not_opened,
            changes: report.changes.iter().map(|(kind, change, count)| (kind.to_string(), change.to_string(), *count)).collect(),
            waits: holds.collect(),
            failed: report.failure().is_some() || report.not_opened > 0 || !report.holds.is_empty(),
        }
    }
}
