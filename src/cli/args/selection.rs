//! Options that several commands share: from which inventory, which of its keys, and since when.

use std::path::PathBuf;

use clap::Args;

use super::{CONFIG, Format, one_of, providers};
use crate::domain::{Condition, KeyKind, Presence};
use crate::views::{AsOf, Filter, When};

/// Which inventory.
#[derive(Debug, Args)]
pub struct WhichInventory {
    /// The config file, which names the inventory
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// The inventory itself, instead of the one that the config names
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
}

/// Which keys. What is given several times means any of them.
#[derive(Debug, Args)]
pub struct Selection {
    /// Only keys of this account; this and the next four may be given several times
    #[arg(long = "account", short, value_name = "NAME")]
    pub accounts: Vec<String>,
    /// Only keys at this provider
    #[arg(long = "provider", short, value_name = "WORD", value_parser = providers())]
    pub providers: Vec<String>,
    /// Only keys of this kind
    #[arg(long = "kind", short, value_name = "WORD", value_parser = one_of(KeyKind::ALL, KeyKind::as_str))]
    pub kinds: Vec<KeyKind>,
    /// Only keys in this condition
    #[arg(long = "condition", value_name = "WORD", value_parser = one_of(Condition::ALL, Condition::as_str))]
    pub conditions: Vec<Condition>,
    /// Only keys with this label `team`
    #[arg(long = "team", short, value_name = "TEXT")]
    pub teams: Vec<String>,
    /// Only keys of this owner: id, name or e-mail address
    #[arg(long, short, value_name = "TEXT")]
    pub owner: Option<String>,
    /// Only keys made on that day, or from one to another: 2026-11-01, 2026-11-01..2026-11-30, 2026-11-01.., not_reported
    #[arg(long, value_name = "WHEN", value_parser = made)]
    pub created: Option<When>,
    /// Only keys last used then; or never, not_reported
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    pub last_used: Option<When>,
    /// Only keys that expire then; or never, not_reported
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    pub expires: Option<When>,
    /// Only keys whose name, id, hint or owner holds this text
    #[arg(value_name = "TEXT")]
    pub search: Option<String>,
}

/// What commands that list keys, or sum them up, take.
#[derive(Debug, Args)]
pub struct ListedKeys {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// Which keys
    #[command(flatten)]
    pub selection: Selection,
    /// Only keys of this presence; without it, all but gone ones
    #[arg(long = "presence", value_name = "WORD", value_parser = one_of(Presence::ALL, Presence::as_str))]
    pub presences: Vec<Presence>,
    /// As it was at the end of that day, or at that instant, as far as history tells: without last use
    #[arg(long, value_name = "WHEN", value_parser = AsOf::parse)]
    pub as_of: Option<AsOf>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

impl WhichInventory {
    /// The inventory's file.
    ///
    /// # Errors
    /// All that is wrong with the config.
    pub fn path(self) -> anyhow::Result<PathBuf> {
        self.inventory.map_or_else(|| Ok(crate::cli::setup::config(&self.config)?.inventory), Ok)
    }
}

/// Every key was made at some time.
fn made(text: &str) -> Result<When, String> {
    match When::parse(text)? {
        When::Never => Err("every key was made at some time: write a time, or not_reported".to_owned()),
        when @ (When::Between(..) | When::NotReported) => Ok(when),
    }
}

impl Selection {
    /// What is asked of the inventory.
    pub fn filter(self) -> Filter {
        Filter {
            accounts: self.accounts,
            providers: self.providers,
            kinds: self.kinds,
            conditions: self.conditions,
            teams: self.teams,
            owner: self.owner,
            text: self.search,
            created: self.created,
            last_used: self.last_used,
            expires: self.expires,
            ..Filter::default()
        }
    }
}
