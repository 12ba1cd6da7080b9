//! Simulated providers over one small made-up world, with faults: what `demo`, `simulate`, tests and benchmarks talk to.
//!
//! `world` is the truth, `birth` makes it from a seed, `life` changes it. `openai`, `den` and `braintrust` are fronts that answer as the
//! remotes do, byte shapes and oddities included; `faults` names what can go wrong and `interference` makes it happen.
//! `control` lets another process drive all that. A front reads the world and never keeps state of its own, so that a
//! further provider is one more file. Nothing here knows how keymuster reads an answer.

mod birth;
mod braintrust;
mod control;
mod den;
mod faults;
mod happening;
mod ids;
mod in_process;
mod interference;
mod json;
mod kinds;
mod life;
mod member_birth;
mod members;
mod names;
mod openai;
mod random;
mod rewrite;
mod serve;
#[cfg(test)]
mod tests;
mod truth;
mod unasked;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::{Router, middleware};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;
use serve::{Credentials, Door, Peer, Shared};

pub use braintrust::{BraintrustOrganization, GRANTED_TOKEN_ENDS, GRANTED_TOKEN_STARTS};
pub use den::INVITE_TOKEN;
pub use faults::{Fault, help};
pub use happening::Happening;
pub use in_process::InProcess;
pub use kinds::{KINDS, Kind};
pub use life::Event;
pub use members::BraintrustCast;
pub use serve::{Asked, Headed, Stray};
pub use truth::TrueKey;
pub use unasked::{LEAKED_SECRET, UNASKED_SECRET};
pub use world::{Size, World};

/// A remote that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remote {
    /// OpenAI's administration API.
    OpenAi,
    /// OpenWork's Den.
    Den,
    /// Braintrust.
    Braintrust,
}

impl Remote {
    /// Every remote that is simulated.
    pub const ALL: &'static [Self] = &[Self::OpenAi, Self::Den, Self::Braintrust];

    /// The provider's id in keymuster's words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Den => "den",
            Self::Braintrust => "braintrust",
        }
    }

    /// The path below which it answers.
    const fn base(self) -> &'static str {
        match self {
            Self::OpenAi => openai::BASE,
            Self::Den => den::BASE,
            Self::Braintrust => braintrust::BASE,
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|r| r.as_str() == word).ok_or_else(|| format!("'{word}' is no simulated provider"))
    }
}

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Options {
    /// The same seed, size and start give the same world, ids and credentials included.
    pub seed: u64,
    /// How much of everything.
    pub size: Size,
    /// What goes wrong from the start.
    pub faults: Vec<Fault>,
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// One beat of life per this much time; `None` is a world that stands still.
    pub lively: Option<Duration>,
}

impl Default for Options {
    /// The demo's world, standing still, on a free loopback port, without faults.
    fn default() -> Self {
        Self { seed: 1, size: Size::demo(), faults: Vec::new(), addr: (Ipv4Addr::LOCALHOST, 0).into(), lively: None }
    }
}

/// A running simulation. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Simulation {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    stop: DropGuard,
}

/// Makes a world as of the clock's now and serves it.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: Options, clock: Clock) -> io::Result<Simulation> {
    let listener = TcpListener::bind(options.addr).await?;
    let address = listener.local_addr()?;
    let lively = options.lively;
    let shared = made(options, clock);

    let stop = CancellationToken::new();
    let service = router(Arc::clone(&shared)).into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(Door(listener), service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut tasks = vec![tokio::spawn(async move {
        // It ends by the signal alone: the listener waits out every error.
        let _ = serving.await;
    })];
    if let Some(pause) = lively {
        tasks.push(tokio::spawn(live(Arc::clone(&shared), pause, stop.clone())));
    }
    Ok(Simulation { address, shared, tasks, stop: stop.drop_guard() })
}

impl Simulation {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT/openai/v1`.
    pub fn openai_base_url(&self) -> String {
        format!("http://{}{}", self.address, openai::BASE)
    }

    /// `http://127.0.0.1:PORT/den`: with a path, as self-hosted deployments have it.
    pub fn den_base_url(&self) -> String {
        format!("http://{}{}", self.address, den::BASE)
    }

    /// An admin key. It stands on the list of admin keys itself, named `keymuster (read only)`.
    pub fn openai_credential(&self) -> &str {
        &self.shared.credentials.openai
    }

    /// Replaces the admin key by a new one that lives 90 days, and revokes the old one: nothing else opens OpenAI's front any more.
    pub fn rotate_admin_key(&self) -> String {
        let now = self.shared.clock.now();
        let mut world = self.shared.write_main();
        let old = world.own_admin_key;
        if let Some(key) = world.key(old).cloned() {
            let expires = Some(now.plus(90 * birth::DAY));
            world.own_admin_key = world.add(world::Key { created: now, last_used: None, expires, ..key });
            world.remove(old);
        }
        let credential = admin_key(&world);
        *self.shared.rotated.write().unwrap_or_else(PoisonError::into_inner) = Some(credential.clone());
        credential
    }

    /// A Den session of somebody who owns two organisations and has none active: the organisation must be named.
    pub fn den_session(&self) -> &str {
        &self.shared.credentials.den_session
    }

    /// The same person's session with the *other* organisation active: who names none, or misspells it, gets that one's keys.
    pub fn den_session_elsewhere(&self) -> &str {
        &self.shared.credentials.den_session_elsewhere
    }

    /// A Den session of a plain member, who may not list keys.
    pub fn den_member_session(&self) -> &str {
        &self.shared.credentials.den_member_session
    }

    /// A Den API key for `x-api-key`, bound to its organisation. It stands on the list of keys itself, named `keymuster`.
    pub fn den_api_key(&self) -> &str {
        &self.shared.credentials.den_api_key
    }

    /// The Den organisation that is watched.
    pub fn den_organization_id(&self) -> String {
        self.shared.read_main().den_organization_id.clone()
    }

    /// The Den organisation that the session's person owns as well.
    pub fn den_other_organization_id(&self) -> String {
        self.shared.read_neighbour().den_organization_id.clone()
    }

    /// Every key that exists now.
    pub fn truth(&self) -> Vec<TrueKey> {
        self.shared.read_main().truth()
    }

    /// Grows whenever the world may have changed: while it is the same, so is the truth.
    pub fn changes(&self) -> u64 {
        self.shared.changes()
    }

    /// Every key of the other organisation, which only a mistake or a fault shows.
    pub fn other_truth(&self) -> Vec<TrueKey> {
        self.shared.read_neighbour().truth()
    }

    /// Changes the world: revoke, leave, archive, unlist, step.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.write_main())
    }

    /// Replaces all faults; their counts of requests begin anew.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        set_faults(&self.shared, faults);
    }

    /// What was asked since the start, in order of provider, path and method.
    pub fn requests(&self) -> Vec<Asked> {
        self.shared.asked()
    }

    /// Which headers of a remote's own came with what was asked since the start, and with which values.
    pub fn headed(&self) -> BTreeMap<Headed, BTreeSet<String>> {
        self.shared.headed()
    }

    /// What was asked since the start where nothing answers.
    pub fn strays(&self) -> BTreeSet<Stray> {
        self.shared.strays()
    }

    /// Stops: answers that are under way have a second to end.
    pub async fn stop(self) {
        drop(self.stop);
        for mut task in self.tasks {
            if tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// What is served: a world as of the clock's now, the one beside it, and the faults of the start.
fn made(options: Options, clock: Clock) -> Arc<Shared> {
    let main = World::make(options.seed, options.size, clock.now());
    let neighbour = World::neighbour(&main, options.seed, clock.now());
    let shared = Arc::new(Shared::new(clock, credentials(&main), main, neighbour));
    set_faults(&shared, options.faults);
    shared
}

fn set_faults(shared: &Shared, faults: Vec<Fault>) {
    let active = faults.into_iter().map(interference::Active::new).collect();
    *shared.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(active);
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(openai::router())
        .merge(den::router())
        .merge(braintrust::router())
        .merge(control::router())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), interference::interfere))
        .with_state(shared)
}

async fn unknown(uri: Uri) -> axum::response::Response {
    if uri.path().starts_with(den::BASE) {
        den::error(StatusCode::NOT_FOUND, "not_found")
    } else if uri.path().starts_with(braintrust::BASE) {
        braintrust::not_found()
    } else {
        openai::unknown(&uri)
    }
}

async fn live(shared: Arc<Shared>, pause: Duration, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let now = shared.clock.now();
        let events = shared.write_main().step(now);
        for event in events {
            tracing::debug!(what = event.what, id = event.id, "the simulated world changed");
        }
    }
}

/// The admin key that the simulation's own is: no two of them are alike.
fn admin_key(world: &World) -> String {
    let mut key = String::from("sk-admin-sim");
    world.salt.push_base62(&mut key, ids::Sort::Secret, u32::MAX / 2 - world.own_admin_key, 40);
    json::push_tail(&mut key, world, world.own_admin_key);
    key
}

/// Credentials of the shapes that the remotes give out, and good for nothing elsewhere.
fn credentials(world: &World) -> Credentials {
    let text = |prefix: &str, number: u32, length: usize| {
        let mut out = prefix.to_owned();
        world.salt.push_base62(&mut out, ids::Sort::Secret, u32::MAX - number, length);
        out
    };
    let with_tail = |mut text: String, key: u32| {
        json::push_tail(&mut text, world, key);
        text
    };
    let own = world.braintrust.own;
    let mut den_api_key = String::from("den_");
    den::push_letters(&mut den_api_key, world, u32::MAX, 64);
    Credentials {
        openai: admin_key(world),
        den_session: text("", 1, 32),
        den_session_elsewhere: text("", 2, 32),
        den_member_session: text("", 3, 32),
        den_api_key,
        braintrust: with_tail(text("sk-", 4, 44), own.unbound),
        braintrust_bound: with_tail(text("sk-", 5, 44), own.bound),
        braintrust_member: with_tail(text("sk-", 6, 44), own.member),
        braintrust_service_token: with_tail(text("bt-st-", 7, 44), own.token),
    }
}
