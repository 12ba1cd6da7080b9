//! Ways of listing that are left for the next one, and found again.

use keymuster::sim::{Remote, TrueKey};

use super::{ONCE, poll, site, stored, truth};
use crate::support::{Settings, Sim, Site};

#[test]
fn a_way_that_is_left_and_found_again_moves_no_key() {
    let sim = Sim::small();
    let site = site(&sim, "auto");
    poll(&site, 0);
    let right = stored(&site);
    assert_eq!(right, truth(&sim, "auto"));
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
            let caller = format!("member/{}", sim.braintrust_caller_id());
            let told = usize::from(kind == "member");
            assert_eq!(report.matches(&caller).count(), told, "{faults}: the left way's lists are told too: {report}");
            assert_eq!(site.count("changes"), 0, "{faults}: {:?}", site.sql("SELECT * FROM changes"));
            let open = "scopes WHERE kind IN ('organization', 'member') AND state = 'complete'";
            assert_eq!(site.count(&format!("{open} AND kind <> '{kind}'")), 0, "{faults}: {report}");
            assert!(site.count(open) > 0, "{faults}");
        }
    }
}

/// Each poll here is a run of its own, which tries the organisation's list first again.
#[test]
fn a_way_that_cannot_be_read_just_now_is_not_taken() {
    let sim = Sim::small();
    let site = site(&sim, "auto");
    let failing = "http_500 on /v1/organization/api_keys";
    let unharmed = |what: &str, right| {
        for _ in 0..3 {
            sim.faults(failing);
            let report = poll(&site, 69);
            assert_eq!(stored(&site), right, "{what}: {report}");
            assert_eq!(site.count("changes"), 0, "{what}: {:?}", site.sql("SELECT * FROM changes"));
            assert_eq!(site.count("scopes WHERE kind = 'member' AND state = 'retired'"), 0, "{what}: {report}");
        }
    };
    sim.faults("organization_list");
    poll(&site, 0);
    let right = stored(&site);
    assert_eq!(right, truth(&sim, "auto"));
    unharmed("the organisation was never read", right.clone());
    sim.faults("");
    poll(&site, 0);
    sim.faults("organization_list");
    poll(&site, 0);
    unharmed("the organisation was read and left", right);
}

/// The list of the other way took the key over before, but has not seen it since.
#[test]
fn a_change_of_the_way_is_no_sighting_of_a_held_key() {
    let sim = Sim::small();
    let settings = Settings { braintrust: Some("listing = 'auto'"), guard: "min_keys = 2", tables: ONCE, ..Settings::default() };
    let site = Site::new(&sim, &settings);
    poll(&site, 0);
    let caller = sim.braintrust_caller_id();
    let keys: Vec<TrueKey> = sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust && key.listed).collect();
    let of = |home: &str| keys.iter().filter(|key| key.home == home).map(|key| key.id.clone()).collect::<Vec<_>>();
    let members = keys.iter().filter(|key| key.home != caller && key.home != "service_tokens");
    let theirs = members.map(|key| of(&key.home)).max_by_key(Vec::len).unwrap();
    assert!(theirs.len() > 2);
    sim.faults("organization_list");
    poll(&site, 0);
    for id in &theirs[1..] {
        assert!(sim.change(|world| world.revoke(id)));
    }
    sim.faults("organization_list\nhttp_500 on /v1/api_key/{api_key_id}");
    assert!(poll(&site, 69).contains("list_shrank"));
    let held = "keys WHERE held_since IS NOT NULL";
    let covered = i64::try_from(theirs.len() - 1).unwrap();
    for (faults, what) in [
        ("http_500 on /v1/organization/api_keys", "not read"),
        ("", "read without them"),
        ("organization_list\nhttp_500 on /v1/api_key/{api_key_id}", "back to the members' lists"),
    ] {
        sim.faults(faults);
        let report = poll(&site, 69);
        assert_eq!(site.count(held), covered, "{what}: {report}");
        assert_eq!(site.count("keys WHERE presence <> 'present'"), 0, "{what}: {report}");
    }
}
