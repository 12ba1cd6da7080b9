//! The policy that keys are judged by, as it is read from above: what holds first stands first, and what matches how many keys.

use std::sync::Arc;

use crate::domain::Time;
use crate::policy::{Limits, Match, Matchable, Policy, Source};

/// What is in force, ready to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// In their order: the first that matches and sets a limit wins.
    pub rules: Vec<PolicyPlace>,
    /// Accounts that set something of their own; this holds where no rule says otherwise.
    pub accounts: Vec<PolicyPlace>,
    /// What holds elsewhere: the setting, its value, and what set it.
    pub defaults: Vec<(&'static str, String, String)>,
    /// Waivers in their order, those that are over too.
    pub waivers: Vec<Accepted>,
}

/// A place that sets limits or gives labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlace {
    /// Of a rule what it matches, as the config writes it; of an account its name.
    pub of: String,
    /// Settings and labels with their values.
    pub sets: Vec<(String, String)>,
    /// Keys that may be there and that it matches now.
    pub keys: u64,
}

/// A waiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Which keys, as the config writes it.
    pub matches: String,
    /// Why.
    pub reason: String,
    /// Who accepted it.
    pub who: String,
    /// The first instant at which it holds no more.
    pub until: Time,
    /// Keys that may be there and that it matches now, in a condition or not.
    pub keys: u64,
}

/// Counts what each place of a policy matches, key by key.
#[derive(Debug)]
pub(super) struct Matched {
    policy: Arc<Policy>,
    rules: Vec<u64>,
    accounts: Vec<u64>,
    waivers: Vec<u64>,
}

impl Matched {
    pub fn none_yet(policy: Arc<Policy>) -> Self {
        let zeros = |count: usize| vec![0; count];
        let (rules, accounts, waivers) = (zeros(policy.rules.len()), zeros(policy.accounts.len()), zeros(policy.waivers.len()));
        Self { policy, rules, accounts, waivers }
    }

    pub fn add(&mut self, key: Matchable<'_>) {
        let own = self.policy.accounts.get(key.account);
        let count = |counts: &mut Vec<u64>, matches: &mut dyn Iterator<Item = &Match>| {
            for (count, matches) in counts.iter_mut().zip(matches) {
                *count += u64::from(matches.applies(&key, own));
            }
        };
        count(&mut self.rules, &mut self.policy.rules.iter().map(|rule| &rule.matches));
        count(&mut self.waivers, &mut self.policy.waivers.iter().map(|waiver| &waiver.matches));
        for (count, name) in self.accounts.iter_mut().zip(self.policy.accounts.keys()) {
            *count += u64::from(name == key.account);
        }
    }

    pub fn told(self) -> InForce {
        let labelled = |limits: &Limits, labels: &std::collections::BTreeMap<String, String>| {
            let limits = limits.written().into_iter().map(|(setting, value)| (setting.to_owned(), value));
            let labels = labels.iter().map(|(label, value)| (format!("label {label}"), value.clone()));
            limits.chain(labels).collect::<Vec<_>>()
        };
        let policy = &self.policy;
        let rules = policy.rules.iter().zip(self.rules).map(|(rule, keys)| PolicyPlace {
            of: rule.matches.to_string(),
            sets: labelled(&rule.limits, &rule.labels),
            keys,
        });
        let accounts = policy.accounts.iter().zip(self.accounts).map(|((name, own), keys)| PolicyPlace {
            of: name.clone(),
            sets: labelled(&own.limits, &own.labels),
            keys,
        });
        let waivers = policy.waivers.iter().zip(self.waivers).map(|(waiver, keys)| Accepted {
            matches: waiver.matches.to_string(),
            reason: waiver.reason.clone(),
            who: waiver.who.clone(),
            until: waiver.until,
            keys,
        });
        let set = policy.limits.written();
        let defaults = Limits::built_in().written().into_iter().map(|(setting, built_in)| {
            let own = set.iter().find(|(known, _)| *known == setting);
            let by = if own.is_some() { Source::Policy } else { Source::BuiltIn };
            (setting, own.map_or(built_in, |(_, value)| value.clone()), by.to_string())
        });
        InForce {
            rules: rules.collect(),
            accounts: accounts.filter(|place| !place.sets.is_empty()).collect(),
            defaults: defaults.collect(),
            waivers: waivers.collect(),
        }
    }
}
