//! A real Prometheus beside the daemon: it scrapes `/metrics`, and answers for every family that the program promises.

use std::net::SocketAddr;

use keymuster::sim::Size;

use crate::control::ctl;
use crate::process::{PATIENCE, eventually, get};
use crate::prometheus::Prometheus;
use crate::support::{BRAINTRUST, DEN, Daemon, OPENAI, Settings, Sim, Site, far_off};

/// Every family that is there from the start or after polls such as these, and is not asked for by config.
const FAMILIES: &[&str] = &[
    "keymuster_keys",
    "keymuster_flagged_keys",
    "keymuster_stale_keys",
    "keymuster_waived_keys",
    "keymuster_condition_supported",
    "keymuster_next_expiry_timestamp_seconds",
    "keymuster_next_flagged_expiry_timestamp_seconds",
    "keymuster_oldest_key_created_timestamp_seconds",
    "keymuster_account_info",
    "keymuster_account_up",
    "keymuster_last_complete_poll_timestamp_seconds",
    "keymuster_last_poll_timestamp_seconds",
    "keymuster_data_stale_before_timestamp_seconds",
    "keymuster_poll_interval_seconds",
    "keymuster_scopes",
    "keymuster_held_keys",
    "keymuster_changes_total",
    "keymuster_poll_duration_seconds_count",
    "keymuster_poll_failures_total",
    "keymuster_provider_requests_total",
    "keymuster_provider_request_duration_seconds_count",
    "keymuster_credential_expiry_timestamp_seconds",
    "keymuster_items_refused_total",
    "keymuster_secret_like_values_total",
    "keymuster_config_last_reload_successful",
    "keymuster_build_info",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "process_open_fds",
];

/// Those of single keys.
const PER_KEY: &[&str] = &[
    "keymuster_key_info",
    "keymuster_key_created_timestamp_seconds",
    "keymuster_key_last_used_timestamp_seconds",
    "keymuster_key_expiry_timestamp_seconds",
];

fn beside(daemon: SocketAddr, site: &Site) -> Prometheus {
    let config = format!(
        "global:\n  scrape_interval: 2s\n  scrape_timeout: 2s\nscrape_configs:\n  - job_name: keymuster\n    static_configs:\n      - targets: ['{daemon}']\n"
    );
    Prometheus::start(&config, &site.path("prometheus"))
}

/// A daemon that has seen everything there is to count: good polls, failed ones, changes, secrets, refused elements.
fn eventful(sim: &Sim, tables: &'static str) -> (Site, Daemon) {
    let settings = Settings {
        schedule: "*/2 * * * * *".to_owned(),
        tables,
        openai: "credential_expires = \"2099-01-01\"",
        ..Settings::default()
    };
    let site = Site::new(sim, &settings);
    sim.faults("secret_name\nbad_item on /organization/admin_api_keys from 1 to 1");
    let daemon = site.daemon();
    let polled = |wanted: u64| {
        let polls = || (sim.asked("/organization/admin_api_keys"), sim.asked("/v1/api-keys"));
        let before = polls();
        eventually("polls", PATIENCE, || {
            let now = polls();
            (now.0 >= before.0 + wanted && now.1 >= before.1 + wanted).then_some(())
        });
    };
    polled(2);
    sim.faults("");
    for _ in 0..5 {
        sim.beat();
    }
    polled(3);
    (site, daemon)
}

#[test]
fn prometheus_scrapes_every_family() {
    let began = now();
    let sim = Sim::of(Size::demo());
    let (site, daemon) = eventful(&sim, "[policy]\nignore = []");
    let metrics = get(daemon.address, "/metrics").unwrap();
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", metrics.head);

    let prometheus = beside(daemon.address, &site);
    prometheus.becomes("up", 1.0);
    for family in FAMILIES {
        prometheus.samples(family);
    }
    assert!(!prometheus.samples("{__name__=~'keymuster_inventory_.+'}").is_empty());
    assert!(prometheus.query("{__name__=~'keymuster_key_.+'}").is_empty(), "series of single keys without being asked");

    prometheus.becomes(&format!("keymuster_account_up{{account='{OPENAI}'}}"), 1.0);
    for account in [OPENAI, DEN] {
        let read = prometheus.value(&format!("keymuster_last_complete_poll_timestamp_seconds{{account='{account}'}}"));
        let now = now();
        assert!((began as f64..=now as f64).contains(&read), "{account} was read at {read}, between {began} and {now}");
    }

    // The same counts in the file, the metrics and Prometheus, while nothing happens.
    for (query, from) in [
        ("sum(keymuster_keys{presence!='gone'})", "keys WHERE presence <> 'gone'"),
        ("sum(keymuster_stale_keys)", "stale_keys"),
        ("sum(keymuster_flagged_keys{condition='expired'})", "expired_keys"),
        ("sum(keymuster_flagged_keys{condition='orphaned'})", "orphaned_keys"),
        ("sum(keymuster_scopes)", "scopes WHERE state <> 'retired'"),
        ("sum(keymuster_changes_total)", "changes"),
    ] {
        eventually(&format!("{query} = {from}"), PATIENCE, || {
            let file = site.count(from);
            let scraped = prometheus.value(query);
            (scraped == file as f64).then_some(())
        });
    }

    // An account that fails is down, and what is known of it stays.
    let keys = prometheus.value(&format!("sum(keymuster_keys{{account='{DEN}',presence='present'}})"));
    sim.faults("unauthorized:den");
    prometheus.becomes(&format!("keymuster_account_up{{account='{DEN}'}}"), 0.0);
    assert_eq!(prometheus.value(&format!("sum(keymuster_keys{{account='{DEN}',presence='present'}})")), keys);
    assert!(!prometheus.samples(&format!("keymuster_poll_failures_total{{account='{DEN}',reason='auth'}} > 0")).is_empty());
    daemon.stop().ended(0);
    prometheus.becomes("up", 0.0);
}

fn now() -> i64 {
    keymuster::clock::Clock::system().now().unix()
}

#[test]
fn prometheus_scrapes_single_keys_where_asked() {
    let sim = Sim::of(Size::demo());
    let (site, daemon) = eventful(&sim, "[metrics]\nper_key = \"flagged\"");
    let prometheus = beside(daemon.address, &site);
    for family in PER_KEY {
        let samples = prometheus.samples(family);
        assert!(samples.iter().all(|sample| sample["metric"]["key_id"].is_string()), "{family}");
    }
    eventually("a series for each flagged key", PATIENCE, || {
        let flagged = site.count("keys WHERE conditions <> '' AND waived = ''");
        (prometheus.value("count(keymuster_key_info)") == flagged as f64).then_some(())
    });
    daemon.stop().ended(0);
}

/// What was read last, with its age: neither zero nor absent.
#[test]
fn a_start_while_no_provider_can_be_reached_serves_what_is_stored() {
    let sim = Sim::small();
    let schedule = far_off();
    let tables = "[limits]\nretries = 0";
    let site = Site::new(&sim, &Settings { schedule, tables, braintrust: Some("listing = 'auto'"), ..Settings::default() });
    let families =
        ["keymuster_keys{", "keymuster_scopes{", "keymuster_last_complete_poll_timestamp_seconds{", "keymuster_account_up{"];
    let series = |daemon: &Daemon| {
        let metrics = get(daemon.address, "/metrics").unwrap().body;
        let told = |line: &&str| families.iter().any(|family| line.starts_with(family));
        metrics.lines().filter(told).map(str::to_owned).collect::<Vec<_>>()
    };
    let daemon = site.daemon();
    ctl(&site, &["poll"]).ended(0);
    let before = series(&daemon);
    let keys = get(daemon.address, "/keys.csv").unwrap().body;
    daemon.stop().ended(0);
    for account in [OPENAI, DEN, BRAINTRUST] {
        for family in families {
            let of_it = |line: &&String| line.starts_with(family) && line.contains(account) && !line.ends_with(" 0");
            assert!(before.iter().any(|line| of_it(&line)), "{family} of {account}: {before:#?}");
        }
    }

    sim.faults("drop_connection");
    let asked = || sim.requests().iter().map(|asked| asked.count).sum::<u64>();
    let asked_before = asked();
    let daemon = site.daemon();
    assert_eq!((series(&daemon), get(daemon.address, "/keys.csv").unwrap().body), (before.clone(), keys));
    assert_eq!(asked(), asked_before, "nothing was due");
    ctl(&site, &["poll"]).ended(69);
    let down: Vec<String> = before
        .iter()
        .map(|line| match line.strip_suffix(" 1") {
            Some(up) if up.starts_with("keymuster_account_up{") => format!("{up} 0"),
            _ => line.clone(),
        })
        .collect();
    let read =
        |series: &[String]| series.iter().filter(|line| !line.starts_with("keymuster_scopes{")).cloned().collect::<Vec<_>>();
    assert_eq!(read(&series(&daemon)), read(&down), "a failed poll changes no count and no age");
    daemon.stop().ended(0);
}

#[test]
fn health_is_answered_from_the_start() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    sim.faults("latency:3600000");
    let daemon = site.daemon();
    for path in ["/healthz", "/readyz"] {
        let answer = eventually(path, PATIENCE, || get(daemon.address, path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    daemon.stop().ended(0);
}
