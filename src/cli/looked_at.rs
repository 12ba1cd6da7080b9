//! The inventory that a command looks at: as it is, or a copy of it turned back to an earlier instant.

use std::path::Path;
use std::sync::Arc;

use super::args::WhichInventory;
use super::exit::UsageError;
use super::output::warning_line;
use super::{private, setup, worth};
use crate::clock::Clock;
use crate::domain::{Condition, Time};
use crate::inventory::Reader;
use crate::policy::Policy;
use crate::views::{AsOf, LEFT_OUT, LookedBack, Views, When, cannot_tell, not_yet_read};

/// The read model of an inventory, and the copy that it reads, where it reads one.
pub struct LookedAt {
    /// What is shown.
    pub views: Views,
    back: Option<LookedBack>,
}

impl LookedAt {
    /// It is a copy turned back.
    pub const fn is_turned_back(&self) -> bool {
        self.back.is_some()
    }

    /// Opens it, for whoever asks for these conditions and that last use. What a look back leaves out is told on standard error.
    ///
    /// # Errors
    /// The inventory cannot be read, does not go back so far, or the config, whose policy judges it, is wrong; a look back is asked
    /// for what it cannot tell.
    pub async fn open(
        from: WhichInventory,
        as_of: Option<AsOf>,
        conditions: &[Condition],
        last_used: Option<When>,
    ) -> anyhow::Result<Self> {
        let now = Clock::system().now();
        let to = as_of.map(|as_of| as_of.instant(now)).transpose().map_err(|ahead| UsageError(format!("--as-of {ahead}")))?;
        match to.filter(|to| *to < now) {
            None => {
                let views = Views::of_file(Reader::open(&from.path()?)?, Clock::system(), Vec::new())?;
                Ok(Self { views, back: None })
            }
            Some(to) => {
                if let Some(what) = cannot_tell(conditions, last_used) {
                    return Err(UsageError(format!("--as-of {what}")).into());
                }
                let config = setup::config(&from.config)?;
                let source = from.inventory.unwrap_or(config.inventory);
                let back = Self::turned_back(&source, &source, config.policy, to).await?;
                warning_line(LEFT_OUT);
                back.not_yet.iter().for_each(|account| warning_line(&not_yet_read(account)));
                Ok(Self { views: back.views.clone(), back: Some(back) })
            }
        }
    }

    /// Tells on standard error what rows of these accounts, or of all, are worth; of a copy turned back that was told before.
    ///
    /// # Errors
    /// The inventory cannot be read.
    pub async fn tell_worth(&self, accounts: &[String]) -> anyhow::Result<()> {
        if self.is_turned_back() { Ok(()) } else { worth::tell(&self.views, accounts).await }
    }

    /// A copy of that inventory turned back. `named` is what errors call it.
    ///
    /// # Errors
    /// The inventory cannot be read, or does not go back so far.
    pub async fn turned_back(source: &Path, named: &Path, policy: Policy, to: Time) -> anyhow::Result<LookedBack> {
        let folder = private::folder("keymuster-as-of-")?;
        Ok(LookedBack::into(folder, &Reader::open(source)?, named, Arc::new(policy), to).await?)
    }
}
