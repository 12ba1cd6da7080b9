//! A whole house over simulated providers: an inventory that real polls filled, and everything that reads it.

use std::path::Path;
use std::sync::Arc;

use keymuster::clock::Clock;
use keymuster::config::{Config, Metrics, PerKey};
use keymuster::domain::{Presence, Time};
use keymuster::inventory::{ConfiguredAccount, Inventory};
use keymuster::metrics::{Exposition, Tally};
use keymuster::policy::Policy;
use keymuster::providers::PROVIDERS;
use keymuster::remote::Roots;
use keymuster::sim::{self, Simulation, Size};
use keymuster::sync::{self, Line, Polls, Report};
use keymuster::views::{AccountFacts, Filter, KeysAsked, Views};
use keymuster::web::{self, App};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub const NOW: Time = Time::from_unix(1_795_000_000);
pub const OFF: Metrics = Metrics { per_key: PerKey::Off, per_key_limit: 2_000 };

pub struct House {
    pub clock: Clock,
    pub simulation: Simulation,
    pub inventory: Inventory,
    pub views: Views,
    pub tally: Arc<Tally>,
    lines: Vec<Arc<Line>>,
    policy: Arc<Policy>,
    _folder: TempDir,
}

impl House {
    /// An OpenAI and a Den account, not polled yet. `more` is further config.
    pub async fn new(more: &str) -> Self {
        Self::of(Size::demo(), more).await
    }

    /// The same over a world of that size.
    pub async fn of(size: Size, more: &str) -> Self {
        let clock = Clock::runtime(NOW);
        let simulation = sim::start(sim::Options { size, ..sim::Options::default() }, clock.clone()).await.unwrap();
        // Some keys of that world expire within minutes. They have, and nothing more begins by itself while a test runs.
        clock.jump(1_200);
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[accounts.acme-openai]\nprovider = 'openai'\nbase_url = '{}'\ncredential_file = '/none'\npace = 60000\n\
             credential_expires = 2027-01-01T00:00:00Z\n\
             [accounts.acme-den]\nprovider = 'den'\nbase_url = '{}'\ncredential_file = '/none'\npace = 60000\n\
             options = {{ organization_id = '{}' }}\n{more}",
            simulation.openai_base_url(),
            simulation.den_base_url(),
            simulation.den_organization_id(),
        );
        let config = Config::parse(Path::new("/etc/keymuster.toml"), &text, std::iter::empty(), PROVIDERS).unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), clock.now()).unwrap();
        let configured = config.accounts.values().map(|account| ConfiguredAccount {
            name: account.name.clone(),
            provider: account.provider.spec().id,
            formerly: None,
            interval: account.schedule.shortest_gap().as_secs(),
        });
        let policy = Arc::new(config.policy.clone());
        inventory.configure(configured.collect(), Arc::clone(&policy), clock.now()).await.unwrap();
        let facts = AccountFacts::of_all(&config);
        let tally = Tally::new(&facts).unwrap();
        let views = Views::new(&inventory, clock.clone(), facts);
        views.judge_by(Arc::clone(&policy));
        let line = |account: &keymuster::config::AccountConfig| {
            let id = account.provider.spec().id;
            let credential = if id == "den" { simulation.den_session() } else { simulation.openai_credential() };
            let requests = tally.requests(id, &account.name);
            Arc::new(Line::new(&config, account, SecretString::from(credential), &Roots::default(), &clock, requests).unwrap())
        };
        let lines = config.accounts.values().map(line).collect();
        Self { clock, simulation, inventory, views, tally, lines, policy, _folder: folder }
    }

    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// One that was polled once.
    pub async fn polled() -> Self {
        let house = Self::new("").await;
        house.poll().await;
        house
    }

    /// One that was polled for weeks, while its world lived.
    pub async fn aged() -> Self {
        let house = Self::new("[guard]\nconfirm_after = '0s'").await;
        house.poll().await;
        for _ in 0..5 {
            house.clock.jump(9 * 86_400);
            let now = house.clock.now();
            let filter = Filter { presences: vec![Presence::Present], providers: vec!["openai".into()], ..Filter::default() };
            let there = house.views.keys(KeysAsked { filter, limit: Some(3), ..KeysAsked::default() }).await.unwrap();
            house.simulation.change(|world| {
                there.iter().for_each(|key| assert!(world.revoke(&key.key_id)));
                (0..30).for_each(|_| drop(world.step(now)));
            });
            house.poll().await;
            // What is missing is looked for a second time.
            house.clock.jump(3_600);
            house.poll().await;
        }
        house
    }

    /// Polls every account once, and tells the tally.
    pub async fn poll(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for line in &self.lines {
            let stop = CancellationToken::new();
            let report = sync::poll(&self.inventory, line, &self.policy, &self.clock, &stop, &|_| {}).await.unwrap();
            self.tally.ended(&report);
            reports.push(report);
        }
        reports
    }

    pub fn exposition(&self, settings: Metrics) -> Exposition {
        Exposition::new(self.views.clone(), Arc::clone(&self.tally), settings)
    }

    pub fn app(&self) -> App {
        let exposition = self.exposition(OFF);
        App {
            views: self.views.clone(),
            exposition,
            title: "test".into(),
            refresh: None,
            access: tokio::sync::watch::channel(keymuster::web::Access::default()).1,
        }
    }

    pub async fn serve(&self) -> Served {
        Served::new(self.app()).await
    }
}

/// A running web server.
pub struct Served {
    pub address: std::net::SocketAddr,
    pub task: JoinHandle<()>,
    pub stop: DropGuard,
}

impl Served {
    pub async fn new(app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(web::serve(listener, app, stop.clone()));
        Self { address, task, stop: stop.drop_guard() }
    }

    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A request that is too long may be refused before all of it is written.
        drop(stream.write_all(request.as_bytes()).await);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), read).await.expect("an answer in time");
        // Closed on a request that was not read to its end: the answer came before that.
        assert!(ended.is_ok() || !bytes.is_empty(), "{ended:?}");
        Answer(String::from_utf8(bytes).unwrap())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.raw(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }
}

pub struct Answer(pub String);

impl Answer {
    pub fn status(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {:?}", self.0)).parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").unwrap().1
    }
}
