//! Policy: from what is known of a key and from the rules to deadlines, labels and waivers.
//!
//! Pure: no clock, no input or output, no SQL. A verdict holds instants, never "is stale now"; whoever asks compares them
//! with its own now. For each limit and each label the first matching rule that sets it wins; after the rules come the
//! account's own policy and labels, then `[policy]`, then what is built in.

mod claims;
mod deadlines;
mod fingerprint;
mod glob;
mod matching;
mod span;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use crate::domain::{Condition, Deadlines, Time};

pub use claims::{Claim, Fact};
pub use deadlines::{EARLIEST, KeyLimits, Not, Standing};
pub use glob::Glob;
pub use matching::{Match, Matchable, Profile};
pub use span::{Span, SpanError};

/// One limit: a length of time, or that the condition is never reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The condition begins this long after, or before, what it is measured from.
    After(Span),
    /// Written `"never"`: the condition does not occur.
    Never,
}

impl Limit {
    /// The length of time, where there is one.
    pub const fn span(self) -> Option<Span> {
        match self {
            Self::After(span) => Some(span),
            Self::Never => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(span) => span.fmt(f),
            Self::Never => f.pad("never"),
        }
    }
}

/// Limits as one place sets them; `None` leaves a limit to the next place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Not used for this long: stale.
    pub stale_after: Option<Limit>,
    /// Never used this long after creation: never used.
    pub never_used_grace: Option<Limit>,
    /// Expires within this time: expiring.
    pub expiring_within: Option<Limit>,
    /// Made this long ago: overdue.
    pub max_age: Option<Limit>,
    /// Conditions that are not claimed. Set as a whole: lists of several places are not added up.
    pub ignore: Option<BTreeSet<Condition>>,
}

impl Limits {
    /// What holds where nothing is configured.
    pub fn built_in() -> Self {
        Self {
            stale_after: Some(Limit::After(BUILT_IN.stale_after)),
            never_used_grace: Some(Limit::After(BUILT_IN.never_used_grace)),
            expiring_within: Some(Limit::After(BUILT_IN.expiring_within)),
            max_age: Some(Limit::After(BUILT_IN.max_age)),
            ignore: Some(BUILT_IN.ignore.clone()),
        }
    }

    /// What is set, by the names of the config.
    pub fn written(&self) -> Vec<(&'static str, String)> {
        let Self { stale_after, never_used_grace, expiring_within, max_age, ignore } = self;
        let ignored = |words: &BTreeSet<Condition>| {
            let words: Vec<&str> = words.iter().map(|condition| condition.as_str()).collect();
            if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
        };
        let spans = [
            ("stale_after", stale_after),
            ("never_used_grace", never_used_grace),
            ("expiring_within", expiring_within),
            ("max_age", max_age),
        ];
        let spans = spans.into_iter().filter_map(|(setting, limit)| Some((setting, limit.as_ref()?.to_string())));
        spans.chain(ignore.as_ref().map(|words| ("ignore", ignored(words)))).collect()
    }
}

struct BuiltIn {
    stale_after: Span,
    never_used_grace: Span,
    expiring_within: Span,
    max_age: Span,
    ignore: BTreeSet<Condition>,
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(|| BuiltIn {
    stale_after: Span::days(90),
    never_used_grace: Span::days(7),
    expiring_within: Span::days(14),
    max_age: Span::days(365),
    ignore: BTreeSet::from([Condition::NoExpiry]),
});

/// A rule: for the keys that it matches, limits and labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Which keys.
    pub matches: Match,
    /// The limits that it sets.
    pub limits: Limits,
    /// The labels that it gives.
    pub labels: BTreeMap<String, String>,
}

/// An accepted exception: the keys that it matches are not counted as flagged until then, whatever their conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Which keys.
    pub matches: Match,
    /// Why.
    pub reason: String,
    /// Who accepted it.
    pub who: String,
    /// The first instant at which it holds no more.
    pub until: Time,
}

/// What an account says for itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPolicy {
    /// Its limits.
    pub limits: Limits,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The name that it had before: what matches that one goes on matching.
    pub formerly: Option<String>,
}

/// All that decides deadlines, labels and waivers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// `[policy]`.
    pub limits: Limits,
    /// `[[policy.rules]]`, in their order.
    pub rules: Vec<Rule>,
    /// What each account says for itself, by the account's name.
    pub accounts: BTreeMap<String, AccountPolicy>,
    /// `[[waivers]]`, in their order.
    pub waivers: Vec<Waiver>,
}

/// Where a limit or a label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// That rule, counted from 1.
    Rule(usize),
    /// The account's own policy or labels.
    Account,
    /// `[policy]`.
    Policy,
    /// Nothing is configured.
    BuiltIn,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(number) => f.pad(&format!("policy rule {number}")),
            Self::Account => f.pad("the account's policy"),
            Self::Policy => f.pad("[policy]"),
            Self::BuiltIn => f.pad("the built-in default"),
        }
    }
}

/// A value and what set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen<T> {
    /// The value.
    pub value: T,
    /// What set it.
    pub by: Source,
}

/// The limits of one key, each with what set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenLimits<'a> {
    /// See [`Limits::stale_after`].
    pub stale_after: Chosen<Limit>,
    /// See [`Limits::never_used_grace`].
    pub never_used_grace: Chosen<Limit>,
    /// See [`Limits::expiring_within`].
    pub expiring_within: Chosen<Limit>,
    /// See [`Limits::max_age`].
    pub max_age: Chosen<Limit>,
    /// See [`Limits::ignore`].
    pub ignore: Chosen<&'a BTreeSet<Condition>>,
}

impl<'a> ChosenLimits<'a> {
    /// The values alone.
    pub const fn values(&self) -> KeyLimits<'a> {
        KeyLimits {
            stale_after: self.stale_after.value,
            never_used_grace: self.never_used_grace.value,
            expiring_within: self.expiring_within.value,
            max_age: self.max_age.value,
            ignore: self.ignore.value,
        }
    }
}

/// What policy says of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// When each condition begins.
    pub deadlines: Deadlines,
    /// Until when the key is waived; the latest of the waivers that match.
    pub waived_until: Option<Time>,
    /// Labels, by name.
    pub labels: BTreeMap<String, String>,
}

impl Verdict {
    /// The label `team`.
    pub fn team(&self) -> Option<&str> {
        self.labels.get("team").map(String::as_str)
    }
}

impl Policy {
    /// Deadlines, labels and waivers of one key.
    pub fn judge(&self, key: &Profile<'_>) -> Verdict {
        Verdict {
            deadlines: deadlines::deadlines(key, &self.limits_for(key).values()),
            waived_until: self.waivers_for(key).map(|waiver| waiver.until).max(),
            labels: self.labels_for(key).into_iter().map(|(name, label)| (name.into(), label.value.into())).collect(),
        }
    }

    /// Which place sets each limit of that key.
    pub fn limits_for(&self, key: &Profile<'_>) -> ChosenLimits<'_> {
        let built_in = &*BUILT_IN;
        let places: Vec<(Source, &Limits)> = self
            .rules_for(key)
            .map(|(source, rule)| (source, &rule.limits))
            .chain(self.accounts.get(key.matched.account).map(|account| (Source::Account, &account.limits)))
            .chain([(Source::Policy, &self.limits)])
            .collect();
        let first = |limit: fn(&Limits) -> Option<Limit>, otherwise: Span| {
            let set = places.iter().find_map(|(by, limits)| Some(Chosen { value: limit(limits)?, by: *by }));
            set.unwrap_or(Chosen { value: Limit::After(otherwise), by: Source::BuiltIn })
        };
        let ignore = places.iter().find_map(|(by, limits)| Some(Chosen { value: limits.ignore.as_ref()?, by: *by }));
        ChosenLimits {
            stale_after: first(|l| l.stale_after, built_in.stale_after),
            never_used_grace: first(|l| l.never_used_grace, built_in.never_used_grace),
            expiring_within: first(|l| l.expiring_within, built_in.expiring_within),
            max_age: first(|l| l.max_age, built_in.max_age),
            ignore: ignore.unwrap_or(Chosen { value: &built_in.ignore, by: Source::BuiltIn }),
        }
    }

    /// Which place gives each label of that key.
    pub fn labels_for(&self, key: &Profile<'_>) -> BTreeMap<&str, Chosen<&str>> {
        let mut labels = BTreeMap::new();
        let given = self
            .rules_for(key)
            .map(|(source, rule)| (source, &rule.labels))
            .chain(self.accounts.get(key.matched.account).map(|account| (Source::Account, &account.labels)));
        for (by, map) in given {
            for (name, value) in map {
                labels.entry(name.as_str()).or_insert(Chosen { value: value.as_str(), by });
            }
        }
        labels
    }

    /// The waivers that match that key, also those that are over.
    pub fn waivers_for(&self, key: &Profile<'_>) -> impl Iterator<Item = &Waiver> {
        self.waivers.iter().filter(move |waiver| waiver.matches.applies(&key.matched, self.accounts.get(key.matched.account)))
    }

    /// One number for all of this: equal policies have equal ones, in every run and every build.
    pub fn fingerprint(&self) -> i64 {
        fingerprint::fingerprint(self)
    }

    fn rules_for(&self, key: &Profile<'_>) -> impl Iterator<Item = (Source, &Rule)> {
        let account = self.accounts.get(key.matched.account);
        let numbered = self.rules.iter().enumerate();
        numbered
            .filter(move |(_, rule)| rule.matches.applies(&key.matched, account))
            .map(|(at, rule)| (Source::Rule(at + 1), rule))
    }
}
