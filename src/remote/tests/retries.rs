//! What is asked again, how often, and when.

use super::*;

fn status(status: &str, headers: &[&str]) -> Vec<u8> {
    reply(status, headers, "{}")
}

#[tokio::test]
async fn a_server_that_recovers_is_read() {
    for passing in ["503 Busy", "500 Oops", "502 Gateway", "408 Slow", "599 Odd"] {
        let server = Server::replies([status(passing, &[]), ok(PAGE)]).await;
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap().elements, 2, "{passing}");
        assert_eq!(outcomes, [if passing.starts_with('4') { "timeout" } else { "server" }, "ok"]);
        assert_eq!(server.heard().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_does_not_recover_is_left() {
    let server = Server::one(status("503 Busy", &[])).await;
    let (page, outcomes) = ask(limited(&server.url(), |limits| limits.retries = 2)).await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Server, "status 503, after 3 attempts"));
    assert_eq!((outcomes, server.heard().len()), (vec!["server"; 3], 3));
}

/// A request id in each body makes of one failure no two.
#[tokio::test]
async fn what_a_failing_server_says_tells_nothing() {
    let says = |id: &str| reply("500 Oops", &["x-request-id: canary"], format!(r#"{{"error":"canary","request_id":"{id}"}}"#));
    let server = Server::replies([says("req_1"), says("req_2"), says("req_3")]).await;
    let (page, outcomes) = ask(limited(&server.url(), |limits| limits.retries = 2)).await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Server, "status 500, after 3 attempts"));
    assert_eq!((outcomes, server.heard().len()), (vec!["server"; 3], 3));
}

#[tokio::test]
async fn lists_that_all_fail_share_the_retries_of_the_poll() {
    const LISTS: usize = 60;
    let server = Server::one(status("503 Busy", &[])).await;
    let (remote, _) = connect(settings(&server.url()));
    let (fetch, known) = (fetch(Some("data")), Known::default());
    for poll in 1..=2 {
        remote.poll_begins();
        let all = (0..LISTS).map(|_| remote.ask(&Simple, &fetch, &known));
        for answer in futures_util::future::join_all(all).await {
            let failure = answer.unwrap_err();
            assert_eq!(failure.reason, Reason::Server);
            assert!(failure.detail.ends_with("; the poll has no retries left"), "{failure}");
        }
        // Each by itself would have been asked for five times.
        assert_eq!(server.heard().len(), poll * (LISTS + 100));
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_asked_for_again_from_the_start() {
    let longer = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: 1000\r\n\r\n{PAGE}").into_bytes();
    let chunk =
        format!("HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{PAGE}\r\n", PAGE.len()).into_bytes();
    for cut in [longer, chunk, Vec::new(), b"HTTP/1.1 200".to_vec()] {
        let server = Server::replies([cut.clone(), ok(PAGE)]).await;
        let page = ask(settings(&server.url())).await.0.unwrap();
        assert_eq!((page.items.len(), page.elements), (2, 2), "nothing of the first attempt is left");

        let server = Server::one(cut).await;
        let (page, outcomes) = ask(limited(&server.url(), |limits| limits.retries = 1)).await;
        let detail = "the connection ended before the answer did, after 2 attempts";
        assert_eq!(page.unwrap_err(), Failure::new(Reason::Network, detail));
        assert_eq!(outcomes, ["network"; 2]);
    }
}

#[tokio::test]
async fn no_connection_is_named() {
    // Where nobody else takes the port once it is given back.
    let free = TcpListener::bind("127.77.2.1:0").await.unwrap().local_addr().unwrap();
    let (page, outcomes) = ask(limited(&format!("http://{free}"), |limits| limits.retries = 1)).await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Network, "connection refused, after 2 attempts"));
    assert_eq!(outcomes, ["network"; 2]);
}

#[tokio::test]
async fn a_named_wait_is_kept() {
    // The clock of these tests stands at 20:33:01, the answer's own date wins where there is one.
    for headers in [
        vec!["retry-after: 1"],
        vec!["retry-after: Sat, 21 Nov 2026 20:33:02 GMT"],
        vec!["date: Sat, 21 Nov 2026 22:00:00 GMT", "retry-after: Sat, 21 Nov 2026 22:00:01 GMT"],
        vec!["retry-after: Sat, 21 Nov 2020 20:33:02 GMT"],
    ] {
        let server = Server::replies([status("429 Slow down", &headers), ok(PAGE)]).await;
        let started = Instant::now();
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap().elements, 2);
        assert_eq!(outcomes, ["rate_limited", "ok"]);
        let waited = started.elapsed().as_secs_f64();
        // A header that is not understood costs a minute and a second.
        assert!((0.95..55.0).contains(&waited), "{headers:?} {waited}");
    }
}

#[tokio::test]
async fn a_wait_that_no_poll_has_ends_it_and_shuts_the_endpoint() {
    for wait in ["retry-after: 1000000000", "retry-after: 901"] {
        let server = Server::one(status("429 Slow down", &[wait])).await;
        let (remote, told) = connect(settings(&server.url()));
        for _ in 0..3 {
            let failure = remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await.unwrap_err();
            assert_eq!(failure.reason, Reason::RateLimited, "{failure}");
        }
        assert_eq!((told.outcomes(), server.heard().len()), (vec!["rate_limited"], 1), "not asked again");
        let other = Fetch { endpoint: "/people", ..fetch(Some("data")) };
        assert!(remote.ask(&Simple, &other, &Known::default()).await.is_err());
        assert_eq!(server.heard().len(), 2, "other endpoints are asked");
    }
    let server = Server::one(status("503 Busy", &["retry-after: 901"])).await;
    assert_eq!(reason(settings(&server.url())).await, Reason::Server);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn the_provider_may_forbid_another_attempt() {
    for answer in ["429 Slow down", "503 Busy"] {
        let server = Server::one(status(answer, &["x-should-retry: false"])).await;
        assert!(ask(settings(&server.url())).await.0.is_err());
        assert_eq!(server.heard().len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn the_third_429_is_the_last() {
    let server = Server::one(status("429 Slow down", &["retry-after: 0"])).await;
    let (page, outcomes) = ask(settings(&server.url())).await;
    let detail = "status 429, to wait 0 s, after 3 attempts";
    assert_eq!(page.unwrap_err(), Failure::new(Reason::RateLimited, detail));
    assert_eq!((outcomes, server.heard().len()), (vec!["rate_limited"; 3], 3));
}

/// Lets time stand still at that instant, and everybody do what they would do by then. On its own, paused time would run ahead
/// of the sockets: it does so only while nobody has anything to do.
async fn stand_still_at(instant: tokio::time::Instant) {
    tokio::time::pause();
    tokio::time::advance(instant.saturating_duration_since(tokio::time::Instant::now())).await;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_429_that_names_no_time_waits_past_a_minute() {
    for headers in [vec![], vec!["retry-after: soon"]] {
        let server = Server::replies([status("429 Slow down", &headers), status("429 Slow down", &headers), ok(PAGE)]).await;
        // No deadline may count while the request waits for its turn.
        let (remote, told) = connect(limited(&server.url(), |limits| limits.request = Duration::from_secs(50)));
        let mut before = tokio::time::Instant::now();
        let asked = tokio::spawn(async move { remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await });
        for (requests, pause) in [(1, 60), (2, 120)] {
            while told.outcomes().len() < requests {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let refused = tokio::time::Instant::now();
            // The refusal came after `before`, and before `refused`.
            stand_still_at(before + Duration::from_secs(pause)).await;
            assert_eq!(server.heard().len(), requests, "asked again before {pause} s were over");
            before = tokio::time::Instant::now();
            tokio::time::advance((refused + Duration::from_secs(pause + 3)).saturating_duration_since(before)).await;
            tokio::time::resume();
        }
        assert_eq!(asked.await.unwrap().unwrap().elements, 2);
        assert_eq!(told.outcomes(), ["rate_limited", "rate_limited", "ok"]);
    }
}
