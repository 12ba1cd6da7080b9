//! What stands between the client and the fronts: counts each request and applies the faults that fit it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};

use super::braintrust::quirks::Quirks;
use super::faults::Fault;
use super::kinds::{Effect, Later, RetryAfter, Rewrite};
use super::serve::{Ask, Peer, Shared, json};
use super::{Remote, braintrust, den, openai, rewrite};
use crate::domain::Time;

/// A fault that is switched on, and how many requests it fitted.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) fault: Fault,
    fitted: AtomicU64,
    /// For limits of haste: per template, when the running minute began and how many were let in.
    windows: Mutex<HashMap<String, (Duration, u32)>>,
}

impl Active {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, fitted: AtomicU64::new(0), windows: Mutex::default() }
    }

    fn happens(&self, provider: Remote, path: &str, template: &str) -> bool {
        self.fault.fits(provider, path, template) && self.fault.happens_at(self.fitted.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How long until that endpoint may be asked again, where it may not be now. A minute begins with its first request.
    fn must_wait(&self, template: &str, per_minute: u32, boot: Duration) -> Option<Duration> {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, used) = windows.entry(template.to_owned()).or_insert((boot, 0));
        if boot.saturating_sub(*began) >= MINUTE {
            (*began, *used) = (boot, 0);
        }
        if *used < per_minute {
            *used += 1;
            return None;
        }
        Some((*began + MINUTE).saturating_sub(boot))
    }
}

/// The middleware around all fronts.
pub(super) async fn interfere(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let full = request.uri().path().to_owned();
    let Some((provider, base)) = Remote::ALL.iter().map(|r| (*r, r.base())).find(|(_, base)| full.starts_with(base)) else {
        return next.run(request).await;
    };
    let method = request.method().to_string();
    let path = full.strip_prefix(base).unwrap_or(&full);
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let template = matched.as_ref().and_then(|m| m.as_str().strip_prefix(base)).unwrap_or("unknown");
    shared.note(provider, template, request.headers());
    if matched.is_none() {
        shared.note_stray(provider, &method, path);
    }
    let faults = Arc::clone(&shared.faults.read().unwrap_or_else(PoisonError::into_inner));
    let happening: Vec<&Active> = faults.iter().filter(|active| active.happens(provider, path, template)).collect();

    let mut skew = 0;
    let mut response = None;
    let mut wrong_organization = false;
    let mut quirks = Quirks::default();
    for active in &happening {
        match &active.fault.effect {
            Effect::Latency { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Effect::DropConnection => peer.hang_up.store(true, Ordering::Relaxed),
            Effect::WrongOrganization => wrong_organization = true,
            Effect::KeyMade => {
                let now = shared.clock.now();
                shared.write_main().make_member_key(now);
            }
            Effect::Busy(later) => response = response.or_else(|| Some(busy(provider, later, shared.clock.now()))),
            Effect::ClockSkew { seconds } => skew = *seconds,
            Effect::Rewrite(Rewrite::RepeatedPage) => *request.uri_mut() = without_cursor(request.uri(), provider),
            Effect::Quirk(quirk) => quirks.0.push(quirk.clone()),
            Effect::RateLimit { per_minute, tells } => {
                let wait = active.must_wait(template, *per_minute, shared.clock.boot());
                response = response.or_else(|| wait.map(|wait| too_many(provider, *tells, wait, shared.clock.now())));
            }
            Effect::Rewrite(_) | Effect::CutBody | Effect::CutJson | Effect::SlowDrip { .. } | Effect::Gzip => {}
            effect @ (Effect::Status(_)
            | Effect::Unauthorized
            | Effect::Forbidden
            | Effect::NotFound
            | Effect::Html(_)
            | Effect::Redirect { .. }
            | Effect::GzipBomb { .. }
            | Effect::Huge { .. }) => response = response.or_else(|| instead(effect, provider)),
        }
    }
    request.extensions_mut().insert(Ask { wrong_organization });
    request.extensions_mut().insert(quirks);
    let cursor = cursor(request.uri(), provider);
    let accepts_gzip =
        request.headers().get(header::ACCEPT_ENCODING).is_some_and(|v| v.as_bytes().windows(4).any(|w| w == b"gzip"));
    if happening.iter().any(|active| active.fault.effect == Effect::Rewrite(Rewrite::RepeatedCursor)) {
        *request.uri_mut() = without_cursor(request.uri(), provider);
    }
    let mut response = match response {
        Some(response) => response,
        None => next.run(request).await,
    };
    for active in &happening {
        response = altered(response, &active.fault.effect, provider, cursor.as_deref(), accepts_gzip).await;
    }
    shared.count(provider, &method, template, response.status());
    stamp(&mut response, provider, shared.clock.now().plus(skew));
    response
}

/// The answer that a fault gives in the place of the front's.
fn instead(effect: &Effect, provider: Remote) -> Option<Response> {
    let response = match (effect, provider) {
        (Effect::Status(code), _) => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            match provider {
                Remote::OpenAi => openai::error(status, None, None, "The server had an error while processing your request."),
                Remote::Den => den::error(status, "internal_server_error"),
                Remote::Braintrust => braintrust::error(status, "Internal error"),
            }
        }
        (Effect::Unauthorized, Remote::OpenAi) => openai::unauthorized(),
        (Effect::Unauthorized, Remote::Den) => den::unauthorized(),
        (Effect::Unauthorized, Remote::Braintrust) => braintrust::unauthorized(),
        (Effect::Forbidden, Remote::OpenAi) => openai::missing_scope(),
        (Effect::Forbidden, Remote::Den) => den::forbidden(),
        (Effect::Forbidden, Remote::Braintrust) => braintrust::forbidden(),
        (Effect::NotFound, Remote::OpenAi) => openai::not_found("Not found."),
        (Effect::NotFound, Remote::Den) => den::error(StatusCode::NOT_FOUND, "organization_not_found"),
        (Effect::NotFound, Remote::Braintrust) => braintrust::not_found(),
        (Effect::Html(status), _) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
            let page = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>";
            typed(status, "text/html; charset=utf-8", Body::from(page))
        }
        (Effect::Redirect { status, to }, _) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FOUND);
            let mut response = typed(status, "text/plain", Body::empty());
            if let Ok(to) = HeaderValue::from_str(to) {
                response.headers_mut().insert(header::LOCATION, to);
            }
            response
        }
        (Effect::GzipBomb { mebibytes }, _) => {
            let mut response = typed(StatusCode::OK, "application/json", Body::from_stream(bomb(*mebibytes)));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        (Effect::Huge { mebibytes }, _) => typed(StatusCode::OK, "application/json", huge(provider, *mebibytes)),
        (
            Effect::RateLimit { .. }
            | Effect::Busy(_)
            | Effect::KeyMade
            | Effect::DropConnection
            | Effect::Latency { .. }
            | Effect::WrongOrganization
            | Effect::Rewrite(_)
            | Effect::CutBody
            | Effect::CutJson
            | Effect::SlowDrip { .. }
            | Effect::Gzip
            | Effect::ClockSkew { .. }
            | Effect::Quirk(_),
            _,
        ) => return None,
    };
    Some(response)
}

fn typed(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Over the limit.
fn too_many(provider: Remote, tells: RetryAfter, wait: Duration, now: Time) -> Response {
    // A part of a second more counts as a whole one: who comes back then is let in.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match tells {
        RetryAfter::Nothing => hasty(provider, None),
        RetryAfter::Seconds => hasty(provider, Some(&seconds.to_string())),
        RetryAfter::Date => hasty(provider, Some(&http_date(now.plus(seconds.cast_signed())))),
    }
}

fn busy(provider: Remote, later: &Later, now: Time) -> Response {
    match later {
        Later::Text(text) => hasty(provider, Some(text)),
        Later::Date => hasty(provider, Some(&http_date(now.plus(1)))),
    }
}

/// Den itself never limits; what stands before it does, in plain text, which is Braintrust's usual way.
fn hasty(provider: Remote, retry_after: Option<&str>) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = match provider {
        Remote::OpenAi => {
            openai::error(status, Some("rate_limit_exceeded"), None, "You're making too many requests, please slow down.")
        }
        Remote::Den => typed(status, "text/plain;charset=UTF-8", Body::from("Too Many Requests")),
        Remote::Braintrust => braintrust::error(status, "Too many requests"),
    };
    if let Some(Ok(value)) = retry_after.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// The answer as a fault lets it through.
async fn altered(response: Response, effect: &Effect, provider: Remote, cursor: Option<&str>, accepts_gzip: bool) -> Response {
    let needs_body = matches!(effect, Effect::CutBody | Effect::CutJson | Effect::SlowDrip { .. })
        || (*effect == Effect::Gzip && accepts_gzip)
        || *effect == Effect::Rewrite(Rewrite::SecretFields)
        || (matches!(effect, Effect::Rewrite(_)) && response.status() == StatusCode::OK);
    if !needs_body {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // The fronts' bodies are in memory already, and endless ones are not altered further.
    let Ok(bytes) = axum::body::to_bytes(body, 1 << 30).await else {
        return json(StatusCode::INTERNAL_SERVER_ERROR, "{}".into());
    };
    head.headers.remove(header::CONTENT_LENGTH);
    let half = bytes.slice(..bytes.len() / 2);
    let body = match effect {
        Effect::CutJson => Body::from(half),
        Effect::CutBody => {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            let cut = stream::iter([Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
            // The pause lets the first half go out before the connection breaks.
            Body::from_stream(cut.then(async |part| {
                tokio::time::sleep(Duration::from_millis(u64::from(part.is_err()) * 20)).await;
                part
            }))
        }
        Effect::SlowDrip { ms } => {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            Body::from_stream(drip(bytes, Duration::from_millis(*ms)))
        }
        Effect::Gzip => {
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Body::from(compressed(&bytes).unwrap_or_default())
        }
        Effect::Rewrite(change) => Body::from(rewrite::apply(change, &bytes, provider, cursor)),
        Effect::Status(_)
        | Effect::RateLimit { .. }
        | Effect::Busy(_)
        | Effect::KeyMade
        | Effect::Unauthorized
        | Effect::Forbidden
        | Effect::NotFound
        | Effect::Html(_)
        | Effect::Redirect { .. }
        | Effect::GzipBomb { .. }
        | Effect::Huge { .. }
        | Effect::DropConnection
        | Effect::Latency { .. }
        | Effect::WrongOrganization
        | Effect::ClockSkew { .. }
        | Effect::Quirk(_) => Body::from(bytes),
    };
    Response::from_parts(head, body)
}

fn drip(bytes: Bytes, pause: Duration) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(rest.len().min(16));
        Some((Ok(piece), rest))
    })
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

const MEBIBYTE: usize = 1 << 20;

/// A gzip body of spaces and then a valid empty list. One mebibyte is compressed once and sent over and over.
fn bomb(mebibytes: u64) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    let spaces = vec![b' '; MEBIBYTE];
    let end = br#"{"object":"list","data":[],"apiKeys":[],"objects":[],"has_more":false}"#;
    let mut sum = flate2::Crc::new();
    for _ in 0..mebibytes {
        sum.update(&spaces);
    }
    sum.update(end);
    let block = deflated(&spaces, flate2::FlushCompress::Full);
    let mut tail = deflated(end, flate2::FlushCompress::Finish);
    tail.extend_from_slice(&sum.sum().to_le_bytes());
    tail.extend_from_slice(&sum.amount().to_le_bytes());
    let head = Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    let block = Bytes::from(block);
    let count = usize::try_from(mebibytes).unwrap_or(usize::MAX);
    let parts = std::iter::once(head).chain(std::iter::repeat_n(block, count)).chain([Bytes::from(tail)]);
    stream::iter(parts.map(Ok))
}

/// A raw deflate block that depends on nothing before it.
fn deflated(bytes: &[u8], flush: flate2::FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 8 + 1024);
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    // Room for all of it is there, so one call ends the block; it cannot fail.
    let _ = compress.compress_vec(bytes, &mut out, flush);
    out
}

fn huge(provider: Remote, mebibytes: u64) -> Body {
    let (before, after) = match provider {
        Remote::OpenAi => (r#"{"object":"list","data":[{"id":""#, r#""}],"has_more":false}"#),
        Remote::Den => (r#"{"apiKeys":[{"id":""#, r#""}]}"#),
        Remote::Braintrust => (r#"{"objects":[{"id":""#, r#""}]}"#),
    };
    let block = Bytes::from(vec![b'a'; MEBIBYTE]);
    let count = usize::try_from(mebibytes).unwrap_or(usize::MAX);
    let parts = std::iter::once(Bytes::from_static(before.as_bytes()))
        .chain(std::iter::repeat_n(block, count))
        .chain([Bytes::from_static(after.as_bytes())]);
    Body::from_stream(stream::iter(parts.map(Ok::<_, Infallible>)))
}

/// How the parameter begins that names the element before the page.
const fn cursor_parameter(provider: Remote) -> &'static str {
    match provider {
        Remote::OpenAi | Remote::Den => "after=",
        Remote::Braintrust => "starting_after=",
    }
}

/// The element that the page is asked to start after; ids need no decoding.
fn cursor(uri: &Uri, provider: Remote) -> Option<String> {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.strip_prefix(cursor_parameter(provider))).next().map(str::to_owned)
}

fn without_cursor(uri: &Uri, provider: Remote) -> Uri {
    let parameter = cursor_parameter(provider);
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with(parameter)).collect();
    format!("{}?{}", uri.path(), kept.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

/// The headers that every answer of that remote has.
fn stamp(response: &mut Response, provider: Remote, now: Time) {
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        headers.insert(header::DATE, date);
    }
    if provider == Remote::Den {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length"),
            (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
            (header::VARY, "Origin"),
            (HeaderName::from_static("x-content-type-options"), "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// `Sat, 21 Nov 2026 20:32:43 GMT`.
fn http_date(time: Time) -> String {
    jiff::Timestamp::from_second(time.unix()).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_of_a_limit_ends() {
        let active = Active::new("rate_limit:2".parse().unwrap());
        let wait = |template: &str, second: u64| active.must_wait(template, 2, Duration::from_secs(second)).map(|d| d.as_secs());
        assert_eq!([wait("/a", 10), wait("/a", 30), wait("/a", 40), wait("/b", 40)], [None, None, Some(30), None]);
        assert_eq!([wait("/a", 69), wait("/a", 70), wait("/a", 71), wait("/a", 72)], [Some(1), None, None, Some(58)]);
    }
}
