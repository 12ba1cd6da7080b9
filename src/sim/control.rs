//! How tests drive a simulator that runs as a program of its own: `/_sim/…`, for loopback peers alone.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};

use super::faults::Fault;
use super::life::BEAT_SECONDS;
use super::serve::{Peer, Shared, json};
use super::set_faults;
use super::world::World;
use crate::domain::Time;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sim/faults", put(replace_faults).get(show_faults))
        .route("/_sim/step", post(step))
        .route("/_sim/truth", get(truth))
        .route("/_sim/requests", get(requests))
        .route("/_sim/revoke", post(async |s: Shares, q: Parameters| change(s, q, "key", |world, id, _| world.revoke(id))))
        .route("/_sim/leave", post(async |s: Shares, q: Parameters| change(s, q, "user", World::leave)))
        .route("/_sim/archive", post(async |s: Shares, q: Parameters| change(s, q, "project", World::archive)))
        .route(
            "/_sim/unlist_project",
            post(async |s: Shares, q: Parameters| change(s, q, "project", |world, id, _| world.unlist_project(id))),
        )
        .route_layer(middleware::from_fn(loopback_only))
}

async fn loopback_only(ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    if peer.address.ip().to_canonical().is_loopback() {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "only from this machine\n").into_response()
    }
}

type Parameters = Query<HashMap<String, String>>;
type Shares = State<Arc<Shared>>;

async fn replace_faults(State(shared): Shares, text: String) -> Response {
    match Fault::parse_all(&text) {
        Ok(faults) => {
            set_faults(&shared, faults);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

async fn show_faults(State(shared): Shares) -> String {
    let faults = Arc::clone(&shared.faults.read().unwrap_or_else(std::sync::PoisonError::into_inner));
    faults.iter().map(|active| format!("{}\n", active.fault)).collect()
}

/// Lives through that many seconds at once; all that happens is dated now.
async fn step(State(shared): Shares, query: Parameters) -> Response {
    let seconds = query.get("seconds").map_or(Some(BEAT_SECONDS), |text| text.parse().ok());
    let Some(seconds) = seconds.filter(|seconds| *seconds <= 86_400) else {
        return (StatusCode::BAD_REQUEST, "seconds must be a number of at most 86400\n").into_response();
    };
    let now = shared.clock.now();
    let mut world = shared.write_main();
    let events: Vec<String> = (0..seconds.div_ceil(BEAT_SECONDS))
        .flat_map(|_| world.step(now))
        .map(|event| format!("{} {}\n", event.what, event.id))
        .collect();
    events.concat().into_response()
}

async fn truth(State(shared): Shares) -> Response {
    let truth = shared.read_main().truth();
    json(StatusCode::OK, serde_json::to_string(&truth).unwrap_or_default())
}

async fn requests(State(shared): Shares) -> Response {
    json(StatusCode::OK, serde_json::to_string(&shared.asked()).unwrap_or_default())
}

fn change(
    State(shared): Shares,
    query: Parameters,
    parameter: &'static str,
    apply: impl FnOnce(&mut World, &str, Time) -> bool,
) -> Response {
    let Some(id) = query.get(parameter) else {
        return (StatusCode::BAD_REQUEST, format!("needs ?{parameter}=ID\n")).into_response();
    };
    let now = shared.clock.now();
    if apply(&mut shared.write_main(), id, now) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::NOT_FOUND, format!("no {parameter} '{id}'\n")).into_response()
    }
}
