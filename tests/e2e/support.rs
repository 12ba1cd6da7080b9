//! What the tests share: a simulation, and a site: a folder with credentials, a config and an inventory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use keymuster::clock::Clock;
use keymuster::sim::{self, Fault, Options, Simulation, Size};
use rustix::process::Signal;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::process::{Finished, PATIENCE, Running, eventually};

pub const OPENAI: &str = "acme-openai";
pub const DEN: &str = "acme-den";
pub const BRAINTRUST: &str = "acme-braintrust";
/// The template of the lists of project keys.
pub const PROJECT_KEYS: &str = "/organization/projects/{project_id}/api_keys";

/// Simulated providers, for as long as the test runs.
pub struct Sim {
    simulation: Simulation,
    _runtime: Runtime,
}

impl Sim {
    /// A world of that size that stands still.
    pub fn of(size: Size) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options { size, ..Options::default() };
        let simulation = runtime.block_on(sim::start(options, Clock::system())).unwrap();
        Self { simulation, _runtime: runtime }
    }

    /// A few keys of every kind; the last project is archived and refuses to list its keys.
    pub fn small() -> Self {
        Self::of(Size {
            people: 12,
            projects: 4,
            archived_projects: 1,
            project_keys: 40,
            admin_keys: 5,
            den_keys: 16,
            ..Size::members(10, 3)
        })
    }

    /// Replaces all faults, one a line.
    pub fn faults(&self, text: &str) {
        self.set_faults(Fault::parse_all(text).unwrap());
    }

    /// How often that path was asked.
    pub fn asked(&self, path: &str) -> u64 {
        self.requests().iter().filter(|asked| asked.path == path).map(|asked| asked.count).sum()
    }

    /// Lets one beat of life pass.
    pub fn beat(&self) {
        self.change(|world| world.step(Clock::system().now()));
    }
}

impl Deref for Sim {
    type Target = Simulation;

    fn deref(&self) -> &Simulation {
        &self.simulation
    }
}

/// Two runs a day, four seconds apart, half a day from now: nothing comes due while a test runs, however long that takes, and
/// the splay, which is a part of the shortest gap, is short.
pub fn far_off() -> String {
    let hour = Clock::system().now().unix().rem_euclid(86_400) / 3_600;
    format!("0,4 30 {} * * *", (hour + 12) % 24)
}

/// What a config holds beside the accounts' addresses and credentials.
#[derive(Clone)]
pub struct Settings {
    /// Of all accounts.
    pub schedule: String,
    /// Whole tables.
    pub tables: &'static str,
    /// Lines of the OpenAI account.
    pub openai: &'static str,
    /// Lines of the Den account.
    pub den: &'static str,
    /// Options of the Braintrust account beside the organisation, as `listing = "header"`; `None` where there is no account.
    pub braintrust: Option<&'static str>,
    pub confirm_after: &'static str,
    /// Further lines of `[guard]`.
    pub guard: &'static str,
    pub log: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schedule: "@hourly".to_owned(),
            tables: "",
            openai: "",
            den: "",
            braintrust: None,
            confirm_after: "10m",
            guard: "",
            log: r#"format = "json""#,
        }
    }
}

/// A row as the sqlite3 shell shows it.
pub type Row = Map<String, Value>;

/// A folder with credentials, a config and an inventory.
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// The accounts, ready to be polled.
    pub fn new(sim: &Sim, settings: &Settings) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(site.path("tmp")).unwrap();
        site.secret("openai-key", sim.openai_credential());
        site.secret("den-session", sim.den_session());
        site.secret("braintrust-key", sim.braintrust_credential());
        site.configure(sim, settings);
        site
    }

    /// Writes the config anew.
    pub fn configure(&self, sim: &Sim, settings: &Settings) {
        let Settings { schedule, tables, openai, den, braintrust, confirm_after, guard, log } = settings;
        // Its default is the schedule's gap, which a busy machine may need for one poll.
        let deadline = |lines: &str| if lines.contains("poll_deadline") { "" } else { "poll_deadline = \"1h\"" };
        let braintrust = braintrust.map_or_else(String::new, |options| {
            let organization = sim.braintrust_organization().name;
            let base_url = sim.braintrust_base_url();
            format!(
                r#"
[accounts.{BRAINTRUST}]
provider = "braintrust"
credential_file = "braintrust-key"
schedule = "{schedule}"
base_url = "{base_url}"
poll_deadline = "1h"
pace = 60000
options = {{ org_name = "{organization}", {options} }}
"#
            )
        });
        let text = format!(
            r#"[inventory]
path = "inventory.db"

[web]
listen = "127.0.0.1:0"

[log]
{log}

[guard]
confirm_after = "{confirm_after}"
{guard}

{tables}

[accounts.{OPENAI}]
provider = "openai"
credential_file = "openai-key"
schedule = "{schedule}"
base_url = "{openai_url}"
{openai_deadline}
pace = 6000
{openai}

[accounts.{DEN}]
provider = "den"
credential_file = "den-session"
schedule = "{schedule}"
base_url = "{den_url}"
{den_deadline}
pace = 6000
options = {{ organization_id = "{organization}" }}
{den}
{braintrust}
"#,
            openai_deadline = deadline(openai),
            den_deadline = deadline(den),
            openai_url = sim.openai_base_url(),
            den_url = sim.den_base_url(),
            organization = sim.den_organization_id(),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("keymuster.toml")
    }

    pub fn inventory(&self) -> PathBuf {
        self.path("inventory.db")
    }

    /// Writes a file that only we may read.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The credentials as systemd passes them, `key_openai` and `key_den`, and a config that says so. The folder of them.
    pub fn pass_by_systemd(&self) -> PathBuf {
        let passed = self.path("passed");
        std::fs::create_dir(&passed).unwrap();
        for (file, name) in [("openai-key", "key_openai"), ("den-session", "key_den")] {
            std::fs::rename(self.path(file), passed.join(name)).unwrap();
            // As systemd 252 makes them where the user is another: by an access list, which shows as the group's mode.
            std::fs::set_permissions(passed.join(name), std::fs::Permissions::from_mode(0o440)).unwrap();
            self.edit(&format!("credential_file = \"{file}\""), &format!("credential = \"{name}\""));
        }
        passed
    }

    /// Replaces one text of the config by another.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "the config does not hold {from}");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    /// Starts the program with those arguments and nothing of our environment.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_under(&[], arguments)
    }

    /// The same under another program, which has its own arguments before ours.
    pub fn start_under(&self, program: &[&str], arguments: &[&str]) -> Running {
        let words = [program, &[env!("CARGO_BIN_EXE_keymuster")], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("TMPDIR", self.path("tmp")).current_dir(self.folder.path());
        Running::start(command, program.first().unwrap_or(&"none, it is ours"))
    }

    /// A command with `--config`, to its end.
    #[track_caller]
    pub fn run(&self, command: &str, more: &[&str]) -> Finished {
        let config = self.config();
        let arguments = [&[command, "--config", config.to_str().unwrap()], more].concat();
        self.start(&arguments).finish(PATIENCE)
    }

    #[track_caller]
    pub fn poll(&self, more: &[&str]) -> Finished {
        self.run("poll", more)
    }

    /// Starts the daemon and waits until it says that it runs.
    #[track_caller]
    pub fn daemon(&self) -> Daemon {
        let running = self.start(&["run", "--config", self.config().to_str().unwrap()]);
        Daemon::started(running)
    }

    /// Asks the inventory as ops people do.
    #[track_caller]
    pub fn sql(&self, query: &str) -> Vec<Row> {
        sql(&self.inventory(), query)
    }

    /// The only value of the only row.
    #[track_caller]
    pub fn value(&self, query: &str) -> Value {
        let rows = self.sql(query);
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows[0].values().next().unwrap().clone()
    }

    #[track_caller]
    pub fn count(&self, from: &str) -> i64 {
        self.value(&format!("SELECT count(*) FROM {from}")).as_i64().unwrap()
    }

    /// Presence of every key, by account and id.
    #[track_caller]
    pub fn presences(&self) -> BTreeMap<String, String> {
        let rows = self.sql("SELECT account || '/' || key_id AS key, presence FROM keys");
        rows.iter().map(|row| (text(row, "key"), text(row, "presence"))).collect()
    }

    /// Writes into the inventory with the sqlite3 shell.
    #[track_caller]
    pub fn meddle(&self, statement: &str) {
        shell(&self.inventory(), &[], statement);
    }
}

/// The daemon, running.
pub struct Daemon {
    pub process: Running,
    pub address: SocketAddr,
}

impl Daemon {
    #[track_caller]
    pub fn started(mut process: Running) -> Self {
        let address = eventually("the daemon's start", PATIENCE, || {
            assert!(process.runs(), "the daemon ended:\n{}", process.stderr());
            let line = log_events(&process.stderr()).into_iter().find(|event| event["message"] == "started")?;
            Some(line["address"].as_str().unwrap().parse().unwrap())
        });
        Self { process, address }
    }

    /// SIGTERM; what it left behind.
    #[track_caller]
    pub fn stop(self) -> Finished {
        self.process.signal(Signal::TERM);
        self.process.finish(PATIENCE)
    }
}

/// Lines of a JSON log. An unfinished last line is left out.
pub fn log_events(log: &str) -> Vec<Value> {
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line}"))).collect()
}

#[track_caller]
pub fn sql(file: &Path, query: &str) -> Vec<Row> {
    let output = shell(file, &["-readonly", "-json"], query);
    if output.trim().is_empty() { Vec::new() } else { serde_json::from_str(&output).unwrap() }
}

#[track_caller]
pub fn shell(file: &Path, options: &[&str], input: &str) -> String {
    let mut command = Command::new("sqlite3");
    command.args(["-bail", "-cmd", ".timeout 60000"]).args(options).arg(file).arg(input);
    Running::start(command, "sqlite3").finish(PATIENCE).ended(0).stdout
}

#[track_caller]
pub fn text(row: &Row, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("{column} of {row:?}")).to_owned()
}

/// Whether a test is to be skipped, which is then told: only root can do that.
pub fn lacks_root(to: &str) -> bool {
    use std::io::Write;
    let lacks = !rustix::process::geteuid().is_root();
    if lacks {
        writeln!(std::io::stderr(), "skipped: only root can {to}").unwrap();
    }
    lacks
}
