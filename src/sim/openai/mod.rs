//! The front of OpenAI's administration API, as its OpenAPI document and field notes describe it.

mod records;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::Deserialize;

use crate::sim::serve::{Ask, Refusal, Shared, json};
use crate::sim::world::{Home, Key, Person, Project, World, index};
use records::{push_admin_key, push_project, push_project_key, push_service_account, push_user};

/// Below this every path of the front lies.
pub(in crate::sim) const BASE: &str = "/openai/v1";

pub(in crate::sim) fn router() -> Router<Arc<Shared>> {
    let paths: [(&str, MethodRouter<Arc<Shared>>); 9] = [
        ("/organization/projects", get(projects)),
        ("/organization/projects/{project_id}", get(project)),
        ("/organization/projects/{project_id}/api_keys", get(project_keys)),
        ("/organization/projects/{project_id}/api_keys/{api_key_id}", get(project_key)),
        ("/organization/projects/{project_id}/service_accounts", get(service_accounts)),
        ("/organization/admin_api_keys", get(admin_keys)),
        ("/organization/admin_api_keys/{key_id}", get(admin_key)),
        ("/organization/users", get(users)),
        ("/organization/users/{user_id}", get(user)),
    ];
    paths.into_iter().fold(Router::new(), |router, (path, handler)| router.route(&format!("{BASE}{path}"), handler))
}

/// An error as documented: `{"error":{"message","type","param","code"}}`.
pub(in crate::sim) fn error(status: StatusCode, code: Option<&str>, param: Option<&str>, message: &str) -> Response {
    let kind = if status == StatusCode::TOO_MANY_REQUESTS { "requests" } else { "invalid_request_error" };
    let body = serde_json::json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
    json(status, body.to_string())
}

/// Refusals whose `error` is a plain string, as captured for missing scopes.
pub(in crate::sim) fn missing_scope() -> Response {
    let text = "You have insufficient permissions for this operation. Missing scopes: api.management.read. \
        Check that you have the correct role in your organization, and if you're using a restricted API key, that it has the necessary scopes.";
    json(StatusCode::FORBIDDEN, serde_json::json!({ "error": text }).to_string())
}

pub(in crate::sim) fn unauthorized() -> Response {
    error(StatusCode::UNAUTHORIZED, Some("invalid_api_key"), None, "Incorrect API key provided.")
}

pub(in crate::sim) fn not_found(what: &str) -> Response {
    error(StatusCode::NOT_FOUND, Some("not_found"), None, what)
}

pub(in crate::sim) fn unknown(uri: &Uri) -> Response {
    error(StatusCode::NOT_FOUND, None, None, &format!("Invalid URL (GET {})", uri.path()))
}

type Answered = Result<Response, Refusal>;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Paging {
    limit: Option<String>,
    after: Option<String>,
    order: Option<String>,
    include_archived: Option<String>,
    owner_project_access: Option<String>,
}

impl Paging {
    /// 1 to 100, 20 where it is not given.
    fn limit(&self) -> Result<usize, Refusal> {
        let Some(text) = &self.limit else { return Ok(20) };
        text.parse().ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
            let message = format!("Invalid 'limit': expected an integer of 1 to 100, but got {text} instead.");
            error(StatusCode::BAD_REQUEST, Some("invalid_value"), Some("limit"), &message).into()
        })
    }

    /// The place after the cursor, which `find` looks for.
    fn start(&self, find: impl FnOnce(&str) -> Option<usize>) -> Result<usize, Refusal> {
        let Some(after) = &self.after else { return Ok(0) };
        find(after).ok_or_else(|| {
            let message = format!("No such object: {after}");
            error(StatusCode::BAD_REQUEST, Some("invalid_value"), Some("after"), &message).into()
        })
    }
}

fn choice<T: Copy>(given: Option<&str>, name: &'static str, known: &[(Option<&str>, T)]) -> Result<T, Refusal> {
    known.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or_else(|| {
        let message = format!("Invalid value: '{}'.", given.unwrap_or_default());
        error(StatusCode::BAD_REQUEST, Some("invalid_value"), Some(name), &message).into()
    })
}

/// Only the simulation's own admin key opens anything; a project key is told what it lacks.
fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.strip_prefix("Bearer ").unwrap_or_default();
    if shared.is_admin_key(token) {
        let now = shared.clock.now();
        if shared.use_own(|world| world.own_admin_key, now) {
            return Ok(());
        }
    }
    if token.starts_with("sk-proj-") || token.starts_with("sk-svcacct-") {
        return Err(missing_scope().into());
    }
    if token.is_empty() {
        let message =
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.";
        return Err(error(StatusCode::UNAUTHORIZED, None, None, message).into());
    }
    Err(unauthorized().into())
}

/// Writes `{"object":"list",…}` around the elements; ids are those of the first and the last.
fn list<T>(
    items: &[T],
    has_more: bool,
    each: usize,
    mut push: impl FnMut(&mut String, &T),
    id: impl Fn(&T) -> String,
) -> Response {
    let mut out = String::with_capacity(200 + items.len() * each);
    out.push_str(r#"{"object":"list","data":["#);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        push(&mut out, item);
    }
    out.push_str("],");
    for (field, item) in [("first_id", items.first()), ("last_id", items.last())] {
        let value = item.map_or_else(|| "null".to_owned(), |item| format!("\"{}\"", id(item)));
        out.push_str(&format!("\"{field}\":{value},"));
    }
    out.push_str(if has_more { r#""has_more":true}"# } else { r#""has_more":false}"# });
    json(StatusCode::OK, out)
}

/// Cuts the page that was asked for out of the whole list.
fn page<T>(all: &[T], start: usize, limit: usize) -> (&[T], bool) {
    let rest = all.get(start..).unwrap_or_default();
    (&rest[..limit.min(rest.len())], rest.len() > limit)
}

async fn projects(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    query: Query<Paging>,
) -> Answered {
    admit(&shared, &headers)?;
    let limit = query.limit()?;
    let archived_too = choice(
        query.include_archived.as_deref(),
        "include_archived",
        &[(None, false), (Some("false"), false), (Some("true"), true)],
    )?;
    let world = shared.world(ask);
    let all: Vec<&Project> = world.projects.iter().filter(|p| p.listed && (archived_too || p.archived.is_none())).collect();
    let start = query.start(|after| {
        let number = world.project_number(after)?;
        let cursor = world.projects.get(index(number))?;
        // Projects are never deleted, so the order of the table is that of the list.
        Some(all.partition_point(|p| std::ptr::from_ref(*p) <= std::ptr::from_ref(cursor)))
    })?;
    let (items, has_more) = page(&all, start, limit);
    Ok(list(items, has_more, 220, |out, project| push_project(out, project), |project| project.id.clone()))
}

async fn project(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    admit(&shared, &headers)?;
    let world = shared.world(ask);
    let mut out = String::new();
    push_project(&mut out, find_project(&world, &id)?);
    Ok(json(StatusCode::OK, out))
}

fn find_project<'a>(world: &'a World, id: &str) -> Result<&'a Project, Refusal> {
    let found = world.project_number(id).and_then(|number| world.projects.get(index(number)));
    found.ok_or_else(|| not_found(&format!("No project found with id '{id}'.")).into())
}

async fn project_keys(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Query<Paging>,
) -> Answered {
    admit(&shared, &headers)?;
    let limit = query.limit()?;
    // Left out, visibility follows membership: keys of owners without access drop out.
    let wanted: Option<bool> = choice(
        query.owner_project_access.as_deref(),
        "owner_project_access",
        &[(None, Some(true)), (Some("active"), Some(true)), (Some("inactive"), Some(false)), (Some("any"), None)],
    )?;
    let world = shared.world(ask);
    let keys = &listing_project(&world, &id)?.keys;
    let start = query.start(|after| world.key_number(after).map(|cursor| keys.partition_point(|number| *number <= cursor)))?;
    let mut found = keys.get(start..).unwrap_or_default().iter().filter_map(|number| {
        let key = world.key(*number)?;
        wanted.is_none_or(|access| world.has_access(key) == access).then_some((*number, key))
    });
    let items: Vec<(u32, &Key)> = found.by_ref().take(limit).collect();
    let has_more = found.next().is_some();
    Ok(list(
        &items,
        has_more,
        460,
        |out, (number, key)| push_project_key(out, &world, *number, key),
        |(number, _)| world.key_id(*number),
    ))
}

/// The project, unless it answers 404 for its keys.
fn listing_project<'a>(world: &'a World, id: &str) -> Result<&'a Project, Refusal> {
    let project = find_project(world, id)?;
    if project.refuses_keys { Err(not_found(&format!("Project '{id}' not found or archived.")).into()) } else { Ok(project) }
}

async fn project_key(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path((project, id)): Path<(String, String)>,
) -> Answered {
    admit(&shared, &headers)?;
    let world = shared.world(ask);
    listing_project(&world, &project)?;
    let home = world.project_number(&project).map(Home::Project);
    let (number, key) = existing(&world, &id).filter(|(_, key)| Some(key.home) == home).ok_or_else(|| no_key(&id))?;
    let mut out = String::new();
    push_project_key(&mut out, &world, number, key);
    Ok(json(StatusCode::OK, out))
}

fn existing<'a>(world: &'a World, id: &str) -> Option<(u32, &'a Key)> {
    let number = world.key_number(id)?;
    world.key(number).filter(|key| key.exists).map(|key| (number, key))
}

fn no_key(id: &str) -> Response {
    not_found(&format!("No API key found with id '{id}'."))
}

async fn admin_keys(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    query: Query<Paging>,
) -> Answered {
    admit(&shared, &headers)?;
    let limit = query.limit()?;
    let newest_first = choice(query.order.as_deref(), "order", &[(None, false), (Some("asc"), false), (Some("desc"), true)])?;
    let world = shared.world(ask);
    let place = |number: u32| world.key(number).map(|key| (key.created, number));
    let mut all: Vec<u32> = world.admin.iter().chain(&world.leaked).copied().collect();
    all.sort_by_key(|number| place(*number));
    if newest_first {
        all.reverse();
    }
    let start = query.start(|after| {
        let cursor = place(world.key_number(after)?);
        Some(all.partition_point(|number| if newest_first { place(*number) >= cursor } else { place(*number) <= cursor }))
    })?;
    let (items, has_more) = page(&all, start, limit);
    Ok(list(items, has_more, 380, |out, number| push_admin_key(out, &world, *number), |number| world.key_id(*number)))
}

async fn admin_key(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    admit(&shared, &headers)?;
    let world = shared.world(ask);
    let (number, _) =
        existing(&world, &id).filter(|(_, key)| key.home == Home::Admin || key.leaked).ok_or_else(|| no_key(&id))?;
    let mut out = String::new();
    push_admin_key(&mut out, &world, number);
    Ok(json(StatusCode::OK, out))
}

async fn users(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    query: Query<Paging>,
) -> Answered {
    admit(&shared, &headers)?;
    let limit = query.limit()?;
    let world = shared.world(ask);
    let here = world.people.iter().filter(|p| p.left.is_none());
    let start = query.start(|after| {
        let cursor = world.people.iter().position(|p| p.user_id == after)?;
        Some(world.people.iter().take(cursor + 1).filter(|p| p.left.is_none()).count())
    })?;
    let all: Vec<&Person> = here.collect();
    let (items, has_more) = page(&all, start, limit);
    Ok(list(items, has_more, 240, |out, person| push_user(out, person), |person| person.user_id.clone()))
}

async fn user(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answered {
    admit(&shared, &headers)?;
    let world = shared.world(ask);
    let found = world.people.iter().find(|p| p.user_id == id && p.left.is_none());
    let mut out = String::new();
    push_user(&mut out, found.ok_or_else(|| not_found(&format!("No user found with id '{id}'.")))?);
    Ok(json(StatusCode::OK, out))
}

/// Service accounts of archived projects are refused with 400, other than their keys.
async fn service_accounts(
    State(shared): State<Arc<Shared>>,
    Extension(ask): Extension<Ask>,
    headers: HeaderMap,
    Path(id): Path<String>,
    query: Query<Paging>,
) -> Answered {
    admit(&shared, &headers)?;
    let limit = query.limit()?;
    let world = shared.world(ask);
    if find_project(&world, &id)?.archived.is_some() {
        let message = format!("Project '{id}' is archived.");
        return Err(error(StatusCode::BAD_REQUEST, Some("project_archived"), None, &message).into());
    }
    let project = world.project_number(&id);
    let all: Vec<_> = world.services.iter().filter(|service| Some(service.project) == project).collect();
    let start = query.start(|after| all.iter().position(|service| service.id == after).map(|at| at + 1))?;
    let (items, has_more) = page(&all, start, limit);
    Ok(list(items, has_more, 200, |out, service| push_service_account(out, service), |service| service.id.clone()))
}
