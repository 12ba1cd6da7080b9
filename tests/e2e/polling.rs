//! One poll and the next: the inventory that the sqlite3 shell sees is the simulators' truth, and a failure stays where it is.

use std::collections::BTreeMap;

use keymuster::sim::{Remote, Size, TrueKey};

use crate::process::PATIENCE;
use crate::support::{BRAINTRUST, DEN, OPENAI, Row, Settings, Sim, Site, lacks_root, shell, text};

/// What of a key is compared, as the view has it.
const FACTS: &[&str] = &[
    "provider",
    "scope_id",
    "kind",
    "name",
    "owner_id",
    "created_at",
    "last_used_at",
    "last_used_state",
    "expires_at",
    "expires_state",
    "enabled",
    "presence",
];

/// The simulations' own key, whose use moves with every request.
const OWN: &str = "keymuster (read only)";

fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

/// The row that the view must have for a key; `None` where no list shows it, and for Braintrust, where it depends on the way.
fn expected(key: &TrueKey) -> Option<Row> {
    let (kind, scope) = match (key.provider, key.home.as_str()) {
        (Remote::Braintrust, _) => return None,
        (Remote::Den, _) => ("organization", ""),
        (Remote::OpenAi, "admin") => ("admin", ""),
        (Remote::OpenAi, project) if key.listed => ("project", project),
        (Remote::OpenAi, _) => ("unattributed", ""),
    };
    if !key.listed && !key.leaked {
        return None;
    }
    let name = match key.name.char_indices().nth(256) {
        Some((end, _)) => format!("{}…", &key.name[..end]),
        None => key.name.clone(),
    };
    let moment = |time: Option<i64>| (time.map(iso), if time.is_some() { "at" } else { "never" });
    let (last_used_at, last_used_state) = moment(key.last_used_at);
    let (expires_at, expires_state) = moment(key.expires_at);
    let row = serde_json::json!({
        "provider": key.provider.as_str(), "scope_id": scope, "kind": kind, "name": name, "owner_id": key.owner_id,
        "created_at": iso(key.created_at), "last_used_at": last_used_at, "last_used_state": last_used_state,
        "expires_at": expires_at, "expires_state": expires_state, "enabled": i64::from(key.enabled), "presence": "present",
    });
    row.as_object().cloned()
}

fn stored(site: &Site) -> BTreeMap<String, Row> {
    let rows = site.sql(&format!("SELECT key_id, {} FROM keys WHERE provider <> 'braintrust'", FACTS.join(", ")));
    let count = rows.len();
    let by_id: BTreeMap<String, Row> = rows
        .into_iter()
        .map(|mut row| {
            let id = text(&row, "key_id");
            row.remove("key_id");
            (id, row)
        })
        .collect();
    assert_eq!(by_id.len(), count, "a key is listed twice");
    by_id
}

/// Fails unless the inventory holds exactly what OpenAI and Den list.
#[track_caller]
pub fn assert_is_truth(sim: &Sim, site: &Site) {
    let mut stored = stored(site);
    for key in sim.truth() {
        let Some(mut expected) = expected(&key) else { continue };
        let mut row = stored.remove(&key.id).unwrap_or_else(|| panic!("not in the inventory: {key:?}"));
        if key.name == OWN && key.home == "admin" {
            assert!(text(&row, "last_used_at") <= text(&expected, "last_used_at"));
            row.remove("last_used_at");
            expected.remove("last_used_at");
        }
        assert_eq!(row, expected, "{key:?}");
    }
    assert!(stored.is_empty(), "keys that nobody lists: {stored:?}");
}

/// Every key as people see it; without what moves as time passes, and without our own key's use.
fn keys(site: &Site) -> Vec<Row> {
    let still =
        "provider, account, scope_id, scope_name, key_id, kind, name, hint, owner_kind, owner_id, owner_name, owner_email,
        created_at, expires_at, expires_state, enabled, presence, presence_reason, held_since, self, first_seen_at, team, labels";
    site.sql(&format!(
        "SELECT {still}, iif(kind = 'admin' AND name = '{OWN}', NULL, last_used_at) AS used FROM keys ORDER BY account, key_id"
    ))
}

/// All that is stored, without the records of polls and walks and without our own key's use.
fn contents(site: &Site) -> String {
    let own = format!("k.name = '{OWN}' AND k.kind = 'admin'");
    let queries = [
        "SELECT * FROM key ORDER BY id",
        &format!("SELECT u.* FROM last_use AS u JOIN key AS k ON k.id = u.key_id WHERE NOT ({own}) ORDER BY key_id"),
        "SELECT * FROM deadline ORDER BY key_id",
        "SELECT * FROM sighting ORDER BY scope_id, key_id",
        "SELECT * FROM person ORDER BY id",
        "SELECT * FROM label_set ORDER BY id",
        "SELECT * FROM account ORDER BY id",
        "SELECT * FROM organization ORDER BY id",
        "SELECT id, organization_id, kind, remote_id, name, standing, standing_reason, unlisted_walk FROM scope ORDER BY id",
        "SELECT * FROM change ORDER BY id",
        "SELECT * FROM hold ORDER BY id",
        "SELECT * FROM held_key ORDER BY hold_id, key_id",
    ];
    shell(&site.inventory(), &["-readonly"], &queries.join(";"))
}

#[test]
fn polls_store_the_truth_and_the_second_changes_nothing() {
    let sim = Sim::of(Size::demo());
    let site = Site::new(&sim, &Settings::default());
    let report = site.poll(&[]).ended(0).stdout;

    let truth = sim.truth();
    let mut lists = vec![("admin".to_owned(), "complete"), ("projects".to_owned(), "complete")];
    lists.extend(["people", "organization"].map(|name| (name.to_owned(), "complete")));
    for key in truth.iter().filter(|key| key.home.starts_with("proj_")) {
        lists.push((format!("project/{}", key.home), if key.listed { "complete" } else { "closed" }));
    }
    for (list, outcome) in &lists {
        let line = report.lines().find(|line| line.split_whitespace().next() == Some(list));
        let line = line.unwrap_or_else(|| panic!("{list} is not in the report:\n{report}"));
        assert!(line.contains(&format!(" {outcome}")), "{line}");
    }
    assert!(report.contains("project_archived") && report.contains("no changes"), "{report}");

    assert_is_truth(&sim, &site);
    let kinds = site.sql("SELECT kind, count(*) AS keys FROM keys GROUP BY kind ORDER BY kind");
    let kinds: Vec<String> = kinds.iter().map(|row| text(row, "kind")).collect();
    assert_eq!(kinds, ["admin", "organization", "project", "unattributed"], "the world must show every kind");
    assert!(truth.iter().any(|key| key.leaked && key.listed), "no project key is on the admin list too");
    assert!(truth.iter().any(|key| !key.enabled && key.listed), "no key is disabled");

    let before = keys(&site);
    let report = site.poll(&[]).ended(0).stdout;
    assert_eq!(report.matches("no changes").count(), 2, "{report}");
    assert!(keys(&site) == before, "the second poll changed a key");
    assert_eq!(site.count("changes"), 0, "the first complete walk is a baseline, and the second saw the same");
    assert_is_truth(&sim, &site);

    // Two lists of people that were read after the keys were found say who left; from here not a row is written anew.
    site.poll(&[]).ended(0);
    let before = contents(&site);
    site.poll(&[]).ended(0);
    let after = contents(&site);
    let new: Vec<&str> = after.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    assert!(after == before, "written anew: {new:#?}");
}

#[test]
fn what_happens_at_the_providers_is_in_the_next_poll() {
    let sim = Sim::of(Size::demo());
    let site = Site::new(&sim, &Settings { braintrust: Some("listing = 'auto'"), ..Settings::default() });
    site.poll(&[]).ended(0);
    let mut happened = Vec::new();
    for _ in 0..12 {
        happened.extend(sim.change(|world| world.step(keymuster::clock::Clock::system().now())));
    }
    let report = site.poll(&[]).ended(0).stdout;
    assert!(report.contains("changes: "), "{report}");
    let rows = site.sql("SELECT key_id, change FROM changes");
    let is_in = |id: &str, change: &str| rows.iter().any(|row| text(row, "key_id") == id && text(row, "change") == change);
    let presence = site.presences();
    let truth = sim.truth();
    let mut seen = BTreeMap::<&str, u32>::new();
    for event in &happened {
        let account = match &event.id {
            id if id.starts_with("apk_") => DEN,
            id if id.starts_with("key_") => OPENAI,
            _ => BRAINTRUST,
        };
        let stored = presence.get(&format!("{account}/{}", event.id));
        let listed = truth.iter().any(|key| key.id == event.id && key.listed);
        let right = match event.what {
            "made" if listed => is_in(&event.id, "appeared"),
            "revoked" => stored.is_none_or(|presence| presence != "present"),
            "renamed" if listed && !is_in(&event.id, "appeared") => is_in(&event.id, "renamed"),
            _ => true,
        };
        assert!(right, "{event:?}: {rows:?}");
        *seen.entry(event.what).or_default() += 1;
    }
    assert!(["made", "revoked", "renamed"].iter().all(|what| seen.contains_key(what)), "{seen:?}");
}

#[test]
fn a_failing_account_leaves_the_other_alone() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: "[limits]\nretries = 0", ..Settings::default() });
    sim.faults("http_500:openai");
    let report = site.poll(&[]).ended(69).stdout;
    assert!(report.contains("server"), "{report}");
    let rows = site.sql("SELECT account, up, reason, last_complete_poll_at, keys FROM accounts ORDER BY account");
    assert_eq!(rows.len(), 2);
    assert_eq!((text(&rows[0], "account").as_str(), &rows[0]["up"]), (DEN, &1.into()));
    assert!(rows[0]["last_complete_poll_at"].is_string() && rows[0]["keys"].as_i64().unwrap() > 0, "{rows:?}");
    assert_eq!((text(&rows[1], "account").as_str(), &rows[1]["up"]), (OPENAI, &0.into()));
    assert_eq!(text(&rows[1], "reason"), "server");
    assert!(rows[1]["last_complete_poll_at"].is_null() && rows[1]["keys"] == 0, "{rows:?}");

    // The other way round, with good data of both in hand.
    sim.faults("unauthorized:den");
    let report = site.poll(&[]).ended(69).stdout;
    assert!(report.contains("auth:"), "{report}");
    let rows = site.sql("SELECT account, up, reason FROM accounts ORDER BY account");
    assert_eq!((&rows[0]["up"], text(&rows[0], "reason").as_str(), &rows[1]["up"]), (&0.into(), "auth", &1.into()));
    assert!(site.presences().values().all(|presence| presence == "present"));

    sim.faults("");
    site.poll(&["--account", OPENAI]).ended(0);
    assert_eq!(site.value("SELECT up FROM accounts WHERE account = 'acme-den'"), 0, "it was not asked again");
    site.poll(&[]).ended(0);
    assert_is_truth(&sim, &site);
}

/// Each of them in turn, with good data of all in hand.
#[test]
fn one_account_of_three_that_cannot_be_reached_costs_the_others_nothing() {
    let sim = Sim::small();
    let tables = "[limits]\nretries = 0";
    let site = Site::new(&sim, &Settings { tables, braintrust: Some("listing = 'header'"), ..Settings::default() });
    site.poll(&[]).ended(0);
    let before = site.presences();
    let asked = || {
        let of = |remote| sim.requests().iter().filter(|asked| asked.provider == remote).map(|asked| asked.count).sum::<u64>();
        [Remote::OpenAi, Remote::Den, Remote::Braintrust].map(of)
    };
    for remote in Remote::ALL {
        sim.faults(&format!("drop_connection:{remote}"));
        let earlier = asked();
        let report = site.poll(&[]).ended(69).stdout;
        assert!(asked().into_iter().zip(earlier).all(|(now, before)| now > before), "each was asked: {report}");
        let rows = site.sql("SELECT account, provider, up, reason FROM accounts");
        assert_eq!(rows.len(), 3);
        for row in rows {
            let reason = if text(&row, "provider") == remote.as_str() { "network".into() } else { serde_json::Value::Null };
            assert_eq!((&row["up"], &row["reason"]), (&i64::from(reason.is_null()).into(), &reason), "{row:?}: {report}");
        }
        assert_eq!((site.presences(), site.count("changes")), (before.clone(), 0), "{remote}");
    }
}

/// Where there is no network, so that nobody is asked for the name.
#[test]
fn a_name_that_is_not_found_is_told_and_keys_stay() {
    if lacks_root("take the network away") {
        return;
    }
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: "[limits]\nretries = 0", ..Settings::default() });
    site.poll(&[]).ended(0);
    let before = site.presences();
    site.edit(&sim.openai_base_url(), "https://nobody.invalid/v1");
    let config = site.config();
    let poll = ["poll", "--config", config.to_str().unwrap(), "--account", OPENAI];
    let polled = site.start_under(&["/usr/bin/unshare", "--net"], &poll).finish(PATIENCE).ended(69);
    assert!(polled.stdout.contains("network: the name was not resolved"), "{}", polled.all());
    assert_eq!((site.presences(), site.count("changes")), (before, 0));
}

#[test]
fn a_dry_run_reads_everything_and_stores_nothing() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let report = site.poll(&["--dry-run"]).ended(0).stdout;
    assert!(report.contains("dry run") && report.contains("complete"), "{report}");
    assert!(!site.inventory().exists());
    site.poll(&[]).ended(0);
    let before = shell(&site.inventory(), &["-readonly"], ".dump");
    sim.beat();
    sim.beat();
    let report = site.poll(&["--dry-run"]).ended(0).stdout;
    assert!(report.contains("appeared"), "{report}");
    assert_eq!(shell(&site.inventory(), &["-readonly"], ".dump"), before);
    assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "the copy is thrown away");
}
