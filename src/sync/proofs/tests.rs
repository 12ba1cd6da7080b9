//! What is believed of lists that were asked for in a member's name, by what they show.

use std::time::Duration;

use super::*;
use crate::domain::{KeyFacts, KeyKind, Moment, Scope, ScopeKind, Time};
use crate::providers::{End, Fetch, Item, OwnKeys, Target};
use crate::walk::{Caps, Page, Stamp, Turn, Walk, WalkId};

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

/// A complete walk of that member's list, of keys with their owners, where these are told.
fn walked(member: &str, keys: &[(&str, Option<&str>)]) -> Walked {
    let scope = Scope::of(ScopeKind::Member, id(member), None);
    let item = |(key, owner): &(&str, Option<&str>)| {
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
    };
    let now = Time::from_unix(1_760_000_000);
    let fetch = Fetch::get(Target::Scope(scope.clone()), "list", "/list");
    let caps = Caps { items: 100, pages: 10, time: Duration::from_secs(60) };
    let begun = Stamp { wall: now, boot: Duration::ZERO };
    let mut walk = Walk::begin(WalkId(1), scope, &fetch, begun, caps);
    let page = Page {
        items: keys.iter().map(item).collect(),
        refused: Vec::new(),
        elements: keys.len() as u64,
        end: End::done(),
        server_time: None,
        wire_bytes: 0,
        took: Duration::ZERO,
    };
    let Turn::Ended(end) = walk.page(page, &Subject::default(), begun) else { panic!("one page") };
    walk.finish(end, now)
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
        let taken = proofs.take(list, &subject("ana", Proof::Impersonation), &known()).unwrap();
        assert_eq!((reason(&taken), taken.keys().len()), (Some(Reason::AttributionMismatch), 0), "{own}");
        assert!(proofs.saw_somebody_else());
    }
}

#[test]
fn the_callers_own_list_holds_what_was_found_a_moment_before() {
    let take = |keys: &[(&str, Option<&str>)], known: &Known| {
        let list = Proofs::default().take(walked("me", keys), &subject("me", Proof::None), known).unwrap();
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
fn keys_that_name_no_organisation_wait_for_it_to_be_shown_again() {
    let nameless = || {
        let mut proofs = Proofs::default();
        let kept =
            proofs.take(walked("ana", &[("a", None)]), &Subject { proof: Proof::Organization, ..Subject::default() }, &known());
        assert!(kept.is_none() && proofs.awaits_organization());
        proofs
    };
    let settled = nameless().settle(Ok(()), &[], &known());
    assert_eq!((settled.len(), reason(&settled[0]), settled[0].keys().len()), (1, None, 1));
    let changed = Failure::new(Reason::OrganizationChanged, "");
    let settled = nameless().settle(Err(changed), &[], &known());
    assert_eq!((reason(&settled[0]), settled[0].keys().len()), (Some(Reason::OrganizationChanged), 0));
}

#[test]
fn an_empty_list_needs_that_impersonation_works_and_that_nothing_speaks_against_it() {
    let with = |others: &[(&str, Option<&str>)], mistaken: &[RemoteId]| {
        let mut proofs = Proofs::default();
        let impersonated = |member| subject(member, Proof::Impersonation);
        proofs.take(walked("bo", others), &impersonated("bo"), &known());
        assert!(proofs.take(walked("ana", &[]), &impersonated("ana"), &known()).is_none(), "it waits");
        let settled = proofs.settle(Ok(()), mistaken, &known());
        settled.iter().find(|walked| walked.scope().id.of == Some(id("ana"))).map(reason).unwrap()
    };
    assert_eq!(with(&[("b", Some("bo"))], &[]), None);
    assert_eq!(with(&[("b", Some("bo"))], &[id("ana")]), Some(Reason::AttributionUnproven));
    assert_eq!(with(&[("b", None)], &[]), Some(Reason::AttributionUnproven), "nobody shows that the header works");
    assert_eq!(with(&[], &[]), Some(Reason::AttributionUnproven));
}
