//! The same as the pages show, for programs: JSON under `/api/v1`, in pages, with a document that says what there is.

mod asked;
mod cursor;
mod document;
mod endpoints;
mod problem;
mod schema;
mod steady;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::{Shared, Site};
use crate::domain::{ScopeKind, Text};
use crate::views::{
    AccountColumns, ChangeColumns, ChangesAsked, KeyColumns, KeysAsked, OwnerColumns, Place, Position, ScopeColumns,
};
use asked::Asked;
use problem::Problem;
use steady::{List, One};

const DOCUMENT: &str = "/api/v1/openapi.json";

type Answered = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route(endpoints::KEYS.path, get(keys))
        .route(endpoints::KEY.path, get(key))
        .route(endpoints::CHANGES.path, get(changes))
        .route(endpoints::ACCOUNTS.path, get(accounts))
        .route(endpoints::SCOPES.path, get(scopes))
        .route(endpoints::OWNERS.path, get(owners))
        .route(DOCUMENT, get(the_document))
        .route("/api/v1/{*rest}", get(nothing))
}

async fn keys(State(site): Shared, RawQuery(raw): RawQuery, headers: HeaderMap) -> Answered {
    let asked = Asked::read(raw, endpoints::KEYS.parameters)?;
    asked.names_what_is_there(&site).await?;
    let question = asked.question(endpoints::KEYS.path);
    let order = asked.query.sort.by;
    let behind = asked.behind(&question)?.map(|places| Position::of(order, places).ok_or_else(asked::not_ours)).transpose()?;
    let keys = KeysAsked { limit: Some(asked.limit), behind, ..asked.query.all() };
    site.answer(&headers, &asked.whole(&question), || async {
        let (rows, last) = site.app.views.keys_and_place(keys.clone()).await?;
        let next = last.map(|last| cursor::give(&question, last.places()));
        Ok(List { items: rows.iter().map(|row| KeyColumns::new(row, str::to_owned)).collect(), next })
    })
    .await
}

async fn key(
    State(site): Shared,
    RawQuery(raw): RawQuery,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Answered {
    let Ok(Path((account, key_id))) = path else {
        return Err(Problem::not_found("No such key", "The path of a key is no text in UTF-8.".to_owned()));
    };
    Asked::read(raw, endpoints::KEY.parameters)?;
    site.answer(&headers, &format!("{} {account}\n{key_id}", endpoints::KEY.path), || async {
        let row = site.app.views.key(account.clone(), key_id.clone()).await?;
        let row = row.ok_or_else(|| {
            let id = Text::clean(&format!("{account}/{key_id}"));
            let sentence =
                format!("There is no key “{id}” in the inventory: it was never listed, or retention has forgotten it.");
            Problem::not_found("No such key", sentence)
        })?;
        Ok(One { item: KeyColumns::new(&row, str::to_owned) })
    })
    .await
}

/// The newest first. Lines are only added: a page goes on below the last number, and nothing that comes in moves it.
async fn changes(State(site): Shared, RawQuery(raw): RawQuery, headers: HeaderMap) -> Answered {
    let asked = Asked::read(raw, endpoints::CHANGES.parameters)?;
    asked.names_what_is_there(&site).await?;
    let question = asked.question(endpoints::CHANGES.path);
    let before = match asked.behind(&question)?.as_deref() {
        None => None,
        Some([Place::Number(number)]) => Some(*number),
        Some(_) => return Err(asked::not_ours()),
    };
    let changes = ChangesAsked {
        accounts: asked.query.accounts.iter().cloned().collect(),
        since: asked.since,
        after: asked.after,
        before,
        limit: Some(asked.limit.saturating_add(1)),
        ..ChangesAsked::default()
    };
    site.answer(&headers, &asked.whole(&question), || async {
        let rows = site.app.views.changes(changes.clone()).await?;
        let list = cut(rows, &asked, &question, |row| vec![Place::Number(row.change_id)]);
        Ok(list.map(|row| ChangeColumns::new(&row, str::to_owned)))
    })
    .await
}

async fn accounts(State(site): Shared, RawQuery(raw): RawQuery, headers: HeaderMap) -> Answered {
    Asked::read(raw, endpoints::ACCOUNTS.parameters)?;
    site.answer(&headers, endpoints::ACCOUNTS.path, || async {
        let rows = site.app.views.all_accounts().await?;
        Ok(List { items: rows.into_iter().map(AccountColumns::from).collect(), next: None })
    })
    .await
}

async fn scopes(State(site): Shared, RawQuery(raw): RawQuery, headers: HeaderMap) -> Answered {
    let asked = Asked::read(raw, endpoints::SCOPES.parameters)?;
    asked.names_what_is_there(&site).await?;
    let question = asked.question(endpoints::SCOPES.path);
    let behind = match asked.behind(&question)?.as_deref() {
        None => None,
        Some([Place::Text(account), Place::Text(kind), Place::Text(id)]) => {
            let kind: ScopeKind = kind.parse().map_err(|_| asked::not_ours())?;
            Some((account.clone(), kind, id.clone()))
        }
        Some(_) => return Err(asked::not_ours()),
    };
    let accounts: Vec<String> = asked.query.accounts.iter().cloned().collect();
    site.answer(&headers, &asked.whole(&question), || async {
        let rows = site.app.views.scopes_behind(accounts.clone(), behind.clone(), asked.limit.saturating_add(1)).await?;
        let list = cut(rows, &asked, &question, |row| {
            [&row.account, row.kind.as_str(), &row.scope_id].map(|text| Place::Text(text.to_owned())).into()
        });
        Ok(list.map(ScopeColumns::from))
    })
    .await
}

/// In the order of what owners are known by, not of what is claimed of their keys: that would change between pages.
async fn owners(State(site): Shared, RawQuery(raw): RawQuery, headers: HeaderMap) -> Answered {
    let asked = Asked::read(raw, endpoints::OWNERS.parameters)?;
    asked.names_what_is_there(&site).await?;
    let question = asked.question(endpoints::OWNERS.path);
    let behind = match asked.behind(&question)?.as_deref() {
        None => None,
        Some([Place::Text(how), Place::Text(what), Place::Text(more)]) => Some([how.clone(), what.clone(), more.clone()]),
        Some(_) => return Err(asked::not_ours()),
    };
    site.answer(&headers, &asked.whole(&question), || async {
        let mut rows = site.app.views.owners(asked.query.all()).await?;
        rows.retain(|row| behind.as_ref().is_none_or(|behind| row.identity() > *behind));
        rows.sort_by_cached_key(crate::views::Owned::identity);
        rows.truncate(asked.limit.saturating_add(1) as usize);
        let list = cut(rows, &asked, &question, |row| row.identity().map(Place::Text).into());
        Ok(list.map(|row| OwnerColumns::new(&row, str::to_owned)))
    })
    .await
}

/// A page of rows of which one more was asked for.
fn cut<T>(mut rows: Vec<T>, asked: &Asked, question: &str, place: impl Fn(&T) -> Vec<Place>) -> List<T> {
    let most = asked.limit as usize;
    let more = rows.len() > most;
    rows.truncate(most);
    let last = rows.last().filter(|_| more);
    List { next: last.map(|last| cursor::give(question, &place(last))), items: rows }
}

async fn the_document(headers: HeaderMap) -> Answered {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document::document()));
    let tag = format!("\"{}\"", cursor::digest(TEXT.as_bytes()));
    if steady::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let headers: [(HeaderName, String); 2] = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, tag)];
    Ok((headers, TEXT.as_str()).into_response())
}

async fn nothing() -> Problem {
    let paths: Vec<&str> = endpoints::ALL.iter().map(|endpoint| endpoint.path).chain([DOCUMENT]).collect();
    Problem::not_found("Nothing here", format!("There is nothing under this path; there are {}.", paths.join(", ")))
}

impl<T> List<T> {
    fn map<U: Serialize>(self, to: impl Fn(T) -> U) -> List<U> {
        List { items: self.items.into_iter().map(to).collect(), next: self.next }
    }
}
