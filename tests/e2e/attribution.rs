//! Headers that get lost on the way: lists that come empty, or with somebody else's keys, cost nobody a key.

use keymuster::sim::Size;

use crate::support::{BRAINTRUST, Settings, Sim, Site};

/// A site that has read every member's keys once, by header.
fn read(sim: &Sim) -> Site {
    let settings = Settings {
        braintrust: Some("listing = 'header'"),
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
        assert!(told.contains("attribution_unproven"), "{told}");
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
