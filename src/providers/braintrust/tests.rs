//! What is special to Braintrust; what every adapter must do is in the contract tests.

use std::collections::BTreeSet;

use super::*;
use crate::domain::{Hint, ItemReason, KeyFacts, Moment, Organization, OwnerKind, Person, Text, Time, WalkEnd};
use crate::providers::{OwnKeys, Proof};

mod refusals;

const AS: &str = "x-bt-impersonate-user";

fn remote(id: &str) -> RemoteId {
    RemoteId::new(id).unwrap()
}

fn acme() -> Organization {
    Organization { id: remote("org-a"), name: Some(Text::clean("Acme & Co")) }
}

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Account { name: "acme".to_owned(), options: options.collect() }
}

fn person(id: &str, name: Option<&str>) -> (RemoteId, Person) {
    let person =
        Person { id: remote(id), kind: OwnerKind::User, name: name.map(Text::clean), email: Some(Text::clean("e@x.example")) };
    (remote(id), person)
}

/// A poll that has asked everything that member walks rest on.
fn ready(way: Way) -> Known {
    let scope = |kind| ScopeId { kind, of: None };
    Known {
        caller: Some(remote("u-me")),
        organization: Some(acme()),
        people: [person("u-me", Some("Me")), person("u-2", Some("Two")), person("u-3", None), person("sa-1", None)].into(),
        group_members: BTreeSet::from([remote("u-2"), remote("u-gap")]),
        service_accounts: BTreeSet::from([remote("sa-1")]),
        ended: [ScopeKind::People, ScopeKind::ServiceTokens].map(|kind| (scope(kind), WalkEnd::Complete)).into(),
        answered: [requests::WHO, "organization", GROUPS, OWN_KEYS].into(),
        way: Some(way),
        ..Known::default()
    }
}

fn paths(account: &Account, known: &Known) -> Vec<String> {
    Braintrust.plan(account, known).into_iter().map(|f| f.path).collect()
}

fn members(account: &Account, known: &Known) -> Vec<Fetch> {
    let wanted = Braintrust.plan(account, known).into_iter();
    wanted.filter(|f| matches!(&f.target, Target::Scope(s) if s.id.kind == ScopeKind::Member)).collect()
}

fn member_list(id: &str, way: Way) -> Fetch {
    let scope = Scope::of(ScopeKind::Member, remote(id), None);
    Asking::new(&Account::default(), &acme()).member_keys(&Account::default(), scope, &remote(id), Some(&remote("u-me")), way)
}

fn organization_list() -> Fetch {
    Asking::new(&Account::default(), &acme()).organization_keys()
}

fn end(fetch: &Fetch, status: u16, rest: &str) -> Result<End, Failure> {
    let last = remote("last");
    let elements = (status == 200 && fetch.list.is_some()).then_some(1);
    let known = Known::default();
    Braintrust.end(fetch, &Answer { status, rest: rest.as_bytes(), elements, last_id: Some(&last), known: &known })
}

fn reason(fetch: &Fetch, status: u16) -> Result<Next, Reason> {
    end(fetch, status, "no").map(|end| end.next).map_err(|f| f.reason)
}

fn read(fetch: &Fetch, body: &str) -> Result<KeyFacts, ItemReason> {
    match Braintrust.item(fetch, body.as_bytes()).map_err(|r| r.reason)? {
        Item::Key(key) => Ok(*key),
        other @ (Item::Person(_) | Item::Project(_) | Item::Skipped) => panic!("no key: {other:?}"),
    }
}

fn query<'a>(fetch: &'a Fetch, parameter: &str) -> Option<&'a str> {
    fetch.query.iter().find(|(name, _)| *name == parameter).map(|(_, value)| value.as_str())
}

#[test]
fn nothing_is_listed_before_the_organization_and_no_member_before_the_rest() {
    let first = ["/api/self/me", "/v1/organization"];
    let none = account(&[]);
    let mut known = Known { way: Some(Way::Header), ..Known::default() };
    assert_eq!(paths(&none, &known), first);
    known.organizations = Some(vec![acme()]);
    assert_eq!(paths(&none, &known), first, "self/me alone confirms nothing");
    known.organization = Some(acme());
    let lists = ["/v1/user", "/v1/service_token", "/v1/group", "/v1/api_key"];
    assert_eq!(paths(&none, &known)[2..], lists);
    for way in [Way::Organization, Way::Header, Way::Token] {
        let whole = ready(way);
        assert!(paths(&none, &whole).len() > 6, "{way}");
        for question in [requests::WHO, GROUPS, OWN_KEYS] {
            let mut part = whole.clone();
            part.answered.remove(question);
            assert_eq!(paths(&none, &part).len(), 6, "{way} without {question}");
            part.unanswered.insert(question, Failure::new(Reason::Forbidden, "status 403"));
            assert_eq!(paths(&none, &part), paths(&none, &whole), "{way}: a refused {question} is an answer too");
        }
        for kind in [ScopeKind::People, ScopeKind::ServiceTokens] {
            let mut part = whole.clone();
            part.ended.remove(&ScopeId { kind, of: None });
            assert_eq!(paths(&none, &part).len(), 6, "{way} without {kind}");
        }
    }
    assert_eq!(paths(&none, &Known { way: None, ..ready(Way::Header) }).len(), 6, "without a way there is no list");
}

#[test]
fn who_we_are_is_asked_by_get_only_where_post_is_not_known() {
    let asked = |reason: Option<Reason>| -> Vec<(Target, Method)> {
        let mut known = Known::default();
        known.unanswered.extend(reason.map(|reason| (requests::WHO, Failure::new(reason, "refused"))));
        let wanted = Braintrust.plan(&account(&[]), &known).into_iter();
        wanted.filter(|f| f.path == "/api/self/me").map(|f| (f.target, f.method)).collect()
    };
    let post = (Target::Question("self"), Method::WhoAmI);
    let get = (Target::Question("self_get"), Method::Get);
    assert_eq!(asked(None), vec![post.clone()]);
    assert_eq!(asked(Some(Reason::Auth)), vec![post.clone()]);
    assert_eq!(asked(Some(Reason::NotFound)), [post.clone(), get.clone()]);
    assert_eq!(asked(Some(Reason::UnexpectedStatus)), [post, get]);
    assert_eq!(reason(&requests::whoami(&Method::WhoAmI), 405), Err(Reason::UnexpectedStatus));
}

#[test]
fn members_are_asked_for_by_header_and_the_caller_plainly() {
    let known = ready(Way::Header);
    let all = members(&account(&[]), &known);
    let whose: Vec<(String, Option<&str>)> = all
        .iter()
        .map(|f| {
            let Target::Scope(scope) = &f.target else { panic!("no scope") };
            (scope.id.to_string(), scope.name.as_ref().map(Text::as_str))
        })
        .collect();
    let named = |id: &str, name| (format!("member/{id}"), name);
    assert_eq!(
        whose,
        [named("u-2", Some("Two")), named("u-3", Some("e@x.example")), named("u-me", Some("Me")), named("u-gap", None)],
        "service accounts are left out, members of groups are not"
    );
    for fetch in &all {
        let member = fetch.subject.member.clone().unwrap();
        assert_eq!(
            (fetch.path.as_str(), fetch.list, &fetch.grant, fetch.way),
            ("/v1/api_key", Some("objects"), &None, Some(Way::Header))
        );
        assert_eq!(fetch.subject.organization, Some(remote("org-a")));
        assert_eq!((query(fetch, "limit"), query(fetch, "org_name")), (Some("100"), Some("Acme & Co")));
        if member.as_str() == "u-me" {
            assert_eq!((fetch.headers.len(), fetch.subject.proof), (0, Proof::None));
        } else {
            assert_eq!((&fetch.headers, fetch.subject.proof), (&vec![(AS, member)], Proof::Impersonation));
        }
    }
    let unknown = Known { caller: None, ..known };
    assert!(members(&account(&[]), &unknown).iter().all(|f| f.headers.len() == 1), "who is unknown is nobody");
}

#[test]
fn a_token_is_exchanged_for_each_member() {
    let all = members(&account(&[]), &ready(Way::Token));
    assert_eq!(all.len(), 4);
    for fetch in &all {
        assert!(fetch.headers.is_empty() && fetch.way == Some(Way::Token));
        let member = fetch.subject.member.clone().unwrap();
        let Some(grant) = &fetch.grant else {
            assert_eq!((member.as_str(), fetch.subject.proof), ("u-me", Proof::None));
            continue;
        };
        assert_eq!(fetch.subject.proof, Proof::Impersonation);
        assert_eq!(grant.exchange.path, "/v1/impersonate");
        assert_eq!(grant.exchange.method, Method::Exchange { user: member });
        let at = |pointer: &str| grant.token.iter().position(|p| p == pointer).unwrap();
        assert!(at("/token") < at("/access_token") && at("/accessToken") < at("/data/token"), "{:?}", grant.token);
        assert!(at("/data/accessToken") < at("/result/token"), "{:?}", grant.token);
    }
    let named = members(&account(&[("token_field", "/secret/0")]), &ready(Way::Token));
    let grants: Vec<_> = named.iter().filter_map(|f| f.grant.as_ref()).collect();
    assert!(grants.len() == 3 && grants.iter().all(|grant| grant.token == ["/secret/0"]));
}

#[test]
fn an_organization_list_needs_the_callers_own_keys() {
    let wanted = Braintrust.plan(&account(&[]), &ready(Way::Organization));
    let list = wanted.last().unwrap();
    assert_eq!((list.path.as_str(), list.subject.proof), ("/v1/organization/api_keys", Proof::OwnKeys));
    assert_eq!((query(list, "org_id"), query(list, "org_name"), list.way), (Some("org-a"), None, Some(Way::Organization)));
    assert_eq!((list.subject.organization.clone(), list.subject.member.clone()), (Some(remote("org-a")), None));
    let own = wanted.iter().find(|f| f.target == Target::Question(OWN_KEYS)).unwrap();
    assert_eq!((own.headers.len(), own.list, own.way), (0, Some("objects"), None));
    assert_eq!(own.subject.member, Some(remote("u-me")));
}

#[test]
fn the_organization_is_selected_by_a_name_that_nothing_changed() {
    let sent = |options: &[(&str, &str)], name: Option<&str>| {
        let organization = Organization { id: remote("org-a"), name: name.map(Text::clean) };
        query(&Asking::new(&account(options), &organization).people(), "org_name").map(str::to_owned)
    };
    assert_eq!(sent(&[("org_name", "acme")], Some("Acme")).as_deref(), Some("acme"));
    assert_eq!(sent(&[], Some("Acme & Söhne GmbH")).as_deref(), Some("Acme & Söhne GmbH"));
    assert_eq!(sent(&[], Some("a\u{200b}b")), None, "escaped");
    assert_eq!(sent(&[], Some("sk-proj-abcdefghijklmnop1234")), None, "removed");
    assert_eq!(sent(&[], Some(&"x".repeat(300))), None, "cut");
    assert_eq!(sent(&[], None), None);
}

#[test]
fn one_organization_is_found_or_none() {
    let page = |org_name: Option<&str>, after: Option<&str>, organizations: &[(&str, &str)]| {
        let mut fetch = requests::organizations(org_name);
        fetch.query.extend(after.map(|id| (AFTER, id.to_owned())));
        let objects: Vec<String> = organizations.iter().map(|(id, name)| format!(r#"{{"id":"{id}","name":"{name}"}}"#)).collect();
        end(&fetch, 200, &format!(r#"{{"objects":[{}]}}"#, objects.join(",")))
    };
    let told = |ended: Result<End, Failure>| match ended {
        Ok(End { next, learnt }) => {
            let after = match next {
                Next::Page(page) => query(&page, AFTER).map(str::to_owned),
                Next::Done => None,
                Next::Closed(reason) => panic!("{reason}"),
            };
            Ok((learnt.organization.map(|o| o.id.to_string()), after))
        }
        Err(failure) => Err(failure.reason),
    };
    let is = |id: Option<&str>, after: Option<&str>| Ok((id.map(str::to_owned), after.map(str::to_owned)));
    let (a, b) = (("org-a", "acme"), ("org-b", "bravo"));
    for (org_name, after, seen, expected) in [
        (Some("acme"), None, vec![a], is(Some("org-a"), None)),
        (Some("acme"), None, vec![b, a], is(Some("org-a"), None)),
        (Some("acme"), None, vec![b], is(None, Some("org-b"))),
        (Some("acme"), Some("org-b"), vec![a], is(Some("org-a"), None)),
        (Some("acme"), None, vec![], Err(Reason::Forbidden)),
        (Some("acme"), Some("org-b"), vec![], Err(Reason::Forbidden)),
        (Some("acme"), None, vec![a, ("org-c", "acme")], Err(Reason::OrganizationAmbiguous)),
        (Some("Acme"), None, vec![a], is(None, Some("org-a"))),
        (None, None, vec![a], is(Some("org-a"), Some("org-a"))),
        (None, None, vec![a, a], is(Some("org-a"), Some("org-a"))),
        (None, Some("org-a"), vec![], is(None, None)),
        (None, None, vec![a, b], Err(Reason::OrganizationAmbiguous)),
        (None, Some("org-a"), vec![b], Err(Reason::OrganizationAmbiguous)),
        (None, None, vec![], Err(Reason::Forbidden)),
        (None, None, vec![("a b", "acme")], Err(Reason::Malformed)),
    ] {
        assert_eq!(told(page(org_name, after, &seen)), expected, "{org_name:?} {after:?} {seen:?}");
    }
    let many: Vec<(String, String)> = (0..30).map(|n| (format!("org-{n}"), format!("name {n}\\u001b"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    let detail = page(None, None, &many).unwrap_err().detail;
    assert!(detail.contains("name 0\\u{1b} (org-0)") && detail.ends_with("10 more") && !detail.contains('\u{1b}'), "{detail}");
    let all = page(None, None, &many[..20]).unwrap_err().detail;
    assert!(all.ends_with("(org-19)"), "{all}");
}

#[test]
fn the_caller_is_learnt_and_a_members_organizations_are_not() {
    let body = r#"{"id":"u-2","email":null,"organizations":[{"id":"org-a","name":"acme"}]}"#;
    let own = end(&requests::whoami(&Method::Get), 200, body).unwrap().learnt;
    assert_eq!((own.caller, own.organizations.map(|all| all.len()), own.organization), (Some(remote("u-2")), Some(1), None));
    let other = end(&requests::whoami_as(&remote("u-2"), &Method::WhoAmI), 200, body).unwrap().learnt;
    assert_eq!((other.caller, other.organizations), (Some(remote("u-2")), None));
    assert_eq!(end(&requests::whoami(&Method::Get), 200, r#"{"id":"a b"}"#).map_err(|f| f.reason), Err(Reason::Malformed));
}

#[test]
fn identity_is_asked_as_the_member_where_that_can_be() {
    let ask = |known: &Known, member: &str| Braintrust.identity(&account(&[]), known, &remote(member));
    let known = ready(Way::Header);
    let fetch = ask(&known, "u-2").unwrap();
    assert_eq!((fetch.path.as_str(), fetch.method.clone()), ("/api/self/me", Method::WhoAmI));
    assert_eq!((fetch.headers, fetch.subject.member), (vec![(AS, remote("u-2"))], Some(remote("u-2"))));
    assert_eq!(ask(&known, "u-me"), None, "as oneself it proves nothing");
    assert_eq!(ask(&ready(Way::Token), "u-2"), None);
    assert_eq!(fetch.target, Target::Question("identity"), "it tells nothing of ourselves");
    for (answered, method) in [
        (vec![], Method::WhoAmI),
        (vec![requests::WHO_BY_GET], Method::Get),
        (vec![requests::WHO, requests::WHO_BY_GET], Method::WhoAmI),
    ] {
        let mut known = known.clone();
        known.answered.retain(|question| *question != requests::WHO);
        known.answered.extend(&answered);
        assert_eq!(ask(&known, "u-2").map(|f| f.method), Some(method), "{answered:?}");
    }
}

#[test]
fn a_credential_is_a_key_of_the_callers_or_a_service_token() {
    let keys = ["mine", "another"].map(|id| {
        Box::new(read(&organization_list(), &format!(r#"{{"id":"{id}","name":"","preview_name":"sk-...abc"}}"#)).unwrap())
    });
    let own_keys = Some(OwnKeys { bound: BTreeSet::from([remote("mine")]), others: BTreeSet::new() });
    let own = |scope: Scope, caller: Option<&str>| {
        let known = Known { own_keys: own_keys.clone(), caller: caller.map(remote), ..Known::default() };
        let own = Braintrust.may_be_own(&Account::default(), &known, &scope.id, &keys)?;
        Some(own.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(" "))
    };
    let member = |of: &str| Scope::of(ScopeKind::Member, remote(of), None);
    assert_eq!(own(Scope::only(ScopeKind::ServiceTokens), None).as_deref(), Some("mine another"));
    assert_eq!(own(Scope::only(ScopeKind::Organization), None).as_deref(), Some("mine"));
    assert_eq!(own(member("u-me"), Some("u-me")).as_deref(), Some("mine"));
    assert_eq!((own(member("u-2"), Some("u-me")), own(member("u-2"), None)), (None, None));
    assert_eq!(own(Scope::only(ScopeKind::Member), None), None);
}

#[test]
fn no_list_is_read_apart() {
    let lists = [member_list("u-2", Way::Header), Asking::new(&account(&[]), &acme()).people(), organization_list()];
    assert!(!lists.iter().any(|list| Braintrust.reads_apart(list)), "service accounts show in the keys that they own");
}

#[test]
fn groups_name_members_of_this_organization() {
    let groups = Asking::new(&account(&[]), &acme()).groups();
    assert_eq!((groups.list, query(&groups, "limit"), query(&groups, "org_name")), (None, Some("20"), Some("Acme & Co")));
    let group = |id: &str, org: &str, more: &str| format!(r#"{{"id":"{id}","org_id":"{org}"{more}}}"#);
    let body = |all: &[String]| format!(r#"{{"objects":[{}]}}"#, all.join(","));
    let ended = end(
        &groups,
        200,
        &body(&[
            group("g1", "org-a", r#","member_users":["u-1","u-2"]"#),
            group("g2", "org-a", r#","member_users":["u-2"],"deleted_at":null"#),
            group("g3", "org-a", r#","member_users":["u-old"],"deleted_at":"2025-09-01T00:00:00Z""#),
            group("g4", "org-b", r#","member_users":["u-other"]"#),
            group("g5", "org-a", r#","member_users":null,"member_groups":["g1"]"#),
        ]),
    );
    let End { next, learnt } = ended.unwrap();
    assert_eq!(learnt.members, BTreeSet::from([remote("u-1"), remote("u-2")]));
    assert!(matches!(next, Next::Page(page) if query(&page, AFTER) == Some("g5")));
    assert_eq!(end(&groups, 200, r#"{"objects":[]}"#), Ok(End::done()));
    let bad = body(&[group("g1", "org-a", r#","member_users":["u 1"]"#)]);
    assert_eq!(end(&groups, 200, &bad).map_err(|f| f.reason), Err(Reason::Malformed));
}

#[test]
fn lists_end_on_an_empty_page_alone() {
    let known = Known::default();
    let last = remote("e2a9");
    let ended = |elements, last_id: Option<&RemoteId>, rest: &str| {
        let answer = Answer { status: 200, rest: rest.as_bytes(), elements, last_id, known: &known };
        Braintrust.end(&member_list("u-2", Way::Header), &answer).map(|end| end.next).map_err(|f| f.reason)
    };
    let rest = r#"{"objects":[]}"#;
    let Ok(Next::Page(next)) = ended(Some(1), Some(&last), rest) else { panic!("a short page is not the last") };
    assert_eq!((query(&next, AFTER), query(&next, "limit")), (Some("e2a9"), Some("100")));
    assert_eq!(next.headers, [(AS, remote("u-2"))]);
    assert_eq!(ended(Some(0), None, rest), Ok(Next::Done));
    assert_eq!(ended(Some(1), None, rest), Err(Reason::Malformed), "nothing to go on from");
    assert_eq!(ended(None, None, "[]"), Err(Reason::Malformed), "a bare array is no such list");
    assert_eq!(ended(None, None, r#"{"data":[]}"#), Err(Reason::Malformed));
    assert_eq!(
        ended(Some(0), None, r#"{"objects":[],"next":tru}"#),
        Err(Reason::Malformed),
        "what stands beside the elements is read"
    );
}

#[test]
fn keys_are_read_as_far_as_they_tell() {
    let fetch = member_list("u-2", Way::Header);
    let with = |fields: &str| read(&fetch, &format!(r#"{{"id":"k","name":"n","preview_name":"sk-...Ab12"{fields}}}"#));
    let bare = with("").unwrap();
    assert_eq!(
        (bare.kind, bare.owner.clone(), bare.organization.clone(), bare.created_at),
        (KeyKind::Personal, None, None, None)
    );
    assert_eq!((bare.last_used, bare.expires, bare.enabled), (Moment::NotReported, Moment::NotReported, true));
    assert_eq!(bare.hint.as_ref().map(Hint::as_str), Some("sk-...Ab12"));
    let null = r#","created":null,"user_id":null,"user_email":"e@x.example","user_given_name":null,"user_family_name":null,"org_id":null"#;
    assert_eq!(with(null), Ok(bare), "null and absent are the same, and an owner without an id is none");
    let whole = r#","created":"2026-01-02T03:04:05.999Z","user_id":"u-2","user_email":"e@x.example","user_given_name":" Ines ","user_family_name":"Moreau","org_id":"org-b""#;
    let key = with(whole).unwrap();
    assert_eq!((key.created_at, key.organization), (Some(Time::from_unix(1_767_323_045)), Some(remote("org-b"))));
    let owner = key.owner.unwrap();
    assert_eq!(
        (owner.kind, owner.id, owner.name.as_ref().map(Text::as_str)),
        (OwnerKind::User, remote("u-2"), Some("Ines Moreau"))
    );
    for (fields, reason) in [
        (r#","created":"1914-07-28T00:00:00Z""#, ItemReason::BadTime),
        (r#","created":"soon""#, ItemReason::BadTime),
        (r#","created":1767323045"#, ItemReason::Malformed),
        (r#","user_id":"""#, ItemReason::BadId),
        (r#","org_id":"a/b""#, ItemReason::BadId),
    ] {
        assert_eq!(with(fields), Err(reason), "{fields}");
    }
    for missing in
        [r#"{"id":"k","name":"n"}"#, r#"{"id":"k","preview_name":"p"}"#, r#"{"id":"k","name":null,"preview_name":"p"}"#]
    {
        assert_eq!(read(&fetch, missing), Err(ItemReason::Malformed), "{missing}");
    }
}

#[test]
fn service_tokens_belong_to_service_accounts() {
    let fetch = Asking::new(&account(&[]), &acme()).service_tokens();
    assert_eq!((fetch.headers.len(), fetch.subject.proof, fetch.way), (0, Proof::None, None));
    let with =
        |fields: &str| read(&fetch, &format!(r#"{{"id":"t","name":"n","preview_name":"bt-st-...Ab12"{fields}}}"#)).unwrap();
    assert_eq!((with("").kind, with("").owner), (KeyKind::ServiceToken, None));
    let owner = with(r#","service_account_id":"sa-1","service_account_name":"evals","user_id":"u-2""#).owner.unwrap();
    assert_eq!((owner.kind, owner.id, owner.email), (OwnerKind::ServiceAccount, remote("sa-1"), None));
}

#[test]
fn a_key_by_its_id_is_asked_as_its_holder() {
    let by_id = |way, kind, of: Option<&str>| {
        let known = Known { caller: Some(remote("u-me")), way: Some(way), ..Known::default() };
        Braintrust.by_id(&account(&[]), &known, &KeyRef { id: remote("k1"), scope: ScopeId { kind, of: of.map(remote) } })
    };
    let key = by_id(Way::Header, ScopeKind::Member, Some("u-2")).unwrap();
    assert_eq!((key.path.as_str(), &key.headers), ("/v1/api_key/k1", &vec![(AS, remote("u-2"))]));
    let by_token = by_id(Way::Token, ScopeKind::Member, Some("u-2")).unwrap();
    assert_eq!((by_token.headers.len(), by_token.grant.is_some()), (0, true), "as its list is read");
    let own = by_id(Way::Token, ScopeKind::Member, Some("u-me")).unwrap();
    assert_eq!((own.headers.len(), own.grant), (0, None), "nobody impersonates the caller");
    let token = by_id(Way::Header, ScopeKind::ServiceTokens, None).unwrap();
    assert_eq!((token.path.as_str(), token.headers.len()), ("/v1/service_token/k1", 0));
    assert_eq!(by_id(Way::Organization, ScopeKind::Organization, None), None);
    for (fetch, rest, expected) in [
        (&key, r#"{"id":"k1","user_id":"u-2"}"#, Ok(Next::Done)),
        (&key, r#"{"id":"k1"}"#, Ok(Next::Done)),
        (&key, r#"{"id":"k1","user_id":"u-me"}"#, Err(Reason::AttributionMismatch)),
        (&key, r#"{"id":"k2","user_id":"u-2"}"#, Err(Reason::AttributionMismatch)),
        (&token, r#"{"id":"k1"}"#, Ok(Next::Done)),
        (&token, r#"{}"#, Err(Reason::Malformed)),
    ] {
        assert_eq!(end(fetch, 200, rest).map(|end| end.next).map_err(|f| f.reason), expected, "{} {rest}", fetch.path);
    }
    assert_eq!(reason(&key, 404), Err(Reason::NotFound), "only of a list 404 is about the member");
}

#[test]
fn options_are_checked() {
    let check = |name: &str, value: &str| (SPEC.options.iter().find(|o| o.name == name).unwrap().check)(value).is_ok();
    for (name, good, bad) in [
        ("org_name", ["acme", "Acme & Söhne GmbH"], ["", " acme"]),
        ("listing", ["auto", "header"], ["", "Header"]),
        ("token_field", ["/token", "/data/0/key"], ["token", "/to ken"]),
    ] {
        assert!(good.iter().all(|value| check(name, value)) && !bad.iter().any(|value| check(name, value)), "{name}");
    }
}
