//! Attribution: what was read in a member's name counts only where it is shown that the provider answered for the member.
//!
//! A header that a proxy drops gives the caller's keys with 200, or nothing. Wrong owners fail a walk as it is read; what this
//! file keeps back are the walks whose own records show nothing: empty ones, and keys without an owner.

use crate::domain::{Failure, Owner, OwnerKind, Person, Reason, RemoteId, WalkEnd};
use crate::providers::{Known, Proof, Subject};
use crate::walk::Walked;

/// What a poll knows of impersonation, and what waits for it.
#[derive(Default)]
pub(super) struct Proofs {
    /// Somebody else than the caller was shown to have been answered for.
    proven: bool,
    /// The question whom the provider takes us for has been asked.
    pub asked: bool,
    /// Some member other than the caller was read, in part at least.
    read: bool,
    /// Some walk was neither read nor refused.
    failed: bool,
    /// Some walk was answered for somebody else.
    mismatch: Option<Failure>,
    /// Walks that showed nothing by themselves.
    silent: Vec<Walked>,
    /// Walks whose keys do not say of which organisation they are.
    nameless: Vec<Walked>,
    /// Walks that were refused for good.
    refused: Vec<Walked>,
}

impl Proofs {
    /// The provider was asked whom it takes us for.
    pub fn identity(&mut self, member: &RemoteId, answered: Option<&RemoteId>, known: &Known) {
        self.asked = true;
        if answered == Some(member) && known.caller.as_ref() != Some(member) {
            self.proven = true;
        }
    }

    /// Takes a walk that was asked with that subject; gives it back where it can be believed, or is not to be.
    pub fn take(&mut self, walked: Walked, subject: &Subject, known: &Known) -> Option<Walked> {
        match (subject.proof, &subject.member) {
            (Proof::None, Some(member)) => Some(own_list(walked, known).attributed_to(&owner(member, known))),
            (Proof::None, None) => Some(walked),
            (Proof::OwnKeys, _) => Some(own_keys(walked, known)),
            (Proof::Organization, _) => {
                self.nameless.push(walked);
                None
            }
            (Proof::Impersonation, None) => Some(walked.doubted(Failure::new(Reason::Internal, "asked in nobody's name"))),
            (Proof::Impersonation, Some(member)) => self.impersonated(walked, member, known),
        }
    }

    fn impersonated(&mut self, walked: Walked, member: &RemoteId, known: &Known) -> Option<Walked> {
        let own = |id: &RemoteId| known.own_keys.as_ref().is_some_and(|own| own.contains(id));
        let walked = match &known.caller {
            // Where keys name no owner, their ids still say whose they are.
            Some(caller) if caller != member && walked.keys().iter().any(|key| own(&key.id)) => walked.doubted(Failure::new(
                Reason::AttributionMismatch,
                "the list holds keys of the caller's own; does a proxy drop the header?",
            )),
            Some(_) | None => walked,
        };
        if walked.names(member) && known.caller.as_ref() != Some(member) {
            (self.proven, self.read) = (true, true);
        }
        match walked.end() {
            WalkEnd::Closed(_) => {
                self.refused.push(walked);
                None
            }
            WalkEnd::Complete if walked.keys().is_empty() || walked.has_ownerless() => {
                self.silent.push(walked);
                None
            }
            WalkEnd::Complete => {
                self.read = true;
                Some(walked)
            }
            WalkEnd::Incomplete(failure) => {
                let failure = failure.clone();
                self.failed = true;
                if failure.reason == Reason::AttributionMismatch {
                    self.mismatch.get_or_insert_with(|| failure.clone());
                }
                // Nothing is concluded from it, but its keys are stored: none whose owner is anybody's guess.
                Some(if walked.has_ownerless() { walked.doubted(failure) } else { walked })
            }
        }
    }

    /// Why impersonation does not work, where nothing shows that it does and something should. Where every member's list is
    /// refused it does not, even if some other question was answered for a member.
    pub fn failure(&self) -> Option<Failure> {
        let shown_elsewhere = self.proven && self.failed;
        if !self.refused.is_empty() && self.silent.is_empty() && !self.read && !shown_elsewhere {
            let detail = format!("{} members were refused and none was read; {REMEDY}", self.refused.len());
            return Some(Failure::new(Reason::ImpersonationNotPermitted, detail));
        }
        if self.proven || self.read {
            return None;
        }
        if let Some(mismatch) = &self.mismatch {
            return Some(mismatch.clone());
        }
        (!self.silent.is_empty()).then(|| Failure::new(Reason::AttributionUnproven, UNPROVEN))
    }

    /// Some list was kept back until the organisation is asked for once more.
    pub const fn awaits_organization(&self) -> bool {
        !self.nameless.is_empty()
    }

    /// Some list that was asked in a member's name showed that member's keys.
    pub const fn has_read_others(&self) -> bool {
        self.read
    }

    /// Some list that was asked in a member's name was somebody else's.
    pub const fn saw_somebody_else(&self) -> bool {
        self.mismatch.is_some()
    }

    /// The members whose empty lists would be believed: each may have to be asked about by itself.
    pub fn emptied(&self) -> Vec<RemoteId> {
        let empty = self.silent.iter().filter(|walked| self.proven && walked.keys().is_empty());
        empty.filter_map(|walked| walked.scope().id.of.clone()).collect()
    }

    /// Drops what waits: it is to be read in another way.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Gives back all that waits, believed or not. `organization` says whether the credential sees it still, `mistaken` are
    /// the members whose empty lists are not to be believed.
    pub fn settle(&mut self, organization: Result<(), Failure>, mistaken: &[RemoteId], known: &Known) -> Vec<Walked> {
        let failure = self.failure();
        let mut settled: Vec<Walked> = match organization {
            Ok(()) => self.nameless.drain(..).collect(),
            Err(why) => self.nameless.drain(..).map(|walked| walked.doubted(why.clone())).collect(),
        };
        for walked in self.silent.drain(..) {
            let member = walked.scope().id.of.clone();
            settled.push(match (&failure, member) {
                (None, Some(member)) if self.proven && !mistaken.contains(&member) => {
                    walked.attributed_to(&owner(&member, known))
                }
                (_, _) => walked.doubted(Failure::new(Reason::AttributionUnproven, UNPROVEN)),
            });
        }
        for walked in self.refused.drain(..) {
            settled.push(match &failure {
                Some(failure) if failure.reason == Reason::ImpersonationNotPermitted => walked.doubted(failure.clone()),
                Some(_) | None => walked,
            });
        }
        settled
    }
}

const UNPROVEN: &str = "nothing shows that the provider answered for the member and not for us; does a proxy drop the header?";
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
mod tests;
