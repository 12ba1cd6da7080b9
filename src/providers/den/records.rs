//! Den's records as they come, and what they become.

use serde::Deserialize;

use crate::domain::{
    Failure, Hint, ItemReason, KeyFacts, KeyKind, Organization, Owner, OwnerKind, Person, Reason, Refused, Time,
};
use crate::providers::wire::{self, Object, Told, Words};
use crate::providers::{Answer, Item};

/// How many organisations an ambiguity names.
const NAMED: usize = 20;

/// `OrganizationApiKey` of the OpenAPI document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    #[serde(borrow)]
    start: Option<Words<'a>>,
    enabled: bool,
    #[serde(borrow)]
    created_at: Words<'a>,
    #[serde(default, borrow)]
    last_request: Told<Words<'a>>,
    #[serde(default, borrow)]
    expires_at: Told<Words<'a>>,
    #[serde(borrow)]
    owner: Option<Object<RawOwner<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOwner<'a> {
    #[serde(borrow)]
    user_id: Words<'a>,
    #[serde(borrow)]
    name: Option<Words<'a>>,
    #[serde(borrow)]
    email: Option<Words<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMember {
    #[serde(default)]
    user_id: Told<String>,
    user: Option<Object<RawUser>>,
}

#[derive(Deserialize)]
struct RawUser {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
}

/// The answer of `GET /v1/me`, as far as it is read: with an API key there is no session.
#[derive(Deserialize)]
struct RawMe {
    session: Option<Object<RawSession>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSession {
    expires_at: Option<String>,
}

/// The answer of `GET /v1/org`, as far as it is read.
#[derive(Deserialize)]
struct RawContext {
    organization: Object<RawOrganization>,
}

#[derive(Deserialize)]
struct RawOrganizations {
    orgs: Vec<Object<RawOrganization>>,
}

#[derive(Deserialize)]
struct RawOrganization {
    id: String,
    name: Option<String>,
    role: Option<String>,
}

/// Nothing but an object.
#[derive(Deserialize)]
struct RawAny {}

/// A key. Null as last use is read as *never* here; only the whole answer tells whether that holds.
pub(super) fn key(item: &[u8]) -> Result<KeyFacts, Refused> {
    let raw: RawKey = wire::element(item)?;
    Ok(KeyFacts {
        id: wire::id(&raw.id, "id")?,
        kind: KeyKind::Organization,
        name: wire::text(raw.name),
        hint: raw.start.as_deref().and_then(Hint::new),
        // Always a person: the server has no keys of service accounts.
        owner: raw.owner.map(|Object(owner)| user(&owner.user_id, "owner.userId", owner.name, owner.email)).transpose()?,
        owner_access: None,
        organization: None,
        created_at: Some(wire::rfc3339(&raw.created_at, "createdAt")?),
        last_used: raw.last_request.moment(|at| wire::rfc3339(&at, "lastRequest"))?,
        expires: raw.expires_at.moment(|at| wire::rfc3339(&at, "expiresAt"))?,
        enabled: raw.enabled,
    })
}

fn user(id: &str, field: &'static str, name: Option<impl AsRef<str>>, email: Option<impl AsRef<str>>) -> Result<Owner, Refused> {
    Ok(Owner { kind: OwnerKind::User, id: wire::id(id, field)?, name: wire::text(name), email: wire::text(email) })
}

/// A member; who was invited and has not joined has no user id.
pub(super) fn member(item: &[u8]) -> Result<Item, Refused> {
    let raw: RawMember = wire::element(item)?;
    let (nested, name, email) = match raw.user {
        Some(Object(user)) => (user.id, user.name, user.email),
        None => (None, None, None),
    };
    let id = match (raw.user_id, nested) {
        (Told::Value(id), Some(nested)) if id != nested => {
            return Err(Refused::new(ItemReason::Malformed, "userId and user.id differ"));
        }
        (Told::Value(id), _) | (Told::Absent | Told::Null, Some(id)) => id,
        (Told::Null, None) => return Ok(Item::Skipped),
        (Told::Absent, None) => return Err(Refused::new(ItemReason::Malformed, "missing field `userId`")),
    };
    let Owner { kind, id, name, email } = user(&id, "userId", name, email)?;
    Ok(Item::Person(Box::new(Person { id, kind, name, email })))
}

/// When the session that was signed in with expires, where there is one.
pub(super) fn session_expires(answer: &Answer<'_>) -> Result<Option<Time>, Failure> {
    let RawMe { session } = wire::rest(answer)?;
    let told = session.and_then(|Object(session)| session.expires_at);
    let read = |text: String| wire::rfc3339(&text, "session.expiresAt");
    told.map(read).transpose().map_err(|refused| Failure::new(Reason::Malformed, refused.detail))
}

/// The organisation that `GET /v1/org` is about.
pub(super) fn shown_organization(answer: &Answer<'_>) -> Result<Organization, Failure> {
    let RawContext { organization: Object(raw) } = wire::rest(answer)?;
    organization(raw)
}

/// The one organisation of `GET /v1/me/orgs` whose keys the credential may list.
pub(super) fn the_organization(answer: &Answer<'_>) -> Result<Organization, Failure> {
    let RawOrganizations { orgs } = wire::rest(answer)?;
    let seen = orgs.len();
    let mut administered: Vec<Organization> = Vec::new();
    for Object(raw) in orgs {
        if raw.role.as_deref().is_none_or(administers) {
            let found = organization(raw)?;
            if administered.iter().all(|known| known.id != found.id) {
                administered.push(found);
            }
        }
    }
    match (administered.pop(), administered.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            administered.push(last);
            Err(Failure::new(Reason::OrganizationAmbiguous, ambiguity(&administered)))
        }
        (None, _) => {
            let detail = format!("needs owner or admin of an organisation; the credential is neither in any of {seen}");
            Err(Failure::new(Reason::Forbidden, detail))
        }
    }
}

/// A role may be several, separated by commas.
fn administers(roles: &str) -> bool {
    roles.split(',').any(|role| matches!(role.trim(), "owner" | "super-admin" | "admin"))
}

fn ambiguity(organizations: &[Organization]) -> String {
    let mut named: Vec<String> = organizations
        .iter()
        .take(NAMED)
        .map(|o| o.name.as_ref().map_or_else(|| o.id.to_string(), |name| format!("{} ({name})", o.id)))
        .collect();
    if organizations.len() > NAMED {
        named.push(format!("{} more", organizations.len() - NAMED));
    }
    format!(
        "the credential administers {} organisations; set organization_id to one of {}",
        organizations.len(),
        named.join(", ")
    )
}

fn organization(raw: RawOrganization) -> Result<Organization, Failure> {
    let id = super::organization_id(&raw.id)
        .ok_or_else(|| Failure::new(Reason::Malformed, "the id of an organisation is not of the documented form"))?;
    Ok(Organization { id, name: wire::text(raw.name) })
}

/// Checks that the rest of an answer is an object.
pub(super) fn well_formed(answer: &Answer<'_>) -> Result<(), Failure> {
    wire::rest::<RawAny>(answer).map(|RawAny {}| ())
}
