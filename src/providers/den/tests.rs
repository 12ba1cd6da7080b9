//! What is special to Den; what every adapter must do is in the contract tests.

use super::*;
use crate::domain::{ItemReason, Organization, OwnerKind, Text};

const OURS: &str = "org_01k9x2m4q7ragsb3e5tw8vzcdf";
const OTHER: &str = "org_01k8w1h3p6q9fzras2d4sv7xbc";

fn remote(id: &str) -> RemoteId {
    RemoteId::new(id).unwrap()
}

fn shown(id: &str) -> Organization {
    Organization { id: remote(id), name: None }
}

fn end(fetch: &Fetch, status: u16, rest: &str, elements: Option<u64>) -> Result<End, Failure> {
    Den.end(fetch, &Answer { status, rest: rest.as_bytes(), elements, last_id: None, known: &Known::default() })
}

fn read(body: &str) -> Result<KeyFacts, ItemReason> {
    match Den.item(&keys(&remote(OURS)), body.as_bytes()).map_err(|r| r.reason)? {
        Item::Key(key) => Ok(*key),
        other @ (Item::Person(_) | Item::Project(_) | Item::Skipped) => panic!("no key: {other:?}"),
    }
}

/// A key with those fields more.
fn key_with(fields: &str) -> Result<KeyFacts, ItemReason> {
    read(&format!(r#"{{"id":"apk_1","enabled":true,"createdAt":"2026-10-17T09:00:00.999Z"{fields}}}"#))
}

#[test]
fn only_ids_that_the_server_reads_are_sent() {
    for good in [OURS, OTHER, "org_70000000000000000000000000"] {
        assert!(is_organization_id(good), "{good}");
    }
    for bad in [
        "",
        "org_",
        "01k9x2m4q7ragsb3e5tw8vzcdf",
        "org_81k9x2m4q7ragsb3e5tw8vzcdf",
        "org_01k9x2m4q7ragsb3e5tw8vzcd",
        "org_01k9x2m4q7ragsb3e5tw8vzcdff",
        "org_01k9x2m4q7ragsb3e5tw8vzcdi",
        "org_01k9x2m4q7ragsb3e5tw8vzcdl",
        "org_01k9x2m4q7ragsb3e5tw8vzcdo",
        "org_01k9x2m4q7ragsb3e5tw8vzcdu",
        "org_01K9X2M4Q7RAGSB3E5TW8VZCDF",
        " org_01k9x2m4q7ragsb3e5tw8vzcd",
        "usr_01k9x2m4q7ragsb3e5tw8vzcdf",
    ] {
        assert!(!is_organization_id(bad), "{bad}");
    }
}

#[test]
fn keys_are_asked_only_once_the_organization_is_confirmed() {
    let paths = |option: Option<&str>, known: &Known| -> Vec<String> {
        let mut account = Account::default();
        account.options.extend(option.map(|id| ("organization_id".to_owned(), id.to_owned())));
        Den.plan(&account, known).into_iter().map(|f| f.path).collect()
    };
    let known = |seen: Option<&[&str]>, confirmed: Option<&str>| Known {
        organizations: seen.map(|ids| ids.iter().map(|id| shown(id)).collect()),
        organization: confirmed.map(shown),
        ..Known::default()
    };
    let (which, until, who, keys) = ("/v1/me/orgs", "/v1/me", "/v1/org", "/v1/api-keys");
    for (option, known, expected) in [
        (None, known(None, None), vec![which]),
        (None, known(Some(&[OURS]), None), vec![which, until, who]),
        (None, known(Some(&[OURS]), Some(OURS)), vec![which, until, who, keys]),
        (None, known(Some(&[OURS]), Some(OTHER)), vec![which, until, who]),
        (None, known(Some(&[OURS, OTHER]), Some(OURS)), vec![which]),
        (None, known(Some(&[]), None), vec![which]),
        (Some(OURS), known(None, None), vec![until, who]),
        (Some(OURS), known(None, Some(OURS)), vec![until, who, keys]),
        (Some(OURS), known(None, Some(OTHER)), vec![until, who]),
        (Some("org_garbage"), known(None, Some(OURS)), vec![]),
    ] {
        assert_eq!(paths(option, &known), expected, "{option:?} {known:?}");
    }
    assert_eq!(organization(&remote(OURS)).headers, [(SELECT, remote(OURS))]);
    assert_eq!(super::keys(&remote(OURS)).headers, [(SELECT, remote(OURS))]);
}

#[test]
fn a_session_tells_until_when_it_lives_and_an_api_key_has_none() {
    let expires = |body: &str| end(&session(), 200, body, None).map(|end| end.learnt.credential_expires);
    assert_eq!(expires(r#"{"session":{"expiresAt":"2026-11-28T20:32:43.000Z"}}"#), Ok(Some(Time::from_unix(1_795_897_963))));
    for none in [r#"{"session":null}"#, r#"{"session":{"expiresAt":null}}"#, "{}"] {
        assert_eq!(expires(none), Ok(None), "{none}");
    }
    for broken in [r#"{"session":{"expiresAt":"soon"}}"#, r#"{"session":{"expiresAt":7}}"#, r#"{"session":"x"}"#] {
        assert_eq!(expires(broken).unwrap_err().reason, Reason::Malformed, "{broken}");
    }
    let mut account = Account::default();
    account.options.extend([("organization_id", OURS), ("sign_in", "api_key")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(Den.plan(&account, &Known::default()), [organization(&remote(OURS))]);
}

#[test]
fn the_key_that_asked_is_among_those_that_were_just_used() {
    let used = |id: &str, at: Option<i64>| {
        let last_used = at.map_or(Moment::Never, |at| Moment::At(Time::from_unix(at)));
        Box::new(KeyFacts { id: remote(id), last_used, ..key_with("").unwrap() })
    };
    let listed =
        [used("a", Some(1_795_000_000)), used("b", Some(1_795_000_002)), used("c", Some(1_794_999_999)), used("d", None)];
    let scope = Scope::only(ScopeKind::Organization).id;
    let found = Den.may_be_own(&Account::default(), &Known::default(), &scope, &listed).unwrap();
    assert_eq!(found.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(Den.may_be_own(&Account::default(), &Known::default(), &scope, &listed[3..]), Some(vec![]));
}

#[test]
fn the_organization_that_the_credential_administers() {
    let found = |orgs: &str| end(&organizations(), 200, &format!(r#"{{"orgs":[{orgs}]}}"#), None).map(|e| e.learnt.organizations);
    let org = |id: &str, role: &str| format!(r#"{{"id":"{id}","name":"A\u202eB","role":"{role}"}}"#);
    for role in ["owner", "super-admin", "admin", "member,admin", "member, owner"] {
        let found = found(&format!("{},{}", org(OURS, role), org(OTHER, "member"))).unwrap().unwrap();
        assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), [OURS], "{role}");
    }
    assert_eq!(found(&format!("{0},{0}", org(OURS, "owner"))).unwrap().unwrap().len(), 1, "listed twice");
    for none in [String::new(), org(OURS, "member"), org(OURS, "owners")] {
        assert_eq!(found(&none).unwrap_err().reason, Reason::Forbidden, "{none}");
    }
    let several = found(&format!("{},{}", org(OURS, "owner"), org(OTHER, "admin"))).unwrap_err();
    assert_eq!(several.reason, Reason::OrganizationAmbiguous);
    assert_eq!(
        several.detail,
        format!(
            "the credential administers 2 organisations; set organization_id to one of {OURS} (A\\u{{202e}}B), {OTHER} (A\\u{{202e}}B)"
        )
    );
    let many: Vec<String> = (0..21).map(|number| org(&format!("org_{number:026}"), "owner")).collect();
    let named = |count: usize| found(&many[..count].join(",")).unwrap_err().detail;
    assert!(
        named(20).ends_with("00000019 (A\\u{202e}B)") && named(21).ends_with("00000019 (A\\u{202e}B), 1 more"),
        "{}",
        named(21)
    );
    assert_eq!(found(&org("org_short", "owner")).unwrap_err().reason, Reason::Malformed);
    assert_eq!(end(&organizations(), 200, "{}", None).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn keys_are_not_read_apart() {
    assert!(!Den.reads_apart(&keys(&remote(OURS))), "whether null is never shows in the whole answer");
}

#[test]
fn what_stands_beside_the_keys_is_read() {
    let list = keys(&remote(OURS));
    assert!(end(&list, 200, r#"{"apiKeys":[],"more":true}"#, Some(0)).is_ok());
    assert_eq!(end(&list, 200, r#"{"apiKeys":[],"more":tru}"#, Some(0)).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn another_organization_is_a_mismatch() {
    let fetch = organization(&remote(OURS));
    let rest =
        |id: &str| format!(r#"{{"organization":{{"id":"{id}","name":"T"}},"members":[],"invitations":[{{"inviteToken":"x"}}]}}"#);
    let learnt = end(&fetch, 200, &rest(OURS), Some(1)).unwrap().learnt.organization.unwrap();
    assert_eq!((learnt.id, learnt.name), (remote(OURS), Some(Text::clean("T"))));
    for (body, elements, reason) in [
        (rest(OTHER).as_str(), Some(1), Reason::AttributionMismatch),
        (rest(OURS).as_str(), None, Reason::Malformed),
        (r#"{"members":[]}"#, Some(1), Reason::Malformed),
        (r#"{"organization":null,"members":[]}"#, Some(1), Reason::Malformed),
        (r#"{"organization":{"name":"T"},"members":[]}"#, Some(1), Reason::Malformed),
    ] {
        assert_eq!(end(&fetch, 200, body, elements).unwrap_err().reason, reason, "{body}");
    }
}

#[test]
fn members_and_invited() {
    let member = |body: &str| Den.item(&organization(&remote(OURS)), body.as_bytes()).map_err(|r| r.reason);
    let id = |item: Result<Item, ItemReason>| match item {
        Ok(Item::Person(person)) => {
            assert_eq!(person.kind, OwnerKind::User);
            Ok(Some(person.id.to_string()))
        }
        Ok(Item::Skipped) => Ok(None),
        Ok(other @ (Item::Key(_) | Item::Project(_))) => panic!("{other:?}"),
        Err(reason) => Err(reason),
    };
    for (body, expected) in [
        (r#"{"id":"om_1","userId":"usr_1","user":{"id":"usr_1","name":"N","email":"e@x.example"}}"#, Ok(Some("usr_1"))),
        (r#"{"id":"om_1","userId":"usr_1"}"#, Ok(Some("usr_1"))),
        (r#"{"id":"om_1","userId":"usr_1","user":{"id":null,"name":null,"email":null}}"#, Ok(Some("usr_1"))),
        (r#"{"id":"om_1","user":{"id":"usr_1"}}"#, Ok(Some("usr_1"))),
        (r#"{"id":"om_1","userId":null,"user":null}"#, Ok(None)),
        (r#"{"id":"om_1","userId":null,"user":{"id":null,"email":"e@x.example"}}"#, Ok(None)),
        (r#"{"id":"om_1"}"#, Err(ItemReason::Malformed)),
        (r#"{"id":"om_1","userId":"usr_1","user":{"id":"usr_2"}}"#, Err(ItemReason::Malformed)),
        (r#"{"id":"om_1","userId":"usr 1"}"#, Err(ItemReason::BadId)),
        (r#"{"id":"om_1","userId":1}"#, Err(ItemReason::Malformed)),
    ] {
        assert_eq!(id(member(body)), expected.map(|id| id.map(str::to_owned)), "{body}");
    }
}

#[test]
fn key_records() {
    let key = key_with("").unwrap();
    assert_eq!(key.created_at, Time::from_remote_rfc3339("2026-10-17T09:00:00Z"), "rounded down");
    assert_eq!((key.last_used, key.expires, key.owner, key.enabled), (Moment::NotReported, Moment::NotReported, None, true));
    let key =
        key_with(r#","expiresAt":null,"lastRequest":null,"owner":{"userId":"usr_1","name":"N","email":null},"start":"den_Rb""#);
    let key = key.unwrap();
    assert_eq!((key.last_used, key.expires), (Moment::Never, Moment::Never));
    assert_eq!(key.owner.map(|o| (o.kind, o.id, o.email)), Some((OwnerKind::User, remote("usr_1"), None)));
    assert_eq!(key.hint.map(|h| h.as_str().to_owned()).as_deref(), Some("den_Rb"));
    for (body, reason) in [
        (r#"{"id":"apk_1","createdAt":"2026-10-17T09:00:00Z"}"#, ItemReason::Malformed),
        (r#"{"id":"apk_1","createdAt":"2026-10-17T09:00:00Z","enabled":null}"#, ItemReason::Malformed),
        (r#"{"id":"apk_1","createdAt":"2026-10-17T09:00:00Z","enabled":1}"#, ItemReason::Malformed),
        (r#"{"id":"apk_1","enabled":true}"#, ItemReason::Malformed),
        (r#"{"id":"apk_1","enabled":true,"createdAt":"yesterday"}"#, ItemReason::BadTime),
        (r#"{"id":"apk_1","enabled":true,"createdAt":"2026-10-17T09:00:00Z","owner":{"name":"N"}}"#, ItemReason::Malformed),
        (
            r#"{"id":"apk_1","enabled":true,"createdAt":"2026-10-17T09:00:00Z","expiresAt":"9999-12-31T00:00:00Z"}"#,
            ItemReason::BadTime,
        ),
    ] {
        assert_eq!(read(body), Err(reason), "{body}");
    }
    let disabled = r#"{"id":"apk_1","createdAt":"2026-10-17T09:00:00Z","enabled":false}"#;
    assert_eq!(read(disabled).map(|k| k.enabled), Ok(false));
}

#[test]
fn null_is_never_only_where_the_server_records_use() {
    let asked_at = Time::from_unix(1_790_000_000);
    let ago = |seconds: i64| Moment::At(asked_at.plus(-seconds));
    let ninety_days = 7_776_000;
    for (others, read_as) in [
        (vec![], Moment::NotReported),
        (vec![Moment::Never], Moment::NotReported),
        (vec![Moment::NotReported], Moment::NotReported),
        (vec![ago(ninety_days + 1)], Moment::NotReported),
        (vec![ago(-AHEAD - 1)], Moment::NotReported),
        (vec![ago(ninety_days)], Moment::Never),
        (vec![ago(ninety_days + 1), ago(0)], Moment::Never),
        (vec![ago(-5)], Moment::Never),
    ] {
        let mut all: Box<[_]> = [vec![Moment::Never], others.clone()]
            .concat()
            .into_iter()
            .map(|last_used| Box::new(KeyFacts { last_used, ..key_with("").unwrap() }))
            .collect();
        Den.whole_answer(&mut all, asked_at);
        assert_eq!(all[0].last_used, read_as, "{others:?}");
        for (key, before) in all[1..].iter().zip(others).filter(|(_, before)| before.at().is_some()) {
            assert_eq!(key.last_used, before);
        }
    }
}

#[test]
fn refusals_name_a_remedy() {
    let fetch = keys(&remote(OURS));
    for (status, rest, reason, remedy) in [
        (401, r#"{"error":"unauthorized"}"#, Reason::Auth, "takes no API keys"),
        (403, r#"{"error":"forbidden","message":"x"}"#, Reason::Forbidden, "needs owner or admin"),
        (403, r#"{"error":"organization_sso_required"}"#, Reason::Forbidden, "single sign-on"),
        (404, r#"{"error":"organization_not_found"}"#, Reason::NotFound, "check organization_id"),
        (404, r#"{"error":"not_found"}"#, Reason::NotFound, "check base_url"),
        (503, "", Reason::Server, "status 503"),
    ] {
        let failure = end(&fetch, status, rest, None).unwrap_err();
        assert!(failure.reason == reason && failure.detail.contains(remedy), "{status} {rest}: {failure}");
    }
    assert_eq!(end(&fetch, 200, r#"{"error":"x"}"#, None).map_err(|f| f.reason), Err(Reason::Malformed), "no apiKeys");
    assert_eq!(end(&fetch, 200, r#"{"apiKeys":[]}"#, Some(0)), Ok(End::done()));
}
