//! What must not last for ever: one bad moment that nothing heals, and lists that nobody reads any more and all wait for.

use keymuster::sim::{Remote, Size, TrueKey};

use super::{KEYS, ONCE, member, poll, stored};
use crate::support::{BRAINTRUST, Settings, Sim, Site};

fn site(sim: &Sim, options: &'static str) -> Site {
    Site::new(sim, &Settings { braintrust: Some(options), confirm_after: "1s", tables: ONCE, ..Settings::default() })
}

/// A plain member's keys, of a member who has several.
fn keys_of_some_member(sim: &Sim) -> Vec<TrueKey> {
    let caller = sim.braintrust_caller_id();
    let odd = sim.braintrust_cast().map_or_else(Vec::new, |cast| {
        vec![cast.foreign_member, cast.unlisted_member, cast.member_without_keys, cast.listed_account]
    });
    let keys: Vec<TrueKey> = sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust && key.listed).collect();
    let plain = |key: &&TrueKey| key.home != "service_tokens" && key.home != caller && !odd.contains(&key.home);
    let of = |home: &str| keys.iter().filter(|key| key.home == home).cloned().collect::<Vec<_>>();
    keys.iter().filter(plain).map(|key| of(&key.home)).find(|keys| keys.len() >= 3).unwrap()
}

#[track_caller]
fn goes(site: &Site, key: &str, polls: usize) {
    let presence = || site.value(&format!("SELECT presence FROM {KEYS} AND key_id = '{key}'"));
    let mut report = String::new();
    for _ in 0..polls {
        std::thread::sleep(std::time::Duration::from_millis(1100));
        report = site.poll(&["--account", BRAINTRUST]).stdout;
        if presence() == "gone" {
            return;
        }
    }
    let scopes = site.sql("SELECT kind, scope_id, state, reason FROM scopes WHERE state <> 'complete'");
    panic!("{key} is {} after {polls} polls; {scopes:?}\n{report}", presence());
}

/// A list that lacks keys is asked about once more, in such an account always after the deadline.
#[test]
fn an_account_whose_polls_all_end_at_their_deadline_still_finds_what_is_gone() {
    let sim = Sim::small();
    let site = site(&sim, "listing = 'header'");
    poll(&site, 0);
    site.edit("poll_deadline = \"1h\"\npace", "poll_deadline = \"3s\"\nconcurrency = 1\npace");
    sim.faults("latency:braintrust:400 on /v1/api_key");
    let key = keys_of_some_member(&sim).remove(0);
    assert!(sim.change(|world| world.revoke(&key.id)));
    let walks = format!("walks WHERE kind = 'member' AND scope_id = '{}'", key.home);
    let (mut polls, before) = (0, site.count(&walks));
    while site.count(&walks) < before + 4 {
        polls += 1;
        assert!(polls < 60, "its turn did not come");
        site.poll(&["--account", BRAINTRUST]);
    }
    let seen = site.sql(&format!("SELECT started_at, outcome, reason, detail FROM {walks} ORDER BY 1"));
    assert_ne!(
        site.value(&format!("SELECT presence FROM {KEYS} AND key_id = '{}'", key.id)),
        "present",
        "{polls} polls: {seen:?}"
    );
}

/// Its list is open, and nobody reads it any more.
#[test]
fn a_service_account_that_was_asked_as_a_member_once_keeps_no_key_from_going() {
    let sim = Sim::of(Size::demo());
    let site = site(&sim, "listing = 'header'");
    sim.faults("http_500 on /v1/service_token");
    poll(&site, 69);
    sim.faults("");
    poll(&site, 0);
    let account = sim.braintrust_cast().unwrap().listed_account;
    assert!(!member(&site, &account).is_empty(), "it was taken for a member");
    let key = keys_of_some_member(&sim).remove(0).id;
    assert!(sim.change(|world| world.revoke(&key)));
    goes(&site, &key, 5);
}

#[test]
fn a_keyless_member_whom_groups_name_no_more_keeps_no_key_from_going() {
    let sim = Sim::of(Size::demo());
    let site = site(&sim, "listing = 'header'");
    let unlisted = sim.braintrust_cast().unwrap().unlisted_member;
    for key in sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust && key.home == unlisted) {
        assert!(sim.change(|world| world.revoke(&key.id)));
    }
    poll(&site, 0);
    poll(&site, 0);
    assert_eq!(member(&site, &unlisted)[0]["state"], "complete");
    assert!(sim.change(|world| world.leave(&unlisted, keymuster::clock::Clock::system().now())));
    let key = keys_of_some_member(&sim).remove(0).id;
    assert!(sim.change(|world| world.revoke(&key)));
    goes(&site, &key, 5);
    assert_eq!(member(&site, &unlisted)[0]["state"], "vanished");
}

#[test]
fn auto_does_not_stay_with_a_token_exchange_that_does_not_exist() {
    let sim = Sim::small();
    let site = site(&sim, "listing = 'auto'");
    sim.faults("organization_list");
    let daemon = site.daemon();
    let ctl = || site.run("ctl", &["poll", BRAINTRUST]);
    ctl().ended(0);
    let before = stored(&site);
    sim.faults("organization_list\nimpersonation_refused");
    ctl();
    sim.faults("organization_list");
    let mut report = String::new();
    for _ in 0..4 {
        report = ctl().all();
    }
    assert_eq!(stored(&site), before);
    let incomplete = site.count("scopes WHERE kind = 'member' AND state = 'incomplete'");
    daemon.stop();
    assert_eq!(incomplete, 0, "all is well again, and nothing is read: {report}");
}

/// It is left out, and answers by its id.
#[test]
fn a_key_that_turns_out_to_be_another_organisations_does_not_spoil_its_members_list() {
    let sim = Sim::of(Size::demo());
    let site = site(&sim, "listing = 'header'");
    let foreign = sim.braintrust_cast().unwrap().foreign_key;
    let keys = sim.truth();
    let home = keys.iter().find(|key| key.id == foreign).unwrap().home.clone();
    for key in keys.iter().filter(|key| key.provider == Remote::Braintrust && key.home == home && key.id != foreign) {
        assert!(sim.change(|world| world.revoke(&key.id)));
    }
    // An older server leaves the field out.
    sim.faults("missing_field:org_id on /v1/api_key");
    poll(&site, 0);
    assert_eq!(site.count(&format!("{KEYS} AND key_id = '{foreign}'")), 1);
    sim.faults("");
    for _ in 0..3 {
        site.poll(&["--account", BRAINTRUST]);
    }
    let report = site.poll(&["--account", BRAINTRUST]).all();
    assert_eq!(member(&site, &home)[0]["state"], "complete", "{report}");
}

#[test]
fn a_failed_question_for_our_own_keys_is_no_credential_without_keys() {
    let sim = Sim::small();
    let site = site(&sim, "listing = 'auto'");
    poll(&site, 0);
    sim.faults("http_500 on /v1/api_key from 1 to 1");
    let report = site.poll(&["--account", BRAINTRUST]).all();
    assert!(!report.contains("the credential has no key of its own"), "{report}");
    assert_eq!(site.count("scopes WHERE kind = 'organization' AND state = 'retired'"), 0, "{report}");
}

#[test]
fn a_service_account_that_the_user_list_shows_no_more_orphans_no_token() {
    for listing in ["header", "organization"] {
        let sim = Sim::of(Size::demo());
        let site = site(&sim, if listing == "header" { "listing = 'header'" } else { "listing = 'organization'" });
        // The second time the list of users comes upon an account that tokens have told of.
        poll(&site, 0);
        poll(&site, 0);
        let account = sim.braintrust_cast().unwrap().listed_account;
        let kind = site.value(&format!("SELECT DISTINCT owner_kind FROM {KEYS} AND owner_id = '{account}'"));
        // Whom the groups name stays; they name no service accounts.
        sim.faults("short_list:braintrust:100 on /v1/user");
        for _ in 0..3 {
            site.poll(&["--account", BRAINTRUST]);
        }
        let orphaned = format!("orphaned_keys WHERE account = '{BRAINTRUST}' AND owner_id = '{account}'");
        let holds = site.sql("SELECT cause, kind, keys FROM holds");
        assert_eq!(site.count(&orphaned), 0, "{listing}: kind {kind}, holds {holds:?}");
        assert_eq!(kind, "service_account", "{listing}");
    }
}

/// Who is first of those that waited longest is first again the next time.
#[test]
fn a_refused_member_who_is_asked_for_first_does_not_leave_impersonation_unproven() {
    let sim = Sim::of(Size::demo());
    let site = site(&sim, "listing = 'header'");
    let (caller, foreign) = (sim.braintrust_caller_id(), sim.braintrust_cast().unwrap().foreign_member);
    for key in sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust) {
        if key.home != "service_tokens" && key.home != caller {
            assert!(sim.change(|world| world.revoke(&key.id)));
        }
    }
    poll(&site, 0);
    let open = "scopes WHERE kind = 'member' AND state = 'incomplete'";
    assert_eq!(site.count(open), 0, "another member came first, and the provider told");
    for _ in 0..3 {
        // As where the id of the one is the smallest.
        site.meddle(&format!("UPDATE scope SET newest_walk = 1 WHERE remote_id = '{foreign}'"));
        let report = site.poll(&["--account", BRAINTRUST]).all();
        assert_eq!(site.count(open), 0, "{report}");
    }
}
