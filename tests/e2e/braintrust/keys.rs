//! The keys themselves: what they are bound to, whom they name, and lists of them that move or overlap while they are read.

use std::collections::BTreeMap;

use keymuster::sim::Size;
use serde_json::Value;

use super::{LISTINGS, always, odd, poll, site, stored, truth};
use crate::support::Sim;

#[test]
fn each_way_of_listing_shows_its_truth_and_nothing_changes() {
    for listing in LISTINGS {
        let (sim, site, _) = odd(listing);
        assert_eq!(stored(&site), truth(&sim, listing), "{listing}");
        poll(&site, 0);
        assert_eq!(stored(&site), truth(&sim, listing), "{listing}, again");
        assert_eq!(site.count("changes"), 0, "{listing}");
    }
}

#[test]
fn a_key_with_a_null_org_id_is_kept_and_one_of_another_org_id_left_out() {
    for listing in LISTINGS {
        let (_sim, site, cast) = odd(listing);
        let keys = stored(&site);
        assert!(keys.contains_key(&cast.unbound_key), "{listing}: bound to no organisation, it opens this one too");
        assert!(!keys.contains_key(&cast.foreign_key), "{listing}: it is another organisation's");
        // The organisation's own list does not hold it in the first place.
        let told = i64::from(matches!(listing, "header" | "token"));
        assert_eq!(site.value("SELECT sum(other_organization) FROM walks"), Value::from(told), "{listing}");
        let note = poll(&site, 0).matches("left out, as keys of another organisation: 1").count();
        assert_eq!(i64::try_from(note).unwrap(), told, "{listing}");
    }
}

#[test]
fn a_key_with_a_null_user_id_is_the_member_s_in_whose_name_it_was_listed() {
    for listing in LISTINGS {
        let (sim, site, cast) = odd(listing);
        let true_owner = |id: &str| sim.truth().into_iter().find(|key| key.id == id).map(|key| Value::from(key.owner_id));
        for id in [&cast.key_without_owner, &cast.key_without_owner_fields] {
            let expected = if matches!(listing, "header" | "token") { true_owner(id).unwrap() } else { Value::Null };
            assert_eq!(stored(&site)[id][1], expected, "{listing}: in the organisation's list nobody says whose it is");
        }
    }
}

#[test]
fn duplicate_ids_across_pages() {
    for listing in LISTINGS {
        let sim = Sim::of(Size::members(12, 6));
        let site = site(&sim, listing);
        sim.faults(&format!("overlapping_pages\npage_cap:3\n{}", always(listing)));
        for _ in 0..2 {
            poll(&site, 0);
            assert_eq!(stored(&site), truth(&sim, listing), "{listing}");
        }
        assert_eq!(site.count("changes"), 0, "{listing}");
    }
}

#[test]
fn a_key_made_while_the_list_is_read_is_seen_the_next_time() {
    let sim = Sim::of(Size::members(12, 2));
    let site = site(&sim, "organization");
    let before = truth(&sim, "organization");
    // It stands on the first page, which has been read by then.
    sim.faults("page_cap:5\nkey_made on /v1/organization/api_keys from 2 to 2");
    poll(&site, 0);
    assert_eq!(stored(&site), before, "each page tells of the rest of the list as it was");
    poll(&site, 0);
    let now = truth(&sim, "organization");
    assert_eq!((stored(&site), now.len()), (now, before.len() + 1));
    let changes = site.sql("SELECT key_id, change FROM changes");
    let changes: BTreeMap<_, _> = changes.iter().map(|row| (row["key_id"].as_str().unwrap(), &row["change"])).collect();
    assert!(
        changes.len() == 1 && changes.iter().all(|(id, what)| !before.contains_key(*id) && *what == "appeared"),
        "{changes:?}"
    );
}
