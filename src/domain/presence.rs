//! Whether a key is there: the one claim that must never be wrong.

use super::closed_enum::closed_enum;

closed_enum! {
    /// Whether a key is there, as far as complete walks prove it.
    Presence {
        /// Some scope lists it.
        Present = "present",
        /// Not seen where it was, and not yet proven to be gone.
        Missing = "missing",
        /// Proven to be gone.
        Gone = "gone",
        /// Nobody can tell: what listed it can no longer be read, or its owner left.
        Unknown = "unknown",
        /// Its account, or its organisation, is no longer configured.
        Unmanaged = "unmanaged",
    }
}

impl Presence {
    /// Those of keys that may be there; only of these policy says anything.
    pub const MAY_BE_THERE: [Self; 3] = [Self::Present, Self::Missing, Self::Unknown];

    /// Whether it is one of them.
    pub const fn may_be_there(self) -> bool {
        match self {
            Self::Present | Self::Missing | Self::Unknown => true,
            Self::Gone | Self::Unmanaged => false,
        }
    }
}

closed_enum! {
    /// Why a key has the presence that it has.
    PresenceReason {
        /// A scope lists it.
        Listed = "listed",
        /// Every witness was walked completely without it.
        NotListed = "not_listed",
        /// Every witness was walked completely without it again, and every other open scope too.
        ProvenAbsent = "proven_absent",
        /// A person said so of a scope that cannot be read any more.
        Acknowledged = "acknowledged",
        /// Every scope that listed it is refused for good.
        ScopeClosed = "scope_closed",
        /// Every scope that listed it is no longer on its parent list.
        ScopeVanished = "scope_vanished",
        /// Every scope that listed it belongs to a way of listing that is no longer used.
        ScopeRetired = "scope_retired",
        /// The list holds only current members' keys, and its owner is no longer one.
        OwnerLeft = "owner_left",
        /// Its account is no longer configured.
        AccountRemoved = "account_removed",
        /// Its account now sees another organisation.
        OrganizationChanged = "organization_changed",
    }
}
