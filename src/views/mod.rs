//! The one read model behind the commands, the pages and the metrics: what they show is the same at every instant.
//!
//! It reads the inventory and writes nothing. Counts are remembered. They are made anew when something was written since,
//! when a deadline passed since (the counts carry the next one), or when the clock went back; else the remembered ones are
//! what a count would give, and whoever asks costs no SQL. What [`Views::overview`] and [`Views::urgent`] give hangs on the
//! same counts and is remembered with them. Lists are read each time. In the process that writes, the inventory counts and chooses
//! pages by what it keeps in memory; another one does by SQL, and a test holds the two against each other.

pub mod address;
mod as_of;
mod because;
mod charts;
mod columns;
mod compared;
pub mod explanation;
mod facts;
mod in_force;
mod key_columns;
mod looked_back;
mod owners;
pub mod shown;
mod since;
pub mod spreadsheet;
pub mod told;
mod worth;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::domain::Presence;
use crate::inventory::{Inventory, Reader, Stored, Watch};
use crate::policy::Policy;

pub use crate::inventory::{
    AccountCounts, AccountRow, ChangeRow, ChangesAsked, Counts, Explained, Filter, Group, KeyRow, KeysAsked, LastPoll, ListedBy,
    Order, OwnedKeys, OwnerRow, Place, Position, ScopePlace, ScopeRow, Showing, Waiting, When, Whose, meaning,
};
pub use crate::inventory::{Over, Week};
pub use as_of::{AsOf, LiesAhead};
pub use because::{because, day};
pub use charts::{Bucket, Charts, Spread};
pub use columns::{AccountColumns, ChangeColumns, OwnerColumns, ScopeColumns};
pub use compared::{Compared, Comparison, Pair, Stand, state};
use explanation::Explanation;
pub use facts::{AccountFacts, provider_ids, provider_name, revocation};
use in_force::Matched;
pub use in_force::{Accepted, InForce, PolicyPlace};
pub use key_columns::{KeyColumns, KeysFile, WITHOUT_HISTORY};
pub use looked_back::{Basis, LEFT_OUT, LookedBack, cannot_tell, not_yet_read};
pub use owners::{Owned, Owner, by_owner};
pub use since::Since;
pub use worth::{ALL_KEYS, Age, Unseen, is_late};

/// The read model. Cheap to clone; clones remember together.
#[derive(Debug, Clone)]
pub struct Views(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reader: Reader,
    watch: Watch,
    clock: Clock,
    accounts: RwLock<Arc<[AccountFacts]>>,
    policy: RwLock<Arc<Policy>>,
    counts: Mutex<Option<Remembered>>,
    overview: Mutex<Option<(Arc<Counts>, Arc<Overview>)>>,
    urgent: Mutex<Option<Urgent>>,
    in_force: Mutex<Option<Told>>,
    charts: Mutex<Option<charts::Remembered>>,
    recounts: AtomicU64,
}

#[derive(Debug)]
struct Remembered {
    version: i64,
    number: u64,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Told {
    counts: Arc<Counts>,
    policy: Arc<Policy>,
    in_force: Arc<InForce>,
}

#[derive(Debug)]
struct Urgent {
    counts: Arc<Counts>,
    which: Which,
    keys: Arc<[KeyRow]>,
}

/// Lists that stand beside the counts on the first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The counts that they were read with.
    pub counts: Arc<Counts>,
    /// Keys that need a person first: in a condition, not waived; in the order of [`Order::Urgency`].
    pub urgent: Vec<KeyRow>,
    /// The newest changes.
    pub changes: Vec<ChangeRow>,
    /// Scopes that are not read completely, as many as fit.
    pub unseen: Vec<ScopeRow>,
    /// How many there are.
    pub unseen_in_all: u64,
}

/// Keys of an overview's list of urgent ones.
const URGENT: u32 = 10;
/// Changes on an overview.
const CHANGES: u32 = 20;
/// Scopes on an overview that cannot be seen.
const UNSEEN: u32 = 50;

/// Which keys [`Views::urgent`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// Only those in a condition that is not waived; else all that may be there.
    pub flagged: bool,
    /// At most so many.
    pub limit: u32,
}

impl Which {
    fn asked(self) -> KeysAsked {
        let only = |yes: bool| self.flagged.then_some(yes);
        let presences = Presence::MAY_BE_THERE.to_vec();
        let filter = Filter { presences, flagged: only(true), waived: only(false), ..Filter::default() };
        KeysAsked { filter, order: Order::Urgency, limit: Some(self.limit), ..KeysAsked::default() }
    }
}

impl Views {
    /// The view of the process that writes the inventory.
    pub fn new(inventory: &Inventory, clock: Clock, accounts: Vec<AccountFacts>) -> Self {
        Self::over(inventory.reader().clone(), inventory.watch(), clock, accounts)
    }

    /// The view of a process that only reads the file, perhaps beside another that writes it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn of_file(reader: Reader, clock: Clock, accounts: Vec<AccountFacts>) -> Stored<Self> {
        let watch = reader.watch()?;
        Ok(Self::over(reader, watch, clock, accounts))
    }

    fn over(reader: Reader, watch: Watch, clock: Clock, accounts: Vec<AccountFacts>) -> Self {
        Self(Arc::new(Inner {
            reader,
            watch,
            clock,
            accounts: RwLock::new(accounts.into()),
            policy: RwLock::default(),
            counts: Mutex::default(),
            overview: Mutex::default(),
            urgent: Mutex::default(),
            in_force: Mutex::default(),
            charts: Mutex::default(),
            recounts: AtomicU64::new(0),
        }))
    }

    /// The configured accounts, in the order of the config.
    pub fn accounts(&self) -> Arc<[AccountFacts]> {
        Arc::clone(&self.0.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the accounts of a new config.
    pub fn configure(&self, accounts: Vec<AccountFacts>) {
        *self.0.accounts.write().unwrap_or_else(PoisonError::into_inner) = accounts.into();
    }

    /// Takes over the policy that keys are explained by; until it is told one, that is the built-in one.
    pub fn judge_by(&self, policy: Arc<Policy>) {
        *self.0.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// The clock that everything here is told by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The inventory's file.
    pub fn path(&self) -> &Path {
        self.0.reader.path()
    }

    /// How often everything was counted anew.
    pub fn recounts(&self) -> u64 {
        self.0.recounts.load(Ordering::Relaxed)
    }

    /// The counts as they are now. Whoever asks while they are being made waits for them.
    ///
    /// # Errors
    /// The file cannot be read. Remembered counts are not given instead: nobody could tell how old they are.
    pub async fn counts(&self) -> Stored<Arc<Counts>> {
        Ok(self.numbered_counts().await?.1)
    }

    /// The same, with a number that is another whenever they were counted anew. Whoever finds the same number before and after
    /// reading has read what holds now; it means nothing to another process.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn numbered_counts(&self) -> Stored<(u64, Arc<Counts>)> {
        let inner = &*self.0;
        let mut remembered = inner.counts.lock().await;
        let (version, now) = (inner.watch.version()?, inner.clock.now());
        if let Some(Remembered { version: then, number, counts }) = &*remembered
            && *then == version
            && counts.at <= now
            && counts.next.is_none_or(|next| now < next)
        {
            return Ok((*number, Arc::clone(counts)));
        }
        let counts = Arc::new(inner.reader.count(now).await?);
        let number = inner.recounts.fetch_add(1, Ordering::Relaxed);
        *remembered = Some(Remembered { version, number, counts: Arc::clone(&counts) });
        Ok((number, counts))
    }

    /// What the first page shows beside the counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn overview(&self) -> Stored<Arc<Overview>> {
        let mut remembered = self.0.overview.lock().await;
        let counts = self.counts().await?;
        if let Some((with, overview)) = &*remembered
            && Arc::ptr_eq(with, &counts)
        {
            return Ok(Arc::clone(overview));
        }
        let (unseen, unseen_in_all) = self.unseen_scopes(Vec::new(), UNSEEN).await?;
        let overview = Arc::new(Overview {
            counts: Arc::clone(&counts),
            urgent: self.page_of_keys(Which { flagged: true, limit: URGENT }.asked()).await?.0,
            changes: self.changes(ChangesAsked { limit: Some(CHANGES), ..ChangesAsked::default() }).await?,
            unseen,
            unseen_in_all,
        });
        *remembered = Some((counts, Arc::clone(&overview)));
        Ok(overview)
    }

    /// The keys that need a person most, in an order that is stable.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn urgent(&self, which: Which) -> Stored<Arc<[KeyRow]>> {
        let mut remembered = self.0.urgent.lock().await;
        let counts = self.counts().await?;
        if let Some(before) = &*remembered
            && Arc::ptr_eq(&before.counts, &counts)
            && before.which == which
        {
            return Ok(Arc::clone(&before.keys));
        }
        let keys: Arc<[KeyRow]> = self.page_of_keys(which.asked()).await?.0.into();
        *remembered = Some(Urgent { counts, which, keys: Arc::clone(&keys) });
        Ok(keys)
    }

    /// Lists keys as they are now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn keys(&self, asked: KeysAsked) -> Stored<Vec<KeyRow>> {
        self.0.reader.keys(asked, self.0.clock.now()).await
    }

    /// Whose keys they are, as they are now: leavers first, then who has most keys that need a person.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn owners(&self, asked: KeysAsked) -> Stored<Vec<Owned>> {
        Ok(by_owner(self.0.reader.owned_keys(asked.filter, self.0.clock.now()).await?))
    }

    /// A page of keys as they are now, and how many there are on all pages; see [`Reader::page_of_keys`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn page_of_keys(&self, asked: KeysAsked) -> Stored<(Vec<KeyRow>, u64)> {
        self.0.reader.page_of_keys(asked, self.0.clock.now()).await
    }

    /// A page of keys as they are now, and the place of the last where there are more; see [`Reader::keys_and_place`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn keys_and_place(&self, asked: KeysAsked) -> Stored<(Vec<KeyRow>, Option<Position>)> {
        self.0.reader.keys_and_place(asked, self.0.clock.now()).await
    }

    /// Every account in the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn all_accounts(&self) -> Stored<Vec<AccountRow>> {
        self.0.reader.accounts().await
    }

    /// Scopes behind one; see [`Reader::scopes_behind`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn scopes_behind(&self, accounts: Vec<String>, behind: Option<ScopePlace>, limit: u32) -> Stored<Vec<ScopeRow>> {
        self.0.reader.scopes_behind(accounts, behind, limit).await
    }

    /// Writes keys as they are now into a file, one after the other.
    ///
    /// # Errors
    /// The inventory cannot be read.
    pub async fn keys_file(&self, asked: KeysAsked, file: KeysFile) -> Stored<KeysFile> {
        self.0.reader.each_key(asked, self.0.clock.now(), file, |file, key| file.add(&key)).await
    }

    /// The key of that account and id; of an organisation that the account saw before only where the present one has none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn key(&self, account: String, id: String) -> Stored<Option<KeyRow>> {
        let filter = Filter { accounts: vec![account], id: Some(id), ..Filter::default() };
        let found = self.keys(KeysAsked { filter, ..KeysAsked::default() }).await?;
        Ok(found.into_iter().min_by_key(|key| key.presence == Presence::Unmanaged))
    }

    /// All that is known of a key; `None` where it is no longer stored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn explain(&self, key: KeyRow) -> Stored<Option<Explanation>> {
        let policy = Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner));
        let (account, id) = (key.account.clone(), key.key_id.clone());
        let Some(explained) = self.0.reader.explain(account.clone(), id.clone(), policy).await? else { return Ok(None) };
        let asked = ChangesAsked { accounts: vec![account], key_id: Some(id), ..ChangesAsked::default() };
        Ok(Some(Explanation { key, explained, changes: self.changes(asked).await?, now: self.0.clock.now() }))
    }

    /// The policy in force, with how many keys each of its places matches.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn in_force(&self) -> Stored<Arc<InForce>> {
        let mut remembered = self.0.in_force.lock().await;
        let counts = self.counts().await?;
        let policy = Arc::clone(&self.0.policy.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(before) = &*remembered
            && Arc::ptr_eq(&before.counts, &counts)
            && Arc::ptr_eq(&before.policy, &policy)
        {
            return Ok(Arc::clone(&before.in_force));
        }
        let none_yet = Matched::none_yet(Arc::clone(&policy));
        let matched = self.0.reader.each_matchable(counts.at, none_yet, Matched::add).await?;
        let in_force = Arc::new(matched.told());
        *remembered = Some(Told { counts, policy, in_force: Arc::clone(&in_force) });
        Ok(in_force)
    }

    /// The labels `team` that keys have, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn teams(&self) -> Stored<Vec<String>> {
        self.0.reader.teams().await
    }

    /// Lists what changed, the newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn changes(&self, asked: ChangesAsked) -> Stored<Vec<ChangeRow>> {
        self.0.reader.changes(asked).await
    }

    /// Every scope of an account, those first that cannot be seen whole.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn scopes(&self, account: &str) -> Stored<Vec<ScopeRow>> {
        self.0.reader.scopes(account.to_owned()).await
    }

    /// Scopes of these accounts, or of all, that are not read completely; see [`Reader::unseen_scopes`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn unseen_scopes(&self, accounts: Vec<String>, limit: u32) -> Stored<(Vec<ScopeRow>, u64)> {
        self.0.reader.unseen_scopes(accounts, limit).await
    }

    /// What waits for a person in an account.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn waiting(&self, account: &str) -> Stored<Waiting> {
        self.0.reader.waiting(account.to_owned()).await
    }

    /// Whether the file answers and is one that this program can read.
    ///
    /// # Errors
    /// It is not so.
    pub async fn check(&self) -> Stored<()> {
        self.0.reader.check().await
    }
}
