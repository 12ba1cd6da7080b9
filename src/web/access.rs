//! Who may ask, and over what: TLS, client certificates and passwords, as the web config file says.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::sign_in::SignIn;
use super::validity::Validity;
use crate::config::{Clients, Tls, TlsVersion, Web, credential};
use crate::domain::Time;

/// What a connection has to pass.
#[derive(Clone, Default)]
pub struct Access {
    /// Answers in TLS; `None` speaks in clear.
    pub(super) tls: Option<TlsAcceptor>,
    /// Asks for a password; `None` lets everybody in.
    pub(super) sign_in: Option<Arc<SignIn>>,
    /// Further names under which the listener is reached, in lower case.
    pub(super) names: Arc<BTreeSet<String>>,
    /// Nobody is asked, and other machines can connect: told on every page.
    is_open: bool,
    /// Of our certificate, and of those that lead from it to a root.
    validity: Validity,
}

/// Why the files that the web config file names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct AccessError {
    path: PathBuf,
    what: String,
}

impl Access {
    /// Reads the files that the web config file names. Who signed in by what is replaced need not be looked at anew.
    ///
    /// # Errors
    /// One of them cannot be read, or does not hold what it should.
    pub fn new(web: &Web, before: Option<&Self>) -> Result<Self, AccessError> {
        let file = web.file.as_ref();
        let tls = file.and_then(|file| file.tls.as_ref());
        let chain = tls.map(|tls| certificates(&tls.cert)).transpose()?.unwrap_or_default();
        let validity = Validity::of(&chain);
        let tls = tls.map(|tls| acceptor(tls, chain)).transpose()?;
        let before = before.and_then(|before| before.sign_in.as_deref());
        let sign_in = file.filter(|file| !file.users.is_empty()).map(|file| Arc::new(SignIn::new(file.users.clone(), before)));
        Ok(Self { tls, sign_in, names: Arc::new(web.hosts.clone()), is_open: web.is_open(), validity })
    }

    /// What clients that look will have against our certificates because of the time, now or soon.
    pub fn certificate_trouble(&self, now: Time) -> Option<String> {
        self.validity.trouble(now)
    }

    /// When the first of our certificates ends; `None` in clear.
    pub fn certificate_ends(&self) -> Option<Time> {
        self.validity.ends()
    }

    /// Other machines can connect, and nobody is asked.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }
}

fn acceptor(tls: &Tls, chain: Vec<CertificateDer<'static>>) -> Result<TlsAcceptor, AccessError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match tls.oldest {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let wrong = |path: &Path, what: String| AccessError { path: path.to_owned(), what };
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| wrong(&tls.cert, error.to_string()))?;
    let verifier = |ca: &Path, required: bool| {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| {
                wrong(ca, format!("holds a certificate that is no root ({error}); name the roots of your clients"))
            })?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map_err(|error| wrong(ca, error.to_string()))
    };
    let builder = match &tls.clients {
        Clients::NotAsked => builder.with_no_client_auth(),
        Clients::IfGiven(ca) => builder.with_client_cert_verifier(verifier(ca, false)?),
        Clients::Required(ca) => builder.with_client_cert_verifier(verifier(ca, true)?),
    };
    // The same care as for credentials: who reads it can answer in our name.
    let facts = std::fs::metadata(&tls.key).map_err(|error| wrong(&tls.key, unreadable(&error)))?;
    if let Some(who) = credential::open_to(facts.mode()) {
        let what = format!("has mode {:04o}, so that {who}; {}", facts.mode() & 0o7777, credential::remedy(&facts));
        return Err(wrong(&tls.key, what));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| {
        let remedy = "name a PEM file with a key that has no passphrase";
        wrong(&tls.key, pem(&error, &format!("holds no private key ({error}); {remedy}")))
    })?;
    let other = |error| format!("does not go with {} ({error}); name a certificate and its own key", tls.key.display());
    let mut config = builder.with_single_cert(chain, key).map_err(|error| wrong(&tls.cert, other(error)))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let wrong = |what: String| AccessError { path: path.to_owned(), what };
    let remedy = "name a PEM file of certificates";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| wrong(pem(&error, &format!("is no PEM ({error}); {remedy}"))))?;
    if certificates.is_empty() { Err(wrong(format!("holds no certificate; {remedy}"))) } else { Ok(certificates) }
}

/// Why a PEM file cannot be used: it cannot be read, or what is said otherwise.
fn pem(error: &pem::Error, otherwise: &str) -> String {
    if let pem::Error::Io(error) = error { unreadable(error) } else { otherwise.to_owned() }
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {error}; see that it is a file, and that this user may read it")
}
