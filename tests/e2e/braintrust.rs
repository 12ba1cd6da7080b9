//! Braintrust in each of its ways of listing: what the inventory holds is what that way shows, and a way that lies, refuses or
//! changes costs no key its owner or its presence.

use std::collections::BTreeMap;

use keymuster::clock::Clock;
use keymuster::sim::{Remote, Size};
use serde_json::{Value, json};

use crate::support::{BRAINTRUST, Settings, Sim, Site};

const KEYS: &str = "keys WHERE account = 'acme-braintrust'";

fn site(sim: &Sim, listing: &str) -> Site {
    let (options, faults) = match listing {
        "organization" => ("listing = 'organization'", ""),
        "header" => ("listing = 'header'", ""),
        "token" => ("listing = 'token'", "token_exchange"),
        _ => ("listing = 'auto'", ""),
    };
    sim.faults(faults);
    Site::new(sim, &Settings { braintrust: Some(options), tables: "[limits]\nretries = 0", ..Settings::default() })
}

#[track_caller]
fn poll(site: &Site, code: i32) -> String {
    site.poll(&["--account", BRAINTRUST]).ended(code).all()
}

/// Kind, owner and presence of each key.
fn stored(site: &Site) -> BTreeMap<String, Value> {
    let rows = site.sql(&format!("SELECT key_id, kind, owner_id, presence FROM {KEYS}"));
    let row = |row: &crate::support::Row| json!([row["kind"], row["owner_id"], row["presence"]]);
    rows.iter().map(|r| (r["key_id"].as_str().unwrap().to_owned(), row(r))).collect()
}

/// The same as that way of listing shows it.
fn truth(sim: &Sim, in_members_names: bool) -> BTreeMap<String, Value> {
    let cast = sim.braintrust_cast();
    let keys = sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust && key.listed);
    // Who is in another organisation too cannot be acted as.
    let shown = keys.filter(|key| !in_members_names || cast.as_ref().is_none_or(|cast| cast.foreign_member != key.home));
    let row = |key: &keymuster::sim::TrueKey| {
        let untold = cast.as_ref().is_some_and(|c| [&c.key_without_owner, &c.key_without_owner_fields].contains(&&key.id));
        let owner = if untold && !in_members_names { Value::Null } else { key.owner_id.clone().into() };
        json!([if key.home == "service_tokens" { "service_token" } else { "personal" }, owner, "present"])
    };
    shown.map(|key| (key.id.clone(), row(&key))).collect()
}

#[test]
fn each_way_shows_its_truth_odd_members_and_keys_included() {
    for listing in ["organization", "header", "token", "auto"] {
        let sim = Sim::of(Size::demo());
        let (site, cast) = (site(&sim, listing), sim.braintrust_cast().unwrap());
        poll(&site, 0);
        let in_members_names = matches!(listing, "header" | "token");
        assert_eq!(stored(&site), truth(&sim, in_members_names), "{listing}");
        let expected = [&cast.unbound_key, &cast.key_without_owner, &cast.key_without_owner_fields];
        assert!(expected.iter().all(|id| stored(&site).contains_key(*id)) && !stored(&site).contains_key(&cast.foreign_key));
        let person = format!("SELECT email FROM people WHERE person_id = '{}'", cast.member_without_email);
        assert_eq!(site.value(&person), Value::Null, "{listing}");
        if in_members_names {
            let member =
                |id: &str| site.sql(&format!("SELECT state, reason FROM scopes WHERE kind = 'member' AND scope_id = '{id}'"));
            let foreign = member(&cast.foreign_member);
            assert_eq!(
                (&foreign[0]["state"], &foreign[0]["reason"]),
                (&json!("closed"), &json!("member_forbidden")),
                "{listing}"
            );
            assert!(member(&cast.listed_account).is_empty(), "{listing}: a service account was walked as a member");
            assert_eq!(member(&cast.unlisted_member)[0]["state"], "complete", "{listing}: named by a group alone");
            // With a token nothing but a key that names its owner shows whose list it is, and others showed that.
            assert_eq!(member(&cast.member_without_keys)[0]["state"], "complete", "{listing}");
        }
        poll(&site, 0);
        assert_eq!(stored(&site), truth(&sim, in_members_names), "{listing}, again");
        assert_eq!(site.count("changes"), 0, "{listing}");
    }
}

#[test]
fn members_come_in_pages() {
    let sim = Sim::of(Size::members(250, 1));
    let site = site(&sim, "header");
    poll(&site, 0);
    assert_eq!(sim.asked("/v1/user"), 4, "three pages and the empty one that is the last");
    assert_eq!(site.count("people WHERE account = 'acme-braintrust' AND kind = 'user'"), 250);
    assert_eq!(stored(&site), truth(&sim, true));
}

#[test]
fn members_who_are_all_refused_are_not_closed() {
    for listing in ["header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        poll(&site, 0);
        let always = if listing == "token" { "\ntoken_exchange" } else { "" };
        for fault in ["impersonation_refused", "forbidden on /v1/api_key", "not_found on /v1/api_key"] {
            // The second refusal in a row would close them.
            for _ in 0..2 {
                sim.faults(&format!("{fault}{always}"));
                let report = poll(&site, 69);
                assert_eq!(site.count("scopes WHERE kind = 'member' AND state = 'closed'"), 0, "{listing}, {fault}: {report}");
                if listing == "header" || fault == "impersonation_refused" {
                    assert!(report.contains("impersonation_not_permitted: "), "{report}");
                    assert!(report.contains("grant the Owner role"), "{report}");
                }
            }
        }
        assert_eq!(stored(&site), truth(&sim, true), "{listing}");
        assert_eq!(site.count("changes"), 0, "{listing}");
    }
}

#[test]
fn one_node_of_many_that_lies_or_refuses_costs_nobody_a_key() {
    for (fault, reason) in [
        ("header_dropped on /v1/api_key every 3", "attribution_mismatch"),
        ("header_dropped_empty on /v1/api_key every 3", ""),
        ("unauthorized on /v1/api_key from 6", "auth"),
        ("http_500 on /v1/api_key every 4", "server"),
        ("html_200 on /v1/api_key every 4", "not_json"),
        ("signed_url on /v1/api_key every 4", "redirect_refused"),
        ("wrong_owner on /v1/api_key every 4", "attribution_mismatch"),
    ] {
        let sim = Sim::small();
        let site = site(&sim, "header");
        // Before anything was read, and after.
        for _ in 0..2 {
            sim.faults(fault);
            let report = site.poll(&["--account", BRAINTRUST]).all();
            let right = truth(&sim, true);
            for (id, mut row) in stored(&site) {
                // One empty list where self/me shows that the header is heeded is believed once, and proves nothing.
                if reason.is_empty() && row[2] == "missing" {
                    row[2] = "present".into();
                }
                assert_eq!(Some(&row), right.get(&id), "{fault}: {id}: {report}");
            }
            if !reason.is_empty() {
                assert!(report.contains(&format!("{reason}: ")), "{fault}: {report}");
            }
            sim.faults("");
            poll(&site, 0);
            assert_eq!(stored(&site), right, "{fault}");
        }
    }
}

#[test]
fn the_keys_of_a_leaver_are_unknown_in_each_way() {
    for listing in ["organization", "header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        poll(&site, 0);
        let caller = sim.braintrust_caller_id();
        let plain =
            |k: &keymuster::sim::TrueKey| k.provider == Remote::Braintrust && k.home != "service_tokens" && k.home != caller;
        let leaver = sim.truth().into_iter().find(plain).unwrap().home;
        let theirs = site.count(&format!("{KEYS} AND owner_id = '{leaver}'"));
        assert!(theirs >= 2 && sim.change(|world| world.leave(&leaver, Clock::system().now())));
        for _ in 0..2 {
            poll(&site, 0);
            let unknown = format!("{KEYS} AND owner_id = '{leaver}' AND presence = 'unknown' AND presence_reason = 'owner_left'");
            assert_eq!(site.count(&unknown), theirs, "{listing}: {:?}", stored(&site));
            assert_eq!(site.count(&format!("{KEYS} AND presence IN ('missing', 'gone')")), 0, "{listing}");
        }
    }
}

#[test]
fn a_way_that_is_left_and_found_again_moves_no_key() {
    let sim = Sim::small();
    let site = site(&sim, "auto");
    poll(&site, 0);
    let right = stored(&site);
    assert_eq!(right, truth(&sim, false));
    for (faults, kind) in [
        ("organization_list", "member"),
        ("", "organization"),
        ("organization_list:without_caller\nheader_dropped\ntoken_exchange", "member"),
        ("", "organization"),
    ] {
        sim.faults(faults);
        for _ in 0..2 {
            let report = poll(&site, 0);
            assert_eq!(stored(&site), right, "{faults}: {report}");
            assert_eq!(site.count("changes"), 0, "{faults}: {:?}", site.sql("SELECT * FROM changes"));
            let open = "scopes WHERE kind IN ('organization', 'member') AND state = 'complete'";
            assert_eq!(site.count(&format!("{open} AND kind <> '{kind}'")), 0, "{faults}: {report}");
            assert!(site.count(open) > 0, "{faults}");
        }
    }
}
