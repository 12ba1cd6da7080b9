//! What is known of one API key: its metadata, never its secret.

use super::closed_enum::closed_enum;
use super::{Hint, Moment, RemoteId, Text, Time};

closed_enum! {
    /// What sort of key it is.
    KeyKind {
        /// Belongs to a project.
        Project = "project",
        /// Administers the organisation.
        Admin = "admin",
        /// Seen only on the list of admin keys, under a mask that does not say admin.
        Unattributed = "unattributed",
        /// Belongs to one member.
        Personal = "personal",
        /// Belongs to a service account that exists to hold it.
        ServiceToken = "service_token",
        /// Made in, and good for, a whole organisation.
        Organization = "organization",
    }
}

closed_enum! {
    /// Who a key's owner is.
    OwnerKind {
        /// A person.
        User = "user",
        /// A program's account.
        ServiceAccount = "service_account",
        /// A kind of owner that this version does not know.
        Other = "other",
    }
}

closed_enum! {
    /// Whether the provider says that the owner can still reach what the key opens.
    OwnerAccess {
        /// The owner has access.
        Active = "active",
        /// The owner has lost it.
        Inactive = "inactive",
    }
}

/// The owner of a key as the key's own record tells it. A missing owner is the absence of this value, *not reported*.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User, service account, or something newer.
    pub kind: OwnerKind,
    /// The provider's id of the owner.
    pub id: RemoteId,
    /// Display name.
    pub name: Option<Text>,
    /// E-mail address as the provider writes it.
    pub email: Option<Text>,
}

/// What one sighting tells of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// The provider's id of the key.
    pub id: RemoteId,
    /// What sort of key it is.
    pub kind: KeyKind,
    /// Its name, as people gave it.
    pub name: Option<Text>,
    /// The provider's masked form of the secret.
    pub hint: Option<Hint>,
    /// Whose it is; `None` is *not reported*.
    pub owner: Option<Owner>,
    /// Whether the owner still has access; `None` is *not reported*.
    pub owner_access: Option<OwnerAccess>,
    /// The organisation that the key's own record names, where it names one.
    pub organization: Option<RemoteId>,
    /// When it was made; `None` is *not reported*.
    pub created_at: Option<Time>,
    /// When it was last used.
    pub last_used: Moment,
    /// When it expires.
    pub expires: Moment,
    /// False only where the provider says that the key is disabled.
    pub enabled: bool,
}

impl KeyFacts {
    /// All that people wrote of it.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let owner = self.owner.iter().flat_map(|owner| owner.name.iter().chain(&owner.email));
        self.name.iter().chain(owner)
    }

    /// The field whose time lies after that instant, of those that tell what has happened. What expires may do so at any time.
    pub fn ahead_of(&self, latest: Time) -> Option<&'static str> {
        let is_ahead = |time: Option<Time>| time.is_some_and(|time| time > latest);
        match (is_ahead(self.created_at), is_ahead(self.last_used.at())) {
            (true, _) => Some("created_at"),
            (false, true) => Some("last_used"),
            (false, false) => None,
        }
    }
}
