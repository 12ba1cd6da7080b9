//! The condition table: from a key's facts and its limits to the instant at which each condition begins, or why it never does.

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

/// How a key stands to a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is in it from then on; expiring ends at the expiry.
    From(Time),
    /// It is not, as long as nothing changes at the provider or in the policy.
    Not(Not),
}

impl Standing {
    const fn from(self) -> Option<Time> {
        match self {
            Self::From(time) => Some(time),
            Self::Not(_) => None,
        }
    }
}

/// Why a key is in no way to a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Not {
    /// Policy does not claim it.
    Ignored,
    /// Its limit is `never`.
    Limitless,
    /// The provider does not tell what it would be measured from.
    NotReported,
    /// What it says is not so: it was used, it does expire, its owner is there.
    Untrue,
    /// It is the key that keymuster itself signs in with, whose use says nothing.
    Own,
    /// The key is disabled, and then has no other condition.
    Disabled,
}

/// How a key stands to one condition.
pub fn standing(condition: Condition, key: &Profile<'_>, limits: &KeyLimits<'_>) -> Standing {
    if limits.ignore.contains(&condition) {
        return Standing::Not(Not::Ignored);
    }
    if !key.enabled && condition != Condition::Disabled {
        return Standing::Not(Not::Disabled);
    }
    let made_at = key.created_at.unwrap_or(EARLIEST);
    match condition {
        Condition::Disabled if key.enabled => Standing::Not(Not::Untrue),
        Condition::Disabled => Standing::From(key.disabled_since.unwrap_or(made_at)),
        Condition::Stale | Condition::NeverUsed if key.is_self => Standing::Not(Not::Own),
        Condition::Stale => after(stale_from(key).0, limits.stale_after),
        Condition::NeverUsed => match key.last_used {
            Moment::Never => after(key.created_at, limits.never_used_grace),
            Moment::At(_) => Standing::Not(Not::Untrue),
            Moment::NotReported => Standing::Not(Not::NotReported),
        },
        Condition::Expiring => match (key.expires, limits.expiring_within.span()) {
            (Moment::At(expiry), Some(before)) => Standing::From(expiry.plus(-before.as_secs())),
            (Moment::At(_), None) => Standing::Not(Not::Limitless),
            (Moment::Never, _) => Standing::Not(Not::Untrue),
            (Moment::NotReported, _) => Standing::Not(Not::NotReported),
        },
        Condition::Expired => match key.expires {
            Moment::At(expiry) => Standing::From(expiry),
            Moment::Never => Standing::Not(Not::Untrue),
            Moment::NotReported => Standing::Not(Not::NotReported),
        },
        Condition::NoExpiry => match key.expires {
            Moment::Never => Standing::From(made_at),
            Moment::At(_) => Standing::Not(Not::Untrue),
            Moment::NotReported => Standing::Not(Not::NotReported),
        },
        Condition::Overdue => after(key.created_at, limits.max_age),
        Condition::Orphaned => key.orphaned_since.map_or(Standing::Not(Not::Untrue), Standing::From),
    }
}

fn after(start: Option<Time>, limit: Limit) -> Standing {
    match (start, limit) {
        (Some(start), Limit::After(span)) => Standing::From(start.plus(span.as_secs())),
        (None, Limit::After(_)) => Standing::Not(Not::NotReported),
        (_, Limit::Never) => Standing::Not(Not::Limitless),
    }
}

/// From when staleness is measured, and what that rests on.
fn stale_from(key: &Profile<'_>) -> (Option<Time>, Basis) {
    match key.last_used {
        Moment::At(used) => (Some(used), Basis::LastUse),
        Moment::Never => (key.created_at, Basis::NeverUsed),
        Moment::NotReported => (key.created_at, Basis::Age),
    }
}

/// When each condition of that key begins.
pub fn deadlines(key: &Profile<'_>, limits: &KeyLimits<'_>) -> Deadlines {
    let from = |condition| standing(condition, key, limits).from();
    Deadlines {
        stale: from(Condition::Stale).map(|at| (at, stale_from(key).1)),
        never_used: from(Condition::NeverUsed),
        expiring: from(Condition::Expiring),
        expired: from(Condition::Expired),
        no_expiry: from(Condition::NoExpiry),
        overdue: from(Condition::Overdue),
        disabled: from(Condition::Disabled),
        orphaned: from(Condition::Orphaned),
    }
}
