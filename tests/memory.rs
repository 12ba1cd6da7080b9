//! A secret leaves the memory when whoever holds it lets go. Looked for in all that this process can write to, as whoever steals
//! a core dump would.

#![cfg(test)]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use keymuster::clock::Clock;
use keymuster::config::CredentialSource;
use keymuster::config::credential::{load, load_secret};
use keymuster::domain::RemoteId;
use keymuster::providers::{Fetch, Grant, Known, Method, PROVIDERS, Pace, Provider, SignIn, Target};
use keymuster::remote::{BaseUrl, Carried, Carrier, Exchanged, Limits, Remote, Requests, Settings, WebhookSecret};
use secrecy::SecretString;
use secrecy::zeroize::{Zeroize, Zeroizing};

/// A secret that this process never holds as such by the test's own doing: only with each byte inverted.
#[derive(Debug, Clone)]
struct Canary(Vec<u8>);

impl Canary {
    const LENGTH: usize = 64;

    fn new() -> Self {
        let mut random = [0; Self::LENGTH];
        File::open("/dev/urandom").unwrap().read_exact_at(&mut random, 0).unwrap();
        Self(random.iter().map(|byte| !(b'a' + byte % 26)).collect())
    }

    /// Byte by byte, so that it stands nowhere in a row.
    fn write(&self, path: &Path) {
        self.write_after("", path);
    }

    fn write_after(&self, prefix: &str, path: &Path) {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
        file.write_all(prefix.as_bytes()).unwrap();
        self.0.iter().for_each(|inverted| file.write_all(&[!inverted]).unwrap());
    }

    /// The bytes that it stands for as base64.
    fn decoded(&self) -> Self {
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(self.0.iter().map(|inverted| !inverted).collect());
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(&*text).unwrap());
        Self(bytes.iter().map(|byte| !byte).collect())
    }

    /// Of a freed block the allocator overwrites the beginning: the second half will do.
    fn is_in(&self, bytes: &[u8]) -> bool {
        let half = &self.0[self.0.len() / 2..];
        bytes.windows(half.len()).any(|window| window.iter().zip(half).all(|(byte, inverted)| *byte == !inverted))
    }
}

/// All that this process can write to. What it needs to look is there beforehand: an allocation could be given the very block
/// that somebody left a secret in.
struct Memory {
    maps: String,
    piece: Vec<u8>,
}

impl Memory {
    fn new() -> Self {
        Self { maps: String::with_capacity(1 << 20), piece: vec![0; 64 << 10] }
    }

    fn holds(&mut self, canary: &Canary) -> bool {
        self.maps.clear();
        File::open("/proc/self/maps").unwrap().read_to_string(&mut self.maps).unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        // Pieces overlap, so that none cuts it in two.
        let step = self.piece.len() - Canary::LENGTH;
        let pieces =
            self.maps.lines().filter_map(writable).flat_map(|(from, to)| (from..to).step_by(step).map(move |at| (at, to)));
        let mut found = false;
        for (at, to) in pieces {
            let wanted = self.piece.len().min(usize::try_from(to - at).unwrap());
            // Some of what is mapped cannot be read, such as the kernel's own pages.
            let read = memory.read_at(&mut self.piece[..wanted], at).unwrap_or(0);
            found |= canary.is_in(&self.piece[..read]);
            // What was found must not be found again in here.
            self.piece.as_mut_slice().zeroize();
        }
        found
    }
}

/// From where to where a line of the map says that one may write.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, _) = line.split_once(' ').filter(|(_, rest)| rest.starts_with("rw"))?;
    let (from, to) = range.split_once('-')?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

/// Answers each request with a token, and wipes the bytes of its answers.
#[derive(Debug)]
struct Gives(Canary);

impl Carrier for Gives {
    fn carry(&self, _: reqwest::Request) -> Carried<'_> {
        let mut body = Zeroizing::new(Vec::with_capacity(100));
        body.extend_from_slice(b"{\"token\":\"");
        self.0.0.iter().for_each(|inverted| body.push(!inverted));
        body.extend_from_slice(b"\"}");
        let answer = axum::http::Response::new(reqwest::Body::from(Bytes::from_owner(body)));
        Box::pin(async { Ok::<_, io::Error>(reqwest::Response::from(answer)) })
    }
}

struct Uncounted;

impl Requests for Uncounted {
    fn ended(&self, _: &'static str, _: &'static str, _: Duration) {}
}

fn provider() -> &'static dyn Provider {
    *PROVIDERS.iter().find(|provider| provider.spec().id == "braintrust").unwrap()
}

fn sign_in() -> &'static SignIn {
    &provider().spec().sign_ins[0]
}

fn loaded(path: &Path) -> SecretString {
    load(&CredentialSource::File(path.to_owned()), sign_in()).unwrap()
}

fn line(credential: SecretString, gives: Canary) -> Remote {
    let settings = Settings {
        base_url: BaseUrl::parse("https://api.example").unwrap(),
        credential,
        auth: sign_in().auth,
        pace: Pace { per_minute: 6_000, burst: 100 },
        limits: Limits::default(),
        ca_file: None,
        proxy: None,
    };
    Remote::carried(Arc::new(Gives(gives)), settings, Clock::system(), Arc::new(Uncounted)).unwrap()
}

fn exchanged(remote: &Remote) -> SecretString {
    let question = Fetch::get(Target::Question("token"), "/v1/impersonate", "/v1/impersonate");
    let user = RemoteId::new("user").unwrap();
    let exchange = Fetch { method: Method::Exchange { user }, ..question };
    let grant = Grant { exchange, token: vec!["/token".to_owned()] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(remote.exchange(provider(), &grant, &Known::default())).unwrap() {
        Exchanged::Token(token) => token,
        Exchanged::Closed(reason) => panic!("{reason:?}"),
    }
}

#[test]
fn a_secret_that_is_let_go_is_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let (credential, token) = (Canary::new(), Canary::new());
    let path = folder.path().join("credential");
    credential.write(&path);
    let mut memory = Memory::new();
    assert!(!memory.holds(&credential), "the test itself holds it");

    let read = loaded(&path);
    assert!(memory.holds(&credential), "what is there is not found");
    drop(read);
    assert!(!memory.holds(&credential), "reading a credential leaves it behind");

    let remote = line(loaded(&path), token.clone());
    assert!(memory.holds(&credential));
    let given = exchanged(&remote);
    assert!(memory.holds(&token));
    drop(given);
    assert!(!memory.holds(&token), "the exchange of a token leaves it behind");
    drop(remote);
    assert!(!memory.holds(&credential), "the line to a provider leaves its credential behind");

    // One test, because a secret that another one holds would be found here.
    let written = Canary::new();
    let signs = written.decoded();
    let path = folder.path().join("webhook");
    written.write_after("whsec_", &path);
    assert!(!memory.holds(&written) && !memory.holds(&signs), "the test itself holds it");
    let text = load_secret(&CredentialSource::File(path)).unwrap();
    assert!(memory.holds(&written));
    let secret = WebhookSecret::parse(&text).unwrap();
    drop(text);
    assert!(!memory.holds(&written), "reading the webhook's secret leaves it behind");
    assert!(memory.holds(&signs));
    drop(secret);
    assert!(!memory.holds(&signs), "what signs for the webhook is left behind");
}
