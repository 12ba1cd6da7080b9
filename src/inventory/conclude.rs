//! The rules of presence: what the evidence about one key proves. Pure; invariant 1 of the design is this file.

use crate::domain::{Presence, PresenceReason, Standing};
use crate::walk::WalkId;

/// One scope that lists the key, or listed it when it was last sighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Whether the scope is listed now.
    pub standing: Standing,
    /// A complete walk that could hold the key did not, and nothing has listed it since. A list of current members' keys could hold
    /// it where the owner was among the people before it was read and behind it.
    pub unlisted: bool,
    /// The scope's newest complete walk.
    pub newest: Option<Newest>,
    /// The scope holds only current members' keys.
    pub current_members_only: bool,
    /// It does, the key names no owner, and some member left since the scope last held it, or left and came back.
    pub may_be_a_leavers: bool,
}

/// A complete walk, as far as conclusions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its number, drawn when it began.
    pub walk: WalkId,
    /// How long after the key became missing it began, in seconds: by the boot clock within one run, else by the wall clock.
    /// Zero where the key is not missing.
    pub after_missing_s: i64,
}

/// Since when a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The number of that conclusion.
    pub number: i64,
}

/// Everything that bears on the presence of one key. All of it comes from complete walks, or from lists read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was concluded before.
    pub presence: Presence,
    /// And why.
    pub reason: PresenceReason,
    /// Since when it is missing, if it is.
    pub missing: Option<Missing>,
    /// The scopes that listed it when it was last sighted.
    pub witnesses: Vec<Witness>,
    /// Its owner is a user, and not on the newest complete list of people.
    pub owner_left: bool,
    /// The oldest of the newest complete walks of all open scopes; `None` where one of them never had any. Lists of projects
    /// and people count too: what is not known to be there cannot be asked for a key that moved to it.
    pub slowest_open: Option<WalkId>,
    /// A hold covers it, or the list of people that would tell whether its owner left: it keeps its presence.
    pub held: bool,
    /// `confirm_after`, in seconds.
    pub confirm_after_s: i64,
}

/// What the evidence says. That a key is there again is no conclusion: only a sighting says so, when its walk is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// As before.
    Unchanged,
    /// It becomes missing now.
    BecomesMissing,
    /// It is missing still, but the clock went back: the wait begins anew.
    WaitsAnew,
    /// It is proven to be gone.
    BecomesGone,
    /// It cannot be seen any more.
    BecomesUnknown(PresenceReason),
}

/// Concludes.
pub fn conclude(evidence: &Evidence) -> Conclusion {
    match evidence.presence {
        // Only a sighting, or the config, ends these.
        Presence::Gone | Presence::Unmanaged => return Conclusion::Unchanged,
        Presence::Present | Presence::Missing | Presence::Unknown => {}
    }
    let open = |witness: &&Witness| witness.standing == Standing::Open;
    if evidence.witnesses.iter().filter(open).any(|witness| !witness.unlisted) {
        return Conclusion::Unchanged;
    }
    if evidence.held {
        return Conclusion::Unchanged;
    }
    if let Some(reason) = unseeable(evidence) {
        let known = evidence.presence == Presence::Unknown && evidence.reason == reason;
        return if known { Conclusion::Unchanged } else { Conclusion::BecomesUnknown(reason) };
    }
    if evidence.witnesses.is_empty() {
        // Nobody's silence proves nothing.
        return Conclusion::Unchanged;
    }
    // From here every witness was walked completely without the key.
    match evidence.missing {
        None => Conclusion::BecomesMissing,
        Some(missing) => confirm(evidence, missing),
    }
}

/// Why nobody can tell whether the key is there, where nobody can.
fn unseeable(evidence: &Evidence) -> Option<PresenceReason> {
    // A list of current members' keys says nothing about those who left, nor does one that vanished with them.
    let only_members = !evidence.witnesses.is_empty() && evidence.witnesses.iter().all(|witness| witness.current_members_only);
    let left = evidence.owner_left && only_members;
    // A scope that can no longer be read and that listed the key to the last leaves the question open, whatever others say.
    let blind = evidence.witnesses.iter().find(|witness| witness.standing != Standing::Open && !witness.unlisted);
    let all_blind = evidence.witnesses.iter().all(|witness| witness.standing != Standing::Open);
    let spoilt = blind.or_else(|| evidence.witnesses.first().filter(|_| all_blind)).map(|witness| witness.standing);
    match spoilt {
        None | Some(Standing::Open | Standing::Vanished) if left => Some(PresenceReason::OwnerLeft),
        None | Some(Standing::Open) => None,
        Some(Standing::Closed) => Some(PresenceReason::ScopeClosed),
        Some(Standing::Vanished) => Some(PresenceReason::ScopeVanished),
        Some(Standing::Retired) => Some(PresenceReason::ScopeRetired),
    }
}

/// Whether a missing key is proven to be gone.
fn confirm(evidence: &Evidence, missing: Missing) -> Conclusion {
    let mut again = true;
    for witness in &evidence.witnesses {
        let Some(newest) = witness.newest else { return Conclusion::Unchanged };
        if newest.walk.0 <= missing.number {
            again = false;
        } else if newest.after_missing_s < 0 {
            return Conclusion::WaitsAnew;
        } else if newest.after_missing_s < evidence.confirm_after_s {
            again = false;
        }
        // A closed witness is not walked again, so `again` stays false by its number.
    }
    let everywhere = evidence.slowest_open.is_some_and(|walk| walk.0 > missing.number);
    let may_be_a_leavers = evidence.witnesses.iter().any(|witness| witness.may_be_a_leavers);
    if again && everywhere && !may_be_a_leavers { Conclusion::BecomesGone } else { Conclusion::Unchanged }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(unlisted: bool, walk: i64, after_missing_s: i64) -> Witness {
        Witness {
            standing: Standing::Open,
            unlisted,
            newest: Some(Newest { walk: WalkId(walk), after_missing_s }),
            current_members_only: false,
            may_be_a_leavers: false,
        }
    }

    fn evidence(presence: Presence, witnesses: Vec<Witness>) -> Evidence {
        Evidence {
            presence,
            reason: PresenceReason::Listed,
            missing: (presence == Presence::Missing).then_some(Missing { number: 10 }),
            witnesses,
            owner_left: false,
            slowest_open: Some(WalkId(20)),
            held: false,
            confirm_after_s: 600,
        }
    }

    #[test]
    fn missing_needs_every_witness() {
        let both = evidence(Presence::Present, vec![witness(true, 9, 0), witness(true, 9, 0)]);
        assert_eq!(conclude(&both), Conclusion::BecomesMissing);
        let one = evidence(Presence::Present, vec![witness(true, 9, 0), witness(false, 9, 0)]);
        assert_eq!(conclude(&one), Conclusion::Unchanged);
    }

    #[test]
    fn gone_needs_a_later_walk_of_every_witness_after_the_wait() {
        let gone = |witnesses| conclude(&evidence(Presence::Missing, witnesses));
        assert_eq!(gone(vec![witness(true, 11, 600)]), Conclusion::BecomesGone);
        assert_eq!(
            gone(vec![witness(true, 10, 600)]),
            Conclusion::Unchanged,
            "the walk that made it missing proves nothing more"
        );
        assert_eq!(gone(vec![witness(true, 11, 599)]), Conclusion::Unchanged, "begun too early");
        assert_eq!(
            gone(vec![witness(true, 11, 600), witness(true, 9, 600)]),
            Conclusion::Unchanged,
            "a witness was not walked again"
        );
        assert_eq!(gone(vec![witness(true, 11, -5)]), Conclusion::WaitsAnew);
        assert_eq!(gone(vec![witness(true, 11, 0)]), Conclusion::Unchanged, "in the same second the clock did not go back");
    }

    #[test]
    fn gone_needs_every_other_open_scope_and_no_hold() {
        let proven = evidence(Presence::Missing, vec![witness(true, 11, 600)]);
        assert_eq!(conclude(&Evidence { slowest_open: Some(WalkId(10)), ..proven.clone() }), Conclusion::Unchanged);
        assert_eq!(conclude(&Evidence { slowest_open: None, ..proven.clone() }), Conclusion::Unchanged);
        assert_eq!(conclude(&Evidence { held: true, ..proven.clone() }), Conclusion::Unchanged);
        assert_eq!(conclude(&Evidence { witnesses: Vec::new(), ..proven }), Conclusion::Unchanged, "nobody is no witness");
    }

    #[test]
    fn a_closed_scope_spoils_its_keys_and_no_more() {
        let closed = Witness { standing: Standing::Closed, ..witness(false, 9, 0) };
        let alone = evidence(Presence::Present, vec![closed]);
        assert_eq!(conclude(&alone), Conclusion::BecomesUnknown(PresenceReason::ScopeClosed));
        let beside_a_listing = evidence(Presence::Present, vec![closed, witness(false, 9, 0)]);
        assert_eq!(conclude(&beside_a_listing), Conclusion::Unchanged);
        let beside_a_silence = evidence(Presence::Present, vec![closed, witness(true, 9, 0)]);
        assert_eq!(conclude(&beside_a_silence), Conclusion::BecomesUnknown(PresenceReason::ScopeClosed));
        let vanished = Witness { standing: Standing::Vanished, ..witness(true, 9, 0) };
        assert_eq!(
            conclude(&evidence(Presence::Missing, vec![vanished])),
            Conclusion::BecomesUnknown(PresenceReason::ScopeVanished)
        );
        let half = evidence(Presence::Missing, vec![vanished, witness(true, 11, 600)]);
        assert_eq!(conclude(&half), Conclusion::Unchanged, "a witness that cannot be walked again proves nothing");
    }

    #[test]
    fn leavers_are_unknown_only_where_the_list_cannot_hold_them() {
        let members = Witness { current_members_only: true, ..witness(true, 9, 0) };
        let left = |witnesses| Evidence { owner_left: true, ..evidence(Presence::Present, witnesses) };
        assert_eq!(conclude(&left(vec![members])), Conclusion::BecomesUnknown(PresenceReason::OwnerLeft));
        assert_eq!(conclude(&left(vec![witness(true, 9, 0)])), Conclusion::BecomesMissing);
        let known = Evidence { presence: Presence::Unknown, reason: PresenceReason::OwnerLeft, ..left(vec![members]) };
        assert_eq!(conclude(&known), Conclusion::Unchanged, "as before");
        let otherwise = Evidence { reason: PresenceReason::ScopeClosed, ..known };
        assert_eq!(conclude(&otherwise), Conclusion::BecomesUnknown(PresenceReason::OwnerLeft));
    }

    #[test]
    fn what_may_have_left_with_a_nameless_owner_is_missing_and_no_more() {
        let nameless = Witness { current_members_only: true, may_be_a_leavers: true, ..witness(true, 11, 600) };
        assert_eq!(conclude(&evidence(Presence::Present, vec![nameless])), Conclusion::BecomesMissing);
        assert_eq!(conclude(&evidence(Presence::Missing, vec![nameless])), Conclusion::Unchanged);
    }
}
