//! `keymuster demo`: the whole thing on this machine alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use keymuster::domain::Condition;
use rustix::process::Signal;

use crate::process::{Answer, PATIENCE, Running, eventually, get};
use crate::support::{Settings, Sim, Site, sql, text};

/// The story takes its time: two minutes where nothing else runs.
const STORY: Duration = Duration::from_secs(600);
/// What should come within seconds, but need not where much else runs.
const SOON: Duration = PATIENCE;

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
    let (page, inventory) = eventually("where to look", SOON, || {
        let output = demo.stdout();
        output.contains("Ctrl-C").then(|| (told(&output, "Page").unwrap(), PathBuf::from(told(&output, "Inventory").unwrap())))
    });
    assert!(demo.stdout().contains(&format!("{page}metrics")), "{}", demo.stdout());
    assert!(inventory.starts_with(site.path("tmp")), "{}", inventory.display());
    let address: SocketAddr = page.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();

    eventually("every condition", SOON, || {
        let found = |condition: &Condition| {
            let query = format!("SELECT count(*) AS keys FROM keys WHERE instr(',' || conditions || ',', ',{condition},')");
            sql(&inventory, &query)[0]["keys"].as_i64().unwrap() > 0
        };
        Condition::ALL.iter().all(found).then_some(())
    });
    eventually("a change", SOON, || {
        let rows = sql(&inventory, "SELECT key_id, change FROM changes");
        let shown = demo.stdout();
        rows.iter().any(|row| shown.contains(&text(row, "key_id"))).then_some(())
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
    let finished = demo.finish(SOON).ended(0);
    // A busy machine may need more than five seconds for a poll.
    let complaints: Vec<&str> = finished.stderr.lines().filter(|line| !line.contains("its poll is still running")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(finished.stdout.contains("the scratch inventory is gone"), "{}", finished.stdout);
    assert_eq!(std::fs::read_dir(site.path("tmp")).unwrap().count(), 0, "the scratch folder is left");
    assert!(sim.requests().is_empty());
}

#[test]
fn the_demo_holds_what_disappears_at_once_until_its_own_command_is_pasted_into_a_shell() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mut demo = site.start(&["demo", "--listen", "127.0.0.1:0"]);
    let command = eventually("a command for the newcomer", STORY, || {
        let shown = demo.stdout();
        assert!(demo.runs(), "{shown}{}", demo.stderr());
        shown.lines().map(str::trim).find(|line| line.contains(" ctl --config ") && line.contains(" ack ")).map(str::to_owned)
    });
    let shown = demo.stdout();
    assert!(shown.contains("HELD: ") && shown.contains("disappeared at once"), "{shown}");
    let closed = "this member is also in an organisation that is not ours";
    let plain = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains("cannot be read: keys of member ") && plain.contains(closed), "{shown}");
    let inventory = PathBuf::from(told(&shown, "Inventory").unwrap());
    let held = sql(&inventory, "SELECT account, key_id, presence FROM keys WHERE held_since IS NOT NULL");
    assert!(held.len() >= 10 && held.iter().all(|row| row["presence"] == "present"), "{held:?}");
    let account = text(&held[0], "account");
    assert!(command.contains(&format!(" ack {account} --why '")), "{command}");

    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    let said = Running::start(shell, "dash").finish(SOON).ended(0);
    assert!(said.stdout.starts_with(&format!("{account}: ")) && said.stdout.contains("by the ordinary proof"), "{}", said.all());
    eventually("the end of the hold", SOON, || demo.stdout().contains("no longer held: ").then_some(()));
    let ended = sql(&inventory, "SELECT ended_why FROM holds WHERE ended_by IS NOT NULL");
    assert!(
        !ended.is_empty() && ended.iter().all(|row| command.ends_with(&format!("'{}'", text(row, "ended_why")))),
        "{ended:?}"
    );
    let ids: Vec<String> = held.iter().map(|row| format!("'{}'", text(row, "key_id"))).collect();
    let gone = format!("SELECT count(*) AS keys FROM keys WHERE presence = 'gone' AND key_id IN ({})", ids.join(","));
    eventually("all of them gone", STORY, || {
        assert!(demo.runs(), "{}{}", demo.stdout(), demo.stderr());
        (sql(&inventory, &gone)[0]["keys"] == held.len()).then_some(())
    });
    demo.signal(Signal::INT);
    demo.finish(SOON).ended(0);
}

#[test]
fn the_demo_says_in_plain_words_what_a_dropped_header_does() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    let mut demo = site.start(&["demo", "--listen", "127.0.0.1:0", "--fault", "header_dropped"]);
    let shown = eventually("the refusal", SOON, || {
        assert!(demo.runs(), "{}{}", demo.stdout(), demo.stderr());
        Some(demo.stdout()).filter(|shown| shown.contains("none is called missing."))
    });
    let plain = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Fault header_dropped: Ignores x-bt-impersonate-user",
        "demo-braintrust refused: keys of member ",
        "We asked for one person's keys and were given another's, as happens when a proxy drops a header (attribution_mismatch)",
        "no key is filed under the wrong owner, and none is called missing.",
    ] {
        assert!(plain.contains(words), "{words}: {shown}");
    }
    let inventory = PathBuf::from(told(&shown, "Inventory").unwrap());
    let theirs = "SELECT DISTINCT owner_id FROM keys WHERE provider = 'braintrust' AND kind = 'personal'";
    assert_eq!(sql(&inventory, theirs).len(), 1, "only the caller's own keys are the caller's");
    demo.signal(Signal::INT);
    demo.finish(SOON).ended(0);
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
    simulate.finish(SOON).ended(0);
    poll().ended(69);
}
