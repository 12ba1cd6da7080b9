//! The daemon as it runs: config, inventory, lines, clocks. And the providers that it polls.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use keymuster::clock::Clock;
use keymuster::config::{Config, Metrics, PerKey};
use keymuster::domain::Time;
use keymuster::inventory::{Acknowledged, Acknowledgement, ConfiguredAccount, Inventory};
use keymuster::metrics::{Exposition, Tally};
use keymuster::policy::Policy;
use keymuster::providers::PROVIDERS;
use keymuster::sim::{Fault, Options, Remote, Simulation, Size};
use keymuster::sync::Line;
use keymuster::views::{AccountFacts, Views};
use secrecy::SecretString;

use crate::carrier::Inside;

/// When every story begins.
pub const START: Time = Time::from_unix(1_795_000_000);

/// What `[policy]` says, by its number in a story.
pub const POLICIES: [&str; 3] = [
    "",
    "[policy]\nstale_after = '10d'\nnever_used_grace = '1d'\nexpiring_within = '5d'\n",
    "[policy]\nstale_after = '20d'\nnever_used_grace = '3d'\nmax_age = '100d'\n[[policy.rules]]\nmatch = { provider = 'openai' }\nstale_after = '15d'\nlabels = { team = 'platform' }\n",
];

/// How many days each of them waits before it calls a key stale, at OpenAI and elsewhere.
pub const STALE_DAYS: [(i64, i64); 3] = [(90, 90), (10, 10), (15, 20)];

/// A few dozen keys.
pub const SMALL: Size = Size {
    people: 10,
    projects: 4,
    archived_projects: 1,
    project_keys: 20,
    admin_keys: 3,
    den_keys: 9,
    braintrust_members: 6,
    braintrust_keys: 9,
    braintrust_cast: false,
};

/// As few as every fault and every way of listing still has something to do with.
pub const TINY: Size = Size {
    people: 7,
    projects: 3,
    archived_projects: 1,
    project_keys: 11,
    admin_keys: 2,
    den_keys: 6,
    braintrust_members: 4,
    braintrust_keys: 6,
    braintrust_cast: false,
};

/// So much that lists of people and projects can lose enough to be held.
pub const LARGE: Size = Size {
    people: 24,
    projects: 12,
    archived_projects: 2,
    project_keys: 30,
    admin_keys: 3,
    den_keys: 20,
    braintrust_members: 16,
    braintrust_keys: 24,
    braintrust_cast: false,
};

/// How a site differs from others.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    pub size: Size,
    /// More lines of each account's table.
    pub openai: String,
    pub braintrust: String,
    pub den: String,
    /// More of the config.
    pub more: String,
    /// The accounts that are configured: the name of each, and which remote it polls.
    pub accounts: Vec<(String, Remote)>,
    /// What the remotes always do.
    pub nature: Vec<String>,
    pub policy: usize,
}

impl Setup {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            size: SMALL,
            openai: String::new(),
            braintrust: "options = { listing = 'auto' }".into(),
            den: String::new(),
            more: String::new(),
            accounts: Remote::ALL.iter().map(|remote| (remote.to_string(), *remote)).collect(),
            nature: Vec::new(),
            policy: 0,
        }
    }
}

pub struct Site {
    /// Gone with the site.
    _folder: tempfile::TempDir,
    pub setup: Setup,
    /// The true time.
    pub sun: Clock,
    /// The daemon's.
    pub clock: Clock,
    /// By how much the wall clock was set wrong.
    pub wrong_by: i64,
    pub simulation: Simulation,
    inside: keymuster::sim::InProcess,
    faults: Vec<String>,
    pub lines: BTreeMap<String, Arc<Line>>,
    pub policy: Arc<Policy>,
    /// None only while the daemon is down: what holds the lock has to be gone before it is taken again.
    stored: Option<Stored>,
    tally: Arc<Tally>,
}

/// The file, as the daemon has it open.
struct Stored {
    inventory: Inventory,
    views: Views,
}

impl Site {
    pub async fn new(setup: Setup) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let sun = Clock::runtime(START);
        let options = Options { seed: setup.seed, size: setup.size, ..Options::default() };
        let (simulation, inside) = Simulation::in_process(options, sun.clone());
        let clock = sun_of(&sun, 0);
        let stored = Some(Stored::open(&folder.path().join("inventory.db"), &clock));
        let tally = Tally::new(&[]).unwrap();
        let policy = Arc::new(Policy::default());
        let (lines, faults) = (BTreeMap::new(), Vec::new());
        let mut site =
            Self { _folder: folder, setup, sun, clock, wrong_by: 0, simulation, inside, faults, lines, policy, stored, tally };
        site.set_faults(Vec::new());
        site.configure().await;
        site
    }

    fn config(&self) -> Config {
        let setup = &self.setup;
        let table = |(name, remote): &(String, Remote)| {
            let (url, more) = match remote {
                Remote::OpenAi => (self.simulation.openai_base_url(), &setup.openai),
                Remote::Den => (self.simulation.den_base_url(), &setup.den),
                Remote::Braintrust => (self.simulation.braintrust_base_url(), &setup.braintrust),
            };
            let options = match remote {
                Remote::Den => format!("options = {{ organization_id = '{}' }}\n", self.simulation.den_organization_id()),
                Remote::OpenAi | Remote::Braintrust => String::new(),
            };
            format!(
                "[accounts.{name}]\nprovider = '{remote}'\nbase_url = '{url}'\ncredential_file = '/none'\n\
                 schedule = '0 */8 * * *'\n{options}{more}\n"
            )
        };
        let accounts: String = setup.accounts.iter().map(table).collect();
        let limits = "[limits]\ninflated_bytes = '256KiB'\nretries = 2\n";
        let text = format!("{limits}{}{accounts}{}", POLICIES[setup.policy], setup.more);
        Config::parse(Path::new("/etc/keymuster.toml"), &text, std::iter::empty(), PROVIDERS)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    /// Makes the daemon that of the setup, as a start and a reload do.
    pub async fn configure(&mut self) {
        let config = self.config();
        let configured = config.accounts.values().map(|account| ConfiguredAccount {
            name: account.name.clone(),
            provider: account.provider.spec().id,
            formerly: account.formerly.clone(),
            interval: account.schedule.shortest_gap().as_secs(),
        });
        self.policy = Arc::new(config.policy.clone());
        self.inventory().configure(configured.collect(), Arc::clone(&self.policy), self.clock.now()).await.unwrap();
        let facts = AccountFacts::of_all(&config);
        self.tally = Tally::new(&facts).unwrap();
        self.views().configure(facts);
        let line = |account: &keymuster::config::AccountConfig| {
            let id = account.provider.spec().id;
            let credential = match id {
                "den" => self.simulation.den_session(),
                "braintrust" => self.simulation.braintrust_bound_credential(),
                _ => self.simulation.openai_credential(),
            };
            let requests = self.tally.requests(id, &account.name);
            let carrier = Arc::new(Inside(self.inside.clone()));
            Line::carried(carrier, &config, account, SecretString::from(credential), &self.clock, requests).unwrap()
        };
        self.lines = config.accounts.iter().map(|(name, account)| (name.clone(), Arc::new(line(account)))).collect();
    }

    /// Starts the daemon again. Whatever it did must have ended.
    pub async fn restart(&mut self, rebooted: bool) {
        if rebooted {
            self.clock = sun_of(&self.sun, self.wrong_by);
        }
        let path = self.inventory().path().to_owned();
        self.lines.clear();
        self.stored = None;
        self.stored = Some(Stored::open(&path, &self.clock));
        self.configure().await;
    }

    /// A second daemon finds the inventory taken.
    pub fn is_locked(&self) -> bool {
        Inventory::open_inline(self.inventory().path(), self.clock.now()).is_err()
    }

    pub fn set_clock(&mut self, by: i64) {
        self.clock.jump(by);
        self.wrong_by += by;
    }

    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    pub fn set_faults(&mut self, faults: Vec<String>) {
        let text: Vec<&str> = self.setup.nature.iter().chain(&faults).map(String::as_str).collect();
        self.simulation.set_faults(Fault::parse_all(&text.join("\n")).unwrap());
        self.faults = faults;
    }

    pub async fn ack(&self, account: &str) -> Acknowledged {
        let word = Acknowledgement {
            account: account.into(),
            scope: None,
            who: "ana (uid 7)".into(),
            why: "cleaned up".into(),
            at: self.clock.now(),
        };
        self.inventory().acknowledge(word).await.unwrap()
    }

    pub async fn metrics(&self) -> String {
        let settings = Metrics { per_key: PerKey::Off, per_key_limit: 10 };
        Exposition::new(self.views().clone(), Arc::clone(&self.tally), settings).text(None).await.unwrap()
    }

    pub fn views(&self) -> &Views {
        &self.stored().views
    }

    fn stored(&self) -> &Stored {
        self.stored.as_ref().unwrap()
    }

    pub fn inventory(&self) -> &Inventory {
        &self.stored().inventory
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Stored {
    fn open(path: &Path, clock: &Clock) -> Self {
        let inventory = Inventory::open_inline(path, clock.now()).unwrap();
        Self { views: Views::new(&inventory, clock.clone(), Vec::new()), inventory }
    }
}

/// A clock that starts now, set wrong by that much: the boot clock of a machine starts with it.
fn sun_of(sun: &Clock, wrong_by: i64) -> Clock {
    Clock::runtime(sun.now().plus(wrong_by))
}
