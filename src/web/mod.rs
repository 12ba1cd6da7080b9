//! What people and scrapers see over HTTP: pages, lists of keys as files, the metrics, and whether the process is alive and ready.
//!
//! It answers GET and HEAD, changes nothing and asks no provider. It speaks TLS and asks for passwords where a web config file
//! says so; else it belongs on loopback, or behind something that has both.

mod access;
mod account;
mod accounts;
mod api;
mod as_of;
mod cards;
mod changes;
mod charts;
mod connections;
mod files;
mod form;
mod frame;
mod guard;
mod key;
mod keys;
mod look_back;
mod marks;
mod overview;
mod owners;
mod parameters;
mod policy;
mod query;
mod refusals;
mod refused;
mod sign_in;
mod turns;
mod validity;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::{Text, Time};
use crate::inventory::Stored;
use crate::metrics::{CONTENT_TYPE, Exposition};
use crate::views::shown::number;
use crate::views::{AccountFacts, Overview, Views};
pub use access::{Access, AccessError};
use frame::{Frame, Tab};
use keys::{Vocabulary, unknown};
use parameters::Wrong;
use query::{Parsed, Query};

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
        .route("/", get(overview_page))
        .route(keys::PATH, get(keys_page))
        .route("/keys/{account}/{key_id}", get(key_page))
        .route(owners::PATH, get(owners_page))
        .route(accounts::PATH, get(accounts_page))
        .route("/accounts/{account}", get(account_page))
        .route(policy::PATH, get(policy_page))
        .route(changes::PATH, get(changes_page))
        .route(keys::CSV, get(files::csv))
        .route(keys::JSON, get(files::json))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || plain(StatusCode::OK, "alive\n")))
        .route("/readyz", get(ready))
        .merge(api::routes())
        .fallback(async || {
            let there = "not found; there are /, /keys, /owners, /accounts, /changes, /policy, /keys.csv, /keys.json, /api/v1/openapi.json, /metrics, /healthz and /readyz\n";
            plain(StatusCode::NOT_FOUND, there)
        })
        .with_state(Arc::new(Site { app, files: files::Turn::default(), look_backs: look_back::LookBacks::default() }))
}

/// What every route knows.
struct Site {
    app: App,
    files: files::Turn,
    look_backs: look_back::LookBacks,
}

type Shared = State<Arc<Site>>;

/// What every page is made with.
struct Around {
    facts: Arc<[AccountFacts]>,
    overview: Arc<Overview>,
    now: Time,
}

impl Around {
    /// The names of the accounts in the inventory.
    fn known(&self) -> Vec<String> {
        self.overview.counts.accounts.keys().cloned().collect()
    }
}

impl Site {
    async fn around(&self) -> Result<Around, Response> {
        let views = &self.app.views;
        let overview = views.overview().await.map_err(|error| unreadable(&error))?;
        Ok(Around { facts: views.accounts(), overview, now: views.clock().now() })
    }

    fn frame(&self, around: &Around, tab: Tab, title: &str) -> Frame {
        Frame::new(&self.app, tab, title, &around.facts, &around.overview, around.now)
    }

    /// A sentence instead of a page, which leads back to the tab.
    fn refuse(&self, around: &Around, tab: Tab, status: StatusCode, title: &str, sentence: String) -> Response {
        let page = refused::Page { frame: self.frame(around, tab, title), back: tab.link(), sentence };
        (status, html(&page)).into_response()
    }
}

impl Site {
    /// What was asked for is none of ours.
    fn wrong(&self, around: &Around, tab: Tab, sentence: String) -> Response {
        self.refuse(around, tab, StatusCode::BAD_REQUEST, "This cannot be asked", sentence)
    }

    fn no_such_page(&self, around: &Around, tab: Tab, page: u32, of: &str) -> Response {
        let sentence = format!("There is no page {} of these {of}.", number(u64::from(page) + 1));
        self.refuse(around, tab, StatusCode::NOT_FOUND, "No such page", sentence)
    }
}

async fn overview_page(State(site): Shared) -> Result<Response, Response> {
    let around = site.around().await?;
    let charts = site.app.views.charts().await.map_err(|error| unreadable(&error))?;
    Ok(html(&overview::Page::new(&site.app, &around.facts, &around.overview, &charts, around.now)))
}

async fn keys_page(State(site): Shared, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    let query = match Query::parse(raw.as_deref().unwrap_or_default()) {
        // A form names all of its fields: what was left empty does not belong into the address.
        Ok(Parsed { query, has_blanks: true }) => return Ok(Redirect::to(&query.address(keys::PATH)).into_response()),
        Ok(parsed) => parsed.query,
        Err(Wrong(sentence)) => return Ok(site.wrong(&around, Tab::Keys, sentence)),
    };
    let now = query.as_it_is().address(keys::PATH);
    let shown = match site.keys_shown(&query).await {
        Ok(shown) => shown,
        Err(refused) => return Ok(site.not_shown(&around, Tab::Keys, refused, &now)),
    };
    let words = vocabulary(shown.views()).await?;
    if let Some(sentence) = words.refusal(&query) {
        return Ok(site.wrong(&around, Tab::Keys, sentence));
    }
    let (rows, total) = shown.views().page_of_keys(query.one_page()).await.map_err(|error| unreadable(&error))?;
    if rows.is_empty() && query.page > 0 {
        return Ok(site.no_such_page(&around, Tab::Keys, query.page, "keys"));
    }
    let frame = site.frame(&around, Tab::Keys, "Keys").looking_back(shown.banner(now), query.as_of);
    Ok(html(&keys::Page::new(frame, query, &words, &rows, total, (shown.now(), around.now))))
}

impl Site {
    async fn words(&self) -> Stored<Vocabulary> {
        words(&self.app.views).await
    }
}

async fn vocabulary(views: &Views) -> Result<Vocabulary, Response> {
    words(views).await.map_err(|error| unreadable(&error))
}

async fn words(views: &Views) -> Stored<Vocabulary> {
    Ok(Vocabulary::new(&*views.counts().await?, views.teams().await?))
}

async fn owners_page(State(site): Shared, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    let asked = match owners::Asked::parse(raw.as_deref().unwrap_or_default()) {
        Ok((asked, true)) => return Ok(Redirect::to(&asked.address()).into_response()),
        Ok((asked, false)) => asked,
        Err(Wrong(sentence)) => return Ok(site.wrong(&around, Tab::Owners, sentence)),
    };
    let known = around.known();
    if let Some(sentence) = unknown("account", &asked.accounts, &known) {
        return Ok(site.wrong(&around, Tab::Owners, sentence));
    }
    let now = owners::Asked { as_of: None, page: 0, ..asked.clone() }.address();
    let shown = match site.shown(asked.as_of).await {
        Ok(shown) => shown,
        Err(refused) => return Ok(site.not_shown(&around, Tab::Owners, refused, &now)),
    };
    let owners = shown.views().owners(asked.keys()).await.map_err(|error| unreadable(&error))?;
    let frame = site.frame(&around, Tab::Owners, "Owners").looking_back(shown.banner(now), asked.as_of);
    Ok(match owners::Page::new(frame, &asked, &known, owners, around.now) {
        Some(page) => html(&page),
        None => site.no_such_page(&around, Tab::Owners, asked.page, "owners"),
    })
}

async fn accounts_page(State(site): Shared, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    if let Err(Wrong(sentence)) = parameters::none(raw.as_deref()) {
        return Ok(site.wrong(&around, Tab::Accounts, sentence));
    }
    let frame = site.frame(&around, Tab::Accounts, "Accounts");
    Ok(html(&accounts::Page::new(frame, &around.facts, &around.overview.counts, around.now)))
}

async fn account_page(State(site): Shared, Path(name): Path<String>, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    if let Err(Wrong(sentence)) = parameters::none(raw.as_deref()) {
        return Ok(site.wrong(&around, Tab::Accounts, sentence));
    }
    let (counts, now) = (&around.overview.counts, around.now);
    let facts = around.facts.iter().find(|facts| facts.name == name);
    if facts.is_none() && !counts.accounts.contains_key(&name) {
        let sentence = format!("There is no account “{}” in the config or in the inventory.", Text::clean(&name));
        return Ok(site.refuse(&around, Tab::Accounts, StatusCode::NOT_FOUND, "No such account", sentence));
    }
    let views = &site.app.views;
    let scopes = views.scopes(&name).await.map_err(|error| unreadable(&error))?;
    let waiting = views.waiting(&name).await.map_err(|error| unreadable(&error))?;
    let line = accounts::Line::new(&name, facts, counts, now);
    let frame = site.frame(&around, Tab::Accounts, &name);
    Ok(html(&account::Page::new(frame, line, facts, counts, &scopes, &waiting, now)))
}

async fn policy_page(State(site): Shared, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    if let Err(Wrong(sentence)) = parameters::none(raw.as_deref()) {
        return Ok(site.wrong(&around, Tab::Policy, sentence));
    }
    let in_force = site.app.views.in_force().await.map_err(|error| unreadable(&error))?;
    let frame = site.frame(&around, Tab::Policy, "Policy");
    Ok(html(&policy::Page::new(frame, &in_force, around.now)))
}

async fn changes_page(State(site): Shared, RawQuery(raw): RawQuery) -> Result<Response, Response> {
    let around = site.around().await?;
    let asked = match changes::Asked::parse(raw.as_deref().unwrap_or_default()) {
        Ok((asked, true)) => return Ok(Redirect::to(&asked.address()).into_response()),
        Ok((asked, false)) => asked,
        Err(Wrong(sentence)) => return Ok(site.wrong(&around, Tab::Changes, sentence)),
    };
    let known = around.known();
    if let Some(sentence) = unknown("account", &asked.accounts, &known) {
        return Ok(site.wrong(&around, Tab::Changes, sentence));
    }
    let rows = site.app.views.changes(asked.lines(around.now)).await.map_err(|error| unreadable(&error))?;
    let frame = site.frame(&around, Tab::Changes, "Changes");
    Ok(html(&changes::Page::new(frame, &asked, &known, &rows, around.now)))
}

async fn key_page(State(site): Shared, Path((account, key_id)): Path<(String, String)>) -> Result<Response, Response> {
    let around = site.around().await?;
    let views = &site.app.views;
    let row = views.key(account.clone(), key_id.clone()).await.map_err(|error| unreadable(&error))?;
    let explanation = match row {
        Some(row) => views.explain(row).await.map_err(|error| unreadable(&error))?,
        None => None,
    };
    let Some(explanation) = explanation else {
        let id = Text::clean(&format!("{account}/{key_id}"));
        let sentence = format!("There is no key “{id}” in the inventory: it was never listed, or retention has forgotten it.");
        return Ok(site.refuse(&around, Tab::Keys, StatusCode::NOT_FOUND, "No such key", sentence));
    };
    let facts = around.facts.iter().find(|facts| facts.name == account);
    let frame = site.frame(&around, Tab::Keys, &marks::name(&explanation.key));
    Ok(html(&key::Page::new(frame, &explanation, facts)))
}

fn html(page: &impl Template) -> Response {
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

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("templates/icon.svg")).into_response()
}

async fn metrics(State(site): Shared) -> Response {
    let app = &site.app;
    let certificate_ends = app.access.borrow().certificate_ends();
    match app.exposition.text(certificate_ends).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => unreadable(&error),
    }
}

/// Says nothing about how fresh the data are: that is what metrics and alerts are for.
async fn ready(State(site): Shared) -> Response {
    match site.app.views.check().await {
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
