//! Turns a [`Fetch`] into a request: address, query, headers, signature. Every request is below the base URL, and a GET but
//! for the two that [`Method`](crate::providers::Method) names.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::{Method, Request};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{Failure, Hint, Reason};
use crate::providers::{Auth, Fetch, Method as How};

use super::{BaseUrl, Settings, SetupError};

const BEARER: &str = "Bearer ";

/// Where requests go and how they are signed. The value is marked sensitive, so that no debug print shows it.
#[derive(Debug)]
pub(super) struct Signer {
    base_url: BaseUrl,
    header: HeaderName,
    credential: HeaderValue,
}

impl Signer {
    pub(super) fn new(settings: &Settings) -> Result<Self, SetupError> {
        let secret = settings.credential.expose_secret();
        if secret.is_empty() {
            return Err(SetupError::Credential);
        }
        let (header, value) = match settings.auth {
            Auth::Bearer => (AUTHORIZATION, header_value(BEARER, secret)),
            Auth::Header(name) => {
                let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SetupError::Header(name))?;
                (header, header_value("", secret))
            }
        };
        let credential = value.map_err(|_| SetupError::Credential)?;
        Ok(Self { base_url: settings.base_url.clone(), header, credential })
    }

    /// The mask shows the ends of our own credential, and `at_least` so many characters of it. Nothing else is told of the
    /// credential than the mask itself shows.
    pub(super) fn is_masked_by(&self, mask: &Hint, at_least: usize) -> bool {
        let value = self.credential.as_bytes();
        let secret = if self.header == AUTHORIZATION { value.strip_prefix(BEARER.as_bytes()).unwrap_or(value) } else { value };
        mask.visible() >= at_least
            && mask.ends().is_some_and(|(start, end)| {
                start.len() + end.len() < secret.len() && secret.starts_with(start.as_bytes()) && secret.ends_with(end.as_bytes())
            })
    }

    /// The signed request.
    ///
    /// # Errors
    /// `internal`: the adapter named a path that leads elsewhere, or a header that is none or that carries the credential.
    pub(super) fn request(&self, fetch: &Fetch, token: Option<&SecretString>) -> Result<Request, Failure> {
        let bug = |what| Failure::new(Reason::Internal, format!("{}: {what}", fetch.endpoint));
        let mut url = self.base_url.join(&fetch.path).ok_or_else(|| bug("the path would lead elsewhere"))?;
        if !fetch.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&fetch.query);
        }
        let mut request = match &fetch.method {
            How::Get => Request::new(Method::GET, url),
            How::WhoAmI => Request::new(Method::POST, url),
            How::Exchange { user } => {
                let mut request = Request::new(Method::POST, url);
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                // An id holds nothing that JSON would have to escape.
                *request.body_mut() = Some(format!("{{\"user_id\":\"{user}\"}}").into());
                request
            }
        };
        for (name, id) in &fetch.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bug("a header's name is none"))?;
            let mut value = HeaderValue::from_str(id.as_str()).map_err(|_| bug("a header's value is none"))?;
            value.set_sensitive(true);
            if name == self.header || request.headers_mut().insert(name, value).is_some() {
                return Err(bug("a header is there twice"));
            }
        }
        match token {
            None => request.headers_mut().insert(self.header.clone(), self.credential.clone()),
            Some(token) => {
                let bearer = header_value(BEARER, token.expose_secret());
                let bearer =
                    bearer.map_err(|_| Failure::new(Reason::Malformed, "the exchanged token is none that a header can carry"))?;
                request.headers_mut().insert(AUTHORIZATION, bearer)
            }
        };
        Ok(request)
    }
}

/// Marked sensitive, and wiped when its last copy is let go: copies share their bytes. Those inside the HTTP and TLS libraries
/// are not ours to wipe.
fn header_value(scheme: &str, secret: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(scheme.len() + secret.len()));
    bytes.extend_from_slice(scheme.as_bytes());
    bytes.extend_from_slice(secret.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RemoteId;
    use crate::providers::{Pace, Target};
    use crate::remote::Limits;

    fn signer(auth: Auth, credential: &str) -> Result<Signer, SetupError> {
        Signer::new(&Settings {
            base_url: BaseUrl::parse("https://host.example/v1").unwrap(),
            credential: credential.to_owned().into(),
            auth,
            pace: Pace { per_minute: 60, burst: 1 },
            limits: Limits::default(),
            ca_file: None,
            proxy: None,
        })
    }

    fn fetch() -> Fetch {
        Fetch {
            query: vec![("limit", "100".to_owned()), ("after", "a&b=c#d/../é\r\n".to_owned())],
            headers: vec![("x-org", RemoteId::new("org_canary-id").unwrap())],
            ..Fetch::get(Target::Question("who"), "/keys", "/keys")
        }
    }

    #[test]
    fn values_are_encoded() {
        let request = signer(Auth::Bearer, "canary").unwrap().request(&fetch(), None).unwrap();
        assert_eq!(request.url().as_str(), "https://host.example/v1/keys?limit=100&after=a%26b%3Dc%23d%2F..%2F%C3%A9%0D%0A");
    }

    #[test]
    fn nothing_shows_a_secret() {
        for auth in [Auth::Bearer, Auth::Header("x-api-key")] {
            let signer = signer(auth, "canary-secret").unwrap();
            let token = SecretString::from("canary-token");
            for token in [None, Some(&token)] {
                let request = signer.request(&fetch(), token).unwrap();
                let shown = format!("{signer:?} {request:?} {token:?}");
                assert!(!shown.contains("canary"), "{shown}");
                assert_eq!(shown.matches("Sensitive").count(), 3, "{shown}");
            }
        }
    }

    #[test]
    fn a_mask_fits_the_credential_whose_ends_it_shows() {
        for auth in [Auth::Bearer, Auth::Header("x-api-key")] {
            let signer = signer(auth, "sk-admin-AbCdEfGhIjKlMnOpWxYz").unwrap();
            let fits = |mask: &str| signer.is_masked_by(&Hint::new(mask).unwrap(), 3);
            for mask in ["sk-admin...xYz", "sk-admin-****************WxYz", "sk-...WxYz", "sk-admin-AbC…", "sk-admin-AbCd"] {
                assert!(fits(mask), "{mask}");
            }
            for mask in ["sk-admin...Yz", "sk-admin-...", "sk-...", "sk-proj-****WxYz", "sk-admin-***WxYa", "sk-admin-abc…"] {
                assert!(!fits(mask), "{mask}");
            }
        }
        // What shows all of it, or its characters twice over, is no mask of it.
        assert!(!signer(Auth::Bearer, "den_PxQr").unwrap().is_masked_by(&Hint::new("den_PxQr").unwrap(), 2));
        assert!(!signer(Auth::Bearer, "sk-abcd").unwrap().is_masked_by(&Hint::new("sk-abc...bcd").unwrap(), 3));
    }

    #[test]
    fn a_credential_that_no_header_carries_is_refused() {
        for bad in ["", "a\nb", "a\u{0}b"] {
            let refused = signer(Auth::Header("x-api-key"), bad).unwrap_err();
            assert!(matches!(refused, SetupError::Credential), "{refused}");
        }
        assert!(matches!(signer(Auth::Header("x api key"), "a"), Err(SetupError::Header("x api key"))));
    }

    #[test]
    fn headers_cannot_replace_the_credential() {
        let signer = signer(Auth::Header("x-api-key"), "canary").unwrap();
        for name in ["x-api-key", "X-API-Key", "x-org", "two words"] {
            let mut twice = fetch();
            twice.headers.push((name, RemoteId::new("other").unwrap()));
            assert_eq!(signer.request(&twice, None).unwrap_err().reason, Reason::Internal, "{name}");
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_a_bug() {
        let elsewhere = Fetch { path: "/../other".to_owned(), ..fetch() };
        let refused = signer(Auth::Bearer, "canary").unwrap().request(&elsewhere, None).unwrap_err();
        assert_eq!((refused.reason, refused.detail.as_str()), (Reason::Internal, "/keys: the path would lead elsewhere"));
    }
}
