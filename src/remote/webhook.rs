//! Posts to the webhook, signed by the convention of Standard Webhooks (specification 1.0.0), so that receivers verify with
//! libraries that are there: `webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,BASE64(HMAC-SHA-256)` over
//! `ID.TIMESTAMP.BODY`.
//!
//! Of an answer only the status and `Retry-After` are looked at. Its body is not read, and a redirect is a refusal.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Url};
use ring::hmac;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::broken::{classify, seconds};
use super::client::{self, Route};
use super::retry_after::retry_after;
use super::{BaseUrl, Limits, ProxyUrl, Roots, SetupError};
use crate::clock::Clock;
use crate::domain::Time;

const PREFIX: &str = "whsec_";
/// Bytes of a secret, as the convention has them.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), request: Duration::from_secs(20), ..Limits::of(crate::providers::Paging::Pages) };

/// What deliveries are signed with.
#[derive(Debug, Clone)]
pub struct WebhookSecret(SecretSlice<u8>);

/// A text that is no such secret. It does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no secret of a webhook, which is whsec_ and 24 to 64 random bytes as base64; make one by: \
     printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\""
)]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Reads the text that both sides have: `whsec_` and base64.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(text: &SecretString) -> Result<Self, WebhookSecretError> {
        let digits = text.expose_secret().strip_prefix(PREFIX).ok_or(WebhookSecretError)?;
        let bytes = BASE64_STANDARD.decode(digits).map(Zeroizing::new).map_err(|_| WebhookSecretError)?;
        if LENGTHS.contains(&bytes.len()) { Ok(Self(bytes.to_vec().into())) } else { Err(WebhookSecretError) }
    }

    /// The value of `webhook-signature`.
    fn sign(&self, id: &str, at: Time, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        let tag = hmac::sign(&key, format!("{id}.{}.{body}", at.unix()).as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

/// What a line to the webhook is made from.
#[derive(Debug)]
pub struct WebhookSettings {
    /// Where it is posted to; nothing goes anywhere else.
    pub url: BaseUrl,
    /// What it is signed with.
    pub secret: WebhookSecret,
    /// PEM file of the only roots to trust; the machine's own where there is none.
    pub ca_file: Option<PathBuf>,
    /// A proxy for https; none is ever taken from the environment.
    pub proxy: Option<ProxyUrl>,
}

/// The line to the webhook. Cheap to clone.
#[derive(Clone)]
pub struct Webhook(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    secret: WebhookSecret,
    clock: Clock,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("secret", &self.0.secret).finish_non_exhaustive()
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It was taken: a status of 200 to 299.
    Taken(u16),
    /// Any other answer.
    Refused {
        /// Its status.
        status: u16,
        /// How long the receiver asks to wait.
        after: Option<Duration>,
    },
    /// None came.
    NoAnswer(String),
}

impl Webhook {
    /// Sets the line up; sends nothing.
    ///
    /// # Errors
    /// A CA file that cannot be read, or no roots at all.
    pub fn new(settings: WebhookSettings, clock: Clock) -> Result<Self, SetupError> {
        let WebhookSettings { url, secret, ca_file, proxy } = settings;
        let route = Route {
            url: &url,
            ca_file: ca_file.as_deref(),
            roots: &Roots::default(),
            proxy: proxy.as_ref(),
            connect: LIMITS.connect,
        };
        Ok(Self(Arc::new(Inner { client: client::build(route)?, url: url.url(), secret, clock })))
    }

    /// Posts a body once, signed as of now. The same `id` again tells the receiver that it is the same again.
    pub async fn post(&self, id: &str, body: String) -> Sent {
        let inner = &*self.0;
        let now = inner.clock.now();
        let mut request = Request::new(Method::POST, inner.url.clone());
        let signature = inner.secret.sign(id, now, &body);
        if let Err(error) = sign(request.headers_mut(), id, now, &signature) {
            return Sent::NoAnswer(error.to_string());
        }
        *request.body_mut() = Some(body.into());
        match tokio::time::timeout(LIMITS.request, inner.client.execute(request)).await {
            Err(_) => Sent::NoAnswer(format!("no answer within {}", seconds(LIMITS.request))),
            Ok(Err(error)) => Sent::NoAnswer(classify(&error, &LIMITS).failure.detail),
            Ok(Ok(answer)) if answer.status().is_success() => Sent::Taken(answer.status().as_u16()),
            Ok(Ok(answer)) => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let after = after.and_then(|value| retry_after(value, inner.clock.now()));
                Sent::Refused { status: answer.status().as_u16(), after }
            }
        }
    }
}

fn sign(headers: &mut HeaderMap, id: &str, at: Time, signature: &str) -> Result<(), reqwest::header::InvalidHeaderValue> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(id)?);
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(at.unix()));
    headers.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(signature)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Result<WebhookSecret, WebhookSecretError> {
        WebhookSecret::parse(&SecretString::from(text))
    }

    /// The example of the convention's own libraries.
    #[test]
    fn the_known_example_has_its_known_signature() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", Time::from_unix(1_614_265_330), r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn other_texts_are_no_secrets_and_are_not_repeated() {
        let of = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for good in [24, 32, 64] {
            assert!(secret(&of(good)).is_ok(), "{good}");
        }
        let bare = BASE64_STANDARD.encode([7; 32]);
        for bad in [of(23), of(65), bare, "whsec_".to_owned(), "whsec_canary".to_owned(), "sk-canary".to_owned()] {
            let error = secret(&bad).unwrap_err().to_string();
            assert!(error.contains("openssl rand") && !error.contains("canary"), "{error}");
        }
        let shown = format!("{:?}", secret(&of(32)).unwrap());
        assert!(!shown.contains("[7, 7") && !shown.contains("BwcHBw"), "{shown}");
    }

    proptest! {
        /// As a receiver verifies it; and nothing else is verified by it.
        #[test]
        fn what_is_signed_is_verified(key in prop::collection::vec(any::<u8>(), 24..=64), body in ".{0,200}", at in 0_i64..4_000_000_000) {
            let secret = secret(&format!("whsec_{}", BASE64_STANDARD.encode(&key))).unwrap();
            let signed = secret.sign("msg_1", Time::from_unix(at), &body);
            let tag = BASE64_STANDARD.decode(signed.strip_prefix("v1,").unwrap()).unwrap();
            let verified = |id: &str, at: i64, body: &str| {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{at}.{body}").as_bytes(), &tag).is_ok()
            };
            prop_assert!(verified("msg_1", at, &body));
            prop_assert!(!verified("msg_2", at, &body) && !verified("msg_1", at + 1, &body));
            let longer = format!("{body} ");
            prop_assert!(!verified("msg_1", at, &longer));
        }
    }
}
