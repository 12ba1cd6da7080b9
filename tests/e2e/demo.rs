//! `keymuster demo`: the whole thing on this machine alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use keymuster::domain::Condition;
use rustix::process::Signal;

use crate::process::{Answer, PATIENCE, eventually, get};
use crate::support::{Settings, Sim, Site, sql, text};

fn told(output: &str, name: &str) -> Option<String> {
    let line = output.lines().find(|line| line.trim_start().starts_with(name))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

#[test]
fn the_demo_shows_everything_changes_while_one_watches_and_leaves_nothing() {
    // Only its folder for temporary files is used.
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mut demo = site.start(&["demo", "--listen", "127.0.0.1:0"]);
    let (page, inventory) = eventually("where to look", Duration::from_secs(10), || {
        let output = demo.stdout();
        output.contains("Ctrl-C").then(|| (told(&output, "Page").unwrap(), PathBuf::from(told(&output, "Inventory").unwrap())))
    });
    assert!(demo.stdout().contains(&format!("{page}metrics")), "{}", demo.stdout());
    assert!(inventory.starts_with(site.path("tmp")), "{}", inventory.display());
    let address: SocketAddr = page.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();

    eventually("every condition", Duration::from_secs(20), || {
        let found = |condition: &Condition| {
            let query = format!("SELECT count(*) AS keys FROM keys WHERE instr(',' || conditions || ',', ',{condition},')");
            sql(&inventory, &query)[0]["keys"].as_i64().unwrap() > 0
        };
        Condition::ALL.iter().all(found).then_some(())
    });
    eventually("a change", Duration::from_secs(15), || {
        let rows = sql(&inventory, "SELECT key_id, change FROM changes");
        let shown = demo.stdout();
        rows.iter().any(|row| shown.contains(&text(row, "key_id")) && shown.contains(&text(row, "change"))).then_some(())
    });
    let kinds = sql(&inventory, "SELECT DISTINCT kind FROM keys");
    assert_eq!(kinds.len(), 6, "{kinds:?}");

    let answer =
        |path: &str| -> Answer { eventually(path, PATIENCE, || get(address, path).filter(|answer| answer.status == 200)) };
    assert!(answer("/").body.contains("<html"));
    let metrics = answer("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    assert!(metrics.body.contains("keymuster_stale_keys{"), "{}", metrics.body);

    assert!(demo.runs());
    demo.signal(Signal::INT);
    let finished = demo.finish(Duration::from_secs(6)).ended(0);
    assert!(finished.stderr.is_empty(), "{}", finished.stderr);
    assert!(finished.stdout.contains("the scratch inventory is gone"), "{}", finished.stdout);
    assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "the scratch folder is left");
    assert!(sim.requests().is_empty());
}

#[test]
fn the_simulators_alone_offer_a_config_that_works() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let folder = site.path("made");
    let simulate =
        site.start(&["simulate", "--listen", "127.0.0.1:0", "--seed", "7", "--write-config", folder.to_str().unwrap()]);
    eventually("the config", PATIENCE, || simulate.stdout().contains("Ctrl-C").then_some(()));
    let config = folder.join("keymuster.toml");
    let poll = || site.start(&["poll", "--config", config.to_str().unwrap()]).finish(PATIENCE);
    poll().ended(0);
    let truth = told(&simulate.stdout(), "Truth").unwrap();
    let address: SocketAddr = truth.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
    let truth: Vec<keymuster::sim::TrueKey> = serde_json::from_str(&get(address, "/_sim/truth").unwrap().body).unwrap();
    let listed = truth.iter().filter(|key| key.listed || key.leaked).count();
    let stored = sql(&folder.join("inventory.db"), "SELECT count(*) AS keys FROM keys")[0]["keys"].as_u64().unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), listed);
    simulate.signal(Signal::TERM);
    simulate.finish(Duration::from_secs(3)).ended(0);
    poll().ended(69);
}
