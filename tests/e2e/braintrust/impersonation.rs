//! Whether the provider answered for the member whom the header named: it may refuse, ignore or lose it, always or now and then.

use super::{always, poll, site, stored, told_and_harmless, truth};
use crate::support::{BRAINTRUST, Sim};

#[test]
fn a_caller_who_is_no_direct_owner_is_told_the_remedy() {
    for listing in ["header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        poll(&site, 0);
        for fault in ["impersonation_refused", "forbidden on /v1/api_key", "not_found on /v1/api_key"] {
            // The second refusal in a row would close them.
            for _ in 0..2 {
                sim.faults(&format!("{fault}\n{}", always(listing)));
                let report = poll(&site, 69);
                assert_eq!(site.count("scopes WHERE kind = 'member' AND state = 'closed'"), 0, "{listing}, {fault}: {report}");
                if listing == "header" || fault == "impersonation_refused" {
                    assert!(report.contains("impersonation_not_permitted: "), "{report}");
                    let remedy = "grant the Owner role of the organisation directly to the user whose key this is";
                    assert!(report.contains(remedy), "{report}");
                }
            }
        }
        assert_eq!(stored(&site), truth(&sim, listing), "{listing}");
        assert_eq!(site.count("changes"), 0, "{listing}");
    }
    told_and_harmless(&Sim::small, "header", "impersonation_refused", "impersonation_not_permitted", "directly to the user");
}

#[test]
fn a_header_that_is_ignored_gives_the_caller_s_keys_for_everybody() {
    told_and_harmless(&Sim::small, "header", "header_dropped", "attribution_mismatch", " belongs to ");
    // The question whom the provider takes us for may take another road than the lists do.
    told_and_harmless(&Sim::small, "header", "header_dropped on /v1/api_key", "attribution_mismatch", " belongs to ");
}

#[test]
fn a_header_that_is_ignored_gives_nothing_for_everybody() {
    let words = "does a proxy drop the header?";
    told_and_harmless(&Sim::small, "header", "header_dropped_empty", "attribution_unproven", words);
}

#[test]
fn a_header_that_is_ignored_where_keys_name_no_owner() {
    // On each road, or on that of the lists alone: then self/me heeds it, and nothing but the keys themselves gives it away.
    for road in ["", " on /v1/api_key"] {
        let faults = format!("header_dropped{road}\nmissing_field:braintrust:user_id on /v1/api_key");
        told_and_harmless(&Sim::small, "header", &faults, "attribution_mismatch", "does a proxy drop the header?");
    }
}

#[test]
fn one_node_of_many_that_lies_or_refuses_costs_nobody_a_key() {
    for (fault, reason) in [
        ("header_dropped on /v1/api_key every 3", "attribution_mismatch"),
        ("header_dropped_empty on /v1/api_key every 3", ""),
        ("http_500 on /v1/api_key every 4", "server"),
        ("html_200 on /v1/api_key every 4", "not_json"),
        ("wrong_owner on /v1/api_key every 4", "attribution_mismatch"),
    ] {
        let sim = Sim::small();
        let site = site(&sim, "header");
        // Before anything was read, and after.
        for _ in 0..2 {
            sim.faults(fault);
            let report = site.poll(&["--account", BRAINTRUST]).all();
            let right = truth(&sim, "header");
            for (id, row) in stored(&site) {
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
fn one_answer_for_the_caller_files_no_key_under_another_where_keys_name_no_owner() {
    let sim = Sim::small();
    let site = site(&sim, "header");
    let right = truth(&sim, "header");
    // The first request of a poll for that list asks for the caller's own keys: which those are stays unknown.
    for lost in 2..=20 {
        sim.faults(&format!(
            "missing_field:braintrust:user_id on /v1/api_key\nhttp_500 on /v1/api_key to 1\n\
             header_dropped on /v1/api_key from {lost} to {lost}"
        ));
        let report = site.poll(&["--account", BRAINTRUST]).all();
        for (id, row) in stored(&site) {
            assert_eq!(Some(&row), right.get(&id), "request {lost}: {id}: {report}");
        }
    }
    sim.faults("");
    poll(&site, 0);
    assert_eq!(stored(&site), right);
}
