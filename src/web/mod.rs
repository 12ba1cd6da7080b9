//! What people and scrapers see over HTTP: the first page, the metrics, and whether the process is alive and ready.
//!
//! It answers GET and HEAD, changes nothing and asks no provider. It speaks TLS and asks for passwords where a web config file
//! says so; else it belongs on loopback, or behind something that has both.

mod access;
mod cards;
mod connections;
mod guard;
mod page;
mod refusals;
mod sign_in;
mod turns;
mod validity;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::{CONTENT_TYPE, Exposition};
use crate::views::Views;
pub use access::{Access, AccessError};
use page::Page;

/// What is served.
#[derive(Clone)]
pub struct App {
    /// What the page shows.
    pub views: Views,
    /// What `/metrics` answers.
    pub exposition: Exposition,
    /// Stands beside the program's name at the top of the page, such as `demo`; empty for nothing.
    pub title: String,
    /// The page loads itself again after this long, in whole seconds; `None` leaves that to the reader.
    pub refresh: Option<Duration>,
    /// Who may ask, from the next connection on.
    pub access: watch::Receiver<Access>,
}

/// Serves until `stop`, and then for at most some seconds what is under way.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    let access = app.access.clone();
    connections::serve(listener, router(app), access, stop).await;
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || plain(StatusCode::OK, "alive\n")))
        .route("/readyz", get(ready))
        .fallback(async || plain(StatusCode::NOT_FOUND, "not found; there are /, /metrics, /healthz and /readyz\n"))
        .with_state(Arc::new(app))
}

type Shared = State<Arc<App>>;

async fn first_page(State(app): Shared) -> Response {
    let overview = match app.views.overview().await {
        Ok(overview) => overview,
        Err(error) => return unreadable(&error),
    };
    let page = Page::new(&app, &app.views.accounts(), &overview, app.views.clock().now());
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be written");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written; the log says why\n")
        }
    }
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("templates/style.css")).into_response()
}

async fn metrics(State(app): Shared) -> Response {
    let certificate_ends = app.access.borrow().certificate_ends();
    match app.exposition.text(certificate_ends).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => unreadable(&error),
    }
}

/// Says nothing about how fresh the data are: that is what metrics and alerts are for.
async fn ready(State(app): Shared) -> Response {
    match app.views.check().await {
        Ok(()) => plain(StatusCode::OK, "ready\n"),
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "the inventory cannot be read");
    plain(StatusCode::SERVICE_UNAVAILABLE, "the inventory cannot be read; the log says why\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}
