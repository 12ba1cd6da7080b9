//! Attribution: what was read in a member's name counts only where it is shown that the provider answered for the member.
//!
//! A header that a proxy drops gives the caller's keys with 200, or nothing. Wrong owners fail a walk as it is read; what this
//! file keeps back are the walks whose own records leave something open: empty ones, keys without an owner, and lists that
//! lack keys that they held.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::doubt::{Before, Elsewhere, Look, PROXY, Silent, doubt};
use crate::domain::{Failure, KeyFacts, Owner, OwnerKind, Person, Reason, RemoteId, WalkEnd};
use crate::providers::{Known, OWN_KEYS, Proof, Subject};
use crate::walk::Walked;

/// What a poll knows of impersonation, and what waits for it.
#[derive(Default)]
pub(super) struct Proofs {
    /// Somebody else than the caller was shown to have been answered for, by a list that was read or by a question.
    proven: bool,
    /// The question whom the provider takes us for has been answered, or was asked often enough.
    pub asked: bool,
    /// Some member other than the caller was read, in part at least.
    read: bool,
    /// The first member whom keys named while nothing told who the caller is.
    named: Option<RemoteId>,
    /// Some list was neither read nor refused, and may be read another time.
    failed: bool,
    /// Some walk was answered for somebody else.
    mismatch: Option<Failure>,
    /// Walks that left something open.
    silent: Vec<Silent>,
    /// Whose list showed each key.
    holders: HashMap<RemoteId, Holder>,
    /// Members whose keys name no owner, and stand on another member's list too.
    shared: HashMap<RemoteId, Failure>,
    /// Walks whose keys do not say of which organisation they are.
    nameless: Vec<Walked>,
    /// Walks that were refused for good.
    refused: Vec<Walked>,
}

/// Whose list showed a key.
struct Holder {
    member: RemoteId,
    /// The key names the member, or the list was asked in our own name.
    surely: bool,
}

impl Proofs {
    /// The provider was asked whom it takes us for.
    pub fn identity(&mut self, member: &RemoteId, answered: Option<&RemoteId>, known: &Known) {
        self.asked = true;
        if answered == Some(member) && known.caller.as_ref() != Some(member) {
            self.proven = true;
        }
    }

    /// Takes a walk that was asked with that subject and that the inventory has that against; gives it back where it can be
    /// believed, or is not to be.
    pub fn take(&mut self, walked: Walked, subject: &Subject, before: Before, known: &Known) -> Option<Walked> {
        match (subject.proof, &subject.member) {
            (Proof::None, Some(member)) => {
                self.hold(&walked, member, true);
                let walked = own_list(walked, known).attributed_to(&owner(member, known));
                if *walked.end() != WalkEnd::Complete || before.lacking.is_empty() {
                    return Some(walked);
                }
                self.silent.push(Silent { walked, member: member.clone(), is_own: true, before, look: Look::NotNeeded });
                None
            }
            (Proof::None, None) => Some(walked),
            (Proof::OwnKeys, _) => Some(own_keys(walked, known)),
            (Proof::Organization, _) => {
                self.nameless.push(walked);
                None
            }
            (Proof::Impersonation, None) => Some(walked.doubted(Failure::new(Reason::Internal, "asked in nobody's name"))),
            (Proof::Impersonation, Some(member)) => self.impersonated(walked, member, before, known),
        }
    }

    fn impersonated(&mut self, walked: Walked, member: &RemoteId, before: Before, known: &Known) -> Option<Walked> {
        let own = |key: &KeyFacts| known.own_keys.as_ref().is_some_and(|own| own.contains(&key.id));
        let walked = match &known.caller {
            // Where keys name no owner, their ids still say whose they are.
            Some(caller) if caller != member && walked.keys().iter().any(|key| own(key)) => walked
                .doubted(Failure::new(Reason::AttributionMismatch, format!("the list holds keys of the caller's own; {PROXY}"))),
            None if walked.keys().iter().any(|key| own(key) && key.owner.is_none()) => walked.doubted(Failure::new(
                Reason::AttributionUnproven,
                "the list holds keys of the caller's own, and nothing tells who the caller is",
            )),
            Some(_) | None => walked,
        };
        self.hold(&walked, member, false);
        if self.shows_another(&walked, member, known) {
            (self.proven, self.read) = (true, true);
        }
        match walked.end() {
            WalkEnd::Closed(_) => {
                self.refused.push(walked);
                None
            }
            WalkEnd::Complete => {
                let list = Silent { walked, member: member.clone(), is_own: false, before, look: Look::NotNeeded };
                if list.speaks_for_itself() {
                    return Some(list.walked);
                }
                self.silent.push(list);
                None
            }
            WalkEnd::Incomplete(failure) => {
                let failure = failure.clone();
                // A member who cannot be acted as at all, as a service account on the list of users, is answered with 400 for ever.
                self.failed |= failure.reason != Reason::UnexpectedStatus;
                if failure.reason == Reason::AttributionMismatch {
                    self.mismatch.get_or_insert_with(|| failure.clone());
                }
                // Nothing is concluded from it, but its keys are stored: none whose owner is anybody's guess.
                Some(if walked.has_ownerless() { walked.doubted(failure) } else { walked })
            }
        }
    }

    /// The keys name the member, who is not the caller: where nothing tells who that is, the first who is named may be.
    fn shows_another(&mut self, walked: &Walked, member: &RemoteId, known: &Known) -> bool {
        walked.names(member)
            && known.caller.as_ref().unwrap_or_else(|| self.named.get_or_insert_with(|| member.clone())) != member
    }

    /// Notes whose list showed which keys: a key has one owner.
    fn hold(&mut self, walked: &Walked, member: &RemoteId, in_our_name: bool) {
        for key in walked.keys() {
            let holder = Holder { member: member.clone(), surely: in_our_name || key.owner.is_some() };
            match self.holders.entry(key.id.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(holder);
                }
                Entry::Occupied(before) if before.get().member == *member => {}
                Entry::Occupied(mut before) => {
                    for (one, other) in [(&holder, before.get()), (before.get(), &holder)] {
                        if !one.surely {
                            let detail =
                                format!("key {} is on the list of {} too, and names no owner; {PROXY}", key.id, other.member);
                            let failure = Failure::new(Reason::AttributionMismatch, detail);
                            self.shared.entry(one.member.clone()).or_insert(failure);
                        }
                    }
                    if holder.surely {
                        before.insert(holder);
                    }
                }
            }
        }
    }

    /// Why impersonation does not work, where nothing shows that it does and something should. Where every member's list is
    /// refused it does not, even if some other question was answered for a member.
    pub fn failure(&self) -> Option<Failure> {
        if self.all_refused() {
            let detail = format!("{} members were refused and none was read; {REMEDY}", self.refused.len());
            return Some(Failure::new(Reason::ImpersonationNotPermitted, detail));
        }
        if self.proven {
            return None;
        }
        if let Some(mismatch) = &self.mismatch {
            return Some(mismatch.clone());
        }
        self.has_silent().then(|| Failure::new(Reason::AttributionUnproven, UNPROVEN))
    }

    /// Some list that was asked for in a member's name leaves something open.
    fn has_silent(&self) -> bool {
        self.silent.iter().any(|list| !list.is_own)
    }

    /// Where some lists failed for other reasons, those are not known to be refused.
    fn all_refused(&self) -> bool {
        !self.refused.is_empty() && !self.has_silent() && !self.read && !self.failed
    }

    /// Some member's list was read that shows whose it is.
    pub const fn has_read(&self) -> bool {
        self.read
    }

    /// Some list was kept back until the organisation is asked for once more.
    pub const fn awaits_organization(&self) -> bool {
        !self.nameless.is_empty()
    }

    /// The lists that are asked about once more before they are believed.
    pub fn open(&mut self, known: &Known) -> impl Iterator<Item = &mut Silent> {
        let (works, own_keys) = (self.proven, known.own_keys.is_some());
        let Self { silent, shared, .. } = self;
        let may_be_asked = move |list: &&mut Silent| (works || list.is_own) && !shared.contains_key(&list.member);
        silent.iter_mut().filter(may_be_asked).filter(move |list| list.needs_look(own_keys))
    }

    /// Drops what waits: it is to be read in another way.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Gives back all that waits, believed or not. `organization` says whether the credential sees it still.
    pub fn settle(&mut self, organization: Result<(), Failure>, known: &Known) -> Vec<Walked> {
        let (failure, elsewhere) = (self.failure(), self.elsewhere(known));
        let mut settled: Vec<Walked> = match organization {
            Ok(()) => self.nameless.drain(..).collect(),
            Err(why) => self.nameless.drain(..).map(|walked| walked.doubted(why.clone())).collect(),
        };
        for list in self.silent.drain(..) {
            let unproven = || Failure::new(Reason::AttributionUnproven, UNPROVEN);
            let why = match self.shared.get(&list.member) {
                Some(shared) => Some(shared.clone()),
                None if !self.proven && !list.is_own => Some(unproven()),
                None => doubt(&list, elsewhere),
            };
            settled.push(match why {
                Some(why) => list.doubted(why),
                None => list.walked.attributed_to(&owner(&list.member, known)),
            });
        }
        let nothing_shown = !self.proven && self.failed;
        for walked in self.refused.drain(..) {
            settled.push(match &failure {
                Some(failure) if failure.reason == Reason::ImpersonationNotPermitted => walked.doubted(failure.clone()),
                Some(_) | None if nothing_shown => {
                    walked.doubted(Failure::new(Reason::AttributionUnproven, REFUSED_IN_AN_OUTAGE))
                }
                Some(_) | None => walked,
            });
        }
        settled
    }

    fn elsewhere(&self, known: &Known) -> Elsewhere {
        Elsewhere {
            somebody_else: self.mismatch.is_some()
                || !self.shared.is_empty()
                || self.silent.iter().any(|list| list.look.shows_somebody_else()),
            all_emptied: !self.read && self.silent.iter().filter(|list| list.is_emptied()).count() > 1,
            own_keys_known: known.own_keys.is_some(),
            caller_has_keys: known.own_keys.as_ref().is_some_and(|own| !own.is_empty()),
        }
    }
}

const UNPROVEN: &str = "nothing shows that the provider answered for the member and not for us; does a proxy drop the header?";
const REFUSED_IN_AN_OUTAGE: &str =
    "refused, in a poll that could read no other member's list either: that says nothing of this member";
const REMEDY: &str = "grant the Owner role of the organisation directly to the user whose key this is";

/// The caller's own list holds what the question for the caller's own keys found a moment before, and at least the key that
/// we ask with.
fn own_list(walked: Walked, known: &Known) -> Walked {
    let bound = known.own_keys.iter().flat_map(|own| &own.bound);
    let whole = !walked.keys().is_empty() && bound.into_iter().all(|id| walked.keys().iter().any(|key| key.id == *id));
    if *walked.end() != WalkEnd::Complete || whole {
        return walked;
    }
    let detail = "the caller's own list lacks keys that the caller has, such as the one that we ask with";
    walked.doubted(Failure::new(Reason::AttributionUnproven, detail))
}

/// An organisation's list is trusted only where it holds the caller's own keys, of which there must be one.
fn own_keys(walked: Walked, known: &Known) -> Walked {
    if *walked.end() != WalkEnd::Complete {
        return walked;
    }
    if let Some(failure) = known.unanswered.get(OWN_KEYS) {
        // What may pass by itself says nothing of this way of listing.
        let reason = if failure.reason.may_pass() { failure.reason } else { Reason::AttributionUnproven };
        let detail =
            format!("which keys are the caller's own, to show whether the list is whole, was not answered: {}", failure.detail);
        return walked.doubted(Failure::new(reason, detail));
    }
    let unproven = |detail: &str| Failure::new(Reason::AttributionUnproven, detail);
    let own = known.own_keys.as_ref().map(|own| &own.bound).filter(|own| !own.is_empty());
    let Some(own) = own else {
        return walked.doubted(unproven("the credential has no key of its own that would show whether the list is whole"));
    };
    let found: std::collections::HashSet<&RemoteId> = walked.keys().iter().map(|key| &key.id).collect();
    let lacking = own.iter().filter(|id| !found.contains(id)).count();
    if lacking == 0 {
        return walked;
    }
    walked.doubted(unproven("the list lacks keys of the caller's own: who is no owner of the organisation gets an empty one"))
}

fn owner(member: &RemoteId, known: &Known) -> Owner {
    let person: Option<&Person> = known.people.get(member);
    Owner {
        kind: OwnerKind::User,
        id: member.clone(),
        name: person.and_then(|person| person.name.clone()),
        email: person.and_then(|person| person.email.clone()),
    }
}

#[cfg(test)]
pub(super) mod tests;
