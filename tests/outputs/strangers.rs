//! What strangers may send, and how slowly: nothing of it changes the inventory, asks a provider or keeps others out for long.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;
use keymuster::views::KeysAsked;
use keymuster::web::Access;
use rusqlite::{Connection, OpenFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::house::{Answer, House, Served};
use crate::web::SECURITY;

/// No wait is longer: a busy machine may stand still for seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every path that answers something, of one key for those of keys.
async fn routes(house: &House) -> Vec<String> {
    let key = house.views.keys(KeysAsked { limit: Some(1), ..KeysAsked::default() }).await.unwrap().remove(0);
    let fixed = [
        "/",
        "/keys",
        "/owners",
        "/accounts",
        "/accounts/acme-den",
        "/policy",
        "/changes",
        "/keys.csv",
        "/keys.json",
        "/style.css",
        "/icon.svg",
        "/metrics",
        "/healthz",
        "/readyz",
        "/api/v1/keys",
        "/api/v1/changes",
        "/api/v1/accounts",
        "/api/v1/scopes",
        "/api/v1/owners",
        "/api/v1/openapi.json",
    ];
    let of_key = ["/keys", "/api/v1/keys"].map(|below| format!("{below}/{}/{}", key.account, key.key_id));
    fixed.into_iter().map(str::to_owned).chain(of_key).collect()
}

fn guarded(answer: &Answer, what: &str) {
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), Some(value), "{name} of {what}");
    }
    // Not for whoever asks from a page elsewhere either.
    let head = answer.0.split("\r\n\r\n").next().unwrap();
    assert!(!head.contains("access-control-") && !head.contains("set-cookie"), "{what}: {head}");
}

#[tokio::test]
async fn every_path_answers_get_and_head_and_no_other_method() {
    let house = House::polled().await;
    let served = house.serve().await;
    let routes = routes(&house).await;
    let asked = house.simulation.requests();
    for path in &routes {
        let ask = |method: &str| {
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\nconnection: close\r\n\r\n")
        };
        for (method, status) in [("GET", 200), ("HEAD", 200)] {
            let answer = served.raw(&ask(method)).await;
            assert_eq!(answer.status(), status, "{method} {path}");
            guarded(&answer, path);
        }
        for method in [
            "POST",
            "PUT",
            "DELETE",
            "OPTIONS",
            "PATCH",
            "TRACE",
            "PROPFIND",
            "PROPPATCH",
            "MKCOL",
            "COPY",
            "MOVE",
            "LOCK",
            "REPORT",
            "SEARCH",
            "PURGE",
            "LINK",
            "QUERY",
            "get",
            "GETT",
            "STRANGE",
        ] {
            let answer = served.raw(&ask(method)).await;
            assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            guarded(&answer, path);
        }
    }
    assert_eq!(house.simulation.requests(), asked);
}

/// What is not the good answer to a good question: each sort of it once.
#[tokio::test]
async fn refusals_and_answers_of_the_api_carry_the_headers_too() {
    let house = House::polled().await;
    let served = house.serve().await;
    let ask = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}connection: close\r\n\r\n");
    let tag = served.get("/api/v1/keys").await.header("etag").unwrap().to_owned();
    for (request, status) in [
        (ask("/api/v1/keys", &format!("if-none-match: {tag}\r\n")), 304),
        (ask("/api/v1/keys?colour=red", ""), 400),
        (ask("/api/v1/keys?cursor=abc", ""), 400),
        (ask("/api/v1/keys/acme-den/none", ""), 404),
        (ask("/api/v1/none", ""), 404),
        (ask("/keys?q=&sort=name", ""), 303),
        (ask("/owners?account=", ""), 303),
        (ask("/changes?account=", ""), 303),
    ] {
        let answer = served.raw(&request).await;
        assert_eq!(answer.status(), status, "{request}");
        guarded(&answer, &request);
    }
    // Before there is a request, hyper answers by itself: with nothing that a browser could show or keep.
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(40_000)), 431),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n".to_owned(), 400),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
    ] {
        let answer = served.raw(&bytes).await;
        assert_eq!((answer.status(), answer.body(), answer.header("content-type")), (status, "", None), "{bytes:.40}");
    }

    let folder = tempfile::tempdir().unwrap();
    // bcrypt of `correct horse`, at the lowest cost.
    let users = "basic_auth_users:\n  scraper: $2b$04$VLjjMDO2/iKHtWgvMAnC.enUBq1zYJ.mFb/Ye7UmWgfO9hwx5wB36\n";
    std::fs::write(folder.path().join("web.yml"), users).unwrap();
    let text = "[web]\nconfig_file = 'web.yml'";
    let config = Config::parse(&folder.path().join("keymuster.toml"), text, std::iter::empty(), PROVIDERS).unwrap();
    let mut app = house.app();
    app.access = tokio::sync::watch::channel(Access::new(&config.web, None).unwrap()).1;
    let served = Served::new(app).await;
    for path in ["/", "/metrics", "/api/v1/keys", "/none"] {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), 401, "{path}");
        guarded(&answer, path);
    }

    let served = house.serve().await;
    house.inventory.clone().close().await.unwrap();
    for path in ["/", "/keys.csv", "/readyz", "/api/v1/keys", "/api/v1/accounts"] {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), 503, "{path}");
        guarded(&answer, path);
    }
}

/// The schema's number is raised under the program, as a newer one would.
#[tokio::test]
async fn a_schema_that_is_not_ours_is_not_ready() {
    let house = House::polled().await;
    let served = house.serve().await;
    assert_eq!(served.get("/readyz").await.status(), 200);
    let other = Connection::open_with_flags(house.inventory.path(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let ours: i64 = other.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    for (name, value, status) in [
        ("user_version", ours + 1, 503),
        ("user_version", ours - 1, 503),
        ("user_version", ours, 200),
        ("application_id", 7, 503),
    ] {
        other.pragma_update(None, name, value).unwrap();
        let answer = served.get("/readyz").await;
        assert_eq!(answer.status(), status, "{name} {value}: {}", answer.body());
        assert_eq!(served.get("/healthz").await.body(), "alive\n");
    }
}

/// What scanners look for: of programs that tell about themselves, of proxies, of files that were left.
const WELL_KNOWN: &str = "/debug /debug/pprof /debug/pprof/ /debug/pprof/heap /debug/pprof/profile /debug/pprof/goroutine \
/debug/pprof/cmdline /debug/pprof/symbol /debug/pprof/trace /debug/vars /debug/requests /debug/events /debug/default /_debug /pprof \
/pprof/heap /profile /vars /expvar /trace /trace.axd /tracing /logs /log /logging /loggers /console /shell /exec /eval /-/quit \
/-/reload /-/healthy /-/ready /quit /quitquitquit /reload /stop /shutdown /restart /abort /kill /admin /admin/ /admin/config \
/administrator /manage /manage/env /management /manager/html /status /stats /stats/prometheus /statusz /varz /flagz /configz \
/threadz /rpcz /tracez /statsz /healthz/ /readyz/ /livez /health /health/ready /ping /info /version /build /env /environment \
/environ /actuator /actuator/env /actuator/health /actuator/heapdump /actuator/threaddump /actuator/beans /actuator/mappings \
/actuator/configprops /actuator/loggers /actuator/metrics /actuator/prometheus /actuator/shutdown /actuator/gateway/routes \
/heapdump /threaddump /dump /jolokia /jolokia/list /jmx-console /hawtio /config /config.json /config.yml /config.yaml /config.toml \
/config.php /configuration /settings /settings.json /keymuster.toml /inventory.db /inventory.db-wal /inventory.db.lock /db \
/database /db.sqlite /database.sqlite /backup /backup.db /backup.sql /backup.zip /dump.sql /data /export /import /upload \
/uploads /files /file /download /.env /.env.local /.env.production /.git /.git/config /.git/HEAD /.svn/entries /.hg/hgrc \
/.DS_Store /.htaccess /.htpasswd /.aws/credentials /.ssh/id_rsa /.docker/config.json /.npmrc /.netrc /.bash_history \
/.well-known/security.txt /.well-known/openid-configuration /.well-known/acme-challenge/x /robots.txt /sitemap.xml /favicon.ico \
/crossdomain.xml /clientaccesspolicy.xml /index.html /index.php /index.jsp /phpinfo.php /info.php /test.php /wp-admin \
/wp-login.php /wp-config.php /xmlrpc.php /phpmyadmin/ /pma /adminer.php /cgi-bin/ /cgi-bin/luci /cgi-bin/test.cgi /server-status \
/server-info /nginx_status /basic_status /haproxy?stats /haproxy;csv /fpm-status /solr/admin/info/system /_cat/indices \
/_cluster/health /_search /_all_dbs /_utils /v1/agent/self /v1/sys/health /v1/kv /v2/keys /v2/_catalog /api /api/ /api/v1 /api/v1/ \
/api/v1/query /api/v1/targets /api/v1/status/config /api/v1/status/flags /api/v1/admin/tsdb/snapshot /api/v1/write /api/v2/alerts \
/api/keys /api/v1/poll /api/v1/reload /api/v1/ack /api/v1/config /api/v1/secrets /api/v1/credentials /api-docs /swagger \
/swagger.json /swagger-ui.html /openapi.json /graphql /graphiql /rpc /jsonrpc /soap /ws /socket.io/ /metrics/ /metrics/cluster \
/metrics/job/x /metrics.json /federate /graph /targets /flags /rules /alerts /service-discovery /classic /new /login /logout /signin \
/auth /oauth/token /token /session /user /users /account /accounts/ /keys/ /keys/acme-den /policy/ /owners/ /changes/ /poll /ctl \
/ack /forget /webhook /secrets /secret /credentials /credential /passwords /proc/self/environ /etc/passwd /style.css/ /icon.svg/ \
//metrics /%2e%2e/%2e%2e/etc/passwd /..%2f..%2fetc%2fpasswd /metrics/..%2fconfig /keys/..%2f..%2finventory.db /%00 /metrics%00 /%2fmetrics";

#[tokio::test]
async fn nothing_answers_where_strangers_look_for_something() {
    let house = House::polled().await;
    let served = house.serve().await;
    let paths: BTreeSet<&str> = WELL_KNOWN.split_whitespace().collect();
    assert!(paths.len() >= 200, "{}", paths.len());
    for path in paths {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        guarded(&answer, path);
        assert!(answer.body().len() < 8_192 && !answer.body().contains("root:"), "{path}");
    }
}

/// The same in every run: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Some of everything that a request is made of, more or less well.
fn request(random: &mut Random, routes: &[String]) -> Vec<u8> {
    let methods = [
        "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "DELETE", "OPTIONS", "CONNECT", "PRI",
        "get", "", "G\u{0}T",
    ];
    let names = [
        "q",
        "provider",
        "account",
        "kind",
        "owner",
        "team",
        "condition",
        "presence",
        "flagged",
        "waived",
        "held",
        "created",
        "last_used",
        "expires",
        "sort",
        "whose",
        "page",
        "limit",
        "cursor",
        "since",
        "after",
        "as_of",
        "key",
        "colour",
        "",
    ];
    let values = [
        "",
        "1",
        "-1",
        "0",
        "99999999999999999999",
        "yes",
        "acme-den",
        "openai",
        "stale",
        "'",
        "' OR 1=1 --",
        "%25",
        "%00",
        "%ff",
        "..%2f",
        "%27%3B+DROP+TABLE+key",
        "a%0d%0ax%3A+y",
        "(SELECT+1)",
        "%E2%80%AE",
        "name,id",
        "-created",
        "email:a@b",
        "1999-01-01",
    ];
    let headers = [
        "host: localhost",
        "host: evil.example",
        "host:",
        "connection: close",
        "connection: keep-alive",
        "content-length: 5",
        "content-length: -1",
        "transfer-encoding: chunked",
        "expect: 100-continue",
        "upgrade: h2c",
        "upgrade: websocket\r\nconnection: upgrade",
        "range: bytes=0-1",
        "if-none-match: *",
        "if-match: x",
        "authorization: Basic ###",
        "x-forwarded-for: ::1",
        "x-http-method-override: DELETE",
        "origin: null",
        "accept: */*;q=x",
        "cookie: a=b",
        " folded",
        "no header",
        "x: \u{0}",
    ];
    let mut request = random.one_of(&methods).as_bytes().to_vec();
    request.push(b' ');
    request.extend(routes[random.below(routes.len())].as_bytes());
    let parameters = random.below(6).saturating_sub(2);
    for number in 0..parameters {
        request.push(if number == 0 { b'?' } else { b'&' });
        request.extend(random.one_of(&names).as_bytes());
        request.push(b'=');
        request.extend(random.one_of(&values).as_bytes());
    }
    request.extend(
        random
            .one_of(&[
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.1",
                " HTTP/1.0",
                " HTTP/2.0",
                "",
                " FTP/1",
            ])
            .as_bytes(),
    );
    request.extend(b"\r\n");
    // Most are meant for us, and most do not wait for more.
    for (line, of_ten) in [("host: localhost\r\n", 8), ("connection: close\r\n", 9)] {
        if random.below(10) < of_ten {
            request.extend(line.as_bytes());
        }
    }
    for _ in 0..random.below(3) {
        request.extend(random.one_of(&headers).as_bytes());
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    // Some are cut, changed in places or nothing of the sort.
    match random.below(10) {
        0 => request.truncate(random.below(request.len())),
        1 | 2 => {
            for _ in 0..=random.below(4) {
                let at = random.below(request.len());
                request[at] = random.next().to_le_bytes()[0];
            }
        }
        3 => request.extend(random.bytes(600)),
        4 => request = random.bytes(600),
        _ => {}
    }
    request
}

/// The status of the answer, where there was one. Who sent a half or nothing that is understood says no more after a while.
async fn answered(address: SocketAddr, request: Vec<u8>) -> (Vec<u8>, Option<String>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused early may be cut off before all of it is written or read.
    drop(stream.write_all(&request).await);
    let (mut answer, mut piece) = (Vec::new(), [0; 16 * 1_024]);
    loop {
        match timeout(Duration::from_millis(200), stream.read(&mut piece)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(read)) => answer.extend(&piece[..read]),
            Err(_) => {
                drop(stream.shutdown().await);
                drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap_or_else(|_| panic!("no end: {request:?}")));
                break;
            }
        }
    }
    let status = answer.get(9..12).map(|status| String::from_utf8_lossy(status).into_owned());
    (request, status)
}

#[tokio::test]
async fn whatever_is_sent_changes_nothing_and_asks_nobody() {
    let house = House::polled().await;
    let served = house.serve().await;
    let routes = routes(&house).await;
    let log = house.inventory.path().with_extension("db-wal");
    let bytes = || [house.inventory.path(), &log].map(|path: &Path| std::fs::read(path).unwrap());
    let (before, asked, generation) = (bytes(), house.simulation.requests(), house.inventory.generation());
    let (mut random, mut good) = (Random(20), 0);
    let count = if std::env::var_os("KEYMUSTER_LONG").is_some() { 30_000 } else { 3_000 };
    let mut number = 0;
    while number < count {
        // Side by side, fewer than there are places.
        let mut asking = JoinSet::new();
        for _ in 0..40 {
            asking.spawn(answered(served.address, request(&mut random, &routes)));
        }
        number += asking.len();
        for (request, status) in asking.join_all().await {
            good += usize::from(status.as_deref() == Some("200"));
            assert_ne!(status.as_deref(), Some("500"), "to {:?}", String::from_utf8_lossy(&request));
        }
    }
    assert!(good > count / 20, "only {good} of {count} reached a page");
    assert!(bytes() == before, "a byte of the inventory or its log is another");
    assert_eq!((house.simulation.requests(), house.inventory.generation()), (asked, generation));
    for path in routes {
        assert_eq!(served.get(&path).await.status(), 200, "{path}");
    }
}

/// How long a connection lasts in which nothing is said after these bytes, or a byte every second.
async fn lasts(served: &Served, begin: &[u8], dripping: bool) -> Duration {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(begin).await.unwrap();
    // From here on time passes only where everybody waits for it.
    tokio::time::pause();
    let (began, mut bytes) = (Instant::now(), [0; 1_024]);
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut bytes)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => {}
            // Written into a closed connection it shows at the next read.
            Err(_) if dripping => drop(stream.write_all(b"x").await),
            Err(_) => {}
        }
        assert!(began.elapsed() < 5 * PATIENCE, "it does not end");
    }
    tokio::time::resume();
    began.elapsed()
}

#[tokio::test]
async fn who_does_not_say_what_they_want_is_let_go_after_ten_seconds() {
    let house = House::new("").await;
    let served = house.serve().await;
    let idle = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".as_slice();
    for (begin, dripping) in [
        (b"".as_slice(), false),
        (b"GET", false),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", false),
        (b"GET / HTTP/1.1\r\nx: ", true),
        (idle, false),
    ] {
        let lasted = lasts(&served, begin, dripping).await;
        let about_ten = Duration::from_secs(8)..Duration::from_secs(20);
        assert!(about_ten.contains(&lasted), "{lasted:?} after {:?}", String::from_utf8_lossy(begin));
    }
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_after_two_minutes() {
    /// As many as there are places.
    const MOST: usize = 64;
    let house = House::new("").await;
    let served = house.serve().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(served.address).await.unwrap();
    // More than the buffers of this machine take in, of which nothing is read.
    let many = "GET /style.css HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(4_000);
    stream.write_all(many.as_bytes()).await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(130)).await;
    tokio::time::resume();
    // All places but one are taken: if the last were, too, nobody else would be served.
    let mut others = Vec::new();
    for _ in 1..MOST {
        let mut other = TcpStream::connect(served.address).await.unwrap();
        other.write_all(b"GET / HT").await.unwrap();
        others.push(other);
    }
    assert_eq!(served.get("/healthz").await.status(), 200, "its place was not given up");
    drop(stream);
}
