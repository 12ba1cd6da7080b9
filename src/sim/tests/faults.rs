use super::*;
use crate::sim::{KINDS, LEAKED_SECRET, Remote, UNASKED_SECRET};

const USERS: &str = "/organization/users?limit=10";

/// The first page of users and what they really are.
async fn users(faults: &str) -> (Simulation, Answer, Vec<String>) {
    let simulation = simulation().await;
    let real = openai(&simulation, USERS).await.ids("data");
    simulation.set_faults(Fault::parse_all(faults).unwrap());
    let answer = openai(&simulation, USERS).await;
    (simulation, answer, real)
}

#[tokio::test]
async fn statuses_and_their_bodies() {
    for (fault, status) in
        [("http_500", 500), ("http_503", 503), ("status:502", 502), ("unauthorized", 401), ("forbidden", 403), ("not_found", 404)]
    {
        let simulation = with_faults(fault).await;
        let (one, other) = (openai(&simulation, "/organization/projects").await, den(&simulation, "/v1/api-keys").await);
        assert_eq!((one.status, other.status), (status, status), "{fault}");
        assert!(one.json()["error"].is_object() || fault == "forbidden");
        assert!(other.json()["error"].is_string());
    }
}

#[tokio::test]
async fn a_fault_keeps_to_its_provider_path_and_requests() {
    let simulation = with_faults("http_500:openai on /organization/users from 2 to 5 every 2").await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(openai(&simulation, "/organization/users").await.status);
        assert_eq!(openai(&simulation, "/organization/projects").await.status, 200);
        assert_eq!(den(&simulation, "/v1/api-keys").await.status, 200);
    }
    assert_eq!(seen, [200, 500, 200, 500, 200, 200]);
    let projects = ids(&walk(&simulation, "/organization/projects", 100).await.into());
    let path = |number: usize| format!("/organization/projects/{}/api_keys", projects[number]);
    simulation.set_faults(vec![format!("forbidden on {}", path(0)).parse().unwrap()]);
    assert_eq!((openai(&simulation, &path(0)).await.status, openai(&simulation, &path(1)).await.status), (403, 200));
    simulation.set_faults(vec![format!("forbidden on {PROJECT_KEYS}").parse().unwrap()]);
    assert_eq!((openai(&simulation, &path(0)).await.status, openai(&simulation, &path(1)).await.status), (403, 403));
}

#[tokio::test]
async fn haste_is_refused_for_each_endpoint_by_itself() {
    for (fault, header) in [("rate_limit:3", None), ("rate_limit_seconds:3", Some("60")), ("rate_limit_date:3", Some("GMT"))] {
        let clock = Clock::runtime(NOW);
        let simulation = start(Options::default(), clock.clone()).await.unwrap();
        simulation.set_faults(Fault::parse_all(fault).unwrap());
        for _ in 0..3 {
            assert_eq!(openai(&simulation, "/organization/users").await.status, 200);
        }
        let refused = openai(&simulation, "/organization/users").await;
        assert_eq!((refused.status, openai(&simulation, "/organization/projects").await.status), (429, 200), "{fault}");
        let told = refused.headers.get("retry-after").map(|v| v.to_str().unwrap().to_owned());
        match header {
            Some("60") => assert!((1..=60).contains(&told.unwrap().parse::<u64>().unwrap())),
            Some(part) => assert!(told.unwrap().ends_with(part)),
            None => assert_eq!(told, None),
        }
    }
}

#[tokio::test]
async fn who_is_busy_says_when_to_come_back_and_lets_in_whoever_does() {
    for (fault, told) in [("busy to 1", "1"), ("busy:openai:7 to 1", "7"), ("busy:date to 1", "GMT"), ("busy:soon to 1", "soon")]
    {
        let simulation = with_faults(fault).await;
        let refused = openai(&simulation, "/organization/users").await;
        let header = refused.headers["retry-after"].to_str().unwrap();
        assert!(refused.status == 429 && header.ends_with(told), "{fault}: {header}");
        assert_eq!(openai(&simulation, "/organization/users").await.status, 200, "{fault}");
    }
}

#[tokio::test]
async fn other_people_s_pages() {
    let (_, page, _) = users("html_200").await;
    assert!(
        page.status == 200
            && page.headers["content-type"].to_str().unwrap().starts_with("text/html")
            && page.text.contains("<h1>")
    );
    let (_, page, _) = users("html_502").await;
    assert!(page.status == 502 && page.text.contains("<h1>"));
    let (_, moved, _) = users("redirect:http://127.0.0.1:9/x").await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (302, "http://127.0.0.1:9/x"));
    let simulation = with_faults("wrong_org on /v1/api-keys\nwrong_org:openai").await;
    let den_truth = true_ids(&simulation.other_truth(), |k| k.provider == Remote::Den && k.listed);
    assert_eq!(sorted(den(&simulation, "/v1/api-keys").await.ids("apiKeys")), den_truth);
    assert_eq!(den(&simulation, "/v1/org").await.json()["organization"]["id"], simulation.den_organization_id());
    let foreign = true_ids(&simulation.other_truth(), |k| k.home.starts_with("proj_"));
    let projects = ids(&walk(&simulation, "/organization/projects", 100).await.into());
    let keys = walk(&simulation, &format!("/organization/projects/{}/api_keys", projects[0]), 100).await;
    assert!(!keys.is_empty() && ids(&keys.into()).iter().all(|id| foreign.contains(id)));
}

#[tokio::test]
async fn lists_that_lie() {
    let (_, page, real) = users("no_has_more").await;
    assert!(page.json().get("has_more").is_none() && page.ids("data") == real);

    let (simulation, page, real) = users("repeated_page").await;
    assert!(page.ids("data") == real && page.json()["has_more"] == true);
    let next = openai(&simulation, &format!("{USERS}&after={}", real[9])).await;
    assert!(next.ids("data") == real && next.json()["has_more"] == true);

    let (simulation, page, real) = users("repeated_cursor").await;
    assert_eq!(page.ids("data"), real);
    let next = openai(&simulation, &format!("{USERS}&after={}", real[9])).await;
    assert!(
        next.ids("data").last() == real.last() && next.json()["last_id"] == real[9].as_str() && next.json()["has_more"] == true
    );

    let (_, page, _) = users("empty_page_has_more").await;
    assert!(page.ids("data").is_empty() && page.json()["has_more"] == true && page.json()["last_id"].is_null());

    let (_, page, _) = users("empty_list").await;
    assert!(page.ids("data").is_empty() && page.json()["has_more"] == false);
}

#[tokio::test]
async fn elements_that_lie() {
    let (_, page, real) = users("bad_item").await;
    let got = page.ids("data");
    assert_eq!(got.len(), real.len() + 1);
    assert_eq!(got.iter().filter(|id| *id != "?").cloned().collect::<Vec<_>>(), real);

    let (_, page, real) = users("duplicate_item").await;
    assert_eq!(page.ids("data")[..2], [real[0].clone(), real[0].clone()]);
    assert_eq!(page.ids("data")[1..], real);

    let (_, page, real) = users("duplicate_differs").await;
    let (got, of) = (page.ids("data"), &page.json()["data"]);
    assert!(got[..2] == [real[0].clone(), real[0].clone()] && got[1..] == real && of[0]["name"] != of[1]["name"]);

    let (_, page, real) = users("missing_field:added_at").await;
    assert!(page.ids("data") == real && page.json()["data"].as_array().unwrap().iter().all(|u| u.get("added_at").is_none()));

    let (_, page, _) = users("secret_name").await;
    assert!(page.text.contains(LEAKED_SECRET) && page.text.matches(LEAKED_SECRET).count() == 1);

    let simulation = simulation().await;
    let all = den(&simulation, "/v1/api-keys").await.ids("apiKeys");
    simulation.set_faults(Fault::parse_all("short_list:den:40").unwrap());
    let short = den(&simulation, "/v1/api-keys").await.ids("apiKeys");
    assert!(short.len() < all.len() * 4 / 5 && short.len() > all.len() * 2 / 5, "{} of {}", short.len(), all.len());
    assert_eq!(short, den(&simulation, "/v1/api-keys").await.ids("apiKeys"), "the same in each walk");
    assert_eq!(short.last(), all.last());
}

#[tokio::test]
async fn the_first_element_is_made_anew() {
    let lists = async |simulation: &Simulation| {
        let answers = [openai(simulation, "/organization/projects").await, den(simulation, "/v1/api-keys").await];
        [answers[0].json()["data"].clone(), answers[1].json()["apiKeys"].clone()]
    };
    let simulation = simulation().await;
    let good = lists(&simulation).await;
    simulation.set_faults(Fault::parse_all("recreated").unwrap());
    for (mut good, bad) in good.into_iter().zip(lists(&simulation).await) {
        let seconds = |created: &Value| {
            created.as_i64().unwrap_or_else(|| created.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second())
        };
        let field = if good[0].get("createdAt").is_some() { "createdAt" } else { "created_at" };
        assert_eq!(seconds(&bad[0][field]) - seconds(&good[0][field]), 86_400);
        good[0][field] = bad[0][field].clone();
        assert_eq!(good, bad, "the rest is as it was");
    }
}

#[tokio::test]
async fn bodies_that_do_not_arrive() {
    for fault in ["cut_body", "drop_connection"] {
        let simulation = with_faults(fault).await;
        let sent = ask_openai(&simulation, USERS).send().await;
        match sent {
            Ok(response) if fault == "cut_body" => {
                assert_eq!(response.status().as_u16(), 200);
                assert!(response.content_length().unwrap() > 500);
                assert!(response.text().await.is_err());
            }
            Ok(response) => panic!("{fault}: {}", response.status()),
            Err(why) => assert_eq!(fault, "drop_connection", "{why}"),
        }
        simulation.set_faults(Vec::new());
        assert_eq!(openai(&simulation, USERS).await.status, 200, "the next connection is good");
    }
    let (_, page, _) = users("cut_json").await;
    assert!(page.status == 200 && serde_json::from_str::<Value>(&page.text).is_err() && page.text.starts_with("{\"object\""));
}

#[tokio::test]
async fn answers_that_take_their_time() {
    let timed = async |faults: &str, path: &str| {
        let simulation = with_faults(faults).await;
        let began = tokio::time::Instant::now();
        let answer = den(&simulation, path).await;
        (began.elapsed(), answer)
    };
    let (took, answer) = timed("latency:den:300", "/health").await;
    assert!(took >= Duration::from_millis(300) && answer.status == 200);
    let (took, answer) = timed("slow_drip:60", "/health").await;
    assert!(took >= Duration::from_millis(180) && answer.json()["ok"] == true, "{took:?}");
}

#[tokio::test]
async fn bodies_that_are_more_than_they_seem() {
    let simulation =
        with_faults("gzip_bomb:3 on /organization/users\nhuge:2 on /organization/projects\ngzip on /v1/api-keys").await;
    let bomb = ask_openai(&simulation, USERS).send().await.unwrap();
    assert_eq!(bomb.headers()["content-encoding"], "gzip");
    let wire = bomb.bytes().await.unwrap();
    assert!(wire.len() < 64 << 10, "{}", wire.len());
    let mut inflated = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&wire[..]), &mut inflated).unwrap();
    assert!(inflated.len() > 3 << 20);
    assert_eq!(serde_json::from_str::<Value>(&inflated).unwrap()["has_more"], false, "and valid to the end");

    let huge = openai(&simulation, "/organization/projects").await;
    assert_eq!(huge.ids("data")[0].len(), 2 << 20);

    let plain = den(&simulation, "/v1/api-keys").await;
    assert!(!plain.headers.contains_key("content-encoding"), "not asked for");
    let packed = ask_den(&simulation, "/v1/api-keys").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let wire = packed.bytes().await.unwrap();
    let mut inflated = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&wire[..]), &mut inflated).unwrap();
    assert_eq!(inflated, plain.text);
}

#[tokio::test]
async fn the_date_goes_wrong() {
    let dated = async |faults: &str| with_faults(faults).await.date().await;
    let right = dated("").await;
    assert!((NOW.unix()..NOW.unix() + PATIENCE).contains(&right), "{right}");
    let wrong = dated("clock_skew").await;
    assert!((7200..7200 + PATIENCE).contains(&(wrong - NOW.unix())), "{wrong}");
    assert!((-7200..-7200 + PATIENCE).contains(&(dated("clock_skew:-7200").await - NOW.unix())));
}

impl Simulation {
    async fn date(&self) -> i64 {
        let answer = openai(self, USERS).await;
        let text = answer.headers["date"].to_str().unwrap();
        assert_eq!(answer.headers.get_all("date").iter().count(), 1);
        jiff::fmt::rfc2822::parse(text).unwrap().timestamp().as_second()
    }
}

#[tokio::test]
async fn secrets_that_nobody_asked_for_are_in_every_object_and_the_rest_is_as_before() {
    let good = [openai(&simulation().await, USERS).await, den(&simulation().await, "/v1/org").await];
    let simulation = with_faults("secret_fields").await;
    let bad = [openai(&simulation, USERS).await, den(&simulation, "/v1/org").await];
    for (good, bad) in good.iter().zip(&bad) {
        assert!(bad.status == 200 && keeps(&good.json(), &bad.json()), "{}", bad.text);
    }
    let page = bad[0].json();
    assert_eq!((&page["secret"], &page["data"][0]["value"]), (&UNASKED_SECRET.into(), &UNASKED_SECRET.into()));
    let names: std::collections::BTreeSet<&str> = bad[1].text.split('"').filter(|text| text.starts_with("unasked_")).collect();
    assert!(names.len() > 10, "{names:?}");

    simulation.set_faults(Fault::parse_all("unauthorized\nsecret_fields").unwrap());
    let refused = [openai(&simulation, USERS).await, den(&simulation, "/v1/org").await];
    assert!(refused.iter().all(|answer| answer.status == 401 && answer.text.contains(UNASKED_SECRET)));
}

/// All of the one is in the other, and each object of the other holds a secret of either sort, and one as a name.
fn keeps(good: &serde_json::Value, bad: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (good, bad) {
        (Value::Object(good), Value::Object(bad)) => {
            let holds = |secret: &str| bad.values().any(|field| field == secret);
            holds(LEAKED_SECRET)
                && holds(UNASKED_SECRET)
                && bad.contains_key(UNASKED_SECRET)
                && good.iter().all(|(name, field)| bad.get(name).is_some_and(|found| keeps(field, found)))
        }
        (Value::Array(good), Value::Array(bad)) => good.len() == bad.len() && good.iter().zip(bad).all(|(g, b)| keeps(g, b)),
        (good, bad) => good == bad,
    }
}

/// Every kind changes what is seen, or is one of the few that are tested for that above alone.
#[tokio::test]
async fn no_kind_is_without_effect() {
    let simulation = simulation().await;
    let good = openai(&simulation, USERS).await;
    for kind in KINDS.iter().filter(|kind| kind.only.is_empty() || kind.only.contains(&Remote::OpenAi)) {
        let argument = match kind.name {
            "status" => ":502",
            "missing_field" => ":id",
            "gzip_bomb" | "huge" => ":1",
            "latency" | "slow_drip" => ":1",
            "rate_limit" | "rate_limit_seconds" | "rate_limit_date" => ":1",
            _ => "",
        };
        simulation.set_faults(vec![format!("{}{argument}", kind.name).parse().unwrap()]);
        let invisible = matches!(kind.name, "latency" | "slow_drip" | "gzip" | "drop_connection" | "cut_body");
        let follow = if kind.name == "repeated_cursor" { format!("&after={}", good.ids("data")[0]) } else { String::new() };
        if kind.name.starts_with("rate_limit") {
            openai(&simulation, USERS).await;
        }
        if invisible {
            continue;
        }
        let response = ask_openai(&simulation, &format!("{USERS}{follow}")).send().await.unwrap();
        let skewed = jiff::fmt::rfc2822::parse(response.headers()["date"].to_str().unwrap()).unwrap().timestamp().as_second();
        let body = response.bytes().await.unwrap();
        let same = body == good.text.as_bytes() && (skewed - NOW.unix()).abs() < 60;
        // What was asked for is the first page, and people there have no date of creation.
        assert!(!same || matches!(kind.name, "repeated_page" | "recreated"), "{}", kind.name);
    }
}
