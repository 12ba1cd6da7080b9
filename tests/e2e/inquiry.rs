//! Held keys are asked for by their ids: those that are not found go without a person's word, and only those.

use std::collections::BTreeMap;

use keymuster::sim::{Remote, Size, TrueKey};

use crate::control::ctl;
use crate::support::{BRAINTRUST, OPENAI, PROJECT_KEYS, Settings, Sim, Site};

const PROJECT_KEY: &str = "/organization/projects/{project_id}/api_keys/{api_key_id}";
const MEMBERS_KEY: &str = "/v1/api_key/{api_key_id}";

fn site(sim: &Sim) -> Site {
    let guard = "min_keys = 3";
    Site::new(sim, &Settings { guard, confirm_after: "1s", tables: "[limits]\nretries = 0", ..Settings::default() })
}

#[track_caller]
fn poll(site: &Site, code: i32) -> String {
    site.poll(&["--account", OPENAI]).ended(code).all()
}

/// The keys of the project that has most of them.
fn largest_project(sim: &Sim) -> Vec<TrueKey> {
    let keys: Vec<TrueKey> = sim.truth().into_iter().filter(|key| key.provider == Remote::OpenAi && key.listed).collect();
    let of = |home: &str| keys.iter().filter(|key| key.home == home).cloned().collect::<Vec<_>>();
    let projects = keys.iter().filter(|key| key.home.starts_with("proj_"));
    projects.map(|key| of(&key.home)).max_by_key(Vec::len).unwrap()
}

/// The keys of each project.
fn projects(sim: &Sim) -> Vec<Vec<TrueKey>> {
    let mut projects: BTreeMap<String, Vec<TrueKey>> = BTreeMap::new();
    for key in sim.truth() {
        if key.provider == Remote::OpenAi && key.listed && key.home.starts_with("proj_") {
            projects.entry(key.home.clone()).or_default().push(key);
        }
    }
    projects.into_values().collect()
}

#[track_caller]
fn presence(site: &Site, keys: &[TrueKey], wanted: &str) {
    let presences = site.presences();
    for key in keys {
        assert_eq!(presences[&format!("{OPENAI}/{}", key.id)], wanted, "{}", key.id);
    }
}

/// Keys of members other than the caller, one member's after the other's.
fn members_keys(sim: &Sim) -> Vec<TrueKey> {
    let caller = sim.braintrust_caller_id();
    let plain =
        |key: &TrueKey| key.provider == Remote::Braintrust && key.listed && key.home != "service_tokens" && key.home != caller;
    let mut keys: Vec<TrueKey> = sim.truth().into_iter().filter(plain).collect();
    keys.sort_by(|one, other| one.home.cmp(&other.home));
    keys
}

const OPEN: &str = "holds WHERE ended_at IS NULL";

#[test]
fn revoked_keys_leave_a_hold_by_404_on_their_ids() {
    let sim = Sim::small();
    let site = site(&sim);
    poll(&site, 0);
    let keys = largest_project(&sim);
    let (revoked, kept) = keys.split_at(keys.len() - 1);
    for key in revoked {
        assert!(sim.change(|world| world.revoke(&key.id)));
    }
    let told = poll(&site, 69);
    assert!(told.contains("list_shrank"), "{told}");
    assert!(!told.contains("by their ids"), "{told}");
    assert_eq!((site.count(OPEN), sim.asked(PROJECT_KEY)), (1, 0), "a hold is no reason to ask in the poll that makes it");
    presence(&site, revoked, "present");

    let told = poll(&site, 0);
    assert!(told.contains(&format!("{} held keys are not found by their ids", revoked.len())), "{told}");
    assert_eq!((site.count(OPEN), sim.asked(PROJECT_KEY)), (0, revoked.len() as u64 + 2));
    presence(&site, revoked, "missing");
    presence(&site, kept, "present");

    // The ordinary proof goes on from there.
    std::thread::sleep(std::time::Duration::from_secs(3));
    poll(&site, 0);
    presence(&site, revoked, "gone");
    assert_eq!(sim.asked(PROJECT_KEY), revoked.len() as u64 + 2, "what is held no more is asked for no more");
}

/// A provider that allows few requests a minute would be asked for hours: what one poll does not ask for waits for the next.
#[test]
fn a_poll_asks_for_two_hundred_keys_and_the_next_one_for_the_others() {
    let sim = Sim::of(Size { projects: 2, archived_projects: 0, project_keys: 240, ..Size::demo() });
    let site = site(&sim);
    poll(&site, 0);
    let projects = projects(&sim);
    assert_eq!(projects.len(), 2, "what one list leaves of the two hundred is the other's");
    let held: Vec<usize> = projects.iter().map(|keys| keys.len() - 5).collect();
    for key in projects.iter().flat_map(|keys| &keys[5..]) {
        assert!(sim.change(|world| world.revoke(&key.id)));
    }
    assert!(held.iter().all(|held| *held < 200), "{held:?}");
    poll(&site, 69);
    let (all, bundles): (usize, usize) = (held.iter().sum(), held.iter().map(|held| held.div_ceil(20) + 1).sum());
    // Each bundle of twenty stands between two questions for a key that is there.
    for (code, keys) in [(69, 200), (0, all)] {
        let told = poll(&site, code);
        let asked = sim.asked(PROJECT_KEY);
        assert!(
            (keys + 2 * keys.div_ceil(20)..=keys + 2 * bundles).contains(&usize::try_from(asked).unwrap()),
            "{asked} for {keys}: {told}"
        );
        assert_eq!(site.count("keys WHERE held_since IS NOT NULL"), i64::try_from(all - keys).unwrap(), "{told}");
    }
    // On a slow machine the first two hundred waited long enough to be gone.
    assert_eq!(site.count("keys WHERE presence IN ('missing', 'gone')"), i64::try_from(all).unwrap());
}

#[test]
fn keys_that_answer_by_their_ids_stay_held_and_a_route_that_knows_no_key_proves_nothing() {
    let sim = Sim::small();
    let site = site(&sim);
    poll(&site, 0);
    let keys = largest_project(&sim);
    let short = format!("short_list:70 on {PROJECT_KEYS}");
    for (faults, what) in [
        (short.clone(), "the list lies, the keys are there"),
        (format!("{short}\nnot_found on {PROJECT_KEY}"), "404 for every key"),
        (format!("{short}\nhttp_500 on {PROJECT_KEY}"), "no answer"),
    ] {
        sim.faults(&faults);
        for _ in 0..2 {
            poll(&site, 69);
            assert!(site.count(OPEN) > 0, "{what}");
            presence(&site, &keys, "present");
        }
    }
    assert!(sim.asked(PROJECT_KEY) > 0);
    sim.faults("");
    poll(&site, 0);
    let of_the_project = format!("changes JOIN keys USING (account, key_id) WHERE scope_id = '{}'", keys[0].home);
    assert_eq!((site.count(OPEN), site.count(&of_the_project)), (0, 0));
}

/// Asked for as the member whose list lacks them.
#[test]
fn revoked_keys_of_a_member_leave_a_hold_by_404_on_their_ids() {
    let sim = Sim::of(Size::members(4, 9));
    let (guard, tables) = ("min_keys = 3", "[limits]\nretries = 0");
    let braintrust = Some("listing = 'header'");
    let site = Site::new(&sim, &Settings { braintrust, guard, tables, confirm_after: "1s", ..Settings::default() });
    let poll = |code| site.poll(&["--account", BRAINTRUST]).ended(code).all();
    poll(0);
    let keys = members_keys(&sim);
    let theirs: Vec<&TrueKey> = keys.iter().filter(|key| key.home == keys[0].home).collect();
    let (kept, revoked) = theirs.split_first().unwrap();
    assert!(revoked.len() > 5 && revoked.iter().all(|key| sim.change(|world| world.revoke(&key.id))));
    let of = |presence: &str| site.count(&format!("keys WHERE owner_id = '{}' AND presence = '{presence}'", kept.home));
    let told = poll(69);
    assert!(told.contains("list_shrank"), "{told}");
    // Before the list was believed, three that it lacks were asked for.
    assert_eq!((site.count(OPEN), sim.asked(MEMBERS_KEY), of("present")), (1, 3, 9), "{told}");
    let told = poll(0);
    assert!(told.contains(&format!("{} held keys are not found by their ids", revoked.len())), "{told}");
    assert_eq!((site.count(OPEN), of("missing"), of("present")), (0, 8, 1), "{told}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    poll(0);
    assert_eq!((of("gone"), of("present")), (8, 1));
    assert_eq!(site.count("keys WHERE account = 'acme-braintrust' AND presence <> 'present'"), 8);
}

/// The organisation's list has no route by id: a person says that it is true, and the ordinary proof follows.
#[test]
fn revoked_keys_of_the_organisation_s_list_leave_a_hold_by_a_word() {
    let sim = Sim::of(Size::members(4, 9));
    let settings = Settings { braintrust: Some("listing = 'organization'"), ..crate::control::settings() };
    let site = Site::new(&sim, &settings);
    let daemon = site.daemon();
    let poll = |code| ctl(&site, &["poll", BRAINTRUST]).ended(code).all();
    poll(0);
    let mut revoked = members_keys(&sim);
    revoked.truncate(24);
    assert!(revoked.iter().all(|key| sim.change(|world| world.revoke(&key.id))));
    let of = |presence: &str| site.count(&format!("keys WHERE account = '{BRAINTRUST}' AND presence = '{presence}'"));
    let all = of("present");
    for _ in 0..2 {
        poll(69);
        assert_eq!((site.count(OPEN), of("present"), sim.asked(MEMBERS_KEY)), (1, all, 0));
    }
    ctl(&site, &["ack", BRAINTRUST, "organization", "--why", "the team was closed"]).ended(0);
    poll(0);
    assert_eq!((site.count(OPEN), of("missing"), of("gone")), (0, 24, 0), "a word proves nothing");
    std::thread::sleep(std::time::Duration::from_secs(6));
    poll(0);
    assert_eq!((of("gone"), of("present")), (24, all - 24));
    daemon.stop().ended(0);
}

#[test]
fn one_node_of_several_that_sees_no_members_keys_proves_nothing() {
    let sim = Sim::of(keymuster::sim::Size::members(4, 9));
    let guard = "min_keys = 3";
    let tables = "[limits]\nretries = 0";
    let settings = Settings { braintrust: Some("listing = 'header'"), guard, tables, ..Settings::default() };
    let site = Site::new(&sim, &settings);
    let poll = |code| site.poll(&["--account", BRAINTRUST]).ended(code).all();
    poll(0);
    let before = site.presences();
    let short = "short_list:braintrust:40 on /v1/api_key";
    // A list that lacks keys which answer by their ids is not believed at all.
    sim.faults(short);
    let told = poll(69);
    assert_eq!((site.count(OPEN), told.contains("which answers by its id")), (0, true), "{told}");
    let not_found = "not_found on /v1/api_key/{api_key_id}";
    let asked = || sim.asked(MEMBERS_KEY);
    let so_far = asked();
    sim.faults(&format!("{short}\n{not_found}"));
    poll(69);
    let (holds, look) = (site.count(OPEN), asked() - so_far);
    assert!(holds > 0 && look > 0);
    // All nodes but one agree while the lists are looked at; then the control answers, and every so many keys do not. By the number of
    // keys it is the same ones each time, or not.
    for (every, first) in [2, 3, 4, 5].into_iter().flat_map(|every| (2..2 + every).map(move |first| (every, first))) {
        let so_far = asked();
        sim.faults(&format!("{short}\n{not_found} from 1 to {look}\n{not_found} from {} every {every}", look + first));
        let told = poll(69);
        assert!(asked() - so_far > look + 2 * u64::try_from(holds).unwrap(), "held keys were asked for: {told}");
        assert_eq!(site.presences(), before, "every {every} from {first}: {told}");
        assert_eq!(site.count("held_key WHERE absent_poll IS NOT NULL"), 0, "every {every} from {first}: {told}");
    }
}
