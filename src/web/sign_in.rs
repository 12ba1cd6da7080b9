//! Asks for names and passwords, as browsers and Prometheus send them (RFC 7617).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::config::PasswordHash;

/// Right passwords that are remembered; there are not more people.
const REMEMBERED: usize = 256;
/// Longer than bcrypt looks at.
const LONGEST: usize = 4096;

/// Knows who may come in.
pub(super) struct SignIn {
    users: BTreeMap<String, PasswordHash>,
    /// What the password of an unknown name is compared with, so that it takes as long.
    nobody: Option<PasswordHash>,
    /// A look at a password takes a tenth of a second of CPU, and who scrapes comes often. Only right ones are kept, as hashes
    /// with a key of this process.
    right: Mutex<BTreeSet<Vec<u8>>>,
    key: Option<hmac::Key>,
    /// One look at a time: who tries many waits for himself.
    looking: Semaphore,
}

impl SignIn {
    pub fn new(users: BTreeMap<String, PasswordHash>) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &ring::rand::SystemRandom::new()).ok();
        let nobody = users.values().next().cloned();
        Self { users, nobody, right: Mutex::default(), key, looking: Semaphore::new(1) }
    }

    /// The refusal, where the header names nobody with the right password.
    pub async fn refusal(&self, authorization: Option<&HeaderValue>) -> Option<Response> {
        let given = authorization.and_then(named);
        let admitted = match given {
            Some((name, password)) => self.admits(name, password).await,
            None => false,
        };
        (!admitted).then(|| {
            let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"keymuster\", charset=\"UTF-8\"")];
            (StatusCode::UNAUTHORIZED, ask, "a name and a password are needed\n").into_response()
        })
    }

    async fn admits(&self, name: String, password: String) -> bool {
        let hash = self.users.get(&name);
        let Some(compared) = hash.or(self.nobody.as_ref()).cloned() else { return false };
        let tag = self.key.as_ref().map(|key| {
            let mut context = hmac::Context::with_key(key);
            for part in [name.as_str(), password.as_str(), compared.as_str()] {
                context.update(&part.len().to_le_bytes());
                context.update(part.as_bytes());
            }
            context.sign().as_ref().to_vec()
        });
        let is_known = |tag: &Vec<u8>| self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(tag);
        if tag.as_ref().is_some_and(is_known) {
            return true;
        }
        let Ok(_turn) = self.looking.acquire().await else { return false };
        let look = tokio::task::spawn_blocking(move || bcrypt::verify(password, compared.as_str()).unwrap_or(false));
        // An unknown name is compared with somebody's password, which it may well have.
        let right = look.await.unwrap_or(false) && hash.is_some();
        if right && let Some(tag) = tag {
            let mut remembered = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(tag);
        }
        right
    }
}

/// The name and the password.
fn named(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > LONGEST {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
