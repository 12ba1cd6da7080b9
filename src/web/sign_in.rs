//! Asks for names and passwords, as browsers and Prometheus send them (RFC 7617).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::refusals::{Refusals, Refused};
use super::turns::{Asker, Turns};
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
    memory: Arc<Memory>,
}

/// What outlives a reload.
struct Memory {
    /// A look at a password takes a tenth of a second of CPU, and who scrapes comes often. Only right ones are kept, as hashes
    /// with a key of this process over name, password and the stored hash: another stored hash asks anew.
    right: Mutex<BTreeSet<Vec<u8>>>,
    key: Option<hmac::Key>,
    turns: Arc<Turns>,
    refusals: Arc<Refusals>,
}

/// What comes of a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Right,
    Wrong,
    /// Too many are being looked at.
    Busy,
}

impl SignIn {
    /// For these users; `before` is what is replaced, whose users need not be looked at anew.
    pub fn new(users: BTreeMap<String, PasswordHash>, before: Option<&Self>) -> Self {
        let memory = before.map_or_else(Arc::default, |before| Arc::clone(&before.memory));
        let nobody = users.values().next().cloned();
        Self { users, nobody, memory }
    }

    /// The refusal, where the header names nobody with the right password.
    pub async fn refusal(&self, authorization: Option<&HeaderValue>, peer: IpAddr) -> Option<Response> {
        let Some((name, password)) = authorization.and_then(named) else { return Some(unauthorized()) };
        let look = self.look(&name, password, peer).await;
        let mut refusal = match look {
            Look::Right => return None,
            Look::Wrong => unauthorized(),
            Look::Busy => {
                let later = [(header::RETRY_AFTER, "5")];
                (StatusCode::SERVICE_UNAVAILABLE, later, "too many are signing in\n").into_response()
            }
        };
        // Who guesses on begins with a new connection, for which others come too.
        refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        Some(refusal)
    }

    async fn look(&self, name: &str, password: String, peer: IpAddr) -> Look {
        let hash = self.users.get(name);
        let Some(compared) = hash.or(self.nobody.as_ref()).cloned() else { return Look::Wrong };
        // An unknown name is compared with somebody's password, which it may well have.
        let is_known = hash.is_some();
        let tag = self.memory.tag(&[name, &password, compared.as_str()]);
        if is_known && tag.as_ref().is_some_and(|tag| self.memory.remembers(tag)) {
            return Look::Right;
        }
        let asker = Asker::new(name, is_known, peer);
        let memory = Arc::clone(&self.memory);
        // In a task of its own: who was too impatient to wait finds the right password remembered the next time.
        let look = tokio::spawn(async move {
            let look = match memory.turns.wait(asker).await {
                // Somebody before may have been right with the same.
                Some(_turn) if is_known && tag.as_ref().is_some_and(|tag| memory.remembers(tag)) => Look::Right,
                Some(_turn) => {
                    let look = tokio::task::spawn_blocking(move || bcrypt::verify(password, compared.as_str()).unwrap_or(false));
                    if look.await.unwrap_or(false) && is_known { Look::Right } else { Look::Wrong }
                }
                None => Look::Busy,
            };
            match look {
                Look::Right => tag.into_iter().for_each(|tag| memory.remember(tag)),
                // Here, because who hangs up is to be counted too.
                Look::Wrong | Look::Busy => {
                    memory.refusals.add(Refused { peer, is_user: is_known, turned_away: look == Look::Busy });
                }
            }
            look
        });
        look.await.unwrap_or(Look::Wrong)
    }
}

fn unauthorized() -> Response {
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"keymuster\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, ask, "a name and a password are needed\n").into_response()
}

impl Memory {
    fn tag(&self, parts: &[&str]) -> Option<Vec<u8>> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in parts {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        Some(context.sign().as_ref().to_vec())
    }

    fn remembers(&self, tag: &Vec<u8>) -> bool {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(tag)
    }

    fn remember(&self, tag: Vec<u8>) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(tag);
    }
}

impl Default for Memory {
    fn default() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &ring::rand::SystemRandom::new()).ok();
        Self { right: Mutex::default(), key, turns: Arc::default(), refusals: Arc::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> PasswordHash {
        PasswordHash::parse(&bcrypt::hash(password, 4).unwrap()).unwrap()
    }

    fn users(password: &str) -> BTreeMap<String, PasswordHash> {
        BTreeMap::from([("scraper".to_owned(), hash(password))])
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Waits in a task for what comes of it.
    async fn waits(sign_in: &Arc<SignIn>, name: &str, password: &str) -> tokio::task::JoinHandle<Look> {
        let before = sign_in.memory.turns.waiting();
        let (waiting, name, password) = (Arc::clone(sign_in), name.to_owned(), password.to_owned());
        let waiter = tokio::spawn(async move { waiting.look(&name, password, HERE).await });
        while sign_in.memory.turns.waiting() == before {
            tokio::task::yield_now().await;
        }
        waiter
    }

    #[tokio::test]
    async fn who_was_right_once_needs_no_turn_even_after_a_reload_and_others_wait_or_go() {
        let users_now = users("right");
        let look = async |sign_in: &SignIn, name: &str, password: &str| sign_in.look(name, password.to_owned(), HERE).await;
        let sign_in = Arc::new(SignIn::new(users_now.clone(), None));
        assert_eq!(look(&sign_in, "scraper", "right").await, Look::Right);
        let turn = sign_in.memory.turns.wait(Asker::new("scraper", true, HERE)).await.unwrap();
        let waiters = [waits(&sign_in, "scraper", "wrong").await, waits(&sign_in, "nobody", "right").await];
        assert_eq!(look(&sign_in, "scraper", "right").await, Look::Right);
        for (name, password) in [("scraper", "wrong"), ("nobody", "right")] {
            assert_eq!(look(&sign_in, name, password).await, Look::Busy, "{name} {password}");
        }
        let reloaded = SignIn::new(users_now, Some(&sign_in));
        assert_eq!(look(&reloaded, "scraper", "right").await, Look::Right);
        let changed = SignIn::new(users("right"), Some(&sign_in));
        assert_eq!(look(&changed, "scraper", "right").await, Look::Busy, "another hash is looked at anew");
        drop(turn);
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), Look::Wrong);
        }
        for _ in 0..2 {
            assert_eq!(look(&changed, "nobody", "right").await, Look::Wrong);
            assert_eq!(look(&changed, "scraper", "wrong").await, Look::Wrong);
        }
    }

    #[tokio::test]
    async fn whoever_does_not_wait_for_the_answer_is_known_the_next_time() {
        let sign_in = Arc::new(SignIn::new(users("right"), None));
        let turn = sign_in.memory.turns.wait(Asker::new("scraper", true, HERE)).await.unwrap();
        let impatient = waits(&sign_in, "scraper", "right").await;
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
        drop(turn);
        while sign_in.memory.right.lock().unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
