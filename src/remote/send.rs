//! One attempt: sends a request once, checks what comes back, and hands the elements to the adapter as they arrive.

use std::collections::HashSet;
use std::ops::Deref;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Request, Response, StatusCode};
use secrecy::zeroize::Zeroizing;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::domain::{Failure, ItemReason, Owner, Reason, Refused, RemoteId, Time};
use crate::providers::{Fetch, Item, Method, Provider};
use crate::walk::{Digest, Recognise, Unchanged};

use super::Limits;
use super::broken::{classify, seconds};
use super::carrier::Transport;
use super::elements::{Elements, Rest};
use super::inflate::{Coding, Intake};
use super::retry::{Asked, Cause, Setback};
use super::retry_after::{http_date, retry_after};

const HEADER_BYTES: usize = 64 * 1024;
/// What is read of a body whose status is not 2xx.
const REFUSAL_BYTES: usize = 4 * 1024;
/// How far ahead, in seconds, a key may be said to have been made or used: two days, for zones and days taken for instants.
///
/// With a later time it would be neither stale nor overdue until then, and nothing would show that; so it is refused like any
/// element that cannot be true, and its list is not whole. It is measured from the later of our clock and the answer's own
/// `Date`. Where ours is behind, `Date` keeps every young key from being refused for that: the walk says `clock_skew`, which
/// is what is wrong. Where an answer has no `Date`, a clock that is days behind shows in these refusals and in nothing else.
const MOST_AHEAD: i64 = 48 * 3_600;

/// An answer that was read to its end, elements apart.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub status: u16,
    pub items: Vec<Item>,
    pub digests: Vec<Digest>,
    pub unchanged: Vec<Unchanged>,
    pub refused: Vec<(u64, Refused)>,
    pub last_id: Option<RemoteId>,
    pub rest: Rest,
    pub server_time: Option<Time>,
    pub wire_bytes: u64,
}

/// What is asked, and who reads the answer.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub provider: &'a dyn Provider,
    pub fetch: &'a Fetch,
    /// Tells elements that need not be read.
    pub recognise: Option<&'a Recognise>,
}

/// The line that attempts go over.
pub(super) struct Line<'a> {
    pub transport: &'a Transport,
    pub limits: &'a Limits,
    pub clock: &'a Clock,
}

impl Line<'_> {
    /// Sends once and reads.
    pub(super) async fn attempt(&self, question: Question<'_>, request: Request) -> Result<Reading, Setback> {
        let whole = async {
            let response = self.transport.execute(request, self.limits).await?;
            self.read(question, response).await
        };
        timeout(self.limits.request, whole).await.unwrap_or_else(|_| {
            let detail = format!("no complete answer within {}", seconds(self.limits.request));
            Err(Setback::last(Failure::new(Reason::Timeout, detail)))
        })
    }

    async fn read(&self, question: Question<'_>, response: Response) -> Result<Reading, Setback> {
        let headers = response.headers();
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_bytes > HEADER_BYTES {
            let detail = format!("more than {HEADER_BYTES} bytes of headers");
            return Err(Setback::last(Failure::new(Reason::TooLarge, detail)));
        }
        let server_time = text(headers, DATE).and_then(http_date);
        let status = response.status();
        if let Some(setback) = refused(status, headers, server_time.unwrap_or_else(|| self.clock.now())) {
            return Err(setback);
        }
        if status.is_success() {
            self.success(question, response, server_time).await
        } else {
            let (rest, wire_bytes) = self.refusal(response).await;
            let rest = Rest { rest, elements: None };
            Ok(Reading { status: status.as_u16(), rest, server_time, wire_bytes, ..Reading::default() })
        }
    }

    async fn success(
        &self,
        question: Question<'_>,
        mut response: Response,
        server_time: Option<Time>,
    ) -> Result<Reading, Setback> {
        let fetch = question.fetch;
        if matches!(fetch.method, Method::Exchange { .. }) {
            // What an exchange answers is documented nowhere, not even that it is JSON; whoever looks for the token is strict.
            let status = response.status().as_u16();
            let (rest, wire_bytes) = self.refusal(response).await;
            let rest = Rest { rest, elements: None };
            return Ok(Reading { status, rest, server_time, wire_bytes, ..Reading::default() });
        }
        let headers = response.headers();
        if !text(headers, CONTENT_TYPE).is_some_and(is_json) {
            let detail = format!("status {} without a JSON content type", response.status().as_u16());
            return Err(Setback::last(Failure::new(Reason::NotJson, detail)));
        }
        let coding = coding(headers).map_err(Setback::last)?;
        if response.content_length().is_some_and(|length| length > self.limits.wire_bytes) {
            let detail = format!("more than {} bytes announced", self.limits.wire_bytes);
            return Err(Setback::last(Failure::new(Reason::TooLarge, detail)));
        }
        let status = response.status().as_u16();
        let mut elements = Elements::new(fetch.list, self.limits);
        let now = self.clock.now();
        let mut read = Elementwise::until(server_time.map_or(now, |theirs| theirs.max(now)).plus(MOST_AHEAD));
        let mut intake = Intake::new(coding, self.limits, |bytes: &[u8]| {
            elements.feed(bytes, |index, element| {
                read.element(question, index, element);
                Ok(())
            })
        });
        while let Some(piece) = self.piece(&mut response).await? {
            intake.feed(&piece).map_err(Setback::last)?;
        }
        let wire_bytes = intake.finish().map_err(Setback::last)?;
        let rest = elements.finish().map_err(Setback::last)?;
        let last_id = read.last_id(question);
        let Elementwise { items, digests, unchanged, refused, last: _, latest: _, owners: _ } = read;
        Ok(Reading { status, items, digests, unchanged, refused, last_id, rest, server_time, wire_bytes })
    }

    async fn piece(&self, response: &mut Response) -> Result<Option<impl Deref<Target = [u8]>>, Setback> {
        match timeout(self.limits.read, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(classify(&error, self.limits)),
            Err(_) => {
                let detail = format!("nothing for {} in the middle of the answer", seconds(self.limits.read));
                Err(Setback::last(Failure::new(Reason::Timeout, detail)))
            }
        }
    }

    /// The beginning of a body that is not a list: of a refusal, or of an exchange. Where its status says enough, whatever goes wrong here, the status stands.
    async fn refusal(&self, mut response: Response) -> (Zeroizing<Vec<u8>>, u64) {
        // It may hold a token: wiped wherever it is dropped, and large enough to stay where it is.
        let mut body = Zeroizing::new(Vec::with_capacity(REFUSAL_BYTES));
        let mut wire_bytes = 0;
        let coding = coding(response.headers()).unwrap_or(Coding::Plain);
        let mut intake = Intake::new(coding, self.limits, |bytes: &[u8]| {
            let room = REFUSAL_BYTES - body.len();
            body.extend_from_slice(&bytes[..room.min(bytes.len())]);
            if bytes.len() >= room { Err(Failure::new(Reason::TooLarge, "enough")) } else { Ok(()) }
        });
        let read = async {
            while let Ok(Some(piece)) = response.chunk().await {
                wire_bytes += piece.len() as u64;
                if intake.feed(&piece).is_err() {
                    return;
                }
            }
            // What the decoder still holds of a stream that ended.
            drop(intake.finish());
        };
        // All of it within the time that one piece may take: a status is not to be lost to a slow body.
        drop(timeout(self.limits.read.min(self.limits.request / 4), read).await);
        (body, wire_bytes)
    }
}

/// Statuses that no adapter sees: redirects, and those that trying again may mend.
fn refused(status: StatusCode, headers: &HeaderMap, now: Time) -> Option<Setback> {
    let code = status.as_u16();
    let asked = || Asked {
        after: text(headers, RETRY_AFTER).and_then(|value| retry_after(value, now)),
        never: text(headers, HeaderName::from_static("x-should-retry")).is_some_and(|value| value.eq_ignore_ascii_case("false")),
    };
    let setback = |reason, detail: String, cause| Some(Setback { failure: Failure::new(reason, detail), cause });
    match code {
        300..=399 => setback(Reason::RedirectRefused, format!("status {code}"), Cause::Final),
        429 => setback(Reason::RateLimited, waiting(asked()), Cause::Limited(asked())),
        408 => setback(Reason::Timeout, "status 408".to_owned(), Cause::Passing(asked())),
        500.. => setback(Reason::Server, format!("status {code}"), Cause::Passing(asked())),
        _ => None,
    }
}

fn waiting(asked: Asked) -> String {
    match asked.after {
        Some(wait) => format!("status 429, to wait {} s", wait.as_secs()),
        None => "status 429".to_owned(),
    }
}

/// The word for the request counters of a status that an adapter sees.
pub(super) const fn outcome(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        401 => Reason::Auth.as_str(),
        403 => Reason::Forbidden.as_str(),
        404 => Reason::NotFound.as_str(),
        _ => Reason::UnexpectedStatus.as_str(),
    }
}

/// So many owners are kept to be shared. Where keys have more, most have one of their own.
const MOST_OWNERS: usize = 4096;

/// The elements of an answer, as they arrive.
struct Elementwise {
    /// No key was made or used later.
    latest: Time,
    items: Vec<Item>,
    digests: Vec<Digest>,
    unchanged: Vec<Unchanged>,
    refused: Vec<(u64, Refused)>,
    last: Last,
    owners: HashSet<Owner>,
}

/// Where the id of the last element stands that passed the gate.
#[derive(Clone, Copy)]
enum Last {
    Nowhere,
    Read,
    Unchanged,
}

impl Elementwise {
    fn until(latest: Time) -> Self {
        let (items, digests, unchanged, refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { latest, items, digests, unchanged, refused, last: Last::Nowhere, owners: HashSet::new() }
    }

    fn element(&mut self, question: Question<'_>, index: u64, element: &[u8]) {
        let known = question.recognise.map(|recognise| recognise.look(element));
        if let Some((_, Some(unchanged))) = known {
            self.unchanged.push(unchanged);
            self.last = Last::Unchanged;
            return;
        }
        match question.provider.item(question.fetch, element).and_then(|item| self.timely(item)) {
            Ok(mut item) => {
                self.share(&mut item);
                if id(&item).is_some() {
                    self.last = Last::Read;
                }
                self.items.push(item);
                self.digests.extend(known.map(|(digest, _)| digest));
            }
            Err(why) => self.refused.push((index, why)),
        }
    }

    /// Who owns many keys of a long answer stands in memory once, unless there are very many of them.
    fn share(&mut self, item: &mut Item) {
        let Item::Key(key) = item else { return };
        let Some(owner) = &mut key.owner else { return };
        if let Some(same) = self.owners.get(owner) {
            *owner = same.clone();
        } else if self.owners.len() < MOST_OWNERS {
            self.owners.insert(owner.clone());
        }
    }

    fn timely(&self, item: Item) -> Result<Item, Refused> {
        let ahead = match &item {
            Item::Key(key) => key.ahead_of(self.latest),
            Item::Person(_) | Item::Project(_) | Item::Skipped => None,
        };
        match ahead {
            Some(field) => Err(Refused::new(ItemReason::BadTime, format!("{field} has not come yet"))),
            None => Ok(item),
        }
    }

    fn last_id(&self, question: Question<'_>) -> Option<RemoteId> {
        match self.last {
            Last::Nowhere => None,
            Last::Read => self.items.iter().rev().find_map(id).cloned(),
            Last::Unchanged => {
                let item = question.provider.item(question.fetch, &self.unchanged.last()?.bytes).ok()?;
                id(&item).cloned()
            }
        }
    }
}

fn id(item: &Item) -> Option<&RemoteId> {
    match item {
        Item::Key(key) => Some(&key.id),
        Item::Person(person) => Some(&person.id),
        Item::Project(project) => Some(&project.id),
        Item::Skipped => None,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `application/json`, or `application/…+json`, with any parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn coding(headers: &HeaderMap) -> Result<Coding, Failure> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, second) = (codings.next(), codings.next());
    let word = match (first, second) {
        (None, _) => return Ok(Coding::Plain),
        (Some(only), None) => only.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => String::new(),
    };
    match word.as_str() {
        "identity" => Ok(Coding::Plain),
        "gzip" | "x-gzip" => Ok(Coding::Gzip),
        _ => Err(Failure::new(Reason::Malformed, "a content encoding that was not asked for")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json", " application/json ;x"] {
            assert!(is_json(good), "{good}");
        }
        for bad in
            ["", "text/html", "text/plain;charset=UTF-8", "application/jsonp", "application/x-ndjson", "text/x+json", "json"]
        {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
