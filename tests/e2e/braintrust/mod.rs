//! Braintrust's scenarios, each found by its name: who is odd there, what its lists and answers can do, and each way of
//! listing. What the inventory holds is what that way truly shows; whatever lies, refuses or is cut short gets a name, files
//! no key under another person, and makes none missing.

mod answers;
mod endless;
mod impersonation;
mod keys;
mod members;
mod organization;
mod tokens;
mod ways;

use std::collections::BTreeMap;

use keymuster::sim::{Remote, Size, TrueKey};
use serde_json::{Value, json};

use crate::support::{BRAINTRUST, Row, Settings, Sim, Site};

/// Every word for `listing`.
const LISTINGS: [&str; 4] = ["organization", "header", "token", "auto"];
const KEYS: &str = "keys WHERE account = 'acme-braintrust'";
/// Nothing is asked twice, so that everything that goes wrong shows at once.
const ONCE: &str = "[limits]\nretries = 0";

/// What must be there for the listing to work at all.
fn always(listing: &str) -> &'static str {
    if listing == "token" { "token_exchange" } else { "" }
}

fn site(sim: &Sim, listing: &str) -> Site {
    let options = match listing {
        "organization" => "listing = 'organization'",
        "header" => "listing = 'header'",
        "token" => "listing = 'token'",
        _ => "listing = 'auto'",
    };
    sim.faults(always(listing));
    Site::new(sim, &Settings { braintrust: Some(options), tables: ONCE, ..Settings::default() })
}

/// The demo's world, with the odd members and keys, read once.
fn odd(listing: &str) -> (Sim, Site, keymuster::sim::BraintrustCast) {
    let sim = Sim::of(Size::demo());
    let (site, cast) = (site(&sim, listing), sim.braintrust_cast().unwrap());
    poll(&site, 0);
    (sim, site, cast)
}

#[track_caller]
fn poll(site: &Site, code: i32) -> String {
    site.poll(&["--account", BRAINTRUST]).ended(code).all()
}

/// The list of a member's keys, as the view `scopes` has it.
fn member(site: &Site, id: &str) -> Vec<Row> {
    site.sql(&format!("SELECT state, reason FROM scopes WHERE kind = 'member' AND scope_id = '{id}'"))
}

/// Kind, owner and presence of each key.
fn stored(site: &Site) -> BTreeMap<String, Value> {
    let rows = site.sql(&format!("SELECT key_id, kind, owner_id, presence FROM {KEYS}"));
    let row = |row: &Row| json!([row["kind"], row["owner_id"], row["presence"]]);
    rows.iter().map(|r| (r["key_id"].as_str().unwrap().to_owned(), row(r))).collect()
}

/// The same as that way of listing truly shows it.
fn truth(sim: &Sim, listing: &str) -> BTreeMap<String, Value> {
    let in_members_names = matches!(listing, "header" | "token");
    let cast = sim.braintrust_cast();
    let keys = sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust && key.listed);
    // Who is in another organisation too cannot be acted as.
    let shown = keys.filter(|key| !in_members_names || cast.as_ref().is_none_or(|cast| cast.foreign_member != key.home));
    let row = |key: &TrueKey| {
        let untold = cast.as_ref().is_some_and(|c| [&c.key_without_owner, &c.key_without_owner_fields].contains(&&key.id));
        let owner = if untold && !in_members_names { Value::Null } else { key.owner_id.clone().into() };
        json!([if key.home == "service_tokens" { "service_token" } else { "personal" }, owner, "present"])
    };
    shown.map(|key| (key.id.clone(), row(&key))).collect()
}

/// Something goes wrong that must be told by that reason and in those words, before anything was read and after: no key is
/// filed under another person, none is missing, nothing is called changed, and the next good poll is the truth.
#[track_caller]
fn told_and_harmless(sim: &dyn Fn() -> Sim, listing: &str, faults: &str, reason: &str, words: &str) {
    for read_before in [false, true] {
        let sim = sim();
        let site = site(&sim, listing);
        let right = truth(&sim, listing);
        if read_before {
            poll(&site, 0);
        }
        // What happens twice may be taken for meant.
        for _ in 0..2 {
            sim.faults(&format!("{faults}\n{}", always(listing)));
            let report = poll(&site, 69);
            let place = format!("{listing}, {faults}, read before: {read_before}: {report}");
            assert!(report.contains(&format!("{reason}: ")) && report.contains(words), "not told as {reason}, {words}: {place}");
            let now = stored(&site);
            for (id, row) in &now {
                assert_eq!(Some(row), right.get(id), "{id}: {place}");
            }
            assert!(!read_before || now == right, "a key is lost: {place}");
            assert_eq!(site.count("changes"), 0, "{place}");
        }
        sim.faults(always(listing));
        poll(&site, 0);
        assert_eq!(stored(&site), right, "{listing}, after {faults}");
    }
}
