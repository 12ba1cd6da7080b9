//! What an account's line to its provider is made from, checked before anything is sent.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::providers::{Auth, Pace, Paging};

/// One account's line to its provider. `Debug` shows no secret:
///
/// ```
/// fn shown(settings: &keymuster::remote::Settings) -> String {
///     format!("{:?}", settings.credential)
/// }
/// assert!(!format!("{:?}", secrecy::SecretString::from("canary")).contains("canary"));
/// ```
///
/// In no other way the credential becomes text, neither by itself nor within an answer or a file:
///
/// ```compile_fail,E0277
/// fn shown(settings: &keymuster::remote::Settings) -> String {
///     format!("{}", settings.credential)
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn shown(settings: &keymuster::remote::Settings) -> serde_json::Result<String> {
///     serde_json::to_string(&settings.credential)
/// }
/// ```
#[derive(Debug)]
pub struct Settings {
    /// Where the provider's API is; no request goes anywhere else.
    pub base_url: BaseUrl,
    /// Our own credential.
    pub credential: SecretString,
    /// The header that the credential goes into.
    pub auth: Auth,
    /// How fast each endpoint template may be asked.
    pub pace: Pace,
    /// What one request may cost.
    pub limits: Limits,
    /// PEM file of the only roots to trust; the machine's own where there is none.
    pub ca_file: Option<PathBuf>,
    /// A proxy for https; none is ever taken from the environment.
    pub proxy: Option<ProxyUrl>,
}

/// What one request may cost. Waiting for pace or `Retry-After` counts towards none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the connection, name and TLS included.
    pub connect: Duration,
    /// Between two pieces of a body.
    pub read: Duration,
    /// For one attempt, from the connection to the last byte.
    pub request: Duration,
    /// Bytes of a body as they come.
    pub wire_bytes: u64,
    /// Bytes of a body after unpacking.
    pub inflated_bytes: u64,
    /// Elements of the list in one answer.
    pub items_per_answer: u64,
    /// Bytes of one element.
    pub element_bytes: usize,
    /// Bytes of a body beside the list's elements.
    pub rest_bytes: usize,
    /// Further attempts after the first.
    pub retries: u32,
}

impl Limits {
    /// The defaults for a provider that cuts its lists so. An answer that holds everything may be larger: a key of Den is
    /// about 520 bytes, so that 20,000 are 10 MiB.
    pub const fn of(paging: Paging) -> Self {
        const MIB: u64 = 1024 * 1024;
        let (wire_bytes, inflated_bytes, items_per_answer) = match paging {
            Paging::Pages => (8 * MIB, 16 * MIB, 1_000),
            Paging::OneAnswer => (32 * MIB, 32 * MIB, 20_000),
        };
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(15),
            request: Duration::from_secs(30),
            wire_bytes,
            inflated_bytes,
            items_per_answer,
            element_bytes: 64 * 1024,
            rest_bytes: 1024 * 1024,
            retries: 4,
        }
    }
}

impl Default for Limits {
    /// Those of a provider that answers in pages.
    fn default() -> Self {
        Self::of(Paging::Pages)
    }
}

/// Where a provider's API is: https, or http on a loopback literal or `localhost`. It may carry a path; it has no user info,
/// query or fragment, and no slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no [`BaseUrl`] or [`ProxyUrl`]; a fragment that completes "`base_url` …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// Not a URL at all, or with characters that parsers drop in silence.
    #[error("is not a URL")]
    NotAUrl,
    /// A scheme that is not https, nor http where that may be.
    #[error("must begin with https://; http:// is for 127.0.0.1, [::1] and localhost alone")]
    Scheme,
    /// A proxy that is not asked by HTTP.
    #[error("must begin with http:// or https://")]
    ProxyScheme,
    /// `user@` or `user:password@`.
    #[error("must hold no user or password")]
    UserInfo,
    /// `?…` or `#…`.
    #[error("must hold no '?' or '#'")]
    QueryOrFragment,
    /// A proxy has no path.
    #[error("must hold no path")]
    Path,
}

impl BaseUrl {
    /// Checks a text.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        let url = plain_url(text)?;
        let loopback = match url.host_str().unwrap_or_default() {
            "localhost" => true,
            host => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(UrlProblem::Scheme),
        }
        Ok(Self(url))
    }

    /// It is https.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, without port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The whole, without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The whole as it was written, with a slash at its end where it has one.
    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }

    /// This address and a path below it. `None` where the path would not stay as it is written: the address would be another.
    pub(super) fn join(&self, path: &str) -> Option<Url> {
        let whole = format!("{}{path}", self.0.path().trim_end_matches('/'));
        let mut url = self.0.clone();
        url.set_path(&whole);
        (path.starts_with('/') && url.path() == whole).then_some(url)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({})", self.as_str())
    }
}

impl std::str::FromStr for BaseUrl {
    type Err = UrlProblem;
    fn from_str(text: &str) -> Result<Self, UrlProblem> {
        Self::parse(text)
    }
}

/// A configured proxy: `http://host:port` or `https://host:port`, without user, password or path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// Checks a text.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        let url = plain_url(text)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlProblem::ProxyScheme);
        }
        if url.path() != "/" {
            return Err(UrlProblem::Path);
        }
        Ok(Self(url))
    }

    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

impl std::str::FromStr for ProxyUrl {
    type Err = UrlProblem;
    fn from_str(text: &str) -> Result<Self, UrlProblem> {
        Self::parse(text)
    }
}

fn plain_url(text: &str) -> Result<Url, UrlProblem> {
    // The URL parser drops tabs and line breaks, takes a backslash for a slash, and letters that only look like Latin ones.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\' || !c.is_ascii()) {
        return Err(UrlProblem::NotAUrl);
    }
    if text.contains(['?', '#']) {
        return Err(UrlProblem::QueryOrFragment);
    }
    if text.contains('@') {
        return Err(UrlProblem::UserInfo);
    }
    let url = Url::parse(text).map_err(|_| UrlProblem::NotAUrl)?;
    // "https:host" is a URL to the parser, and a typing error to people.
    if !text.contains("://") || !url.has_host() {
        return Err(UrlProblem::NotAUrl);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_pin_a_safe_host() {
        for (text, shown) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
            ("https://API.braintrust.dev", "https://api.braintrust.dev"),
            ("http://127.0.0.1:8080/openai", "http://127.0.0.1:8080/openai"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:1", "http://localhost:1"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), shown);
        }
        for (text, problem) in [
            ("http://api.openai.com", UrlProblem::Scheme),
            ("http://localhost.evil.example", UrlProblem::Scheme),
            ("http://127.0.0.1.evil.example", UrlProblem::Scheme),
            ("http://10.0.0.1", UrlProblem::Scheme),
            ("ftp://127.0.0.1", UrlProblem::Scheme),
            ("https://api.openai.com@evil.example", UrlProblem::UserInfo),
            ("https://user:password@host.example", UrlProblem::UserInfo),
            ("https://host.example/?a", UrlProblem::QueryOrFragment),
            ("https://host.example/#a", UrlProblem::QueryOrFragment),
            ("https://host.example\\path", UrlProblem::NotAUrl),
            ("https://host.example\n.evil.example", UrlProblem::NotAUrl),
            ("https:host.example", UrlProblem::NotAUrl),
            ("host.example", UrlProblem::NotAUrl),
            ("", UrlProblem::NotAUrl),
        ] {
            assert_eq!(BaseUrl::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn paths_stay_below_the_base() {
        let base = BaseUrl::parse("https://host.example/v1/").unwrap();
        assert_eq!(base.join("/organization/projects").unwrap().as_str(), "https://host.example/v1/organization/projects");
        for path in ["", "x", "/../admin", "/a/./b", "/a?b", "/a#b", "/a b", "/%2e%2e/x", "/a\nb"] {
            assert_eq!(base.join(path), None, "{path}");
        }
    }

    #[test]
    fn proxies_are_bare() {
        assert!(ProxyUrl::parse("http://proxy.example:3128").is_ok());
        assert_eq!(ProxyUrl::parse("http://user:secret@proxy.example:3128"), Err(UrlProblem::UserInfo));
        assert_eq!(ProxyUrl::parse("http://proxy.example/path"), Err(UrlProblem::Path));
        assert_eq!(ProxyUrl::parse("socks5://proxy.example"), Err(UrlProblem::ProxyScheme));
    }
}
