//! Who owns keys, and what scopes hang on.

use super::{OwnerKind, RemoteId, Text};

/// A member or service account of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The provider's id of the user or service account; what keys name as their owner.
    pub id: RemoteId,
    /// User or service account.
    pub kind: OwnerKind,
    /// Display name.
    pub name: Option<Text>,
    /// E-mail address as the provider writes it.
    pub email: Option<Text>,
}

/// A project of an organisation; its keys are a scope of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The provider's id of it.
    pub id: RemoteId,
    /// Display name.
    pub name: Option<Text>,
    /// The provider calls it archived; a project that is listed both ways is not.
    pub archived: bool,
}
