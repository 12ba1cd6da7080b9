//! Answers that say what they stand on, and that do not change while they are made: how old they are, what cannot be seen, and a
//! tag by which whoever asks again is told that nothing is new.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::Site;
use super::super::frame::{age, blind, read_accounts};
use super::problem::Problem;
use crate::inventory::Stored;
use crate::views::{AccountFacts, Overview};

/// An answer.
#[derive(Debug, Serialize)]
struct Answer<T> {
    as_of: String,
    read_whole_since: Option<String>,
    unseen: u64,
    #[serde(flatten)]
    content: T,
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// A single thing.
#[derive(Debug, Serialize)]
pub(super) struct One<T> {
    pub item: T,
}

/// What an answer stands on. The number is another whenever something was written or a deadline passed.
struct Ground {
    number: u64,
    overview: Arc<Overview>,
    facts: Arc<[AccountFacts]>,
}

/// How often an answer is made anew because something changed while it was made.
const ATTEMPTS: usize = 3;

impl Site {
    async fn ground(&self) -> Stored<Ground> {
        let views = &self.app.views;
        let (number, _) = views.numbered_counts().await?;
        Ok(Ground { number, overview: views.overview().await?, facts: views.accounts() })
    }

    /// Answers a question with what `read` reads, or with *not modified* where the asker's tag is that of now. The tag goes with
    /// the counts: they are made anew when something was written, when a deadline passed and when the clock went back, so
    /// that the tag of an older answer never passes for a new one.
    pub(super) async fn answer<T, F>(
        &self,
        headers: &HeaderMap,
        question: &str,
        read: impl Fn() -> F,
    ) -> Result<Response, Problem>
    where
        T: Serialize,
        F: Future<Output = Result<T, Problem>>,
    {
        let mut attempt = 1;
        loop {
            let as_of = self.app.views.clock().now();
            let ground = self.ground().await?;
            let tag = ground.tag(question);
            let is_steady = async || Ok::<_, Problem>(self.app.views.numbered_counts().await?.0 == ground.number);
            if is_known(headers, &tag) && is_steady().await? {
                return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
            }
            let content = read().await?;
            let steady = is_steady().await?;
            if !steady && attempt < ATTEMPTS {
                attempt += 1;
                continue;
            }
            let accounts = read_accounts(&ground.facts, &ground.overview.counts);
            let answer = Answer {
                as_of: as_of.to_string(),
                read_whole_since: age(&accounts, as_of).since().map(|since| since.to_string()),
                unseen: ground.overview.unseen_in_all + blind(&accounts, &ground.overview.counts).count() as u64,
                content,
            };
            let mut response = axum::Json(answer).into_response();
            // Where something changes all the time an answer may be of two instants: right enough, but nothing to compare by.
            if steady && let Ok(tag) = tag.parse() {
                response.headers_mut().insert(header::ETAG, tag);
            }
            return Ok(response);
        }
    }
}

impl Ground {
    /// Weak: two answers of the same tag say the same, each as of its own time. It means nothing to another process.
    fn tag(&self, question: &str) -> String {
        static OF_THIS_PROCESS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let accounts: Vec<&str> = self.facts.iter().map(|facts| facts.name.as_str()).collect();
        format!("W/\"{:016x}\"", OF_THIS_PROCESS.hash_one((self.number, accounts, question)))
    }
}

/// Whether the asker has the answer of that tag, as `If-None-Match` says: weakly compared.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let told = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    told.flat_map(|value| value.split(',')).any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}
