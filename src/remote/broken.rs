//! Says in our own words why a request came to nothing: by the types of the errors, never by text of a remote.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::domain::{Failure, Reason};

use super::Limits;
use super::retry::Setback;

/// What an error of the client means. Its own text holds the URL, and is dropped here.
pub(super) fn classify(error: &reqwest::Error, limits: &Limits) -> Setback {
    if error.is_timeout() && error.is_connect() {
        let detail = format!("no connection within {}", seconds(limits.connect));
        return Setback::passing(Failure::new(Reason::Timeout, detail));
    }
    deepest(error.source()).unwrap_or_else(|| {
        let detail = if error.is_connect() { "no connection" } else { BROKE };
        Setback::passing(Failure::new(Reason::Network, detail))
    })
}

/// The same of an error that a carrier brought.
pub(super) fn classify_carried(error: &io::Error) -> Setback {
    deepest(Some(error)).unwrap_or_else(|| Setback::passing(Failure::new(Reason::Network, BROKE)))
}

const BROKE: &str = "the connection broke";

/// What the deepest link that says something says: it knows best.
fn deepest(first: Option<&(dyn Error + 'static)>) -> Option<Setback> {
    let mut found = None;
    let mut next = first;
    while let Some(link) = next {
        found = told(link).or(found);
        next = inner(link);
    }
    found
}

/// A span for people: `30 s`, `250 ms`.
pub(super) fn seconds(span: std::time::Duration) -> String {
    if span.subsec_millis() == 0 { format!("{} s", span.as_secs()) } else { format!("{} ms", span.as_millis()) }
}

/// One link further. `io::Error` hides what it wraps from `source`.
fn inner<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => link.source(),
    }
}

fn told(link: &(dyn Error + 'static)) -> Option<Setback> {
    if let Some(error) = link.downcast_ref::<rustls::Error>() {
        return Some(Setback::last(Failure::new(Reason::Tls, tls(error))));
    }
    if let Some(error) = link.downcast_ref::<hyper::Error>() {
        return hyper(error);
    }
    if let Some(error) = link.downcast_ref::<io::Error>() {
        return network(error.kind());
    }
    // The connector's own word for a failed look-up; its type is private.
    (link.to_string() == "dns error").then(|| Setback::passing(Failure::new(Reason::Network, "the name was not resolved")))
}

fn hyper(error: &hyper::Error) -> Option<Setback> {
    if error.is_parse_too_large() {
        return Some(Setback::last(Failure::new(Reason::TooLarge, "more than 100 header lines or 400 KiB of them")));
    }
    if error.is_parse() {
        return Some(Setback::last(Failure::new(Reason::Malformed, "the answer is not HTTP")));
    }
    if error.is_incomplete_message() {
        return Some(Setback::passing(Failure::new(Reason::Network, "the connection ended before the answer did")));
    }
    None
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is not ours and not closed")]
fn network(kind: io::ErrorKind) -> Option<Setback> {
    let detail = match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::BrokenPipe => "connection closed",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::NetworkDown => "network down",
        io::ErrorKind::AddrNotAvailable => "address not available",
        io::ErrorKind::TimedOut => "connection timed out",
        io::ErrorKind::UnexpectedEof => "the connection ended before the answer did",
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            let detail = "the answer breaks the framing of HTTP";
            return Some(Setback::last(Failure::new(Reason::Malformed, detail)));
        }
        _ => return None,
    };
    Some(Setback::passing(Failure::new(Reason::Network, detail)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enums are not ours and not closed")]
fn tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::UnknownIssuer => "certificate not trusted: unknown issuer",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate not trusted: expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "certificate not trusted: not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "certificate not trusted: not for this host"
            }
            CertificateError::Revoked => "certificate not trusted: revoked",
            CertificateError::BadSignature => "certificate not trusted: bad signature",
            _ => "certificate not trusted",
        },
        rustls::Error::InvalidMessage(_) => "the other end does not speak TLS",
        rustls::Error::PeerIncompatible(_) => "no TLS version or cipher in common",
        rustls::Error::AlertReceived(_) => "the other end refused the TLS handshake",
        _ => "no TLS connection",
    }
}
