//! The vocabulary: what a key, a scope, a moment, a presence and a condition are.
//!
//! No input or output, no clock, and no provider's name occurs here. Every set of words that leaves the program (columns,
//! labels, log fields) is a closed enum of this module, matched without a wildcard.

mod change;
mod closed_enum;
mod condition;
mod gate;
mod key;
mod moment;
mod organization;
mod people;
mod presence;
mod reason;
mod scope;
mod secret_like;
mod tag;
mod time;

pub use change::ChangeKind;
pub(crate) use closed_enum::closed_enum;
pub use condition::{Basis, Condition, Deadlines};
pub use gate::{Hint, RemoteId, Text, changes_what_is_around_it};
pub use key::{KeyFacts, KeyKind, Owner, OwnerAccess, OwnerKind};
pub use moment::Moment;
pub use organization::Organization;
pub use people::{Person, Project};
pub use presence::{Presence, PresenceReason};
pub use reason::{ClosedReason, Failure, ItemReason, Reason, Refused};
pub use scope::{Lists, Scope, ScopeId, ScopeKind, ScopeState, Standing, WalkEnd};
pub use secret_like::is_same_but_for_tags;
pub use tag::TagKey;
pub use time::Time;
