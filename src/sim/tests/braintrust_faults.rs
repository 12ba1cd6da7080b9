use super::braintrust::{HEADER, ask, ask_with, braintrust, cast, named, pages, personal};
use super::*;
use crate::sim::{KINDS, LEAKED_SECRET, Remote};

const KEYS: &str = "/v1/api_key";

/// A member with keys other than the caller, and how many.
fn somebody(simulation: &Simulation) -> (String, usize) {
    let (truth, caller) = (simulation.truth(), simulation.braintrust_caller_id());
    let cast = simulation.braintrust_cast().unwrap();
    let plain = |k: &&TrueKey| {
        k.home != caller && ![&cast.foreign_member, &cast.member_without_email, &cast.unlisted_member].contains(&&k.home)
    };
    let count = |home: &str| personal(&truth).filter(|k| k.home == home).count();
    let key = personal(&truth).filter(plain).find(|k| count(&k.home) >= 2).unwrap();
    (key.home.clone(), count(&key.home))
}

fn set(simulation: &Simulation, faults: &str) {
    simulation.set_faults(Fault::parse_all(faults).unwrap());
}

#[tokio::test]
async fn the_header_is_lost() {
    let (simulation, cast) = cast().await;
    let (member, keys) = somebody(&simulation);
    let own = braintrust(&simulation, KEYS, None).await.ids("objects");
    let theirs = braintrust(&simulation, KEYS, Some(&member)).await.ids("objects");
    assert!(own.len() >= 2 && theirs.len() == keys && own != theirs);

    set(&simulation, "header_dropped");
    for target in [&member, &cast.foreign_member] {
        assert_eq!(braintrust(&simulation, KEYS, Some(target)).await.ids("objects"), own);
    }
    assert_eq!(braintrust(&simulation, "/api/self/me", Some(&member)).await.json()["id"], simulation.braintrust_caller_id());

    set(&simulation, "header_dropped every 3");
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(braintrust(&simulation, KEYS, Some(&member)).await.ids("objects") == own);
    }
    assert_eq!(seen, [true, false, false, true, false, false]);

    set(&simulation, "header_dropped on /api/self/me");
    assert_eq!(braintrust(&simulation, "/api/self/me", Some(&member)).await.json()["id"], simulation.braintrust_caller_id());
    assert_eq!(braintrust(&simulation, KEYS, Some(&member)).await.ids("objects"), theirs);

    set(&simulation, "header_dropped_empty");
    assert!(braintrust(&simulation, KEYS, Some(&member)).await.ids("objects").is_empty());
    assert_eq!(braintrust(&simulation, KEYS, None).await.ids("objects"), own);
    assert_eq!(braintrust(&simulation, "/api/self/me", Some(&member)).await.json()["id"], simulation.braintrust_caller_id());

    set(&simulation, "impersonation_refused\ntoken_exchange");
    let refused = braintrust(&simulation, KEYS, Some(&member)).await;
    assert!(refused.status == 403 && refused.text.contains("[user_email="), "{}", refused.text);
    assert_eq!(braintrust(&simulation, KEYS, None).await.ids("objects"), own);
    assert_eq!(exchange(&simulation, &member).await.status, 403);
}

#[tokio::test]
async fn the_organisation_s_list_is_spoilt() {
    let (simulation, _) = cast().await;
    let path = format!("/v1/organization/api_keys?org_id={}", simulation.braintrust_organization().id);
    let all = braintrust(&simulation, &path, None).await.ids("objects");
    set(&simulation, "organization_list");
    assert_eq!(braintrust(&simulation, &path, None).await.status, 404);
    set(&simulation, "organization_list:braintrust:empty");
    assert!(braintrust(&simulation, &path, None).await.ids("objects").is_empty());
    set(&simulation, "organization_list:without_caller");
    let own = braintrust(&simulation, &named(&simulation, KEYS), None).await.ids("objects");
    let without: Vec<String> = all.into_iter().filter(|id| !own.contains(id)).collect();
    assert_eq!(braintrust(&simulation, &path, None).await.ids("objects"), without);
}

async fn exchange(simulation: &Simulation, member: &str) -> Answer {
    let url = format!("{}/v1/impersonate", simulation.braintrust_base_url());
    let body = serde_json::json!({"user_id": member}).to_string();
    Answer::of(client().post(url).bearer_auth(simulation.braintrust_credential()).body(body)).await
}

#[tokio::test]
async fn credentials_are_exchanged_for_tokens() {
    let (simulation, cast) = cast().await;
    let (member, keys) = somebody(&simulation);
    assert_eq!(exchange(&simulation, &member).await.status, 404, "unless a fault lets it exist");
    let fields = ["token", "impersonation_token", "access_token", "key", "api_key", "jwt", "accessToken", "data.token", "a.b.c"];
    let listed = async |credential: &str, path: &str| Answer::of(ask_with(&simulation, credential, path, None)).await;
    for field in fields {
        set(&simulation, &format!("token_exchange:{field}"));
        let answer = exchange(&simulation, &member).await.json();
        let token = answer.pointer(&format!("/{}", field.replace('.', "/"))).unwrap().as_str().unwrap();
        assert_eq!(answer["expires_in"], 60);
        let page = listed(token, KEYS).await;
        assert_eq!((page.status, page.ids("objects").len()), (200, keys), "{field}");
        assert!(page.json()["objects"].as_array().unwrap().iter().all(|k| k["user_id"] == member.as_str()));
        for elsewhere in ["/v1/user", "/api/self/me", "/v1/organization/api_keys"] {
            assert_eq!(listed(token, elsewhere).await.status, 401, "{elsewhere}");
        }
        let tampered = token.replace(&member, &cast.unlisted_member);
        assert_eq!(listed(&tampered, KEYS).await.status, 401);
    }
    for (shape, start) in [("bare", "\"bt-imp-"), ("text", "bt-imp-"), ("html", "<!doctype")] {
        set(&simulation, &format!("token_exchange:{shape}"));
        let answer = exchange(&simulation, &member).await;
        assert!(answer.status == 200 && answer.text.starts_with(start), "{}", answer.text);
    }
    assert_eq!(exchange(&simulation, &cast.foreign_member).await.status, 403);
    assert_eq!(exchange(&simulation, "5e8f1c3a-0b7d-4c29-9a64-d2f0e1b3c875").await.status, 404);
}

#[tokio::test]
async fn the_exchange_gives_the_caller_s_own_token() {
    let (simulation, _) = cast().await;
    let (member, _) = somebody(&simulation);
    let own = braintrust(&simulation, KEYS, None).await.ids("objects");
    set(&simulation, "token_exchange:text\ntoken_of_caller");
    let token = exchange(&simulation, &member).await.text;
    assert_eq!(Answer::of(ask_with(&simulation, &token, KEYS, None)).await.ids("objects"), own);
}

#[tokio::test]
async fn a_key_is_made_between_two_pages() {
    let (simulation, _) = cast().await;
    let path = format!("/v1/organization/api_keys?org_id={}", simulation.braintrust_organization().id);
    let before = ids(&pages(&simulation, &path, 10, None).await.into());
    set(&simulation, "key_made on /v1/organization/api_keys from 2 to 2");
    assert_eq!(ids(&pages(&simulation, &path, 10, None).await.into()), before, "it stands on the page that was read already");
    let after = ids(&pages(&simulation, &path, 10, None).await.into());
    assert_eq!(after[1..], before);
}

#[tokio::test]
async fn a_token_ends() {
    let clock = Clock::runtime(NOW);
    let simulation = start(Options::default(), clock).await.unwrap();
    let (member, _) = somebody(&simulation);
    set(&simulation, "token_exchange:text");
    let token = exchange(&simulation, &member).await.text;
    assert_eq!(Answer::of(ask_with(&simulation, &token, KEYS, None)).await.status, 200);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(Answer::of(ask_with(&simulation, &token, KEYS, None)).await.status, 401);
}

#[tokio::test]
async fn pages_and_elements_lie() {
    let (simulation, _) = cast().await;
    let path = named(&simulation, "/v1/user");
    let all = ids(&pages(&simulation, &path, 100, None).await.into());
    let page = async |query: &str| braintrust(&simulation, &format!("{path}{query}"), None).await;

    set(&simulation, "page_cap:4");
    assert_eq!((page("").await.ids("objects"), page("&limit=100").await.ids("objects")), (all[..4].to_vec(), all[..4].to_vec()));
    assert_eq!(page("&limit=3").await.ids("objects"), all[..3]);
    assert_eq!(ids(&pages(&simulation, &path, 100, None).await.into()), all, "short pages are not the last");

    set(&simulation, "overlapping_pages");
    assert_eq!(page(&format!("&limit=3&starting_after={}", all[6])).await.ids("objects"), all[6..9]);
    let mut seen = ids(&pages(&simulation, &path, 10, None).await.into());
    assert_eq!(seen.len(), all.len() + 2);
    seen.dedup();
    assert_eq!(seen, all);

    set(&simulation, "repeated_page");
    assert_eq!(page(&format!("&limit=3&starting_after={}", all[6])).await.ids("objects"), all[..3]);

    set(&simulation, "short_list:braintrust:40 on /v1/user");
    let short = page("").await.ids("objects");
    assert!(short.len() < all.len() && short.len() > 3 && short.last() == all.last());

    let (member, keys) = somebody(&simulation);
    set(&simulation, "wrong_owner\nduplicate_item\nsecret_name");
    let answer = braintrust(&simulation, KEYS, Some(&member)).await;
    let got = answer.json()["objects"].as_array().unwrap().clone();
    assert_eq!((got.len(), got.iter().filter(|k| k["user_id"] != member.as_str()).count()), (keys + 1, 1));
    assert_eq!(answer.text.matches(LEAKED_SECRET).count(), 1);
    set(&simulation, "missing_field:user_email\nbad_item");
    let got = braintrust(&simulation, KEYS, Some(&member)).await;
    assert_eq!(got.ids("objects").iter().filter(|id| *id == "?").count(), 1);
    assert!(got.json()["objects"].as_array().unwrap().iter().all(|k| k.get("user_email").is_none()));
}

#[tokio::test]
async fn statuses_come_in_plain_text() {
    let (simulation, _) = cast().await;
    for (fault, status) in
        [("http_500", 500), ("status:502", 502), ("unauthorized", 401), ("forbidden", 403), ("not_found:braintrust", 404)]
    {
        set(&simulation, fault);
        let answer = braintrust(&simulation, KEYS, None).await;
        assert_eq!(answer.status, status, "{fault}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        assert!(serde_json::from_str::<Value>(&answer.text).is_err());
    }
    set(&simulation, "unauthorized:braintrust from 3");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(braintrust(&simulation, KEYS, None).await.status);
    }
    assert_eq!(seen, [200, 200, 401, 401]);
    set(&simulation, "rate_limit_seconds:braintrust:1");
    assert_eq!(braintrust(&simulation, KEYS, None).await.status, 200);
    let hasty = braintrust(&simulation, KEYS, None).await;
    assert!(hasty.status == 429 && hasty.headers.contains_key("retry-after"));
    assert_eq!(openai(&simulation, "/organization/users").await.status, 200);
    set(&simulation, "signed_url");
    let moved = braintrust(&simulation, KEYS, None).await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap().starts_with("http://127.0.0.1:9/")), (303, true));
    set(&simulation, "self_by_get");
    let url = format!("{}/api/self/me", simulation.braintrust_base_url());
    let posted = Answer::of(client().post(&url).bearer_auth(simulation.braintrust_credential())).await;
    assert_eq!((posted.status, braintrust(&simulation, "/api/self/me", None).await.status), (405, 200));
    set(&simulation, "");
    assert_eq!(braintrust(&simulation, "/v1/nothing", None).await.status, 404);
    assert_eq!(Answer::of(client().post(format!("{}{KEYS}", simulation.braintrust_base_url()))).await.status, 404);
}

#[tokio::test]
async fn another_organisation_answers() {
    let (simulation, _) = cast().await;
    let (ours, theirs) = (simulation.braintrust_organization(), simulation.braintrust_other_organization());
    let foreign = sorted(personal(&simulation.other_truth()).map(|k| k.id.clone()));
    set(&simulation, "wrong_org:braintrust");
    let list = format!("/v1/organization/api_keys?org_id={}", ours.id);
    assert_eq!(sorted(braintrust(&simulation, &list, None).await.ids("objects")), foreign);
    let me = braintrust(&simulation, "/api/self/me", None).await.json();
    assert_eq!(ids(&me["organizations"]), [theirs.id]);
    let own = braintrust(&simulation, &named(&simulation, KEYS), None).await.ids("objects");
    assert!(!own.is_empty() && own.iter().all(|id| foreign.contains(id)));
}

/// Every kind that Braintrust knows changes what is seen of a member's keys, or is tested above alone.
#[tokio::test]
async fn no_kind_is_without_effect_here() {
    let (simulation, _) = cast().await;
    let (member, _) = somebody(&simulation);
    let path = named(&simulation, KEYS);
    let good = braintrust(&simulation, &path, Some(&member)).await;
    for kind in KINDS.iter().filter(|kind| kind.only.is_empty() || kind.only.contains(&Remote::Braintrust)) {
        let argument = match kind.name {
            "status" => ":502",
            "missing_field" => ":id",
            "short_list" => ":99",
            "gzip_bomb" | "huge" | "page_cap" | "rate_limit" | "rate_limit_seconds" | "rate_limit_date" => ":1",
            _ => "",
        };
        set(&simulation, &format!("{}{argument}", kind.name));
        if kind.name.starts_with("rate_limit") {
            braintrust(&simulation, &path, Some(&member)).await;
        }
        let elsewhere = [
            "organization_list",
            "token_exchange",
            "token_of_caller",
            "key_made",
            "self_by_get",
            "clock_skew",
            "overlapping_pages",
            "repeated_page",
        ];
        let unseen = ["latency", "slow_drip", "gzip", "drop_connection", "cut_body"];
        if elsewhere.contains(&kind.name) || unseen.contains(&kind.name) {
            continue;
        }
        let response = ask(&simulation, &path, None).header(HEADER, &member).send().await.unwrap();
        assert_ne!(response.bytes().await.unwrap(), good.text.as_bytes(), "{}", kind.name);
    }
}
