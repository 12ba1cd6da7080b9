use super::*;
use crate::sim::{BraintrustCast, Remote};

pub(super) const HEADER: &str = "x-bt-impersonate-user";

/// A question with the caller's credential and, where one is given, the header.
pub(super) fn ask(simulation: &Simulation, path: &str, target: Option<&str>) -> reqwest::RequestBuilder {
    ask_with(simulation, simulation.braintrust_credential(), path, target)
}

pub(super) fn ask_with(simulation: &Simulation, credential: &str, path: &str, target: Option<&str>) -> reqwest::RequestBuilder {
    let request = client().get(format!("{}{path}", simulation.braintrust_base_url())).bearer_auth(credential);
    match target {
        Some(target) => request.header(HEADER, target),
        None => request,
    }
}

pub(super) async fn braintrust(simulation: &Simulation, path: &str, target: Option<&str>) -> Answer {
    Answer::of(ask(simulation, path, target)).await
}

/// A path with the organisation's name.
pub(super) fn named(simulation: &Simulation, path: &str) -> String {
    let name = simulation.braintrust_organization().name;
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("{path}{}org_name={name}", if path.contains('?') { '&' } else { '?' })
}

/// All elements of a list: page by page, until one is empty.
pub(super) async fn pages(simulation: &Simulation, path: &str, limit: usize, target: Option<&str>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for _ in 0..200 {
        let cursor = all.last().map_or_else(String::new, |last| format!("&starting_after={}", last["id"].as_str().unwrap()));
        let mark = if path.contains('?') { '&' } else { '?' };
        let answer = braintrust(simulation, &format!("{path}{mark}limit={limit}{cursor}"), target).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let page = answer.json();
        assert_eq!(page.as_object().unwrap().len(), 1, "nothing but objects");
        let items = page["objects"].as_array().unwrap().clone();
        assert!(items.len() <= limit);
        if items.is_empty() {
            return all;
        }
        all.extend(items);
    }
    panic!("{path} does not end");
}

/// Personal keys that a way of asking lists.
pub(super) fn personal(truth: &[TrueKey]) -> impl Iterator<Item = &TrueKey> {
    truth.iter().filter(|k| k.provider == Remote::Braintrust && k.listed && k.home != "service_tokens")
}

pub(super) async fn cast() -> (Simulation, BraintrustCast) {
    let simulation = simulation().await;
    let cast = simulation.braintrust_cast().unwrap();
    (simulation, cast)
}

/// Everybody whom users and groups name.
async fn everybody(simulation: &Simulation, limit: usize) -> Vec<String> {
    let users = pages(simulation, &named(simulation, "/v1/user"), limit, None).await;
    assert!(users.is_sorted_by_key(|u| std::cmp::Reverse(u["created"].as_str().unwrap().to_owned())), "newest first");
    let groups = pages(simulation, &named(simulation, "/v1/group"), limit, None).await;
    let members = groups.iter().flat_map(|g| g["member_users"].as_array().unwrap()).map(|id| id.as_str().unwrap().to_owned());
    let mut all: Vec<String> = ids(&users.into()).into_iter().chain(members).collect();
    all.sort();
    all.dedup();
    all
}

#[tokio::test]
async fn walks_under_the_header_give_exactly_the_truth() {
    let (simulation, cast) = cast().await;
    let truth = simulation.truth();
    let path = named(&simulation, "/v1/api_key");
    for limit in [2, 100] {
        let mut found = Vec::new();
        let (mut refused, mut empty) = (Vec::new(), Vec::new());
        for member in everybody(&simulation, limit + 5).await {
            let first = braintrust(&simulation, &path, Some(&member)).await;
            if first.status != 200 {
                refused.push((member, first.status));
                continue;
            }
            let keys = pages(&simulation, &path, limit, Some(&member)).await;
            assert_eq!(keys, *first.json()["objects"].as_array().unwrap(), "no limit is no limit");
            assert!(keys.is_sorted_by_key(|k| std::cmp::Reverse(k["created"].as_str().unwrap().to_owned())), "newest first");
            if keys.is_empty() {
                empty.push(member.clone());
            }
            found.extend(keys.into_iter().map(|key| (member.clone(), key)));
        }
        assert_eq!(
            sorted(refused.into_iter().map(|(id, status)| format!("{id} {status}"))),
            sorted([format!("{} 403", cast.foreign_member), format!("{} 400", cast.listed_account)])
        );
        assert_eq!(empty, [cast.member_without_keys.as_str()]);
        let expected = personal(&truth).filter(|k| k.home != cast.foreign_member).map(|k| k.id.clone());
        let got = found.iter().map(|(_, key)| key["id"].as_str().unwrap().to_owned());
        assert_eq!(sorted(got), sorted(expected.chain([cast.foreign_key.clone()])));
        let organization = simulation.braintrust_organization().id;
        for (member, key) in &found {
            let real = truth.iter().find(|t| t.id == key["id"].as_str().unwrap()).unwrap();
            assert_eq!((&real.home, &real.owner_id, real.name.as_str()), (member, member, key["name"].as_str().unwrap()));
            let created = Time::from_remote_rfc3339(key["created"].as_str().unwrap()).unwrap().unix();
            assert_eq!((created, real.last_used_at, real.expires_at), (real.created_at, None, None));
            let preview = key["preview_name"].as_str().unwrap();
            assert!(preview.len() == 10 && preview.starts_with("sk-..."), "{preview}");
            let bound = key["org_id"].as_str();
            match real.id.as_str() {
                id if id == cast.unbound_key || real.name == "keymuster audit" => assert_eq!(bound, None),
                id if id == cast.foreign_key => assert!(bound.is_some_and(|id| id != organization && id.len() == 36)),
                _ => assert_eq!(bound, Some(&*organization)),
            }
            match real.id.as_str() {
                id if id == cast.key_without_owner => assert!(key["user_id"].is_null() && key.get("user_email").is_some()),
                id if id == cast.key_without_owner_fields => {
                    assert!(key.as_object().unwrap().keys().all(|field| !field.starts_with("user_")));
                }
                _ => assert_eq!(key["user_id"], member.as_str()),
            }
            assert_eq!(*member == cast.member_without_email, key["user_id"] == member.as_str() && key["user_email"].is_null());
        }
    }
}

#[tokio::test]
async fn users_and_groups_are_told() {
    let (simulation, cast) = cast().await;
    let users = pages(&simulation, &named(&simulation, "/v1/user"), 100, None).await;
    assert_eq!(users.len(), 25, "25 members but one, and a service account");
    let listed = ids(&users.clone().into());
    assert!(listed.contains(&cast.listed_account) && !listed.contains(&cast.unlisted_member));
    let nameless: Vec<&Value> = users.iter().filter(|u| u["email"].is_null()).map(|u| &u["id"]).collect();
    assert_eq!(nameless, [cast.member_without_email.as_str()]);
    assert!(everybody(&simulation, 100).await.contains(&cast.unlisted_member));
    let both = pages(&simulation, "/v1/user", 10, None).await;
    assert_eq!(both.len(), 25 + 4, "the union of two organisations, and the caller once");
    let one = braintrust(&simulation, &format!("/v1/user?ids={}&ids={}", listed[3], listed[5]), None).await;
    assert_eq!(one.ids("objects"), [listed[3].clone(), listed[5].clone()]);
    let own = pages(&simulation, "/v1/api_key", 10, None).await;
    let narrowed = pages(&simulation, &named(&simulation, "/v1/api_key"), 10, None).await;
    assert!(own.len() > narrowed.len() && own.iter().filter(|k| k["org_id"].is_null()).count() == 1);
    let before =
        braintrust(&simulation, &named(&simulation, &format!("/v1/user?limit=2&ending_before={}", listed[5])), None).await;
    assert_eq!(before.ids("objects"), listed[3..5]);
    let tokens = pages(&simulation, &named(&simulation, "/v1/service_token"), 2, None).await;
    let expected = true_ids(&simulation.truth(), |k| k.home == "service_tokens");
    assert!(tokens.iter().any(|t| t["service_account_id"] == cast.listed_account.as_str()));
    assert!(tokens.iter().all(|t| t["preview_name"].as_str().unwrap().starts_with("bt-st-...") && t.get("user_id").is_none()));
    assert_eq!(sorted(ids(&tokens.into())), expected);
}

#[tokio::test]
async fn the_organisation_s_list_gives_the_truth_to_owners_alone() {
    let (simulation, cast) = cast().await;
    let (id, other) = (simulation.braintrust_organization().id, simulation.braintrust_other_organization().id);
    let list = "/v1/organization/api_keys";
    let all = sorted(personal(&simulation.truth()).map(|k| k.id.clone()));
    let got = pages(&simulation, &format!("{list}?org_id={id}"), 7, None).await;
    assert!(got.is_sorted_by_key(|k| std::cmp::Reverse(k["created"].as_str().unwrap().to_owned())));
    assert_eq!(sorted(ids(&got.into())), all);
    assert!(!all.contains(&cast.foreign_key) && all.contains(&cast.unbound_key));
    let asked = async |credential: &str, query: &str, target: Option<&str>| {
        let answer = Answer::of(ask_with(&simulation, credential, &format!("{list}{query}"), target)).await;
        if answer.status == 200 { Ok(sorted(answer.ids("objects"))) } else { Err(answer.status) }
    };
    let (bound, member, unbound) =
        (simulation.braintrust_bound_credential(), simulation.braintrust_member_credential(), simulation.braintrust_credential());
    assert_eq!(asked(bound, "", None).await, Ok(all.clone()), "a bound key says which organisation");
    assert_eq!(asked(simulation.braintrust_service_token(), "", None).await, Ok(all.clone()));
    assert_eq!(asked(unbound, "", None).await, Err(400));
    for (credential, query, target) in [
        (bound, format!("?org_id={other}"), None),
        (unbound, "?org_id=5e8f1c3a-0b7d-4c29-9a64-d2f0e1b3c875".to_owned(), None),
        (member, String::new(), None),
        (member, format!("?org_id={id}"), None),
        (bound, String::new(), Some(cast.member_without_email.as_str())),
    ] {
        assert_eq!(asked(credential, &query, target).await, Ok(Vec::new()), "{query}");
    }
    let theirs = sorted(personal(&simulation.other_truth()).map(|k| k.id.clone()));
    assert_eq!(asked(unbound, &format!("?org_id={other}"), None).await, Ok(theirs));
}

#[tokio::test]
async fn the_header_makes_somebody_else_of_the_caller() {
    let (simulation, cast) = cast().await;
    let caller = simulation.braintrust_caller_id();
    let who = async |credential: &str, target: Option<&str>| {
        let answer = Answer::of(ask_with(&simulation, credential, "/api/self/me", target)).await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.status) }
    };
    let owner = simulation.braintrust_credential();
    let (ours, theirs) = (simulation.braintrust_organization(), simulation.braintrust_other_organization());
    let me = who(owner, None).await.unwrap();
    assert_eq!((me["id"].as_str(), ids(&me["organizations"])), (Some(&*caller), vec![ours.id.clone(), theirs.id.clone()]));
    assert_eq!(me["organizations"][0]["name"], ours.name.as_str());
    let bound = who(simulation.braintrust_bound_credential(), None).await.unwrap();
    assert_eq!((bound["id"].as_str(), ids(&bound["organizations"])), (Some(&*caller), vec![ours.id.clone()]));
    let users = pages(&simulation, &named(&simulation, "/v1/user"), 100, None).await;
    let plain = users.iter().find(|u| u["email"].is_string() && u["id"] != *cast.listed_account && u["id"] != *caller).unwrap();
    let (id, email) = (plain["id"].as_str().unwrap(), plain["email"].as_str().unwrap());
    for target in [id, email] {
        let they = who(owner, Some(target)).await.unwrap();
        assert_eq!((they["id"].as_str(), ids(&they["organizations"])), (Some(id), vec![ours.id.clone()]));
    }
    let post = client().post(format!("{}/api/self/me", simulation.braintrust_base_url())).bearer_auth(owner).header(HEADER, id);
    assert_eq!(Answer::of(post).await.json()["id"], id);
    assert_eq!(who(owner, Some(&caller)).await.unwrap()["id"], caller.as_str());
    assert_eq!(who(owner, Some(&cast.foreign_member)).await, Err(403));
    assert_eq!(who(owner, Some("nobody@harbourvale.example")).await, Err(404));
    let member = simulation.braintrust_member_credential();
    let member_id = who(member, None).await.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(who(member, Some(&member_id)).await.unwrap()["id"], member_id.as_str());
    assert_eq!(who(member, Some(id)).await.err(), (id != member_id).then_some(403));
    assert_eq!(who(simulation.braintrust_service_token(), Some(id)).await.unwrap()["id"], id);
    assert_eq!(who("sk-wrong", Some(id)).await, Err(401));
    let bare = Answer::of(client().get(format!("{}/v1/user", simulation.braintrust_base_url()))).await;
    assert!(bare.status == 401 && bare.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
}

#[tokio::test]
async fn preflight_sees_roles_acls_and_groups() {
    let (simulation, _) = cast().await;
    let caller = simulation.braintrust_caller_id();
    let organization = simulation.braintrust_organization().id;
    let role = braintrust(&simulation, "/v1/role?role_name=Owner", None).await.json();
    assert!(role["objects"].as_array().unwrap().len() == 1 && role["objects"][0]["org_id"].is_null());
    let role = role["objects"][0]["id"].as_str().unwrap();
    let path = format!("/v1/acl?object_type=organization&object_id={organization}&user_id={caller}&role_id={role}");
    assert_eq!(braintrust(&simulation, &path, None).await.ids("objects").len(), 1);
    assert_eq!(braintrust(&simulation, "/v1/acl?object_type=organization", None).await.status, 400);
    let all = braintrust(&simulation, &named(&simulation, "/v1/acl/list_org"), None).await.json();
    assert!(all.as_array().unwrap().iter().any(|acl| acl["user_id"] == caller.as_str()));
    let owners = braintrust(&simulation, &named(&simulation, "/v1/group?group_name=Owners"), None).await.json();
    assert!(owners["objects"][0]["member_users"].as_array().unwrap().iter().any(|id| *id == caller.as_str()));
    simulation.set_faults(Fault::parse_all("impersonation_refused").unwrap());
    assert_eq!(braintrust(&simulation, &path, None).await.ids("objects").len(), 0);
    let member = Answer::of(ask_with(&simulation, simulation.braintrust_member_credential(), "/v1/service_token", None)).await;
    assert_eq!(member.status, 403);
    let seen = braintrust(&simulation, "/v1/organization", None).await;
    assert_eq!(sorted(seen.ids("objects")), sorted([organization, simulation.braintrust_other_organization().id]));
}

#[tokio::test]
async fn keys_are_asked_for_by_id() {
    let (simulation, cast) = cast().await;
    let truth = simulation.truth();
    let key = personal(&truth).find(|k| k.id != cast.unbound_key && k.home == cast.unlisted_member).unwrap().clone();
    let status = async |target: Option<&str>| braintrust(&simulation, &format!("/v1/api_key/{}", key.id), target).await.status;
    assert_eq!((status(None).await, status(Some(&key.home)).await), (200, 200));
    assert_eq!(status(Some(&cast.member_without_keys)).await, 404);
    let all = ids(&pages(&simulation, "/v1/api_key", 100, Some(&key.home)).await.into());
    assert!(simulation.change(|world| world.revoke(&key.id)));
    assert!(!simulation.change(|world| world.revoke(&key.id)));
    assert_eq!((status(None).await, status(Some(&key.home)).await), (404, 404));
    let after = braintrust(&simulation, &format!("/v1/api_key?starting_after={}", key.id), Some(&key.home)).await;
    let place = all.iter().position(|id| *id == key.id).unwrap();
    assert_eq!(after.ids("objects"), all[place + 1..], "a cursor outlives its key");
    for bad in ["limit=0", "limit=x", "starting_after=x", &*format!("starting_after={0}&ending_before={0}", key.id)] {
        assert_eq!(braintrust(&simulation, &format!("/v1/api_key?{bad}"), None).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn leavers_leave_every_list() {
    let (simulation, cast) = cast().await;
    let truth = simulation.truth();
    let key = personal(&truth).find(|k| k.home == cast.member_without_email).unwrap();
    assert!(simulation.change(|world| world.leave(&key.home, NOW)));
    assert!(!everybody(&simulation, 100).await.contains(&key.home));
    assert_eq!(braintrust(&simulation, "/v1/api_key", Some(&key.home)).await.status, 404);
    let organization = simulation.braintrust_organization().id;
    let all = pages(&simulation, &format!("/v1/organization/api_keys?org_id={organization}"), 100, None).await;
    assert!(all.iter().all(|k| k["user_id"] != key.home.as_str()));
    let after = simulation.truth();
    let left = after.iter().find(|k| k.id == key.id).unwrap();
    assert!(!left.listed && !left.owner_has_access && left.enabled, "it stays behind");
    let own = personal(&after).find(|k| k.name == "keymuster audit").unwrap();
    assert!(simulation.braintrust_credential().ends_with(&{
        let keys = pages(&simulation, "/v1/api_key", 100, Some(&own.home)).await;
        let own = keys.iter().find(|k| k["id"] == own.id.as_str()).unwrap();
        own["preview_name"].as_str().unwrap()[6..].to_owned()
    }));
    assert!(simulation.change(|world| world.revoke(&own.id)));
    assert_eq!(braintrust(&simulation, "/v1/user", None).await.status, 401);
}

#[tokio::test]
async fn ten_thousand_members_are_walked_by_pages() {
    let options = Options { size: Size::members(10_000, 1), ..Options::default() };
    let simulation = start(options, Clock::runtime(NOW)).await.unwrap();
    let users = ids(&pages(&simulation, &named(&simulation, "/v1/user"), 1000, None).await.into());
    assert_eq!(users.len(), 10_000);
    let truth = simulation.truth();
    assert!(personal(&truth).count() == 10_001, "the caller has two");
    let keys = pages(&simulation, "/v1/api_key", 100, Some(&users[5000])).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(simulation.braintrust_cast(), None);
}
