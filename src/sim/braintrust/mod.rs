//! The front of Braintrust, as its OpenAPI document and its articles on impersonation describe it.
//!
//! Every list is `{"objects":[…]}`, newest first, and says nothing of what follows. Where no source tells how Braintrust
//! behaves, the front does what is worst for whoever trusts it.

mod caller;
mod handle;
mod keys;
mod paging;
mod people;
pub(super) mod quirks;
mod records;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;

use super::serve::{Ask, Refusal, Shared, json as answer};
use crate::domain::Time;
use caller::Asked;
pub use caller::{GRANTED_TOKEN_ENDS, GRANTED_TOKEN_STARTS};
pub use handle::BraintrustOrganization;
use paging::{Page, Place};
use quirks::{Quirk, Quirks};

/// Below this every path of the front lies.
pub(super) const BASE: &str = "/braintrust";

pub(super) fn router() -> Router<Arc<Shared>> {
    let paths: [(&str, MethodRouter<Arc<Shared>>); 12] = [
        ("/v1/api_key", get(keys::keys)),
        ("/v1/api_key/{api_key_id}", get(keys::key)),
        ("/v1/organization/api_keys", get(keys::organization_keys)),
        ("/v1/user", get(people::users)),
        ("/v1/organization", get(organizations)),
        ("/v1/service_token", get(service_tokens)),
        ("/v1/group", get(groups)),
        ("/v1/role", get(roles)),
        ("/v1/acl", get(acls)),
        ("/v1/acl/list_org", get(all_acls)),
        ("/v1/impersonate", post(people::impersonate)),
        ("/api/self/me", get(people::me).post(people::me_by_post)),
    ];
    paths.into_iter().fold(Router::new(), |router, (path, handler)| router.route(&format!("{BASE}{path}"), handler))
}

/// Errors are plain text.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    typed(status, "text/plain; charset=utf-8", text.to_owned())
}

pub(super) fn unauthorized() -> Response {
    error(StatusCode::UNAUTHORIZED, "No valid API key or token was provided")
}

/// Messages of the server can end in whom and when they concern.
pub(super) fn forbidden() -> Response {
    let text =
        "Forbidden: you do not have permission to do this [user_email=someone@harbourvale.example] [timestamp=1700000000.5]";
    error(StatusCode::FORBIDDEN, text)
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Not Found")
}

fn bad(text: &str) -> Refusal {
    error(StatusCode::BAD_REQUEST, text).into()
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// All of a request but its body.
struct Question {
    shared: Arc<Shared>,
    ask: Ask,
    quirks: Quirks,
    headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl FromRequestParts<Arc<Shared>> for Question {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Infallible> {
        Ok(Self {
            shared: Arc::clone(shared),
            ask: parts.extensions.get().copied().unwrap_or(Ask { wrong_organization: false }),
            quirks: parts.extensions.get().cloned().unwrap_or_default(),
            headers: parts.headers.clone(),
            query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        })
    }
}

impl Question {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or_default())
    }

    /// That value is asked for, or none of its kind is.
    fn wants(&self, name: &str, value: &str) -> bool {
        let mut given = self.query.iter().filter(|(n, _)| n == name).peekable();
        given.peek().is_none() || given.any(|(_, wanted)| wanted == value)
    }
}

type Answered = Result<Response, Refusal>;

fn list<T>(items: &[T], each: usize, mut push: impl FnMut(&mut String, &T)) -> Response {
    let mut out = String::with_capacity(32 + items.len() * each);
    out.push_str(r#"{"objects":["#);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        push(&mut out, item);
    }
    out.push_str("]}");
    answer(StatusCode::OK, out)
}

/// The page of a short list of whatever, which is newest first already.
fn values(question: &Question, name_parameter: &str, all: Vec<Value>) -> Answered {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let wanted = all
        .into_iter()
        .filter(|value| question.wants("ids", &text(value, "id")) && question.wants(name_parameter, &text(value, "name")));
    let wanted: Vec<Value> = wanted.collect();
    let placed: Vec<(Place, &Value)> = (0u32..)
        .zip(&wanted)
        .map(|(at, value)| (Place { created: Time::from_unix(0), neighbour: false, number: u32::MAX - at }, value))
        .collect();
    let find = |id: &str| placed.iter().find(|(_, value)| value["id"] == id).map(|(place, _)| *place);
    let page = Page::of(question)?.cut(&placed, |(place, _)| *place, find)?;
    Ok(list(page, 400, |out, (_, value)| out.push_str(&value.to_string())))
}

async fn organizations(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let scope = asked.scope(asked.caller()?);
    values(&question, "org_name", scope.into_iter().rev().map(|n| records::organization(asked.world(n))).collect())
}

async fn service_tokens(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let mut tokens = Vec::new();
    for neighbour in asked.for_owners()? {
        let world = asked.world(neighbour);
        for number in world.braintrust.tokens.iter().rev() {
            let mut out = String::new();
            records::push_service_token(&mut out, world, *number);
            tokens.push(serde_json::from_str(&out).unwrap_or_default());
        }
    }
    values(&question, "service_token_name", tokens)
}

async fn groups(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let scope = asked.scope(asked.caller()?);
    values(&question, "group_name", scope.into_iter().flat_map(|n| records::groups(asked.world(n))).collect())
}

async fn roles(question: Question) -> Answered {
    let asked = Asked::of(&question);
    asked.caller()?;
    values(&question, "role_name", records::roles(asked.world(false)))
}

fn acls_of(asked: &Asked<'_>) -> Result<Vec<Value>, Refusal> {
    let direct = !asked.question.quirks.has(&Quirk::ImpersonationRefused);
    let mut acls: Vec<Value> = asked.for_owners()?.into_iter().flat_map(|n| records::acls(asked.world(n), direct)).collect();
    let fields = ["object_type", "object_id", "user_id", "group_id", "permission", "role_id"];
    acls.retain(|acl| fields.iter().all(|field| asked.question.wants(field, acl[*field].as_str().unwrap_or_default())));
    Ok(acls)
}

async fn acls(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let acls = acls_of(&asked)?;
    if question.parameter("object_type").is_none() || question.parameter("object_id").is_none() {
        return Err(bad("object_type and object_id are required"));
    }
    values(&question, "name", acls)
}

/// A bare array, other than all the lists.
async fn all_acls(question: Question) -> Answered {
    let asked = Asked::of(&question);
    Ok(answer(StatusCode::OK, Value::from(acls_of(&asked)?).to_string()))
}
