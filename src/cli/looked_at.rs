//! The inventory that a command looks at: as it is, or a copy of it turned back to an earlier instant.

use std::sync::Arc;

use tempfile::TempDir;

use super::args::{AsOf, WhichInventory};
use super::exit::UsageError;
use super::output::warning_line;
use super::setup;
use crate::clock::Clock;
use crate::inventory::{Inventory, NotYetRead, Reader, StoreError, rewind};
use crate::views::Views;

/// The read model of an inventory, and the folder of the copy that it reads, where it reads one.
pub struct LookedAt {
    /// What is shown.
    pub views: Views,
    /// It is a copy turned back.
    pub turned_back: bool,
    _copy: Option<TempDir>,
}

impl LookedAt {
    /// Opens it. What a look back leaves out is told on standard error.
    ///
    /// # Errors
    /// The inventory cannot be read, does not go back so far, or the config, whose policy judges it, is wrong.
    pub async fn open(from: WhichInventory, as_of: Option<AsOf>) -> anyhow::Result<Self> {
        match as_of {
            None => {
                let views = Views::of_file(Reader::open(&from.path()?)?, Clock::system(), Vec::new())?;
                Ok(Self { views, turned_back: false, _copy: None })
            }
            Some(as_of) => Self::turned_back(from, as_of).await,
        }
    }

    async fn turned_back(from: WhichInventory, AsOf(to): AsOf) -> anyhow::Result<Self> {
        let now = Clock::system().now();
        if to > now {
            return Err(UsageError(format!("--as-of {to} lies ahead: it is {now}")).into());
        }
        let config = setup::config(&from.config)?;
        let source = from.inventory.unwrap_or(config.inventory);
        let folder = tempfile::Builder::new().prefix("keymuster-as-of-").tempdir()?;
        let path = folder.path().join("inventory.db");
        Reader::open(&source)?.copy_to(path.clone()).await?;
        let not_yet = rewind(&path, to).map_err(|error| match error {
            // The copy is ours; what it lacks, the inventory lacks.
            StoreError::BeforeHistory { asked, since, .. } => StoreError::BeforeHistory { path: source, asked, since },
            other => other,
        })?;
        // As the daemon judges them: by the policy, not by what another config named.
        let copy = Inventory::open(&path, to)?;
        copy.judge_all(Arc::new(config.policy), to).await?;
        copy.close().await?;
        tell(&not_yet);
        let views = Views::of_file(Reader::open(&path)?, Clock::stopped(to), Vec::new())?;
        Ok(Self { views, turned_back: true, _copy: Some(folder) })
    }
}

fn tell(not_yet: &[NotYetRead]) {
    warning_line(
        "looking back leaves out last use (with stale and never_used) and holds; policy, waivers, names of people and lists are today's",
    );
    for NotYetRead { account, first } in not_yet {
        match first {
            Some(first) => warning_line(&format!("account {account} was first read at {first}: none of its keys are here")),
            None => warning_line(&format!("account {account} was never read: none of its keys are here")),
        }
    }
}
