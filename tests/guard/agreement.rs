//! Views, counts and metrics say the same of what is held.

use std::path::Path;

use keymuster::clock::Clock;
use keymuster::config::{Config, Metrics, PerKey};
use keymuster::domain::{ScopeState, Time};
use keymuster::metrics::{Exposition, Tally};
use keymuster::providers::PROVIDERS;
use keymuster::views::{AccountFacts, Views};

use crate::site::{Site, ids};

fn readers(site: &Site) -> (Views, Exposition) {
    let text = "[accounts.acme]\nprovider = 'openai'\ncredential_file = '/none'\n";
    let config = Config::parse(Path::new("/etc/keymuster.toml"), text, std::iter::empty(), PROVIDERS).unwrap();
    let facts = AccountFacts::of_all(&config);
    let views = Views::new(&site.inventory, Clock::runtime(Time::from_unix(site.now)), facts.clone());
    let settings = Metrics { per_key: PerKey::Off, per_key_limit: 10 };
    (views.clone(), Exposition::new(views, Tally::new(&facts).unwrap(), settings))
}

async fn agree(site: &Site, views: &Views, metrics: &Exposition, held: usize, lists: u64) {
    let text = metrics.text(None).await.unwrap();
    let labels = "provider=\"openai\"";
    let value = |name: &str, rest: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(labels) && line.contains(rest));
        line.unwrap_or_else(|| panic!("no {name} {rest}")).rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
    };
    assert_eq!(value("keymuster_held_keys{", "account=\"acme\""), held as u64);
    assert_eq!(value("keymuster_scopes{", "state=\"held\""), lists);
    let counts = views.counts().await.unwrap();
    let account = &counts.accounts["acme"];
    assert_eq!(account.held_keys, held as u64);
    assert_eq!(account.scopes.get(&ScopeState::Held).copied().unwrap_or(0), lists);
    assert_eq!(site.count("keys WHERE held_since IS NOT NULL"), held);
    assert_eq!(site.count("scopes WHERE state = 'held'") as u64, lists);
    let mut holds = site.rows("SELECT cause, coalesce(kind || iif(scope_id = '', '', '/' || scope_id), '-'), keys, since FROM holds WHERE ended_at IS NULL");
    let waiting = views.waiting("acme").await.unwrap();
    let waiting = waiting.holds.iter();
    let mut waiting: Vec<String> = waiting
        .map(|hold| format!("{}|{}|{}|{}", hold.cause, hold.list.as_deref().unwrap_or("-"), hold.held, hold.since))
        .collect();
    holds.sort();
    waiting.sort();
    assert_eq!(waiting, holds);
}

/// Keys under holds of keys, as `holds` counts them.
fn under_holds_of_keys(site: &Site) -> usize {
    let of_keys = "ended_at IS NULL AND coalesce(kind, '') NOT IN ('people', 'projects')";
    site.rows(&format!("SELECT coalesce(sum(keys), 0) FROM holds WHERE {of_keys}"))[0].parse().unwrap()
}

#[tokio::test]
async fn every_reader_tells_the_same_of_what_is_held() {
    let mut site = Site::new(&[("p", 20), ("q", 20), ("elsewhere", 200)]).await;
    let (views, metrics) = readers(&site);
    site.poll().await;
    agree(&site, &views, &metrics, 0, 0).await;
    site.revoke("p", 15);
    site.revoke("q", 12);
    site.poll().await;
    agree(&site, &views, &metrics, 27, 2).await;
    assert_eq!(under_holds_of_keys(&site), 27);
    site.ack(Some("project/p")).await;
    agree(&site, &views, &metrics, 12, 1).await;
    site.poll().await;
    agree(&site, &views, &metrics, 12, 1).await;
    site.projects.insert("q".into(), ids("q", 0, 20));
    site.poll().await;
    agree(&site, &views, &metrics, 0, 0).await;
    site.people.clear();
    site.people.extend(ids("other", 0, 1));
    site.poll().await;
    agree(&site, &views, &metrics, 0, 0).await;
}

#[tokio::test]
async fn keys_that_the_account_holds_are_counted_without_a_list() {
    let mut site = Site::new(&[("a", 17), ("b", 17), ("c", 17)]).await;
    let (views, metrics) = readers(&site);
    site.poll().await;
    for project in ["a", "b", "c"] {
        site.revoke(project, 4);
    }
    site.poll().await;
    agree(&site, &views, &metrics, 12, 0).await;
    assert_eq!(under_holds_of_keys(&site), 12);
}

#[tokio::test]
async fn a_held_list_of_people_is_told_like_any_other() {
    let mut site = Site::new(&[("p", 1)]).await;
    let (views, metrics) = readers(&site);
    site.people = ids("user", 0, 20);
    site.members = Some(ids("key", 0, 20));
    site.owners = ids("key", 0, 20).into_iter().zip(ids("user", 0, 20)).collect();
    site.poll().await;
    agree(&site, &views, &metrics, 0, 0).await;
    for (user, key) in ids("user", 0, 10).iter().zip(ids("key", 0, 10)) {
        site.people.remove(user);
        site.members.as_mut().unwrap().remove(&key);
    }
    site.poll().await;
    agree(&site, &views, &metrics, 10, 1).await;
    site.ack(Some("people")).await;
    agree(&site, &views, &metrics, 0, 0).await;
}
