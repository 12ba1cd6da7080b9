//! The daemon by itself: it polls when it is due, one poll of an account at a time, and what it missed once.

use std::time::{Duration, Instant};

use crate::process::{PATIENCE, eventually};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, log_events, text};

const PROJECTS: &str = "/organization/projects";
const DEN_KEYS: &str = "/v1/api-keys";

/// Once a minute, half a minute from now.
fn not_soon() -> String {
    let second = keymuster::clock::Clock::system().now().unix().rem_euclid(60);
    format!("{} * * * * *", (second + 30) % 60)
}

#[test]
fn it_polls_by_itself_and_never_twice_at_once() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: "*/1 * * * * *".to_owned(), ..Settings::default() });
    sim.faults(&format!("latency:openai:2500 on {PROJECTS}"));
    let daemon = site.daemon();
    let began = Instant::now();
    eventually("four polls of OpenAI", PATIENCE, || (sim.asked(PROJECTS) >= 4).then_some(()));
    let took = began.elapsed();
    let den = sim.asked(DEN_KEYS);
    let finished = daemon.stop().ended(0);

    assert!(took > Duration::from_millis(7_500), "four polls of 2.5 s each ended within {took:?}");
    assert!(den >= 7, "the slow account held the other up: {den} polls in {took:?}");
    let walks = site.sql("SELECT started_at, ended_at FROM walks WHERE kind = 'projects' ORDER BY started_at");
    assert!(walks.len() >= 3, "{walks:?}");
    for pair in walks.windows(2) {
        assert!(text(&pair[0], "ended_at") <= text(&pair[1], "started_at"), "{pair:?}");
    }
    log_events(&finished.stderr);
}

#[test]
fn it_catches_up_once_on_what_was_missed_and_on_nothing_else() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: not_soon(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let asked = (sim.asked(PROJECTS), sim.asked(DEN_KEYS));

    let daemon = site.daemon();
    // The widest splay of a minute's schedule is three seconds.
    std::thread::sleep(Duration::from_secs(5));
    daemon.stop().ended(0);
    assert_eq!((sim.asked(PROJECTS), sim.asked(DEN_KEYS)), asked, "nothing was due");

    site.meddle(&format!(
        "UPDATE poll SET started_at = started_at - 7200, settled_at = settled_at - 7200
          WHERE account_id = (SELECT id FROM account WHERE name = '{OPENAI}')"
    ));
    site.configure(&sim, &Settings { schedule: not_soon(), ..Settings::default() });
    let daemon = site.daemon();
    eventually("the missed poll", Duration::from_secs(6), || (sim.asked(PROJECTS) > asked.0).then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    daemon.stop().ended(0);
    assert_eq!((sim.asked(PROJECTS), sim.asked(DEN_KEYS)), (asked.0 + 1, asked.1), "one poll, of the account that missed one");
    let polls = site.sql("SELECT account, up FROM accounts ORDER BY account");
    assert_eq!((text(&polls[0], "account").as_str(), text(&polls[1], "account").as_str()), (DEN, OPENAI));
    assert!(polls.iter().all(|row| row["up"] == 1));
}

#[test]
fn the_splay_is_the_same_at_every_start_and_differs_between_accounts() {
    let sim = Sim::small();
    let mut delays = Vec::new();
    for _ in 0..2 {
        let site = Site::new(&sim, &Settings { schedule: not_soon(), ..Settings::default() });
        let before = (sim.asked(PROJECTS), sim.asked(DEN_KEYS));
        let daemon = site.daemon();
        let began = Instant::now();
        let (mut openai, mut den) = (None, None);
        let both = eventually("the first polls", Duration::from_secs(8), || {
            openai = openai.or_else(|| (sim.asked(PROJECTS) > before.0).then(|| began.elapsed()));
            den = den.or_else(|| (sim.asked(DEN_KEYS) > before.1).then(|| began.elapsed()));
            openai.zip(den)
        });
        daemon.stop().ended(0);
        delays.push(both);
    }
    let [(openai, den), (openai_again, den_again)] = delays[..] else { panic!("two starts") };
    let near = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_millis(500);
    assert!(near(openai, openai_again) && near(den, den_again), "{delays:?}");
    assert!(openai < Duration::from_secs(4) && den < Duration::from_secs(4), "{delays:?}");
    assert!(openai.abs_diff(den) > Duration::from_millis(200), "both accounts ask at once: {delays:?}");
}
