//! What readers must know of a configured account beside the inventory.

use std::collections::BTreeSet;
use std::fmt;

use super::KeyRow;
use crate::config::{AccountConfig, Config, Schedule};
use crate::domain::{Condition, Time};
use crate::policy::{Limits, Policy};
use crate::providers::{self, Account, Known, PROVIDERS, Provider, Revocation};

/// What is fixed about a configured account; no secret.
#[derive(Clone)]
pub struct AccountFacts {
    /// Its name.
    pub name: String,
    /// Its provider's adapter.
    pub provider: &'static dyn Provider,
    /// Where its provider is asked; no slash at its end.
    pub base_url: String,
    /// The templates of the paths that its provider is asked at.
    pub endpoints: BTreeSet<&'static str>,
    /// Seconds between two polls: the shortest gap of its schedule.
    pub interval: i64,
    schedule: Schedule,
    /// When the credential expires, where somebody wrote that down.
    pub credential_expires: Option<Time>,
    /// Conditions that policy does not claim for the account as a whole; rules may say otherwise for some of its keys.
    pub ignored: BTreeSet<Condition>,
}

impl AccountFacts {
    /// Of every account of a config.
    pub fn of_all(config: &Config) -> Vec<Self> {
        config.accounts.values().map(|account| Self::of(account, &config.policy)).collect()
    }

    /// Of one account.
    pub fn of(account: &AccountConfig, policy: &Policy) -> Self {
        let own = policy.accounts.get(&account.name).and_then(|own| own.limits.ignore.clone());
        let ignored = own.or_else(|| policy.limits.ignore.clone()).or_else(|| Limits::built_in().ignore).unwrap_or_default();
        Self {
            name: account.name.clone(),
            provider: account.provider,
            base_url: account.base_url.as_str().to_owned(),
            endpoints: endpoints(account.provider, &account.account),
            interval: account.schedule.shortest_gap().as_secs(),
            schedule: account.schedule.clone(),
            credential_expires: account.credential_expires,
            ignored,
        }
    }

    /// When a poll was due so many times ago: 1 for the last time before `now`. `None` where the calendar ends.
    pub fn due_before(&self, times: usize, now: Time) -> Option<Time> {
        (0..times).try_fold(now, |time, _| self.schedule.previous_before(time))
    }

    /// When the next poll is due by the schedule, and the schedule as it is written. `None` where the calendar ends.
    pub fn due_after(&self, now: Time) -> Option<(Time, String)> {
        Some((self.schedule.next_after(now)?, self.schedule.as_str().to_owned()))
    }

    /// Whether the provider tells enough for the condition to be claimed.
    pub fn supports(&self, condition: Condition) -> bool {
        self.provider.spec().supports(condition)
    }
}

/// The words of all providers that this program knows.
pub fn provider_ids() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|provider| provider.spec().id)
}

/// A provider's name as its vendor writes it; the word itself where this program does not know it.
pub fn provider_name(id: &str) -> &str {
    providers::by_id(id).map_or(id, |provider| provider.spec().name)
}

/// Where a person revokes keys like that one.
pub fn revocation(key: &KeyRow) -> Option<&'static Revocation> {
    let owner = key.owner.as_ref().map(|owner| owner.kind);
    providers::by_id(&key.provider).and_then(|provider| provider.spec().revocation(key.kind, owner))
}

impl fmt::Debug for AccountFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountFacts")
            .field("name", &self.name)
            .field("provider", &self.provider.spec().id)
            .finish_non_exhaustive()
    }
}

/// What is asked at the start of a poll, and everything that the samples are of.
fn endpoints(provider: &'static dyn Provider, account: &Account) -> BTreeSet<&'static str> {
    let asked = provider.plan(account, &Known::default()).into_iter();
    let sampled = provider.spec().samples.iter().map(|sample| (sample.fetch)());
    asked.chain(sampled).map(|fetch| fetch.endpoint).collect()
}
