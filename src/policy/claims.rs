//! What policy makes of a key, condition by condition, with all that the answer rests on.

use crate::domain::{Condition, Moment, Time};

use super::deadlines::{Standing, standing};
use super::{Chosen, Limit, Policy, Profile, Source};

/// How a key stands to one condition, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The condition.
    pub condition: Condition,
    /// From when it holds, or why it never does.
    pub standing: Standing,
    /// The limit that it is measured by, and what set it; `None` where the condition has none.
    pub limit: Option<Chosen<Limit>>,
    /// What set which conditions are ignored.
    pub ignored_by: Source,
    /// What it is measured from.
    pub since: Fact,
}

/// A fact of a key that a condition is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// When it was made; `None` is *not reported*.
    Made(Option<Time>),
    /// The same of a key that was never used.
    MadeAndNeverUsed(Option<Time>),
    /// The same of a key whose use the provider does not report.
    MadeAndUseUnknown(Option<Time>),
    /// When it was last used.
    LastUse(Time),
    /// When it expires.
    Expiry(Moment),
    /// Whether it is enabled.
    Enabled(bool),
    /// Since when its owner is known to have left or lost access.
    OwnerLost(Option<Time>),
}

impl Policy {
    /// How that key stands to every condition, in the order of [`Condition::ALL`].
    pub fn claims(&self, key: &Profile<'_>) -> Vec<Claim> {
        let limits = self.limits_for(key);
        let values = limits.values();
        let claim = |condition: &Condition| {
            let use_of_it = || match key.last_used {
                Moment::At(used) => Fact::LastUse(used),
                Moment::Never => Fact::MadeAndNeverUsed(key.created_at),
                Moment::NotReported => Fact::MadeAndUseUnknown(key.created_at),
            };
            let (limit, since) = match condition {
                Condition::Stale => (Some(limits.stale_after), use_of_it()),
                Condition::NeverUsed => (Some(limits.never_used_grace), use_of_it()),
                Condition::Expiring => (Some(limits.expiring_within), Fact::Expiry(key.expires)),
                Condition::Expired | Condition::NoExpiry => (None, Fact::Expiry(key.expires)),
                Condition::Overdue => (Some(limits.max_age), Fact::Made(key.created_at)),
                Condition::Disabled => (None, Fact::Enabled(key.enabled)),
                Condition::Orphaned => (None, Fact::OwnerLost(key.orphaned_since)),
            };
            let standing = standing(*condition, key, &values);
            Claim { condition: *condition, standing, limit, ignored_by: limits.ignore.by, since }
        };
        Condition::ALL.iter().map(claim).collect()
    }
}
