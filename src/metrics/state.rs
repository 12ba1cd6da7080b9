//! What the inventory holds now, as metrics: made from the counts at each scrape.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::declared::{
    ACCOUNT_INFO, ACCOUNT_UP, CONDITION_SUPPORTED, CREDENTIAL_EXPIRY, FLAGGED_KEYS, HELD_KEYS, KEYS, LAST_COMPLETE_POLL,
    LAST_POLL, LAST_POLL_FAILURE, Metric, NEW_ADMIN_KEY, NEXT_EXPIRING, NEXT_EXPIRY, NEXT_WAIVER_END, OLDEST_KEY, POLL_INTERVAL,
    SCOPES, STALE_BEFORE, STALE_KEYS, WAIVED_KEYS,
};
use super::family::Family;
use crate::domain::{Basis, Condition, Presence, ScopeState, Time};
use crate::providers::{Fact, Spec};
use crate::views::{AccountCounts, AccountFacts, Counts};

/// One poll may fail, and the next may take long: data older than this many are stale.
const POLLS_UNTIL_STALE: usize = 3;

/// A configured account and what is counted of it.
struct Row<'a> {
    provider: &'static str,
    account: &'a str,
    spec: &'static Spec,
    facts: &'a AccountFacts,
    counts: &'a AccountCounts,
}

/// The families of all accounts, as of that instant.
pub(super) fn families(accounts: &[AccountFacts], counts: &Counts, now: Time) -> Vec<MetricFamily> {
    let nothing = AccountCounts::default();
    let row = |facts| of(facts, counts, &nothing);
    let rows: Vec<Row<'_>> = accounts.iter().map(row).collect();
    let all = [
        keys(&rows, counts),
        flagged(&rows),
        each(&STALE_KEYS, &rows, |family, row| {
            for basis in bases(row.spec) {
                family.add([row.provider, row.account, basis.as_str()], number(row.counts.stale(basis)));
            }
        }),
        each(&WAIVED_KEYS, &rows, |family, row| {
            for condition in supported(row.spec) {
                family.add([row.provider, row.account, condition.as_str()], number(row.counts.waived(condition)));
            }
        }),
        one(&NEXT_WAIVER_END, &rows, |row| row.counts.next_waiver_end.map(instant)),
        each(&CONDITION_SUPPORTED, &rows, |family, row| {
            for condition in Condition::ALL {
                let supported = row.spec.supports(*condition).into();
                family.add([row.provider, row.account, condition.as_str()], supported);
            }
        }),
        one(&NEXT_EXPIRY, &rows, |row| row.counts.next_expiry.map(instant)),
        one(&NEXT_EXPIRING, &rows, |row| row.counts.next_expiring.map(instant)),
        one(&OLDEST_KEY, &rows, |row| row.counts.oldest_created.map(instant)),
        one(&NEW_ADMIN_KEY, &rows, |row| row.counts.newest_admin.map(instant)),
        each(&ACCOUNT_INFO, &rows, |family, row| {
            let organization = row.counts.organization_id.as_deref().unwrap_or_default();
            family.add([row.provider, row.account, organization], 1.0);
        }),
        one(&ACCOUNT_UP, &rows, |row| Some(row.counts.last_poll.as_ref().is_some_and(|poll| poll.up).into())),
        one(&LAST_COMPLETE_POLL, &rows, |row| Some(row.counts.read_since.map_or(0.0, instant))),
        one(&LAST_POLL, &rows, |row| Some(row.counts.last_poll.as_ref().map_or(0.0, |poll| instant(poll.started)))),
        each(&LAST_POLL_FAILURE, &rows, |family, row| {
            if let Some(reason) = row.counts.last_poll.as_ref().and_then(|poll| poll.reason.as_deref()) {
                family.add([row.provider, row.account, reason], 1.0);
            }
        }),
        one(&STALE_BEFORE, &rows, |row| row.facts.due_before(POLLS_UNTIL_STALE, now).map(instant)),
        one(&POLL_INTERVAL, &rows, |row| Some(seconds(row.facts.interval))),
        each(&SCOPES, &rows, |family, row| {
            for state in ScopeState::ALL.iter().filter(|state| **state != ScopeState::Retired) {
                let scopes = row.counts.scopes.get(state).copied().unwrap_or(0);
                family.add([row.provider, row.account, state.as_str()], number(scopes));
            }
        }),
        one(&HELD_KEYS, &rows, |row| Some(number(row.counts.held_keys))),
        one(&CREDENTIAL_EXPIRY, &rows, |row| row.counts.credential_expires.or(row.facts.credential_expires).map(instant)),
    ];
    all.into_iter().filter_map(Family::finish).collect()
}

fn of<'a>(facts: &'a AccountFacts, counts: &'a Counts, nothing: &'a AccountCounts) -> Row<'a> {
    let spec = facts.provider.spec();
    let counts = counts.accounts.get(&facts.name).unwrap_or(nothing);
    Row { provider: spec.id, account: &facts.name, spec, facts, counts }
}

/// Every kind and presence of the configured accounts; of others only what there is.
fn keys(rows: &[Row<'_>], counts: &Counts) -> Family {
    let mut family = each(&KEYS, rows, |family, row| {
        for kind in row.spec.kinds {
            for presence in Presence::ALL {
                let labels = [row.provider, row.account, kind.as_str(), presence.as_str()];
                family.add(labels, number(row.counts.keys(*kind, *presence)));
            }
        }
    });
    let is_configured = |name: &String| rows.iter().any(|row| row.account == name);
    for (name, left) in counts.accounts.iter().filter(|(name, _)| !is_configured(name)) {
        let mut keys: BTreeMap<_, u64> = BTreeMap::new();
        for group in &left.groups {
            *keys.entry((group.kind, group.presence)).or_default() += group.keys;
        }
        for ((kind, presence), keys) in keys {
            family.add([&left.provider, name, kind.as_str(), presence.as_str()], number(keys));
        }
    }
    family
}

fn flagged(rows: &[Row<'_>]) -> Family {
    each(&FLAGGED_KEYS, rows, |family, row| {
        for kind in row.spec.kinds {
            for condition in supported(row.spec) {
                let labels = [row.provider, row.account, kind.as_str(), condition.as_str()];
                family.add(labels, number(row.counts.flagged(Some(*kind), condition)));
            }
        }
    })
}

fn each(metric: &'static Metric, rows: &[Row<'_>], fill: impl Fn(&mut Family, &Row<'_>)) -> Family {
    let mut family = Family::new(metric);
    for row in rows {
        fill(&mut family, row);
    }
    family
}

/// One series for each account that has a value.
fn one(metric: &'static Metric, rows: &[Row<'_>], value: impl Fn(&Row<'_>) -> Option<f64>) -> Family {
    each(metric, rows, |family, row| {
        if let Some(value) = value(row) {
            family.add([row.provider, row.account], value);
        }
    })
}

fn supported(spec: &'static Spec) -> impl Iterator<Item = Condition> {
    Condition::ALL.iter().copied().filter(|condition| spec.supports(*condition))
}

/// What staleness can rest on: even a provider that reports use may leave it out for some keys.
fn bases(spec: &'static Spec) -> impl Iterator<Item = Basis> {
    Basis::ALL.iter().copied().filter(|basis| match basis {
        Basis::LastUse | Basis::NeverUsed => spec.facts.contains(&Fact::LastUse),
        Basis::Age => spec.facts.contains(&Fact::Created),
    })
}

/// Counts are far below 2⁵³, up to which every whole number is a float.
#[expect(clippy::cast_precision_loss, reason = "counts of keys and scopes are small")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are small")]
const fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

/// Seconds since 1970.
pub(super) const fn instant(time: Time) -> f64 {
    seconds(time.unix())
}
