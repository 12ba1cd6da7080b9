//! The daemon by itself: it polls when it is due, one poll of an account at a time, and what it missed once.

use std::time::{Duration, Instant};

use keymuster::clock::Clock;
use rustix::process::Signal;

use crate::process::{PATIENCE, eventually};
use crate::support::{DEN, Daemon, OPENAI, Settings, Sim, Site, far_off, log_events, text};

const PROJECTS: &str = "/organization/projects";
const DEN_KEYS: &str = "/v1/api-keys";

/// How often the log tells that of an account.
fn told(daemon: &Daemon, account: &str, message: &str) -> usize {
    let events = log_events(&daemon.process.stderr()).into_iter();
    let of_it = events.filter(|event| event["account"] == account);
    of_it.filter(|event| event["message"].as_str().is_some_and(|told| told.starts_with(message))).count()
}

#[test]
fn it_polls_by_itself_and_never_twice_at_once() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: "*/1 * * * * *".to_owned(), ..Settings::default() });
    // Due again twice before a poll ends.
    sim.faults(&format!("latency:openai:2500 on {PROJECTS}"));
    let daemon = site.daemon();
    eventually("four polls of OpenAI", PATIENCE, || (sim.asked(PROJECTS) >= 4).then_some(()));
    let finished = daemon.stop().ended(0);
    let walks = site.sql("SELECT started_at, ended_at FROM walks WHERE kind = 'projects' ORDER BY started_at");
    assert!(walks.len() >= 3, "{walks:?}");
    for pair in walks.windows(2) {
        assert!(text(&pair[0], "ended_at") <= text(&pair[1], "started_at"), "{pair:?}");
    }
    log_events(&finished.stderr);
}

#[test]
fn an_account_whose_poll_does_not_end_holds_no_other_up() {
    let sim = Sim::small();
    let schedule = "*/1 * * * * *".to_owned();
    let site = Site::new(&sim, &Settings { schedule, tables: "[limits]\nrequest_timeout = \"1h\"", ..Settings::default() });
    sim.faults(&format!("latency:openai:3600000 on {PROJECTS}"));
    let daemon = site.daemon();
    eventually("polls of the other account beside one that is due again", PATIENCE, || {
        (told(&daemon, OPENAI, "due while its poll is still running") > 0 && told(&daemon, DEN, "polled") >= 3).then_some(())
    });
    assert_eq!(told(&daemon, OPENAI, "polled"), 0);
    daemon.stop().ended(0);
}

#[test]
fn it_catches_up_once_on_what_was_missed_and_on_nothing_else() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let asked = (sim.asked(PROJECTS), sim.asked(DEN_KEYS));

    let daemon = site.daemon();
    // The widest splay of a gap of four seconds is a fifth of one.
    std::thread::sleep(Duration::from_secs(2));
    daemon.stop().ended(0);
    assert_eq!((sim.asked(PROJECTS), sim.asked(DEN_KEYS)), asked, "nothing was due");

    site.meddle(&format!(
        "UPDATE poll SET started_at = started_at - 86400, settled_at = settled_at - 86400
          WHERE account_id = (SELECT id FROM account WHERE name = '{OPENAI}')"
    ));
    let daemon = site.daemon();
    eventually("the missed poll", PATIENCE, || (told(&daemon, OPENAI, "polled") > 0).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    daemon.stop().ended(0);
    assert_eq!((sim.asked(PROJECTS), sim.asked(DEN_KEYS)), (asked.0 + 1, asked.1), "one poll, of the account that missed one");
    let polls = site.sql("SELECT account, up FROM accounts ORDER BY account");
    assert_eq!((text(&polls[0], "account").as_str(), text(&polls[1], "account").as_str()), (DEN, OPENAI));
    assert!(polls.iter().all(|row| row["up"] == 1));
}

/// As under a debugger, or in a container that is paused: each account was due twice meanwhile.
#[test]
fn what_was_due_while_it_stood_still_is_polled_once() {
    let sim = Sim::small();
    let far = far_off();
    let site = Site::new(&sim, &Settings { schedule: far.clone(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
    let asked = (sim.asked(PROJECTS), sim.asked(DEN_KEYS));
    let now = || Clock::system().now().unix();
    // Both within one minute; until then a slow machine has time to read the config again.
    let first = (now() + 25..).find(|second| second % 60 < 58).unwrap();
    let (second, minute, hour) = (first % 60, first / 60 % 60, first / 3_600 % 24);
    site.edit(&far, &format!("{second},{} {minute} {hour} * * *", second + 2));
    site.run("ctl", &["reload"]).ended(0);
    let status = site.run("ctl", &["status"]).ended(0).stdout;
    let due = jiff::Timestamp::from_second(first).unwrap().to_string();
    assert_eq!(status.matches(&due).count(), 2, "the new schedule is in force: {status}");
    daemon.process.signal(Signal::STOP);
    assert!(now() < first && told(&daemon, OPENAI, "polled") == 0, "too slow to be stopped in time");
    std::thread::sleep(Duration::from_secs((first + 4 - now()).unsigned_abs()));
    daemon.process.signal(Signal::CONT);
    for account in [OPENAI, DEN] {
        eventually("the poll that was due", PATIENCE, || (told(&daemon, account, "polled") > 0).then_some(()));
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((told(&daemon, OPENAI, "polled"), told(&daemon, DEN, "polled")), (1, 1), "{}", daemon.process.stderr());
    daemon.stop().ended(0);
    assert_eq!((sim.asked(PROJECTS), sim.asked(DEN_KEYS)), (asked.0 + 1, asked.1 + 1));
}

/// What is told and when an account is due are the same wherever the machine is.
#[test]
fn the_time_zone_of_the_machine_changes_nothing() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    (0..5).for_each(|_| sim.beat());
    site.poll(&[]).ended(0);
    assert!(site.count("changes") > 0);
    let asked = || sim.requests().iter().map(|asked| asked.count).sum::<u64>();
    let before = asked();
    let config = site.config();
    let said = |zone: &str| {
        let zone = format!("TZ={zone}");
        let run = |words: &[&str]| {
            let words = [words, &["--config", config.to_str().unwrap()]].concat();
            site.start_under(&["/usr/bin/env", &zone], &words)
        };
        let began = Clock::system().now().unix();
        let daemon = Daemon::started(run(&["run"]));
        let [status, keys, changes] = [&["ctl", "status"][..], &["keys", "--format", "csv"], &["changes", "--format", "csv"]]
            .map(|words| run(words).finish(PATIENCE).ended(0).stdout);
        let log = daemon.stop().ended(0).stderr;
        for event in log_events(&log) {
            let at: jiff::Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
            assert!((began..=Clock::system().now().unix()).contains(&at.as_second()), "{zone}: {event}");
        }
        (status, keys, changes)
    };
    let here = said("UTC0");
    // Whole hours and others, on both sides of the date line, with daylight saving in one half of the year or the other.
    for zone in [
        "EST5EDT,M3.2.0,M11.1.0",
        "NST3:30NDT,M3.2.0,M11.1.0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "<+14>-14",
    ] {
        assert_eq!(said(zone), here, "{zone}");
    }
    assert_eq!(asked(), before, "nothing was due");
}

#[test]
fn no_account_is_polled_before_its_splay() {
    let sim = Sim::small();
    // Gaps of a minute, and so three seconds at most; those of these two names, at every start and in every build.
    let schedule = far_off().replace("0,4 30", "0 30,31");
    let splays = [(PROJECTS, Duration::from_millis(2_292)), (DEN_KEYS, Duration::from_millis(2_967))];
    for _ in 0..2 {
        let site = Site::new(&sim, &Settings { schedule: schedule.clone(), ..Settings::default() });
        let before = splays.map(|(path, _)| sim.asked(path));
        let began = Instant::now();
        let daemon = site.daemon();
        let mut seen = [None; 2];
        let waited = eventually("the first polls", PATIENCE, || {
            for (nth, (path, _)) in splays.iter().enumerate() {
                seen[nth] = seen[nth].or_else(|| (sim.asked(path) > before[nth]).then(|| began.elapsed()));
            }
            seen[0].zip(seen[1])
        });
        daemon.stop().ended(0);
        assert!(waited.0 >= splays[0].1 && waited.1 >= splays[1].1, "asked too early: {waited:?}");
    }
}
