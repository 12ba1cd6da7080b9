//! Serving: the listener, what all fronts share, and the count of what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::Remote;
use super::birth::{DAY, SESSION};
use super::interference::Active;
use super::world::{World, index};
use crate::clock::Clock;
use crate::domain::Time;

/// What opens the simulated providers.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) openai: String,
    pub(super) den_session: String,
    pub(super) den_session_elsewhere: String,
    pub(super) den_member_session: String,
    pub(super) den_api_key: String,
    /// The owner's Braintrust key that is bound to no organisation.
    pub(super) braintrust: String,
    /// The owner's Braintrust key that is bound to the organisation.
    pub(super) braintrust_bound: String,
    /// A plain member's Braintrust key.
    pub(super) braintrust_member: String,
    pub(super) braintrust_service_token: String,
}

/// What every request sees.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) credentials: Credentials,
    pub(super) main: RwLock<World>,
    pub(super) neighbour: RwLock<World>,
    pub(super) faults: RwLock<Arc<Vec<Active>>>,
    /// The admin key that replaced the first one.
    pub(super) rotated: RwLock<Option<String>>,
    asked: Mutex<BTreeMap<Request, Counts>>,
    headed: Mutex<BTreeMap<Headed, BTreeSet<String>>>,
    strays: Mutex<BTreeSet<Stray>>,
    changes: AtomicU64,
}

/// Which world a request is answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// A fault gives the answer of another organisation.
    pub(super) wrong_organization: bool,
}

impl Ask {
    /// The same, where the right answer is the neighbour's or not.
    pub(super) const fn turned(self, neighbour: bool) -> Self {
        Self { wrong_organization: self.wrong_organization != neighbour }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    provider: Remote,
    method: String,
    path: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    all: u64,
    refused: u64,
}

/// How often something was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Which remote.
    pub provider: Remote,
    /// `GET`.
    pub method: String,
    /// The template of the path below the base URL, `/organization/projects/{project_id}/api_keys`; `unknown` where there is none.
    pub path: String,
    /// Requests.
    pub count: u64,
    /// Those among them that were not answered with 2xx.
    pub refused: u64,
}

/// What was asked where nothing answers: the remote, the method and the whole path below the base URL.
pub type Stray = (Remote, String, String);

/// A header of a remote's own, `x-…`, and where it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Headed {
    /// Which remote.
    pub provider: Remote,
    /// The template of the path, as in [`Asked`].
    pub path: String,
    /// The header's name.
    pub header: String,
}

impl Shared {
    pub(super) fn new(clock: Clock, credentials: Credentials, main: World, neighbour: World) -> Self {
        Self {
            clock,
            credentials,
            main: RwLock::new(main),
            neighbour: RwLock::new(neighbour),
            faults: RwLock::default(),
            rotated: RwLock::default(),
            asked: Mutex::default(),
            headed: Mutex::default(),
            strays: Mutex::default(),
            changes: AtomicU64::new(0),
        }
    }

    pub(super) fn read_main(&self) -> RwLockReadGuard<'_, World> {
        self.main.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write_main(&self) -> RwLockWriteGuard<'_, World> {
        let world = self.main.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::Relaxed);
        world
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(super) fn read_neighbour(&self) -> RwLockReadGuard<'_, World> {
        self.neighbour.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn world(&self, ask: Ask) -> RwLockReadGuard<'_, World> {
        if ask.wrong_organization { self.read_neighbour() } else { self.read_main() }
    }

    /// That text is the admin key that opens OpenAI's front now.
    pub(super) fn is_admin_key(&self, text: &str) -> bool {
        let rotated = self.rotated.read().unwrap_or_else(PoisonError::into_inner);
        rotated.as_ref().unwrap_or(&self.credentials.openai) == text
    }

    /// Uses one of the simulation's own keys; false where it no longer works.
    pub(super) fn use_own(&self, which: impl Fn(&World) -> u32, now: Time) -> bool {
        let (works, used) = {
            let world = self.read_main();
            let key = world.key(which(&world));
            let works = key.is_some_and(|key| key.exists && key.enabled && key.expires.is_none_or(|at| at > now));
            (works, key.is_some_and(|key| key.last_used == Some(now)))
        };
        if works && !used {
            let mut world = self.write_main();
            let own = index(which(&world));
            if let Some(key) = world.keys.get_mut(own) {
                key.last_used = Some(now);
            }
        }
        works
    }

    /// Uses a session of Den's, whose end moves where less than six days are left. One that has ended is taken for a new
    /// one: whoever drives the clock on by weeks has signed in again.
    pub(super) fn use_session(&self, now: Time) {
        if self.read_main().den_session_until.since(now) < SESSION - DAY {
            self.write_main().den_session_until = now.plus(SESSION);
        }
    }

    pub(super) fn count(&self, provider: Remote, method: &str, path: &str, status: StatusCode) {
        let request = Request { provider, method: method.to_owned(), path: path.to_owned() };
        let mut asked = self.counts();
        let counts = asked.entry(request).or_default();
        counts.all += 1;
        counts.refused += u64::from(!status.is_success());
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.counts();
        asked
            .iter()
            .map(|(request, counts)| Asked {
                provider: request.provider,
                method: request.method.clone(),
                path: request.path.clone(),
                count: counts.all,
                refused: counts.refused,
            })
            .collect()
    }

    /// Remembers the headers of a remote's own.
    pub(super) fn note(&self, provider: Remote, path: &str, headers: &HeaderMap) {
        let own = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-"));
        for (name, value) in own {
            let headed = Headed { provider, path: path.to_owned(), header: name.as_str().to_owned() };
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            self.headed.lock().unwrap_or_else(PoisonError::into_inner).entry(headed).or_default().insert(value);
        }
    }

    pub(super) fn headed(&self) -> BTreeMap<Headed, BTreeSet<String>> {
        self.headed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers what was asked where nothing answers.
    pub(super) fn note_stray(&self, provider: Remote, method: &str, path: &str) {
        let stray = (provider, method.to_owned(), path.to_owned());
        self.strays.lock().unwrap_or_else(PoisonError::into_inner).insert(stray);
    }

    pub(super) fn strays(&self) -> BTreeSet<Stray> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Request, Counts>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that ends a request early; boxed, because it is rare and large.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Who is at the other end, and the means to hang up on them.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) hang_up: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self { address: *stream.remote_addr(), hang_up: Arc::clone(&stream.io().hang_up) }
    }
}

/// A listener whose connections can be dropped without an answer.
#[derive(Debug)]
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for acknowledgements; with it failing they are only slower.
        let _ = stream.set_nodelay(true);
        (Line { stream, hang_up: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that fails as soon as it is told to hang up.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    hang_up: Arc<AtomicBool>,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        if self.hang_up.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
