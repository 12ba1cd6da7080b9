//! The line against real servers on loopback, written byte by byte.

mod answers;
mod hostile;
mod retries;
mod secrets;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::*;
use crate::domain::{ItemReason, OwnerKind, Person, Reason, Refused, RemoteId};
use crate::providers::{Account, Auth, End, Item, Pace, Spec, Target};

/// What a server does after it has read a request's head.
#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u8>),
    /// Those bytes again and again, with that pause between.
    Repeat(Vec<u8>, Duration),
    /// Byte by byte, with that pause between.
    Drip(Vec<u8>, Duration),
    /// Neither speaks nor closes.
    Hang,
}

/// A server that plays one script for each request, the last one for all further ones, and closes each connection after it.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(scripts: Vec<Vec<Step>>) -> Self {
        Self::listen(scripts, None).await
    }

    async fn one(reply: impl Into<Vec<u8>>) -> Self {
        Self::start(vec![vec![Step::Send(reply.into())]]).await
    }

    async fn replies<const N: usize>(replies: [Vec<u8>; N]) -> Self {
        Self::start(replies.into_iter().map(|reply| vec![Step::Send(reply)]).collect()).await
    }

    async fn listen(scripts: Vec<Vec<Step>>, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (log, count) = (Arc::clone(&heard), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (log, scripts, tls) = (Arc::clone(&log), scripts.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => play(stream, &log, &scripts).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                play(stream, &log, &scripts).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heard, connections, task: task.abort_handle() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// Waits until so many have come in: one that was given up is accepted all the same, but it may be later.
    async fn has_accepted(&self, connections: usize) {
        let accepted = async {
            while self.connections() < connections {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), accepted).await.expect("a connection");
        assert_eq!(self.connections(), connections);
    }
}

async fn play(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Mutex<Vec<String>>, scripts: &[Vec<Step>]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let turn = {
        let mut heard = heard.lock().unwrap();
        heard.push(String::from_utf8(head).unwrap());
        heard.len() - 1
    };
    for step in &scripts[turn.min(scripts.len() - 1)] {
        let sent = match step {
            Step::Send(bytes) => stream.write_all(bytes).await,
            Step::Repeat(bytes, pause) => loop {
                if let Err(error) = stream.write_all(bytes).await {
                    break Err(error);
                }
                tokio::time::sleep(*pause).await;
            },
            Step::Drip(bytes, pause) => {
                let mut sent = Ok(());
                for byte in bytes {
                    sent = stream.write_all(&[*byte]).await;
                    tokio::time::sleep(*pause).await;
                }
                sent
            }
            Step::Hang => std::future::pending().await,
        };
        if sent.is_err() {
            return;
        }
    }
    drop(stream.shutdown().await);
}

fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

const JSON: &str = "content-type: application/json";
const PAGE: &str = r#"{"object":"list","data":[{"id":"a"},{"id":"b"}],"has_more":false}"#;

fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    reply("200 OK", &[JSON], body)
}

/// Reads `{"id": …}` as people; an id that is none is refused. The end tells status and rest in the failure of a refusal.
struct Simple;

impl Provider for Simple {
    fn spec(&self) -> &'static Spec {
        unimplemented!("sending needs nothing of it")
    }

    fn plan(&self, _: &Account, _: &Known) -> Vec<Fetch> {
        Vec::new()
    }

    fn item(&self, _: &Fetch, item: &[u8]) -> Result<Item, Refused> {
        let value: serde_json::Value =
            serde_json::from_slice(item).map_err(|_| Refused::new(ItemReason::Malformed, "no JSON"))?;
        if value.get("pending").is_some() {
            return Ok(Item::Skipped);
        }
        let id = value["id"].as_str().and_then(RemoteId::new).ok_or_else(|| Refused::new(ItemReason::BadId, "id"))?;
        Ok(Item::Person(Box::new(Person { id, kind: OwnerKind::User, name: None, email: None })))
    }

    fn end(&self, _: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
        if answer.status == 200 {
            let rest: serde_json::Result<serde_json::Value> = serde_json::from_slice(answer.rest);
            return rest.map(|_| End::done()).map_err(|_| Failure::new(Reason::Malformed, "the rest is not JSON"));
        }
        assert_eq!((answer.elements, answer.last_id), (None, None));
        let detail = format!("{} {}", answer.status, String::from_utf8_lossy(answer.rest));
        Err(Failure::new(Reason::UnexpectedStatus, detail))
    }
}

/// What the request counters were told.
#[derive(Default)]
struct Told(Mutex<Vec<(&'static str, &'static str)>>);

impl Requests for Told {
    fn ended(&self, endpoint: &'static str, outcome: &'static str, _: Duration) {
        self.0.lock().unwrap().push((endpoint, outcome));
    }
}

impl Told {
    fn outcomes(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(_, outcome)| *outcome).collect()
    }
}

fn settings(base_url: &str) -> Settings {
    Settings {
        base_url: BaseUrl::parse(base_url).unwrap(),
        credential: "canary-credential".to_owned().into(),
        auth: Auth::Header("x-api-key"),
        pace: Pace { per_minute: 60_000, burst: 100 },
        limits: Limits {
            connect: Duration::from_secs(120),
            read: Duration::from_secs(120),
            request: Duration::from_secs(600),
            ..Limits::default()
        },
        ca_file: None,
        proxy: None,
    }
}

fn limited(base_url: &str, limits: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = settings(base_url);
    limits(&mut settings.limits);
    settings
}

fn fetch(list: Option<&'static str>) -> Fetch {
    Fetch {
        query: vec![("after", "canary cursor&x".to_owned())],
        headers: vec![("x-org", RemoteId::new("org_1").unwrap())],
        list,
        ..Fetch::get(Target::Question("q"), "/keys/{id}", "/keys/7")
    }
}

fn connect(settings: Settings) -> (Remote, Arc<Told>) {
    let told = Arc::new(Told::default());
    let clock = Clock::runtime(crate::domain::Time::from_unix(1_795_293_181));
    (Remote::new(settings, &Roots::default(), clock, Arc::clone(&told) as Arc<dyn Requests>).unwrap(), told)
}

async fn ask(settings: Settings) -> (Result<Page, Failure>, Vec<&'static str>) {
    let (remote, told) = connect(settings);
    let page = remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await;
    if let Err(failure) = &page {
        assert!(!failure.detail.contains("canary") && !failure.detail.contains("127.0.0.1"), "{failure}");
    }
    (page, told.outcomes())
}

async fn reason(settings: Settings) -> Reason {
    ask(settings).await.0.unwrap_err().reason
}

/// Two clones on two threads: the future must be `Send`, the line `Sync`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_is_shared_between_threads() {
    let server = Server::one(ok(PAGE)).await;
    let (remote, told) = connect(settings(&server.url()));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let remote = remote.clone();
            tokio::spawn(async move { remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().elements, 2);
    }
    assert_eq!(told.outcomes(), ["ok"; 20]);
}
