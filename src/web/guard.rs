//! Stands before every route: who is asked, how, and with which headers every answer goes out, refusals included.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::sign_in::SignIn;

/// What a request has to pass.
#[derive(Clone)]
pub(super) struct Asked {
    /// The address that the connection came in on.
    pub local: IpAddr,
    /// Who sent it.
    pub peer: IpAddr,
    /// Further hosts that a request may name, in lower case. A page of a stranger that points its own name at this machine
    /// names another.
    pub names: Arc<BTreeSet<String>>,
    /// Who may come in; `None` for everybody.
    pub sign_in: Option<Arc<SignIn>>,
}

/// Nothing from elsewhere, no script, no frame; forms ask us alone. The only image is the icon.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// On every answer.
pub(super) const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Refuses what must not reach a route.
pub(super) async fn guard(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let refusal = match (refusal(&asked, &request), &asked.sign_in) {
        (None, Some(sign_in)) => sign_in.refusal(authorization.as_ref(), asked.peer).await,
        (refusal, _) => refusal,
    };
    let mut response = match refusal {
        Some(response) => response,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn refusal(asked: &Asked, request: &Request) -> Option<Response> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if !names_us(asked, request.headers()) || authority.is_some_and(|name| !is_ours(asked, name)) {
        return Some(
            (StatusCode::MISDIRECTED_REQUEST, "this host is not served here; `hosts` in [web] names those that are\n")
                .into_response(),
        );
    }
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return Some((StatusCode::METHOD_NOT_ALLOWED, allow, "only GET and HEAD\n").into_response());
    }
    if has_body(request.headers()) {
        let close = [(header::CONNECTION, "close")];
        return Some((StatusCode::PAYLOAD_TOO_LARGE, close, "a request has no body here\n").into_response());
    }
    None
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Exactly one host, and ours.
fn names_us(asked: &Asked, headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| is_ours(asked, host)),
        (_, _) => false,
    }
}

/// Any port: what forwards a port to us keeps the name and has a port of its own.
fn is_ours(asked: &Asked, host: &str) -> bool {
    let Some(name) = without_port(host) else { return false };
    let name = name.to_ascii_lowercase();
    let address = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').and_then(|rest| rest.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    match address.map(|address| address.to_canonical()) {
        Some(address) => address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST || address == asked.local,
        None => name == "localhost" || asked.names.contains(&name),
    }
}

fn without_port(host: &str) -> Option<&str> {
    let end_of_name = host.rfind(']').unwrap_or(0);
    match host.rfind(':').filter(|colon| *colon > end_of_name) {
        None => Some(host),
        Some(colon) => {
            let port = &host[colon + 1..];
            (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(&host[..colon])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_hosts_are_served() {
        let names = Arc::new(BTreeSet::from(["keys.example.com".to_owned()]));
        let asked = Asked { local: IpAddr::from([10, 0, 0, 7]), peer: IpAddr::from([10, 0, 0, 8]), names, sign_in: None };
        for ours in [
            "localhost",
            "LOCALHOST:10847",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:10847",
            "10.0.0.7:80",
            "Keys.Example.com",
        ] {
            assert!(is_ours(&asked, ours), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "127.1",
            "2130706433",
            "10.0.0.8",
            "user@localhost",
            "localhost:",
            "localhost:80:80",
            "localhost:x",
            "::1",
            "[::1",
            "[::1]x",
            "[::2]",
        ] {
            assert!(!is_ours(&asked, foreign), "{foreign}");
        }
    }
}
