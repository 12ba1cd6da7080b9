//! What is believed of lists that were asked for in a member's name, by what they show.

use std::time::Duration;

use super::*;
use crate::domain::{KeyFacts, KeyKind, Moment, Scope, ScopeKind, Time};
use crate::providers::{End, Fetch, Item, OwnKeys, Target};
use crate::walk::{Caps, Page, Stamp, Turn, Walk, WalkId};

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

/// A key on a member's list, with its owner, where that is told.
pub(in crate::sync) fn listed((key, owner): &(&str, Option<&str>)) -> Item {
    let id = |text: &str| RemoteId::new(text).unwrap();
    Item::Key(Box::new(KeyFacts {
        id: id(key),
        kind: KeyKind::Personal,
        name: None,
        hint: None,
        owner: owner.map(|owner| Owner { kind: OwnerKind::User, id: id(owner), name: None, email: None }),
        owner_access: None,
        organization: None,
        created_at: None,
        last_used: Moment::NotReported,
        expires: Moment::NotReported,
        enabled: true,
    }))
}

/// A complete walk of that member's list, of keys with their owners, where these are told.
pub(in crate::sync) fn walked(member: &str, keys: &[(&str, Option<&str>)]) -> Walked {
    walk_of(WalkId(1), Scope::of(ScopeKind::Member, id(member), None), keys.iter().map(listed).collect())
}

/// A complete walk of that scope.
pub(in crate::sync) fn walk_of(number: WalkId, scope: Scope, items: Vec<Item>) -> Walked {
    let now = Time::from_unix(1_760_000_000);
    let fetch = Fetch::get(Target::Scope(scope.clone()), "list", "/list");
    let caps = Caps { items: 100, pages: 10, time: Duration::from_secs(60) };
    let begun = Stamp { wall: now, boot: Duration::ZERO };
    let mut walk = Walk::begin(number, scope, &fetch, begun, caps);
    let page = Page {
        elements: items.len() as u64,
        items,
        refused: Vec::new(),
        digests: Vec::new(),
        unchanged: Vec::new(),
        end: End::done(),
        server_time: None,
        wire_bytes: 0,
        took: Duration::ZERO,
    };
    let Turn::Ended(end) = walk.page(page, &Subject::default(), begun) else { panic!("one page") };
    walk.finish(end, now)
}

/// A walk of that member's list that was refused for good.
fn refused(member: &str) -> Walked {
    let scope = Scope::of(ScopeKind::Member, id(member), None);
    let fetch = Fetch::get(Target::Scope(scope.clone()), "list", "/list");
    let caps = Caps { items: 100, pages: 10, time: Duration::from_secs(60) };
    let begun = Stamp { wall: Time::from_unix(1_760_000_000), boot: Duration::ZERO };
    let mut walk = Walk::begin(WalkId(2), scope, &fetch, begun, caps);
    let end = walk.refused_at_the_door(crate::domain::ClosedReason::MemberForbidden);
    walk.finish(end, begun.wall)
}

fn subject(member: &str, proof: Proof) -> Subject {
    Subject { member: Some(id(member)), proof, organization: None }
}

/// The caller is `me` and has the keys `mine_1`, which is bound to the organisation, and `mine_2`, which is not.
fn known() -> Known {
    let own = OwnKeys { bound: [id("mine_1")].into(), others: [id("mine_2")].into() };
    Known { caller: Some(id("me")), own_keys: Some(own), ..Known::default() }
}

fn reason(walked: &Walked) -> Option<Reason> {
    match walked.end() {
        WalkEnd::Incomplete(failure) => Some(failure.reason),
        WalkEnd::Complete | WalkEnd::Closed(_) => None,
    }
}

#[test]
fn a_key_of_the_callers_own_gives_a_lost_header_away_where_keys_name_no_owner() {
    for own in ["mine_1", "mine_2"] {
        let mut proofs = Proofs::default();
        let list = walked("ana", &[(own, None)]);
        let taken = proofs.take(list, &subject("ana", Proof::Impersonation), Before::default(), &known()).unwrap();
        assert_eq!((reason(&taken), taken.keys().len()), (Some(Reason::AttributionMismatch), 0), "{own}");
        assert!(proofs.elsewhere(&known()).somebody_else);
    }
}

#[test]
fn a_key_of_the_callers_own_is_nobodys_where_nothing_tells_who_the_caller_is() {
    let unknown = Known { caller: None, ..known() };
    let with = |owner| {
        let settled =
            settled(&unknown, &Look::Confirmed, &[("ana", &[("mine_1", owner)], &[]), ("bo", &[("b", Some("bo"))], &[])]);
        reason(of(&settled, "ana"))
    };
    assert_eq!((with(None), with(Some("ana"))), (UNPROVEN, None));
}

#[test]
fn the_callers_own_list_holds_what_was_found_a_moment_before() {
    let take = |keys: &[(&str, Option<&str>)], known: &Known| {
        let list = Proofs::default().take(walked("me", keys), &subject("me", Proof::None), Before::default(), known).unwrap();
        reason(&list)
    };
    assert_eq!(take(&[("mine_1", None), ("mine_3", None)], &known()), None);
    assert_eq!(take(&[("mine_3", None)], &known()), Some(Reason::AttributionUnproven));
    assert_eq!(take(&[], &known()), Some(Reason::AttributionUnproven));
    let none_found = Known { own_keys: Some(OwnKeys::default()), ..known() };
    assert_eq!(take(&[], &none_found), Some(Reason::AttributionUnproven), "the key that we ask with is one");
    assert_eq!(take(&[("mine_3", None)], &none_found), None);
    assert_eq!(take(&[("mine_3", None)], &Known { own_keys: None, ..known() }), None);
}

#[test]
fn the_callers_own_list_that_lacks_keys_waits_for_a_second_look_and_for_no_impersonation() {
    let with = |look: &Look| {
        let own: List<'_> = ("me", &[("mine_1", None), ("mine_3", None)], &["mine_4"]);
        let settled = settled_after(Proofs::default(), &known(), look, &[own]);
        (reason(of(&settled, "me")), of(&settled, "me").keys().len())
    };
    assert_eq!(with(&Look::Confirmed), (None, 2));
    assert_eq!(with(&Look::Answers(id("mine_4"))), (UNPROVEN, 2));
}

#[test]
fn keys_that_name_no_organisation_wait_for_it_to_be_shown_again() {
    let nameless = || {
        let mut proofs = Proofs::default();
        let subject = Subject { proof: Proof::Organization, ..Subject::default() };
        let kept = proofs.take(walked("ana", &[("a", None)]), &subject, Before::default(), &known());
        assert!(kept.is_none() && proofs.awaits_organization());
        proofs
    };
    assert!(!Proofs::default().awaits_organization(), "nothing waits for it");
    let settled = nameless().settle(Ok(()), &known());
    assert_eq!((settled.len(), reason(&settled[0]), settled[0].keys().len()), (1, None, 1));
    let changed = Failure::new(Reason::OrganizationChanged, "");
    let settled = nameless().settle(Err(changed), &known());
    assert_eq!((reason(&settled[0]), settled[0].keys().len()), (Some(Reason::OrganizationChanged), 0));
}

/// A member's list: its keys with their owners, and those that it lacks.
type List<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)], &'a [&'a str]);

/// What lists asked in members' names end with, each by its member. What was asked about one that is open was answered so.
fn settled(known: &Known, look: &Look, lists: &[List<'_>]) -> Vec<(String, Walked)> {
    let mut proofs = Proofs::default();
    proofs.identity(&id("canary"), Some(&id("canary")), known);
    settled_after(proofs, known, look, lists)
}

fn settled_after(mut proofs: Proofs, known: &Known, look: &Look, lists: &[List<'_>]) -> Vec<(String, Walked)> {
    let mut all = Vec::new();
    for (member, keys, lacking) in lists {
        let before = Before { lacking: lacking.iter().map(|key| id(key)).collect(), strange: false };
        let proof = if known.caller == Some(id(member)) { Proof::None } else { Proof::Impersonation };
        all.extend(proofs.take(walked(member, keys), &subject(member, proof), before, known));
    }
    for list in proofs.open(known) {
        list.look = look.clone();
    }
    all.extend(proofs.settle(Ok(()), known));
    all.into_iter().map(|walked| (walked.scope().id.of.clone().unwrap().to_string(), walked)).collect()
}

fn of<'a>(settled: &'a [(String, Walked)], member: &str) -> &'a Walked {
    &settled.iter().find(|(of, _)| of == member).unwrap().1
}

const UNPROVEN: Option<Reason> = Some(Reason::AttributionUnproven);
const MISMATCH: Option<Reason> = Some(Reason::AttributionMismatch);

#[test]
fn an_empty_list_needs_that_impersonation_works_and_that_nothing_speaks_against_it() {
    let with = |others: &[(&str, Option<&str>)], lacking: &[&str], look: &Look| {
        reason(of(&settled_after(Proofs::default(), &known(), look, &[("bo", others, &[]), ("ana", &[], lacking)]), "ana"))
    };
    assert_eq!(with(&[("b", Some("bo"))], &[], &Look::NotNeeded), None);
    assert_eq!(with(&[("b", Some("bo"))], &["a"], &Look::Confirmed), None);
    assert_eq!(with(&[("b", Some("bo"))], &["a"], &Look::Answers(id("a"))), UNPROVEN);
    assert_eq!(with(&[("b", None)], &[], &Look::NotNeeded), UNPROVEN, "nobody shows that the header works");
    assert_eq!(with(&[], &[], &Look::NotNeeded), UNPROVEN);
}

#[test]
fn one_member_whom_keys_name_may_be_the_caller_where_nothing_tells_who_that_is() {
    let with = |caller: Option<&str>, named: &[&str]| {
        let known = Known { caller: caller.map(id), own_keys: None, ..known() };
        let keys: Vec<_> = named.iter().map(|member| [(*member, Some(*member))]).collect();
        let mut lists: Vec<List<'_>> = named.iter().zip(&keys).map(|(member, keys)| (*member, &keys[..], &[][..])).collect();
        lists.push(("ana", &[], &[]));
        reason(of(&settled_after(Proofs::default(), &known, &Look::Confirmed, &lists), "ana"))
    };
    assert_eq!(with(None, &["bo"]), UNPROVEN);
    assert_eq!((with(None, &["bo", "cy"]), with(Some("me"), &["bo"])), (None, None));
}

#[test]
fn a_list_that_names_its_member_needs_nobody_to_speak_for_it() {
    let unknown = Known { caller: None, own_keys: None, ..known() };
    let settled = settled_after(Proofs::default(), &unknown, &Look::NotNeeded, &[("bo", &[("b", Some("bo"))], &[])]);
    assert_eq!(reason(of(&settled, "bo")), None);
}

#[test]
fn impersonation_is_shown_by_an_answer_about_the_member_who_is_not_the_caller() {
    for (asked, answered, expected) in
        [("bo", Some("bo"), None), ("bo", Some("me"), UNPROVEN), ("me", Some("me"), UNPROVEN), ("bo", None, UNPROVEN)]
    {
        let mut proofs = Proofs::default();
        proofs.identity(&id(asked), answered.map(id).as_ref(), &known());
        let settled = settled_after(proofs, &known(), &Look::NotNeeded, &[("ana", &[], &[])]);
        assert_eq!(reason(of(&settled, "ana")), expected, "{asked} {answered:?}");
    }
}

#[test]
fn keys_without_an_owner_may_be_the_callers_where_it_is_not_known_which_those_are() {
    let untold = Known { own_keys: None, ..known() };
    let with = |known: &Known, look: &Look| {
        let settled = settled(known, look, &[("ana", &[("a", None)], &[]), ("bo", &[("b", Some("bo"))], &[])]);
        let ana = of(&settled, "ana");
        (reason(ana), ana.names(&id("ana")))
    };
    assert_eq!(with(&untold, &Look::Confirmed), (None, true));
    assert_eq!(with(&untold, &Look::Uncontradicted), (UNPROVEN, false), "nobody says whom the provider takes us for");
    assert_eq!(with(&untold, &Look::TakenFor(id("me"))), (UNPROVEN, false));
    assert_eq!(with(&untold, &Look::ReadOtherwise(id("a"))), (UNPROVEN, false));
    assert_eq!(with(&untold, &Look::Unasked("told to stop")), (UNPROVEN, false));
    assert_eq!(with(&known(), &Look::TakenFor(id("me"))), (None, true), "none of them is the caller's: nothing is asked");
}

#[test]
fn keys_without_an_owner_are_nobodys_where_somebody_else_was_answered_for() {
    // A key of the caller's own gives the one list away; the other shows nothing.
    let settled = settled(&known(), &Look::Confirmed, &[("bo", &[("mine_1", None)], &[]), ("ana", &[("a", None)], &[])]);
    assert_eq!((reason(of(&settled, "bo")), reason(of(&settled, "ana"))), (MISMATCH, UNPROVEN));
    assert_eq!(of(&settled, "ana").keys().len(), 0);
    // Neither can the member whose header was not heeded a moment later speak for others.
    let untold = Known { own_keys: None, ..known() };
    let lists: [List<'_>; 2] = [("ana", &[("a", None)], &[]), ("bo", &[("b", None)], &[])];
    let mut proofs = Proofs::default();
    proofs.identity(&id("canary"), Some(&id("canary")), &untold);
    for (member, keys, _) in lists {
        proofs.take(walked(member, keys), &subject(member, Proof::Impersonation), Before::default(), &untold);
    }
    for list in proofs.open(&untold) {
        list.look = if list.member == id("bo") { Look::TakenFor(id("me")) } else { Look::Confirmed };
    }
    let settled = proofs.settle(Ok(()), &untold);
    assert_eq!(settled.iter().map(reason).collect::<Vec<_>>(), [UNPROVEN, UNPROVEN]);
}

#[test]
fn a_key_on_the_lists_of_two_members_is_on_one_of_them_by_mistake() {
    let untold = Known { own_keys: None, ..known() };
    let two = |one: &[(&str, Option<&str>)], other: &[(&str, Option<&str>)]| {
        let settled = settled(&untold, &Look::Confirmed, &[("ana", one, &[]), ("bo", other, &[])]);
        (reason(of(&settled, "ana")), reason(of(&settled, "bo")))
    };
    assert_eq!(two(&[("k", None)], &[("k", None)]), (MISMATCH, MISMATCH));
    assert_eq!(two(&[("k", None)], &[("k", Some("bo"))]), (MISMATCH, None), "one of them names its owner");
    assert_eq!(two(&[("k", Some("ana"))], &[("b", None), ("k", None)]), (None, MISMATCH));
    // The one who is named is believed, also where the list waits for a second look.
    let waits: [List<'_>; 2] = [("ana", &[("k", None)], &[]), ("bo", &[("k", Some("bo"))], &["b2"])];
    let settled_two = settled(&untold, &Look::Confirmed, &waits);
    assert_eq!((reason(of(&settled_two, "ana")), reason(of(&settled_two, "bo"))), (MISMATCH, None));
    // The caller's own list, which no header was sent for, is the caller's.
    let settled = settled(&untold, &Look::Confirmed, &[("ana", &[("k", None)], &[]), ("me", &[("k", None)], &[])]);
    assert_eq!((reason(of(&settled, "ana")), reason(of(&settled, "me"))), (MISMATCH, None));
}

#[test]
fn a_list_that_lacks_keys_waits_for_a_second_look_and_keeps_what_it_shows() {
    let with = |look: &Look| {
        let settled = settled(&known(), look, &[("ana", &[("a", Some("ana"))], &["a2"])]);
        (reason(of(&settled, "ana")), of(&settled, "ana").keys().len())
    };
    assert_eq!(with(&Look::Confirmed), (None, 1));
    assert_eq!(with(&Look::ReadOtherwise(id("a2"))), (UNPROVEN, 1));
}

#[test]
fn one_members_wrong_answers_do_not_freeze_another_who_speaks_for_himself() {
    let with = |look: &Look| {
        let lists: [List<'_>; 2] = [("bo", &[("mine_1", None)], &[]), ("ana", &[], &["a"])];
        reason(of(&settled(&known(), look, &lists), "ana"))
    };
    assert_eq!(with(&Look::Confirmed), None);
    assert_eq!(with(&Look::Uncontradicted), UNPROVEN);
    // A list that one wrong answer could not have made is believed without being told whom the provider takes us for.
    let lists: [List<'_>; 2] = [("bo", &[("mine_1", None)], &[]), ("ana", &[("a", Some("ana"))], &["a2"])];
    assert_eq!(reason(of(&settled(&known(), &Look::Uncontradicted, &lists), "ana")), None);
}

#[test]
fn one_who_lost_all_keys_is_believed_where_nothing_speaks_against_it() {
    let with = |others: &[List<'_>]| {
        let lists: Vec<List<'_>> = others.iter().copied().chain([("ana", &[][..], &["a"][..])]).collect();
        reason(of(&settled(&known(), &Look::Uncontradicted, &lists), "ana"))
    };
    assert_eq!(with(&[]), None, "one member");
    assert_eq!(with(&[("bo", &[("b", Some("bo"))], &[])]), None, "and others are read");
    assert_eq!(with(&[("bo", &[], &[]), ("cy", &[], &[])]), None, "and others never had any");
    assert_eq!(with(&[("bo", &[], &["b"])]), UNPROVEN, "two at once");
    assert_eq!(with(&[("bo", &[], &["b"]), ("cy", &[("c", Some("cy"))], &[])]), None, "two, while another shows keys");
}

#[test]
fn those_who_lost_some_keys_are_not_those_who_lost_all() {
    let lists: [List<'_>; 4] =
        [("ana", &[], &["a"]), ("bo", &[], &["b"]), ("cy", &[("c", None)], &["c2"]), ("di", &[("d", None)], &["d2"])];
    let settled = settled(&known(), &Look::Uncontradicted, &lists);
    let told: Vec<_> = ["ana", "bo", "cy", "di"].iter().map(|member| reason(of(&settled, member))).collect();
    assert_eq!(told, [UNPROVEN, UNPROVEN, None, None]);
    let lists: [List<'_>; 2] = [("cy", &[("c", None)], &["c2"]), ("ana", &[], &["a"])];
    assert_eq!(reason(of(&self::settled(&known(), &Look::Uncontradicted, &lists), "ana")), None, "one lost all");
}

/// Only an answer about somebody else casts doubt on other lists; one that failed does not.
#[test]
fn a_second_look_that_fails_speaks_of_its_own_list_alone() {
    for (why, expected) in [(Reason::AttributionMismatch, UNPROVEN), (Reason::Server, None), (Reason::AttributionUnproven, None)]
    {
        let mut proofs = Proofs::default();
        proofs.identity(&id("canary"), Some(&id("canary")), &known());
        for member in ["ana", "bo"] {
            let before = Before { lacking: vec![id(&format!("{member}_2"))], strange: false };
            let list = walked(member, &[(member, None)]);
            assert!(proofs.take(list, &subject(member, Proof::Impersonation), before, &known()).is_none());
        }
        for list in proofs.open(&known()) {
            let failed = Look::Unreadable(Failure::new(why, "read again"));
            list.look = if list.member == id("bo") { failed } else { Look::Confirmed };
        }
        let settled = proofs.settle(Ok(()), &known());
        assert_eq!(settled.iter().map(reason).collect::<Vec<_>>(), [expected, UNPROVEN], "{why}");
    }
}

#[test]
fn an_organisations_list_is_whole_where_it_holds_the_callers_own_keys() {
    let subject = Subject { proof: Proof::OwnKeys, ..Subject::default() };
    let take = |keys: &[(&str, Option<&str>)], known: &Known| {
        reason(&Proofs::default().take(walked("all", keys), &subject, Before::default(), known).unwrap())
    };
    assert_eq!(take(&[("mine_1", None), ("a", Some("ana"))], &known()), None);
    assert_eq!(take(&[("a", Some("ana"))], &known()), UNPROVEN);
    assert_eq!(take(&[], &known()), UNPROVEN);
    for none in [None, Some(OwnKeys { bound: [].into(), others: [id("mine_2")].into() })] {
        assert_eq!(take(&[("mine_2", None)], &Known { own_keys: none, ..known() }), UNPROVEN, "no key would show it");
    }
    for (why, expected) in [(Reason::Server, Some(Reason::Server)), (Reason::Forbidden, UNPROVEN)] {
        let unanswered = Known { unanswered: [(OWN_KEYS, Failure::new(why, ""))].into(), ..known() };
        assert_eq!(take(&[("mine_1", None)], &unanswered), expected);
    }
    let broken = walked("all", &[]).unfinished(Failure::new(Reason::Timeout, ""));
    let taken = Proofs::default().take(broken, &subject, Before::default(), &known()).unwrap();
    assert_eq!(reason(&taken), Some(Reason::Timeout), "what it failed by");
}

#[test]
fn several_who_lost_all_keys_at_once_are_believed_where_a_lost_header_would_have_shown_the_callers() {
    let with = |known: &Known, look: &Look| {
        let settled = settled(known, look, &[("ana", &[], &["a"]), ("bo", &[], &["b"])]);
        (reason(of(&settled, "ana")), reason(of(&settled, "bo")))
    };
    assert_eq!(with(&known(), &Look::Confirmed), (None, None));
    assert_eq!(with(&known(), &Look::Uncontradicted), (UNPROVEN, UNPROVEN));
    let keyless = Known { own_keys: Some(OwnKeys::default()), ..known() };
    assert_eq!(with(&keyless, &Look::Confirmed), (UNPROVEN, UNPROVEN), "a service token's list is empty too");
}

#[test]
fn each_cause_of_doubt_is_told_as_what_was_seen() {
    let failure = Failure::new(Reason::Server, "status 500");
    for (look, words) in [
        (Look::TakenFor(id("me")), "the provider answered for me"),
        (Look::ReadOtherwise(id("k7")), "key k7 was on one of them only"),
        (Look::Unreadable(failure), "read once more, the list failed: server: status 500"),
        (Look::Answers(id("k7")), "lacks key k7, which answers by its id"),
        (Look::Unasked("the poll's deadline came"), "the poll's deadline came before"),
    ] {
        let settled = settled(&known(), &look, &[("bo", &[("b", Some("bo"))], &[]), ("ana", &[], &["k7"])]);
        let WalkEnd::Incomplete(why) = of(&settled, "ana").end() else { panic!("{look:?}") };
        assert!(why.detail.contains(words), "{look:?}: {}", why.detail);
    }
}

/// An outage in which one member is refused is not a role that was never granted.
#[test]
fn one_who_is_refused_while_others_fail_does_not_speak_for_all() {
    let mut proofs = Proofs::default();
    let impersonated = |member| subject(member, Proof::Impersonation);
    // Whom the provider takes us for could not be asked either, as always with tokens.
    let failed = walked("bo", &[]).unfinished(Failure::new(Reason::Server, "status 500"));
    assert!(proofs.take(failed, &impersonated("bo"), Before::default(), &known()).is_some());
    assert!(proofs.take(refused("ana"), &impersonated("ana"), Before::default(), &known()).is_none());
    assert_eq!(proofs.failure(), None, "nine of ten failed with 500, and one is refused for good");
    let mut settled = proofs.settle(Ok(()), &known());
    assert_eq!(settled.iter().map(reason).collect::<Vec<_>>(), [UNPROVEN], "nor is that one known to be refused");

    // Where the poll shows that impersonation works, a refusal is one.
    let mut proofs = Proofs::default();
    proofs.identity(&id("canary"), Some(&id("canary")), &known());
    let failed = walked("bo", &[]).unfinished(Failure::new(Reason::Server, "status 500"));
    proofs.take(failed, &impersonated("bo"), Before::default(), &known());
    assert!(proofs.take(refused("ana"), &impersonated("ana"), Before::default(), &known()).is_none());
    settled = proofs.settle(Ok(()), &known());
    assert_eq!(settled[0].end(), &WalkEnd::Closed(crate::domain::ClosedReason::MemberForbidden));
}

/// A member who cannot be acted as at all, as a service account without a token that the list of users holds, is answered
/// with 400 for ever; that is no outage, and the remedy is to be named.
#[test]
fn one_who_cannot_be_impersonated_at_all_does_not_hide_that_all_others_are_refused() {
    let mut proofs = Proofs::default();
    let impersonated = |member| subject(member, Proof::Impersonation);
    let never = crate::providers::wire::refusal(400, Some("the member cannot be impersonated, or belongs to no organisation"));
    assert!(proofs.take(walked("ci", &[]).unfinished(never), &impersonated("ci"), Before::default(), &known()).is_some());
    for member in ["ana", "bo", "cy"] {
        assert!(proofs.take(refused(member), &impersonated(member), Before::default(), &known()).is_none());
    }
    assert_eq!(proofs.failure().map(|failure| failure.reason), Some(Reason::ImpersonationNotPermitted));
    let told: Vec<_> = proofs.settle(Ok(()), &known()).iter().map(reason).collect();
    assert_eq!(told, [Some(Reason::ImpersonationNotPermitted); 3]);
}

/// Another member's list, which a proxy gave once more, is not contradicted by anything either.
#[test]
fn an_ownerless_key_that_is_known_as_anothers_is_believed_only_of_whom_the_provider_named() {
    for (look, expected) in [(Look::Uncontradicted, UNPROVEN), (Look::Confirmed, None)] {
        let mut proofs = Proofs::default();
        proofs.identity(&id("canary"), Some(&id("canary")), &known());
        let before = Before { lacking: Vec::new(), strange: true };
        let list = walked("ana", &[("a", None)]);
        assert!(proofs.take(list, &subject("ana", Proof::Impersonation), before, &known()).is_none());
        for list in proofs.open(&known()) {
            list.look = look.clone();
        }
        assert_eq!(reason(&proofs.settle(Ok(()), &known())[0]), expected, "{look:?}");
    }
}

#[test]
fn one_list_that_leaves_something_open_keeps_the_refused_from_speaking_for_all() {
    let mut proofs = Proofs::default();
    assert_eq!(proofs.failure(), None);
    let own = Before { lacking: vec![id("mine_0")], strange: false };
    assert!(proofs.take(walked("me", &[("mine_1", None)]), &subject("me", Proof::None), own, &known()).is_none(), "it waits");
    assert_eq!(proofs.failure(), None, "our own list is asked for in nobody's name");
    assert!(proofs.take(refused("ana"), &subject("ana", Proof::Impersonation), Before::default(), &known()).is_none());
    assert_eq!(proofs.failure().map(|failure| failure.reason), Some(Reason::ImpersonationNotPermitted));
    assert!(proofs.take(walked("bo", &[]), &subject("bo", Proof::Impersonation), Before::default(), &known()).is_none());
    assert_eq!(proofs.failure().map(|failure| failure.reason), UNPROVEN);
    let settled = proofs.settle(Ok(()), &known());
    let ana = settled.iter().find(|walked| walked.scope().id.of == Some(id("ana"))).unwrap();
    assert!(matches!(ana.end(), WalkEnd::Closed(_)), "{:?}", ana.end());
}

#[test]
fn a_member_whose_list_was_read_twice_shares_no_key_with_anybody() {
    let settled = settled(
        &known(),
        &Look::Confirmed,
        &[("ana", &[("k", None)], &[]), ("ana", &[("k", None)], &[]), ("bo", &[("b", Some("bo"))], &[])],
    );
    assert_eq!(settled.iter().map(|(_, walked)| reason(walked)).collect::<Vec<_>>(), [None, None, None]);
}
