//! Whether a member's list is believed that does not show by itself that it is the member's, and whole. Pure.

use crate::domain::{Failure, Reason, RemoteId};
use crate::walk::Walked;

/// A complete list of a member's that leaves something open.
pub(super) struct Silent {
    pub walked: Walked,
    pub member: RemoteId,
    /// It is the caller's own: asked for in nobody else's name, it cannot be about anybody else.
    pub is_own: bool,
    pub before: Before,
    pub look: Look,
}

/// What the inventory has against a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Before {
    /// Keys that it held when they were last sighted and lacks now.
    pub lacking: Vec<RemoteId>,
    /// A key on it names no owner, and is known as another member's.
    pub strange: bool,
}

/// What asking about a silent list once more showed. The first that speaks against the list ends the asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// There was nothing to ask.
    NotNeeded,
    /// Everything agrees with the list, and each time the provider took us for the member.
    Confirmed,
    /// Everything agrees with the list; whom the provider takes us for it did not say each time.
    Uncontradicted,
    /// Told to answer for the member, the provider took us for this one.
    TakenFor(RemoteId),
    /// Read again, the list was another one by this key.
    ReadOtherwise(RemoteId),
    /// It could not be read again.
    Unreadable(Failure),
    /// It lacks this key, which answers by its id.
    Answers(RemoteId),
    /// The poll had to end first, and why.
    Unasked(&'static str),
}

/// What the rest of the poll shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere {
    /// Some question that was asked in a member's name was not answered for that member.
    pub somebody_else: bool,
    /// Several members lost all keys, and no other list shows a key.
    pub all_emptied: bool,
    /// The question for the caller's own keys was answered.
    pub own_keys_known: bool,
    /// The caller has keys: a list that lost its header holds them.
    pub caller_has_keys: bool,
}

impl Silent {
    /// It leaves nothing open after all.
    pub fn speaks_for_itself(&self) -> bool {
        !self.walked.keys().is_empty() && !self.walked.has_ownerless() && !self.needs_look(true)
    }

    /// Something is to be asked about it. Where the caller's own keys are known, a list without owners that holds none of them is
    /// not the caller's.
    pub fn needs_look(&self, own_keys_known: bool) -> bool {
        let anybodys = self.walked.has_ownerless() && !own_keys_known;
        !self.before.lacking.is_empty() || self.before.strange || self.walked.may_be_cut() || anybodys
    }

    /// Its member lost every key that was known.
    pub fn is_emptied(&self) -> bool {
        self.walked.keys().is_empty() && !self.before.lacking.is_empty()
    }

    /// A single answer for somebody else could have made it what it is.
    pub fn may_be_one_answer(&self) -> bool {
        self.walked.keys().is_empty() || self.walked.may_be_cut()
    }

    /// What is left of it where it is not believed: keys that name the member as their owner stay.
    pub fn doubted(self, why: Failure) -> Walked {
        if self.walked.has_ownerless() { self.walked.doubted(why) } else { self.walked.unfinished(why) }
    }
}

impl Look {
    /// It shows that some answers are not about the member whom they were asked for.
    pub fn shows_somebody_else(&self) -> bool {
        match self {
            Self::TakenFor(_) | Self::ReadOtherwise(_) => true,
            Self::Unreadable(failure) => failure.reason == Reason::AttributionMismatch,
            Self::NotNeeded | Self::Confirmed | Self::Uncontradicted | Self::Answers(_) | Self::Unasked(_) => false,
        }
    }
}

/// Why the list is not believed; `None` where it is. Only for polls that have shown that impersonation works at all.
pub(super) fn doubt(list: &Silent, elsewhere: Elsewhere) -> Option<Failure> {
    let ownerless = list.walked.has_ownerless();
    let all_at_once = list.is_emptied() && elsewhere.all_emptied;
    let why = match &list.look {
        Look::TakenFor(who) => format!("told to answer for this member, the provider answered for {who}; {PROXY}"),
        Look::ReadOtherwise(key) => format!("read once more, the list was another one: key {key} was on one of them only"),
        Look::Unreadable(failure) => format!("read once more, the list failed: {failure}"),
        Look::Answers(key) => format!("the list lacks key {key}, which answers by its id"),
        Look::Unasked(why) => format!("{why} before the list could be asked about once more"),
        Look::NotNeeded | Look::Confirmed | Look::Uncontradicted if ownerless && elsewhere.somebody_else => {
            format!("the keys name no owner, and {OTHERS}; {PROXY}")
        }
        Look::Uncontradicted if ownerless && !elsewhere.own_keys_known => {
            format!("the keys name no owner, and nothing shows whether they are the caller's own; {PROXY}")
        }
        Look::NotNeeded | Look::Uncontradicted if list.before.strange => {
            format!("a key names no owner, and was another member's when it was last seen; {PROXY}")
        }
        Look::Uncontradicted if list.may_be_one_answer() && elsewhere.somebody_else => {
            format!("keys are no longer listed, {OTHERS}, and the provider does not say whom it takes us for; {PROXY}")
        }
        // A lost header makes lists empty where the caller has no keys; whom the provider takes us for may go another road.
        Look::Confirmed if all_at_once && !elsewhere.caller_has_keys => ALL_AT_ONCE.to_owned(),
        Look::Uncontradicted if all_at_once => ALL_AT_ONCE.to_owned(),
        Look::NotNeeded | Look::Confirmed | Look::Uncontradicted => return None,
    };
    Some(Failure::new(Reason::AttributionUnproven, why))
}

const ALL_AT_ONCE: &str = "several members' lists came empty at once and no other shows a key; does a proxy drop the header?";
const OTHERS: &str = "another answer of this poll was not about the member whom it was asked for";
pub(super) const PROXY: &str = "does a proxy drop the header?";
