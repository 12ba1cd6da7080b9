//! Servers that redirect, stall, flood or lie: each ends at a limit, with its word.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

#[tokio::test]
async fn redirects_are_never_followed() {
    let other = Server::one(ok(PAGE)).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "304 Not Modified", "307 Temporary", "308 Permanent"] {
        for location in [format!("{}/keys/7", other.url()), "/elsewhere".to_owned(), "https://evil.example/".to_owned()] {
            let server = Server::one(reply(status, &[JSON, &format!("location: {location}")], PAGE)).await;
            let (page, outcomes) = ask(settings(&server.url())).await;
            let failure = page.unwrap_err();
            assert_eq!(failure, Failure::new(Reason::RedirectRefused, format!("status {}", &status[..3])));
            assert_eq!((outcomes, server.heard().len()), (vec!["redirect_refused"], 1));
        }
    }
    assert_eq!(other.connections(), 0);
}

async fn ends_in_time(script: Vec<Step>, read: u64, request: u64, detail: &str) {
    let server = Server::start(vec![script]).await;
    let asked = ask(limited(&server.url(), |limits| {
        limits.read = Duration::from_millis(read);
        limits.request = Duration::from_millis(request);
    }));
    let (page, outcomes) = tokio::time::timeout(Duration::from_secs(120), asked).await.expect("an end");
    // Which of the deadlines it met, the longer ones being hours away, is in the words.
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Timeout, detail));
    assert_eq!(outcomes, ["timeout"], "a deadline is not tried again");
}

#[tokio::test]
async fn slow_servers_meet_a_deadline() {
    let whole = "no complete answer within 500 ms";
    let slow = Duration::from_millis(20);
    const HOURS: u64 = 36_000_000;
    ends_in_time(vec![Step::Hang], HOURS, 500, whole).await;
    ends_in_time(vec![Step::Drip(ok(PAGE), slow)], HOURS, 500, whole).await;
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: 1000\r\n\r\n").into_bytes();
    ends_in_time(vec![Step::Send(head.clone()), Step::Drip(vec![b' '; 1_000], slow)], HOURS, 500, whole).await;
    ends_in_time(vec![Step::Send(head), Step::Hang], 200, HOURS, "nothing for 200 ms in the middle of the answer").await;
}

#[tokio::test]
async fn a_stalled_handshake_is_no_connection() {
    let server = Server::start(vec![vec![Step::Hang]]).await;
    let (page, outcomes) = ask(limited(&format!("https://{}", server.address), |limits| {
        limits.connect = Duration::from_millis(200);
        limits.retries = 1;
    }))
    .await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Timeout, "no connection within 200 ms, after 2 attempts"));
    assert_eq!(outcomes, ["timeout"; 2]);
    server.has_accepted(2).await;
}

#[tokio::test]
async fn a_gzip_bomb_ends_at_the_inflated_cap() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"{\"data\":[").unwrap();
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 1024 * 1024);
    let server = Server::one(reply("200 OK", &[JSON, "content-encoding: gzip"], packed)).await;
    let failure = ask(settings(&server.url())).await.0.unwrap_err();
    assert_eq!(failure, Failure::new(Reason::TooLarge, "more than 16777216 bytes unpacked"));
}

#[tokio::test]
async fn floods_end_at_a_cap() {
    let head = |more: &str| Step::Send(format!("HTTP/1.1 200 OK\r\n{JSON}\r\n{more}\r\n\r\n").into_bytes());
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let endless = |bytes: &[u8]| Step::Repeat(chunk(bytes), Duration::ZERO);
    let chunked = "transfer-encoding: chunked";
    let begin = || Step::Send(chunk(b"{\"data\":["));
    for (script, reason) in [
        (vec![head(chunked), begin(), endless(&[b' '; 4_096])], Reason::TooLarge),
        (vec![head(chunked), begin(), Step::Send(chunk(b"\"")), endless(&[b'x'; 4_096])], Reason::TooLarge),
        (vec![head(chunked), Step::Send(chunk(b"{\"a\":\"")), endless(&[b'x'; 4_096])], Reason::TooLarge),
        (vec![head(chunked), begin(), endless(&b"{},".repeat(1_000))], Reason::TooManyItems),
        (vec![head(chunked), begin(), endless(&[b'['; 4_096])], Reason::Malformed),
        (vec![head("content-length: 99999999999"), Step::Hang], Reason::TooLarge),
        (
            vec![head("connection: close"), Step::Send(b"{\"data\":[".to_vec()), Step::Repeat(vec![b' '; 4_096], Duration::ZERO)],
            Reason::TooLarge,
        ),
    ] {
        let server = Server::start(vec![script.clone()]).await;
        let (page, outcomes) = ask(limited(&server.url(), |limits| limits.wire_bytes = 2 * 1024 * 1024)).await;
        assert_eq!(page.unwrap_err().reason, reason, "{script:?}");
        assert_eq!(outcomes, [reason.as_str()]);
    }
}

#[tokio::test]
async fn header_floods_are_refused() {
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(100_000));
    let huge = format!("x-huge: {}\r\n", "y".repeat(1024 * 1024));
    for headers in [many, large, huge] {
        let server = Server::one(format!("HTTP/1.1 200 OK\r\n{headers}{JSON}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
        let (page, outcomes) = ask(settings(&server.url())).await;
        assert_eq!(page.unwrap_err().reason, Reason::TooLarge, "{} bytes", headers.len());
        assert_eq!(outcomes, ["too_large"]);
    }
    let endless = Step::Repeat(b"x-more: y\r\n".repeat(100), Duration::ZERO);
    let server = Server::start(vec![vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), endless]]).await;
    assert_eq!(reason(settings(&server.url())).await, Reason::TooLarge);
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "<html></html>\r\n\r\n", "HTTP/2 200\r\n\r\n"] {
        let server = Server::one(answer).await;
        assert_eq!(reason(settings(&server.url())).await, Reason::Malformed, "{answer}");
    }
    let framing = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n");
    let server = Server::one(framing).await;
    assert_eq!(reason(settings(&server.url())).await, Reason::Malformed);
}

#[tokio::test]
async fn a_dropped_request_ends_on_the_wire() {
    let (gone, told) = tokio::sync::oneshot::channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_buf(&mut all).await.unwrap();
        gone.send(()).unwrap();
        stream.read_to_end(&mut all).await
    });
    let (remote, requests) = connect(settings(&format!("http://{address}")));
    let asked = tokio::spawn(async move { remote.ask(&Simple, &fetch(Some("data")), &Known::default()).await });
    told.await.unwrap();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    tokio::time::timeout(Duration::from_secs(60), server).await.unwrap().unwrap().unwrap();
    assert!(requests.outcomes().is_empty());
}
