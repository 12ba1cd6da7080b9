//! What one walk of a list of keys means for the rows that are there: pure, so that it can be tested and read alone.
//!
//! It says what to add and what to update. What the list did not hold is told apart only against the proof that it was
//! read whole, and even then as a fact about this list, not as a conclusion about the key.

use std::hash::{Hash, Hasher};

use crate::domain::{KeyFacts, Moment, Presence};
use crate::walk::{Complete, WalkId};

/// What is stored of a key that this list holds, or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Row of the key.
    pub key: i64,
    /// Of the stable facts, as its home tells them.
    pub fingerprint: i64,
    /// When it was last used.
    pub used: Moment,
    /// Whether it is there.
    pub presence: Presence,
    /// Whether this scope listed it until now; `None` where it never did.
    pub here: Option<Here>,
    /// Where its facts come from, seen from this scope.
    pub home: Home,
}

/// What is stored of the sighting by this scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Here {
    /// Since which walk without interruption.
    pub since: WalkId,
    /// A complete walk did not hold it.
    pub unlisted: bool,
}

/// Where a key's facts come from, seen from the scope that was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// From this scope.
    This,
    /// From another that lists it now and ranks as high or higher: what this one says of the key is not used.
    Better,
    /// From another that ranks as high but does not list it now, or listed it before this one began to: this becomes its home.
    Lost,
    /// From another that ranks higher but does not list it now: this one's facts are used, the key stays at home there.
    HigherLost,
    /// From another that ranks lower: this becomes its home.
    Worse,
}

impl Home {
    /// Seen from a scope of rank `here`; `lists` says that the home lists the key as far as is known, `begins` that this
    /// scope did not list it until now: of two equals the one that it came to is right, whichever is walked first.
    pub const fn seen_from(here: u8, home: u8, lists: bool, begins: bool) -> Self {
        if here > home {
            Self::Worse
        } else if here == home && (begins || !lists) {
            Self::Lost
        } else if lists {
            Self::Better
        } else {
            Self::HigherLost
        }
    }

    /// This scope's facts are the key's.
    pub const fn takes_facts(self) -> bool {
        match self {
            Self::This | Self::Lost | Self::HigherLost | Self::Worse => true,
            Self::Better => false,
        }
    }

    /// The key moves to this scope.
    pub const fn moves(self) -> bool {
        match self {
            Self::Lost | Self::Worse => true,
            Self::This | Self::Better | Self::HigherLost => false,
        }
    }
}

/// What to do about one key that the walk found and that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Update {
    /// Its stable facts, or its home, differ: write the row.
    pub facts: bool,
    /// Its last use differs: write the narrow row.
    pub used: bool,
    /// And is told to be earlier than what is stored, or never: believed only where no other list may have told the later one.
    pub used_earlier: bool,
    /// It was not there, or not seen: it is present again.
    pub returns: bool,
    /// The sighting begins, or begins again.
    pub sighted: bool,
}

impl Update {
    /// Nothing to write.
    pub fn is_nothing(self) -> bool {
        !(self.facts || self.used || self.returns || self.sighted)
    }
}

/// Compares a key that the walk found with what is stored of it.
pub fn update(stored: &Stored, found: &KeyFacts) -> Update {
    let takes = stored.home.takes_facts();
    // Who saw the key used is right, whatever the list's rank: a better list that has not noticed would make it unused.
    let later = found.last_used.at() > stored.used.at();
    Update {
        facts: stored.home.moves() || (takes && stored.fingerprint != fingerprint(found)),
        used: later || (takes && stored.used != found.last_used),
        // A list that does not tell of use contradicts nobody; what it leaves open is open.
        used_earlier: found.last_used != Moment::NotReported && found.last_used.at() < stored.used.at(),
        returns: stored.presence != Presence::Present,
        sighted: stored.here.is_none_or(|here| here.unlisted),
    }
}

/// Of the keys that this list held before and that the walk did not find, those to be marked so. Only with the proof.
pub fn unlisted<'a>(
    _proof: Complete<'_>,
    not_found: impl Iterator<Item = &'a Stored> + 'a,
) -> impl Iterator<Item = &'a Stored> + 'a {
    not_found.filter(|stored| stored.here.is_some_and(|here| !here.unlisted))
}

/// A hash of the facts that a key row holds: all but the last use. A change of it costs a rewrite of the row and no more.
pub fn fingerprint(facts: &KeyFacts) -> i64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    facts.kind.hash(&mut hasher);
    facts.name.hash(&mut hasher);
    facts.hint.hash(&mut hasher);
    facts.owner.hash(&mut hasher);
    facts.owner_access.hash(&mut hasher);
    facts.created_at.hash(&mut hasher);
    facts.expires.hash(&mut hasher);
    facts.enabled.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// FNV-1a: the same in every build, which the standard library's hasher does not promise.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
