//! The exposition as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use keymuster::config::{Metrics, PerKey};
use keymuster::domain::{Basis, ChangeKind, Condition, ItemReason, KeyKind, Presence, Reason};
use keymuster::inventory::{StoreError, Waits};
use keymuster::metrics::DeliveryEnd;
use keymuster::metrics::declared::{ALL, Metric, Type};
use keymuster::sim::{Fault, Happening, Size};
use keymuster::sync::Polls;

use crate::house::{House, OFF};
use crate::web::rename;

const WAIVED: &str = "[[waivers]]\nmatch = { account = 'acme-openai' }\nreason = 'r'\nwho = 'w'\nuntil = 2099-01-01T00:00:00Z";
const EVERY_KEY: Metrics = Metrics { per_key: PerKey::All, per_key_limit: 1_000 };

/// Series with their labels as text, and their values.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        (series, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    });
    read.collect()
}

/// Refuses what Prometheus would find fault with.
fn check(text: &str) {
    let started = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut promtool = started.expect("promtool checks the metrics: install the Debian package `prometheus`");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = promtool.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn promtool_finds_no_fault() {
    let house = House::new("").await;
    check(&house.exposition(OFF).text(None).await.unwrap());
    house.poll().await;
    check(&house.exposition(EVERY_KEY).text(None).await.unwrap());
    house.clock.jump(500 * 86_400);
    check(&house.exposition(Metrics { per_key: PerKey::Flagged, per_key_limit: 5 }).text(None).await.unwrap());
}

#[tokio::test]
async fn every_series_is_declared_and_everything_declared_is_there() {
    let house = House::new(WAIVED).await;
    house.poll().await;
    let now = house.clock.now();
    house.simulation.change(|world| world.happen(Happening::MadeAdmin, 0, now)).unwrap();
    house.simulation.set_faults(Fault::parse_all("html_200:den").unwrap());
    house.poll().await;
    house.tally.webhook.waits(Waits { deliveries: 1, oldest: Some(now) });
    let text = house.exposition(EVERY_KEY).text(Some(now)).await.unwrap();
    for metric in ALL {
        let kind = match metric.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        assert!(
            text.contains(&format!("# HELP {} {}\n# TYPE {} {kind}\n", metric.name, metric.help, metric.name)),
            "{}",
            metric.name
        );
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(families, ALL.len());
    for series in series(&text).keys() {
        let (metric, labels) = declared(series);
        let expected: BTreeSet<&str> = metric.labels.iter().copied().collect();
        assert_eq!(labels, expected, "{series}");
    }
}

/// A label would otherwise be a name that somebody at a provider chose, and a series cost memory for ever.
#[tokio::test]
async fn series_are_as_many_for_thousands_of_keys_as_for_few() {
    let mut sets = Vec::new();
    // Many keys, owners and projects, and few of each.
    for size in [Size::demo(), Size { projects: 40, people: 300, den_keys: 400, ..Size::of(4_000) }] {
        let house = House::of(size, "").await;
        house.poll().await;
        let there =
            house.views.counts().await.unwrap().accounts.values().map(|account| account.keys_that_may_be_there()).sum::<u64>();
        let text = house.exposition(OFF).text(None).await.unwrap();
        let names: BTreeSet<String> = series(&text).into_keys().map(str::to_owned).collect();
        sets.push((there, names));
    }
    let [(few, of_few), (many, of_many)] = &sets[..] else { unreachable!() };
    assert!(*few < 400 && *many > 4_000, "{few} and {many} keys");
    let others: Vec<&String> = of_few.symmetric_difference(of_many).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(of_many.len() <= 2_000, "{} series", of_many.len());
}

/// The metric of a series, and the names of its labels.
fn declared(series: &str) -> (&'static Metric, BTreeSet<&str>) {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let bare = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
    let found = ALL.iter().find(|metric| metric.name == name || (metric.kind == Type::Histogram && Some(metric.name) == bare));
    let metric = found.unwrap_or_else(|| panic!("{series} is not declared"));
    let names = labels.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0)).filter(|name| *name != "le");
    (metric, names.collect())
}

#[tokio::test]
async fn what_can_occur_is_there_from_the_start_at_zero() {
    let house = House::new("").await;
    let text = house.exposition(OFF).text(None).await.unwrap();
    let before = series(&text);
    let zero = |series: String| assert_eq!(before.get(series.as_str()), Some(&0.0), "{series}");
    let openai = r#"account="acme-openai""#;
    for presence in Presence::ALL {
        zero(format!(r#"keymuster_keys{{{openai},kind="unattributed",presence="{presence}",provider="openai"}}"#));
    }
    for condition in Condition::ALL {
        let flagged = format!(r#"keymuster_flagged_keys{{{openai},condition="{condition}",kind="admin",provider="openai"}}"#);
        let supported = format!(r#"keymuster_condition_supported{{{openai},condition="{condition}",provider="openai"}}"#);
        if *condition == Condition::Disabled {
            assert!(!before.contains_key(flagged.as_str()), "OpenAI does not tell");
            zero(supported);
        } else {
            zero(flagged);
            assert_eq!(before[supported.as_str()], 1.0);
        }
    }
    for basis in Basis::ALL {
        zero(format!(r#"keymuster_stale_keys{{{openai},basis="{basis}",provider="openai"}}"#));
    }
    for reason in Reason::ALL {
        zero(format!(r#"keymuster_poll_failures_total{{{openai},provider="openai",reason="{reason}"}}"#));
    }
    for reason in ItemReason::ALL {
        zero(format!(r#"keymuster_items_refused_total{{{openai},provider="openai",reason="{reason}"}}"#));
    }
    for change in ChangeKind::ALL {
        zero(format!(
            r#"keymuster_changes_total{{account="acme-den",change="{change}",kind="{}",provider="den"}}"#,
            KeyKind::Organization
        ));
    }
    for metric in ["account_up", "last_poll_timestamp_seconds", "last_complete_poll_timestamp_seconds", "held_keys"] {
        zero(format!(r#"keymuster_{metric}{{{openai},provider="openai"}}"#));
    }
    let of_openai = |metric: &str| format!(r#"{metric}{{{openai},provider="openai"}}"#);
    assert_eq!(before[of_openai("keymuster_poll_interval_seconds").as_str()], 3_600.0);
    assert_eq!(before[of_openai("keymuster_credential_expiry_timestamp_seconds").as_str()], 1_798_761_600.0);
    assert!(!before.contains_key(of_openai("keymuster_next_expiry_timestamp_seconds").as_str()), "no value, no series");
    assert!(!text.contains("keymuster_credential_expiry_timestamp_seconds{account=\"acme-den\""));
    assert_eq!(before["keymuster_config_last_reload_successful"], 1.0);

    // Counters must not come into being while they count.
    let counters = |text: &str| -> BTreeSet<String> {
        let all = series(text);
        let total = all.keys().filter(|series| series.contains("_total{") || series.contains("_seconds_count{"));
        total.map(|series| (*series).to_owned()).collect()
    };
    house.simulation.set_faults(Fault::parse_all("bad_item\nsecret_name:openai").unwrap());
    house.poll().await;
    house.simulation.set_faults(Fault::parse_all("html_200").unwrap());
    house.poll().await;
    let after = house.exposition(OFF).text(None).await.unwrap();
    assert_eq!(counters(&text), counters(&after));
    let after = series(&after);
    let grew = |name: &str| after.iter().any(|(series, value)| series.starts_with(name) && *value > 0.0);
    for name in ["keymuster_items_refused_total", "keymuster_secret_like_values_total", "keymuster_provider_requests_total"] {
        assert!(grew(name), "{name}");
    }
    let refused = format!(r#"keymuster_poll_failures_total{{{openai},provider="openai",reason="not_json"}}"#);
    assert!(after[refused.as_str()] > 0.0);
}

#[tokio::test]
async fn one_secret_in_one_name_counts_once_in_each_reading() {
    let house = House::polled().await;
    let exposition = house.exposition(OFF);
    let counted = async || -> f64 {
        let text = exposition.text(None).await.unwrap();
        let all = series(&text);
        all.iter().filter(|(name, _)| name.starts_with("keymuster_secret_like_values_total")).map(|(_, value)| value).sum()
    };
    assert_eq!(counted().await, 0.0);
    house.simulation.set_faults(Fault::parse_all("secret_name:openai on /organization/admin_api_keys").unwrap());
    for reading in 1..=2 {
        house.poll().await;
        assert_eq!(counted().await, f64::from(reading));
    }
}

#[tokio::test]
async fn state_is_that_of_the_inventory() {
    let house = House::polled().await;
    let before = house.clock.now().unix();
    let exposition = house.exposition(OFF);
    let after = house.clock.now().unix();
    let text = exposition.text(None).await.unwrap();
    let counts = house.views.counts().await.unwrap();
    let now = series(&text);
    let den = &counts.accounts["acme-den"];
    let keys = now[r#"keymuster_keys{account="acme-den",kind="organization",presence="present",provider="den"}"#];
    assert_eq!(keys, den.keys_in(Presence::Present) as f64);
    assert!(keys > 0.0);
    let expiry = now[r#"keymuster_next_expiry_timestamp_seconds{account="acme-den",provider="den"}"#];
    assert_eq!(Some(expiry as i64), den.next_expiry.map(|at| at.unix()));
    assert_eq!(now[r#"keymuster_scopes{account="acme-openai",provider="openai",state="closed"}"#], 1.0);
    assert!(!text.contains("retired"));
    assert_eq!(now[r#"keymuster_account_up{account="acme-den",provider="den"}"#], 1.0);
    let organization = house.simulation.den_organization_id();
    assert_eq!(
        now[format!(r#"keymuster_account_info{{account="acme-den",organization="{organization}",provider="den"}}"#).as_str()],
        1.0
    );
    for metric in ["process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_threads"] {
        assert!(now[metric] > 0.0, "{metric}");
    }
    assert!((before..=after).contains(&(now["process_start_time_seconds"] as i64)));
    assert!(now[r#"keymuster_inventory_file_size_bytes{file="main"}"#] > 0.0);

    let recounts = house.views.recounts();
    for _ in 0..10 {
        exposition.text(None).await.unwrap();
    }
    assert_eq!(house.views.recounts(), recounts, "nothing changed");

    // An account that is no longer configured: only what is left of it.
    house.inventory.configure(Vec::new(), house.policy(), house.clock.now()).await.unwrap();
    house.views.configure(Vec::new());
    let text = exposition.text(None).await.unwrap();
    let left = series(&text);
    assert_eq!(left[r#"keymuster_keys{account="acme-den",kind="organization",presence="unmanaged",provider="den"}"#], keys);
    assert!(!text.contains("keymuster_flagged_keys") && !text.contains("keymuster_account_up"));
}

#[tokio::test]
async fn what_alerts_go_by_is_told_as_state() {
    let house = House::polled().await;
    let exposition = house.exposition(OFF);
    let of = async |metric: &str, account: &str| {
        let text = exposition.text(None).await.unwrap();
        let is_it =
            |series: &str| series.starts_with(&format!("{metric}{{")) && series.contains(&format!("account=\"{account}\""));
        series(&text).into_iter().find(|(series, _)| is_it(series)).map(|(series, value)| (series.to_owned(), value as i64))
    };
    let value = async |metric: &str, account: &str| of(metric, account).await.map(|(_, value)| value);

    let now = house.clock.now().unix();
    let hour = now - now.rem_euclid(3_600);
    let third = if hour == now { hour - 3 * 3_600 } else { hour - 2 * 3_600 };
    assert_eq!(value("keymuster_data_stale_before_timestamp_seconds", "acme-den").await, Some(third), "@hourly, at {now}");

    let soon = house.views.counts().await.unwrap().accounts["acme-openai"].next_expiring.unwrap();
    assert_eq!(value("keymuster_next_flagged_expiry_timestamp_seconds", "acme-openai").await, Some(soon.unix()));
    assert!((1..=14 * 86_400).contains(&(soon.unix() - now)));

    // The first reading is no news, and what is read in vain changes nothing.
    assert_eq!(value("keymuster_new_admin_key_timestamp_seconds", "acme-openai").await, None);
    assert_eq!(of("keymuster_last_poll_failure", "acme-openai").await, None);
    house.simulation.change(|world| world.happen(Happening::MadeAdmin, 0, house.clock.now())).unwrap();
    house.simulation.set_faults(Fault::parse_all("unauthorized:openai").unwrap());
    house.poll().await;
    let (failure, one) = of("keymuster_last_poll_failure", "acme-openai").await.unwrap();
    assert!(failure.contains(r#"reason="auth""#) && one == 1, "{failure}");
    assert_eq!(value("keymuster_new_admin_key_timestamp_seconds", "acme-openai").await, None);
    house.simulation.set_faults(Vec::new());
    house.poll().await;
    assert_eq!(of("keymuster_last_poll_failure", "acme-openai").await, None);
    let news = value("keymuster_new_admin_key_timestamp_seconds", "acme-openai").await.unwrap();
    assert!((now..=house.clock.now().unix()).contains(&news));
    assert_eq!(of("keymuster_new_admin_key_timestamp_seconds", "acme-den").await, None, "Den has no such keys");
}

#[tokio::test]
async fn a_waived_key_is_not_the_next_to_expire_and_counts_again_when_that_ends() {
    let house = House::new(WAIVED).await;
    house.poll().await;
    let text = house.exposition(OFF).text(None).await.unwrap();
    assert!(text.contains(r#"keymuster_next_expiry_timestamp_seconds{account="acme-openai""#));
    assert!(!text.contains(r#"keymuster_next_flagged_expiry_timestamp_seconds{account="acme-openai""#));
    assert!(text.contains(r#"keymuster_next_flagged_expiry_timestamp_seconds{account="acme-den""#));
    let ends = |text: &str| {
        series(text).into_iter().find(|(series, _)| series.starts_with("keymuster_next_waiver_end")).map(|(_, at)| at)
    };
    assert!(!text.contains(r#"keymuster_next_waiver_end_timestamp_seconds{account="acme-den""#));
    let end = 4_070_908_800;
    assert_eq!(ends(&text), Some(f64::from(u32::try_from(end).unwrap())));
    house.clock.jump(end - house.clock.now().unix());
    assert_eq!(ends(&house.exposition(OFF).text(None).await.unwrap()), None);
}

#[tokio::test]
async fn single_keys_are_capped_and_the_most_urgent_stay() {
    let house = House::polled().await;
    let of = async |per_key, per_key_limit| house.exposition(Metrics { per_key, per_key_limit }).text(None).await.unwrap();
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("keymuster_key_info{")).map(str::to_owned).collect()
    };
    let off = of(PerKey::Off, 5).await;
    assert!(!off.contains("keymuster_key_"), "nothing unless asked for");
    let counts = house.views.counts().await.unwrap();
    let flagged: u64 = counts.accounts.values().map(|account| account.flagged_at_all()).sum();
    let all: u64 = counts.accounts.values().map(|account| account.keys_that_may_be_there()).sum();
    for (per_key, keys) in [(PerKey::Flagged, flagged), (PerKey::All, all)] {
        let few = of(per_key, 5).await;
        assert_eq!(names(&few).len(), 5);
        assert_eq!(series(&few)["keymuster_key_series_dropped"], (keys - 5) as f64);
        let enough = of(per_key, 1_000).await;
        assert_eq!(names(&enough).len() as u64, keys);
        assert_eq!(series(&enough)["keymuster_key_series_dropped"], 0.0);
        assert!(names(&few).iter().all(|name| names(&enough).contains(name)));
        assert_eq!(names(&few), names(&of(per_key, 5).await), "always the same ones");
    }
    let few = of(PerKey::Flagged, 5).await;
    let expiries: Vec<f64> = series(&few)
        .into_iter()
        .filter(|(series, _)| series.starts_with("keymuster_key_expiry_timestamp_seconds{"))
        .map(|(_, at)| at)
        .collect();
    assert_eq!(expiries.len(), 5);
    assert!(expiries.iter().all(|at| *at <= house.clock.now().unix() as f64), "expired keys come first");
}

#[tokio::test]
async fn hostile_names_do_not_change_the_exposition() {
    let house = House::polled().await;
    let shape = |text: &str| -> Vec<String> {
        let names = text.lines().map(|line| line.split(['{', ' ']).next().unwrap_or_default().to_owned());
        names.collect()
    };
    rename(&house, "x").await;
    let plain = house.exposition(EVERY_KEY).text(None).await.unwrap();
    rename(&house, "\"} 1\nkeymuster_keys{account=\"a\\\"\\\r\u{85}\u{2028}\u{202e}é # HELP ").await;
    let hostile = house.exposition(EVERY_KEY).text(None).await.unwrap();
    assert_eq!(shape(&plain), shape(&hostile));
    check(&hostile);
    // Without series of single keys no name is in it at all, but for the organisation's id.
    let off = house.exposition(OFF).text(None).await.unwrap();
    assert_eq!(off.matches('é').count(), 2, "account_info of two accounts");
}

#[tokio::test]
async fn events_are_counted() {
    let house = House::polled().await;
    house.tally.failed("acme-den", "den", &StoreError::Stopped);
    house.tally.overlapped("acme-den");
    house.tally.reloaded(false);
    let requests = house.tally.requests("den", "acme-den");
    requests.ended("organization", "ok", Duration::from_millis(300));
    house.tally.webhook.ended(DeliveryEnd::GivenUp);
    house.tally.webhook.look_failed();
    let text = house.exposition(OFF).text(None).await.unwrap();
    let now = series(&text);
    assert_eq!(now["keymuster_inventory_write_failures_total"], 1.0);
    assert_eq!(now[r#"keymuster_poll_failures_total{account="acme-den",provider="den",reason="store"}"#], 1.0);
    assert_eq!(now["keymuster_config_last_reload_successful"], 0.0);
    let deliveries = |result: &str| now[format!(r#"keymuster_webhook_deliveries_total{{result="{result}"}}"#).as_str()];
    assert_eq!(["delivered", "failed", "given_up"].map(deliveries), [0.0, 0.0, 1.0]);
    assert_eq!(now["keymuster_webhook_look_failures_total"], 1.0);
    assert!(!text.contains("oldest_waiting"), "nothing waits");
    assert_eq!(now[r#"keymuster_poll_duration_seconds_count{account="acme-den",provider="den"}"#], 1.0);
    let ok = r#"keymuster_provider_requests_total{account="acme-den",endpoint="organization",outcome="ok",provider="den"}"#;
    assert_eq!(now[ok], 3.0, "before and after the keys, and this one");
    house.tally.reloaded(true);
    assert!(house.exposition(OFF).text(None).await.unwrap().contains("keymuster_config_last_reload_successful 1\n"));
}
