//! `keymuster explain`: it says of each condition what the list of keys says, and why.

use keymuster::clock::Clock;
use keymuster::sim::Happening;
use serde_json::Value;

use crate::support::{OPENAI, Settings, Sim, Site, text};

#[test]
fn what_is_explained_is_what_is_listed() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: "[policy]\nstale_after = \"30d\"\nignore = []", ..Settings::default() });
    site.poll(&[]).ended(0);
    let rows = site.sql("SELECT account || '/' || key_id AS key, conditions FROM keys ORDER BY conditions DESC LIMIT 25");
    assert!(rows.iter().filter(|row| text(row, "conditions").contains("stale")).count() > 2);
    for row in rows {
        let finished = site.run("explain", &[&text(&row, "key"), "--format", "json"]).ended(0);
        let told: Value = serde_json::from_str(&finished.stdout).unwrap();
        let holds = told["conditions"].as_array().unwrap().iter().filter(|claim| claim["state"] == "holds");
        let holds: Vec<&str> = holds.map(|claim| claim["condition"].as_str().unwrap()).collect();
        assert_eq!(holds.join(","), text(&row, "conditions"), "{}", finished.stdout);
        let stale = told["conditions"].as_array().unwrap().iter().find(|claim| claim["condition"] == "stale").unwrap();
        assert_eq!((&stale["limit"], &stale["limit_by"]), (&"30d".into(), &"[policy]".into()));
        assert_eq!(told["policy_in_force"], true);
    }
}

#[test]
fn a_key_is_found_by_the_beginning_of_its_id_and_a_wrong_one_is_told() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let id = text(&site.sql("SELECT key_id FROM keys WHERE provider = 'openai' LIMIT 1")[0], "key_id");
    let shown = site.run("explain", &[&id[..id.len() - 1]]).ended(0).stdout;
    assert!(shown.contains(&format!("{OPENAI}/{id}")) && shown.contains("by the built-in default"), "{shown}");
    let several = site.run("explain", &["key_"]).ended(64).stderr;
    assert!(several.contains("fits several keys: ") && several.contains(OPENAI), "{several}");
    let none = site.run("explain", &[&format!("elsewhere/{id}")]).ended(64).stderr;
    assert!(none.contains("no key 'elsewhere/") && none.contains("'keymuster keys' lists them"), "{none}");

    // A policy that the daemon has not read yet is told to be one.
    site.edit("[inventory]", "[policy]\nmax_age = \"5d\"\n[inventory]");
    let other = site.run("explain", &[&id]).ended(0).stdout;
    assert!(other.contains("not the one that the inventory was last judged by"), "{other}");
}

const WAIVER: &str = "[policy]\nmax_age = \"5d\"\n[[waivers]]\nmatch = { provider = \"openai\" }\nreason = \"frozen\"\nwho = \"ana\"\nuntil = \"2099-01-01\"";

#[test]
fn a_waiver_its_end_and_what_is_not_judged_are_told() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: WAIVER, confirm_after: "0s", ..Settings::default() });
    site.poll(&[]).ended(0);
    let find = "SELECT key_id FROM keys WHERE provider = 'openai' AND conditions = 'overdue' AND expires_at IS NULL LIMIT 1";
    let id = text(&site.sql(find)[0], "key_id");
    let explain = |format: &[&str]| site.run("explain", &[&[id.as_str()], format].concat()).ended(0).stdout;
    let told: Value = serde_json::from_str(&explain(&["--format", "json"])).unwrap();
    let overdue = told["conditions"].as_array().unwrap().iter().find(|claim| claim["condition"] == "overdue").unwrap();
    assert_eq!((&overdue["state"], &overdue["limit"]), (&"waived".into(), &"5d".into()));
    assert_eq!(told["waivers"][0]["who"], "ana");
    assert!(explain(&[]).contains("waived by ana until 2099-01-01: frozen"), "{}", explain(&[]));
    assert!(explain(&["--format", "csv"]).starts_with("\"condition\",\"state\",\"from\""));
    assert!(explain(&["--format", "markdown"]).contains("| overdue | waived | "));

    assert!(sim.change(|world| world.revoke(&id)));
    site.poll(&[]).ended(0);
    site.poll(&[]).ended(0);
    assert_eq!(site.value(&format!("SELECT presence FROM keys WHERE key_id = '{id}'")), "gone");
    let gone = explain(&[]);
    assert!(gone.contains("No condition is claimed of a key that is gone.") && !gone.contains("Next"), "{gone}");
    let gone: Value = serde_json::from_str(&explain(&["--format", "json"])).unwrap();
    assert_eq!((&gone["conditions"], &gone["next"]), (&Value::Array(Vec::new()), &Value::Null));
}

#[test]
fn a_key_that_only_an_incomplete_reading_showed_is_told_to_be_one() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let made = sim.change(|world| world.happen(Happening::MadeAdmin, 0, Clock::system().now())).unwrap();
    sim.faults("bad_item on /organization/admin_api_keys");
    site.poll(&[]);
    let explain = || site.run("explain", &[&made.id]).ended(0).stdout;
    assert!(explain().contains("in a reading that was not complete"), "{}", explain());
    sim.faults("");
    site.poll(&[]).ended(0);
    assert!(!explain().contains("in a reading that was not complete"), "{}", explain());
}
