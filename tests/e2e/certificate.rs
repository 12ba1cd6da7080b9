//! The listener's certificate ends: that is told by `check`, in the log at the start and at each reload, and by the metrics, from
//! what the listener shows at that moment.

use keymuster::clock::Clock;
use keymuster::config::Config;
use keymuster::web::Access;
use rustix::process::Signal;

use crate::listener::House;
use crate::process::{PATIENCE, eventually};
use crate::support::{Daemon, log_events};

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
const DAY: i64 = 86_400;

impl House {
    fn renew(&self, days: i64) {
        self.openssl(&format!(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days {days} -extfile extension -out server.pem"
        ));
    }

    /// When the certificate in a file ends, as openssl tells.
    fn end_of(&self, file: &str) -> i64 {
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", file]).current_dir(self.site.path(""));
        let told = crate::process::Running::start(openssl, "openssl").finish(PATIENCE).ended(0).stdout;
        let time = told.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T");
        time.parse::<jiff::Timestamp>().unwrap().as_second()
    }

    /// The series of the certificate that curl gets, over TLS or in clear.
    fn exported(&self, daemon: &Daemon, scheme: &str) -> Option<i64> {
        assert_eq!(self.status(daemon, scheme, &["--insecure"]), "200");
        let body = std::fs::read_to_string(self.site.path("body")).unwrap();
        let line = body.lines().find(|line| line.starts_with("keymuster_web_certificate_expiry_timestamp_seconds"))?;
        Some(line.strip_prefix("keymuster_web_certificate_expiry_timestamp_seconds ").unwrap().parse().unwrap())
    }
}

/// SIGHUP, and how many lines of the log hold that text when it has been obeyed.
pub fn reload(daemon: &Daemon, text: &str) -> usize {
    let told = |text: &str| {
        let events = log_events(&daemon.process.stderr()).into_iter();
        events.filter(|event| event["message"].as_str().unwrap().contains(text)).count()
    };
    let before = told("reloaded ");
    daemon.process.signal(Signal::HUP);
    eventually("the reload", PATIENCE, || (told("reloaded ") > before).then_some(()));
    told(text)
}

#[test]
fn a_certificate_that_ends_soon_is_told_before_it_does() {
    let house = House::new(TLS).certificates();
    let checked = house.site.run("check", &["--offline"]).ended(0).stdout;
    assert!(checked.contains("warning listener: the certificate of the listener expires at "), "{checked}");

    let config = Config::load(&house.site.config(), std::iter::empty()).unwrap();
    let access = || Access::new(&config.web, None).unwrap();
    // From now each time: what is made later is not valid before.
    let trouble = |days: i64| access().certificate_trouble(Clock::system().now().plus(days * DAY));
    for (days, what) in [(-30, "is not valid before"), (-1, "is not valid before"), (0, "listener expires at"), (3, "expired at")]
    {
        assert!(trouble(days).is_some_and(|told| told.contains(what)), "{days}: {:?}", trouble(days));
    }
    house.renew(60);
    assert_eq!(trouble(0), None);
    // The first end of the chain counts.
    let chain = ["server.pem", "ca.pem"].map(|file| std::fs::read_to_string(house.site.path(file)).unwrap());
    std::fs::write(house.site.path("server.pem"), chain.concat()).unwrap();
    assert!(trouble(0).is_some_and(|told| told.contains("certificate 2 in the listener's cert_file expires at")));
    assert_eq!(access().certificate_ends().map(|ends| ends.unix()), Some(house.end_of("ca.pem")));
}

#[test]
fn metrics_and_log_tell_of_the_certificate_that_the_listener_shows_now() {
    let house = House::new(TLS).certificates();
    house.renew(60);
    let daemon = house.site.daemon();
    assert!(!daemon.process.stderr().contains("the certificate of the listener"), "{}", daemon.process.stderr());
    let far = house.exported(&daemon, "https");
    assert_eq!(far, Some(house.end_of("server.pem")));

    // What lies on the disk is not shown yet.
    house.renew(2);
    assert_eq!(house.exported(&daemon, "https"), far);
    assert_eq!(reload(&daemon, "the certificate of the listener expires at "), 1);
    let near = house.exported(&daemon, "https");
    assert_eq!(near, Some(house.end_of("server.pem")));
    assert!(near < far);

    house.write("");
    reload(&daemon, "");
    assert_eq!(house.exported(&daemon, "http"), None);
    daemon.stop().ended(0);
    // It is told at the start too.
    house.write(TLS);
    let log = house.site.daemon().stop().ended(0).stderr;
    assert!(log.contains("the certificate of the listener expires at "), "{log}");
}
