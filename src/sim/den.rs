//! The front of OpenWork's Den, as a recorded server behaves: one answer, no pages, and no word on whose it is.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::ids::Sort;
use super::json::push_iso;
use super::serve::{Ask, Refusal, Shared, json as answer};
use super::world::{Key, Owner, Person, Role, World, index};
use crate::domain::Time;

/// Below this every path of the front lies: self-hosted deployments put it under a path as well.
pub(super) const BASE: &str = "/den";
/// Stands in every answer that carries invitations. It is a secret: no log, page, metric or database may show it.
pub const INVITE_TOKEN: &str = "invite-token-canary-7f3a9c2e5b8d1046";

const INVITATION: &str = "inv_01m7zwyznkeyeryn9h2hnt4nq5";
const INVITED: &str = "newcomer@harbourvale.example";

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/den/health", get(async || answer(StatusCode::OK, r#"{"ok":true,"service":"den-api","version":"dev"}"#.into())))
        .route(
            "/den/ready",
            get(async || answer(StatusCode::OK, r#"{"ok":true,"service":"den-api","checks":{"database":"ok"}}"#.into())),
        )
        .route("/den/v1/me", get(me))
        .route("/den/v1/me/orgs", get(my_organizations))
        .route("/den/v1/org", get(organization))
        .route("/den/v1/api-keys", get(keys))
        .route("/den/v1/orgs/{org_id}/api-keys", get(keys_by_path))
}

/// `{"error":"<code>"}`.
pub(super) fn error(status: StatusCode, code: &str) -> Response {
    answer(status, json!({ "error": code }).to_string())
}

pub(super) fn unauthorized() -> Response {
    error(StatusCode::UNAUTHORIZED, "unauthorized")
}

pub(super) fn forbidden() -> Response {
    let message = "Only workspace owners and admins can read API keys.";
    answer(StatusCode::FORBIDDEN, json!({"error": "forbidden", "message": message}).to_string())
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The organisation's owner, who belongs to the neighbour as well. The flag: the neighbour is the active organisation;
    /// otherwise none is, as after a fresh sign-in.
    Owner { neighbour_active: bool },
    /// A plain member of the one organisation.
    Member,
    /// An API key of the owner: bound to the organisation that it was made in.
    ApiKey,
}

/// A good key wins over a good session; a bad key counts for nothing where the session is good.
fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("x-api-key") == shared.credentials.den_api_key {
        let owner_is_here = shared.read_main().people.first().is_some_and(|p| p.left.is_none());
        if owner_is_here && shared.use_own(|world| world.own_den_key, shared.clock.now()) {
            return Ok(Caller::ApiKey);
        }
    }
    let (scheme, token) = text("authorization").split_once(' ').unwrap_or_default();
    let sessions = &shared.credentials;
    let here = |number: u32| shared.read_main().person(number).is_some_and(|p| p.left.is_none());
    let caller = match token {
        _ if !scheme.eq_ignore_ascii_case("bearer") => Err(unauthorized().into()),
        _ if token == sessions.den_session && here(0) => Ok(Caller::Owner { neighbour_active: false }),
        _ if token == sessions.den_session_elsewhere && here(0) => Ok(Caller::Owner { neighbour_active: true }),
        _ if token == sessions.den_member_session && here(MEMBER) => Ok(Caller::Member),
        _ => Err(unauthorized().into()),
    };
    if caller.is_ok() {
        shared.use_session(shared.clock.now());
    }
    caller
}

/// The person of the member's session: the first plain member.
const MEMBER: u32 = 3;

/// `org_` and a lower-case TypeID.
fn is_organization_id(text: &str) -> bool {
    text.strip_prefix("org_").is_some_and(|rest| {
        rest.len() == 26
            && rest.bytes().enumerate().all(|(place, b)| match b {
                b'0'..=b'7' => true,
                b'8' | b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z' => place > 0,
                _ => false,
            })
    })
}

/// Which organisation is meant: true for the neighbour. A malformed header is no header; that is how Den behaves.
fn selected(shared: &Shared, caller: Caller, headers: &HeaderMap, path: Option<&str>) -> Result<bool, Refusal> {
    if caller == Caller::ApiKey {
        return Ok(false);
    }
    let given =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|id| is_organization_id(id));
    let named =
        given("x-openwork-org-id").or(path.filter(|id| is_organization_id(id))).or_else(|| given("x-openwork-legacy-org-id"));
    let none = || error(StatusCode::NOT_FOUND, "organization_not_found");
    match (named, caller) {
        (Some(id), _) if id == shared.read_main().den_organization_id => Ok(false),
        (Some(id), Caller::Owner { .. }) if id == shared.read_neighbour().den_organization_id => Ok(true),
        (Some(_), _) | (None, Caller::Owner { neighbour_active: false }) => Err(none().into()),
        (None, Caller::Owner { neighbour_active: true }) => Ok(true),
        (None, Caller::Member | Caller::ApiKey) => Ok(false),
    }
}

type Answered = Result<Response, Refusal>;

async fn keys(State(shared): State<Arc<Shared>>, Extension(ask): Extension<Ask>, headers: HeaderMap) -> Answered {
    all_keys(&shared, ask, &headers, None)
}

async fn keys_by_path(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    if !id.starts_with("org_") {
        return Err(error(StatusCode::NOT_FOUND, "not_found").into());
    }
    all_keys(&shared, ask, &headers, Some(&id))
}

fn all_keys(shared: &Shared, ask: Ask, headers: &HeaderMap, path: Option<&str>) -> Answered {
    let caller = caller(shared, headers)?;
    let neighbour = selected(shared, caller, headers, path)?;
    if caller == Caller::Member {
        return Err(forbidden().into());
    }
    let world = shared.world(ask.turned(neighbour));
    let mut out = String::with_capacity(32 + world.den.len() * 560);
    out.push_str(r#"{"apiKeys":["#);
    let start_of_own = shared.credentials.den_api_key.get(..6).unwrap_or_default();
    let mut first = true;
    for number in world.den.iter().rev() {
        let Some(key) = world.key(*number).filter(|key| world.is_listed(key)) else { continue };
        if !std::mem::replace(&mut first, false) {
            out.push(',');
        }
        let own = (*number == world.own_den_key).then_some(start_of_own);
        push_key(&mut out, &world, *number, key, own);
    }
    out.push_str("]}");
    Ok(answer(StatusCode::OK, out))
}

fn push_key(out: &mut String, world: &World, number: u32, key: &Key, own_start: Option<&str>) {
    let millis = world.millis(number);
    out.push_str(r#"{"id":""#);
    world.push_key_id(out, number, key);
    out.push_str(r#"","configId":"default","name":"#);
    out.push_str(world.names.get(index(key.name)).map_or("null", |name| &name.json));
    out.push_str(r#","start":""#);
    match own_start {
        Some(start) => out.push_str(start),
        None => {
            out.push_str("den_");
            push_letters(out, world, number, 2);
        }
    }
    out.push_str(r#"","prefix":"den_","enabled":"#);
    out.push_str(if key.enabled { "true" } else { "false" });
    out.push_str(r#","rateLimitEnabled":true,"rateLimitMax":600,"rateLimitTimeWindow":60000,"lastRequest":"#);
    push_iso(out, key.last_used, millis);
    out.push_str(r#","expiresAt":"#);
    push_iso(out, key.expires, millis);
    out.push_str(r#","createdAt":"#);
    push_iso(out, Some(key.created), millis);
    out.push_str(r#","updatedAt":"#);
    push_iso(out, Some(key.last_used.unwrap_or(key.created).max(key.created)), millis);
    out.push_str(r#","owner":"#);
    match key.owner {
        Owner::Person(person) => push_owner(out, world.person(person)),
        Owner::Service(_) => push_owner(out, None),
    }
    out.push('}');
}

fn push_owner(out: &mut String, person: Option<&Person>) {
    let Some(person) = person else { return out.push_str("null") };
    out.push_str(r#"{"userId":""#);
    out.push_str(&person.den_user_id);
    out.push_str(r#"","memberId":""#);
    out.push_str(&person.member_id);
    out.push_str(r#"","name":"#);
    out.push_str(&person.name.json);
    out.push_str(r#","email":"#);
    out.push_str(&person.email.json);
    out.push_str(r#","image":null}"#);
}

/// Letters alone, as Den makes its secrets of.
pub(super) fn push_letters(out: &mut String, world: &World, number: u32, length: u32) {
    for place in 0..length {
        let draw = world.salt.code(Sort::Secret, number.wrapping_mul(97).wrapping_add(place)) % 52;
        let offset = u8::try_from(draw % 26).unwrap_or(0);
        out.push(char::from(if draw < 26 { b'a' } else { b'A' } + offset));
    }
}

fn iso(time: Time) -> Value {
    let mut text = String::new();
    push_iso(&mut text, Some(time), 0);
    Value::from(text.trim_matches('"'))
}

async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answered {
    let caller = caller(&shared, &headers)?;
    let world = shared.read_main();
    let person = world.person(if caller == Caller::Member { MEMBER } else { 0 });
    let user = person.map(|p| {
        json!({"id": p.den_user_id, "name": p.name.text, "email": p.email.text, "emailVerified": true, "image": null,
            "createdAt": iso(p.joined), "updatedAt": iso(p.joined)})
    });
    let active = match caller {
        Caller::Owner { neighbour_active: true } => Some(shared.read_neighbour().den_organization_id.clone()),
        Caller::Owner { neighbour_active: false } => None,
        Caller::Member | Caller::ApiKey => Some(world.den_organization_id.clone()),
    };
    // Sessions live seven days and slide; with a key there is none.
    let session = (caller != Caller::ApiKey).then(|| {
        json!({"expiresAt": iso(world.den_session_until), "userId": person.map(|p| &p.den_user_id),
            "activeOrganizationId": active})
    });
    Ok(answer(StatusCode::OK, json!({"user": user, "session": session}).to_string()))
}

async fn my_organizations(State(shared): State<Arc<Shared>>, Extension(ask): Extension<Ask>, headers: HeaderMap) -> Answered {
    let caller = caller(&shared, &headers)?;
    // With a key, or with the header, only that organisation is shown.
    let only = selected(&shared, caller, &headers, None).ok().filter(|_| {
        caller == Caller::ApiKey || headers.get("x-openwork-org-id").and_then(|v| v.to_str().ok()).is_some_and(is_organization_id)
    });
    let active = match caller {
        Caller::Owner { neighbour_active: false } => only,
        Caller::Owner { neighbour_active: true } => Some(only.unwrap_or(true)),
        Caller::Member | Caller::ApiKey => Some(false),
    };
    let seen: &[bool] = match (caller, only) {
        (_, Some(true)) => &[true],
        (_, Some(false)) | (Caller::Member | Caller::ApiKey, None) => &[false],
        (Caller::Owner { .. }, None) => &[false, true],
    };
    let mut ids = Vec::new();
    let mut organizations = Vec::new();
    for neighbour in seen.iter().copied() {
        let world = shared.world(ask.turned(neighbour));
        let me = world.person(if caller == Caller::Member { MEMBER } else { 0 });
        let id = world.den_organization_id.clone();
        organizations.push(json!({
            "id": id, "name": world.name, "slug": id, "logo": null, "allowedEmailDomains": null,
            "metadata": "{\"limits\":{\"members\":500,\"workers\":10}}", "role": if caller == Caller::Member { "member" } else { "owner" },
            "orgMemberId": me.map(|p| &p.member_id), "membershipId": me.map(|p| &p.member_id),
            "memberCount": world.people.iter().filter(|p| p.left.is_none()).count(),
            "createdAt": iso(world.founded), "updatedAt": iso(world.founded), "isActive": active == Some(neighbour)}));
        ids.push((neighbour, id));
    }
    let active_id = ids.into_iter().find(|(neighbour, _)| Some(*neighbour) == active).map(|(_, id)| id);
    let body = json!({"orgs": organizations, "activeOrgId": active_id, "activeOrgSlug": active_id});
    Ok(answer(StatusCode::OK, body.to_string()))
}

async fn organization(State(shared): State<Arc<Shared>>, Extension(ask): Extension<Ask>, headers: HeaderMap) -> Answered {
    let caller = caller(&shared, &headers)?;
    let world = shared.world(ask.turned(selected(&shared, caller, &headers, None)?));
    let me = if caller == Caller::Member { MEMBER } else { 0 };
    let mut members: Vec<Value> = world.people.iter().filter(|p| p.left.is_none()).map(member).collect();
    members.push(invited(&world));
    let body = json!({
        "organization": {"id": world.den_organization_id, "name": world.name, "slug": world.den_organization_id, "logo": null,
            "createdAt": iso(world.founded), "updatedAt": iso(world.founded),
            "owner": world.people.first().map(|p| json!({"memberId": p.member_id, "userId": p.den_user_id, "name": p.name.text, "email": p.email.text}))},
        "currentMember": world.person(me).map(member),
        "members": members,
        "invitations": [{"id": INVITATION, "email": INVITED, "role": "member",
            "status": "pending", "inviteToken": INVITE_TOKEN, "expiresAt": iso(world.founded.plus(1300 * 86_400))}],
        "roles": [], "teams": [], "currentMemberTeams": []});
    Ok(answer(StatusCode::OK, body.to_string()))
}

fn member(person: &Person) -> Value {
    let role = match person.role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    };
    json!({"id": person.member_id, "userId": person.den_user_id, "inviteId": null, "role": role, "createdAt": iso(person.joined),
        "joinedAt": iso(person.joined), "isOwner": role == "owner",
        "user": {"id": person.den_user_id, "email": person.email.text, "name": person.name.text, "image": null}})
}

/// Somebody who was asked and has not joined: a member without a user.
fn invited(world: &World) -> Value {
    let mut id = String::from("om_");
    world.salt.push_type_id(&mut id, Sort::DenOther, 0, world.founded.unix().unsigned_abs() * 1000);
    json!({"id": id, "userId": null, "inviteId": INVITATION, "role": "member", "createdAt": iso(world.founded), "joinedAt": null,
        "isOwner": false, "user": {"id": null, "email": INVITED, "name": null, "image": null}})
}
