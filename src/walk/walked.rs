//! A walk that ended, and the proof that it read its list whole.

use std::sync::Arc;

use super::before::{self, Before, Digest, IdDigest, Read, Recognise, Unchanged};
use super::{Found, Stamp, WalkId};
use crate::domain::{Failure, KeyFacts, Owner, Reason, Refused, RemoteId, Scope, Time, WalkEnd};
use crate::providers::{Fetch, Item};

/// A walk that ended. Its fields are sealed: nobody outside this module can make one end complete.
#[derive(Debug, Clone)]
pub struct Walked {
    pub(super) id: WalkId,
    pub(super) scope: Scope,
    pub(super) first: Box<Fetch>,
    pub(super) recognises: Option<Recognise>,
    pub(super) digests: Vec<Option<Digest>>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) started: Stamp,
    pub(super) ended: Time,
    pub(super) end: WalkEnd,
    pub(super) found: Found,
    pub(super) pages: u64,
    pub(super) refused: Vec<(u64, Refused)>,
    pub(super) other_organization: Vec<RemoteId>,
    pub(super) duplicates: u64,
    pub(super) secret_like: u64,
    pub(super) may_be_cut: bool,
}

/// The proof that a walk read its list whole.
#[derive(Debug, Clone, Copy)]
pub struct Complete<'a>(&'a Walked);

impl Complete<'_> {
    /// The walk's number.
    pub const fn id(self) -> WalkId {
        self.0.id
    }
}

impl Walked {
    /// The proof of completeness, where there is one.
    pub fn proof(&self) -> Option<Complete<'_>> {
        (self.end == WalkEnd::Complete).then_some(Complete(self))
    }

    /// Some key names that member as its owner: whoever answered, answered for the member.
    pub fn names(&self, member: &RemoteId) -> bool {
        self.keys().iter().any(|key| key.owner.as_ref().is_some_and(|owner| owner.id == *member))
    }

    /// Some key names no owner.
    pub fn has_ownerless(&self) -> bool {
        self.keys().iter().any(|key| key.owner.is_none())
    }

    /// The keys that it found; none for lists of other things.
    pub fn keys(&self) -> &[Box<KeyFacts>] {
        match &self.found {
            Found::Keys(keys) => keys,
            Found::People(_) | Found::Projects(_) => &[],
        }
    }

    /// Takes the owner that a member's own list leaves out for granted. Only for lists that are known to be the member's.
    #[must_use]
    pub fn attributed_to(mut self, owner: &Owner) -> Self {
        if let Found::Keys(keys) = &mut self.found {
            keys.iter_mut().filter(|key| key.owner.is_none()).for_each(|key| key.owner = Some(owner.clone()));
        }
        self
    }

    /// What is left of a walk whose answer may be about somebody else: that it was tried, and why it counts for nothing.
    #[must_use]
    pub fn doubted(mut self, failure: Failure) -> Self {
        self.end = WalkEnd::Incomplete(failure);
        self.found = Found::nothing(self.scope.id.kind.lists());
        (self.digests, self.unchanged) = (Vec::new(), Vec::new());
        self
    }

    /// The same, of which absence cannot be concluded: what it found stays.
    #[must_use]
    pub fn unfinished(mut self, failure: Failure) -> Self {
        self.end = WalkEnd::Incomplete(failure);
        self
    }

    /// It ended with an empty page after one that was as full as a page can be, as far as that shows: where that one answer
    /// was not about the list, the list goes on.
    pub const fn may_be_cut(&self) -> bool {
        self.may_be_cut
    }

    /// Its number.
    pub const fn id(&self) -> WalkId {
        self.id
    }

    /// What it walked.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When it began.
    pub const fn started(&self) -> Stamp {
        self.started
    }

    /// When it ended.
    pub const fn ended(&self) -> Time {
        self.ended
    }

    /// How it ended.
    pub const fn end(&self) -> &WalkEnd {
        &self.end
    }

    /// What it found, in whichever way it ended, but for what is [unchanged](Self::unchanged).
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// How many elements it found.
    pub fn elements(&self) -> usize {
        self.found.len() + self.unchanged.len()
    }

    /// Elements that are as they were in the walk [before](Self::before), and were not read.
    pub fn unchanged(&self) -> &[Unchanged] {
        &self.unchanged
    }

    /// The walk before, where elements of this one rest on it.
    pub fn before(&self) -> Option<&Arc<Before>> {
        self.recognises.as_ref()?.before.as_ref().filter(|_| !self.unchanged.is_empty())
    }

    /// Whether the next walk may recognise its elements.
    pub const fn recognises(&self) -> bool {
        self.recognises.is_some()
    }

    /// What tells the key of that place among the [keys](Self::keys) in the next walk: its id, and its bytes unless it is to be
    /// read each time.
    pub fn tells(&self, place: usize) -> Option<(IdDigest, Option<Digest>)> {
        let key = self.keys().get(place)?;
        Some((self.recognises.as_ref()?.digests.id(&key.id), self.digests.get(place).copied().flatten()))
    }

    /// Its first request: elements are read as those of that list.
    pub const fn first(&self) -> &Fetch {
        &self.first
    }

    /// The same with all elements read, where the walk before says nothing of them any more.
    #[must_use]
    pub fn read_all(mut self, read: Read<'_>) -> Self {
        let unread = std::mem::take(&mut self.unchanged);
        let all =
            before::read_all(unread, read).and_then(|all| all.into_iter().try_for_each(|(item, digest)| self.add(item, digest)));
        match all {
            Ok(()) => self,
            Err(failure) => self.unfinished(failure),
        }
    }

    /// Its id is no other's: [`Walk`](super::Walk) had two read that seem to be one.
    fn add(&mut self, item: Item, digest: Digest) -> Result<(), Failure> {
        match (item, &mut self.found) {
            (Item::Key(key), Found::Keys(keys)) => {
                keys.push(key);
                self.digests.push(Some(digest));
                Ok(())
            }
            (
                Item::Key(_) | Item::Person(_) | Item::Project(_) | Item::Skipped,
                Found::Keys(_) | Found::People(_) | Found::Projects(_),
            ) => Err(Failure::new(Reason::Internal, "an element that was a key before is none now")),
        }
    }

    /// Pages read.
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Elements refused, with their index in the list.
    pub fn refused(&self) -> &[(u64, Refused)] {
        &self.refused
    }

    /// Keys left out because they are bound to another organisation.
    pub fn other_organization(&self) -> &[RemoteId] {
        &self.other_organization
    }

    /// Texts that looked like a secret and were replaced at the gate.
    pub const fn secret_like(&self) -> u64 {
        self.secret_like
    }

    /// Ids that came twice.
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }
}
