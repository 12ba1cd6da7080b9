//! Trust: TLS, proxies, and what debug prints show.

use std::path::PathBuf;
use std::process::Command;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// A certificate that signed itself, for 127.0.0.1 and localhost. Its key is public and protects nothing.
const CERTIFICATE: &[u8] = include_bytes!("loopback.crt");
const KEY: &[u8] = include_bytes!("loopback.key");

fn ca_file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/remote/tests/loopback.crt"))
}

/// The same for another time: one that ended with the year 2020, one that begins with 2110.
const EXPIRED: &[u8] = include_bytes!("expired.crt");
const NOT_YET: &[u8] = include_bytes!("tomorrow.crt");

async fn tls_server() -> Server {
    tls_server_with(CERTIFICATE).await
}

async fn tls_server_with(certificate: &[u8]) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_slice(certificate).unwrap()], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    Server::listen(vec![vec![Step::Send(ok(PAGE))]], Some(Arc::new(config).into())).await
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_before_any_header() {
    let server = tls_server().await;
    let (page, outcomes) = ask(settings(&format!("https://{}", server.address))).await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Tls, "certificate not trusted: unknown issuer"));
    assert_eq!((outcomes, server.heard().len()), (vec!["tls"], 0));
}

#[tokio::test]
async fn ca_file_is_the_only_root() {
    let server = tls_server().await;
    let mut trusting = settings(&format!("https://{}", server.address));
    trusting.ca_file = Some(ca_file());
    assert_eq!(ask(trusting).await.0.unwrap().elements, 2);

    let mut other_name = settings(&format!("https://127.0.0.2:{}", server.address.port()));
    other_name.ca_file = Some(ca_file());
    other_name.limits.retries = 0;
    // Nobody listens on 127.0.0.2, so the name is checked through a listener there.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    other_name.base_url = BaseUrl::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let target = server.address;
    let relay = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
    });
    let failure = ask(other_name).await.0.unwrap_err();
    relay.abort();
    assert_eq!(failure, Failure::new(Reason::Tls, "certificate not trusted: not for this host"));
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn a_certificate_of_another_time_ends_before_any_header() {
    for (certificate, why) in [(EXPIRED, "expired"), (NOT_YET, "not valid yet")] {
        let server = tls_server_with(certificate).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate).unwrap();
        let mut trusting = settings(&format!("https://{}", server.address));
        trusting.ca_file = Some(file.path().to_owned());
        let (page, outcomes) = ask(trusting).await;
        assert_eq!(page.unwrap_err(), Failure::new(Reason::Tls, format!("certificate not trusted: {why}")));
        assert_eq!((outcomes, server.heard().len()), (vec!["tls"], 0));
    }
}

/// A server that answers the hello with one of TLS 1.1, and takes down what it is sent.
#[tokio::test]
async fn a_server_that_speaks_tls_1_1_alone_gets_no_header() {
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    // No session, ECDHE-RSA with AES, no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let recorded = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = vec![0; 4_096];
        let first = stream.read(&mut all).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        all.truncate(first);
        drop(stream.read_to_end(&mut all).await);
        all
    });
    let (page, outcomes) = ask(settings(&format!("https://{address}"))).await;
    assert_eq!((page.unwrap_err().reason, outcomes), (Reason::Tls, vec!["tls"]));
    let recorded = String::from_utf8_lossy(&recorded.await.unwrap()).into_owned();
    assert!(!recorded.is_empty() && !recorded.contains("canary") && !recorded.contains("x-api-key"), "{recorded}");
}

#[tokio::test]
async fn a_server_without_tls_gets_no_header() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let recorded = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = vec![0; 4_096];
        let first = stream.read(&mut all).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        all.truncate(first);
        drop(stream.read_to_end(&mut all).await);
        all
    });
    let (page, _) = ask(settings(&format!("https://{address}"))).await;
    assert_eq!(page.unwrap_err(), Failure::new(Reason::Tls, "the other end does not speak TLS"));
    let recorded = String::from_utf8_lossy(&recorded.await.unwrap()).into_owned();
    assert!(!recorded.is_empty() && !recorded.contains("canary") && !recorded.contains("x-api-key"), "{recorded}");
}

#[test]
fn setup_names_what_is_wrong() {
    let new = |ca_file: PathBuf| {
        let mut settings = settings("https://host.example");
        settings.ca_file = Some(ca_file);
        Remote::new(settings, &Roots::default(), Clock::system(), Arc::new(Told::default())).unwrap_err().to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    assert!(new(file.clone()).contains("ca.pem: No such file"), "{}", new(file));
    std::fs::write(&file, "not a certificate").unwrap();
    assert!(new(file.clone()).ends_with("holds no certificate"), "{}", new(file));
    let mut damaged = String::from_utf8(CERTIFICATE.to_vec()).unwrap();
    damaged.replace_range(100..104, "????");
    std::fs::write(&file, damaged).unwrap();
    assert!(new(file.clone()).ends_with("not a PEM file of certificates"), "{}", new(file));

    let mut bad = settings("https://host.example");
    bad.credential = "canary\nsecret".to_owned().into();
    let refused = Remote::new(bad, &Roots::default(), Clock::system(), Arc::new(Told::default())).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused:?}");
}

#[test]
fn lines_that_are_set_up_together_read_a_ca_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, CERTIFICATE).unwrap();
    let new = |roots: &Roots| {
        let mut settings = settings("https://host.example");
        settings.ca_file = Some(file.clone());
        Remote::new(settings, roots, Clock::system(), Arc::new(Told::default()))
    };
    let together = Roots::default();
    new(&together).unwrap();
    std::fs::remove_file(&file).unwrap();
    new(&together).unwrap();
    new(&Roots::default()).unwrap_err();
}

#[test]
fn http_needs_no_ca_file() {
    let mut settings = settings("http://127.0.0.1:1");
    settings.ca_file = Some(PathBuf::from("/nowhere/at/all"));
    Remote::new(settings, &Roots::default(), Clock::system(), Arc::new(Told::default())).unwrap();
}

#[test]
fn debug_shows_no_secret() {
    let settings = settings("https://host.example/v1");
    let shown = format!("{settings:?}");
    let (remote, _) = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { connect(settings) });
    let shown = format!("{shown} {remote:?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("Sensitive") && shown.contains("host.example"), "{shown}");
}

#[tokio::test]
async fn a_configured_proxy_carries_https_and_nothing_else() {
    let target = tls_server().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    let far = target.address;
    let relay = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(near.read_u8().await.unwrap());
        }
        near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
        let mut far = tokio::net::TcpStream::connect(far).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
        String::from_utf8(head).unwrap()
    });
    let mut through = settings(&format!("https://{}", target.address));
    through.ca_file = Some(ca_file());
    through.proxy = Some(ProxyUrl::parse(&format!("http://{proxy}")).unwrap());
    assert_eq!(ask(through).await.0.unwrap().elements, 2);
    let head = relay.await.unwrap();
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", target.address)), "{head}");
    assert!(!head.contains("canary"), "{head}");

    let plain = Server::one(ok(PAGE)).await;
    let bystander = Server::one(ok(PAGE)).await;
    let mut direct = settings(&plain.url());
    direct.proxy = Some(ProxyUrl::parse(&bystander.url()).unwrap());
    ask(direct).await.0.unwrap();
    assert_eq!((plain.connections(), bystander.connections()), (1, 0));
}

const TARGET: &str = "KEYMUSTER_TEST_TARGET";

/// The other half of the next test: runs in a process whose environment names a proxy.
#[tokio::test]
#[ignore = "started by the next test, which sets its environment"]
async fn asks_with_a_proxy_in_the_environment() {
    let target = std::env::var_os(TARGET).unwrap().into_string().unwrap();
    assert!(std::env::var_os("HTTPS_PROXY").is_some());
    assert_eq!(ask(settings(&format!("http://{target}"))).await.0.unwrap().elements, 2);
    // The target does not speak TLS, and waits for the end of a head that never comes.
    let secure = limited(&format!("https://{target}"), |limits| {
        limits.connect = Duration::from_millis(300);
        limits.retries = 0;
    });
    assert_eq!(reason(secure).await, Reason::Timeout);
}

/// The other half of the next test: runs in a process whose environment asks for the keys of its connections.
#[tokio::test]
#[ignore = "started by the next test, which sets its environment"]
async fn asks_where_keys_are_to_be_logged() {
    assert!(std::env::var_os("SSLKEYLOGFILE").is_some());
    let server = tls_server().await;
    let mut trusting = settings(&format!("https://{}", server.address));
    trusting.ca_file = Some(ca_file());
    assert_eq!(ask(trusting).await.0.unwrap().elements, 2);
}

#[test]
fn the_keys_of_connections_are_logged_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "remote::tests::secrets::asks_where_keys_are_to_be_logged", "--ignored"]);
    let output = child.env("SSLKEYLOGFILE", &file).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_is_taken_from_the_environment() {
    let proxy = Server::one(ok(PAGE)).await;
    let target = Server::start(vec![vec![Step::Send(ok(PAGE))]]).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "remote::tests::secrets::asks_with_a_proxy_in_the_environment", "--ignored"]);
    child.env(TARGET, target.address.to_string()).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, proxy.url()).env(name.to_ascii_lowercase(), proxy.url());
    }
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    assert_eq!(proxy.connections(), 0);
    target.has_accepted(2).await;
}
