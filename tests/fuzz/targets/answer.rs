//! An answer of a provider: status, headers, packing, and a body that comes in pieces.
//!
//! The first four bytes choose: which question of which provider, the status, how the body is sent, and how many bytes come at once.
//! A line behind them is the value of `Retry-After` and of `Date`. The rest is the body.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use keymuster::clock::Clock;
use keymuster::domain::{Failure, RemoteId, Text, Time, WalkEnd};
use keymuster::providers::{Fetch, Item, Known, PROVIDERS, Provider};
use keymuster::remote::{BaseUrl, Carried, Carrier, Limits, Remote, Requests, Settings};
use keymuster::walk::{Caps, Page, Stamp, Turn, Walk, WalkId};
use secrecy::SecretString;
use tokio::runtime::Runtime;

const NOW: Time = Time::from_unix(1_795_000_000);
const STATUSES: [u16; 16] = [200, 200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 408, 429, 500, 503];

/// How an answer comes.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    is_packed: bool,
    is_json: bool,
    header: Vec<u8>,
    body: Vec<u8>,
    step: usize,
}

impl Carrier for Answer {
    fn carry(&self, _: reqwest::Request) -> Carried<'_> {
        let mut answer = axum::http::Response::builder().status(self.status);
        if self.is_json {
            answer = answer.header("content-type", "application/json");
        }
        if self.is_packed {
            answer = answer.header("content-encoding", "gzip");
        }
        for name in ["retry-after", "date"] {
            if let Ok(value) = reqwest::header::HeaderValue::from_bytes(&self.header) {
                answer = answer.header(name, value);
            }
        }
        let pieces: Vec<_> = self.body.chunks(self.step).map(|piece| Ok::<_, Infallible>(piece.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        Box::pin(async move { answer.body(body).map(Into::into).map_err(std::io::Error::other) })
    }
}

struct Uncounted;

impl Requests for Uncounted {
    fn ended(&self, _: &'static str, _: &'static str, _: Duration) {}
}

thread_local! {
    /// On a clock that runs ahead: nobody waits for a second attempt.
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap());
}

pub fn answer(bytes: &[u8]) {
    let Some(([question, status, sent, step], rest)) = bytes.split_first_chunk::<4>() else { return };
    let questions: Vec<(&'static dyn Provider, Fetch)> = PROVIDERS
        .iter()
        .flat_map(|provider| provider.spec().samples.iter().map(|sample| (*provider, (sample.fetch)())))
        .collect();
    let (provider, fetch) = &questions[usize::from(*question) % questions.len()];
    let (header, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) if sent & 1 == 1 => (&rest[..end], &rest[end + 1..]),
        Some(_) | None => (&[][..], rest),
    };
    let answer = Answer {
        status: STATUSES[usize::from(*status) % STATUSES.len()],
        is_packed: sent & 2 == 2,
        is_json: sent & 4 == 0,
        header: header.to_vec(),
        body: body.to_vec(),
        step: usize::from(*step) + 1,
    };
    let page = read(*provider, fetch, answer.clone());
    let whole = read(*provider, fetch, Answer { step: usize::MAX, ..answer.clone() });
    assert_eq!(shown(&page), shown(&whole), "how it comes in pieces changes nothing");
    let Ok(page) = page else { return };
    page.items.iter().for_each(is_clean);
    let (refused, elements) = (page.refused.len(), page.elements);
    assert!(page.items.len() + page.refused.len() <= usize::try_from(elements).unwrap(), "more was read than came");
    let Some(scope) = fetch.scope() else { return };
    let now = Stamp { wall: NOW, boot: Duration::ZERO };
    let caps = Caps { items: 1_000, pages: 10, time: Duration::from_secs(60) };
    let mut walk = Walk::begin(WalkId(1), scope.clone(), fetch, now, caps);
    if let Turn::Ended(end) = walk.page(page, &fetch.subject, now)
        && let walked = walk.finish(end, NOW)
        && *walked.end() == WalkEnd::Complete
    {
        assert!(answer.status == 200 && refused == 0, "{} with {refused} refused proves nothing", answer.status);
    }
}

fn read(provider: &'static dyn Provider, fetch: &Fetch, answer: Answer) -> Result<Page, Failure> {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let settings = Settings {
                base_url: BaseUrl::parse("http://127.0.0.1:1").unwrap(),
                credential: SecretString::from("none"),
                auth: provider.spec().sign_ins[0].auth,
                pace: provider.spec().pace,
                limits: Limits {
                    wire_bytes: 1 << 20,
                    inflated_bytes: 1 << 20,
                    items_per_answer: 1_000,
                    retries: 1,
                    ..Limits::default()
                },
                ca_file: None,
                proxy: None,
            };
            let remote = Remote::carried(Arc::new(answer), settings, Clock::runtime(NOW), Arc::new(Uncounted)).unwrap();
            remote.ask(provider, fetch, &Known::default()).await
        })
    })
}

/// What is read of an answer, without how long it took.
fn shown(page: &Result<Page, Failure>) -> String {
    match page {
        Ok(page) => format!("{:?} {:?} {} {:?}", page.items, page.refused, page.elements, page.end),
        Err(failure) => format!("{failure:?}"),
    }
}

fn is_clean(item: &Item) {
    let (id, texts): (Option<&RemoteId>, Vec<Option<&Text>>) = match item {
        Item::Key(key) => {
            let owner = key.owner.as_ref();
            (
                Some(&key.id),
                vec![
                    key.name.as_ref(),
                    owner.and_then(|owner| owner.name.as_ref()),
                    owner.and_then(|owner| owner.email.as_ref()),
                ],
            )
        }
        Item::Person(person) => (Some(&person.id), vec![person.name.as_ref(), person.email.as_ref()]),
        Item::Project(project) => (Some(&project.id), vec![project.name.as_ref()]),
        Item::Skipped => (None, Vec::new()),
    };
    assert!(id.is_none_or(|id| id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))));
    for text in texts.into_iter().flatten() {
        assert!(!text.as_str().contains(super::is_dangerous), "{text:?}");
    }
}
