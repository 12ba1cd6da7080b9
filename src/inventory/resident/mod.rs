//! What the daemon keeps in memory of every key, so that a scrape or a page need not read them all: numbers only, 52 bytes a key; and
//! what walks found, so that the next one need not read what has not changed (`listed.rs`).
//!
//! It is never apart from the file. What a transaction touched is read again inside it, and taken over with its commit, under one
//! lock; whoever asks begins to read the file under the same lock. As time passes, those keys are read again of which something
//! begins or ends. All are read at the first question, when the clock went back, and after what touches too much to be followed.

mod charted;
mod choose;
mod halves;
mod key;
mod listed;
mod order;
mod owned;
mod page;
mod read;
mod tally;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use rusqlite::{Connection, Transaction};

use self::key::{Conditions, Key, Row, Second, Told};
pub(super) use self::listed::List;
use self::listed::Lists;
use self::read::Keys;
use self::touched::Touched;
use super::error::{StoreError, Stored};
use crate::domain::{Condition, ScopeId, Time};
use crate::walk::Before;

/// A handle on it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Resident {
    held: Arc<RwLock<Option<Held>>>,
    touched: Arc<Mutex<Touched>>,
    lists: Lists,
    /// A number of SQLite's for the connection that writes: another one wherever somebody else wrote.
    others: Arc<AtomicI64>,
}

/// All keys, as they are from one instant until before another.
#[derive(Debug)]
pub(super) struct Held {
    since: Second,
    next: Second,
    /// As of when keys were last read; not before `since`.
    at: Time,
    /// How often time has moved on.
    moves: u64,
    /// In the order of their rows.
    keys: Vec<Key>,
    /// Of each scope its newest complete walk, and when that began.
    complete: HashMap<Row, Complete>,
}

type Complete = (Option<i64>, Option<i64>);

/// What a transaction changes of it.
#[derive(Debug, Default)]
struct Change {
    touched: Vec<Row>,
    read: Keys,
    complete: Vec<(Row, Complete)>,
}

impl Resident {
    /// Has the connection that writes tell what it touches.
    pub fn listen(&self, writer: &mut Connection) -> Stored<()> {
        self.others.store(writes_of_others(writer)?, Ordering::SeqCst);
        touched::listen(writer, &self.touched)
    }

    /// A transaction begins.
    pub fn begin(&self, transaction: &Transaction<'_>) -> Stored<()> {
        // Of one that failed nothing was written.
        *self.touched() = Touched::default();
        self.lists.begin();
        let others = writes_of_others(transaction)?;
        if self.others.swap(others, Ordering::SeqCst) != others {
            // Nobody else should write, but who does is noticed.
            self.lists.forget();
            *self.whole() = None;
        }
        Ok(())
    }

    /// What the newest complete walk of that account's list held, where it is known.
    pub fn listed_before(&self, account: i64, scope: &ScopeId) -> Option<Arc<Before>> {
        self.lists.before(account, scope)
    }

    /// Whether that list's keys are stored still as the walk left them that held `before`.
    pub fn is_still(&self, transaction: &Transaction<'_>, organization: i64, scope: i64, before: &Arc<Before>) -> Stored<bool> {
        self.lists.is_still(transaction, &mut self.touched(), organization, scope, before)
    }

    /// A walk was applied to that scope; `list` is what it held, where the next one may rely on it.
    pub fn applied(&self, transaction: &Transaction<'_>, scope: i64, list: Option<List>) -> Stored<()> {
        self.lists.applied(transaction, &mut self.touched(), scope, list)
    }

    /// Commits, and takes over what the transaction touched.
    pub fn commit(&self, transaction: Transaction<'_>) -> Stored<()> {
        let mut touched = std::mem::take(&mut *self.touched());
        self.lists.conclude(&transaction, &mut touched)?;
        // Whoever asks meanwhile need not wait for it.
        let change = match self.held.read() {
            Ok(held) => held.as_ref().map(|held| (held.read_at(), held.change(&transaction, &touched))),
            Err(_) => None,
        };
        let mut held = self.whole();
        let change = match (held.as_ref(), change) {
            (Some(held), Some((before, change))) if held.read_at() == before => change,
            (Some(held), _) => held.change(&transaction, &touched),
            (None, _) => Ok(None),
        };
        transaction.commit()?;
        self.lists.take_over();
        match (held.as_mut(), change) {
            (Some(held), Ok(Some(change))) => held.take_over(change),
            // What cannot be read again is read at the next question, which then tells why.
            (None, _) | (Some(_), Ok(None) | Err(_)) => *held = None,
        }
        Ok(())
    }

    /// Answers a question as of `now`. The connection has begun a transaction and read nothing in it yet.
    pub fn ask<R>(&self, connection: &Connection, now: Time, ask: impl FnOnce(&Held) -> Stored<R>) -> Stored<R> {
        if let Ok(held) = self.held.read()
            && let Some(held) = held.as_ref().filter(|held| held.holds(now))
        {
            return ask(held);
        }
        let mut held = self.whole();
        // Taken out until it is whole again.
        let moved = match held.take() {
            Some(before) if before.holds(now) => before,
            Some(before) if before.since <= Second::of(now) => before.moved_on(connection, now)?,
            Some(_) | None => Held::read(connection, now)?,
        };
        *held = Some(moved);
        let held = RwLockWriteGuard::downgrade(held);
        held.as_ref().map_or(Err(StoreError::Stopped), ask)
    }

    fn touched(&self) -> MutexGuard<'_, Touched> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing where somebody panicked over it: it may be half changed.
    fn whole(&self) -> RwLockWriteGuard<'_, Option<Held>> {
        self.held.write().unwrap_or_else(|panicked| {
            self.held.clear_poison();
            let mut held = panicked.into_inner();
            *held = None;
            held
        })
    }
}

fn writes_of_others(writer: &Connection) -> Stored<i64> {
    Ok(writer.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

impl Held {
    fn read(connection: &Connection, now: Time) -> Stored<Self> {
        let mut complete = HashMap::new();
        let mut select = connection.prepare_cached("SELECT id, complete_walk, complete_at FROM scope")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            complete.insert(Row::new(row.get(0)?)?, (row.get(1)?, row.get(2)?));
        }
        let Keys { keys, since } = read::all(connection, now)?;
        let next = keys.iter().map(|key| key.next).min().unwrap_or(Second::NONE);
        Ok(Self { since, next, at: now, moves: 0, keys, complete })
    }

    fn holds(&self, now: Time) -> bool {
        (self.since..self.next).contains(&Second::of(now))
    }

    /// Another wherever keys were read as of another instant.
    fn read_at(&self) -> (Time, u64) {
        (self.at, self.moves)
    }

    /// Reads those again of which something began or ended.
    fn moved_on(mut self, connection: &Connection, now: Time) -> Stored<Self> {
        let passed = |key: &&Key| key.next <= Second::of(now);
        let touched: Vec<Row> = self.keys.iter().filter(passed).map(|key| key.row).collect();
        let read = read::some(connection, &touched, now)?;
        self.take_over(Change { touched, read, complete: Vec::new() });
        self.next = self.keys.iter().map(|key| key.next).min().unwrap_or(Second::NONE);
        (self.at, self.moves) = (now, self.moves + 1);
        Ok(self)
    }

    /// `None` where all has to be read anew.
    fn change(&self, transaction: &Transaction<'_>, touched: &Touched) -> Stored<Option<Change>> {
        let mut rows: BTreeSet<Row> = touched.keys.iter().map(|row| Row::new(*row)).collect::<Stored<_>>()?;
        let complete = self.moved_scopes(transaction, &touched.scopes)?;
        // After a jump of the clock; what was told until then may be told no more.
        let went_back = |(scope, (_, at)): &(Row, Complete)| self.complete.get(scope).is_some_and(|(_, before)| at < before);
        if touched.all || touched.new_organization || complete.iter().any(went_back) {
            return Ok(None);
        }
        rows.extend(self.told_anew(&complete));
        let touched: Vec<Row> = rows.into_iter().collect();
        Ok(Some(Change { read: read::some(transaction, &touched, self.at)?, touched, complete }))
    }

    /// Those of the touched scopes whose newest complete walk is another now.
    fn moved_scopes(&self, transaction: &Transaction<'_>, scopes: &[i64]) -> Stored<Vec<(Row, Complete)>> {
        let mut select = transaction.prepare_cached("SELECT complete_walk, complete_at FROM scope WHERE id = ?1")?;
        let mut moved = Vec::new();
        for id in scopes.iter().collect::<BTreeSet<_>>() {
            let mut rows = select.query([id])?;
            let complete = match rows.next()? {
                Some(row) => (row.get(0)?, row.get(1)?),
                None => (None, None),
            };
            let scope = Row::new(*id)?;
            if self.complete.get(&scope) != Some(&complete) {
                moved.push((scope, complete));
            }
        }
        Ok(moved)
    }

    /// The keys of which that may begin or end a claim about use.
    fn told_anew(&self, moved: &[(Row, Complete)]) -> Vec<Row> {
        if moved.is_empty() {
            return Vec::new();
        }
        let latest = moved.iter().filter_map(|(_, (_, at))| *at).max().map_or(Second::FIRST, |at| Second::new(Some(at)));
        let moved: BTreeSet<Row> = moved.iter().map(|(scope, _)| *scope).collect();
        let of_use = Conditions::of(&[Condition::Stale, Condition::NeverUsed]);
        let is_told = |key: &&Key| match key.flags.told() {
            Told::ByHome => key.claim <= latest && moved.contains(&key.home),
            Told::NotYet => moved.contains(&key.home),
            // Of lists, the one read last tells, even if its clock was behind that of the one before.
            Told::ByOthers => key.claim <= latest || key.conditions.any_of(of_use) || moved.contains(&key.home),
        };
        self.keys.iter().filter(is_told).map(|key| key.row).collect()
    }

    fn take_over(&mut self, change: Change) {
        let (mut new, mut there) = (Vec::new(), change.read.keys.iter().map(|key| key.row).peekable());
        let gone: BTreeSet<Row> = change.touched.into_iter().filter(|row| there.next_if_eq(row).is_none()).collect();
        self.since = self.since.max(change.read.since);
        for key in change.read.keys {
            match self.keys.binary_search_by_key(&key.row, |key| key.row) {
                Ok(place) => self.keys[place] = key,
                Err(_) => new.push(key),
            }
            self.next = self.next.min(key.next);
        }
        if !gone.is_empty() {
            self.keys.retain(|key| !gone.contains(&key.row));
        }
        let is_behind = new.first().zip(self.keys.last()).is_none_or(|(new, last)| last.row < new.row);
        self.keys.extend(new);
        if !is_behind {
            self.keys.sort_unstable_by_key(|key| key.row);
        }
        self.complete.extend(change.complete);
    }
}
