//! What policy says of a key now.

use super::Time;
use super::closed_enum::closed_enum;

closed_enum! {
    /// What policy says of a key; the order is that of every list of conditions.
    Condition {
        /// Not used for too long, never used for too long, or, where use is not reported, too old.
        Stale = "stale",
        /// The provider says never used, and the grace is over.
        NeverUsed = "never_used",
        /// Expires soon.
        Expiring = "expiring",
        /// Has expired and is still listed.
        Expired = "expired",
        /// Could expire and never will.
        NoExpiry = "no_expiry",
        /// Made too long ago: rotation is due.
        Overdue = "overdue",
        /// The provider says that it is disabled.
        Disabled = "disabled",
        /// Its owner has left or lost access.
        Orphaned = "orphaned",
    }
}

closed_enum! {
    /// What a claim of staleness rests on; always told with it.
    Basis {
        /// The time of last use.
        LastUse = "last_use",
        /// The provider says never used; the time of creation.
        NeverUsed = "never_used",
        /// The provider does not report use; the time of creation. The weakest claim.
        Age = "age",
    }
}

impl Condition {
    /// What needs a person first comes first.
    pub const BY_URGENCY: [Self; 8] = [
        Self::Expired,
        Self::Expiring,
        Self::Orphaned,
        Self::Stale,
        Self::NeverUsed,
        Self::Overdue,
        Self::NoExpiry,
        Self::Disabled,
    ];
}

/// The instants from which each condition holds; `None` is never. Disabled keys have no other condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadlines {
    /// From when it is stale, and what that rests on.
    pub stale: Option<(Time, Basis)>,
    /// From when it counts as never used.
    pub never_used: Option<Time>,
    /// From when it is expiring; that ends at `expired`.
    pub expiring: Option<Time>,
    /// From when it is expired.
    pub expired: Option<Time>,
    /// From when it is reported for never expiring.
    pub no_expiry: Option<Time>,
    /// From when its rotation is due.
    pub overdue: Option<Time>,
    /// From when it was seen disabled.
    pub disabled: Option<Time>,
    /// From when its owner was known to have left or lost access.
    pub orphaned: Option<Time>,
}
