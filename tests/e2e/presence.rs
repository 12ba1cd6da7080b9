//! From present to missing to gone: only by complete walks, and only after the wait.

use std::io::Write;
use std::time::{Duration, Instant};

use keymuster::clock::Clock;
use keymuster::sim::{Happening, Remote, Size};

use crate::process::{PATIENCE, eventually};
use crate::support::{DEN, OPENAI, PROJECT_KEYS, Settings, Sim, Site, text};

const WAIT: Duration = Duration::from_secs(4);

fn settings() -> Settings {
    Settings { confirm_after: "4s", tables: "[limits]\nretries = 0", ..Settings::default() }
}

fn history(site: &Site, key: &str) -> Vec<String> {
    let rows = site.sql(&format!("SELECT change, before, after FROM changes WHERE key_id = '{key}' ORDER BY change_id"));
    rows.iter().map(|row| format!("{}: {} -> {}", text(row, "change"), text(row, "before"), text(row, "after"))).collect()
}

/// Until a walk that begins now begins late enough, whole seconds and all.
fn wait_since(missing: Instant) {
    std::thread::sleep((WAIT + Duration::from_secs(2)).saturating_sub(missing.elapsed()));
}

#[test]
fn a_revoked_key_is_missing_and_gone_only_after_a_later_complete_poll() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    let here = |remote: Remote, key: &&keymuster::sim::TrueKey| {
        key.provider == remote
            && key.listed
            && key.home != "admin"
            && !key.leaked
            && key.owner_has_access
            && key.name != "keymuster"
    };
    let revoked: Vec<String> =
        [Remote::OpenAi, Remote::Den].map(|remote| sim.truth().iter().find(|key| here(remote, key)).unwrap().id.clone()).to_vec();
    for id in &revoked {
        assert!(sim.change(|world| world.revoke(id)));
    }
    let keys = [format!("{OPENAI}/{}", revoked[0]), format!("{DEN}/{}", revoked[1])];
    #[track_caller]
    fn all_are(site: &Site, keys: &[String], wanted: &str) {
        let presences = site.presences();
        for key in keys {
            assert_eq!(presences[key], wanted, "{key}");
        }
        let others = presences.iter().filter(|(key, presence)| !keys.contains(key) && *presence != "present");
        assert_eq!(others.count(), 0, "{presences:?}");
    }

    sim.faults("http_500");
    site.poll(&[]).ended(69);
    all_are(&site, &keys, "present");

    sim.faults("");
    let before = Instant::now();
    let report = site.poll(&[]).ended(0).stdout;
    let missing = Instant::now();
    assert_eq!(report.matches("became_missing").count(), 2, "{report}");
    all_are(&site, &keys, "missing");

    let report = site.poll(&[]).ended(0).stdout;
    // A machine that took so long shows nothing of the wait.
    let took = before.elapsed();
    if took < WAIT - Duration::from_secs(1) {
        assert_eq!(report.matches("no changes").count(), 2, "{report}");
        all_are(&site, &keys, "missing");
    } else {
        writeln!(std::io::stderr(), "not tried: two polls took {took:?}, so that the wait may have been over").unwrap();
    }

    wait_since(missing);
    sim.faults("http_500 on /organization/projects/{project_id}/api_keys\nbad_item on /v1/api-keys");
    site.poll(&[]).ended(69);
    all_are(&site, &keys, "missing");

    sim.faults("");
    let report = site.poll(&[]).ended(0).stdout;
    assert_eq!(report.matches("became_gone").count(), 2, "{report}");
    all_are(&site, &keys, "gone");
    for id in &revoked {
        assert_eq!(
            history(&site, id),
            ["became_missing: present -> not_listed", "became_gone: missing -> proven_absent"],
            "{id}"
        );
    }
    site.poll(&[]).ended(0);
    all_are(&site, &keys, "gone");
    assert_eq!(site.count("changes"), 4, "what is gone is gone, and no news again");
}

#[test]
fn a_key_that_may_have_moved_is_not_gone() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    let revoked = sim.truth().iter().find(|key| key.home.starts_with("proj_") && key.listed && !key.leaked).unwrap().id.clone();
    assert!(sim.change(|world| world.revoke(&revoked)));
    let presence = format!("SELECT presence FROM keys WHERE key_id = '{revoked}'");
    site.poll(&[]).ended(0);
    assert_eq!(site.value(&presence), "missing");
    // Its own list is read whole again and again, another one is not.
    sim.faults("http_500 on /organization/admin_api_keys");
    for wait in [WAIT + Duration::from_secs(2), Duration::ZERO] {
        std::thread::sleep(wait);
        site.poll(&["--account", OPENAI]).ended(69);
        assert_eq!(site.value(&presence), "missing");
    }
    sim.faults("");
    site.poll(&["--account", OPENAI]).ended(0);
    assert_eq!(site.value(&presence), "gone");
}

/// The first page of three has been read; the second is on its way.
#[test]
fn keys_that_come_and_go_between_pages_are_settled_by_later_walks() {
    let sim = Sim::of(Size { projects: 1, archived_projects: 0, project_keys: 240, ..Size::demo() });
    let site = Site::new(&sim, &settings());
    let poll = || site.poll(&[]).ended(0);
    poll();
    let keys: Vec<_> = sim.truth().into_iter().filter(|key| key.home.starts_with("proj_")).collect();
    // Read already, the cursor itself, and not read yet; the list of admin keys does not hold the last.
    let [read, cursor, unread] = [0, 99, 100].map(|from| &keys[from..]);
    let (read, cursor, unread) = (&read[0].id, &cursor[0].id, &unread.iter().find(|key| !key.leaked).unwrap().id);
    let before = sim.asked(PROJECT_KEYS);
    sim.faults(&format!("latency:openai:5000 on {PROJECT_KEYS} from 2 to 2"));
    let polling = site.start(&["poll", "--config", site.config().to_str().unwrap(), "--account", OPENAI]);
    eventually("the first page", PATIENCE, || (sim.asked(PROJECT_KEYS) > before).then_some(()));
    let made = sim.change(|world| {
        assert!([read, cursor, unread].into_iter().all(|id| world.revoke(id)));
        world.happen(Happening::MadeInProject, 1, Clock::system().now()).unwrap().id
    });
    polling.finish(PATIENCE).ended(0);
    assert_eq!(sim.asked(PROJECT_KEYS) - before, 3);
    let of = |ids: [&String; 4]| ids.map(|id| site.presences()[&format!("{OPENAI}/{id}")].clone());
    let ids = [read, cursor, unread, &made];
    assert_eq!(of(ids), ["present", "present", "missing", "present"], "what a page showed, and what none did");
    let missing = Instant::now();
    sim.faults("");
    poll();
    assert_eq!(of(ids)[..2], ["missing", "missing"]);
    assert_ne!(of(ids)[2], "present");
    wait_since(missing);
    poll();
    assert_eq!(of(ids), ["gone", "gone", "gone", "present"]);
    assert_eq!(site.value(&format!("SELECT change FROM changes WHERE key_id = '{made}'")), "appeared");
    assert_eq!(site.count("changes"), 7, "of no other key is anything told");
}

#[test]
fn keys_that_come_back_were_never_gone() {
    let sim = Sim::of(Size { people: 6, projects: 2, project_keys: 10, admin_keys: 2, den_keys: 4, ..Size::of(10) });
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    let den = site.count("keys WHERE account = 'acme-den'");
    assert!(den >= 2);

    sim.faults("empty_list on /v1/api-keys");
    let report = site.poll(&["--account", DEN]).ended(0).stdout;
    let missing = Instant::now();
    assert!(report.contains(&format!("{den} organization became_missing")), "{report}");
    wait_since(missing);
    sim.faults("cut_json on /v1/api-keys");
    site.poll(&["--account", DEN]).ended(69);
    assert_eq!(site.count("keys WHERE account = 'acme-den' AND presence = 'missing'"), den);

    sim.faults("");
    let report = site.poll(&["--account", DEN]).ended(0).stdout;
    assert!(report.contains(&format!("{den} organization returned")), "{report}");
    assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
    assert_eq!(site.count("changes WHERE change = 'became_gone'"), 0);

    // And the wait begins anew: one silence later they are missing again, not gone.
    sim.faults("empty_list on /v1/api-keys");
    site.poll(&["--account", DEN]).ended(0);
    assert_eq!(site.count("keys WHERE presence = 'missing'"), den);
}

#[test]
fn a_project_that_refuses_its_keys_makes_them_unknown_and_never_gone() {
    let sim = Sim::small();
    let site = Site::new(&sim, &settings());
    site.poll(&[]).ended(0);
    let project = sim.truth().iter().find(|key| key.listed && key.home.starts_with("proj_")).unwrap().home.clone();
    let now = keymuster::clock::Clock::system().now();
    assert!(sim.change(|world| world.archive(&project, now)));
    let keys = format!("keys WHERE scope_id = '{project}'");
    let count = site.count(&keys);
    let state = format!("SELECT state FROM scopes WHERE scope_id = '{project}'");

    let report = site.poll(&[]).ended(69).stdout;
    assert!(report.contains("refused_once"), "{report}");
    assert_eq!(site.value(&state), "incomplete", "once may be a mistake");
    assert_eq!(site.count(&format!("{keys} AND presence = 'present'")), count);

    site.poll(&[]).ended(0);
    assert_eq!(site.value(&state), "closed");
    assert_eq!(site.count(&format!("{keys} AND presence = 'unknown' AND presence_reason = 'scope_closed'")), count);
    std::thread::sleep(WAIT + Duration::from_secs(2));
    site.poll(&[]).ended(0);
    assert_eq!(site.count(&format!("{keys} AND presence = 'unknown'")), count, "time proves nothing");
}
