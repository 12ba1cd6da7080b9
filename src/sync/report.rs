//! What a poll tells: while it runs, and when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{ChangeKind, Failure, ItemReason, KeyKind, Reason, Scope, ScopeId, Time, WalkEnd};
use crate::inventory::OpenHold;
use crate::walk::Walked;

/// What a poll of one account did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The account's name.
    pub account: String,
    /// Its provider's word.
    pub provider: &'static str,
    /// When it began.
    pub started: Time,
    /// How long it took.
    pub took: Duration,
    /// What each scope gave, in the order in which they ended.
    pub scopes: Vec<ScopeReport>,
    /// Failures that hit no one scope: questions that list nothing, such as which organisation it is, or a stop.
    pub general: Vec<Failure>,
    /// What is amiss without being a failure.
    pub notes: Vec<String>,
    /// Why nothing was concluded about keys that lists of current members' keys lack, where that is so: the people could not be
    /// read once more. The notes say it too.
    pub people_unread: Option<Failure>,
    /// Why nothing could be applied, where that is so.
    pub unapplied: Option<Failure>,
    /// Scopes whose turn did not come.
    pub not_opened: usize,
    /// What changed, counted.
    pub changes: Vec<(KeyKind, ChangeKind, u64)>,
    /// What waits for a person.
    pub holds: Vec<OpenHold>,
}

/// What one scope gave.
#[derive(Debug, Clone)]
pub struct ScopeReport {
    /// The scope.
    pub scope: Scope,
    /// How its walk ended.
    pub end: WalkEnd,
    /// Elements that passed the gate.
    pub items: usize,
    /// Pages read.
    pub pages: u64,
    /// Elements refused, by reason.
    pub refused: BTreeMap<ItemReason, u64>,
    /// Texts that looked like a secret and were replaced.
    pub secret_like: u64,
    /// Keys left out because they are bound to another organisation.
    pub other_organization: u64,
}

impl ScopeReport {
    pub(super) fn new(walked: &Walked) -> Self {
        let mut refused = BTreeMap::new();
        for (_, one) in walked.refused() {
            *refused.entry(one.reason).or_insert(0) += 1;
        }
        Self {
            scope: walked.scope().clone(),
            end: walked.end().clone(),
            items: walked.elements(),
            pages: walked.pages(),
            refused,
            secret_like: walked.secret_like(),
            other_organization: walked.other_organization().len() as u64,
        }
    }
}

impl Report {
    /// Every failure that a person should know of, each with the scope that it hit.
    pub fn failures(&self) -> impl Iterator<Item = (Option<&ScopeId>, &Failure)> {
        let of_scopes = self.scopes.iter().filter_map(|scope| match &scope.end {
            WalkEnd::Incomplete(failure) => Some((Some(&scope.scope.id), failure)),
            WalkEnd::Complete | WalkEnd::Closed(_) => None,
        });
        // Why nothing was applied comes last: it follows from the others, where there are any.
        self.general
            .iter()
            .map(|failure| (None, failure))
            .chain(of_scopes)
            .chain(self.unapplied.iter().map(|failure| (None, failure)))
    }

    /// The first failure's reason; `None` where every scope that was opened ended complete or closed, and was applied.
    pub fn failure(&self) -> Option<Reason> {
        self.failures().map(|(_, failure)| failure.reason).next()
    }
}

/// What a running poll tells whoever watches.
#[derive(Debug, Clone)]
pub enum Progress<'a> {
    /// So many scopes are known now, of which so many have ended.
    Scopes {
        /// Ended.
        ended: usize,
        /// Known.
        known: usize,
    },
    /// A scope ended.
    Ended(&'a ScopeReport),
}
