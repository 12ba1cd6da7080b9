//! Where a provider's API is, and through which proxy: checked once, kept as text.

use std::fmt;

use url::{Host, Url};

/// The base of all requests of an account: https, or http on a loopback address. It may carry a path, has no slash at its
/// end, and holds no user, query or fragment. It pins the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// An http proxy: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

/// Why a text is no such URL. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL with a host.
    #[error("is no URL with a host")]
    NotAUrl,
    /// A user or a password.
    #[error("holds a user or password")]
    User,
    /// A query or a fragment.
    #[error("holds a query or a fragment")]
    Query,
    /// http to a host that is not this machine, or another scheme.
    #[error("is not https")]
    NotHttps,
    /// A proxy that is not addressed by http, or that has a path.
    #[error("is no http proxy")]
    NotAProxy,
}

impl BaseUrl {
    /// Checks a base URL.
    ///
    /// # Errors
    /// Which of the conditions above is broken.
    pub fn check(text: &str) -> Result<Self, UrlError> {
        let url = parse(text)?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => is_loopback(&url),
            _other => false,
        };
        if !secure {
            return Err(UrlError::NotHttps);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl ProxyUrl {
    /// Checks a proxy's URL.
    ///
    /// # Errors
    /// Which of the conditions above is broken.
    pub fn check(text: &str) -> Result<Self, UrlError> {
        let url = parse(text)?;
        if url.scheme() != "http" || url.path() != "/" {
            return Err(UrlError::NotAProxy);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn parse(text: &str) -> Result<Url, UrlError> {
    // The parser drops tabs and line ends, turns backslashes round and maps look-alike letters; none of that is meant.
    if text.bytes().any(|b| !(b'!'..=b'~').contains(&b) || b == b'\\') {
        return Err(UrlError::NotAUrl);
    }
    // `https:host` parses too, and `file:///` has no host.
    let (_, after_scheme) = text.split_once("://").ok_or(UrlError::NotAUrl)?;
    // An empty user does not survive parsing, and is not meant either.
    if after_scheme.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(UrlError::User);
    }
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    if !url.has_host() {
        return Err(UrlError::NotAUrl);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlError::Query);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        for (text, kept) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("https://API.openai.com/v1/", "https://api.openai.com/v1"),
            ("https://api.example.com:8443", "https://api.example.com:8443"),
            ("http://127.0.0.1:4000/openai/v1", "http://127.0.0.1:4000/openai/v1"),
            ("http://[::1]:4000", "http://[::1]:4000"),
            ("http://localhost:4000", "http://localhost:4000"),
        ] {
            assert_eq!(BaseUrl::check(text).map(|u| u.to_string()).as_deref(), Ok(kept), "{text}");
        }
        for (text, error) in [
            ("http://api.openai.com/v1", UrlError::NotHttps),
            ("http://localhost.example.com", UrlError::NotHttps),
            ("http://127.0.0.1.example.com", UrlError::NotHttps),
            ("ftp://api.openai.com", UrlError::NotHttps),
            ("https://api.openai.com@evil.example", UrlError::User),
            ("https://user:pass@api.openai.com", UrlError::User),
            ("https://:@api.openai.com", UrlError::User),
            ("https://api.openai.com/?a=b", UrlError::Query),
            ("https://api.openai.com/#a", UrlError::Query),
            ("https://api.openai.com\\@evil.example", UrlError::NotAUrl),
            ("https://api.\u{043e}penai.com", UrlError::NotAUrl),
            ("https://api.openai.com/\t", UrlError::NotAUrl),
            ("https:api.openai.com", UrlError::NotAUrl),
            ("file:///etc/passwd", UrlError::NotAUrl),
            ("api.openai.com", UrlError::NotAUrl),
            ("", UrlError::NotAUrl),
        ] {
            assert_eq!(BaseUrl::check(text), Err(error), "{text}");
        }
    }

    #[test]
    fn proxies() {
        assert_eq!(
            ProxyUrl::check("http://proxy.example:3128/").map(|u| u.to_string()).as_deref(),
            Ok("http://proxy.example:3128")
        );
        for (text, error) in [
            ("https://proxy.example:3128", UrlError::NotAProxy),
            ("socks5://proxy.example", UrlError::NotAProxy),
            ("http://proxy.example/path", UrlError::NotAProxy),
            ("http://user:pass@proxy.example", UrlError::User),
        ] {
            assert_eq!(ProxyUrl::check(text), Err(error), "{text}");
        }
    }
}
