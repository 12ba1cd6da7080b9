//! The inventory as of an earlier instant, for pages and files. Each look is a copy of the file turned back, which costs time and disk:
//! one is made at a time, few are kept, and none longer than somebody asks for it.
//!
//! A kept copy is given only while nothing at all was written since it was begun, by the same policy: what it would be made of
//! now is then what it was made of.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::domain::Time;
use crate::inventory::StoreError;
use crate::views::{Basis, LookedBack, Views};

/// Copies that are kept.
const KEPT: usize = 2;
/// How long somebody waits for the copy before to be made.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a copy is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// The copies, and whose turn it is to make one.
pub(super) struct LookBacks(Arc<Inner>);

struct Inner {
    turn: Arc<Semaphore>,
    /// The one that was asked for last is last.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    to: Time,
    basis: Basis,
    copy: Arc<LookedBack>,
    /// How often it was asked for.
    asked: u64,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoLook {
    /// Others are waited for.
    Busy,
    /// It is not possible.
    Failed(StoreError),
}

impl From<StoreError> for NoLook {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Default for LookBacks {
    fn default() -> Self {
        Self(Arc::new(Inner { turn: Arc::new(Semaphore::new(1)), kept: Mutex::default() }))
    }
}

impl LookBacks {
    /// The inventory as it was then.
    ///
    /// # Errors
    /// It does not go back so far, the copy cannot be made, or others are waited for.
    pub async fn look(&self, views: &Views, to: Time) -> Result<Arc<LookedBack>, NoLook> {
        if let Some(copy) = self.0.kept(&views.basis()?, to) {
            return Ok(copy);
        }
        let Ok(Ok(turn)) = timeout(PATIENCE, Arc::clone(&self.0.turn).acquire_owned()).await else {
            return Err(NoLook::Busy);
        };
        // A task of its own: whoever goes away meanwhile leaves no half of it, and lets nobody begin before it has ended.
        let made = tokio::spawn(make(Arc::clone(&self.0), views.clone(), to, turn));
        made.await.unwrap_or(Err(NoLook::Failed(StoreError::Stopped)))
    }
}

async fn make(inner: Arc<Inner>, views: Views, to: Time, _turn: OwnedSemaphorePermit) -> Result<Arc<LookedBack>, NoLook> {
    let basis = views.basis()?;
    // Made by who had the turn before.
    if let Some(copy) = inner.kept(&basis, to) {
        return Ok(copy);
    }
    inner.make_room();
    let copy = Arc::new(views.looked_back(&basis, to).await?);
    let kept = Kept { to, basis: basis.clone(), copy: Arc::clone(&copy), asked: 0 };
    inner.all().push(kept);
    tokio::spawn(let_go(Arc::downgrade(&inner), basis, to));
    Ok(copy)
}

/// Lets go of a copy that nobody asks for any more.
async fn let_go(inner: Weak<Inner>, basis: Basis, to: Time) {
    let mut asked = Some(0);
    loop {
        sleep(IDLE).await;
        let Some(inner) = inner.upgrade() else { return };
        let mut all = inner.all();
        let Some(at) = all.iter().position(|kept| kept.to == to && kept.basis == basis) else { return };
        if asked.replace(all[at].asked) == Some(all[at].asked) {
            drop(all.remove(at));
            return;
        }
    }
}

impl Inner {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, basis: &Basis, to: Time) -> Option<Arc<LookedBack>> {
        let mut all = self.all();
        // What stands on something else is never asked for again.
        all.retain(|kept| kept.basis == *basis);
        let at = all.iter().position(|kept| kept.to == to)?;
        let mut kept = all.remove(at);
        kept.asked += 1;
        let copy = Arc::clone(&kept.copy);
        all.push(kept);
        Some(copy)
    }

    /// For one more.
    fn make_room(&self) {
        let mut all = self.all();
        let beyond = (all.len() + 1).saturating_sub(KEPT);
        all.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::inventory::Inventory;

    const READ: &str = "INSERT INTO account (id, name, provider, configured) VALUES (1, 'a', 'openai', 1);
                        INSERT INTO organization (id, account_id, first_seen_at) VALUES (1, 1, 100);";

    #[tokio::test]
    async fn one_is_made_at_a_time_and_none_is_kept_that_nobody_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
        inventory.write(|transaction| Ok(transaction.execute_batch(READ)?)).await.unwrap();
        let views = Views::new(&inventory, Clock::stopped(Time::from_unix(10_000)), Vec::new());
        let (looks, then) = (LookBacks::default(), Time::from_unix(5_000));

        let turn = Arc::clone(&looks.0.turn).acquire_owned().await.unwrap();
        tokio::time::pause();
        assert!(matches!(looks.look(&views, then).await, Err(NoLook::Busy)));
        tokio::time::resume();
        drop(turn);

        let copy = looks.look(&views, then).await.unwrap();
        let path = copy.reader.path().to_owned();
        drop(copy);
        // Who went away before it was there: it is made to its end, and nobody begins before.
        drop(tokio::time::timeout(Duration::ZERO, looks.look(&views, Time::from_unix(6_000))).await);
        let other = looks.look(&views, Time::from_unix(7_000)).await.unwrap();
        assert!(looks.0.all().len() <= KEPT && other.reader.path().exists());

        assert!(looks.look(&views, then).await.is_ok_and(|copy| copy.reader.path() == path || !path.exists()));
        let path = looks.look(&views, then).await.unwrap().reader.path().to_owned();
        tokio::time::pause();
        sleep(IDLE + Duration::from_secs(1)).await;
        assert!(looks.look(&views, then).await.is_ok() && path.exists(), "asked for meanwhile");
        sleep(IDLE * 4).await;
        assert!(!path.exists() && looks.0.all().is_empty());
        inventory.close().await.unwrap();
    }

    #[tokio::test]
    async fn what_fails_is_told_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
        let views = Views::new(&inventory, Clock::stopped(Time::from_unix(10_000)), Vec::new());
        let looks = LookBacks::default();
        for _ in 0..3 {
            let failed = looks.look(&views, Time::from_unix(5_000)).await;
            assert!(matches!(failed, Err(NoLook::Failed(StoreError::BeforeHistory { since: None, .. }))), "{failed:?}");
        }
        let left = std::fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(left, 0);
        inventory.close().await.unwrap();
    }
}
