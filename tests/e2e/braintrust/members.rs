//! Who is a member: many of them, odd ones, leavers, and a list of them that is cut short.

use keymuster::clock::Clock;
use keymuster::sim::{Remote, Size, TrueKey};
use serde_json::{Value, json};

use super::{KEYS, member, odd, poll, site, stored, told_and_harmless, truth};
use crate::process::{PATIENCE, eventually};
use crate::support::{BRAINTRUST, Sim};

#[test]
fn two_hundred_and_fifty_users_in_three_pages() {
    let sim = Sim::of(Size::members(250, 1));
    let site = site(&sim, "header");
    poll(&site, 0);
    assert_eq!(sim.asked("/v1/user"), 4, "three pages and the empty one that is the last");
    assert_eq!(site.count("people WHERE account = 'acme-braintrust' AND kind = 'user'"), 250);
    assert_eq!(stored(&site), truth(&sim, "header"));
}

/// The second page of people takes its time: the members of the first do not wait for it, and nobody is asked for twice.
#[test]
fn members_are_asked_for_while_the_people_are_still_read() {
    let sim = Sim::of(Size::members(250, 1));
    let swift = site(&sim, "header");
    poll(&swift, 0);
    let lists = sim.asked("/v1/api_key");
    let slow = site(&sim, "header");
    sim.faults("latency:braintrust:8000 on /v1/user from 2 to 2");
    let config = slow.config();
    let polling = slow.start(&["poll", "--config", config.to_str().unwrap(), "--account", BRAINTRUST]);
    eventually("a member's list", PATIENCE, || (sim.asked("/v1/api_key") >= lists + lists / 5).then_some(()));
    assert_eq!(sim.asked("/v1/user"), 4 + 1, "the second page has come");
    polling.finish(PATIENCE).ended(0);
    assert_eq!((sim.asked("/v1/user"), sim.asked("/v1/api_key")), (4 + 4, lists * 2));
    assert_eq!(stored(&slow), truth(&sim, "header"));
}

#[test]
fn a_server_that_caps_pages_below_the_limit() {
    for listing in ["organization", "header"] {
        let sim = Sim::of(Size::members(20, 5));
        let site = site(&sim, listing);
        sim.faults("page_cap:3");
        for _ in 0..2 {
            poll(&site, 0);
            assert_eq!(stored(&site), truth(&sim, listing), "{listing}: a short page is not the last one");
        }
        assert_eq!(site.count("people WHERE account = 'acme-braintrust' AND kind = 'user'"), 20);
        assert_eq!(site.count("changes"), 0);
    }
}

#[test]
fn a_user_of_a_foreign_organisation_too_is_refused_with_403_and_closed() {
    for listing in ["header", "token"] {
        let (sim, site, cast) = odd(listing);
        let foreign = member(&site, &cast.foreign_member);
        assert_eq!((&foreign[0]["state"], &foreign[0]["reason"]), (&json!("closed"), &json!("member_forbidden")), "{listing}");
        let theirs = |k: &TrueKey| k.provider == Remote::Braintrust && k.home == cast.foreign_member;
        assert!(sim.truth().iter().any(theirs), "the member has keys, which nobody but the member may list");
        assert_eq!(site.count(&format!("{KEYS} AND owner_id = '{}'", cast.foreign_member)), 0, "{listing}");
        let report = poll(&site, 0);
        assert!(report.contains("closed") && report.contains("member_forbidden"), "{report}");
    }
}

/// Refused once may be a mistake; twice in a row the list is closed, until it is read again.
#[test]
fn the_keys_of_a_member_who_is_refused_are_unknown_until_the_member_is_read_again() {
    for listing in ["header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        poll(&site, 0);
        let before = stored(&site);
        let caller = sim.braintrust_caller_id();
        let plain = |k: &TrueKey| k.provider == Remote::Braintrust && k.home != "service_tokens" && k.home != caller;
        let refused = sim.truth().into_iter().find(plain).unwrap().home;
        let of_theirs = |and: &str| site.count(&format!("{KEYS} AND owner_id = '{refused}' AND {and}"));
        let keys = of_theirs("presence = 'present'");
        assert!(keys >= 2, "{listing}");
        assert!(sim.change(|world| world.set_elsewhere(&refused, true)));
        let report = poll(&site, 69);
        assert!(report.contains("refused_once"), "{listing}: {report}");
        assert_eq!(
            (member(&site, &refused)[0]["state"].as_str(), stored(&site) == before),
            (Some("incomplete"), true),
            "{listing}"
        );
        for _ in 0..2 {
            let report = poll(&site, 0);
            assert_eq!(member(&site, &refused)[0]["reason"], "member_forbidden", "{listing}: {report}");
            assert_eq!(of_theirs("presence = 'unknown' AND presence_reason = 'scope_closed'"), keys, "{listing}: {report}");
            assert_eq!(site.count(&format!("{KEYS} AND presence <> 'present'")), keys, "{listing}: others are spoilt: {report}");
        }
        assert!(sim.change(|world| world.set_elsewhere(&refused, false)));
        poll(&site, 0);
        assert_eq!(
            (member(&site, &refused)[0]["state"].as_str(), stored(&site) == before),
            (Some("complete"), true),
            "{listing}"
        );
        let told = site.sql("SELECT change, count(*) AS keys FROM changes GROUP BY change ORDER BY change");
        assert_eq!(
            json!(told),
            json!([{"change": "became_unknown", "keys": keys}, {"change": "returned", "keys": keys}]),
            "{listing}"
        );
    }
}

#[test]
fn a_user_without_an_email_address() {
    for listing in ["organization", "header", "token"] {
        let (sim, site, cast) = odd(listing);
        let person = format!("SELECT email FROM people WHERE person_id = '{}'", cast.member_without_email);
        assert_eq!(site.value(&person), Value::Null, "{listing}");
        let theirs = |k: &&TrueKey| k.provider == Remote::Braintrust && k.home == cast.member_without_email;
        let keys = i64::try_from(sim.truth().iter().filter(theirs).count()).unwrap();
        assert!(keys > 0);
        assert_eq!(site.count(&format!("{KEYS} AND owner_id = '{}'", cast.member_without_email)), keys, "{listing}");
    }
}

#[test]
fn a_service_account_in_the_user_list_is_no_member() {
    for listing in ["header", "token"] {
        let (_sim, site, cast) = odd(listing);
        assert!(member(&site, &cast.listed_account).is_empty(), "{listing}: it was asked for as a member");
        let tokens = format!("{KEYS} AND owner_id = '{}' AND kind = 'service_token'", cast.listed_account);
        assert!(site.count(&tokens) > 0, "{listing}: its tokens are its own");
    }
}

#[test]
fn a_member_whom_the_user_list_leaves_out_is_found_by_a_group() {
    for listing in ["header", "token"] {
        let (_sim, site, cast) = odd(listing);
        assert_eq!(member(&site, &cast.unlisted_member)[0]["state"], "complete", "{listing}");
        assert!(site.count(&format!("{KEYS} AND owner_id = '{}'", cast.unlisted_member)) > 0, "{listing}");
    }
}

#[test]
fn a_member_without_keys() {
    for listing in ["header", "token"] {
        // With a token nothing but a key that names its owner shows whose list it is, and others showed that.
        let (_sim, site, cast) = odd(listing);
        assert_eq!(member(&site, &cast.member_without_keys)[0]["state"], "complete", "{listing}");
    }
}

#[test]
fn the_keys_of_a_leaver_are_unknown_in_each_way() {
    for listing in ["organization", "header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        poll(&site, 0);
        let caller = sim.braintrust_caller_id();
        let plain = |k: &TrueKey| k.provider == Remote::Braintrust && k.home != "service_tokens" && k.home != caller;
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
fn a_user_list_that_breaks_off() {
    let many = || Sim::of(Size::members(120, 1));
    for (fault, reason) in [("http_500 on /v1/user from 2", "server"), ("repeated_page on /v1/user", "repeated_page")] {
        told_and_harmless(&many, "header", fault, reason, "people");
    }
    for (fault, reason) in [("cut_body on /v1/user", "network"), ("cut_json on /v1/user", "malformed")] {
        for listing in ["organization", "header"] {
            told_and_harmless(&Sim::small, listing, fault, reason, "people");
        }
    }
}

#[test]
fn a_user_list_cut_short_in_silence_is_told_by_the_groups_and_costs_nobody_a_key() {
    for listing in ["organization", "header", "token"] {
        let sim = Sim::of(Size::members(40, 1));
        let site = site(&sim, listing);
        let right = truth(&sim, listing);
        poll(&site, 0);
        for _ in 0..3 {
            sim.faults(&format!("short_list:braintrust:80 on /v1/user\n{}", super::always(listing)));
            let report = poll(&site, 0);
            assert!(report.contains("whom groups name as members"), "{listing}: {report}");
            assert_eq!(stored(&site), right, "{listing}: {report}");
            assert_eq!((site.count("changes"), site.count("orphaned_keys")), (0, 0), "{listing}");
        }
        sim.faults(super::always(listing));
        poll(&site, 0);
        assert_eq!(stored(&site), right, "{listing}");
    }
}

/// Who is a member only by a group is not listed elsewhere: where the groups cannot be read, nobody knows whether there are any.
#[test]
fn groups_that_cannot_be_read_just_now_are_told_and_cost_nobody_a_key() {
    for listing in ["header", "organization"] {
        for fault in ["http_500 on /v1/group", "html_200 on /v1/group"] {
            let sim = Sim::of(Size::demo());
            let site = site(&sim, listing);
            poll(&site, 0);
            let before = stored(&site);
            assert_eq!(before, truth(&sim, listing), "{listing}");
            sim.faults(fault);
            for _ in 0..2 {
                let report = poll(&site, 0);
                assert!(report.contains("groups: "), "{listing}, {fault}: {report}");
                assert!(stored(&site) == before, "{listing}, {fault}: {report}");
            }
            let vanished = "scopes WHERE kind = 'member' AND state = 'vanished'";
            assert_eq!(site.count(vanished), 0, "{listing}, {fault}: {:?}", site.sql(&format!("SELECT * FROM {vanished}")));
            // Who left meanwhile takes their keys off every list, and nobody can tell yet that this is why.
            let unlisted = sim.braintrust_cast().unwrap().unlisted_member;
            assert!(sim.change(|world| world.leave(&unlisted, Clock::system().now())));
            for _ in 0..2 {
                let report = poll(&site, 0);
                assert!(stored(&site) == before, "{listing}, {fault}: {report}");
            }
            // Read again, they tell who is in none.
            sim.faults("");
            poll(&site, 0);
            let left = format!("{KEYS} AND owner_id = '{unlisted}' AND presence = 'unknown'");
            assert_eq!(site.count(&left), 3, "{listing}, {fault}: {:?}", stored(&site));
        }
    }
}

#[test]
fn groups_that_are_refused_leave_those_unknown_whom_they_alone_name() {
    for listing in ["header", "organization"] {
        for fault in ["forbidden on /v1/group", "not_found on /v1/group"] {
            let sim = Sim::of(Size::demo());
            let site = site(&sim, listing);
            poll(&site, 0);
            let before = stored(&site);
            let unlisted = sim.braintrust_cast().unwrap().unlisted_member;
            let of_theirs = |presence| site.count(&format!("{KEYS} AND owner_id = '{unlisted}' AND presence = '{presence}'"));
            let of_others = || site.count(&format!("{KEYS} AND owner_id <> '{unlisted}' AND presence <> 'present'"));
            sim.faults(fault);
            for _ in 0..3 {
                let report = poll(&site, 0);
                // The organisation's list holds their keys still; in other ways nobody asks for them any more.
                let seen = if listing == "organization" { (3, 0) } else { (0, 3) };
                assert_eq!((of_theirs("present"), of_theirs("unknown")), seen, "{listing}, {fault}: {report}");
                assert_eq!((of_others(), site.count("orphaned_keys")), (0, 0), "{listing}, {fault}: {report}");
                let never = "scopes WHERE state NOT IN ('complete', 'vanished', 'retired', 'closed')";
                assert_eq!(site.count(never), 0, "{listing}, {fault}: an unread list would keep others from being proven gone");
            }
            sim.faults("");
            poll(&site, 0);
            assert_eq!(stored(&site), before, "{listing}, {fault}");
            sim.faults(fault);
            assert!(sim.change(|world| world.leave(&unlisted, Clock::system().now())));
            for _ in 0..3 {
                let report = poll(&site, 0);
                assert_eq!(of_theirs("unknown"), 3, "{listing}, {fault}: {report}");
                assert_eq!(site.count("orphaned_keys"), 0, "{listing}, {fault}: nobody said that they left");
            }
        }
    }
}

#[test]
fn a_user_list_that_leaves_out_a_few_is_told_and_costs_nobody_a_key() {
    for listing in ["organization", "header", "token"] {
        let sim = Sim::small();
        let site = site(&sim, listing);
        let right = truth(&sim, listing);
        poll(&site, 0);
        for _ in 0..2 {
            sim.faults(&format!("short_list:braintrust:50 on /v1/user\n{}", super::always(listing)));
            let report = poll(&site, 0);
            assert!(report.contains("the list of people lacks ") && report.contains("whom groups name as members"), "{report}");
            assert_eq!(stored(&site), right, "{listing}: {report}");
            assert_eq!(site.count("changes"), 0, "{listing}");
        }
        sim.faults(super::always(listing));
        poll(&site, 0);
        assert_eq!(stored(&site), right, "{listing}");
    }
}

#[test]
fn a_member_whom_only_a_group_names_has_not_left() {
    for listing in ["header", "token", "organization"] {
        let (_sim, site, cast) = odd(listing);
        // Two whole lists of people without the owner are what a leaver is known by.
        for _ in 0..2 {
            poll(&site, 0);
        }
        let orphaned = format!("orphaned_keys WHERE owner_id = '{}'", cast.unlisted_member);
        assert_eq!(site.count(&orphaned), 0, "{listing}: groups name the owner, and the keys are listed");
    }
}
