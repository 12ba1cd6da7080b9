//! The inventory that a command looks at: as it is, or a copy of it turned back to an earlier instant.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::args::WhichInventory;
use super::exit::UsageError;
use super::output::warning_line;
use super::setup;
use crate::clock::Clock;
use crate::domain::{Condition, Time};
use crate::inventory::{NotYetRead, Reader, rewind};
use crate::policy::Policy;
use crate::views::{AsOf, Views};

/// The read model of an inventory, and the folder of the copy that it reads, where it reads one.
pub struct LookedAt {
    /// What is shown.
    pub views: Views,
    /// The file that is read.
    pub reader: Reader,
    /// It is a copy turned back.
    pub turned_back: bool,
    _copy: Option<TempDir>,
}

impl LookedAt {
    /// Opens it, for whoever asks for these conditions. What a look back leaves out is told on standard error.
    ///
    /// # Errors
    /// The inventory cannot be read, does not go back so far, or the config, whose policy judges it, is wrong; a look back is asked
    /// for what it cannot tell.
    pub async fn open(from: WhichInventory, as_of: Option<AsOf>, conditions: &[Condition]) -> anyhow::Result<Self> {
        let now = Clock::system().now();
        let to = as_of.map(|as_of| as_of.instant(now)).transpose().map_err(|ahead| UsageError(format!("--as-of {ahead}")))?;
        match to.filter(|to| *to < now) {
            None => {
                let reader = Reader::open(&from.path()?)?;
                let views = Views::of_file(reader.clone(), Clock::system(), Vec::new())?;
                Ok(Self { views, reader, turned_back: false, _copy: None })
            }
            Some(to) => {
                let of_use = conditions.iter().find(|condition| matches!(condition, Condition::Stale | Condition::NeverUsed));
                if let Some(condition) = of_use {
                    return Err(UsageError(format!(
                        "--as-of cannot tell what was {condition}: last use is kept without history"
                    ))
                    .into());
                }
                let config = setup::config(&from.config)?;
                let source = from.inventory.unwrap_or(config.inventory);
                let (looked_at, not_yet) = Self::turned_back(&source, &source, config.policy, to).await?;
                warning_line(LEFT_OUT);
                not_yet.iter().for_each(|account| warning_line(&not_yet_read(account)));
                Ok(looked_at)
            }
        }
    }

    /// A copy of that inventory turned back, and the accounts that nobody had read by then. `named` is what errors call it.
    ///
    /// # Errors
    /// The inventory cannot be read, or does not go back so far.
    pub async fn turned_back(source: &Path, named: &Path, policy: Policy, to: Time) -> anyhow::Result<(Self, Vec<NotYetRead>)> {
        let folder = tempfile::Builder::new().prefix("keymuster-as-of-").tempdir()?;
        let path = folder.path().join("inventory.db");
        Reader::open(source)?.copy_to(path.clone()).await?;
        let not_yet = rewind(&path, named, to, Arc::new(policy)).await?;
        let reader = Reader::open(&path)?;
        let views = Views::of_file(reader.clone(), Clock::stopped(to), Vec::new())?;
        Ok((Self { views, reader, turned_back: true, _copy: Some(folder) }, not_yet))
    }
}

/// What no look back tells.
pub const LEFT_OUT: &str = "looking back leaves out last use (with stale and never_used), holds, and orphaned keys whose owner is back; policy, waivers, names of people and lists are today's";

/// That there is nothing to tell of an account.
pub fn not_yet_read(NotYetRead { account, first }: &NotYetRead) -> String {
    match first {
        Some(first) => format!("account {account} was first read at {first}: none of its keys are here"),
        None => format!("account {account} was never read: none of its keys are here"),
    }
}
