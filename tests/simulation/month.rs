//! Makes the story of a month from a seed.

use keymuster::sim::{Happening, Remote};

use crate::event::{Amount, Event, Story};
use crate::faults::{self, Kind};
use crate::random::Random;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const MONTH: u64 = 30 * DAY;

/// What happens how often.
const LIFE: &[(Happening, u64)] = &[
    (Happening::Used, 25),
    (Happening::MadeInProject, 6),
    (Happening::MadeAdmin, 2),
    (Happening::MadeDen, 5),
    (Happening::MadeMember, 5),
    (Happening::MadeToken, 2),
    (Happening::Revoked, 15),
    (Happening::Renamed, 6),
    (Happening::Moved, 5),
    (Happening::MovedToAdmin, 3),
    (Happening::ExpirySet, 2),
    (Happening::AccessLost, 4),
    (Happening::AccessRestored, 4),
    (Happening::Disabled, 3),
    (Happening::Enabled, 3),
    (Happening::Left, 5),
    (Happening::CameBack, 5),
    (Happening::Joined, 3),
    (Happening::ProjectMade, 1),
    (Happening::ProjectArchived, 2),
    (Happening::ProjectClosed, 2),
    (Happening::ProjectRestored, 4),
    (Happening::ProjectUnlisted, 2),
    (Happening::ProjectListed, 4),
];

/// The month of that seed.
pub fn of(seed: u64) -> Story {
    let mut random = Random::new(seed);
    let amount = match random.between(0, 100) {
        0..70 => Amount::Tiny,
        70..95 => Amount::Small,
        _ => Amount::Large,
    };
    let listing = random.pick(&["auto", "auto", "organization", "header", "token"]);
    let mut nature = vec!["token_exchange".to_owned()];
    if random.percent(40) {
        nature.push(format!("page_cap:braintrust:{}", random.between(1, 4)));
    }
    if listing != "organization" && random.percent(30) {
        nature.push("organization_list:missing".to_owned());
    }
    if random.percent(20) {
        nature.push("self_by_get".to_owned());
    }
    let deadline = random.pick(&[60, 600, 600, 3_600]);
    // Most months have about one poll a day of each provider; what happens between two is what they differ by, not how many.
    let often = if random.percent(10) { (60, 110) } else { (12, 32) };
    let mut plan = Plan { random, often, events: Vec::new(), polls: Vec::new() };
    for remote in Remote::ALL {
        plan.polls_of(*remote);
    }
    plan.life();
    if amount == Amount::Large || plan.random.percent(20) {
        plan.loss();
    }
    plan.faults(listing);
    plan.machine();
    plan.events.sort_by_key(|(at, _)| *at);
    Story { world: seed, amount, listing: listing.to_owned(), deadline, nature, events: plan.events }
}

struct Plan {
    random: Random,
    /// The fewest polls of an account, and the most.
    often: (u64, u64),
    events: Vec<(u64, Event)>,
    /// When polls begin.
    polls: Vec<u64>,
}

impl Plan {
    fn put(&mut self, at: u64, event: Event) {
        self.events.push((at, event));
    }

    fn polls_of(&mut self, remote: Remote) {
        let gap = MONTH / self.random.between(self.often.0, self.often.1);
        let mut at = self.random.between(0, 60);
        while at < MONTH {
            self.put(at, Event::Poll(remote));
            self.polls.push(at);
            // Now and then somebody asks for another one at once, or a while after.
            if self.random.percent(12) {
                let soon = at + self.random.between(60, 40 * 60);
                self.put(soon, Event::Poll(remote));
                self.polls.push(soon);
            }
            at += gap;
        }
    }

    /// Any time, or just when a poll is under way.
    fn time(&mut self) -> u64 {
        if self.random.percent(40) {
            let poll = self.random.pick(&self.polls);
            poll + self.random.between(0, 40)
        } else {
            self.random.between(0, MONTH)
        }
    }

    /// A time at which no poll is under way, and not before the first: that one is believed whatever organisation it sees, and
    /// a credential is one organisation's for as long as a poll lasts. Den's poll that sees two has a story of its own.
    fn between_polls(&mut self) -> u64 {
        loop {
            let at = self.random.between(3 * DAY, MONTH);
            if !self.polls.iter().any(|poll| (*poll..poll + 2 * HOUR).contains(&at)) {
                return at;
            }
        }
    }

    fn life(&mut self) {
        let all: u64 = LIFE.iter().map(|(_, weight)| weight).sum();
        for _ in 0..self.random.between(60, 220) {
            let mut draw = self.random.between(0, all);
            let what = LIFE.iter().find(|(_, weight)| {
                let here = draw < *weight;
                draw = draw.saturating_sub(*weight);
                here
            });
            let (at, pick) = (self.time(), self.random.between(0, 1_000));
            if let Some((what, _)) = what {
                self.put(at, Event::Life(*what, pick));
            }
        }
    }

    /// Much goes at once: what the guard is for.
    fn loss(&mut self) {
        let (what, least, most) = self.random.pick(&[
            (Happening::Revoked, 12, 40),
            (Happening::Left, 3, 20),
            (Happening::AccessLost, 8, 16),
            (Happening::ProjectClosed, 2, 10),
            (Happening::ProjectUnlisted, 2, 14),
        ]);
        let at = self.time();
        for _ in 0..self.random.between(least, most) {
            let pick = self.random.between(0, 1_000);
            self.put(at, Event::Life(what, pick));
        }
    }

    fn faults(&mut self, listing: &str) {
        let fitting: Vec<&Kind> = faults::ALL.iter().filter(|kind| kind.fits(listing)).collect();
        for _ in 0..self.random.between(6, 28) {
            let fault = self.random.pick(&fitting).text(&mut self.random);
            let seen_at_its_beginning = fault.starts_with("wrong_org") || fault == "organization_list:empty";
            let begins = if seen_at_its_beginning { self.between_polls() } else { self.time() };
            let lasts = self.random.pick(&[60, 2 * HOUR, 9 * HOUR, 9 * HOUR, DAY, 3 * DAY]);
            self.put(begins, Event::Fault(fault.clone()));
            let ends = begins + self.random.between(lasts / 2, lasts * 2);
            self.put(ends, Event::Healed(fault));
        }
    }

    fn machine(&mut self) {
        for (most, event) in [(5, Event::Kill), (2, Event::Stop), (2, Event::Reboot), (2, Event::Second)] {
            for _ in 0..self.random.between(0, most) {
                let at = self.time();
                self.put(at, event.clone());
            }
        }
        for _ in 0..self.random.between(0, 3) {
            let (at, hours) = (self.time(), self.random.between(1, 12));
            self.put(at, Event::Suspend(hours * HOUR));
        }
        let mut wrong: Vec<(u64, u64, i64)> = Vec::new();
        for _ in 0..self.random.between(0, 3) {
            let by = self.random.pick(&[1_800, 3_000, 3_600, 14_400, 365 * 86_400, 40]);
            let by = if self.random.percent(50) { by } else { -by };
            let (at, lasts) = (self.time(), self.random.pick(&[300, 9 * HOUR, DAY, 2 * DAY]));
            let mut sums = vec![by];
            for (_, _, other) in wrong.iter().filter(|(from, to, _)| *from <= at + lasts && at <= *to) {
                sums.extend(sums.clone().iter().map(|sum| sum + other));
            }
            if sums.into_iter().any(as_a_provider_may_be) {
                continue;
            }
            wrong.push((at, at + lasts, by));
            self.put(at, Event::Jump(by));
            self.put(at + lasts, Event::Jump(-by));
        }
        if self.random.percent(30) {
            let (remote, at) = (self.random.pick(Remote::ALL), self.time());
            self.put(at, Event::Remove(remote));
            let back = at + self.random.between(HOUR, 4 * DAY);
            self.put(back, Event::Add(remote));
        }
        for _ in 0..self.random.between(0, 3) {
            let (at, policy) = (self.time(), usize::try_from(self.random.between(0, 3)).unwrap());
            self.put(at, Event::Policy(policy));
        }
        for _ in 0..self.random.between(0, 4) {
            let (at, remote) = (self.time(), self.random.pick(Remote::ALL));
            self.put(at, Event::Ack(remote));
        }
    }
}

/// A clock that is wrong by so many seconds is within an hour of what a provider's may be wrong by as well: two that agree give
/// nothing away.
fn as_a_provider_may_be(wrong: i64) -> bool {
    let mut skews = faults::ALL.iter().filter_map(|kind| kind.word().strip_prefix("clock_skew:")?.parse::<i64>().ok());
    skews.any(|skew| wrong.abs_diff(skew) < HOUR)
}
