//! Who is told by the webhook: a server that keeps what is posted, and verifies it as receivers do.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::process::{PATIENCE, eventually};
use crate::support::Site;

/// What both sides know.
pub const SECRET: &str = "whsec_Y2FuYXJ5LW9mLXRoZS13ZWJob29rLTQ3MTEtYW5kLTA4MTU=";

/// What was posted.
#[derive(Debug, Clone)]
pub struct Post {
    pub path: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// The status that it was answered with.
    pub answered: u16,
}

impl Post {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The body, if it is signed as it has to be.
    #[track_caller]
    pub fn verified(&self) -> Value {
        let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        let tag = self.headers["webhook-signature"].strip_prefix("v1,").unwrap();
        let tag = BASE64_STANDARD.decode(tag).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).expect("the signature is right");
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Kept {
    posts: Vec<Post>,
    answers: VecDeque<(u16, &'static str)>,
}

/// It runs as long as the test does.
pub struct Receiver {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, kept) = (listener.local_addr().unwrap(), Arc::<Mutex<Kept>>::default());
        let keep = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever is killed in the middle of a post leaves nothing to keep.
                let _ = serve(stream, &keep);
            }
        });
        Self { address, kept }
    }

    /// The next posts are answered so, with those further lines of headers; all behind them with 200.
    pub fn answer(&self, answers: &[(u16, &'static str)]) {
        self.kept.lock().unwrap().answers = answers.iter().copied().collect();
    }

    pub fn posts(&self) -> Vec<Post> {
        self.kept.lock().unwrap().posts.clone()
    }

    /// Everything that was taken, each by the team, what it is, and the key.
    #[track_caller]
    pub fn taken(&self) -> Vec<(Option<String>, String, String)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut told = Vec::new();
        for post in self.posts().iter().filter(|post| post.answered == 200) {
            let body = post.verified();
            let entries = |list: &str| body[list].as_array().cloned().unwrap_or_default();
            let findings =
                entries("findings").into_iter().map(|entry| (text(&entry["condition"]), text(&entry["key"]["key_id"])));
            let changes = entries("changes").into_iter().map(|entry| (text(&entry["change"]), text(&entry["key_id"])));
            told.extend(findings.chain(changes).map(|(what, key)| (text(&body["team"]), what.unwrap(), key.unwrap())));
        }
        told
    }

    /// Waits until that was taken.
    #[track_caller]
    pub fn was_told(&self, team: Option<&str>, what: &str, key: &str) {
        let wanted = (team.map(str::to_owned), what.to_owned(), key.to_owned());
        eventually(&format!("{wanted:?} was told"), PATIENCE, || self.taken().contains(&wanted).then_some(()));
    }

    /// The table of a config that tells this one, and the secret's file.
    pub fn table(&self, site: &Site, more: &str) -> String {
        site.secret("webhook-secret", &format!("{SECRET}\n"));
        format!("[webhook]\nurl = \"http://{}/hooks/keys/\"\nsecret_file = \"webhook-secret\"\n{more}\n", self.address)
    }
}

fn serve(mut stream: TcpStream, keep: &Mutex<Kept>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..count]);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            break (head, end + 4 + length.unwrap_or(0_usize));
        }
        if count == 0 {
            return Ok(());
        }
    };
    let missing = length.saturating_sub(bytes.len());
    let mut rest = vec![0; missing];
    stream.read_exact(&mut rest)?;
    bytes.extend(rest);
    let (body_start, mut lines) = (head.len() + 4, head.lines());
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let body = String::from_utf8_lossy(&bytes[body_start..]).into_owned();
    let mut kept = keep.lock().unwrap();
    let (status, more) = kept.answers.pop_front().unwrap_or((200, ""));
    kept.posts.push(Post { path, headers: headers.collect(), body, answered: status });
    drop(kept);
    write!(stream, "HTTP/1.1 {status} So\r\n{more}content-length: 2\r\nconnection: close\r\n\r\nok")
}
