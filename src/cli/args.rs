//! What can be typed.

mod forget;
mod owners;
mod policy;
mod report;
mod selection;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::exit::Exit;
use crate::config::Argument;
use crate::domain::Condition;
use crate::inventory::PUBLIC_VIEWS;
use crate::providers::PROVIDERS;
use crate::sim::Fault;
use crate::views::{AsOf, Since};

pub use forget::Forget;
pub use owners::Owners;
pub use policy::{Policy, PolicyCommand, PolicyTest};
pub use report::Report;
pub use selection::{ListedKeys, Selection, WhichInventory};
pub use webhook::{Webhook, WebhookCommand, WebhookTest};

/// Where the config is unless told otherwise.
pub const CONFIG: &str = "/etc/keymuster/keymuster.toml";

/// Calls the roll of every API key that an organisation has issued at its AI providers.
///
/// One SQLite inventory of all keys, who owns them, when they were last used and when they expire; Prometheus metrics and a
/// page for those that are stale or expired.
#[derive(Debug, Parser)]
#[command(name = "keymuster", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = exit_codes())]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show it all at work: simulated providers, daemon, page and metrics, with a scratch inventory
    Demo(Demo),
    /// Run the daemon, which polls by schedule and serves the page and the metrics
    Run(Run),
    /// Poll the providers once, now, and print what each list of keys gave
    Poll(Poll),
    /// List keys of the inventory
    Keys(Keys),
    /// List what needs a person: keys in a condition that no waiver accepts, the most urgent first
    Findings(Findings),
    /// List who owns keys, across providers: those who left first, then whose keys need a person
    Owners(Owners),
    /// Make evidence of a period: tables, a page to print, and a manifest to check them by
    Report(Report),
    /// Say why a key is in a condition, and when that changes next
    Explain(Explain),
    /// List what changed, the newest first
    Changes(Changes),
    /// Say what a changed policy would make of the keys, before it is used
    Policy(Policy),
    /// Check config, files, inventory and credentials, before the daemon stumbles over them
    Check(Check),
    /// Post a test to the webhook, as the daemon would post news
    Webhook(Webhook),
    /// Replace a person who left by a pseudonym, in rows and history
    Forget(Forget),
    /// Talk to the running daemon: what it does, poll now, reload, let go what it holds
    Ctl(Ctl),
    /// Check, back up or export the inventory, also beside a running daemon
    Db(Db),
    /// Run the simulated providers alone, for a daemon or a poll to read
    Simulate(Simulate),
    /// Print the script that makes a shell complete the commands
    Completions(Completions),
    /// Print the man page
    #[command(after_help = "Example:\n  keymuster man | man -l -")]
    Man,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the page and the metrics are served; a free port if this one is taken and none was asked for
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
    /// The made-up world: the same seed gives the same one
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Faults of the simulated providers, as of 'keymuster simulate'
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "SIGHUP reads the config again, SIGTERM stops.\n\n\
Exit code 0 if it was told to stop, 78 if the config, a credential or the web config file is wrong, 65 if the inventory is newer \
than the program, 70 if its supervisor has failed, 1 if it fails otherwise, as where the address is taken or another keymuster holds the inventory.\n\n\
Examples:\n  keymuster run --config keymuster.toml\n  keymuster run --web.listen-address 127.0.0.1:9999")]
pub struct Run {
    /// The config file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// Where pages and metrics are served, instead of `web.listen`
    #[arg(long = "web.listen-address", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// TLS and sign-in, instead of `web.config_file`
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config: Option<PathBuf>,
}

impl Run {
    /// What stands over the config file, at the start and at each reload.
    pub fn arguments(&self) -> Vec<Argument> {
        let listen =
            self.listen.clone().map(|value| Argument { name: "--web.listen-address", setting: &["web", "listen"], value });
        // Relative to where the command was given, not to the config's folder.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned();
        let file = self.web_config.as_ref().map(absolute);
        let file = file.map(|value| Argument { name: "--web.config.file", setting: &["web", "config_file"], value });
        listen.into_iter().chain(file).collect()
    }
}

/// Arguments of `poll`.
#[derive(Debug, Args)]
#[command(
    after_help = "Accounts are polled side by side; what each gave is printed when it has ended. Where a daemon runs, it is asked to poll.\n\n\
Exit code 0 if everything was read, 69 if a list was not read whole, is held, or was not stored, 64 if there is no such account, \
78 if the config or a credential is wrong, 65 if the inventory is newer than the program, 1 if it fails otherwise.\n\n\
Examples:\n  keymuster poll --config keymuster.toml\n  keymuster poll --account acme-openai --dry-run"
)]
pub struct Poll {
    /// The config file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// Only this account; may be given several times
    #[arg(long = "account", short, value_name = "NAME")]
    pub accounts: Vec<String>,
    /// Read everything, store nothing: works on a copy of the inventory, which is thrown away
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `keys`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keymuster keys --condition expired\n  keymuster keys --account acme-openai --owner ana@example.com --format csv\n  \
keymuster keys --inventory inventory.db --presence missing --format json\n  keymuster keys --as-of 2026-11-01"
)]
pub struct Keys {
    /// Which keys, and how to print them
    #[command(flatten)]
    pub listed: ListedKeys,
}

/// Arguments of `findings`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0, or 2 where a key is in a condition that --fail-on names.\n\nExamples:\n  keymuster findings\n  \
keymuster findings --team search --format markdown\n  keymuster findings --fail-on expired --fail-on orphaned"
)]
pub struct Findings {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// Which keys
    #[command(flatten)]
    pub selection: Selection,
    /// End with code 2 if a key is in this condition, not waived; may be given several times
    #[arg(long, value_name = "WORD", value_parser = one_of(Condition::ALL, Condition::as_str))]
    pub fail_on: Vec<Condition>,
    /// As it was at the end of that day, or at that instant, as far as history tells: without last use
    #[arg(long, value_name = "WHEN", value_parser = AsOf::parse)]
    pub as_of: Option<AsOf>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `changes`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keymuster changes --since 7d\n  keymuster changes --account acme-openai --since 2026-11-01 --format csv"
)]
pub struct Changes {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// Only changes of this account; may be given several times
    #[arg(long = "account", short, value_name = "NAME")]
    pub accounts: Vec<String>,
    /// Only changes of the key with this id
    #[arg(long, value_name = "KEY_ID")]
    pub key: Option<String>,
    /// Only what was seen in so long, or since a day or an instant: 7d, 2026-11-01, 2026-11-01T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = Since::parse)]
    pub since: Option<Since>,
    /// At most so many, the newest; without --since 50
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u32>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keymuster explain acme-openai/key_8Qw\n  keymuster explain key_8Qw --format json")]
pub struct Explain {
    /// Of which inventory; the config's policy is explained
    #[command(flatten)]
    pub from: WhichInventory,
    /// The key's id or its beginning, with the account before it where several have such a key: ACCOUNT/KEY_ID
    #[arg(value_name = "KEY")]
    pub key: String,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One array of objects
    Json,
    /// For spreadsheets
    Csv,
    /// A table for an issue or a mail
    Markdown,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Credentials that systemd passes are found as root while keymuster.service runs.\n\n\
Exit code 0 if nothing is wrong, 78 if the config, a file or a credential is wrong, else 65 if the inventory is newer than the \
program, else 69 if a provider refuses or does not answer. Warnings change nothing.\n\n\
Examples:\n  keymuster check --config keymuster.toml\n  keymuster check --offline")]
pub struct Check {
    /// The config file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// Ask no provider anything
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `ctl`.
#[derive(Debug, Args)]
pub struct Ctl {
    /// The config file of the daemon, which names the inventory; the socket is beside it
    #[arg(long, short, global = true, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// The socket itself, instead of the one beside the inventory that the config names
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// What to tell it
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// What the daemon can be told.
#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// What runs, what comes, what waits for a person
    Status,
    /// Poll now, and print what each list of keys gave; a poll under way counts
    #[command(after_help = "Exit code 69 if a list was not read whole or is held, or if no daemon answers.")]
    Poll {
        /// Only these accounts; all of them where none is named
        #[arg(value_name = "ACCOUNT")]
        accounts: Vec<String>,
    },
    /// Read config and credentials again: all of it or, where anything is wrong, nothing
    #[command(after_help = "Exit code 78 if anything is wrong, 69 if no daemon answers.")]
    Reload,
    /// Let go what is held and waits for a person's word
    #[command(
        after_help = "Held keys then go by the ordinary proof: missing first, gone later. A held list of people or projects is \
believed. Another organisation behind the credential is taken for the right one, and the keys of the old one become unmanaged. \
Where SCOPE has closed or vanished, its unknown keys are gone. 'keymuster ctl status' names all that waits, with the command that \
lets it go.\n\nExit code 64 if nothing like that waits, 69 if no daemon answers.\n\n\
Examples:\n  keymuster ctl ack acme-openai --why 'the search project was closed'\n  \
keymuster ctl ack acme-openai project/proj_1 --why 'its keys were rotated'"
    )]
    Ack {
        /// The account
        account: String,
        /// Only this list, as the view `scopes` names it: KIND or KIND/SCOPE_ID
        scope: Option<String>,
        /// Why; stored with who and when
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

/// Arguments of `db`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keymuster db check --config keymuster.toml\n  \
keymuster db backup --config keymuster.toml /var/backups/inventory.db --replace\n  \
keymuster db check --inventory /var/backups/inventory.db\n  keymuster db export --view keys --format csv > keys.csv")]
pub struct Db {
    /// The config file, which names the inventory
    #[arg(long, short, global = true, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// The inventory itself, instead of the one that the config names
    #[arg(long, global = true, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// What to do with it
    #[command(subcommand)]
    pub command: DbCommand,
}

/// What can be done with the inventory's file.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Look the file over: its pages, its references, and what always holds in it
    #[command(after_help = "Exit code 0 if nothing is wrong, 1 if something is, 65 if the file is newer than the program.\n\n\
Examples:\n  keymuster db check --config keymuster.toml\n  keymuster db check --inventory /var/backups/inventory.db")]
    Check,
    /// Write a whole copy of the file, of one instant; it gets its name once it is known to be sound
    #[command(
        after_help = "To restore one (operate.md of the package has the commands): stop the daemon, remove inventory.db-wal, inventory.db-shm and inventory.db-journal if \
they are there, copy the backup over the inventory, give it the daemon's owner and mode 0640, and start the daemon.\n\n\
Examples:\n  keymuster db backup --config keymuster.toml /var/backups/inventory-monday.db\n  \
keymuster db backup --inventory inventory.db --replace /var/backups/inventory.db"
    )]
    Backup {
        /// Where the copy is put; only its owner may read it
        #[arg(value_name = "TO")]
        to: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        replace: bool,
    },
    /// Print the content of the public views, all of one instant
    #[command(after_help = "Examples:\n  keymuster db export --config keymuster.toml > inventory.json\n  \
keymuster db export --inventory inventory.db --view changes --format csv > changes.csv")]
    Export {
        /// Only this view; without it, all of them, which only JSON can hold
        #[arg(long, value_name = "VIEW", value_parser = one_of(PUBLIC_VIEWS, |view| view))]
        view: Option<&'static str>,
        /// How to print
        #[arg(long, short, value_enum, default_value_t = ExportFormat::Json)]
        format: ExportFormat,
    },
}

/// How views are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One object that holds an array for each view; of one view, the array alone
    Json,
    /// For spreadsheets; one view at a time
    Csv,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_long_help = crate::sim::help())]
pub struct Simulate {
    /// Where the providers are served, on loopback
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:10848", value_parser = loopback)]
    pub listen: SocketAddr,
    /// The made-up world: the same seed gives the same one
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// About this many keys, instead of the demo's few hundred
    #[arg(long, value_name = "COUNT")]
    pub keys: Option<usize>,
    /// A Braintrust organisation of this many members with three keys each, and little else
    #[arg(long, value_name = "COUNT", conflicts_with = "keys")]
    pub members: Option<usize>,
    /// What goes wrong; may be given several times (see --help for the list)
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
    /// One beat of life per this many seconds; without it the world stands still
    #[arg(long, value_name = "SECONDS")]
    pub lively: Option<u64>,
    /// Write credentials and a config that fits into this folder, which must not exist
    #[arg(long, value_name = "FOLDER")]
    pub write_config: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keymuster completions bash > /usr/share/bash-completion/completions/keymuster")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

fn exit_codes() -> String {
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.number(), exit.meaning())).collect();
    format!(
        "Try it without a config or a credential: keymuster demo\nThen write {CONFIG}, and: keymuster check\n\nExit codes:\n{}",
        codes.join("\n")
    )
}

/// What is made up is shown to this machine alone: neither the page nor the simulated providers ask who is there.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:10847".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{} is no loopback address", address.ip())) }
}

/// One of a closed list: help and completions list the words, and a wrong one is told the nearest.
fn one_of<T: Copy + Send + Sync>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T> {
    let find = move |text: String| all.iter().copied().find(|value| word(*value) == text).ok_or("is unknown");
    PossibleValuesParser::new(all.iter().map(|value| word(*value))).try_map(find)
}

fn providers() -> PossibleValuesParser {
    PossibleValuesParser::new(PROVIDERS.iter().map(|provider| provider.spec().id))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn definitions_are_valid() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_made_up_stays_on_this_machine() {
        let listens = |command, address| super::Arguments::try_parse_from(["keymuster", command, "--listen", address]).is_ok();
        for command in ["demo", "simulate"] {
            assert!(listens(command, "127.0.0.1:0") && listens(command, "[::1]:80"), "{command}");
            assert!(
                !listens(command, "0.0.0.0:80") && !listens(command, "[::]:80") && !listens(command, "localhost"),
                "{command}"
            );
        }
    }
}
