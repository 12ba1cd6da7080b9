//! What the newest complete walk of a list held, element by element: one that comes again byte by byte need not be read again.
//!
//! Elements are told by 64 bits of a hash whose key is drawn anew in each process, so that nobody can choose two that collide. By
//! chance an element that is new or changed is taken for one of the list's own once in 10^19 divided by the length of the list.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::Page;
use crate::domain::{Failure, Reason, Refused, RemoteId};
use crate::providers::Item;

/// Makes digests. Those of two processes differ; clones make the same ones.
#[derive(Debug, Clone, Default)]
pub struct Digests(RandomState);

/// Tells an element's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(NonZeroU64);

/// Tells an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdDigest(u64);

impl Digests {
    /// Of an element.
    pub fn element(&self, bytes: &[u8]) -> Digest {
        Digest(NonZeroU64::new(self.0.hash_one(bytes)).unwrap_or(NonZeroU64::MIN))
    }

    /// Of an id.
    pub fn id(&self, id: &RemoteId) -> IdDigest {
        IdDigest(self.0.hash_one(id))
    }
}

/// A key that a complete walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its row in the inventory.
    pub row: u32,
    /// Tells its id.
    pub id: IdDigest,
    /// Tells its element; `None` where it is to be read each time.
    pub digest: Option<Digest>,
}

/// All keys that a complete walk found: 20 bytes each.
#[derive(Debug, PartialEq, Eq)]
pub struct Before {
    /// In order; what is to be read each time comes first. The others are in the same order.
    digests: Box<[Option<Digest>]>,
    ids: Box<[IdDigest]>,
    rows: Box<[u32]>,
}

impl Before {
    /// What a walk found.
    pub fn new(mut listed: Vec<Listed>) -> Self {
        listed.sort_unstable_by_key(|key| key.digest);
        Self {
            digests: listed.iter().map(|key| key.digest).collect(),
            ids: listed.iter().map(|key| key.id).collect(),
            rows: listed.iter().map(|key| key.row).collect(),
        }
    }

    /// The rows of all its keys.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The same where the elements of those keys are to be read.
    #[must_use]
    pub fn without(&self, rows: &HashSet<u32>) -> Self {
        let told = self.digests.iter().zip(&self.ids).zip(&self.rows);
        let listed =
            told.map(|((digest, id), row)| Listed { row: *row, id: *id, digest: digest.filter(|_| !rows.contains(row)) });
        Self::new(listed.collect())
    }

    fn find(&self, digest: Digest) -> Option<Listed> {
        let place = self.digests.binary_search(&Some(digest)).ok()?;
        Some(Listed { row: self.rows[place], id: self.ids[place], digest: Some(digest) })
    }
}

/// An element that is, byte by byte, as it was in the walk before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchanged {
    /// Its row in the inventory.
    pub row: u32,
    /// Tells its id.
    pub id: IdDigest,
    /// Tells its bytes.
    pub digest: Digest,
    /// Kept until the walk is applied: where it turns out that it has to be read after all, nothing is lost.
    pub bytes: Box<[u8]>,
}

/// How elements of a list are told apart from those of the walk before.
#[derive(Debug, Clone)]
pub struct Recognise {
    /// Makes their digests.
    pub digests: Digests,
    /// What that walk held; `None` where that is not known.
    pub before: Option<Arc<Before>>,
}

/// Longer elements are read each time: their bytes would have to be kept for longer than what is read of them.
const LONGEST: usize = 4096;

impl Recognise {
    /// The element's digest, and whether it came before.
    pub fn look(&self, element: &[u8]) -> (Digest, Option<Unchanged>) {
        let digest = self.digests.element(element);
        let known = self.before.as_ref().filter(|_| element.len() <= LONGEST).and_then(|before| before.find(digest));
        (digest, known.map(|Listed { row, id, digest: _ }| Unchanged { row, id, digest, bytes: element.into() }))
    }
}

/// Reads an element as it is read where it is new.
pub type Read<'a> = &'a dyn Fn(&[u8]) -> Result<Item, Refused>;

/// Reads elements that did not have to be read until now.
pub(super) fn read_all(unchanged: Vec<Unchanged>, read: Read<'_>) -> Result<Vec<(Item, Digest)>, Failure> {
    let all = unchanged.into_iter().map(|element| {
        let refused = |_| Failure::new(Reason::Internal, "an element that was read before is refused now");
        Ok((read(&element.bytes).map_err(refused)?, element.digest))
    });
    all.collect()
}

/// The ids of a walk under way that recognises elements.
#[derive(Debug, Default)]
pub(super) struct Ids {
    unchanged: HashSet<IdDigest>,
    read: HashSet<IdDigest>,
}

impl Ids {
    /// Some element of the page that need not be read has the id of another one: what the two say has to be compared.
    pub fn meet(&self, page: &Page, digests: &Digests) -> bool {
        if page.unchanged.is_empty() && self.unchanged.is_empty() {
            return false;
        }
        let mut here = HashSet::new();
        let again = |id: &IdDigest| self.unchanged.contains(id) || self.read.contains(id);
        page.unchanged.iter().any(|element| again(&element.id) || !here.insert(element.id))
            || keys(page, digests).any(|id| self.unchanged.contains(&id) || here.contains(&id))
    }

    /// Takes the ids of a page in.
    pub fn add(&mut self, page: &Page, digests: &Digests) {
        self.unchanged.extend(page.unchanged.iter().map(|element| element.id));
        self.read.extend(keys(page, digests));
    }

    /// Those that did not have to be read are.
    pub fn all_are_read(&mut self) {
        self.read.extend(self.unchanged.drain());
    }
}

fn keys(page: &Page, digests: &Digests) -> impl Iterator<Item = IdDigest> {
    page.items.iter().filter_map(|item| match item {
        Item::Key(key) => Some(digests.id(&key.id)),
        Item::Person(_) | Item::Project(_) | Item::Skipped => None,
    })
}

#[cfg(test)]
mod tests;
