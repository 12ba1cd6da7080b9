//! What is read of answers that are in order, and of refusals.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_page_is_read() {
    let body = r#"{"data":[{"id":"a"},{"id":"b b"},{"id":"c"},{"pending":1}],"has_more":false}"#;
    let server = Server::one(reply("200 OK", &[JSON, "date: Sat, 21 Nov 2026 20:33:01 GMT"], body)).await;
    let (page, outcomes) = ask(settings(&format!("{}/base/v1/", server.url()))).await;
    let page = page.unwrap();
    assert_eq!((page.items.len(), page.elements), (3, 4));
    assert_eq!(page.refused, [(1, Refused::new(ItemReason::BadId, "id"))]);
    assert_eq!(page.end, End::done());
    assert_eq!(page.server_time.map(|time| time.to_string()).as_deref(), Some("2026-11-21T20:33:01Z"));
    assert_eq!(page.wire_bytes, body.len() as u64);
    assert_eq!(outcomes, ["ok"]);

    let head = server.heard().remove(0).to_ascii_lowercase();
    assert!(head.starts_with("get /base/v1/keys/7?after=canary+cursor%26x http/1.1\r\n"), "{head}");
    for line in ["accept: application/json", "accept-encoding: gzip", "x-org: org_1", "x-api-key: canary-credential"] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
    }
    assert!(head.contains(&format!("user-agent: keymuster/{}\r\n", env!("CARGO_PKG_VERSION"))), "{head}");
    assert!(!head.contains("referer") && !head.contains("cookie"), "{head}");
    assert_eq!(head.matches("canary-credential").count(), 1);
}

#[tokio::test]
async fn the_bearer_form_is_sent_once() {
    let server = Server::one(ok(PAGE)).await;
    let mut bearer = settings(&server.url());
    bearer.auth = Auth::Bearer;
    ask(bearer).await.0.unwrap();
    let head = server.heard().remove(0);
    assert_eq!(head.matches("authorization: Bearer canary-credential\r\n").count(), 1, "{head}");
    assert_eq!(head.matches("canary-credential").count(), 1);
}

#[tokio::test]
async fn an_answer_without_a_list_is_all_rest() {
    let server = Server::one(ok(r#"{"id":"org"}"#)).await;
    let (remote, _) = connect(settings(&server.url()));
    let page = remote.ask(&Simple, &fetch(None), &Known::default()).await.unwrap();
    assert_eq!((page.elements, page.items.len()), (0, 0));
}

#[tokio::test]
async fn gzip_and_chunks_are_read_and_counted_as_they_came() {
    let elements: Vec<String> = (0..1_000).map(|n| format!(r#"{{"id":"key_{n}","name":"a name of some length"}}"#)).collect();
    let body = format!(r#"{{"data":[{}]}}"#, elements.join(","));
    let packed = gzip(body.as_bytes());
    let mut chunked =
        format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for piece in packed.chunks(1_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let server = Server::replies([chunked, reply("200 OK", &[JSON, "content-encoding: gzip"], &packed), ok(&body)]).await;
    for wire in [packed.len(), packed.len(), body.len()] {
        let page = ask(settings(&server.url())).await.0.unwrap();
        assert_eq!((page.items.len(), page.wire_bytes), (1_000, wire as u64));
    }
}

#[tokio::test]
async fn what_is_not_json_is_named() {
    let page = "<html>Please sign in</html>";
    for (answer, expected) in [
        (reply("200 OK", &["content-type: text/html"], page), Reason::NotJson),
        (reply("200 OK", &[], PAGE), Reason::NotJson),
        (reply("204 No Content", &[], ""), Reason::NotJson),
        (reply("200 OK", &["content-type: text/plain"], PAGE), Reason::NotJson),
        (ok(page), Reason::Malformed),
        (ok(""), Reason::Malformed),
        (ok("[]"), Reason::Malformed),
        (ok(format!("\u{feff}{PAGE}")), Reason::Malformed),
        (ok(b"{\"data\":[],\"a\":\"\xff\"}"), Reason::Malformed),
        (ok(PAGE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()), Reason::Malformed),
        (ok(&PAGE[..PAGE.len() - 1]), Reason::Malformed),
        (reply("200 OK", &[JSON, "content-encoding: br"], PAGE), Reason::Malformed),
        (reply("200 OK", &[JSON, "content-encoding: gzip, gzip"], PAGE), Reason::Malformed),
        (reply("200 OK", &[JSON, "content-encoding: gzip"], PAGE), Reason::Malformed),
        (reply("200 OK", &[JSON, "content-encoding: gzip"], gzip(PAGE.as_bytes()).repeat(2)), Reason::Malformed),
    ] {
        let server = Server::one(answer.clone()).await;
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap_err().reason, expected, "{}", String::from_utf8_lossy(&answer));
        assert_eq!((outcomes.len(), server.heard().len()), (1, 1), "never asked again");
    }
}

#[tokio::test]
async fn an_element_that_is_no_utf8_is_refused_alone() {
    let server = Server::one(ok(b"{\"data\":[{\"id\":\"a\"},{\"id\":\"\xff\"},{\"id\":\"c\"}]}")).await;
    let page = ask(settings(&server.url())).await.0.unwrap();
    assert_eq!((page.items.len(), page.refused.len(), page.refused[0].0), (2, 1, 1));
}

/// OpenAI's own adapter, and its request for the list of admin keys.
fn openai() -> (&'static dyn Provider, Fetch) {
    let provider = crate::providers::by_id("openai").unwrap();
    let account = Account { name: "acme".to_owned(), options: Default::default() };
    let plan = provider.plan(&account, &Known::default());
    (provider, plan.into_iter().find(|fetch| fetch.path == "/organization/admin_api_keys").unwrap())
}

#[tokio::test]
async fn a_key_that_was_made_or_used_at_a_time_to_come_is_refused_alone() {
    const NOW: i64 = 1_795_293_181;
    const YEAR: i64 = 365 * 86_400;
    const TWO_DAYS: i64 = 48 * 3_600;
    let (provider, fetch) = openai();
    let key = |created: i64, used: i64, expires: i64| {
        format!(
            r#"{{"id":"key_{created}_{used}","redacted_value":"sk-admin...x1y","created_at":{created},"last_used_at":{used},"expires_at":{expires}}}"#
        )
    };
    for (date, latest) in [
        (None, NOW),
        // Ours is behind: whoever sent the keys sent the date.
        (Some("date: Sun, 21 Nov 2027 20:33:01 GMT"), NOW + YEAR),
        // Theirs is.
        (Some("date: Fri, 21 Nov 2025 20:33:01 GMT"), NOW),
    ] {
        let late = latest + TWO_DAYS + 60;
        let keys = [
            key(latest, latest, NOW + 40 * YEAR),
            key(late, 0, 1_900_000_000),
            key(latest + TWO_DAYS, latest + TWO_DAYS, 1_900_000_000),
            key(NOW, late, 1_900_000_000),
        ];
        let body = format!(r#"{{"object":"list","data":[{}],"has_more":false}}"#, keys.join(","));
        let headers: Vec<&str> = std::iter::once(JSON).chain(date).collect();
        let server = Server::one(reply("200 OK", &headers, body)).await;
        let (remote, _) = connect(settings(&server.url()));
        let page = remote.ask(provider, &fetch, &Known::default()).await.unwrap();
        assert_eq!((page.items.len(), page.elements), (2, 4), "{date:?}");
        let refused = |index, field| (index, Refused::new(ItemReason::BadTime, format!("{field} has not come yet")));
        assert_eq!(page.refused, [refused(1, "created_at"), refused(3, "last_used")], "{date:?}");
    }
}

#[tokio::test]
async fn a_cursor_is_a_value_of_the_same_path_or_refused() {
    let (provider, first) = openai();
    let long = "c".repeat(513);
    for (cursor, sent) in [
        ("https://evil.example/x", Some("https%3A%2F%2Fevil.example%2Fx")),
        ("//evil.example/x", Some("%2F%2Fevil.example%2Fx")),
        ("../../admin", Some("..%2F..%2Fadmin")),
        ("a&limit=1", Some("a%26limit%3D1")),
        ("a#b", Some("a%23b")),
        ("a?b=c", Some("a%3Fb%3Dc")),
        ("a%2e%2e/b", Some("a%252e%252e%2Fb")),
        ("é\\u202e", Some("%C3%A9%E2%80%AE")),
        (long.as_str(), None),
        ("a\\r\\nx-evil: 1", None),
        ("a\\u0000b", None),
        ("a\\u0085b", None),
        ("", Some("key_1")),
    ] {
        let body = format!(
            r#"{{"object":"list","data":[{{"id":"key_1","redacted_value":"sk-admin...x1y","created_at":1700000000}}],"has_more":true,"next":"{cursor}","last_id":"key_1"}}"#
        );
        let server = Server::one(ok(body)).await;
        let (remote, _) = connect(settings(&format!("{}/v1", server.url())));
        let page = remote.ask(provider, &first, &Known::default()).await;
        let Some(sent) = sent else {
            assert_eq!(page.unwrap_err().reason, Reason::Malformed, "{cursor}");
            assert_eq!(server.heard().len(), 1, "{cursor}");
            continue;
        };
        let Closing::Page(next) = page.unwrap().end.next else { panic!("{cursor}: no page") };
        remote.ask(provider, &next, &Known::default()).await.unwrap();
        let heard = server.heard();
        let line = heard[1].lines().next().unwrap();
        assert_eq!(line, format!("GET /v1/organization/admin_api_keys?limit=100&order=asc&after={sent} HTTP/1.1"), "{cursor}");
        assert!(heard[1].contains(&format!("host: {}", server.address)), "{}", heard[1]);
    }
}

#[tokio::test]
async fn refusals_go_to_the_adapter_at_once() {
    for (status, outcome) in
        [(400, "unexpected_status"), (401, "auth"), (403, "forbidden"), (404, "not_found"), (409, "unexpected_status")]
    {
        let server = Server::one(reply(&format!("{status} No"), &["content-type: text/plain"], "why not")).await;
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap_err().detail, format!("{status} why not"));
        assert_eq!((outcomes, server.heard().len()), (vec![outcome], 1));
    }
}

#[tokio::test]
async fn of_a_refusal_four_kibibytes_are_read() {
    let packed = gzip("x".repeat(100_000).as_bytes());
    let announced = format!("HTTP/1.1 403 No\r\ncontent-length: 1000000000\r\n\r\n{}", "x".repeat(8_192)).into_bytes();
    for script in [
        vec![Step::Send(reply("403 No", &[], "x".repeat(100_000)))],
        vec![Step::Send(reply("403 No", &["content-encoding: gzip"], packed))],
        vec![Step::Send(announced), Step::Hang],
    ] {
        let server = Server::start(vec![script]).await;
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap_err().detail, format!("403 {}", "x".repeat(4_096)));
        assert_eq!(outcomes, ["forbidden"]);
    }
}

#[tokio::test]
async fn a_status_survives_a_body_that_does_not_come() {
    let head = b"HTTP/1.1 401 No\r\ncontent-length: 100\r\n\r\nbegun".to_vec();
    let server = Server::start(vec![vec![Step::Send(head), Step::Hang]]).await;
    let (page, outcomes) = ask(limited(&server.url(), |limits| limits.read = Duration::from_millis(100))).await;
    assert_eq!(page.unwrap_err().detail, "401 begun");
    assert_eq!(outcomes, ["auth"]);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{PAGE}", PAGE.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let (remote, _) = connect(settings(&format!("http://{address}")));
    for _ in 0..3 {
        assert_eq!(remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await.unwrap().elements, 2);
    }
    server.await.unwrap();
}

/// What follows an answer on its connection is not taken for the next one's.
#[tokio::test]
async fn a_body_longer_than_announced_is_cut_there_and_its_rest_is_nobodys_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(Mutex::new(0));
    let count = Arc::clone(&served);
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    head.clear();
                    *count.lock().unwrap() += 1;
                    let answer =
                        |body: &str| format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let forged = answer(r#"{"object":"list","data":[{"id":"forged"}],"has_more":false}"#);
                    drop(stream.write_all(format!("{}{forged}", answer(PAGE)).as_bytes()).await);
                }
            });
        }
    });
    let (remote, _) = connect(settings(&format!("http://{address}")));
    for asked in 1..=5 {
        let page = remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await.unwrap();
        let ids: Vec<&str> = page
            .items
            .iter()
            .map(|item| match item {
                Item::Person(person) => person.id.as_str(),
                Item::Key(_) | Item::Project(_) | Item::Skipped => "",
            })
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(*served.lock().unwrap(), asked, "each answer was asked for");
    }
    server.abort();
}
