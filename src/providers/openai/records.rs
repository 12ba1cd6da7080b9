//! OpenAI's records as they come, and what they become.

use serde::Deserialize;

use crate::domain::{Failure, Hint, KeyFacts, KeyKind, Moment, Owner, OwnerAccess, OwnerKind, Person, Project, Reason, Refused};
use crate::providers::wire::{self, Object, Told, Words};
use crate::providers::{Answer, End, Fetch};

/// What surrounds every list: `{"object":"list","data":[],"has_more":false,"first_id":…,"last_id":…}`.
#[derive(Deserialize)]
pub(super) struct Envelope {
    pub(super) object: Option<String>,
    pub(super) has_more: bool,
    /// On lists of a newer style.
    pub(super) next: Option<String>,
    pub(super) last_id: Option<String>,
}

/// `ProjectApiKey` and `AdminApiKey` of the OpenAPI document, which differ in the shape of the owner.
#[derive(Deserialize)]
struct RawKey<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    redacted_value: Words<'a>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    created_at: i64,
    #[serde(default)]
    last_used_at: Told<i64>,
    #[serde(default)]
    expires_at: Told<i64>,
    #[serde(borrow)]
    owner: Option<Object<RawOwner<'a>>>,
    #[serde(borrow)]
    owner_project_access: Option<Words<'a>>,
}

/// Nested below its type on lists of project keys, flat on the list of admin keys.
#[derive(Deserialize)]
struct RawOwner<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Words<'a>>,
    #[serde(borrow)]
    id: Option<Words<'a>>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    #[serde(borrow)]
    email: Option<Words<'a>>,
    #[serde(borrow)]
    user: Option<Object<RawHolder<'a>>>,
    #[serde(borrow)]
    service_account: Option<Object<RawHolder<'a>>>,
}

#[derive(Deserialize)]
struct RawHolder<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    #[serde(borrow)]
    email: Option<Words<'a>>,
}

#[derive(Deserialize)]
struct RawProject {
    id: String,
    name: Option<String>,
    status: Option<String>,
    archived_at: Option<i64>,
}

#[derive(Deserialize)]
struct RawUser {
    id: String,
    name: Option<String>,
    email: Option<String>,
    is_service_account: Option<bool>,
}

#[derive(Deserialize)]
struct RawId {
    id: String,
}

/// A key on the list of a project.
pub(super) fn project_key(item: &[u8]) -> Result<KeyFacts, Refused> {
    key(item, |_| KeyKind::Project)
}

/// A key on the list of admin keys. Project keys were seen there under the same `object`, so the mask decides.
pub(super) fn admin_list_key(item: &[u8]) -> Result<KeyFacts, Refused> {
    key(item, |mask| if mask.starts_with("sk-admin") { KeyKind::Admin } else { KeyKind::Unattributed })
}

fn key(item: &[u8], kind: impl FnOnce(&str) -> KeyKind) -> Result<KeyFacts, Refused> {
    let raw: RawKey = wire::element(item)?;
    let last_used = match raw.last_used_at {
        // Zero is what older answers gave for null.
        Told::Value(0) => Moment::Never,
        told @ (Told::Absent | Told::Null | Told::Value(_)) => told.moment(|at| wire::unix(at, "last_used_at"))?,
    };
    Ok(KeyFacts {
        id: wire::id(&raw.id, "id")?,
        kind: kind(&raw.redacted_value),
        name: wire::text(raw.name),
        hint: Hint::new(&raw.redacted_value),
        owner: raw.owner.map(|Object(raw)| owner(raw)).transpose()?.flatten(),
        owner_access: match raw.owner_project_access.as_deref() {
            Some("active") => Some(OwnerAccess::Active),
            Some("inactive") => Some(OwnerAccess::Inactive),
            Some(_) | None => None,
        },
        organization: None,
        created_at: Some(wire::unix(raw.created_at, "created_at")?),
        last_used,
        expires: raw.expires_at.moment(|at| wire::unix(at, "expires_at"))?,
        enabled: true,
    })
}

/// The owner, or `None` where the record names nobody; an unknown type must not cost the key.
fn owner(raw: RawOwner<'_>) -> Result<Option<Owner>, Refused> {
    let flat = raw.id.map(|id| RawHolder { id, name: raw.name, email: raw.email });
    let (kind, nested) = match raw.kind.as_deref() {
        Some("user") => (OwnerKind::User, raw.user),
        Some("service_account") => (OwnerKind::ServiceAccount, raw.service_account),
        None if raw.user.is_some() => (OwnerKind::User, raw.user),
        None if raw.service_account.is_some() => (OwnerKind::ServiceAccount, raw.service_account),
        Some(_) | None => (OwnerKind::Other, None),
    };
    let Some(holder) = nested.map(|Object(holder)| holder).or(flat) else {
        return Ok(None);
    };
    Ok(Some(Owner {
        kind,
        id: wire::id(&holder.id, "owner.id")?,
        name: wire::text(holder.name),
        email: wire::text(holder.email),
    }))
}

/// A project of the list of projects.
pub(super) fn project(item: &[u8]) -> Result<Project, Refused> {
    let raw: RawProject = wire::element(item)?;
    Ok(Project {
        id: wire::id(&raw.id, "id")?,
        name: wire::text(raw.name),
        archived: raw.status.map_or(raw.archived_at.is_some(), |status| status == "archived"),
    })
}

/// A member of the list of users.
pub(super) fn person(item: &[u8]) -> Result<Person, Refused> {
    let raw: RawUser = wire::element(item)?;
    Ok(Person {
        id: wire::id(&raw.id, "id")?,
        kind: if raw.is_service_account == Some(true) { OwnerKind::ServiceAccount } else { OwnerKind::User },
        name: wire::text(raw.name),
        email: wire::text(raw.email),
    })
}

/// The answer of a key asked for by its id: 200 proves it only where it is that key.
pub(super) fn same_key(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let raw: RawId = wire::rest(answer)?;
    if fetch.path.rsplit('/').next() == Some(raw.id.as_str()) {
        Ok(End::done())
    } else {
        Err(Failure::new(Reason::AttributionMismatch, "the answer is about another key"))
    }
}
