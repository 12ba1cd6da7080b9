//! Who may ask the listener, and over what: TLS, client certificates and passwords by a web config file, as curl meets them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::certificate::reload;
use crate::process::{Finished, PATIENCE, Running, eventually, get};
use crate::support::{Daemon, Settings, Sim, Site, far_off, log_events};

/// bcrypt of `correct horse`, at the lowest cost.
const HASH: &str = "$2b$04$VLjjMDO2/iKHtWgvMAnC.enUBq1zYJ.mFb/Ye7UmWgfO9hwx5wB36";
const WHO: &str = "scraper:correct horse";

/// A site with a web config file and certificates.
pub struct House {
    pub site: Site,
    _sim: Sim,
}

impl House {
    pub fn new(web: &str) -> Self {
        let sim = Sim::small();
        let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
        site.edit("[web]", "[web]\nconfig_file = \"web.yml\"");
        let house = Self { site, _sim: sim };
        house.write(web);
        house
    }

    pub fn write(&self, web: &str) {
        std::fs::write(self.site.path("web.yml"), web).unwrap();
    }

    /// An authority, a certificate for `localhost` and one for a client.
    pub fn certificates(self) -> Self {
        self.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        );
        for (name, extension) in
            [("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
        {
            std::fs::write(self.site.path("extension"), extension).unwrap();
            self.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ));
            self.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {name}.pem"
            ));
        }
        self
    }

    pub fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(self.site.path(""));
        Running::start(command, "openssl").finish(PATIENCE).ended(0);
    }

    /// A client that trusts the authority, for what curl does not do.
    fn tls_client(&self) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.site.path("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
    }

    /// The first page, as curl gets it with these options.
    #[track_caller]
    pub fn curl(&self, daemon: &Daemon, scheme: &str, options: &[&str]) -> Finished {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--output", "body", "--write-out", "%{http_code}", "--max-time", "60"]);
        command.args(options).arg(format!("{scheme}://localhost:{}/metrics", daemon.address.port()));
        command.args(["--resolve", &format!("localhost:{}:127.0.0.1", daemon.address.port())]).current_dir(self.site.path(""));
        Running::start(command, "curl").finish(PATIENCE)
    }

    /// The status that curl got.
    #[track_caller]
    pub fn status(&self, daemon: &Daemon, scheme: &str, options: &[&str]) -> String {
        self.curl(daemon, scheme, options).ended(0).stdout
    }

    /// `check` and `run` refuse the config and say so.
    #[track_caller]
    pub fn is_refused(&self, parts: &[&str]) {
        for command in ["check", "run"] {
            let refused = self.site.run(command, &[]).ended(78).all();
            for part in parts {
                assert!(refused.contains(part), "{command} does not say {part}: {refused}");
            }
        }
    }
}

#[test]
fn who_signs_in_is_let_in_and_nobody_else() {
    let house = House::new(&format!("basic_auth_users:\n  scraper: {HASH}\n"));
    let daemon = house.site.daemon();
    for path in ["/", "/metrics", "/healthz", "/readyz", "/none"] {
        let refused = get(daemon.address, path).unwrap();
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.head.contains("www-authenticate: basic realm=") && refused.head.contains("nosniff"), "{}", refused.head);
    }
    for _ in 0..2 {
        assert_eq!(house.status(&daemon, "http", &["--user", WHO]), "200");
    }
    for who in [
        "scraper:correct hors",
        "scraper:",
        "scraper:correct horse ",
        "nobody:correct horse",
        ":correct horse",
        "Scraper:correct horse",
    ] {
        assert_eq!(house.status(&daemon, "http", &["--user", who]), "401", "{who}");
    }
    for header in ["Basic", "Basic ###", "Basic c2NyYXBlcg==", "Bearer c2NyYXBlcjpjb3JyZWN0IGhvcnNl"] {
        assert_eq!(house.status(&daemon, "http", &["--header", &format!("Authorization: {header}")]), "401", "{header}");
    }
    let finished = daemon.stop().ended(0);
    assert!(!finished.all().contains("correct horse") && !finished.all().contains(HASH));
}

#[test]
fn tls_and_client_certificates_are_asked_for_as_the_file_says() {
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let house = House::new(tls).certificates();
    let daemon = house.site.daemon();
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem"]), "200");
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem", "--tlsv1.2", "--tls-max", "1.2"]), "200");
    // Whoever trusts other roots, speaks too old a version, or in clear, gets nothing.
    house.curl(&daemon, "https", &[]).ended(60);
    assert_ne!(house.curl(&daemon, "https", &["--cacert", "ca.pem", "--tls-max", "1.1"]).code, Some(0));
    assert_ne!(house.curl(&daemon, "http", &[]).code, Some(0));

    // From the next connection on, by a reload.
    house
        .write(&format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  min_version: TLS13\n"));
    let reload = |message: &str| {
        let told = || {
            log_events(&daemon.process.stderr()).into_iter().filter(|e| e["message"].as_str().unwrap().contains(message)).count()
        };
        let before = told();
        daemon.process.signal(Signal::HUP);
        eventually(message, PATIENCE, || (told() > before).then_some(()));
    };
    reload("reloaded ");
    let client = ["--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"];
    assert_eq!(house.status(&daemon, "https", &client), "200");
    assert_ne!(house.curl(&daemon, "https", &client[..2]).code, Some(0));
    assert_ne!(house.curl(&daemon, "https", &[&client[..], &["--tls-max", "1.2"]].concat()).code, Some(0));

    // One that cannot be used changes nothing.
    std::fs::write(house.site.path("server.pem"), "nothing").unwrap();
    reload("the config was not reloaded");
    assert_eq!(house.status(&daemon, "https", &client), "200");
    daemon.stop().ended(0);
}

/// Nothing of a handshake, half a handshake, half a request: each is let go, and its place with it.
#[test]
fn who_dawdles_over_tls_is_let_go() {
    let house = House::new("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n").certificates();
    let daemon = house.site.daemon();
    let connect = || {
        let stream = TcpStream::connect(daemon.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut asking = StreamOwned::new(house.tls_client(), connect());
    asking.write_all(b"GET /metrics HTTP/1.1\r\nhost: local").unwrap();
    // More than there are places.
    let mut dawdlers: Vec<TcpStream> = (0..70).map(|_| connect()).collect();
    // The beginning of a client's first words.
    dawdlers[0].write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    let mut answer = Vec::new();
    for dawdler in &mut dawdlers {
        until_the_end(dawdler, &mut answer);
    }
    until_the_end(&mut asking, &mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("keymuster_"));
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem"]), "200");
    daemon.stop().ended(0);
}

/// Reads until the other side ends it, in whatever manner; fails where only we would.
#[track_caller]
fn until_the_end(stream: &mut impl Read, answer: &mut Vec<u8>) {
    if let Err(error) = stream.read_to_end(answer) {
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{error}");
    }
}

#[test]
fn other_machines_are_served_only_over_tls_with_sign_in_or_by_a_word_that_shows() {
    let house = House::new(&format!("basic_auth_users:\n  scraper: {HASH}\n")).certificates();
    house.site.edit("127.0.0.1:0", "0.0.0.0:0");
    house.is_refused(&["`web.listen` is no loopback address, and there is no TLS", "insecure = true"]);
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    house.write(tls);
    house.is_refused(&["and there is no sign-in"]);
    house.site.edit("config_file = \"web.yml\"", "");
    house.is_refused(&["and there is neither TLS nor sign-in"]);

    // What is allowed by a word is told on the page.
    house.site.edit("[web]", "[web]\ninsecure = true");
    let daemon = house.site.daemon();
    assert!(daemon.process.stderr().contains("can read everything: insecure = true"), "{}", daemon.process.stderr());
    let local = SocketAddr::from(([127, 0, 0, 1], daemon.address.port()));
    assert!(get(local, "/").unwrap().body.contains("Open to everybody who reaches this address"));
    daemon.stop().ended(0);

    // With both, the word is not needed; the arguments that operators know say the same as the config.
    house.write(&format!("{tls}basic_auth_users:\n  scraper: {HASH}\n"));
    house.site.edit("insecure = true", "");
    house.site.edit("0.0.0.0:0", "127.0.0.1:1");
    let config = house.site.config();
    let arguments =
        ["run", "--config", config.to_str().unwrap(), "--web.listen-address", "0.0.0.0:0", "--web.config.file", "web.yml"];
    let daemon = Daemon::started(house.site.start(&arguments));
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem", "--user", WHO]), "200");
    let page = std::fs::read_to_string(house.site.path("body")).unwrap();
    assert!(page.contains("keymuster_build_info") && !page.contains("Open to everybody"));
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem"]), "401");
    // A reload keeps to them.
    daemon.process.signal(Signal::HUP);
    eventually("the reload", PATIENCE, || daemon.process.stderr().contains("reloaded ").then_some(()));
    daemon.stop().ended(0);
}

/// What a reload opens to everybody is told as at a start.
#[test]
fn a_listener_that_a_reload_opens_is_told_in_the_log() {
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let signed_in = format!("{tls}basic_auth_users:\n  scraper: {HASH}\n");
    let house = House::new(&signed_in).certificates();
    house.site.edit("127.0.0.1:0", "0.0.0.0:0");
    let daemon = house.site.daemon();
    let open = "whoever reaches the listener's address can read everything";
    assert_eq!(reload(&daemon, open), 0);
    house.write(tls);
    house.site.edit("[web]", "[web]\ninsecure = true");
    assert_eq!(reload(&daemon, open), 1);
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem"]), "200");
    house.write(&signed_in);
    assert_eq!(reload(&daemon, open), 1, "closed again");
    daemon.stop().ended(0);
}

/// Runs what follows where the kernel knows no IPv6: a filter of system calls answers as one does that was built without.
/// Of arguments: the numbers of prctl and socket, then the command.
const WITHOUT_IPV6: &str = r#"
my ($prctl, $socket) = (shift() + 0, shift() + 0);
# The call is socket, and its first argument AF_INET6: EAFNOSUPPORT. All else is allowed.
my @code = ([0x20, 0, 0, 0], [0x15, 0, 3, $socket], [0x20, 0, 0, 16], [0x15, 0, 1, 10], [0x06, 0, 0, 0x50061], [0x06, 0, 0, 0x7fff0000]);
my $code = join '', map { pack 'SCCL', @$_ } @code;
my $program = pack 'S x6 P', scalar @code, $code;
syscall($prctl, 38, 1, 0, 0, 0) == 0 and syscall($prctl, 22, 2, $program) == 0 or die "no filter: $!";
exec @ARGV or die "no $ARGV[0]: $!";
"#;

#[test]
fn a_port_alone_is_every_address_of_the_machine_also_where_there_is_no_ipv6() {
    let calls = match std::env::consts::ARCH {
        "x86_64" => ["157", "41"],
        "aarch64" => ["167", "198"],
        other => panic!("the numbers of prctl and socket on {other} are to be written here"),
    };
    let house = House::new("");
    house.site.edit("listen = \"127.0.0.1:0\"", "listen = \":0\"\ninsecure = true");
    let config = house.site.config();
    let arguments = ["run", "--config", config.to_str().unwrap()];
    for is_ipv4 in [true, false] {
        let mut without = Command::new("perl");
        without.args(["-e", WITHOUT_IPV6]).args(calls).arg(env!("CARGO_BIN_EXE_keymuster")).args(arguments).env_clear();
        let started = if is_ipv4 { Running::start(without, "perl-base") } else { house.site.start(&arguments) };
        let daemon = Daemon::started(started);
        assert!(daemon.address.ip().is_unspecified(), "{}", daemon.address);
        assert!(daemon.address.is_ipv4() || !is_ipv4, "{}", daemon.address);
        let local = SocketAddr::from(([127, 0, 0, 1], daemon.address.port()));
        assert_eq!(get(local, "/healthz").unwrap().status, 200);
        daemon.stop().ended(0);
    }
}

#[test]
fn an_empty_web_config_file_changes_nothing() {
    let house = House::new("# nothing yet\ntls_server_config:\nbasic_auth_users:\n");
    let daemon = house.site.daemon();
    assert_eq!(house.status(&daemon, "http", &[]), "200");
    daemon.stop().ended(0);
}
