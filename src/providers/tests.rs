//! What one poll keeps of what answers tell.

use super::*;
use crate::domain::{Reason, ScopeKind};

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

fn organization(text: &str) -> Organization {
    Organization { id: id(text), name: None }
}

#[test]
fn the_later_word_counts_and_silence_takes_nothing_back() {
    let told = |word: &str, at: i64| Learnt {
        organization: Some(organization(word)),
        organizations: Some(vec![organization(word)]),
        caller: Some(id(word)),
        members: BTreeSet::from([id(word)]),
        credential_expires: Some(Time::from_unix(at)),
    };
    let (mut pages, mut known) = (told("first", 1), Known::default());
    known.learn(told("first", 1));
    for (later, word, at, members) in [(Learnt::default(), "first", 1, 1), (told("then", 2), "then", 2, 2)] {
        pages.add(later.clone());
        known.learn(later);
        let kept = [
            (&pages.organization, &pages.organizations, &pages.caller, &pages.members, pages.credential_expires),
            (&known.organization, &known.organizations, &known.caller, &known.group_members, known.credential_expires),
        ];
        for (one, several, caller, all, expires) in kept {
            assert_eq!((one.as_ref(), several.as_deref()), (Some(&organization(word)), Some(&[organization(word)][..])));
            assert_eq!((caller.as_ref(), all.len(), expires), (Some(&id(word)), members, Some(Time::from_unix(at))));
        }
    }
}

#[test]
fn a_scope_is_complete_where_its_walk_ended_so() {
    let scope = |kind| ScopeId { kind, of: None };
    let ends = [
        (ScopeKind::Projects, WalkEnd::Complete),
        (ScopeKind::People, WalkEnd::Closed(ClosedReason::MemberForbidden)),
        (ScopeKind::Admin, WalkEnd::Incomplete(Failure::new(Reason::Server, ""))),
    ];
    let known = Known { ended: ends.map(|(kind, end)| (scope(kind), end)).into(), ..Known::default() };
    let complete = [ScopeKind::Projects, ScopeKind::People, ScopeKind::Admin, ScopeKind::Organization]
        .map(|kind| known.is_complete(&scope(kind)));
    assert_eq!(complete, [true, false, false, false]);
}

#[test]
fn who_has_keys_elsewhere_alone_has_some() {
    let (none, some) = (BTreeSet::new, || BTreeSet::from([id("key")]));
    for (bound, others, is_empty) in
        [(none(), none(), true), (some(), none(), false), (none(), some(), false), (some(), some(), false)]
    {
        let own = OwnKeys { bound, others };
        assert_eq!((own.is_empty(), own.contains(&id("key"))), (is_empty, !is_empty), "{own:?}");
    }
}
