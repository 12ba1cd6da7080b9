//! End to end: the daemon finds, Prometheus scrapes and decides, Alertmanager delivers, a webhook on loopback receives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::process::{PATIENCE, Running, eventually, get};
use crate::prometheus::{Prometheus, own_address};
use crate::shipped::{fast, text};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, far_off};

/// Receives notifications: the path that each came to, and what it said. Its thread ends with the tests.
struct Webhook {
    address: SocketAddr,
    received: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Webhook {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&received);
        std::thread::spawn(move || {
            // A connection that is kept or broken off must not stop those that follow.
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                std::thread::spawn(move || {
                    while let Some(one) = receive(&stream) {
                        into.lock().unwrap().push(one)
                    }
                });
            }
        });
        Self { address, received }
    }

    /// Notifications of a receiver.
    fn of(&self, receiver: &str) -> Vec<Value> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|(path, _)| path == &format!("/{receiver}")).map(|(_, told)| told.clone()).collect()
    }

    /// Waits until a receiver was told of an alert in that state; the newest that was told of it.
    #[track_caller]
    fn told(&self, receiver: &str, status: &str, labels: &[(&str, &str)]) -> Value {
        eventually(&format!("{receiver}: {status} {labels:?}"), PATIENCE, || self.alert(receiver, status, labels))
    }

    fn alert(&self, receiver: &str, status: &str, labels: &[(&str, &str)]) -> Option<Value> {
        let notifications = self.of(receiver);
        let mut alerts = notifications.iter().rev().flat_map(|told| told["alerts"].as_array().unwrap());
        let is_it =
            |alert: &&Value| alert["status"] == status && labels.iter().all(|(name, value)| alert["labels"][name] == *value);
        alerts.find(is_it).cloned()
    }
}

/// One POST of JSON; `None` at the end of the connection.
fn receive(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    Some((path, serde_json::from_slice(&body).ok()?))
}

struct Alertmanager {
    _process: Running,
    address: SocketAddr,
}

impl Alertmanager {
    /// By the shipped config, but for where it delivers to and how long it waits.
    fn start(folder: &Path, webhook: SocketAddr) -> Self {
        let shipped = text("alertmanager/alertmanager.yml");
        assert!(shipped.contains("http://127.0.0.1:9095/"));
        let quick = |line: &str| {
            let (name, _) = line.split_once(": ")?;
            ["group_wait", "group_interval"].contains(&name.trim()).then(|| format!("{name}: 1s"))
        };
        let config: Vec<String> = shipped.lines().map(|line| quick(line).unwrap_or_else(|| line.to_owned())).collect();
        let config = config.join("\n").replace("127.0.0.1:9095", &webhook.to_string());
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join("alertmanager.yml");
        std::fs::write(&file, config).unwrap();

        let address = own_address();
        let mut command = Command::new("prometheus-alertmanager");
        command.args([
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.join("data").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ]);
        let mut process = Running::start(command, "prometheus-alertmanager");
        eventually("Alertmanager", PATIENCE, || {
            assert!(process.runs(), "Alertmanager ended:\n{}", process.stderr());
            get(address, "/-/ready").filter(|answer| answer.status == 200)
        });
        Self { _process: process, address }
    }

    /// The state of an alert that fires, such as `active` or `suppressed`.
    fn state(&self, labels: &[(&str, &str)]) -> Option<String> {
        let answer = get(self.address, "/api/v2/alerts").filter(|answer| answer.status == 200)?;
        let alerts: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
        let alert = alerts.iter().find(|alert| labels.iter().all(|(name, value)| alert["labels"][name] == *value))?;
        Some(alert["status"]["state"].as_str().unwrap().to_owned())
    }
}

#[test]
fn what_the_daemon_finds_is_delivered_and_stands_while_it_is_down() {
    let sim = Sim::small();
    let settings = Settings { schedule: far_off(), ..Settings::default() };
    let site = Site::new(&sim, &settings);
    // It is to come back under the same address.
    site.edit("127.0.0.1:0", &own_address().to_string());
    sim.faults("unauthorized:den");
    site.poll(&[]).ended(69);
    let daemon = site.daemon();
    let webhook = Webhook::new();
    let alertmanager = Alertmanager::start(&site.path("alertmanager"), webhook.address);
    let folder = site.path("prometheus");
    let instance = daemon.address.to_string();
    let prometheus = Prometheus::start(&fast(&folder, &instance, &alertmanager.address.to_string()), &folder);

    // A finding, as the inventory has it.
    let expired = site.count(&format!("expired_keys WHERE account = '{OPENAI}'"));
    assert!(expired > 0);
    let finding = [("alertname", "KeymusterKeysExpired"), ("account", OPENAI), ("provider", "openai")];
    let told = webhook.told("security", "firing", &finding);
    assert_eq!(told["labels"]["severity"], "warning");
    assert_eq!(told["labels"]["instance"], instance.as_str());
    assert_eq!(told["annotations"]["summary"], format!("{OPENAI}: {expired} expired keys are still listed"));
    let description = told["annotations"]["description"].as_str().unwrap();
    assert!(description.ends_with(&format!("keymuster keys --account {OPENAI} --condition expired")), "{description}");
    let runbook = "file:///usr/share/doc/keymuster/runbook.md#keymusterkeysexpired";
    assert_eq!(told["annotations"]["runbook_url"], runbook);
    // One notification for one account.
    for notification in webhook.of("security") {
        let accounts = notification["alerts"].as_array().unwrap().iter().map(|alert| &alert["labels"]["account"]);
        let accounts: std::collections::BTreeSet<String> = accounts.map(Value::to_string).collect();
        assert_eq!(accounts.len(), 1, "{notification}");
    }

    // What cannot wait goes elsewhere, what follows from it is left out, and the heartbeat comes by itself.
    let refused = [("alertname", "KeymusterAuthRejected"), ("account", DEN), ("reason", "auth")];
    let refused = webhook.told("security-now", "firing", &refused);
    assert_eq!(refused["annotations"]["summary"], format!("{DEN}: the provider refuses our credential (auth)"));
    let consequence = [("alertname", "KeymusterSourceNeverRead"), ("account", DEN)];
    eventually("the consequence", PATIENCE, || (alertmanager.state(&consequence)? == "suppressed").then_some(()));
    webhook.told("dead-mans-switch", "firing", &[("alertname", "KeymusterHeartbeat")]);

    // Down: that is told, and nothing that was found is called mended.
    let config = std::fs::read_to_string(site.config()).unwrap();
    daemon.stop().ended(0);
    let down = [("alertname", "KeymusterDown"), ("instance", instance.as_str())];
    webhook.told("security-now", "firing", &down);
    // Down for long enough for several evaluations.
    prometheus.samples("max_over_time(up[5s]) == 0");
    let firing = prometheus.query("ALERTS{alertname='KeymusterKeysExpired', account='acme-openai', alertstate='firing'}");
    assert_eq!(firing.len(), 1, "what was found is no longer told");
    assert_eq!(alertmanager.state(&finding).as_deref(), Some("active"));
    assert_eq!(webhook.alert("security", "resolved", &finding), None);

    // Up again, without one account: its alerts end, those of the other stand.
    let (before, from_account) = config.split_once(&format!("[accounts.{OPENAI}]")).unwrap();
    let (_, after) = from_account.split_once(&format!("[accounts.{DEN}]")).unwrap();
    let config = format!("{before}[accounts.{DEN}]{after}");
    std::fs::write(site.config(), config).unwrap();
    let daemon = site.daemon();
    webhook.told("security-now", "resolved", &down);
    webhook.told("security", "resolved", &finding);
    assert_eq!(alertmanager.state(&[("alertname", "KeymusterAuthRejected"), ("account", DEN)]).as_deref(), Some("active"));
    daemon.stop().ended(0);
}
