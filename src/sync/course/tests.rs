//! What a poll asks next, what it learns of the caller, the members and the way that it goes, and what it reports of questions that failed.

use std::time::Duration;

use super::*;
use crate::domain::{Organization, Project, Text, Time};
use crate::providers::{Item, Learnt, OwnKeys, Subject};
use crate::sync::proofs::tests as proofs;
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
async fn a_way_that_is_left_leaves_nothing_behind_but_what_was_read_whole() {
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
            let of_the_way = if way == Way::Organization { ScopeKind::Organization } else { ScopeKind::Member };
            let whole = ScopeId { kind: of_the_way, of: Some(id("bo")) };
            course.known.ended.insert(whole.clone(), WalkEnd::Complete);
            course.wanting = Some(Failure::new(Reason::NotFound, ""));
            assert!(course.leave_way(&line));
            assert_eq!(course.known.ended.remove(&whole), Some(WalkEnd::Complete), "{way}");
            assert!(course.known.ended.contains_key(&Scope::only(ScopeKind::ServiceTokens).id), "{way}");
            assert!(!course.proofs.awaits_organization(), "what waited for its proof is read again");
            let left = |kind: ScopeKind| course.reports.iter().filter(|report| report.scope.id.kind == kind).count();
            assert_eq!((left(of_the_way), left(ScopeKind::ServiceTokens)), (0, 1), "{way}");
            assert!(course.known.ended.keys().all(|scope| scope.kind != of_the_way), "{way}");
            course.reports.clear();
            way
        })
        .collect();
    assert_ne!(ways[0], ways[1]);
}

/// A course that goes by the first way behind the organisation's list that was not left, and has asked all that members' lists hang on; of these members.
fn ready(line: &Line, members: &[String]) -> Course {
    line.ways.leave(line.provider.spec(), &line.account, Way::Organization, &Failure::new(Reason::NotFound, ""));
    let mut course = Course::default();
    course.known.caller = Some(id("me"));
    course.known.organization = Some(Organization { id: id("org"), name: Some(Text::clean("Acme")) });
    loop {
        let planned = course.plan(line, &HashMap::new());
        if planned.is_empty() {
            break;
        }
        for fetch in planned {
            match fetch.target {
                Target::Scope(scope) => drop(course.known.ended.insert(scope.id, WalkEnd::Complete)),
                Target::Question(question) => drop(course.known.answered.insert(question)),
            }
        }
    }
    course.known.people = members.iter().map(|member| (id(member), person(member))).collect();
    course
}

fn person(of: &str) -> Person {
    Person { id: id(of), kind: OwnerKind::User, name: None, email: None }
}

fn members(planned: &[Fetch]) -> Vec<String> {
    planned.iter().map(|fetch| fetch.scope().map_or_else(String::new, |scope| scope.id.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn whom_a_page_of_people_names_is_asked_for_ahead_and_who_waited_longest_first() {
    let line = Site::new().line;
    let mut course = ready(&line, &[]);
    let planned = course.planned;
    assert!(planned > 0, "the lists that others hang on");
    course.known.group_members = [id("gap")].into();
    course.known.ended.remove(&ScopeId { kind: ScopeKind::People, of: None });
    let member = |of: &str| Scope::of(ScopeKind::Member, id(of), None).id;
    let attempts = [(member("ana"), 9), (member("bo"), 4)].into();
    let ahead = |course: &Course| members(&course.ahead(&line, &attempts, &["ana", "bo", "cy"].map(person)));
    assert_eq!(ahead(&course), ["member/cy", "member/bo", "member/ana"]);
    assert_eq!(course.planned, planned, "what is asked ahead is planned in its turn");
    course.known.way = Some(Way::Token);
    assert_eq!(ahead(&course), ["member/cy", "member/bo", "member/ana"]);
    for way in [None, Some(Way::Organization)] {
        course.known.way = way;
        assert!(ahead(&course).is_empty(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whom_the_provider_takes_us_for_is_asked_once_of_members_from_all_over_the_list() {
    let line = Site::new().line;
    let all: Vec<String> = (0..11).map(|number| format!("m{number:02}")).collect();
    let mut course = ready(&line, &all);
    let mut planned = course.plan(&line, &HashMap::new());
    assert_eq!(planned.len(), 11);
    planned.push(Fetch::get(Target::Question("in our own name"), "list", "/list"));
    let asked = |course: &Course, planned: &[Fetch]| -> Vec<String> {
        course.canaries(&line, planned).iter().map(|(member, _)| member.to_string()).collect()
    };
    assert_eq!(asked(&course, &planned), ["m00", "m03", "m06"]);
    assert_eq!(asked(&course, &planned[..2]), ["m00", "m01"]);
    assert!(asked(&course, &planned[11..]).is_empty());
    course.proofs.asked = true;
    assert!(asked(&course, &planned).is_empty());
}

#[test]
fn a_way_is_wanting_where_its_own_list_says_so() {
    let wanting = |way: Option<Way>, kind: ScopeKind| {
        let course = Course { known: Known { way, ..Known::default() }, ..Course::default() };
        Reason::ALL.iter().copied().filter(|reason| course.shows_the_way_wanting(kind, *reason)).collect::<Vec<_>>()
    };
    let of_the_organization = [Reason::Forbidden, Reason::NotFound, Reason::AttributionMismatch, Reason::AttributionUnproven];
    assert_eq!(wanting(Some(Way::Organization), ScopeKind::Organization), of_the_organization);
    assert_eq!(wanting(Some(Way::Token), ScopeKind::Member), [Reason::NotFound]);
    for (way, kind) in [
        (None, ScopeKind::Organization),
        (Some(Way::Header), ScopeKind::Member),
        (Some(Way::Header), ScopeKind::Organization),
        (Some(Way::Organization), ScopeKind::Member),
        (Some(Way::Organization), ScopeKind::People),
        (Some(Way::Token), ScopeKind::People),
    ] {
        assert_eq!(wanting(way, kind), [], "{way:?} {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_gave_some_members_tokens_exists() {
    let line = Site::new().line;
    line.ways.leave(line.provider.spec(), &line.account, Way::Header, &Failure::new(Reason::NotFound, ""));
    let mut course = ready(&line, &["ana".to_owned(), "bo".to_owned()]);
    course.plan(&line, &HashMap::new());
    assert_eq!(course.known.way, Some(Way::Token));
    let subject = Subject { member: Some(id("ana")), proof: Proof::Impersonation, organization: None };
    let list = proofs::walked("ana", &[("key", Some("ana"))]);
    assert!(course.take(Ended::Walk(Box::new(list), Learnt::default(), subject), Before::default()).is_some());
    course.wanting = Some(Failure::new(Reason::NotFound, ""));
    assert!(!course.leave_way(&line));
    assert_eq!(line.ways.left().len(), 2, "{:?}", line.ways.left());
    course.proofs.forget();
    course.wanting = Some(Failure::new(Reason::NotFound, ""));
    assert!(!course.leave_way(&line), "it is the last");
    assert_eq!(line.ways.left().len(), 3, "{:?}", line.ways.left());
}

#[test]
fn what_lists_show_is_known_to_the_adapter() {
    let take = |course: &mut Course, kind: ScopeKind, item: Item| {
        let walked = proofs::walk_of(WalkId(1), Scope::only(kind), vec![item]);
        course.take(Ended::Walk(Box::new(walked), Learnt::default(), Subject::default()), Before::default()).unwrap();
    };
    let mut course = Course::default();
    assert!(!course.people_read());
    take(&mut course, ScopeKind::People, Item::Person(Box::new(person("ana"))));
    assert!(course.people_read());
    take(&mut course, ScopeKind::Projects, Item::Project(Box::new(Project { id: id("p"), name: None, archived: false })));
    let Item::Key(mut key) = proofs::listed(&("key", Some("bot"))) else { panic!("a key") };
    take(&mut course, ScopeKind::Admin, Item::Key(key.clone()));
    assert!(course.known.service_accounts.is_empty(), "a user");
    if let Some(owner) = &mut key.owner {
        owner.kind = OwnerKind::ServiceAccount;
    }
    take(&mut course, ScopeKind::ServiceTokens, Item::Key(key));
    let ids = |ids: Vec<&RemoteId>| ids.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(ids(course.known.people.keys().collect()), "ana");
    assert_eq!(ids(course.known.projects.keys().collect()), "p");
    assert_eq!(ids(course.known.service_accounts.iter().collect()), "bot");
}

#[test]
fn groups_tell_of_members_where_they_and_the_people_were_read() {
    let people = ScopeId { kind: ScopeKind::People, of: None };
    let told = |answered: bool, refused: Option<Reason>, read: bool| {
        let mut course = Course::default();
        course.known.people = [(id("ana"), person("ana"))].into();
        course.known.group_members = [id("ana"), id("gap")].into();
        course.known.answered.extend(answered.then_some(GROUPS));
        course.known.unanswered.extend(refused.map(|reason| (GROUPS, Failure::new(reason, ""))));
        course.known.ended.extend(read.then(|| (people.clone(), WalkEnd::Complete)));
        (course.in_groups(), course.notes())
    };
    let notes = vec!["the list of people lacks 1 whom groups name as members".to_owned()];
    assert_eq!(told(true, None, true), (InGroups::Members(vec![id("gap")]), notes));
    for (answered, refused, read) in [(true, None, false), (false, None, true), (false, Some(Reason::Server), true)] {
        assert_eq!(told(answered, refused, read).0, InGroups::NotRead, "{answered} {refused:?} {read}");
    }
    for refused in [Reason::Forbidden, Reason::NotFound] {
        assert_eq!(told(false, Some(refused), true).0, InGroups::Refused);
    }
    assert!(Course::default().notes().is_empty());
}

#[test]
fn a_first_refusal_of_a_list_is_told_as_one() {
    let closed = WalkEnd::Closed(crate::domain::ClosedReason::MemberForbidden);
    let report = |of: &str| ScopeReport {
        scope: Scope::of(ScopeKind::Member, id(of), None),
        end: closed.clone(),
        ..ScopeReport::new(&unread())
    };
    let mut course = Course { reports: vec![report("ana"), report("bo")], ..Course::default() };
    course.refuse(&[report("ana").scope.id]);
    let ends: Vec<&WalkEnd> = course.reports.iter().map(|report| &report.end).collect();
    assert!(matches!(ends[0], WalkEnd::Incomplete(failure) if failure.reason == Reason::RefusedOnce), "{ends:?}");
    assert_eq!(ends[1], &closed);
}

#[test]
fn keys_of_another_organisation_are_noted() {
    let report = |others: u64| ScopeReport { other_organization: others, ..ScopeReport::new(&unread()) };
    let notes = |others: [u64; 2]| Course { reports: others.map(report).into(), ..Course::default() }.notes();
    assert_eq!(notes([1, 2]), ["left out, as keys of another organisation: 3"]);
    assert!(notes([0, 0]).is_empty());
}
