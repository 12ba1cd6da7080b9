use super::*;
use crate::sim::{INVITE_TOKEN, Remote};

fn listed(truth: &[TrueKey]) -> Vec<String> {
    true_ids(truth, |key| key.provider == Remote::Den && key.listed)
}

#[tokio::test]
async fn one_answer_gives_exactly_the_truth() {
    let simulation = simulation().await;
    let truth = simulation.truth();
    let answer = den(&simulation, "/v1/api-keys?limit=3").await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "application/json"));
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["content-length"].to_str().unwrap(), answer.text.len().to_string());
    assert!(!answer.headers.contains_key("content-encoding"));
    assert_eq!(sorted(answer.ids("apiKeys")), listed(&truth));
    assert!(truth.iter().any(|key| key.provider == Remote::Den && !key.listed), "keys of those who left");
    let keys = answer.json()["apiKeys"].as_array().unwrap().clone();
    assert!(keys.is_sorted_by_key(|k| std::cmp::Reverse(k["createdAt"].as_str().unwrap().to_owned())), "newest first");
    for key in &keys {
        let real = truth.iter().find(|t| t.id == key["id"].as_str().unwrap()).unwrap();
        let at = |field: &str| key[field].as_str().map(|text| Time::from_remote_rfc3339(text).unwrap().unix());
        assert_eq!(
            (at("createdAt"), at("lastRequest"), at("expiresAt")),
            (Some(real.created_at), real.last_used_at, real.expires_at)
        );
        assert_eq!((key["owner"]["userId"].as_str(), key["enabled"].as_bool()), (Some(&*real.owner_id), Some(real.enabled)));
        let created = key["createdAt"].as_str().unwrap();
        assert!(created.len() == 24 && created.as_bytes()[19] == b'.' && created.ends_with('Z'), "{created}");
        let (prefix, rest) = real.id.split_at(4);
        assert!(prefix == "apk_" && rest.len() == 26 && rest.as_bytes()[0] <= b'7', "{rest}");
        let start = key["start"].as_str().unwrap();
        assert!(start.len() == 6 && start.starts_with("den_"));
    }
}

#[tokio::test]
async fn the_header_chooses_the_organisation() {
    let simulation = simulation().await;
    let (ours, theirs) = (listed(&simulation.truth()), listed(&simulation.other_truth()));
    let keys = format!("{}/v1/api-keys", simulation.den_base_url());
    let ask = async |token: &str, header: Option<&str>| {
        let mut request = client().get(&keys).bearer_auth(token);
        if let Some(id) = header {
            request = request.header("x-openwork-org-id", id);
        }
        let answer = Answer::of(request).await;
        if answer.status == 200 {
            Ok(sorted(answer.ids("apiKeys")))
        } else {
            Err((answer.status, answer.json()["error"].clone()))
        }
    };
    let unknown = Err((404, "organization_not_found".into()));
    let (id, other) = (simulation.den_organization_id(), simulation.den_other_organization_id());
    let (fresh, elsewhere) = (simulation.den_session(), simulation.den_session_elsewhere());
    assert_eq!(ask(fresh, Some(&id)).await, Ok(ours.clone()));
    assert_eq!(ask(fresh, Some(&other)).await, Ok(theirs.clone()));
    assert_eq!(ask(elsewhere, Some(&id)).await, Ok(ours));
    assert_eq!(ask(fresh, None).await, unknown);
    assert_eq!(ask(fresh, Some("org_01m7zwyznkeyeryn9h2hnt4nq5")).await, unknown);
    // Malformed is as good as missing: the active organisation answers, and it is the wrong one.
    for malformed in [id.to_uppercase(), id[..29].to_owned(), id.replace("org_", "orx_"), format!("org_{}", "8".repeat(26))] {
        assert_eq!(ask(elsewhere, Some(&malformed)).await, Ok(theirs.clone()), "{malformed}");
        assert_eq!(ask(fresh, Some(&malformed)).await, unknown, "{malformed}");
    }
    assert_eq!(ask(simulation.den_member_session(), Some(&id)).await, Err((403, "forbidden".into())));
    assert_eq!(ask("nobody", Some(&id)).await, Err((401, "unauthorized".into())));
    assert_eq!(ask(simulation.den_api_key(), Some(&id)).await, Err((401, "unauthorized".into())), "a key is no bearer token");
    let path =
        Answer::of(client().get(format!("{}/v1/orgs/{id}/api-keys", simulation.den_base_url())).bearer_auth(elsewhere)).await;
    assert_eq!(sorted(path.ids("apiKeys")), listed(&simulation.truth()));
}

#[tokio::test]
async fn an_api_key_is_bound_to_its_organisation_and_is_used_by_asking() {
    let simulation = simulation().await;
    let url = |path: &str| format!("{}{path}", simulation.den_base_url());
    let other = simulation.den_other_organization_id();
    let request = client().get(url("/v1/api-keys")).header("x-api-key", simulation.den_api_key());
    let answer = Answer::of(request.header("x-openwork-org-id", &other).bearer_auth(simulation.den_session_elsewhere())).await;
    assert_eq!(sorted(answer.ids("apiKeys")), listed(&simulation.truth()), "the key wins over session and header");
    let body = answer.json();
    let used: Vec<&Value> = body["apiKeys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|k| k["lastRequest"].as_str().is_some_and(|t| Time::from_remote_rfc3339(t) >= Some(NOW)))
        .collect();
    assert_eq!(used.len(), 1);
    assert_eq!((used[0]["name"].as_str(), used[0]["start"].as_str()), (Some("keymuster"), simulation.den_api_key().get(..6)));
    let orgs = Answer::of(client().get(url("/v1/me/orgs")).header("x-api-key", simulation.den_api_key())).await.json();
    assert_eq!(
        (orgs["orgs"].as_array().unwrap().len(), orgs["orgs"][0]["id"].as_str()),
        (1, Some(&*simulation.den_organization_id()))
    );
    let id = used[0]["id"].as_str().unwrap();
    assert!(simulation.change(|world| world.revoke(id)));
    assert_eq!(Answer::of(client().get(url("/v1/me")).header("x-api-key", simulation.den_api_key())).await.status, 401);
}

#[tokio::test]
async fn a_session_lives_a_week_and_slides_in_its_last_six_days() {
    let simulation = simulation().await;
    let until = async || {
        let me = den(&simulation, "/v1/me").await.json();
        Time::from_remote_rfc3339(me["session"]["expiresAt"].as_str().unwrap()).unwrap().since(NOW)
    };
    let day = 86_400;
    assert_eq!(until().await, 7 * day);
    for (left, then) in [(6 * day + 1, 6 * day + 1), (6 * day, 6 * day), (6 * day - 1, 7 * day), (day, 7 * day)] {
        simulation.change(|world| world.den_session_until = NOW.plus(left));
        assert_eq!(until().await, then, "{left} were left");
    }
}

#[tokio::test]
async fn organisations_and_members_are_told() {
    let simulation = simulation().await;
    let url = |path: &str| format!("{}{path}", simulation.den_base_url());
    let orgs = Answer::of(client().get(url("/v1/me/orgs")).bearer_auth(simulation.den_session())).await.json();
    assert_eq!(ids(&orgs["orgs"]), [simulation.den_organization_id(), simulation.den_other_organization_id()]);
    assert!(orgs["activeOrgId"].is_null() && orgs["orgs"][0]["metadata"].is_string());
    let org = den(&simulation, "/v1/org").await;
    assert!(org.text.contains(INVITE_TOKEN));
    let org = org.json();
    assert_eq!(org["organization"]["id"], simulation.den_organization_id());
    let members = org["members"].as_array().unwrap();
    assert_eq!(members.iter().filter(|m| m["userId"].is_string()).count(), 27);
    assert_eq!(members.iter().filter(|m| m["userId"].is_null()).count(), 1, "one was invited");
    let owners: std::collections::HashSet<&str> = members.iter().filter_map(|m| m["userId"].as_str()).collect();
    assert!(simulation.truth().iter().filter(|k| k.provider == Remote::Den && k.listed).all(|k| owners.contains(&*k.owner_id)));
    assert_eq!(Answer::of(client().get(url("/health"))).await.json()["ok"], true);
    assert_eq!(den(&simulation, "/v1/members").await.json()["error"], "not_found");
    assert_eq!(den(&simulation, "/v1/api-keys/").await.status, 404);
    assert_eq!(Answer::of(client().put(url("/v1/api-keys"))).await.status, 404);
}

#[tokio::test]
async fn keys_of_leavers_drop_out() {
    let simulation = simulation().await;
    let truth = simulation.truth();
    let key = truth.iter().rev().find(|k| k.provider == Remote::Den && k.listed && k.name != "keymuster").unwrap();
    assert!(simulation.change(|world| world.leave(&key.owner_id, NOW)));
    let after = simulation.truth();
    assert!(after.iter().all(|k| k.owner_id != key.owner_id || (!k.enabled && !k.listed)));
    if key.owner_id != truth.iter().find(|k| k.name == "keymuster").unwrap().owner_id {
        assert_eq!(sorted(den(&simulation, "/v1/api-keys").await.ids("apiKeys")), listed(&after));
    }
}
