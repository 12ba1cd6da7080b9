//! An inventory as it was: a copy of it, turned back, for the commands and the pages alike.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use tempfile::TempDir;

use super::{Views, When};
use crate::clock::Clock;
use crate::domain::{Condition, Time};
use crate::inventory::{NotYetRead, Reader, StoreError, Stored, copies_beside, rewind, room_beside};
use crate::policy::Policy;

/// What no look back tells.
pub const LEFT_OUT: &str = "looking back leaves out last use (with stale and never_used), holds, orphaned keys whose owner is back, and what lists held that could not be read then; policy, waivers, names of people and lists are today's";

/// A copy turned back, and its read model, whose clock stands still. Dropped, the copy is removed.
#[derive(Debug)]
pub struct LookedBack {
    /// What it shows.
    pub views: Views,
    /// The copy.
    pub reader: Reader,
    /// Accounts whose keys nobody had read by then.
    pub not_yet: Vec<NotYetRead>,
    _folder: TempDir,
}

impl LookedBack {
    /// Copies the inventory into that folder and turns the copy back, judged by that policy. `named` is what errors call it.
    ///
    /// # Errors
    /// The inventory cannot be read, or does not go back so far; the copy cannot be written.
    pub async fn into(folder: TempDir, source: &Reader, named: &Path, policy: Arc<Policy>, to: Time) -> Stored<Self> {
        let path = folder.path().join("inventory.db");
        source.copy_to(path.clone()).await?;
        let not_yet = rewind(&path, named, to, policy).await?;
        let reader = Reader::open(&path)?;
        let views = Views::of_file(reader.clone(), Clock::stopped(to), Vec::new())?;
        Ok(Self { views, reader, not_yet, _folder: folder })
    }
}

/// What a look back hangs on besides its instant. The number of the writer's transactions covers all that is in the file: history and
/// how far it goes back, but also names, labels and what is told without history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    version: i64,
    policy: Arc<Policy>,
}

impl Views {
    /// What a look back would stand on now. Ask before looking: what is written meanwhile makes another.
    ///
    /// # Errors
    /// The file of another process cannot be looked at.
    pub fn basis(&self) -> Stored<Basis> {
        let policy = Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner));
        Ok(Basis { version: self.0.watch.version()?, policy })
    }

    /// The inventory as it was, judged by the policy of that basis: a copy beside the file, for the owner alone. Where the process
    /// dies, whoever opens the file to write next removes it.
    ///
    /// # Errors
    /// The inventory does not go back so far; the copy cannot be written.
    pub async fn looked_back(&self, basis: &Basis, to: Time) -> Stored<LookedBack> {
        let source = &self.0.reader;
        room_beside(source.path())?;
        let (beside, prefix) = copies_beside(source.path());
        let folder = tempfile::Builder::new().prefix(&prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(&beside);
        let folder = folder.map_err(|error| StoreError::File { path: beside, error })?;
        LookedBack::into(folder, source, source.path(), Arc::clone(&basis.policy), to).await
    }
}

/// What a look back cannot tell of what is asked for, as the end of a sentence that says who cannot.
pub fn cannot_tell(conditions: &[Condition], last_used: Option<When>) -> Option<String> {
    let of_use = conditions.iter().find(|condition| matches!(condition, Condition::Stale | Condition::NeverUsed));
    let what = match (of_use, last_used) {
        (Some(condition), _) => format!("was {condition}"),
        (None, Some(_)) => "was last used when".to_owned(),
        (None, None) => return None,
    };
    Some(format!("cannot tell what {what}: last use is kept without history"))
}

/// That there is nothing to tell of an account.
pub fn not_yet_read(NotYetRead { account, first }: &NotYetRead) -> String {
    match first {
        Some(first) => format!("account {account} was first read at {first}: none of its keys are here"),
        None => format!("account {account} was never read: none of its keys are here"),
    }
}
