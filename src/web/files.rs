//! Lists of keys as files. One is made and sent at a time: of many keys it is large, and stays in memory until it is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::as_of::written;
use super::parameters::Wrong;
use super::query::{Parsed, Query};
use super::{Shared, plain, unreadable, vocabulary};
use crate::views::{AsOf, KeysFile};

/// How long somebody waits for the one before to be read.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is sent at once.
const PIECE: usize = 64 * 1024;

/// Whose turn it is.
pub(super) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

pub(super) async fn csv(site: Shared, raw: RawQuery) -> Result<Response, Response> {
    file(site, raw, KeysFile::csv(), "text/csv; charset=utf-8; header=present", "keys.csv").await
}

pub(super) async fn json(site: Shared, raw: RawQuery) -> Result<Response, Response> {
    file(site, raw, KeysFile::json(), "application/json", "keys.json").await
}

async fn file(
    State(site): Shared,
    RawQuery(raw): RawQuery,
    empty: KeysFile,
    content_type: &'static str,
    name: &str,
) -> Result<Response, Response> {
    // The page of the list is no part of it: a file holds all of them.
    let parsed = Query::parse(raw.as_deref().unwrap_or_default());
    let Parsed { query, .. } = parsed.map_err(|Wrong(sentence)| refusal(sentence))?;
    let now = || query.as_it_is().address(&format!("/{name}"));
    let shown = site.keys_shown(&query).await.map_err(|refused| refused.instead_of_file(&now()))?;
    if let Some(sentence) = vocabulary(shown.views()).await?.refusal(&query) {
        return Err(refusal(sentence));
    }
    let turn = timeout(PATIENCE, Arc::clone(&site.files.0).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(plain(StatusCode::SERVICE_UNAVAILABLE, "another list of keys is being sent; try again in a minute\n"));
    };
    let filled = shown
        .views()
        .keys_file(query.all(), empty.looking_back(query.as_of.is_some()))
        .await
        .map_err(|error| unreadable(&error))?;
    let bytes = match filled.finish() {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => {
            tracing::error!(%error, "a list of keys could not be written");
            return Err(plain(StatusCode::INTERNAL_SERVER_ERROR, "the list could not be written; the log says why\n"));
        }
    };
    let headers: [(HeaderName, String); 3] = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_LENGTH, bytes.len().to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", called(name, query.as_of))),
    ];
    Ok((headers, body(bytes, turn)).into_response())
}

/// A file of an earlier instant does not pass for one of now.
fn called(name: &str, as_of: Option<AsOf>) -> String {
    match (as_of, name.rsplit_once('.')) {
        (Some(as_of), Some((stem, ending))) => format!("{stem}-as-of-{}.{ending}", written(as_of).replace(':', "")),
        (Some(_), None) | (None, _) => name.to_owned(),
    }
}

/// The file in pieces; the turn ends with the last one, or when nobody reads on.
fn body(bytes: Bytes, turn: OwnedSemaphorePermit) -> Body {
    let pieces = stream::unfold((bytes, turn), async |(mut rest, turn)| {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((Ok::<Bytes, Infallible>(piece), (rest, turn)))
    });
    Body::from_stream(pieces)
}

fn refusal(sentence: String) -> Response {
    (StatusCode::BAD_REQUEST, format!("{sentence}\n")).into_response()
}
