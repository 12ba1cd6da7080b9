//! The condition table: from a key's facts and its limits to the instant at which each condition begins.

use std::collections::BTreeSet;

use crate::domain::{Basis, Condition, Deadlines, Moment, Time};

use super::Limit;
use super::matching::Profile;

/// Stands in where a condition holds since a time that nobody told: 2015-01-01, before all keys that we read.
pub const EARLIEST: Time = Time::from_unix(1_420_070_400);

/// The limits that apply to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLimits<'a> {
    /// From last use, or from creation where nothing better is known, to stale.
    pub stale_after: Limit,
    /// From creation to never used.
    pub never_used_grace: Limit,
    /// From expiring to expiry.
    pub expiring_within: Limit,
    /// From creation to overdue.
    pub max_age: Limit,
    /// Conditions that are not claimed at all.
    pub ignore: &'a BTreeSet<Condition>,
}

/// When each condition of that key begins.
pub fn deadlines(key: &Profile<'_>, limits: &KeyLimits<'_>) -> Deadlines {
    let claimed = |condition| !limits.ignore.contains(&condition);
    if !key.enabled {
        let since = key.disabled_since.or(key.created_at).unwrap_or(EARLIEST);
        return Deadlines { disabled: claimed(Condition::Disabled).then_some(since), ..Deadlines::default() };
    }
    let after = |start: Option<Time>, limit: Limit| Some(start?.plus(limit.span()?.as_secs()));

    let (stale_from, basis) = match key.last_used {
        Moment::At(used) => (Some(used), Basis::LastUse),
        Moment::Never => (key.created_at, Basis::NeverUsed),
        Moment::NotReported => (key.created_at, Basis::Age),
    };
    let stale = after(stale_from, limits.stale_after).map(|at| (at, basis));
    let never_used = match key.last_used {
        Moment::Never => after(key.created_at, limits.never_used_grace),
        Moment::At(_) | Moment::NotReported => None,
    };
    let expiring = key.expires.at().and_then(|expiry| Some(expiry.plus(-limits.expiring_within.span()?.as_secs())));
    let no_expiry = match key.expires {
        Moment::Never => Some(key.created_at.unwrap_or(EARLIEST)),
        Moment::At(_) | Moment::NotReported => None,
    };

    Deadlines {
        stale: stale.filter(|_| claimed(Condition::Stale) && !key.is_self),
        never_used: never_used.filter(|_| claimed(Condition::NeverUsed) && !key.is_self),
        expiring: expiring.filter(|_| claimed(Condition::Expiring)),
        expired: key.expires.at().filter(|_| claimed(Condition::Expired)),
        no_expiry: no_expiry.filter(|_| claimed(Condition::NoExpiry)),
        overdue: after(key.created_at, limits.max_age).filter(|_| claimed(Condition::Overdue)),
        disabled: None,
        orphaned: key.orphaned_since.filter(|_| claimed(Condition::Orphaned)),
    }
}
