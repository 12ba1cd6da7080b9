//! Builds the HTTP client of one account, or of the webhook: no redirects, no proxy and no key log from the environment, TLS only where needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};

use super::{BaseUrl, ProxyUrl, Roots};

/// Why an account's line cannot be set up. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `ca_file` cannot be read.
    #[error("ca_file {path}: {why}", path = path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// https without any root to trust.
    #[error("no CA certificates found on this machine: install ca-certificates, or set ca_file")]
    NoRoots,
    /// The credential cannot be sent.
    #[error("the credential is empty or holds characters that no header can carry, such as a line break")]
    Credential,
    /// The header that the provider names for credentials is none: a bug of its adapter.
    #[error("'{0}' is no header name")]
    Header(&'static str),
    /// The proxy or the client itself.
    #[error("HTTP client: {0}")]
    Client(String),
}

/// Idle connections are closed before common servers close them: a request on a dying connection is a needless failure.
const IDLE: Duration = Duration::from_secs(4);
/// As many as an account may have requests under way: each further one would be made anew for its next request.
const IDLE_CONNECTIONS: usize = 64;
const HEADER_LINES: usize = 100;

/// Where a client goes, and by which way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route<'a> {
    pub url: &'a BaseUrl,
    pub ca_file: Option<&'a Path>,
    pub roots: &'a Roots,
    pub proxy: Option<&'a ProxyUrl>,
    pub connect: Duration,
}

pub(super) fn build(route: Route<'_>) -> Result<reqwest::Client, SetupError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    #[expect(clippy::disallowed_methods, reason = "this is the place that builds clients")]
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(route)?)
        .user_agent(concat!("keymuster/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .https_only(route.url.is_https())
        .http1_only()
        .http1_max_headers(HEADER_LINES)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(route.connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    if let Some(proxy) = route.proxy {
        // For https alone: a proxy would read what is meant for loopback.
        let proxy = reqwest::Proxy::https(proxy.url()).map_err(|error| SetupError::Client(error.without_url().to_string()))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| SetupError::Client(error.without_url().to_string()))
}

/// The provider is named here, not taken from what happens to be installed in the process. For http the roots are empty and
/// no CA file is touched.
fn tls(route: Route<'_>) -> Result<rustls::ClientConfig, SetupError> {
    let roots = if route.url.is_https() { route.roots.of(route.ca_file)? } else { Arc::new(rustls::RootCertStore::empty()) };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Of the account's provider and of a proxy before it, eight each: room for many servers would be made at once.
    config.resumption = rustls::client::Resumption::in_memory_sessions(16);
    Ok(config)
}
