//! A real Prometheus: it scrapes what its config says, and answers queries.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::{PATIENCE, Running, eventually, get};

/// An address of loopback that belongs to this program alone, as long as another one has not the same number, with a port that
/// was free just now: for programs that cannot be told to take any that is free.
pub fn own_address() -> SocketAddr {
    let [_, high, low, _] = (std::process::id() << 8).to_be_bytes();
    let host = SocketAddr::from(([127, 78 + high % 64, low, 1], 0));
    TcpListener::bind(host).unwrap().local_addr().unwrap()
}

pub struct Prometheus {
    _process: Running,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts with that config in a folder that is made for it.
    pub fn start(config: &str, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let file = file.to_str().unwrap();
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "config", file]);
        Running::start(promtool, "prometheus").finish(PATIENCE).ended(0);

        let address = own_address();
        let mut command = Command::new("prometheus");
        command.args([
            format!("--config.file={file}"),
            format!("--web.listen-address={address}"),
            format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
            "--storage.tsdb.retention.time=1h".to_owned(),
        ]);
        let mut process = Running::start(command, "prometheus");
        eventually("Prometheus", PATIENCE, || {
            assert!(process.runs(), "Prometheus ended:\n{}", process.stderr());
            get(address, "/-/ready").filter(|answer| answer.status == 200)
        });
        Self { _process: process, address }
    }

    /// What its API answers to a path.
    pub fn api(&self, path: &str) -> Value {
        let answer = get(self.address, &format!("/api/v1/{path}")).unwrap();
        let mut answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].take()
    }

    /// The samples that a query gives now.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let mut data = self.api(&format!("query?query={}", escaped(query)));
        serde_json::from_value(data["result"].take()).unwrap()
    }

    /// Waits until a query gives something.
    #[track_caller]
    pub fn samples(&self, query: &str) -> Vec<Value> {
        eventually(query, PATIENCE, || Some(self.query(query)).filter(|samples| !samples.is_empty()))
    }

    /// Waits until the only sample of a query has that value: a scrape may have failed, or be still to come.
    #[track_caller]
    pub fn becomes(&self, query: &str, wanted: f64) {
        eventually(&format!("{query} = {wanted}"), PATIENCE, || (self.value(query) == wanted).then_some(()));
    }

    #[track_caller]
    pub fn value(&self, query: &str) -> f64 {
        let samples = self.samples(query);
        assert_eq!(samples.len(), 1, "{query}: {samples:?}");
        samples[0]["value"][1].as_str().unwrap().parse().unwrap()
    }
}

pub fn escaped(query: &str) -> String {
    let escape = |b: u8| if b.is_ascii_alphanumeric() || b == b'_' { char::from(b).to_string() } else { format!("%{b:02X}") };
    query.bytes().map(escape).collect()
}
