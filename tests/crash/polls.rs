//! Kills of the daemon while it polls, and while it applies and settles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use keymuster::sim::{Remote, Size};

use crate::kills::{Figures, Random, kill, share, start};
use crate::left::{Left, shown, shown_by};
use crate::process::{PATIENCE, Running};
use crate::support::{DEN, OPENAI, PROJECT_KEYS, Settings, Sim, Site};

/// Kills of one world, after which a new one begins: it must not run out of keys.
const OF_ONE_WORLD: usize = 24;

/// Every so many kills one is of the daemon; the others are of `poll`, which does not wait until a poll is due.
const DAEMONS: usize = 10;

/// No poll is silent for so long between two requests.
const QUIET: Duration = Duration::from_millis(300);

/// A world that changes only between starts, and all keys that it ever had.
struct World {
    sim: Sim,
    site: Site,
    ever: BTreeSet<String>,
    /// Requests of one poll of each account.
    requests: u64,
    /// What a poll of all takes, and how much of it comes behind the last answer.
    whole: Duration,
    settling: Duration,
}

impl World {
    fn new() -> Self {
        let size = Size {
            people: 12,
            projects: 4,
            archived_projects: 1,
            project_keys: 240,
            admin_keys: 5,
            den_keys: 60,
            ..Size::members(10, 3)
        };
        let sim = Sim::of(size);
        // Much is revoked at once here, and that is right; and what is missing may be gone at once.
        let settings = Settings {
            schedule: "* * * * * *".to_owned(),
            openai: "concurrency = 2",
            guard: "min_keys = 100000\nsmall_scope = 100000",
            confirm_after: "1s",
            ..Settings::default()
        };
        let site = Site::new(&sim, &settings);
        site.poll(&[]).ended(0);
        sim.faults(&format!("latency:8 on {PROJECT_KEYS}\nlatency:6 on /v1/org"));
        let mut world = Self { sim, site, ever: BTreeSet::new(), requests: 0, whole: Duration::ZERO, settling: Duration::ZERO };
        world.change();
        world.measure();
        world
    }

    fn asked(&self) -> u64 {
        self.sim.requests().iter().map(|asked| asked.count).sum()
    }

    /// Life goes on, and keys are revoked at each account.
    fn change(&mut self) {
        for _ in 0..3 {
            self.sim.beat();
        }
        for (provider, count) in [(Remote::OpenAi, 6), (Remote::Den, 2)] {
            let theirs = self
                .sim
                .truth()
                .into_iter()
                .filter(|key| key.provider == provider && key.listed && !key.name.contains("keymuster"));
            for key in theirs.take(count) {
                self.sim.change(|world| world.revoke(&key.id));
            }
        }
        self.ever.extend(self.sim.truth().into_iter().map(|key| key.id));
    }

    /// One poll that nobody kills.
    fn measure(&mut self) {
        self.ever.extend(self.site.presences().into_keys().map(|key| key.split_once('/').unwrap().1.to_owned()));
        let (asked, began) = (self.asked(), Instant::now());
        let mut poll = self.poll();
        let mut last_answer = (asked, Instant::now());
        while poll.runs() {
            let now = self.asked();
            if now > last_answer.0 {
                last_answer = (now, Instant::now());
            }
            assert!(began.elapsed() < PATIENCE, "a poll does not end");
            std::thread::sleep(Duration::from_micros(500));
        }
        self.requests = last_answer.0 - asked;
        self.whole = began.elapsed();
        self.settling = last_answer.1.elapsed();
        poll.finish(PATIENCE).ended(0);
    }

    /// Until so much was asked, or nothing more is: a poll that lacks no member's key does not read the people once more.
    fn wait_for(&self, requests: u64) {
        let before = self.asked();
        let (mut asked, mut since) = (before, Instant::now());
        while asked < requests && since.elapsed() < if asked == before { PATIENCE } else { QUIET } {
            let now = self.asked();
            if now > asked {
                (asked, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Both accounts, side by side, at once.
    fn poll(&self) -> Running {
        self.site.start(&["poll", "--config", self.site.config().to_str().unwrap()])
    }

    /// The ids that a right way of asking lists now, by account.
    fn listed(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let ids = |provider| {
            let theirs = self.sim.truth().into_iter().filter(move |key| key.provider == provider && (key.listed || key.leaked));
            theirs.map(|key| key.id).collect()
        };
        BTreeMap::from([(OPENAI, ids(Remote::OpenAi)), (DEN, ids(Remote::Den))])
    }

    /// The same, by the scope that lists them.
    fn listed_by_scope(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut scopes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for key in self.sim.truth() {
            let scope = match (key.provider, key.home.as_str()) {
                (Remote::OpenAi, "admin") => "admin/".to_owned(),
                (Remote::OpenAi, project) => format!("project/{project}"),
                (Remote::Den, _) => "organization/".to_owned(),
                (Remote::Braintrust, _) => continue,
            };
            if key.leaked {
                scopes.entry("admin/".to_owned()).or_default().insert(key.id.clone());
            }
            if key.listed {
                scopes.entry(scope).or_default().insert(key.id);
            }
        }
        scopes
    }

    /// What was left tells nothing but the truth, and all that this run claims to have read. Returns where the kill fell.
    fn judge(&self, left: &Left, before: &BTreeSet<String>, runs: usize, kill: usize) -> &'static str {
        left.assert_sound();
        let after = shown(&left.connection);
        let lost: Vec<&String> = before.difference(&after).collect();
        assert!(lost.is_empty(), "kill {kill} lost {lost:?}");

        let phantoms: Vec<String> = left.texts("SELECT remote_id FROM key").difference(&self.ever).cloned().collect();
        assert!(phantoms.is_empty(), "kill {kill}: nobody ever had {phantoms:?}");
        let listed = self.listed();
        for (account, listed) in &listed {
            let absent =
                left.texts(&format!("SELECT key_id FROM keys WHERE account = '{account}' AND presence IN ('missing', 'gone')"));
            let lies: Vec<&String> = absent.intersection(listed).collect();
            assert!(lies.is_empty(), "kill {kill}: {lies:?} of {account} are there, and are said to be missing or gone");
        }
        if after.iter().filter(|row| row.starts_with("run ")).count() == runs {
            return "before it wrote anything";
        }
        self.assert_walks_are_whole(left, kill);
        self.assert_settled_whole(left, &listed, kill);
        place(left)
    }

    /// Each list that this run read to its end holds exactly what it held.
    fn assert_walks_are_whole(&self, left: &Left, kill: usize) {
        let truth = self.listed_by_scope();
        let walked = left.texts(
            "SELECT concat(s.id, ' ', s.kind, '/', iif(s.kind = 'project', s.remote_id, '')) FROM scope AS s JOIN walk AS w ON w.id = s.complete_walk
              WHERE s.kind IN ('project', 'admin', 'organization') AND w.run_id = (SELECT max(id) FROM run)",
        );
        for scope in walked {
            let (row, name) = scope.split_once(' ').unwrap();
            let stored = left.texts(&format!(
                "SELECT k.remote_id FROM sighting AS x JOIN key AS k ON k.id = x.key_id WHERE x.scope_id = {row} AND x.unlisted_walk IS NULL"
            ));
            assert_eq!(
                &stored,
                truth.get(name).unwrap_or(&BTreeSet::new()),
                "kill {kill}: {name} was read whole, and holds something else"
            );
        }
    }

    /// A poll that settled concluded everything, one that did not nothing.
    fn assert_settled_whole(&self, left: &Left, listed: &BTreeMap<&str, BTreeSet<String>>, kill: usize) {
        for (account, listed) in listed {
            let polls = format!(
                "FROM poll AS p JOIN account AS a ON a.id = p.account_id
                 WHERE a.name = '{account}' AND p.run_id = (SELECT max(id) FROM run) AND p.settled_at IS NOT NULL"
            );
            if left.number(&format!("SELECT count(*) {polls} AND p.up")) > 0 {
                let present =
                    left.texts(&format!("SELECT key_id FROM keys WHERE account = '{account}' AND presence = 'present'"));
                let differ: Vec<&String> = present.symmetric_difference(listed).collect();
                assert!(differ.is_empty(), "kill {kill}: {account} settled, and is not what it was: {differ:?}");
            } else if left.number(&format!("SELECT count(*) {polls}")) == 0 {
                let concluded = left.number(&format!(
                    "SELECT count(*) FROM key AS k JOIN account AS a ON a.organization_id = k.organization_id
                      WHERE a.name = '{account}' AND k.missing_run = (SELECT max(id) FROM run)"
                ));
                assert_eq!(concluded, 0, "kill {kill}: {account} did not settle, and something was concluded");
            }
        }
    }
}

/// Where a kill fell, by what it left.
fn place(left: &Left) -> &'static str {
    let of_run = "run_id = (SELECT max(id) FROM run)";
    let unsettled = format!("FROM poll AS p WHERE p.{of_run} AND p.settled_at IS NULL");
    if left.torn {
        "in the middle of a commit"
    } else if left.number(&format!("SELECT count(*) {unsettled} AND EXISTS (SELECT 1 FROM walk AS w WHERE w.poll_id = p.id)")) > 0
    {
        "between applying and settling"
    } else if left.number(&format!("SELECT count(*) FROM poll WHERE {of_run}")) == 0 {
        "before a poll stored anything"
    } else {
        "after settling"
    }
}

fn chain(what: &'static str, kills: usize, seed: u64, delay: impl Fn(&World, &mut Random, u64) -> BTreeSet<String>) {
    let (mut figures, mut random) = (Figures::of(what), Random(seed));
    let mut world = World::new();
    for number in 0..kills {
        if number % OF_ONE_WORLD == OF_ONE_WORLD - 1 {
            world.converge();
            world = World::new();
        }
        world.change();
        let asked = world.asked();
        let mut before = shown(&Left::of(&world.site.inventory()).unwrap().connection);
        let runs = before.iter().filter(|row| row.starts_with("run ")).count();
        let victim = if number % DAEMONS == 0 {
            // It waits for the next second before it polls.
            let ready = start(&world.site);
            figures.ready(ready.after);
            world.wait_for(asked + 1);
            ready.daemon
        } else {
            world.poll()
        };
        before.extend(delay(&world, &mut random, asked));
        kill(victim);
        let left = Left::of(&world.site.inventory()).unwrap();
        figures.fell(world.judge(&left, &before, runs, number));
    }
    world.converge();
    figures.tell();
}

impl World {
    /// After all that, one poll gives the truth.
    fn converge(&self) {
        self.sim.faults("");
        self.site.poll(&[]).ended(0);
        let left = Left::of(&self.site.inventory()).unwrap();
        left.assert_sound();
        self.assert_settled_whole(&left, &self.listed(), usize::MAX);
        assert_eq!(left.number("SELECT count(*) FROM scopes WHERE state NOT IN ('complete', 'closed')"), 0);
    }
}

#[test]
fn kills_while_it_polls() {
    chain("polls", share(120), 1, |world, random, _| {
        std::thread::sleep(random.part(world.whole));
        BTreeSet::new()
    });
}

#[test]
fn kills_while_it_settles() {
    chain("settling", share(160), 2, |world, random, asked| {
        // The last one may be the second look at the people, which not every poll needs.
        world.wait_for(asked + world.requests - 1);
        let shown = shown_by(&world.site.inventory());
        std::thread::sleep(random.part(world.settling));
        shown
    });
}
