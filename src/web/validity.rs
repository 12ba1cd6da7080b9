//! From when until when the certificates that the listener shows are of their time.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};

use crate::domain::Time;

/// Seconds before its end in which a certificate is due to be renewed.
const SOON: i64 = 7 * 86_400;
/// The year 9999 is over.
const AFTER_ALL: u64 = 253_402_300_800;

/// The certificates of a chain, each with its place, its begin and its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Validity(Vec<(usize, (Time, Time))>);

impl Validity {
    /// Of our certificate, which is the first one, and of those that lead from it to a root.
    pub fn of(chain: &[CertificateDer<'_>]) -> Self {
        Self(chain.iter().enumerate().filter_map(|(at, certificate)| Some((at, bounds(certificate)?))).collect())
    }

    /// The earliest end: from then on clients that need that certificate refuse the chain. `None` where there is none.
    pub fn ends(&self) -> Option<Time> {
        self.0.iter().map(|(_, (_, ends))| *ends).min()
    }

    /// What clients that look will have against it because of the time, now or soon.
    pub fn trouble(&self, now: Time) -> Option<String> {
        let told = |at: usize, what: &str, time: Time| {
            let which = match at {
                0 => "the certificate of the listener".to_owned(),
                _ => format!("certificate {} in the listener's cert_file", at + 1),
            };
            format!("{which} {what} {time}; renew it, and reload")
        };
        if let Some((at, (begins, _))) = self.0.iter().find(|(_, (begins, _))| now < *begins) {
            return Some(told(*at, "is not valid before", *begins));
        }
        let (at, (_, ends)) = self.0.iter().min_by_key(|(_, (_, ends))| *ends)?;
        let what = if *ends <= now { "expired at" } else { "expires at" };
        (*ends <= now.plus(SOON)).then(|| told(*at, what, *ends))
    }
}

/// What rustls complains of long before and long after: it tells these times in no other way. Nobody is trusted; whether a
/// certificate is of its time is looked at before who signed it.
fn bounds(certificate: &CertificateDer<'_>) -> Option<(Time, Time)> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let complaint = |seconds: u64| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms) {
            Err(rustls::Error::InvalidCertificate(complaint)) => Some(complaint),
            Ok(()) | Err(_) => None,
        }
    };
    let time = |at: UnixTime| i64::try_from(at.as_secs()).ok().map(Time::from_unix);
    let begins = match complaint(0) {
        Some(CertificateError::NotValidYetContext { not_before, .. }) => time(not_before)?,
        Some(_) | None => Time::from_unix(0),
    };
    match complaint(AFTER_ALL) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => Some((begins, time(not_after)?)),
        Some(_) | None => None,
    }
}
