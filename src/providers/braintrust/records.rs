//! Braintrust's records as they come, and what they become. Its OpenAPI document marks few fields as required; all others may
//! be null or absent, which mean the same.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::requests::{AFTER, ORG_NAME};
use crate::domain::{
    Failure, Hint, KeyFacts, KeyKind, Moment, Organization, Owner, OwnerKind, Person, Reason, Refused, RemoteId, Text,
};
use crate::providers::wire::{self, Object, Words};
use crate::providers::{Answer, End, Fetch, Learnt, Next};

/// How many organisations an ambiguity names.
const NAMED: usize = 20;

/// `ApiKey` of the OpenAPI document.
#[derive(Deserialize)]
struct RawKey<'a> {
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    preview_name: Words<'a>,
    #[serde(borrow)]
    created: Option<Words<'a>>,
    #[serde(borrow)]
    user_id: Option<Words<'a>>,
    #[serde(borrow)]
    user_email: Option<Words<'a>>,
    #[serde(borrow)]
    user_given_name: Option<Words<'a>>,
    #[serde(borrow)]
    user_family_name: Option<Words<'a>>,
    #[serde(borrow)]
    org_id: Option<Words<'a>>,
}

/// `ServiceToken`.
#[derive(Deserialize)]
struct RawToken {
    id: String,
    name: String,
    preview_name: String,
    created: Option<String>,
    service_account_id: Option<String>,
    service_account_email: Option<String>,
    service_account_name: Option<String>,
    org_id: Option<String>,
}

/// `User`.
#[derive(Deserialize)]
struct RawUser {
    id: String,
    given_name: Option<String>,
    family_name: Option<String>,
    email: Option<String>,
}

/// The answer of `/api/self/me`, as far as it is read.
#[derive(Deserialize)]
struct RawSelf {
    id: String,
    organizations: Option<Vec<Object<RawOrganization>>>,
}

#[derive(Deserialize)]
struct RawList<T> {
    objects: Vec<Object<T>>,
}

/// `Organization`.
#[derive(Deserialize)]
struct RawOrganization {
    id: String,
    name: Option<String>,
}

/// `Group`. The members of the groups in it are members of groups of the same list.
#[derive(Deserialize)]
struct RawGroup {
    id: String,
    org_id: String,
    member_users: Option<Vec<String>>,
    deleted_at: Option<String>,
}

/// A key asked for by its id.
#[derive(Deserialize)]
struct RawOne {
    id: String,
    user_id: Option<String>,
}

/// Nothing but an object.
#[derive(Deserialize)]
struct RawAny {}

/// A key of a member. Neither its use nor its end is told anywhere.
pub(super) fn api_key(item: &[u8]) -> Result<KeyFacts, Refused> {
    let raw: RawKey = wire::element(item)?;
    let owner = |id: &str| {
        Ok(Owner {
            kind: OwnerKind::User,
            id: wire::id(id, "user_id")?,
            name: full_name(raw.user_given_name.as_deref(), raw.user_family_name.as_deref()),
            email: wire::text(raw.user_email),
        })
    };
    let owner = raw.user_id.as_deref().map(owner).transpose()?;
    facts(KeyKind::Personal, &raw.id, &raw.name, &raw.preview_name, raw.created.as_deref(), owner, raw.org_id.as_deref())
}

/// A token of a service account.
pub(super) fn service_token(item: &[u8]) -> Result<KeyFacts, Refused> {
    let raw: RawToken = wire::element(item)?;
    let owner = |id: &str| {
        Ok(Owner {
            kind: OwnerKind::ServiceAccount,
            id: wire::id(id, "service_account_id")?,
            name: wire::text(raw.service_account_name),
            email: wire::text(raw.service_account_email),
        })
    };
    let owner = raw.service_account_id.as_deref().map(owner).transpose()?;
    facts(KeyKind::ServiceToken, &raw.id, &raw.name, &raw.preview_name, raw.created.as_deref(), owner, raw.org_id.as_deref())
}

fn facts(
    kind: KeyKind,
    id: &str,
    name: &str,
    mask: &str,
    created: Option<&str>,
    owner: Option<Owner>,
    organization: Option<&str>,
) -> Result<KeyFacts, Refused> {
    Ok(KeyFacts {
        id: wire::id(id, "id")?,
        kind,
        name: wire::text(Some(name)),
        hint: Hint::new(mask),
        owner,
        owner_access: None,
        organization: organization.map(|id| wire::id(id, "org_id")).transpose()?,
        created_at: created.map(|at| wire::rfc3339(at, "created")).transpose()?,
        last_used: Moment::NotReported,
        expires: Moment::NotReported,
        enabled: true,
    })
}

/// A member. The list may hold service accounts too; nothing in the record tells.
pub(super) fn person(item: &[u8]) -> Result<Person, Refused> {
    let raw: RawUser = wire::element(item)?;
    Ok(Person {
        id: wire::id(&raw.id, "id")?,
        kind: OwnerKind::User,
        name: full_name(raw.given_name.as_deref(), raw.family_name.as_deref()),
        email: wire::text(raw.email),
    })
}

fn full_name(given: Option<&str>, family: Option<&str>) -> Option<Text> {
    let parts: Vec<&str> = [given, family].into_iter().flatten().map(str::trim).filter(|p| !p.is_empty()).collect();
    wire::text(Some(parts.join(" ")))
}

/// Whom the server takes us for, and, of ourselves, which organisations those are.
pub(super) fn caller(fetch: &Fetch, answer: &Answer<'_>) -> Result<Learnt, Failure> {
    let raw: RawSelf = wire::rest(answer)?;
    let caller = Some(id(&raw.id, "self/me has no plain id")?);
    if fetch.subject.member.is_some() {
        return Ok(Learnt { caller, ..Learnt::default() });
    }
    let organizations =
        raw.organizations.map(|all| all.into_iter().map(|Object(raw)| organization(raw)).collect()).transpose()?;
    Ok(Learnt { caller, organizations, ..Learnt::default() })
}

/// A page of organisations: the one that is asked for by name, or the only one.
pub(super) fn organizations(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let RawList::<RawOrganization> { objects } = wire::rest(answer)?;
    let parameter = |name| fetch.query.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
    let (wanted, before) = (parameter(ORG_NAME), parameter(AFTER));
    let last = objects.last().map(|Object(raw)| raw.id.clone());
    let mut found: Vec<Organization> = Vec::new();
    for Object(raw) in objects {
        // A server that knows no such parameter answers with all of them.
        if wanted.is_none_or(|name| raw.name.as_deref() == Some(name)) {
            let seen = organization(raw)?;
            if found.iter().all(|known| known.id != seen.id) {
                found.push(seen);
            }
        }
    }
    // Where none is named, one more on a later page is one too many.
    let others = wanted.is_none() && found.iter().any(|seen| before.is_some_and(|before| before != seen.id.as_str()));
    if found.len() > 1 || others {
        return Err(Failure::new(Reason::OrganizationAmbiguous, ambiguity(&found)));
    }
    match (found.pop(), last) {
        (Some(only), _) if wanted.is_some() => {
            Ok(End { next: Next::Done, learnt: Learnt { organization: Some(only), ..Learnt::default() } })
        }
        (only, Some(last)) => {
            let next = following(fetch, &last)?;
            Ok(End { learnt: Learnt { organization: only.filter(|_| wanted.is_none()), ..Learnt::default() }, ..next })
        }
        (_, None) if wanted.is_some() => Err(Failure::new(
            Reason::Forbidden,
            "the credential sees no organisation of that name; check org_name, and whose API key this is",
        )),
        (_, None) if before.is_none() => Err(Failure::new(Reason::Forbidden, "the credential sees no organisation")),
        (_, None) => Ok(End::done()),
    }
}

fn ambiguity(seen: &[Organization]) -> String {
    let shown = |o: &Organization| o.name.as_ref().map_or_else(|| o.id.to_string(), |name| format!("{name} ({})", o.id));
    let mut named: Vec<String> = seen.iter().take(NAMED).map(shown).collect();
    if seen.len() > NAMED {
        named.push(format!("{} more", seen.len() - NAMED));
    }
    format!("the credential sees several organisations; set org_name to that of one of them, such as {}", named.join(", "))
}

fn organization(raw: RawOrganization) -> Result<Organization, Failure> {
    Ok(Organization { id: id(&raw.id, "an organisation has no plain id")?, name: wire::text(raw.name) })
}

/// A page of groups: the members that they name.
pub(super) fn group_members(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let RawList::<RawGroup> { objects } = wire::rest(answer)?;
    let Some(last) = objects.last().map(|Object(raw)| raw.id.clone()) else { return Ok(End::done()) };
    let ours = |org_id: &str| fetch.subject.organization.as_ref().is_none_or(|ours| ours.as_str() == org_id);
    let mut members = BTreeSet::new();
    for Object(group) in objects.into_iter().filter(|Object(group)| group.deleted_at.is_none() && ours(&group.org_id)) {
        for member in group.member_users.into_iter().flatten() {
            members.insert(id(&member, "a member of a group has no plain id")?);
        }
    }
    Ok(End { learnt: Learnt { members, ..Learnt::default() }, ..following(fetch, &last)? })
}

/// The answer of a key asked for by its id: 200 proves it only where it is that key, of that member.
pub(super) fn same_key(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let raw: RawOne = wire::rest(answer)?;
    let is_it = fetch.path.rsplit('/').next() == Some(raw.id.as_str());
    let whose = fetch.subject.member.as_ref().zip(raw.user_id.as_deref());
    if is_it && whose.is_none_or(|(member, owner)| member.as_str() == owner) {
        Ok(End::done())
    } else {
        Err(Failure::new(Reason::AttributionMismatch, "the answer is about another key or another member's"))
    }
}

/// Checks that the rest of an answer is an object.
pub(super) fn well_formed(answer: &Answer<'_>) -> Result<(), Failure> {
    wire::rest::<RawAny>(answer).map(|RawAny {}| ())
}

/// A page of a list that is read as a whole; there was something on it.
fn following(fetch: &Fetch, last: &str) -> Result<End, Failure> {
    wire::paged(fetch, AFTER, 1, true, [Some(last), None, None])
}

fn id(raw: &str, complaint: &'static str) -> Result<RemoteId, Failure> {
    RemoteId::new(raw).ok_or_else(|| Failure::new(Reason::Malformed, complaint))
}
