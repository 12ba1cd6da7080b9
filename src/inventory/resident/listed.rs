//! What the newest complete walk of each list held, kept in memory: elements that come again byte by byte need neither be read nor compared.
//!
//! A key's element is known as long as only that list's own walks write what is stored of the key: whatever else touches it has it read
//! in full once more. A walk that is not complete leaves nothing to be relied upon.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::{OptionalExtension, Transaction};

use super::key::Row;
use super::touched::Touched;
use crate::domain::ScopeId;
use crate::inventory::error::Stored;
use crate::walk::Before;

/// A list, and what its newest complete walk held.
#[derive(Debug, Clone)]
pub(in crate::inventory) struct List {
    /// Row of the account.
    pub account: i64,
    /// Row of the organisation.
    pub organization: i64,
    pub scope: ScopeId,
    pub before: Arc<Before>,
    /// Rows of the keys whose elements it tells, in order; their home is this list. Needed only until the transaction ends.
    pub told: Vec<u32>,
}

/// All lists. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// By the rows of their scopes.
    lists: HashMap<i64, List>,
    rows: HashMap<(i64, ScopeId), i64>,
    /// What the transaction under way changes of it: a list that it knows now, or one that is known no more.
    pending: HashMap<i64, Option<List>>,
    /// So many of the touched keys are accounted for.
    seen: usize,
    /// Nothing is known any more.
    all: bool,
}

impl Lists {
    /// What the newest complete walk of that account's list held.
    pub fn before(&self, account: i64, scope: &ScopeId) -> Option<Arc<Before>> {
        let kept = self.kept();
        let row = kept.rows.get(&(account, scope.clone()))?;
        kept.lists.get(row).map(|list| Arc::clone(&list.before))
    }

    /// A transaction begins; of one that failed nothing is left.
    pub fn begin(&self) {
        let mut kept = self.kept();
        kept.pending.clear();
        (kept.seen, kept.all) = (0, false);
    }

    /// Somebody else may have written anything.
    pub fn forget(&self) {
        *self.kept() = Kept::default();
    }

    /// What is stored of that list's keys is still what the walk that held `before` made of it.
    pub fn is_still(
        &self,
        transaction: &Transaction<'_>,
        touched: &mut Touched,
        organization: i64,
        scope: i64,
        before: &Arc<Before>,
    ) -> Stored<bool> {
        let mut kept = self.kept();
        kept.account_for(transaction, touched, None)?;
        Ok(kept.list(scope).is_some_and(|list| list.organization == organization && Arc::ptr_eq(&list.before, before)))
    }

    /// A walk of that list was applied; `list` is what it held, where that may be relied upon.
    pub fn applied(&self, transaction: &Transaction<'_>, touched: &mut Touched, scope: i64, list: Option<List>) -> Stored<()> {
        let mut kept = self.kept();
        kept.account_for(transaction, touched, Some((scope, list.as_ref().map_or(&[], |list| &list.told))))?;
        if list.is_some() || kept.lists.contains_key(&scope) || kept.pending.contains_key(&scope) {
            kept.pending.insert(scope, list);
        }
        Ok(())
    }

    /// The transaction is about to end; what it touched since its last walk is not to be relied upon.
    pub fn conclude(&self, transaction: &Transaction<'_>, touched: &mut Touched) -> Stored<()> {
        let mut kept = self.kept();
        kept.account_for(transaction, touched, None)
    }

    /// The transaction has ended.
    pub fn take_over(&self) {
        let mut kept = self.kept();
        if std::mem::take(&mut kept.all) {
            kept.lists.clear();
            kept.rows.clear();
        }
        for (scope, list) in std::mem::take(&mut kept.pending) {
            match list {
                Some(mut list) => {
                    list.told = Vec::new();
                    kept.rows.insert((list.account, list.scope.clone()), scope);
                    kept.lists.insert(scope, list);
                }
                None => {
                    kept.lists.remove(&scope);
                }
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|panicked| {
            self.0.clear_poison();
            let mut kept = panicked.into_inner();
            *kept = Kept::default();
            kept
        })
    }
}

impl Kept {
    /// Has the keys read next time that were touched since the last call, but those that a walk of `by` touched itself: keys whose home
    /// is its scope, or which it tells of.
    fn account_for(&mut self, transaction: &Transaction<'_>, touched: &mut Touched, by: Option<(i64, &[u32])>) -> Stored<()> {
        let (scope, told) = by.map_or((None, &[][..]), |(scope, told)| (Some(scope), told));
        let since = touched.keys.get(self.seen..).unwrap_or_default();
        let is_told = |row: &i64| u32::try_from(*row).is_ok_and(|row| told.binary_search(&row).is_ok());
        let known = !self.lists.is_empty() || !self.pending.is_empty();
        let strange: Vec<i64> = since.iter().copied().filter(|row| known && !is_told(row)).collect();
        if touched.all {
            self.all = true;
            self.pending.clear();
        }
        let mut by_home: HashMap<i64, HashSet<u32>> = HashMap::new();
        let mut add = |row: i64, home| Row::new(row).map(|row| by_home.entry(home).or_default().insert(row.number()));
        let mut home = transaction.prepare_cached("SELECT scope_id FROM key WHERE id = ?1")?;
        for row in strange.into_iter().filter(|_| !self.all) {
            if let Some(home) = home.query_row([row], |row| row.get(0)).optional()?
                && scope != Some(home)
            {
                add(row, home)?;
            }
        }
        for (row, home) in touched.left_home.drain(..) {
            add(row, home)?;
        }
        for (home, rows) in by_home {
            if let Some(mut list) = self.list(home).cloned() {
                list.before = Arc::new(list.before.without(&rows));
                self.pending.insert(home, Some(list));
            }
        }
        touched.mark();
        self.seen = touched.keys.len();
        Ok(())
    }

    /// A list as the transaction under way leaves it.
    fn list(&self, scope: i64) -> Option<&List> {
        match self.pending.get(&scope) {
            Some(pending) => pending.as_ref(),
            None => self.lists.get(&scope).filter(|_| !self.all),
        }
    }
}
