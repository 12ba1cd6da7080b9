//! What one walk can list completely, and how a walk ends.

use super::closed_enum::closed_enum;
use super::{ClosedReason, Failure, RemoteId, Text};

closed_enum! {
    /// What the elements of a list are.
    Lists {
        /// API keys.
        Keys = "keys",
        /// Members and service accounts.
        People = "people",
        /// Projects.
        Projects = "projects",
    }
}

closed_enum! {
    /// The kinds of scope. Declared in descending rank for lists of keys: facts come from the highest that lists a key.
    ScopeKind {
        /// The keys of one project.
        Project = "project",
        /// The keys of one member.
        Member = "member",
        /// The keys of one organisation, in one list.
        Organization = "organization",
        /// The service tokens of one organisation.
        ServiceTokens = "service_tokens",
        /// The keys that administer an organisation; where it shows others too, better lists know more of them.
        Admin = "admin",
        /// The people of one organisation.
        People = "people",
        /// The projects of one organisation.
        Projects = "projects",
    }
}

impl ScopeKind {
    /// What such a scope lists.
    pub const fn lists(self) -> Lists {
        match self {
            Self::Project | Self::Member | Self::Organization | Self::ServiceTokens | Self::Admin => Lists::Keys,
            Self::People => Lists::People,
            Self::Projects => Lists::Projects,
        }
    }

    /// Which of two scopes that list the same key is believed: the higher.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Project | Self::Member => 3,
            Self::Organization | Self::ServiceTokens => 2,
            Self::Admin => 1,
            Self::People | Self::Projects => 0,
        }
    }

    /// Such a list holds only the keys of current members, so that it says nothing about those who left.
    pub const fn current_members_only(self) -> bool {
        match self {
            Self::Member | Self::Organization => true,
            Self::Project | Self::ServiceTokens | Self::Admin | Self::People | Self::Projects => false,
        }
    }
}

/// Identity of a scope within one organisation of one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId {
    /// What sort of list.
    pub kind: ScopeKind,
    /// The project or member that it belongs to; `None` where the organisation has only one such list.
    pub of: Option<RemoteId>,
}

impl std::fmt::Display for ScopeId {
    /// `project/proj_abc`, or `admin` where the organisation has only one such list.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.of {
            Some(of) => f.pad(&format!("{}/{of}", self.kind)),
            None => f.pad(self.kind.as_str()),
        }
    }
}

/// A scope with the name that people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Identity.
    pub id: ScopeId,
    /// Display name, such as the project's.
    pub name: Option<Text>,
}

impl Scope {
    /// The one list of its kind in an organisation.
    pub const fn only(kind: ScopeKind) -> Self {
        Self { id: ScopeId { kind, of: None }, name: None }
    }

    /// The list of one project or member.
    pub const fn of(kind: ScopeKind, of: RemoteId, name: Option<Text>) -> Self {
        Self { id: ScopeId { kind, of: Some(of) }, name }
    }
}

closed_enum! {
    /// Whether a scope is listed now.
    Standing {
        /// It is.
        Open = "open",
        /// Refused for good.
        Closed = "closed",
        /// No longer on a complete parent list.
        Vanished = "vanished",
        /// Belongs to a way of listing that was left.
        Retired = "retired",
    }
}

closed_enum! {
    /// What is told of a scope: its standing, and how its newest walk ended. The first that applies.
    ScopeState {
        /// No longer on a complete parent list.
        Vanished = "vanished",
        /// Something of it waits for a person.
        Held = "held",
        /// Refused for good.
        Closed = "closed",
        /// Belongs to a way of listing that was left.
        Retired = "retired",
        /// Not walked yet.
        Never = "never",
        /// The newest walk did not read all of it.
        Incomplete = "incomplete",
        /// The newest walk read all of it.
        Complete = "complete",
    }
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkEnd {
    /// Every page was read to the end that the provider itself signals, and every element passed the gate.
    Complete,
    /// Something was not read: what was seen counts, nothing may be concluded from what was not.
    Incomplete(Failure),
    /// Refused, in a way that this provider uses for lists that cannot be read at all.
    Closed(ClosedReason),
}

impl WalkEnd {
    /// `complete`, `incomplete` or `closed`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete(_) => "incomplete",
            Self::Closed(_) => "closed",
        }
    }

    /// The word of the closed list that says why; `None` for complete walks.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Complete => None,
            Self::Incomplete(failure) => Some(failure.reason.as_str()),
            Self::Closed(reason) => Some(reason.as_str()),
        }
    }
}
