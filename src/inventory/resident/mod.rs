//! What the daemon keeps in memory of every key, so that a scrape or a page need not read them all: numbers only, 48 bytes a key.
//!
//! It is never apart from the file. What a transaction touched is read again inside it, and taken over with its commit, under one
//! lock; whoever asks begins to read the file under the same lock. As time passes, those keys are read again of which something
//! begins or ends. All are read at the first question, and when the clock went back.

mod choose;
mod halves;
mod key;
mod order;
mod page;
mod read;
mod tally;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use rusqlite::{Connection, Transaction};

use self::key::{Key, Row, Second, Told};
use self::touched::Touched;
use super::error::Stored;
use crate::domain::Time;

/// A handle on it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Resident {
    held: Arc<RwLock<Option<Held>>>,
    touched: Arc<Mutex<Touched>>,
}

/// All keys, as of an instant from which on they hold until `next`.
#[derive(Debug)]
pub(super) struct Held {
    at: Time,
    next: Second,
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
    keys: Vec<Key>,
    complete: Vec<(Row, Complete)>,
}

/// Whoever asks as of so many seconds ago was overtaken by somebody else; the clock did not go back.
const OVERTAKEN: i64 = 1;

impl Resident {
    /// Has the connection that writes tell what it touches.
    pub fn listen(&self, writer: &mut Connection) -> Stored<()> {
        touched::listen(writer, &self.touched)
    }

    /// Commits, and takes over what the transaction touched.
    pub fn commit(&self, transaction: Transaction<'_>) -> Stored<()> {
        let mut held = self.whole();
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let change = held.as_ref().map(|held| held.change(&transaction, &touched));
        transaction.commit()?;
        match (held.as_mut(), change) {
            (Some(held), Some(Ok(Some(change)))) => held.take_over(change),
            // What cannot be read again is read at the next question, which then tells why.
            _ => *held = None,
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
            Some(before) if before.next <= Second::of(now) && before.at <= now => before.moved_on(connection, now)?,
            Some(_) | None => Held::read(connection, now)?,
        };
        ask(held.insert(moved))
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

impl Held {
    fn read(connection: &Connection, now: Time) -> Stored<Self> {
        let mut complete = HashMap::new();
        let mut select = connection.prepare_cached("SELECT id, complete_walk, complete_at FROM scope")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            complete.insert(Row::new(row.get(0)?)?, (row.get(1)?, row.get(2)?));
        }
        let keys = read::all(connection, now)?;
        let next = keys.iter().map(|key| key.next).min().unwrap_or(Second::NONE);
        Ok(Self { at: now, next, keys, complete })
    }

    fn holds(&self, now: Time) -> bool {
        self.at <= now.plus(OVERTAKEN) && Second::of(now) < self.next
    }

    /// Reads those again of which something began or ended.
    fn moved_on(mut self, connection: &Connection, now: Time) -> Stored<Self> {
        let passed = |key: &&Key| key.next <= Second::of(now);
        let touched: Vec<Row> = self.keys.iter().filter(passed).map(|key| key.row).collect();
        // Nothing else changed since the last of these instants, so that who asks a moment late is answered too.
        let last = self.keys.iter().filter(passed).filter_map(|key| key.next.time()).max();
        let keys = read::some(connection, &touched, now)?;
        self.take_over(Change { touched, keys, complete: Vec::new() });
        self.next = self.keys.iter().map(|key| key.next).min().unwrap_or(Second::NONE);
        self.at = last.map_or(now, |last| last.max(self.at));
        Ok(self)
    }

    /// `None` where all has to be read anew.
    fn change(&self, transaction: &Transaction<'_>, touched: &Touched) -> Stored<Option<Change>> {
        let mut rows: BTreeSet<Row> = touched.keys.iter().map(|row| Row::new(*row)).collect::<Stored<_>>()?;
        let complete = self.moved_scopes(transaction, &touched.scopes)?;
        // After a jump of the clock; what was told until then may be told no more.
        let went_back = |(scope, (_, at)): &(Row, Complete)| self.complete.get(scope).is_some_and(|(_, before)| at < before);
        if touched.all || complete.iter().any(went_back) {
            return Ok(None);
        }
        rows.extend(self.told_anew(&complete));
        let touched: Vec<Row> = rows.into_iter().collect();
        Ok(Some(Change { keys: read::some(transaction, &touched, self.at)?, touched, complete }))
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
        let is_told = |key: &&Key| match key.flags.told() {
            Told::ByHome => key.claim <= latest && moved.contains(&key.home),
            Told::NotYet => moved.contains(&key.home),
            Told::ByOthers => key.claim <= latest || moved.contains(&key.home),
        };
        self.keys.iter().filter(is_told).map(|key| key.row).collect()
    }

    fn take_over(&mut self, change: Change) {
        let (mut new, mut there) = (Vec::new(), change.keys.iter().map(|key| key.row).peekable());
        let gone: BTreeSet<Row> = change.touched.into_iter().filter(|row| there.next_if_eq(row).is_none()).collect();
        for key in change.keys {
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
