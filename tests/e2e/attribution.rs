//! Headers that get lost on the way: lists that come empty, or with somebody else's keys, cost nobody a key.

use keymuster::sim::Size;

use crate::support::{BRAINTRUST, DEN, Settings, Sim, Site};

/// Keys cannot be asked for by their ids.
const NO_BY_ID: &str = "not_found on /v1/api_key/{api_key_id}\n";

/// A site that has read every member's keys once, by header.
fn read(sim: &Sim) -> Site {
    read_by(sim, "listing = 'header'")
}

fn read_by(sim: &Sim, listing: &'static str) -> Site {
    let settings = Settings {
        braintrust: Some(listing),
        confirm_after: "1s",
        // What the guard would hold is not what is tried here.
        guard: "min_keys = 100000\nsmall_scope = 100000",
        tables: "[limits]\nretries = 0",
        ..Settings::default()
    };
    let site = Site::new(sim, &settings);
    site.poll(&["--account", BRAINTRUST]).ended(0);
    site
}

#[track_caller]
fn nobody_lost_a_key(site: &Site, what: &str) {
    assert_eq!(site.count("keys WHERE presence NOT IN ('present')"), 0, "{what}");
    assert_eq!(site.count("changes"), 0, "{what}");
}

#[test]
fn lists_that_come_empty_for_everybody_at_once_are_believed_of_nobody() {
    let sim = Sim::of(Size::members(8, 2));
    let site = read(&sim);
    // The route that says whom it takes us for honours the header; the list does not.
    sim.faults("header_dropped_empty on /v1/api_key");
    for _ in 0..3 {
        let told = site.poll(&["--account", BRAINTRUST]).ended(69).all();
        assert!(told.contains("attribution_unproven") && told.contains("which answers by its id"), "{told}");
        nobody_lost_a_key(&site, &told);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    sim.faults("");
    site.poll(&["--account", BRAINTRUST]).ended(0);
}

#[test]
fn a_node_that_drops_the_header_in_some_of_the_requests_costs_no_key() {
    for fault in ["header_dropped", "header_dropped_empty"] {
        let sim = Sim::of(Size::members(8, 2));
        let site = read(&sim);
        for every in [2, 3, 3, 3, 4, 5] {
            sim.faults(&format!("{fault} every {every}"));
            let told = site.poll(&["--account", BRAINTRUST]).all();
            nobody_lost_a_key(&site, &format!("{fault} every {every}: {told}"));
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }
}

#[test]
fn a_list_that_comes_empty_now_and_then_is_read_again_where_nothing_else_gives_it_away() {
    let sim = Sim::of(Size::members(8, 2));
    let site = read(&sim);
    // Whom the provider takes us for is asked on another road, and there is no road to a single key.
    for every in [2, 3, 3, 4, 5] {
        sim.faults(&format!("{NO_BY_ID}header_dropped_empty on /v1/api_key every {every}"));
        let told = site.poll(&["--account", BRAINTRUST]).all();
        nobody_lost_a_key(&site, &format!("every {every}: {told}"));
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
}

#[test]
fn a_page_that_is_lost_in_the_middle_of_a_list_costs_no_key() {
    let sim = Sim::of(Size::members(4, 6));
    let site = read(&sim);
    // Four members' lists and the caller's own keys, each of three pages and an empty one.
    for lost in 1..=20 {
        sim.faults(&format!("{NO_BY_ID}page_cap:2\nheader_dropped_empty on /v1/api_key from {lost} to {lost}"));
        let told = site.poll(&["--account", BRAINTRUST]).all();
        nobody_lost_a_key(&site, &format!("request {lost}: {told}"));
    }
    sim.faults("page_cap:2");
    site.poll(&["--account", BRAINTRUST]).ended(0);
}

#[test]
fn keys_that_the_organisation_s_list_held_are_missed_in_their_owners_lists_too() {
    let sim = Sim::of(Size::members(8, 2));
    let site = read_by(&sim, "listing = 'auto'");
    for every in [2, 3, 4, 5] {
        sim.faults(&format!("{NO_BY_ID}organization_list:missing\nheader_dropped_empty on /v1/api_key every {every}"));
        let told = site.poll(&["--account", BRAINTRUST]).all();
        assert_eq!(site.count("keys WHERE presence = 'missing'"), 0, "every {every}: {told}");
        sim.faults("");
        site.poll(&["--account", BRAINTRUST]).ended(0);
        nobody_lost_a_key(&site, &format!("after every {every}: {told}"));
    }
}

#[test]
fn members_who_lost_all_keys_at_once_need_nobody_else_to_be_believed() {
    let sim = Sim::of(Size::members(4, 2));
    let site = read(&sim);
    let caller = sim.braintrust_caller_id();
    let of_members = |key: &keymuster::sim::TrueKey| key.listed && key.owner_id == key.home && key.owner_id != caller;
    let theirs: Vec<String> = sim.truth().into_iter().filter(|key| of_members(key)).map(|key| key.id).collect();
    assert!(theirs.len() >= 4, "{theirs:?}");
    for id in &theirs {
        assert!(sim.change(|world| world.revoke(id)));
    }
    for wanted in ["missing", "gone"] {
        site.poll(&["--account", BRAINTRUST]).ended(0);
        let presences = site.presences();
        for id in &theirs {
            assert_eq!(presences[&format!("{BRAINTRUST}/{id}")], wanted, "{id}");
        }
        std::thread::sleep(std::time::Duration::from_secs(3));
    }
}

#[test]
fn the_keys_of_one_member_who_has_none_any_more_go_by_the_ordinary_proof() {
    let sim = Sim::of(Size::members(8, 2));
    let site = read(&sim);
    let keys = sim.truth();
    let member = keys.iter().find(|key| key.listed && key.home.contains('-') && key.owner_id == key.home).unwrap().home.clone();
    let theirs: Vec<String> = keys.iter().filter(|key| key.home == member).map(|key| key.id.clone()).collect();
    for id in &theirs {
        assert!(sim.change(|world| world.revoke(id)));
    }
    for wanted in ["missing", "gone"] {
        site.poll(&["--account", BRAINTRUST]).ended(0);
        let presences = site.presences();
        for id in &theirs {
            assert_eq!(presences[&format!("{BRAINTRUST}/{id}")], wanted, "{id}");
        }
        std::thread::sleep(std::time::Duration::from_secs(3));
    }
}

/// A list of Den names no organisation: the one that was asked for before it answers for it, and is asked for again after it.
#[test]
fn a_session_that_changes_its_organisation_while_it_is_read_costs_no_key() {
    let sim = Sim::small();
    let guard = "min_keys = 100000\nsmall_scope = 100000";
    let site = Site::new(&sim, &Settings { confirm_after: "1s", guard, ..Settings::default() });
    site.poll(&["--account", DEN]).ended(0);
    let before = site.sql("SELECT key_id, name, presence, owner_id FROM keys ORDER BY key_id");
    // Before the list, of which the other organisation has nothing to show; and after it.
    for fault in ["empty_list:den on /v1/api-keys\nwrong_org:den on /v1/org from 2", "wrong_org:den on /v1/org from 2"] {
        for _ in 0..2 {
            sim.faults(fault);
            let told = site.poll(&["--account", DEN]).ended(69).all();
            assert!(told.contains("the answer is about org_"), "{fault}: {told}");
            nobody_lost_a_key(&site, fault);
            assert_eq!(site.sql("SELECT key_id, name, presence, owner_id FROM keys ORDER BY key_id"), before, "{fault}");
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }
    sim.faults("");
    site.poll(&["--account", DEN]).ended(0);
}
