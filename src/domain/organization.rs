//! The organisation that a credential sees.

use super::{RemoteId, Text};

/// An organisation at a provider, as the provider names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The provider's id of it.
    pub id: RemoteId,
    /// Its name, where told.
    pub name: Option<Text>,
}
