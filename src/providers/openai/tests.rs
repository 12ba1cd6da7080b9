//! What is special to OpenAI; what every adapter must do is in the contract tests.

use super::*;
use crate::domain::{Hint, ItemReason, KeyFacts, Moment, OwnerAccess, OwnerKind, Project, Text, Time, WalkEnd};
use crate::providers::Next;

fn remote(id: &str) -> RemoteId {
    RemoteId::new(id).unwrap()
}

fn project_list(id: &str) -> Fetch {
    project_keys(Scope::of(ScopeKind::Project, remote(id), None), &remote(id))
}

fn read(fetch: &Fetch, body: &str) -> Result<KeyFacts, ItemReason> {
    match OpenAi.item(fetch, body.as_bytes()).map_err(|r| r.reason)? {
        Item::Key(key) => Ok(*key),
        other @ (Item::Person(_) | Item::Project(_) | Item::Skipped) => panic!("no key: {other:?}"),
    }
}

/// A project key with those fields more.
fn key_with(fields: &str) -> Result<KeyFacts, ItemReason> {
    let base = r#""id":"key_1","redacted_value":"sk-a...b","created_at":1740000000"#;
    read(&project_list("proj_a"), &format!("{{{base}{fields}}}"))
}

fn known_project(id: &str, archived: bool) -> Known {
    let mut known = Known::default();
    known.projects.insert(remote(id), Project { id: remote(id), name: Some(Text::clean("P")), archived });
    known
}

fn end(fetch: &Fetch, status: u16, rest: &str, known: &Known) -> Result<Next, Reason> {
    let last = remote("key_last");
    let elements = (status == 200).then_some(1);
    let answer = Answer { status, rest: rest.as_bytes(), elements, last_id: Some(&last), known };
    OpenAi.end(fetch, &answer).map(|end| end.next).map_err(|f| f.reason)
}

#[test]
fn projects_are_walked_once_their_list_ended() {
    let endpoints =
        |known: &Known| -> Vec<String> { OpenAi.plan(&Account::default(), known).into_iter().map(|f| f.path).collect() };
    let lists = ["/organization/projects", "/organization/admin_api_keys", "/organization/users"];
    let mut known = known_project("proj_a", false);
    assert_eq!(endpoints(&known), lists, "not before the list of projects ended");
    let failure = Failure::new(Reason::Timeout, "cut off");
    known.ended.insert(ScopeId { kind: ScopeKind::Projects, of: None }, WalkEnd::Incomplete(failure));
    assert_eq!(endpoints(&known)[3..], ["/organization/projects/proj_a/api_keys"], "what was read can be walked");
    let wanted = OpenAi.plan(&Account::default(), &known);
    let Target::Scope(scope) = &wanted[3].target else { panic!("no scope") };
    assert_eq!((scope.id.to_string().as_str(), scope.name.as_ref().map(Text::as_str)), ("project/proj_a", Some("P")));
    assert!(wanted[3].query.contains(&("owner_project_access", "any".to_owned())));
    assert!(wanted[0].query.contains(&("include_archived", "true".to_owned())));
    assert!(wanted.iter().all(|f| f.query.contains(&("limit", "100".to_owned()))));
}

#[test]
fn only_keys_of_projects_are_read_apart_and_only_admin_keys_may_be_our_own() {
    let admin = admin_keys();
    assert!(OpenAi.reads_apart(&project_list("proj_1")) && !OpenAi.reads_apart(&admin) && !OpenAi.reads_apart(&users()));
    let keys = [Box::new(key_with("").unwrap())];
    let own = |scope: Scope| OpenAi.may_be_own(&Account::default(), &Known::default(), &scope.id, &keys).map(|own| own.len());
    assert_eq!(own(Scope::only(ScopeKind::Admin)), Some(1));
    assert_eq!(own(Scope::of(ScopeKind::Project, remote("proj_1"), None)), None);
}

#[test]
fn moments_are_three() {
    let at = |seconds| Moment::At(Time::from_unix(seconds));
    for (fields, last_used) in [
        ("", Moment::NotReported),
        (r#","last_used_at":null"#, Moment::Never),
        (r#","last_used_at":0"#, Moment::Never),
        (r#","last_used_at":1763424000"#, at(1_763_424_000)),
    ] {
        assert_eq!(key_with(fields).map(|k| k.last_used), Ok(last_used), "{fields}");
    }
    for (fields, expires) in [
        ("", Ok(Moment::NotReported)),
        (r#","expires_at":null"#, Ok(Moment::Never)),
        (r#","expires_at":1779235200"#, Ok(at(1_779_235_200))),
        (r#","expires_at":0"#, Err(ItemReason::BadTime)),
        (r#","expires_at":1779235200000"#, Err(ItemReason::BadTime)),
        (r#","expires_at":"2026-05-20T00:00:00Z""#, Err(ItemReason::Malformed)),
        (r#","expires_at":1,"expires_at":2"#, Err(ItemReason::Malformed)),
    ] {
        assert_eq!(key_with(fields).map(|k| k.expires), expires, "{fields}");
    }
    assert_eq!(key_with(r#","last_used_at":-5"#), Err(ItemReason::BadTime));
}

#[test]
fn owners_are_nested_or_flat() {
    use OwnerKind::{Other, ServiceAccount, User};
    for (owner, read) in [
        (r#"{"type":"user","user":{"id":"u1","name":"N","email":"e@x.example"}}"#, Some((User, "u1"))),
        (r#"{"type":"service_account","service_account":{"id":"s1","name":"N"}}"#, Some((ServiceAccount, "s1"))),
        (r#"{"type":"user","id":"u2","name":null}"#, Some((User, "u2"))),
        (r#"{"type":"service_account","object":"organization.service_account","id":"s2"}"#, Some((ServiceAccount, "s2"))),
        (r#"{"user":{"id":"u3"}}"#, Some((User, "u3"))),
        (r#"{"service_account":{"id":"s3"},"user":null}"#, Some((ServiceAccount, "s3"))),
        (r#"{"type":"team","id":"t1"}"#, Some((Other, "t1"))),
        (r#"{"id":"x1"}"#, Some((Other, "x1"))),
        (r#"{"type":"team"}"#, None),
        (r#"{"type":"user"}"#, None),
        ("{}", None),
        ("null", None),
    ] {
        let key = key_with(&format!(r#","owner":{owner}"#)).unwrap();
        assert_eq!(key.owner.as_ref().map(|o| (o.kind, o.id.as_str())), read, "{owner}");
    }
    assert_eq!(key_with("").map(|k| k.owner), Ok(None));
    assert_eq!(key_with(r#","owner":{"type":"user","id":"a b"}"#), Err(ItemReason::BadId));
    assert_eq!(key_with(r#","owner":["user","u1"]"#), Err(ItemReason::Malformed));
}

#[test]
fn access_is_what_is_said() {
    for (fields, access) in [
        ("", None),
        (r#","owner_project_access":null"#, None),
        (r#","owner_project_access":"suspended""#, None),
        (r#","owner_project_access":"active""#, Some(OwnerAccess::Active)),
        (r#","owner_project_access":"inactive""#, Some(OwnerAccess::Inactive)),
    ] {
        assert_eq!(key_with(fields).map(|k| k.owner_access), Ok(access), "{fields}");
    }
}

#[test]
fn the_mask_tells_admin_keys_apart() {
    for (mask, kind, hint) in [
        ("sk-admin...b71", KeyKind::Admin, Some("sk-admin...b71")),
        ("sk-admin-****zT4", KeyKind::Admin, Some("sk-admin-****zT4")),
        ("sk-proj-...9x2", KeyKind::Unattributed, Some("sk-proj-...9x2")),
        ("sk-...9x2", KeyKind::Unattributed, Some("sk-...9x2")),
        ("sk-admin-abcdefghijklmnopqrstuvwxyz", KeyKind::Admin, None),
    ] {
        let key = format!(
            r#"{{"id":"key_1","object":"organization.admin_api_key","redacted_value":"{mask}","created_at":1740000000}}"#
        );
        let admin = read(&admin_keys(), &key).unwrap();
        assert_eq!((admin.kind, admin.hint.as_ref().map(Hint::as_str)), (kind, hint), "{mask}");
        assert_eq!(read(&project_list("proj_a"), &key).map(|k| k.kind), Ok(KeyKind::Project), "{mask}");
    }
}

#[test]
fn projects_and_people() {
    for (fields, archived) in [
        (r#""status":"archived""#, true),
        (r#""status":"active","archived_at":1756713600"#, false),
        (r#""archived_at":1756713600"#, true),
        (r#""status":null,"archived_at":1756713600"#, true),
        (r#""archived_at":null"#, false),
        (r#""name":null"#, false),
    ] {
        let item = OpenAi.item(&projects(), format!(r#"{{"id":"proj_a",{fields}}}"#).as_bytes()).unwrap();
        assert!(matches!(item, Item::Project(p) if p.archived == archived), "{fields}");
    }
    for (fields, kind) in [
        (r#""name":null,"email":null"#, OwnerKind::User),
        (r#""is_service_account":false"#, OwnerKind::User),
        (r#""is_service_account":true"#, OwnerKind::ServiceAccount),
    ] {
        let item = OpenAi.item(&users(), format!(r#"{{"id":"user-1",{fields}}}"#).as_bytes()).unwrap();
        assert!(matches!(item, Item::Person(p) if p.kind == kind), "{fields}");
    }
}

#[test]
fn pages_follow_next_then_the_last_id_then_last_id() {
    let known = Known::default();
    let after = |rest: &str| match end(&admin_keys(), 200, rest, &known) {
        Ok(Next::Page(page)) => page.query.iter().find(|(n, _)| *n == AFTER).map(|(_, v)| v.clone()),
        Ok(Next::Done | Next::Closed(_)) | Err(_) => None,
    };
    assert_eq!(after(r#"{"has_more":true,"next":"cur","last_id":"key_x"}"#).as_deref(), Some("cur"));
    assert_eq!(after(r#"{"has_more":true,"next":null,"last_id":"key_x"}"#).as_deref(), Some("key_last"));
    let no_last = |rest: &str, elements| {
        let answer = Answer { status: 200, rest: rest.as_bytes(), elements, last_id: None, known: &known };
        OpenAi.end(&admin_keys(), &answer).map(|end| end.next).map_err(|f| f.reason)
    };
    assert!(matches!(no_last(r#"{"has_more":true,"last_id":"key_x"}"#, Some(1)), Ok(Next::Page(p)) if p.query[2].1 == "key_x"));
    assert_eq!(no_last(r#"{"has_more":true}"#, Some(1)), Err(Reason::Malformed));
    assert_eq!(no_last(r#"{"has_more":true,"last_id":"key_x"}"#, Some(0)), Err(Reason::Contradiction));
    assert_eq!(no_last(r#"{"has_more":false}"#, None), Err(Reason::Malformed));
    for (rest, next) in [
        (r#"{"object":"list","has_more":false,"last_id":"key_x"}"#, Ok(Next::Done)),
        (r#"{"object":"page","has_more":false}"#, Err(Reason::Malformed)),
        (r#"{"object":"list"}"#, Err(Reason::Malformed)),
        (r#"{"has_more":null}"#, Err(Reason::Malformed)),
        (r#"{"has_more":"false"}"#, Err(Reason::Malformed)),
        (r#"{"has_more":true,"has_more":false}"#, Err(Reason::Malformed)),
    ] {
        assert_eq!(end(&admin_keys(), 200, rest, &known), next, "{rest}");
    }
}

#[test]
fn refusals_close_only_what_they_may() {
    let (archived, active) = (known_project("proj_a", true), known_project("proj_a", false));
    let project = project_list("proj_a");
    let scopes = r#"{"error":"Missing scopes: api.management.read"}"#;
    let code = r#"{"error":{"message":"no","code":"missing_scope"}}"#;
    let later = |mut fetch: Fetch| {
        fetch.query.push((AFTER, "key_1".to_owned()));
        fetch
    };
    let closed = |reason| Ok(Next::Closed(reason));
    for (fetch, status, rest, known, expected) in [
        (&project, 404, "", &archived, closed(ClosedReason::ProjectArchived)),
        (&project, 400, "", &archived, closed(ClosedReason::ProjectArchived)),
        (&project, 403, "", &archived, Err(Reason::Forbidden)),
        (&project, 404, "", &active, Err(Reason::NotFound)),
        (&project, 400, "", &active, Err(Reason::UnexpectedStatus)),
        (&project, 404, "", &Known::default(), Err(Reason::NotFound)),
        (&later(project.clone()), 404, "", &archived, Err(Reason::NotFound)),
        (&admin_keys(), 404, "", &archived, closed(ClosedReason::NoAdminList)),
        (&admin_keys(), 403, "", &archived, Err(Reason::Forbidden)),
        (&admin_keys(), 401, scopes, &archived, Err(Reason::Forbidden)),
        (&later(admin_keys()), 404, "", &archived, Err(Reason::NotFound)),
        (&users(), 403, scopes, &archived, closed(ClosedReason::PeopleNotPermitted)),
        (&users(), 403, "", &archived, Err(Reason::Forbidden)),
        (&users(), 401, scopes, &archived, closed(ClosedReason::PeopleNotPermitted)),
        (&users(), 401, code, &archived, closed(ClosedReason::PeopleNotPermitted)),
        (&users(), 401, r#"{"error":"bad key"}"#, &archived, Err(Reason::Auth)),
        (&users(), 404, "", &archived, Err(Reason::NotFound)),
        (&later(users()), 403, scopes, &archived, Err(Reason::Forbidden)),
        (&projects(), 404, "", &archived, Err(Reason::NotFound)),
        (&projects(), 403, "", &archived, Err(Reason::Forbidden)),
        (&projects(), 206, r#"{"has_more":false}"#, &archived, Err(Reason::UnexpectedStatus)),
    ] {
        assert_eq!(end(fetch, status, rest, known), expected, "{} {status} {rest}", fetch.path);
    }
}

#[test]
fn a_key_by_its_id_must_be_that_key() {
    let by_id = |kind, of: Option<&str>| {
        OpenAi.by_id(
            &Account::default(),
            &Known::default(),
            &KeyRef { id: remote("key_1"), scope: ScopeId { kind, of: of.map(remote) } },
        )
    };
    let fetch = by_id(ScopeKind::Project, Some("proj_a")).unwrap();
    assert_eq!(fetch.path, "/organization/projects/proj_a/api_keys/key_1");
    assert_eq!(by_id(ScopeKind::Admin, None).map(|f| f.path).as_deref(), Some("/organization/admin_api_keys/key_1"));
    assert_eq!(by_id(ScopeKind::People, None), None);
    let known = Known::default();
    assert_eq!(end(&fetch, 200, r#"{"id":"key_1"}"#, &known), Ok(Next::Done));
    assert_eq!(end(&fetch, 200, r#"{"id":"key_2"}"#, &known), Err(Reason::AttributionMismatch));
    assert_eq!(end(&fetch, 404, "", &known), Err(Reason::NotFound));
}
