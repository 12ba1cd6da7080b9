//! One walk: pages in, completeness out.
//!
//! The engine computes completeness here and nowhere else. [`Complete`] is the proof of it: only a walk whose every page
//! was read to the provider's own end signal can build one, and only with one may absence be concluded. Pure.

mod before;
mod by_id;
mod found;
mod walked;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::domain::{ClosedReason, Failure, KeyFacts, Reason, Refused, RemoteId, Scope, ScopeKind, TagKey, Text, Time, WalkEnd};
use crate::providers::{End, Fetch, Item, Next, Subject};

use self::before::Ids;
use self::found::{merge_keys, merge_projects, place, same};
pub use before::{Before, Digest, Digests, IdDigest, Listed, Read, Recognise, Unchanged};
pub use by_id::{Absent, ById};
pub use found::Found;
pub use walked::{Complete, Walked};

/// The provider's clock and ours may differ by this much, in seconds.
const GREATEST_SKEW: i64 = 3600;

/// One page as it was read.
#[derive(Debug)]
pub struct Page {
    /// The elements that passed the gate, in order.
    pub items: Vec<Item>,
    /// What tells each of them by its bytes, where the walk recognises elements; else none.
    pub digests: Vec<Digest>,
    /// Elements that are as they were in the walk before, and were not read.
    pub unchanged: Vec<Unchanged>,
    /// Those that did not pass the gate, by their index in the page.
    pub refused: Vec<(u64, Refused)>,
    /// How many elements the page had, refused ones included.
    pub elements: u64,
    /// What the rest of the answer said.
    pub end: End,
    /// The answer's `Date`.
    pub server_time: Option<Time>,
    /// Bytes of the body as they came, before unpacking.
    pub wire_bytes: u64,
    /// How long it took to ask, without the waits for pace and between attempts.
    pub took: Duration,
}

impl Page {
    /// Tags the placeholders of secrets.
    pub fn tag(&mut self, key: &TagKey) {
        self.items.iter_mut().for_each(|item| item.tag(key));
        self.end.learnt.tag(key);
    }

    /// Reads what was not read.
    ///
    /// # Errors
    /// What was read before is refused now.
    pub fn read_all(&mut self, read: Read<'_>) -> Result<(), Failure> {
        for (item, digest) in before::read_all(std::mem::take(&mut self.unchanged), read)? {
            self.items.push(item);
            self.digests.push(digest);
        }
        Ok(())
    }
}

/// How much one walk may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Elements.
    pub items: u64,
    /// Pages.
    pub pages: u64,
    /// Time spent asking.
    pub time: Duration,
}

/// An instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The wall clock's.
    pub wall: Time,
    /// The boot clock's.
    pub boot: Duration,
}

/// The number of a walk: drawn from the inventory's sequence when the walk begins, so that numbers order walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WalkId(pub i64);

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    id: WalkId,
    scope: Scope,
    first: Box<Fetch>,
    started: Stamp,
    caps: Caps,
    found: Found,
    places: HashMap<RemoteId, usize>,
    recognise: Option<Recognise>,
    /// Of each key that was found, where elements are recognised.
    digests: Vec<Option<Digest>>,
    unchanged: Vec<Unchanged>,
    ids: Ids,
    asked: Vec<u64>,
    pages: u64,
    took: Duration,
    elements: u64,
    refused: Vec<(u64, Refused)>,
    other_organization: Vec<RemoteId>,
    duplicates: u64,
    in_member_list: bool,
    fill: Fill,
    end: Option<WalkEnd>,
}

/// How full the pages of a walk were, in elements.
#[derive(Debug, Clone, Copy, Default)]
struct Fill {
    /// The number that was asked for.
    limit: Option<u64>,
    fullest: u64,
    last: u64,
    pages: u64,
    /// The last page was empty and came after a full one.
    cut: bool,
}

impl Fill {
    /// The last page was full. A server's own limit may be lower than the one asked for: it shows where there are several pages.
    fn full(&self) -> bool {
        let capped = self.pages > 1 && self.last == self.fullest;
        capped || self.limit.is_some_and(|limit| self.last >= limit)
    }

    fn page(&mut self, elements: u64) {
        if elements == 0 {
            self.cut = self.full();
            return;
        }
        self.pages += 1;
        self.last = elements;
        self.fullest = self.fullest.max(elements);
    }
}

/// What follows a page.
#[derive(Debug)]
pub enum Turn {
    /// Ask this next.
    Next(Box<Fetch>),
    /// The walk is over.
    Ended(WalkEnd),
}

impl Walk {
    /// Begins; `first` is the first page's request.
    pub fn begin(id: WalkId, scope: Scope, first: &Fetch, started: Stamp, caps: Caps) -> Self {
        Self {
            id,
            found: Found::nothing(scope.id.kind.lists()),
            in_member_list: scope.id.kind == ScopeKind::Member,
            scope,
            started,
            caps,
            first: Box::new(first.clone()),
            places: HashMap::new(),
            recognise: None,
            digests: Vec::new(),
            unchanged: Vec::new(),
            ids: Ids::default(),
            asked: vec![request_hash(first)],
            pages: 0,
            took: Duration::ZERO,
            elements: 0,
            refused: Vec::new(),
            other_organization: Vec::new(),
            duplicates: 0,
            fill: Fill { limit: asked_for(first), ..Fill::default() },
            end: None,
        }
    }

    /// Elements that are as they were in the walk before need not be read. For lists of keys whose elements are asked of nobody
    /// else in the poll.
    #[must_use]
    pub fn recognising(self, recognise: Recognise) -> Self {
        Self { recognise: Some(recognise), ..self }
    }

    /// How its elements are recognised, if they are.
    pub const fn recognise(&self) -> Option<&Recognise> {
        self.recognise.as_ref()
    }

    /// Reads what was not read, of the walk and of the page that comes next, where two elements seem to be the same key.
    ///
    /// # Errors
    /// What was read before is refused now.
    pub fn read_what_meets(&mut self, page: &mut Page, subject: &Subject, read: Read<'_>) -> Result<(), Failure> {
        if !self.recognise.as_ref().is_some_and(|recognise| self.ids.meet(page, &recognise.digests)) {
            return Ok(());
        }
        for (item, digest) in before::read_all(std::mem::take(&mut self.unchanged), read)? {
            self.item(item, Some(digest), subject)?;
        }
        self.ids.all_are_read();
        page.read_all(read)
    }

    /// Whether the last page was a full one, so that an empty page behind it may hide the rest.
    pub fn expects_more(&self) -> bool {
        self.fill.full()
    }

    /// Takes the next page in. `subject` is whom it was asked for, `now` when it arrived.
    pub fn page(&mut self, page: Page, subject: &Subject, now: Stamp) -> Turn {
        let turn = match self.end.take() {
            Some(_) => Err(Failure::new(Reason::Internal, "a page came after the walk had ended")),
            None => self.take(page, subject, now),
        };
        let turn = turn.unwrap_or_else(|failure| Turn::Ended(WalkEnd::Incomplete(failure)));
        if let Turn::Ended(end) = &turn {
            self.end = Some(end.clone());
        }
        turn
    }

    fn take(&mut self, page: Page, subject: &Subject, now: Stamp) -> Result<Turn, Failure> {
        // The walk is dated by its start: where the clock was set since, one of the two is wrong.
        let set = now.wall.since(self.started.wall.plus(now.boot.saturating_sub(self.started.boot).as_secs().cast_signed()));
        if set.abs() > GREATEST_SKEW {
            return Err(Failure::new(Reason::ClockSkew, format!("our clock was set by {} s while the list was read", set.abs())));
        }
        if let Some(server) = page.server_time {
            let skew = server.since(now.wall);
            if skew.abs() > GREATEST_SKEW {
                return Err(Failure::new(Reason::ClockSkew, format!("the provider's clock and ours differ by {} s", skew.abs())));
            }
        }
        self.pages += 1;
        self.took += page.took;
        if (page.items.len() + page.unchanged.len() + page.refused.len()) as u64 != page.elements {
            return Err(Failure::new(Reason::Internal, "elements of the page were neither kept nor refused"));
        }
        let before = self.elements;
        self.elements += page.elements;
        self.fill.page(page.elements);
        if self.elements > self.caps.items {
            return Err(Failure::new(Reason::TooManyItems, format!("over {} elements in one list", self.caps.items)));
        }
        let again = self.duplicates;
        let placed = (page.items.iter().filter(|item| **item != Item::Skipped).count() + page.unchanged.len()) as u64;
        if let Some(recognise) = &self.recognise {
            if self.ids.meet(&page, &recognise.digests) {
                return Err(Failure::new(Reason::Internal, "two elements that seem to be one were not read"));
            }
            self.ids.add(&page, &recognise.digests);
        }
        self.refused.extend(page.refused.into_iter().map(|(index, refused)| (before + index, refused)));
        self.found.reserve(page.items.len());
        self.places.reserve(page.items.len());
        let mut digests = page.digests.into_iter();
        for item in page.items {
            self.item(item, digests.next(), subject)?;
        }
        self.unchanged.extend(page.unchanged);
        // The last page too: one that was read before hides what the right one would have held.
        if placed > 0 && self.duplicates - again == placed {
            return Err(Failure::new(Reason::RepeatedPage, format!("page {} holds no new id", self.pages)));
        }
        let next = match page.end.next {
            Next::Done => return Ok(Turn::Ended(self.end_of_list())),
            Next::Closed(reason) => return Ok(Turn::Ended(self.closed(reason))),
            Next::Page(next) => next,
        };
        if page.elements == 0 {
            return Err(Failure::new(Reason::Contradiction, "an empty page promises more"));
        }
        if self.pages >= self.caps.pages {
            return Err(Failure::new(Reason::TooManyPages, format!("over {} pages", self.caps.pages)));
        }
        if self.took > self.caps.time {
            return Err(Failure::new(Reason::Timeout, format!("{} pages took over {} s", self.pages, self.caps.time.as_secs())));
        }
        let hash = request_hash(&next);
        if self.asked.contains(&hash) {
            return Err(Failure::new(Reason::RepeatedPage, format!("page {} leads back to one that was read", self.pages)));
        }
        self.asked.push(hash);
        Ok(Turn::Next(next))
    }

    /// The list was refused for good before its first page could be asked for.
    pub fn refused_at_the_door(&mut self, reason: ClosedReason) -> WalkEnd {
        let end = self.closed(reason);
        self.end = Some(end.clone());
        end
    }

    /// A list is complete only if nothing of it was refused.
    fn end_of_list(&self) -> WalkEnd {
        match self.refused.first() {
            None => WalkEnd::Complete,
            Some((index, first)) => WalkEnd::Incomplete(Failure::new(
                Reason::ItemRefused,
                format!(
                    "{} of {} elements refused; the first, number {index}: {}: {}",
                    self.refused.len(),
                    self.elements,
                    first.reason,
                    first.detail
                ),
            )),
        }
    }

    /// A refusal in the middle of a list contradicts the pages before it.
    fn closed(&self, reason: ClosedReason) -> WalkEnd {
        if self.pages > 1 {
            WalkEnd::Incomplete(Failure::new(
                Reason::Contradiction,
                format!("refused at page {} of a list that was readable", self.pages),
            ))
        } else {
            WalkEnd::Closed(reason)
        }
    }

    fn item(&mut self, item: Item, digest: Option<Digest>, subject: &Subject) -> Result<(), Failure> {
        match (item, &mut self.found) {
            (Item::Skipped, _) => Ok(()),
            (Item::Key(key), Found::Keys(keys)) => {
                if is_another_organizations(&key, subject, self.in_member_list)? {
                    self.other_organization.push(key.id);
                    return Ok(());
                }
                // A key with a placeholder is read each time, because walks count those.
                let digest = digest.filter(|_| !key.texts().any(Text::was_secret_like));
                match place(&mut self.places, keys, key, |key| &key.id, |old, new| merge_keys(old, new))? {
                    None if self.recognise.is_some() => self.digests.push(digest),
                    None => {}
                    Some(place) => {
                        self.duplicates += 1;
                        // No element says what the key is made of now.
                        self.digests.get_mut(place).map(Option::take);
                    }
                }
                Ok(())
            }
            (Item::Person(person), Found::People(people)) => {
                self.duplicates += u64::from(place(&mut self.places, people, *person, |person| &person.id, same)?.is_some());
                Ok(())
            }
            (Item::Project(project), Found::Projects(projects)) => {
                self.duplicates +=
                    u64::from(place(&mut self.places, projects, *project, |project| &project.id, merge_projects)?.is_some());
                Ok(())
            }
            (Item::Key(_) | Item::Person(_) | Item::Project(_), Found::Keys(_) | Found::People(_) | Found::Projects(_)) => {
                Err(Failure::new(Reason::Internal, "the adapter read another kind of element than the scope lists"))
            }
        }
    }

    /// Whose walk it is.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When it began.
    pub const fn started(&self) -> Stamp {
        self.started
    }

    /// What was found so far; adapters that judge a list as a whole may refine it.
    pub const fn found_mut(&mut self) -> &mut Found {
        &mut self.found
    }

    /// Seals the walk. Complete or closed it is only if its pages said so; whoever calls can but make less of it. A failure
    /// of attribution leaves nothing of it: what was read may be anybody's.
    pub fn finish(mut self, end: WalkEnd, ended: Time) -> Walked {
        let end = match (self.end.take(), end) {
            (Some(read @ WalkEnd::Incomplete(_)), _) => read,
            (_, less @ WalkEnd::Incomplete(_)) => less,
            (Some(read), WalkEnd::Complete | WalkEnd::Closed(_)) => read,
            (None, WalkEnd::Complete | WalkEnd::Closed(_)) => {
                WalkEnd::Incomplete(Failure::new(Reason::Internal, "the walk was ended before its list did"))
            }
        };
        let end = if self.found.len() == self.places.len() {
            end
        } else {
            WalkEnd::Incomplete(Failure::new(Reason::Internal, "elements were added or dropped after they were read"))
        };
        let foreign = match &end {
            WalkEnd::Incomplete(failure) => matches!(failure.reason, Reason::AttributionMismatch | Reason::AttributionUnproven),
            WalkEnd::Complete | WalkEnd::Closed(_) => false,
        };
        let (found, digests, unchanged) = match foreign {
            true => (Found::nothing(self.scope.id.kind.lists()), Vec::new(), Vec::new()),
            false => (self.found, self.digests, self.unchanged),
        };
        Walked {
            first: self.first,
            recognises: self.recognise,
            digests,
            unchanged,
            secret_like: found.secret_like(),
            id: self.id,
            scope: self.scope,
            started: self.started,
            ended,
            end,
            found,
            pages: self.pages,
            refused: self.refused,
            other_organization: self.other_organization,
            duplicates: self.duplicates,
            may_be_cut: self.fill.cut,
        }
    }
}

/// The greatest number of elements that a page may have, where the request says so.
fn asked_for(fetch: &Fetch) -> Option<u64> {
    fetch.query.iter().find(|(name, _)| *name == "limit").and_then(|(_, limit)| limit.parse().ok())
}

fn request_hash(fetch: &Fetch) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&fetch.path, &fetch.query).hash(&mut hasher);
    hasher.finish()
}

/// Checks whose key it is. True where it is to be left out and counted.
fn is_another_organizations(key: &KeyFacts, subject: &Subject, in_member_list: bool) -> Result<bool, Failure> {
    if let (Some(asked), Some(owner)) = (&subject.member, &key.owner)
        && owner.id != *asked
    {
        return Err(Failure::new(Reason::AttributionMismatch, format!("key {} belongs to {}, not to {asked}", key.id, owner.id)));
    }
    match (&subject.organization, &key.organization) {
        (Some(asked), Some(bound)) if asked != bound && in_member_list => Ok(true),
        (Some(asked), Some(bound)) if asked != bound => Err(Failure::new(
            Reason::AttributionMismatch,
            format!("key {} belongs to organisation {bound}, not to {asked}", key.id),
        )),
        (_, _) => Ok(false),
    }
}

#[cfg(test)]
mod tests;
