//! SIGTERM at random points of a start, of polls, of a backup and of a reload, and a second signal while the program stops: it ends
//! within five seconds, in good order once it has begun to listen, and leaves a sound file in which nothing is missing.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kills::{Figures, Random, share, start};
use crate::left::{Left, beside, shown, shown_by};
use crate::process::{PATIENCE, Running};
use crate::support::{PROJECT_KEYS, Settings, Sim, Site, far_off};

/// How long a stop may take, whatever is under way.
const PROMISED: Duration = Duration::from_secs(5);

/// What a busy machine may add to it: an idle daemon has been seen to take as long.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The ends of many processes, and how long they took.
struct Ends(Vec<Duration>);

impl Ends {
    /// Waits for the end of a process that was just told to stop. Whether it was listening already.
    #[track_caller]
    fn wait(&mut self, process: Running, number: usize) -> bool {
        let began = Instant::now();
        let finished = process.finish(PATIENCE);
        self.0.push(began.elapsed());
        assert!(!finished.stderr.contains("panicked"), "signal {number}: {}", finished.stderr);
        // Before it listens, it is ended by the system.
        assert!(matches!(finished.code, Some(0) | None), "signal {number}: {:?}\n{}", finished.code, finished.all());
        finished.code.is_some()
    }

    /// A machine that stands still for seconds does so once or twice, not at every tenth end.
    fn assert_prompt(mut self) {
        self.0.sort();
        let at = |percent: usize| self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)];
        let (half, most) = (at(50), at(100));
        writeln!(std::io::stderr(), "SIGTERM: ended after {half:.0?} (p50), {:.0?} (p90), {most:.0?} (most)", at(90)).unwrap();
        assert!(at(90) < PROMISED, "{:?}", self.0);
        assert!(most < PROMISED + STANDSTILL, "{:?}", self.0);
    }
}

/// Sound, without a log where the end was in good order, and nothing of what was there before is missing.
#[track_caller]
fn judge(site: &Site, before: &BTreeSet<String>, in_order: bool, number: usize) {
    let path = site.inventory();
    if in_order {
        assert!(!beside(&path, "-wal").exists() && !beside(&path, "-journal").exists(), "signal {number} left a log");
    }
    let Some(left) = Left::of(&path) else {
        assert!(before.is_empty(), "signal {number} left no file");
        return;
    };
    if left.number("PRAGMA user_version") == 0 {
        assert!(
            before.is_empty() && left.number("SELECT count(*) FROM sqlite_schema") == 0,
            "signal {number} left half a schema"
        );
        return;
    }
    if in_order {
        assert_eq!(left.texts("PRAGMA journal_mode"), BTreeSet::from(["delete".to_owned()]), "signal {number}");
    }
    left.assert_sound();
    let lost: Vec<String> = before.difference(&shown(&left.connection)).cloned().collect();
    assert!(lost.is_empty(), "signal {number} lost {lost:?}");
}

#[test]
fn sigterm_while_it_starts() {
    let sim = Sim::small();
    let polled = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    polled.poll(&[]).ended(0);
    let measured = start(&polled);
    let whole = measured.after;
    let (mut figures, mut random, mut ends) = (Figures::of("SIGTERM, starts"), Random(30), Ends(Vec::new()));
    measured.daemon.signal(Signal::TERM);
    ends.wait(measured.daemon, 0);
    for number in 0..share(80) {
        // The first start of all, and one of many.
        let first = (number % 3 == 0).then(|| Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() }));
        let site = first.as_ref().unwrap_or(&polled);
        let before = if first.is_some() { BTreeSet::new() } else { shown_by(&site.inventory()) };
        let daemon = site.start(&["run", "--config", site.config().to_str().unwrap()]);
        std::thread::sleep(random.part(whole * 5 / 4));
        daemon.signal(Signal::TERM);
        let in_order = ends.wait(daemon, number);
        figures.fell(if in_order { "while it listened" } else { "before it listened" });
        judge(site, &before, in_order, number);
    }
    let again = start(&polled);
    figures.ready(again.after);
    again.daemon.signal(Signal::TERM);
    assert!(ends.wait(again.daemon, 0), "the last one");
    ends.assert_prompt();
    figures.tell();
}

/// One whose accounts are polled every second, slowly enough to be met in the middle.
fn busy(sim: &Sim) -> Site {
    let settings = Settings {
        schedule: "* * * * * *".to_owned(),
        openai: "concurrency = 2",
        guard: "min_keys = 100000\nsmall_scope = 100000",
        confirm_after: "1s",
        ..Settings::default()
    };
    let site = Site::new(sim, &settings);
    site.poll(&[]).ended(0);
    sim.faults(&format!("latency:8 on {PROJECT_KEYS}\nlatency:6 on /v1/org"));
    site
}

#[test]
fn sigterm_while_it_polls_and_once_more_while_it_stops() {
    let sim = Sim::small();
    let site = busy(&sim);
    let (mut figures, mut random, mut ends) = (Figures::of("SIGTERM, polls"), Random(31), Ends(Vec::new()));
    let asked = || sim.requests().iter().map(|asked| asked.count).sum::<u64>();
    let (mut in_polls, all) = (0, share(60));
    for number in 0..all {
        sim.beat();
        let (before, asked_before) = (shown_by(&site.inventory()), asked());
        let daemon = start(&site).daemon;
        std::thread::sleep(random.part(Duration::from_millis(1_200)));
        let begun = asked() > asked_before;
        in_polls += usize::from(begun);
        daemon.signal(Signal::TERM);
        // Impatient people and service managers ask again, in either way.
        let again = match number % 4 {
            0 | 1 => None,
            2 => Some(Signal::TERM),
            _ => Some(Signal::INT),
        };
        if let Some(again) = again {
            std::thread::sleep(random.part(Duration::from_millis(40)));
            daemon.signal(again);
        }
        assert!(ends.wait(daemon, number), "signal {number} ended it in disorder");
        figures.fell(match (begun, again.is_some()) {
            (true, false) => "once, a poll had begun",
            (true, true) => "twice, a poll had begun",
            (false, false) => "once before a poll",
            (false, true) => "twice before a poll",
        });
        judge(&site, &before, true, number);
    }
    assert!(in_polls > all / 4, "only {in_polls} of {all} came after a poll had begun");
    sim.faults("");
    site.poll(&[]).ended(0);
    ends.assert_prompt();
    figures.tell();
}

#[test]
fn sigterm_while_it_reads_its_config_again() {
    let sim = Sim::small();
    let site = busy(&sim);
    let before_all = shown_by(&site.inventory());
    let (mut figures, mut random, mut ends) = (Figures::of("SIGTERM, reloads"), Random(32), Ends(Vec::new()));
    for number in 0..share(30) {
        let daemon = start(&site).daemon;
        // Every other time there is a new policy, by which all keys are judged anew.
        let (from, to) = if number % 2 == 0 {
            ("[guard]", "[policy]\nmax_age = \"10d\"\n[guard]")
        } else {
            ("[policy]\nmax_age = \"10d\"\n[guard]", "[guard]")
        };
        site.edit(from, to);
        daemon.signal(Signal::HUP);
        std::thread::sleep(random.part(Duration::from_millis(60)));
        daemon.signal(Signal::TERM);
        assert!(ends.wait(daemon, number), "signal {number} ended it in disorder");
        figures.fell("reload");
        judge(&site, &before_all, true, number);
    }
    ends.assert_prompt();
    figures.tell();
}

#[test]
fn sigterm_while_it_backs_up_beside_a_daemon_that_ends_too() {
    let sim = Sim::small();
    let site = busy(&sim);
    fs::create_dir(site.path("backups")).unwrap();
    let to = site.path("backups/inventory.db");
    let backup = || site.start(&["db", "backup", "--config", "keymuster.toml", "--replace", "backups/inventory.db"]);
    let began = Instant::now();
    backup().finish(PATIENCE).ended(0);
    let whole = began.elapsed();
    let (mut figures, mut random, mut ends) = (Figures::of("SIGTERM, backups"), Random(33), Ends(Vec::new()));
    for number in 0..share(30) {
        sim.beat();
        let before = shown_by(&site.inventory());
        let (daemon, process) = (start(&site).daemon, backup());
        std::thread::sleep(random.part(whole * 5 / 4));
        // Both at once, as at the end of a machine's day.
        process.signal(Signal::TERM);
        daemon.signal(Signal::TERM);
        let whole = ends.wait(process, number);
        assert!(ends.wait(daemon, number), "signal {number} ended the daemon in disorder");
        figures.fell(if whole { "after the backup" } else { "in it" });
        // The backup read while the daemon stopped: then the log may stay.
        judge(&site, &before, false, number);
        let connection = rusqlite::Connection::open_with_flags(&to, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        crate::left::assert_sound(&to, &connection);
    }
    // What was left half way is in nobody's way.
    backup().finish(PATIENCE).ended(0);
    assert_eq!(fs::read_dir(site.path("backups")).unwrap().count(), 1);
    ends.assert_prompt();
    figures.tell();
}
