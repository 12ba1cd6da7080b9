//! What a poll reports of questions that failed, and what it learns of the caller and of the way that it goes.

use std::time::Duration;

use super::*;
use crate::domain::Time;
use crate::providers::{Learnt, OwnKeys, Subject};
use crate::sync::rounds::tests::Site;
use crate::walk::{Caps, Stamp, Walk, WalkId};

/// A list of keys that could not be read.
fn unread() -> Walked {
    let scope = Scope::only(ScopeKind::Organization);
    let now = Time::from_unix(1_760_000_000);
    let caps = Caps { items: 1, pages: 1, time: Duration::from_secs(1) };
    let fetch = Fetch::get(Target::Scope(scope.clone()), "list", "/list");
    let walk = Walk::begin(WalkId(1), scope, &fetch, Stamp { wall: now, boot: Duration::ZERO }, caps);
    walk.finish(WalkEnd::Incomplete(Failure::new(Reason::Server, "")), now)
}

#[test]
fn a_list_that_waits_for_its_proof_is_read_once_it_is_settled() {
    let mut course = Course::default();
    let failed = || Ended::Question("which", Err(Failure::new(Reason::Server, "status 500")));
    assert!(course.take(failed(), Before::default()).is_none());
    let subject = Subject { proof: Proof::Organization, ..Subject::default() };
    assert!(course.take(Ended::Walk(Box::new(unread()), Learnt::default(), subject), Before::default()).is_none(), "it waits");
    assert_eq!((course.failures().len(), course.notes().len()), (1, 0));
    for walked in course.proofs.settle(Ok(()), &course.known) {
        course.ended(&walked);
    }
    assert_eq!((course.failures().len(), course.notes().len()), (0, 1), "the failed question kept nothing from being read");
    assert!(course.known.ended.contains_key(&ScopeId { kind: ScopeKind::Organization, of: None }));
}

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

#[test]
fn the_callers_own_keys_say_who_the_caller_is_where_they_all_say_the_same_and_nothing_else_does() {
    let caller = |before: Option<&str>, owners: &[&str]| {
        let mut course = Course { known: Known { caller: before.map(id), ..Known::default() }, ..Course::default() };
        let owners = owners.iter().map(|owner| id(owner)).collect();
        let answered = Answered { learnt: Learnt::default(), keys: Some(OwnKeys::default()), owners };
        assert!(course.take(Ended::Question("own keys", Ok(answered)), Before::default()).is_none());
        course.known.caller.map(|caller| caller.to_string())
    };
    assert_eq!(caller(None, &["ana"]).as_deref(), Some("ana"));
    assert_eq!(caller(None, &["ana", "bo"]), None);
    assert_eq!(caller(None, &[]), None);
    assert_eq!(caller(Some("me"), &["ana"]).as_deref(), Some("me"));
    assert_eq!(caller(Some("me"), &["ana", "bo"]).as_deref(), Some("me"));
}

/// The caller's own list is read in the same manner whether or not anybody can be impersonated.
#[test]
fn a_way_is_taken_where_it_read_somebody_elses_keys() {
    let taken = |way: Way, others: &[&str], read: &[(Scope, bool)]| {
        let mut course = Course::default();
        course.known.way = Some(way);
        course.known.caller = Some(id("me"));
        let person = |of: &str| crate::domain::Person { id: id(of), kind: OwnerKind::User, name: None, email: None };
        course.known.people = ["me"].iter().chain(others).map(|of| (id(of), person(of))).collect();
        course.reports = read
            .iter()
            .map(|(scope, whole)| {
                let end = WalkEnd::Incomplete(Failure::new(Reason::Server, ""));
                ScopeReport {
                    scope: scope.clone(),
                    end: if *whole { WalkEnd::Complete } else { end },
                    ..ScopeReport::new(&unread())
                }
            })
            .collect();
        course.way_taken()
    };
    let of = |member: &str| Scope::of(ScopeKind::Member, id(member), None);
    let all = || Scope::only(ScopeKind::Organization);
    for way in [Way::Header, Way::Token] {
        assert_eq!(taken(way, &["ana"], &[(of("me"), true), (of("ana"), false)]), None);
        assert_eq!(taken(way, &["ana"], &[(of("me"), false), (of("ana"), true)]), Some(way));
        assert_eq!(taken(way, &[], &[(of("me"), true)]), Some(way), "nobody else is known");
        assert_eq!(taken(way, &[], &[(of("me"), false)]), None);
        assert_eq!(taken(way, &["ana"], &[(all(), true)]), None, "another way's list");
    }
    assert_eq!(taken(Way::Organization, &["ana"], &[(all(), true)]), Some(Way::Organization));
    assert_eq!(taken(Way::Organization, &["ana"], &[(all(), false), (of("ana"), true)]), None);
}

#[test]
fn what_lists_hang_on_is_asked_first_and_of_lists_what_waited_longest() {
    let project = |of: &str| Scope::of(ScopeKind::Project, id(of), None);
    let attempts = [("long-ago", 3), ("lately", 70)].map(|(of, poll)| (project(of).id, poll)).into();
    let asked = |scope: Option<Scope>| precedence(scope.as_ref(), &attempts);
    let lists = [ScopeKind::People, ScopeKind::Projects, ScopeKind::Admin].map(|kind| asked(Some(Scope::only(kind))));
    let keys = ["never", "long-ago", "lately"].map(|of| asked(Some(project(of))));
    assert!(lists.iter().all(|list| asked(None) < *list && *list < keys[0]), "{lists:?}");
    assert!(keys.is_sorted_by(|sooner, later| sooner < later), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_left_leaves_nothing_behind() {
    let line = Site::new().line;
    let mut course = Course::default();
    let ways: Vec<Way> = (0..2)
        .map(|_| {
            course.plan(&line, &HashMap::new());
            let way = course.known.way.unwrap();
            assert!(!course.leave_way(&line), "it does");
            let subject = Subject { proof: Proof::Organization, ..Subject::default() };
            course.take(Ended::Walk(Box::new(unread()), Learnt::default(), subject), Before::default());
            assert!(course.proofs.awaits_organization());
            let member = Scope::of(ScopeKind::Member, id("ana"), None);
            for scope in [Scope::only(ScopeKind::Organization), member, Scope::only(ScopeKind::ServiceTokens)] {
                course.known.ended.insert(scope.id.clone(), WalkEnd::Incomplete(Failure::new(Reason::Server, "")));
                course.reports.push(ScopeReport { scope, ..ScopeReport::new(&unread()) });
            }
            course.wanting = Some(Failure::new(Reason::NotFound, ""));
            assert!(course.leave_way(&line));
            assert!(!course.proofs.awaits_organization(), "what was read so is read again");
            let of_the_way = if way == Way::Organization { ScopeKind::Organization } else { ScopeKind::Member };
            let left = |kind: ScopeKind| course.reports.iter().filter(|report| report.scope.id.kind == kind).count();
            assert_eq!((left(of_the_way), left(ScopeKind::ServiceTokens)), (0, 1), "{way}");
            assert!(course.known.ended.keys().all(|scope| scope.kind != of_the_way), "{way}");
            course.reports.clear();
            way
        })
        .collect();
    assert_ne!(ways[0], ways[1]);
}
