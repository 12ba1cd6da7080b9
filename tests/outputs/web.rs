//! The server as a browser, a scraper or a stranger meets it.

use std::time::Duration;

use keymuster::domain::Condition;
use keymuster::sim::Fault;
use keymuster::views::{KeysAsked, told};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{Answer, House, Served};

/// On every answer.
pub const SECURITY: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let house = House::new("").await;
    let served = house.serve().await;
    let ask = |method: &str, path: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}connection: close\r\n\r\n")
    };
    let mut requests = vec![
        (ask("GET", "/", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/keys", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/changes", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/accounts", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/accounts/acme-den", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/accounts/none", ""), 404, "text/html; charset=utf-8"),
        (ask("GET", "/policy", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/owners", ""), 200, "text/html; charset=utf-8"),
        (ask("GET", "/keys?colour=red", ""), 400, "text/html; charset=utf-8"),
        (ask("GET", "/keys/acme-den/none", ""), 404, "text/html; charset=utf-8"),
        (ask("GET", "/keys.csv", ""), 200, "text/csv; charset=utf-8; header=present"),
        (ask("GET", "/keys.json", ""), 200, "application/json"),
        (ask("GET", "/style.css", ""), 200, "text/css; charset=utf-8"),
        (ask("GET", "/icon.svg", ""), 200, "image/svg+xml"),
        (ask("GET", "/metrics", ""), 200, "text/plain; version=0.0.4; charset=utf-8"),
        (ask("GET", "/healthz", ""), 200, "text/plain; charset=utf-8"),
        (ask("GET", "/readyz", ""), 200, "text/plain; charset=utf-8"),
        (ask("HEAD", "/metrics", ""), 200, "text/plain; version=0.0.4; charset=utf-8"),
        (ask("GET", "/", "content-length: 1\r\n"), 413, "text/plain; charset=utf-8"),
        (ask("GET", "/", "transfer-encoding: chunked\r\n"), 413, "text/plain; charset=utf-8"),
        ("GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".into(), 421, "text/plain; charset=utf-8"),
        (
            "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(),
            421,
            "text/plain; charset=utf-8",
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".into(),
            421,
            "text/plain; charset=utf-8",
        ),
        ("GET / HTTP/1.0\r\n\r\n".into(), 421, "text/plain; charset=utf-8"),
    ];
    for path in ["/nothing", "/debug/pprof", "/-/quit", "/config", "/metrics/", "/..", "/api/keys"] {
        requests.push((ask("GET", path, ""), 404, "text/plain; charset=utf-8"));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "STRANGE"] {
        for path in ["/", "/metrics", "/nothing"] {
            requests.push((ask(method, path, ""), 405, "text/plain; charset=utf-8"));
        }
    }
    for (request, status, content_type) in requests {
        let answer = served.raw(&request).await;
        assert_eq!(answer.status(), status, "{request}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{request}");
        for (name, value) in SECURITY {
            assert_eq!(answer.header(name), Some(value), "{name} of {request}");
        }
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{request}");
        if request.starts_with("HEAD") {
            assert_eq!(answer.body(), "");
        }
    }
}

#[tokio::test]
async fn scrapes_and_pages_ask_no_provider_and_write_nothing() {
    let house = House::polled().await;
    let served = house.serve().await;
    served.get("/").await;
    served.get("/metrics").await;
    let (asked, generation, recounts) = (house.simulation.requests(), house.inventory.generation(), house.views.recounts());
    for _ in 0..20 {
        assert_eq!(served.get("/metrics").await.status(), 200);
        assert_eq!(served.get("/").await.status(), 200);
        assert_eq!(served.get("/keys").await.status(), 200);
        assert_eq!(served.get("/keys.csv").await.status(), 200);
    }
    assert_eq!(house.simulation.requests(), asked);
    assert_eq!((house.inventory.generation(), house.views.recounts()), (generation, recounts));
}

#[tokio::test]
async fn before_the_first_poll_the_page_claims_nothing() {
    let house = House::new("").await;
    let served = house.serve().await;
    let page = served.get("/").await;
    assert!(page.body().contains("No key was read yet"), "{}", page.body());
    assert!(!page.body().contains("<b>0</b>") && !page.body().contains(">0</span>"), "a zero would be a claim");

    house.simulation.set_faults(Fault::parse_all("unauthorized:den").unwrap());
    house.poll().await;
    let page = served.get("/").await;
    assert!(page.body().contains("Not everything was read yet"));
    assert!(page.body().contains("1 account not read yet"));
    let den = row(page.body(), "acme-den");
    assert!(!den.contains(">0</span>") && den.contains("<span>—</span>"), "{den}");
    let openai = row(page.body(), "acme-openai");
    assert!(openai.contains(r#"data-label="Disabled"><span>not reported</span>"#), "{openai}");
}

#[tokio::test]
async fn the_page_tells_what_it_cannot_see_and_how_old_it_is() {
    let house = House::polled().await;
    let served = house.serve().await;
    let page = served.get("/").await;
    assert!(page.body().contains("Every open list was read completely, the oldest of them <time"));
    assert!(page.body().contains("; 1 list cannot be seen, <a href=\"#blind\">see below</a>."));
    assert!(page.body().contains("project archived"));
    assert!(row(page.body(), "acme-openai").contains("10 of 11 complete<small>1 closed</small>"));
    let counts = house.views.counts().await.unwrap();
    let expired: u64 = counts.accounts.values().map(|account| account.flagged(None, Condition::Expired)).sum();
    assert!(page.body().contains(&format!("condition=expired&#38;waived=no\"><b>{expired}</b>")));
    house.clock.jump(86_400);
    let page = served.get("/").await;
    assert!(page.body().contains("This is older than the schedule allows"));
    assert!(page.body().contains(">24 hours ago</time><small class=\"warn\">older than the schedule allows"));
    let mut app = house.app();
    app.refresh = Some(Duration::from_secs(10));
    let page = Served::new(app).await.get("/").await;
    assert!(page.body().contains(r#"<meta http-equiv="refresh" content="10">"#));
}

#[tokio::test]
async fn each_page_says_how_old_it_is_and_which_lists_cannot_be_seen() {
    let house = House::polled().await;
    let served = house.serve().await;
    let unseen = house.views.unseen_scopes(Vec::new(), 10).await.unwrap().0;
    assert_eq!(unseen.len(), 1, "the archived project's list");
    let named =
        format!("Cannot be seen whole: {} ({}); <a href=\"/#blind\">why</a>.", told::scope(&unseen[0]), unseen[0].account);
    let key = house.views.keys(KeysAsked { limit: Some(1), ..KeysAsked::default() }).await.unwrap().remove(0);
    let key = format!("/keys/{}/{}", key.account, key.key_id);
    for (passed, sentence) in [
        (0, "<p>Every open list was read completely, the oldest of them <time datetime=\""),
        (
            86_400,
            "<p>This is older than the schedule allows: every open list was read completely, the oldest of them <time datetime=\"",
        ),
    ] {
        house.clock.jump(passed);
        for path in [
            "/",
            "/keys",
            "/keys?q=nonesuch",
            "/keys?colour=red",
            "/keys?page=99",
            &key,
            "/keys/acme-den/none",
            "/owners",
            "/owners?as_of=1999-01-01",
            "/accounts",
            "/accounts/acme-den",
            "/accounts/none",
            "/changes",
            "/policy",
        ] {
            let page = served.get(path).await;
            let footer = page.body().split_once("<footer>").unwrap_or_else(|| panic!("{path}: {}", page.body())).1;
            assert!(footer.contains(sentence), "{path}: {footer}");
            assert!(footer.contains(&named), "{path}: {footer}");
        }
    }
}

/// The table row of an account.
fn row<'a>(page: &'a str, account: &str) -> &'a str {
    let from = page
        .find(&format!("<th scope=\"row\"><a href=\"/accounts/{account}\">{account}<"))
        .unwrap_or_else(|| panic!("no row of {account}"));
    page[from..].split("</tr>").next().unwrap()
}

/// Element and attribute names in order, without text and values.
pub fn shape(page: &str) -> Vec<String> {
    page.split('<')
        .skip(1)
        .map(|tag| {
            let tag = tag.split('>').next().unwrap();
            let name = tag.split_whitespace().next().unwrap_or_default();
            let attributes = tag.matches("=\"").count();
            format!("{name} {attributes}")
        })
        .collect()
}

#[tokio::test]
async fn hostile_names_do_not_change_the_shape_of_the_page() {
    let house = House::polled().await;
    let served = house.serve().await;
    let benign = served.get("/").await;
    rename(&house, "x").await;
    let plain = served.get("/").await;
    rename(&house, "\"><script>alert(1)</script><b a='&amp;{{7*7}}\u{202e}").await;
    let hostile = served.get("/").await;
    assert!(hostile.body().contains("&#60;script&#62;") || hostile.body().contains("&lt;script&gt;"), "the names are shown");
    assert!(!hostile.body().contains("<script"));
    assert_eq!(shape(plain.body()), shape(hostile.body()));
    assert_eq!(benign.status(), 200);
}

/// Names everything that a remote names, as a gate that lets everything through would.
pub async fn rename(house: &House, name: &'static str) {
    house
        .inventory
        .write(move |transaction| {
            transaction.execute("UPDATE key SET name = ?1, hint = ?1", [name])?;
            transaction.execute("UPDATE person SET name = ?1, email = ?1", [name])?;
            transaction.execute("UPDATE scope SET name = ?1, standing_reason = iif(standing = 'closed', ?1, NULL)", [name])?;
            transaction.execute("UPDATE walk SET detail = ?1 WHERE outcome <> 'complete'", [name])?;
            transaction.execute("UPDATE organization SET name = ?1, remote_id = ?1", [name])?;
            transaction.execute(
                "INSERT INTO change (at, key_id, change, before, after) SELECT 1795000000, min(id), 'renamed', ?1, ?1 FROM key",
                [name],
            )?;
            transaction.execute("DELETE FROM change WHERE before IS NOT ?1", [name])?;
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_closed_inventory_is_not_ready() {
    let house = House::polled().await;
    let served = house.serve().await;
    assert_eq!(served.get("/readyz").await.body(), "ready\n");
    house.inventory.clone().close().await.unwrap();
    for path in [
        "/readyz",
        "/",
        "/keys",
        "/owners",
        "/policy",
        "/accounts",
        "/accounts/acme-den",
        "/changes",
        "/keys.csv",
        "/keys/acme-den/none",
        "/api/v1/keys",
        "/api/v1/accounts",
    ] {
        assert_eq!(served.get(path).await.status(), 503, "{path}");
    }
    assert_eq!(served.get("/healthz").await.body(), "alive\n");
}

#[tokio::test]
async fn a_stop_is_prompt_even_if_somebody_holds_a_connection() {
    let house = House::new("").await;
    let served = house.serve().await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let whole = served.get("/healthz").await;
    assert_eq!(whole.status(), 200);
    // From here on time passes only where everybody waits for it.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    drop(served.stop);
    served.task.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_flood_is_shed_and_passes() {
    let house = House::new("").await;
    let served = house.serve().await;
    let mut flood = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET / HT").await.unwrap();
        flood.push(stream);
    }
    // It is accepted after them, whenever that is.
    let mut shed = TcpStream::connect(served.address).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), shed.read_to_string(&mut answer)).await.expect("an end").unwrap();
    let answer = Answer(answer);
    assert_eq!((answer.status(), answer.body(), answer.header("content-length")), (503, "", Some("0")));
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    drop(flood);
    let served_again = async {
        while !is_served(served.address).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), served_again).await.expect("the flood is over");
}

/// Whether somebody new is answered; who is shed may be cut off before all is said.
async fn is_served(address: std::net::SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut bytes = Vec::new();
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let asked = stream.write_all(request).await.is_ok() && stream.read_to_end(&mut bytes).await.is_ok();
    asked && bytes.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn headers_that_do_not_end_are_refused() {
    let house = House::new("").await;
    let served = house.serve().await;
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(served.raw(&long).await.status(), 431);
}
