//! What can happen to a key between two polls.

use super::closed_enum::closed_enum;

closed_enum! {
    /// What a poll, an acknowledgement or a reload changed.
    ChangeKind {
        /// Listed for the first time by a scope that had been read before.
        Appeared = "appeared",
        /// Its witnesses no longer list it; not yet proven to be gone.
        BecameMissing = "became_missing",
        /// Proven to be gone.
        BecameGone = "became_gone",
        /// Listed again after it was missing, gone, unknown or unmanaged.
        Returned = "returned",
        /// It can no longer be seen.
        BecameUnknown = "became_unknown",
        /// Its account or organisation is no longer configured.
        BecameUnmanaged = "became_unmanaged",
        /// Another name.
        Renamed = "renamed",
        /// Another home: project, kind or member.
        Moved = "moved",
        /// Another owner.
        OwnerChanged = "owner_changed",
        /// The owner lost or regained access.
        OwnerAccessChanged = "owner_access_changed",
        /// Another expiry.
        ExpiryChanged = "expiry_changed",
        /// Disabled by the provider.
        Disabled = "disabled",
        /// Enabled again.
        Enabled = "enabled",
        /// Its last use lies earlier than it did.
        LastUseWentBack = "last_use_went_back",
        /// The same id with another date of creation: another key.
        Recreated = "recreated",
    }
}
