//! What happens while somebody watches: keys are used, made, renamed and revoked, members leave and join.

use super::birth::plain_den_key;
use super::world::{Home, Key, Owner, World, count, index};
use crate::domain::Time;

/// How much time one beat of life stands for.
pub(super) const BEAT_SECONDS: u64 = 3;
/// A member leaves at this beat, which is about a minute after the start, and every so many beats.
const LEAVES_AT: u64 = 20;
const LEAVES_EVERY: u64 = 100;
/// A member joins at this beat, and every so many beats.
const JOINS_AT: u64 = 12;

/// Most of Den's keys are deleted at this beat, about a minute and a half after the start: too many to be believed unasked.
const CLEARED_AT: u64 = 30;
/// One of so many is left then.
const LEFT_OF: usize = 6;

/// Something that happened, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened, in the past tense.
    pub what: &'static str,
    /// The id of the key or the member it happened to.
    pub id: String,
}

impl World {
    /// One beat of life at `now`. A beat stands for three seconds of a lively organisation.
    ///
    /// Expiry needs no beat: it comes by itself. Den drops its expired keys when one is made.
    pub fn step(&mut self, now: Time) -> Vec<Event> {
        self.beats += 1;
        let mut events = Vec::new();
        for _ in 0..2 + (self.keys.len() / 1000).min(50) {
            events.extend(self.use_one(now));
        }
        if self.beats % 5 == 2 {
            events.extend(self.make_project_one(now));
        }
        if self.beats % 10 == 4 {
            events.push(self.make_den_one(now));
        }
        if self.beats.is_multiple_of(5) {
            events.extend(self.revoke_one());
        }
        if self.beats % 7 == 3 {
            events.extend(self.rename_one());
        }
        if self.beats % 10 == 6 {
            events.extend(self.make_member_key(now).map(|number| self.event("made", number)));
        }
        if self.beats % 10 == 8 {
            let number = self.any_member_key();
            events.extend(number.and_then(|number| self.revoke_that(number)));
        }
        if self.beats % LEAVES_EVERY == JOINS_AT {
            let (person, key) = self.one_joins(now);
            events.extend(self.person(person).map(|p| Event { what: "joined", id: p.user_id.clone() }));
            events.push(self.event("made", key));
        }
        if self.beats % LEAVES_EVERY == LEAVES_AT {
            events.extend(self.one_leaves(now));
        }
        if self.beats == CLEARED_AT {
            events.extend(self.clear_den());
        }
        events
    }

    fn event(&self, what: &'static str, number: u32) -> Event {
        Event { what, id: self.key_id(number) }
    }

    /// Some key that exists, is not Braintrust's and is neither of the simulation's own.
    fn any_key(&mut self) -> Option<u32> {
        for _ in 0..20 {
            let number = count(self.random.below(self.keys.len()));
            let exists = self.key(number).is_some_and(|key| key.exists && !key.is_braintrust());
            if exists && number != self.own_admin_key && number != self.own_den_key {
                return Some(number);
            }
        }
        None
    }

    fn use_one(&mut self, now: Time) -> Option<Event> {
        let number = self.any_key()?;
        let key = self.keys.get_mut(index(number))?;
        if !key.enabled || key.expires.is_some_and(|at| at <= now) {
            return None;
        }
        key.last_used = Some(now);
        Some(self.event("used", number))
    }

    fn make_project_one(&mut self, now: Time) -> Option<Event> {
        let open: Vec<u32> = (0..count(self.projects.len()))
            .filter(|n| self.projects[index(*n)].archived.is_none() && self.projects[index(*n)].listed)
            .collect();
        let project = *self.random.pick(&open)?;
        let key = Key {
            created: now,
            last_used: None,
            expires: self.random.percent(50).then(|| now.plus(self.random.between(1, 365) * 86_400)),
            owner: Owner::Service(project * 2),
            home: Home::Project(project),
            name: count(self.random.below(self.names.len())),
            enabled: true,
            access_lost: false,
            leaked: false,
            exists: true,
        };
        let number = self.add(key);
        Some(self.event("made", number))
    }

    fn make_den_one(&mut self, now: Time) -> Event {
        self.purge_den(now);
        let name = count(self.random.below(self.names.len()));
        let number = self.add(Key { name, ..plain_den_key(now, None) });
        self.event("made", number)
    }

    /// Making a key removes every expired one of the whole deployment.
    pub(super) fn purge_den(&mut self, now: Time) {
        let expired = |number: &u32| self.key(*number).is_some_and(|key| key.expires.is_some_and(|at| at <= now));
        let gone: Vec<u32> = self.den.iter().copied().filter(expired).collect();
        for number in gone {
            self.remove(number);
        }
    }

    fn revoke_one(&mut self) -> Option<Event> {
        let number = self.any_key()?;
        self.revoke_that(number)
    }

    fn revoke_that(&mut self, number: u32) -> Option<Event> {
        let event = self.event("revoked", number);
        self.remove(number).then_some(event)
    }

    fn clear_den(&mut self) -> Vec<Event> {
        let all = self.den.iter().copied().enumerate();
        let cleared: Vec<u32> =
            all.filter(|(at, number)| at % LEFT_OF != 0 && *number != self.own_den_key).map(|(_, number)| number).collect();
        cleared.into_iter().filter_map(|number| self.revoke_that(number)).collect()
    }

    fn rename_one(&mut self) -> Option<Event> {
        let number = self.any_key()?;
        let name = count(self.random.below(self.names.len()));
        self.keys.get_mut(index(number))?.name = name;
        Some(self.event("renamed", number))
    }

    /// A member with keys at every provider, where there is one.
    fn one_leaves(&mut self, now: Time) -> Option<Event> {
        let owns = |number: u32, home: fn(Home) -> bool| {
            self.keys.iter().any(|k| k.exists && k.owner == Owner::Person(number) && home(k.home))
        };
        let everywhere = |number: &u32| {
            owns(*number, |home| home == Home::Den)
                && owns(*number, |home| matches!(home, Home::Project(_) | Home::Admin))
                && owns(*number, |home| home == Home::Braintrust)
        };
        let odd = |number: u32| self.braintrust.cast.is_some_and(|cast| cast.has_person(number));
        // The first four stay: they administer the organisation, and the simulation's sessions are theirs.
        let here = |number: &u32| self.person(*number).is_some_and(|p| p.left.is_none()) && !odd(*number);
        let staff = || (4..count(self.people.len())).filter(here);
        let number = staff().find(everywhere).or_else(|| staff().next())?;
        let id = self.person(number)?.user_id.clone();
        self.dismiss(number, now).then_some(Event { what: "left", id })
    }
}
