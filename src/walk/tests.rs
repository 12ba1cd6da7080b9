//! Every rule by which a walk is complete, incomplete or closed, and what its pages keep.

use super::*;
use crate::domain::{ItemReason, KeyKind, Moment, Organization, Owner, OwnerKind, Person, Project};
use crate::providers::{Learnt, Target};

const NOW: Time = Time::from_unix(1_760_000_000);
const STARTED: Stamp = Stamp { wall: NOW, boot: Duration::from_secs(1) };
const CAPS: Caps = Caps { items: 10, pages: 4, time: Duration::from_secs(60) };

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

fn request(page: &str) -> Fetch {
    Fetch {
        query: vec![("after", page.into())],
        list: Some("data"),
        ..Fetch::get(Target::Question("not looked at"), "list", "/list")
    }
}

fn begun(kind: ScopeKind) -> Walk {
    Walk::begin(WalkId(1), Scope::only(kind), &request(""), STARTED, CAPS)
}

fn facts(text: &str) -> KeyFacts {
    KeyFacts {
        id: id(text),
        kind: KeyKind::Personal,
        name: Some(Text::clean("name")),
        hint: None,
        owner: None,
        owner_access: None,
        organization: None,
        created_at: None,
        last_used: Moment::Never,
        expires: Moment::Never,
        enabled: true,
    }
}

fn key(text: &str) -> Item {
    Item::Key(Box::new(facts(text)))
}

fn keys(ids: &[&str]) -> Vec<Item> {
    ids.iter().map(|text| key(text)).collect()
}

fn page(items: Vec<Item>, next: Next) -> Page {
    Page {
        elements: items.len() as u64,
        items,
        refused: Vec::new(),
        digests: Vec::new(),
        unchanged: Vec::new(),
        end: End { next, learnt: Learnt::default() },
        server_time: Some(NOW),
        wire_bytes: 1,
        took: Duration::from_secs(1),
    }
}

fn then(page: &str) -> Next {
    Next::Page(Box::new(request(page)))
}

/// Reads pages until the walk ends; every page has to be wanted.
fn read(mut walk: Walk, pages: Vec<Page>, subject: &Subject) -> Walked {
    let last = pages.len();
    for (nth, page) in pages.into_iter().enumerate() {
        match walk.page(page, subject, STARTED) {
            Turn::Ended(end) => {
                assert_eq!(nth + 1, last, "ended early: {end:?}");
                return walk.finish(end, NOW);
            }
            Turn::Next(_) => {}
        }
    }
    panic!("it wants another page")
}

fn read_keys(pages: Vec<Page>) -> Walked {
    read(begun(ScopeKind::Project), pages, &Subject::default())
}

/// The reason why it is incomplete; there is no proof then.
fn reason(walked: &Walked) -> Reason {
    assert!(walked.proof().is_none());
    match walked.end() {
        WalkEnd::Incomplete(failure) => failure.reason,
        end @ (WalkEnd::Complete | WalkEnd::Closed(_)) => panic!("{end:?}"),
    }
}

fn found(walked: &Walked) -> Vec<&str> {
    match walked.found() {
        Found::Keys(keys) => keys.iter().map(|key| key.id.as_str()).collect(),
        Found::People(people) => people.iter().map(|person| person.id.as_str()).collect(),
        Found::Projects(projects) => projects.iter().map(|project| project.id.as_str()).collect(),
    }
}

#[test]
fn a_list_read_to_its_own_end_is_complete() {
    let walked = read_keys(vec![page(keys(&["a", "b"]), then("b")), page(keys(&["c"]), Next::Done)]);
    assert!(walked.proof().is_some());
    assert_eq!((found(&walked), walked.pages()), (vec!["a", "b", "c"], 2));
    assert_eq!((walked.duplicates(), walked.secret_like()), (0, 0));
    assert!(read_keys(vec![page(Vec::new(), Next::Done)]).proof().is_some(), "an empty list is one");
    let empty_end = read_keys(vec![page(keys(&["a"]), then("a")), page(Vec::new(), Next::Done)]);
    assert!(empty_end.proof().is_some(), "an empty page may end a list");
}

#[test]
fn nobody_can_say_that_a_walk_is_complete_but_its_pages() {
    let unread = begun(ScopeKind::Project).finish(WalkEnd::Complete, NOW);
    assert_eq!(reason(&unread), Reason::Internal);
    let unread = begun(ScopeKind::Project).finish(WalkEnd::Closed(ClosedReason::ProjectArchived), NOW);
    assert_eq!(reason(&unread), Reason::Internal);

    let mut half = begun(ScopeKind::Project);
    assert!(matches!(half.page(page(keys(&["a"]), then("a")), &Subject::default(), STARTED), Turn::Next(_)));
    let half = half.finish(WalkEnd::Complete, NOW);
    assert_eq!((reason(&half), found(&half)), (Reason::Internal, vec!["a"]));

    let mut failed = begun(ScopeKind::Project);
    failed.page(page(Vec::new(), then("a")), &Subject::default(), STARTED);
    assert_eq!(reason(&failed.finish(WalkEnd::Complete, NOW)), Reason::Contradiction);

    let mut less = begun(ScopeKind::Project);
    less.page(page(keys(&["a"]), Next::Done), &Subject::default(), STARTED);
    let unproven = WalkEnd::Incomplete(Failure::new(Reason::AttributionUnproven, ""));
    assert_eq!(reason(&less.finish(unproven, NOW)), Reason::AttributionUnproven, "less is always allowed");

    let mut more = begun(ScopeKind::Project);
    more.page(page(keys(&["a"]), Next::Done), &Subject::default(), STARTED);
    more.page(page(keys(&["b"]), Next::Done), &Subject::default(), STARTED);
    assert_eq!(reason(&more.finish(WalkEnd::Complete, NOW)), Reason::Internal, "nothing comes after the end");
}

#[test]
fn an_adapter_can_drop_nothing() {
    let mut walk = begun(ScopeKind::Project);
    let Turn::Ended(end) = walk.page(page(keys(&["a", "b"]), Next::Done), &Subject::default(), STARTED) else { panic!() };
    if let Found::Keys(keys) = walk.found_mut() {
        keys.pop();
    }
    assert_eq!(reason(&walk.finish(end, NOW)), Reason::Internal);

    let lost = Page { elements: 3, ..page(keys(&["a", "b"]), Next::Done) };
    assert_eq!(reason(&read_keys(vec![lost])), Reason::Internal, "each element is kept or refused");
}

#[test]
fn a_page_without_a_new_id_is_repeated() {
    let again = read_keys(vec![page(keys(&["a", "b"]), then("b")), page(keys(&["a", "b"]), then("c"))]);
    assert_eq!((reason(&again), found(&again)), (Reason::RepeatedPage, vec!["a", "b"]));
    let last = read_keys(vec![page(keys(&["a", "b"]), then("b")), page(keys(&["b"]), Next::Done)]);
    assert_eq!(reason(&last), Reason::RepeatedPage, "also at the end: the right page is not known");
    let overlap = read_keys(vec![page(keys(&["a", "b"]), then("b")), page(keys(&["b", "c"]), Next::Done)]);
    assert_eq!((overlap.end(), overlap.duplicates()), (&WalkEnd::Complete, 1));
    let twice_before = read_keys(vec![page(keys(&["a", "a"]), then("b")), page(keys(&["a"]), Next::Done)]);
    assert_eq!(reason(&twice_before), Reason::RepeatedPage, "each page is judged by itself");

    let person = |text: &str| Item::Person(Box::new(Person { id: id(text), kind: OwnerKind::User, name: None, email: None }));
    let project = |text: &str| Item::Project(Box::new(Project { id: id(text), name: None, archived: false }));
    for (kind, item) in [(ScopeKind::People, &person as &dyn Fn(&str) -> Item), (ScopeKind::Projects, &project)] {
        let pages = vec![page(vec![item("a"), item("b")], then("b")), page(vec![item("a"), item("b")], Next::Done)];
        assert_eq!(reason(&read(begun(kind), pages, &Subject::default())), Reason::RepeatedPage, "{kind}");
    }

    let skipped = || vec![Item::Skipped, Item::Skipped];
    let invited = read(
        begun(ScopeKind::People),
        vec![page(skipped(), then("x")), page(skipped(), then("y")), page(Vec::new(), Next::Done)],
        &Subject::default(),
    );
    assert!(invited.proof().is_some(), "elements that are left out have ids of their own");
}

#[test]
fn a_request_is_made_once() {
    let walked = read_keys(vec![page(keys(&["a"]), then("a")), page(keys(&["b"]), then("a"))]);
    assert_eq!((reason(&walked), found(&walked)), (Reason::RepeatedPage, vec!["a", "b"]));
    assert_eq!(reason(&read_keys(vec![page(keys(&["a"]), then(""))])), Reason::RepeatedPage, "the first one counts");
}

#[test]
fn an_empty_page_promises_nothing() {
    assert_eq!(reason(&read_keys(vec![page(Vec::new(), then("a"))])), Reason::Contradiction);
    let later = read_keys(vec![page(keys(&["a"]), then("a")), page(Vec::new(), then("b"))]);
    assert_eq!((reason(&later), found(&later)), (Reason::Contradiction, vec!["a"]));
}

#[test]
fn walks_have_bounds() {
    let ids = |from: usize| (from..from + 6).map(|number| key(&format!("k{number}"))).collect::<Vec<_>>();
    let items = read_keys(vec![page(ids(0), then("a")), page(ids(6), Next::Done)]);
    assert_eq!((reason(&items), found(&items).len()), (Reason::TooManyItems, 6));
    let ten = read_keys(vec![page(ids(0), then("a")), page(ids(6).split_off(2), Next::Done)]);
    assert!(ten.proof().is_some(), "as many as allowed are allowed");

    let one = |nth: usize| page(keys(&[&format!("k{nth}")]), then(&format!("p{nth}")));
    assert_eq!(reason(&read_keys((0..4).map(one).collect())), Reason::TooManyPages);
    let exactly = (0..3).map(one).chain([page(keys(&["last"]), Next::Done)]).collect();
    assert!(read_keys(exactly).proof().is_some(), "as many as allowed are allowed");

    let slow = |seconds, next| Page { took: Duration::from_secs(seconds), ..page(keys(&["a"]), next) };
    assert_eq!(reason(&read_keys(vec![slow(61, then("a"))])), Reason::Timeout);
    assert!(read_keys(vec![slow(60, then("a")), page(keys(&["b"]), Next::Done)]).proof().is_some());
    assert!(read_keys(vec![slow(61, Next::Done)]).proof().is_some(), "what was read whole in the end is whole");
}

#[test]
fn a_refused_element_costs_completeness_and_no_other_element() {
    let refused = vec![(1, Refused::new(ItemReason::BadId, "id"))];
    let second = Page { elements: 3, refused, ..page(keys(&["c", "d"]), Next::Done) };
    let walked = read_keys(vec![page(keys(&["a", "b"]), then("b")), second]);
    assert_eq!((reason(&walked), found(&walked)), (Reason::ItemRefused, vec!["a", "b", "c", "d"]));
    assert_eq!(walked.refused(), [(3, Refused::new(ItemReason::BadId, "id"))], "counted over all pages");
    let WalkEnd::Incomplete(failure) = walked.end() else { panic!() };
    assert!(failure.detail.contains("1 of 5") && failure.detail.contains("number 3"), "{failure}");
}

#[test]
fn the_same_key_twice_is_one_with_the_later_use() {
    let used = |at| Item::Key(Box::new(KeyFacts { last_used: at, ..facts("a") }));
    let (early, late) = (Moment::At(NOW), Moment::At(NOW.plus(60)));
    for [first, second] in [[early, late], [late, early], [Moment::Never, late], [late, Moment::NotReported]] {
        let walked = read_keys(vec![page(vec![used(first), used(second)], Next::Done)]);
        assert!(walked.proof().is_some());
        let Found::Keys(keys) = walked.found() else { panic!() };
        assert_eq!((keys.len(), keys[0].last_used, walked.duplicates()), (1, late, 1));
    }
    let renamed = Item::Key(Box::new(KeyFacts { name: Some(Text::clean("other")), ..facts("a") }));
    let walked = read_keys(vec![page(vec![key("a"), key("b"), renamed, key("c")], Next::Done)]);
    assert_eq!((reason(&walked), found(&walked)), (Reason::InconsistentDuplicate, vec!["a", "b"]));
}

#[test]
fn people_and_projects_twice() {
    let person =
        |name| Item::Person(Box::new(Person { id: id("u"), kind: OwnerKind::User, name: Some(Text::clean(name)), email: None }));
    let people =
        |second| read(begun(ScopeKind::People), vec![page(vec![person("x"), person(second)], Next::Done)], &Subject::default());
    assert!(people("x").proof().is_some());
    assert_eq!(reason(&people("y")), Reason::InconsistentDuplicate);

    let project = |name, archived| Item::Project(Box::new(Project { id: id("p"), name: Some(Text::clean(name)), archived }));
    let projects =
        |first, second| read(begun(ScopeKind::Projects), vec![page(vec![first, second], Next::Done)], &Subject::default());
    for (first, second, archived) in [(true, false, false), (false, true, false), (true, true, true)] {
        let walked = projects(project("x", first), project("x", second));
        assert!(walked.proof().is_some());
        assert_eq!(walked.found(), &Found::Projects(vec![Project { id: id("p"), name: Some(Text::clean("x")), archived }]));
    }
    assert_eq!(reason(&projects(project("x", false), project("y", false))), Reason::InconsistentDuplicate);
}

#[test]
fn clocks_agree_within_an_hour() {
    for (skew, agrees) in [(0, true), (3600, true), (-3600, true), (3601, false), (-3601, false)] {
        let walked = read_keys(vec![Page { server_time: Some(NOW.plus(skew)), ..page(keys(&["a"]), Next::Done) }]);
        assert_eq!(walked.proof().is_some(), agrees, "{skew} s");
        if !agrees {
            assert_eq!(reason(&walked), Reason::ClockSkew);
        }
    }
    let later = Page { server_time: Some(NOW.plus(9000)), ..page(keys(&["b"]), Next::Done) };
    assert_eq!(reason(&read_keys(vec![page(keys(&["a"]), then("a")), later])), Reason::ClockSkew, "on every page");
    let untold = Page { server_time: None, ..page(keys(&["a"]), Next::Done) };
    assert!(read_keys(vec![untold]).proof().is_some());
}

#[test]
fn a_clock_that_is_set_while_a_list_is_read_dates_nothing() {
    let read = |started: i64, first: i64, second: i64| {
        let begun = Stamp { wall: NOW.plus(started), ..STARTED };
        let mut walk = Walk::begin(WalkId(1), Scope::only(ScopeKind::Member), &request(""), begun, CAPS);
        let pages = [(10, first, page(keys(&["a"]), then("a"))), (20, second, page(keys(&["b"]), Next::Done))];
        for (after, set, page) in pages {
            let wall = NOW.plus(set + after);
            let now = Stamp { wall, boot: STARTED.boot + Duration::from_secs(after.unsigned_abs()) };
            // Whatever our clock says, the provider's is right; half of them do not tell it.
            let page = Page { server_time: (set == 0).then(|| NOW.plus(after)), ..page };
            if let Turn::Ended(end) = walk.page(page, &Subject::default(), now) {
                return walk.finish(end, wall);
            }
        }
        panic!("it wants another page")
    };
    assert!(read(0, 0, 0).proof().is_some());
    assert!(read(3600, 0, 0).proof().is_some() && read(-3600, 0, 0).proof().is_some(), "within an hour");
    for (started, first, second, what) in [
        (-7200, 0, 0, "set right before the first answer: the list would count as read two hours earlier"),
        (31_536_000, 0, 0, "or a year later"),
        (0, 7200, 7200, "set wrong, and no answer tells it"),
        (0, 0, -7200, "in the middle"),
    ] {
        let walked = read(started, first, second);
        assert_eq!(reason(&walked), Reason::ClockSkew, "{what}");
    }
}

fn owned(text: &str, owner: Option<&str>, organization: Option<&str>) -> Item {
    let owner = owner.map(|owner| Owner { kind: OwnerKind::User, id: id(owner), name: None, email: None });
    Item::Key(Box::new(KeyFacts { owner, organization: organization.map(id), ..facts(text) }))
}

#[test]
fn what_belongs_to_somebody_else_empties_the_walk() {
    let subject = Subject { member: Some(id("me")), ..Subject::default() };
    let pages =
        |owner| vec![page(vec![owned("a", Some("me"), None)], then("a")), page(vec![owned("b", owner, None)], Next::Done)];
    let walked = read(begun(ScopeKind::Member), pages(Some("other")), &subject);
    assert_eq!((reason(&walked), walked.found().len()), (Reason::AttributionMismatch, 0));
    for owner in [Some("me"), None] {
        assert_eq!(found(&read(begun(ScopeKind::Member), pages(owner), &subject)), ["a", "b"], "{owner:?}");
    }
    for unproven in [Reason::AttributionMismatch, Reason::AttributionUnproven] {
        let mut walk = begun(ScopeKind::Member);
        walk.page(page(keys(&["a"]), Next::Done), &Subject::default(), STARTED);
        let walked = walk.finish(WalkEnd::Incomplete(Failure::new(unproven, "")), NOW);
        assert_eq!(walked.found().len(), 0, "{unproven}");
    }
}

#[test]
fn another_organisation_is_left_out_of_a_members_list_and_fails_any_other() {
    let subject = Subject { organization: Some(id("ours")), ..Subject::default() };
    let items = || vec![owned("a", None, Some("ours")), owned("b", None, Some("theirs")), owned("c", None, None)];
    let walked = read(begun(ScopeKind::Member), vec![page(items(), Next::Done)], &subject);
    assert!(walked.proof().is_some());
    assert_eq!((found(&walked), walked.other_organization().len()), (vec!["a", "c"], 1));

    let theirs = |text| page(vec![owned(text, None, Some("theirs"))], then(text));
    let pages = vec![theirs("a"), theirs("b"), page(keys(&["c"]), then("c")), page(keys(&["c"]), Next::Done)];
    let walked = read(begun(ScopeKind::Member), pages, &subject);
    assert_eq!(reason(&walked), Reason::RepeatedPage, "a page of others is not repeated, and hides no page that is");

    for kind in [ScopeKind::Organization, ScopeKind::ServiceTokens, ScopeKind::Project, ScopeKind::Admin] {
        let walked = read(begun(kind), vec![page(items(), Next::Done)], &subject);
        assert_eq!((reason(&walked), walked.found().len()), (Reason::AttributionMismatch, 0), "{kind}");
    }
}

#[test]
fn a_list_closes_on_its_first_page_alone() {
    let closed = || page(Vec::new(), Next::Closed(ClosedReason::NoAdminList));
    let first = read(begun(ScopeKind::Admin), vec![closed()], &Subject::default());
    assert_eq!(first.end(), &WalkEnd::Closed(ClosedReason::NoAdminList));
    assert!(first.proof().is_none(), "closed is not empty");
    let later = read(begun(ScopeKind::Admin), vec![page(keys(&["a"]), then("a")), closed()], &Subject::default());
    assert_eq!((reason(&later), found(&later)), (Reason::Contradiction, vec!["a"]));
}

#[test]
fn placeholders_are_tagged_wherever_people_write() {
    let secret = || Some(Text::clean("sk-proj-abcdefghijklmnop1234"));
    let owner = Owner { kind: OwnerKind::User, id: id("ana"), name: secret(), email: secret() };
    let person = Person { id: id("ana"), kind: OwnerKind::User, name: secret(), email: secret() };
    let items = vec![
        Item::Key(Box::new(KeyFacts { name: secret(), owner: Some(owner), ..facts("k") })),
        Item::Person(Box::new(person)),
        Item::Project(Box::new(Project { id: id("p"), name: secret(), archived: false })),
    ];
    let organization = || Organization { id: id("o"), name: secret() };
    let mut page = page(items, Next::Done);
    page.end.learnt.organization = Some(organization());
    page.end.learnt.organizations = Some(vec![organization(), organization()]);
    page.tag(&TagKey::new("0123456789abcdef0123456789abcdef"));
    let told = format!("{:?} {:?}", page.items, page.end);
    assert_eq!(told.matches("text removed #d8aca6e9]").count(), 9, "{told}");
}

#[test]
fn a_list_holds_what_its_scope_lists() {
    let walked = read(begun(ScopeKind::People), vec![page(keys(&["a"]), Next::Done)], &Subject::default());
    assert_eq!(reason(&walked), Reason::Internal);
}

#[test]
fn an_empty_page_after_a_full_one_may_hide_the_rest() {
    let cut = |limit: Option<&str>, pages: &[usize]| {
        let mut first = request("");
        first.query.extend(limit.map(|limit| ("limit", limit.to_owned())));
        let walk = Walk::begin(WalkId(1), Scope::only(ScopeKind::Admin), &first, STARTED, CAPS);
        let mut number = 0;
        let mut read_pages = Vec::new();
        for (nth, elements) in pages.iter().enumerate() {
            let items = (0..*elements).map(|_| {
                number += 1;
                key(&format!("key_{number}"))
            });
            let next = if nth + 1 == pages.len() { Next::Done } else { then(&nth.to_string()) };
            read_pages.push(page(items.collect(), next));
        }
        read(walk, read_pages, &Subject::default()).may_be_cut()
    };
    for (limit, pages, expected) in [
        (Some("3"), &[3, 0][..], true),
        (Some("3"), &[2, 0], false),
        (Some("3"), &[3, 1, 0], false),
        (Some("3"), &[3], false),
        (Some("3"), &[0], false),
        (Some("9"), &[2, 2, 0], true),
        (Some("9"), &[2, 1, 0], false),
        (None, &[2, 0], false),
    ] {
        assert_eq!(cut(limit, pages), expected, "{limit:?} {pages:?}");
    }
}
