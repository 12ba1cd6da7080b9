//! Makes a world from a seed: names, dates and faults of people as they occur in the field, relative to its start.

use std::collections::BTreeMap;

use super::ids::{Salt, Sort};
use super::members::Braintrust;
use super::names;
use super::random::Random;
use super::world::{Home, Key, Name, Owner, Project, Role, Service, Size, World, count, index, person};
use crate::domain::Time;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// Den gives every key 90 days, and has done so since 2026-06-13.
pub(super) const DEN_LIFETIME: i64 = 90 * DAY;
/// A fresh session of Den's lives a week.
pub(super) const SESSION: i64 = 7 * DAY;
/// Worlds with fewer project keys are test worlds without special characters.
const CAST_FROM: usize = 100;

impl World {
    /// The world of that seed and size as it is at `now`.
    pub fn make(seed: u64, size: Size, now: Time) -> Self {
        let salt = Salt::new(seed);
        let founded = now.plus(-1200 * DAY);
        let mut den_organization_id = String::from("org_");
        salt.push_type_id(&mut den_organization_id, Sort::DenOrganization, 0, founded.unix().unsigned_abs() * 1000);
        let mut world = Self {
            salt,
            name: names::ORGANIZATION,
            den_organization_id,
            founded,
            people: Vec::new(),
            services: Vec::new(),
            projects: Vec::new(),
            names: names::keys().map(|text| Name::new(&text)).collect(),
            keys: Vec::with_capacity(size.project_keys + size.admin_keys + size.den_keys + size.braintrust_keys + 8),
            admin: Vec::new(),
            leaked: Vec::new(),
            den: Vec::new(),
            own_admin_key: 0,
            own_den_key: 0,
            alike: BTreeMap::new(),
            den_session_until: now.plus(SESSION),
            braintrust: Braintrust::default(),
            random: Random::new(seed),
            beats: 0,
        };
        world.make_people(size.people.max(4), now);
        world.make_projects(size.projects.max(1), size.archived_projects, now);
        world.make_project_keys(size.project_keys, now);
        world.make_admin_keys(size.admin_keys.max(1), now);
        world.make_den_keys(size.den_keys.max(1), now);
        if size.project_keys >= CAST_FROM {
            world.make_cast(now);
        }
        world.make_braintrust(size, now);
        world
    }

    /// A small organisation beside `main`, which the owner of `main` belongs to as well.
    pub(super) fn neighbour(main: &Self, seed: u64, now: Time) -> Self {
        let size = Size { people: 5, projects: 2, admin_keys: 2, den_keys: 5, ..Size::of(12) };
        let mut world = Self::make(seed ^ 0x6b69_7465, size, now);
        world.name = names::NEIGHBOUR;
        if let (Some(theirs), Some(ours)) = (world.people.first_mut(), main.people.first()) {
            theirs.name.clone_from(&ours.name);
            theirs.email.clone_from(&ours.email);
            theirs.user_id.clone_from(&ours.user_id);
            theirs.den_user_id.clone_from(&ours.den_user_id);
            theirs.user_uuid.clone_from(&ours.user_uuid);
        }
        // The one key that is bound to no organisation is the one of `main`.
        let unbound = std::mem::replace(&mut world.braintrust.own.unbound, u32::MAX);
        if let Some(key) = world.keys.get_mut(index(unbound)) {
            key.name = 0;
        }
        world
    }

    fn make_people(&mut self, people: usize, now: Time) {
        for number in 0..people {
            let role = match number {
                0 => Role::Owner,
                1 | 2 => Role::Admin,
                _ => Role::Member,
            };
            let joined = if number == 0 { self.founded } else { now.plus(-self.random.between(200 * DAY, 1190 * DAY)) };
            let mut member = person(self.salt, count(number), role, joined);
            if people >= 10 && number % 10 == 9 {
                member.left = Some(now.plus(-self.random.between(DAY, 150 * DAY)));
            }
            self.people.push(member);
        }
    }

    fn make_projects(&mut self, projects: usize, archived: usize, now: Time) {
        for number in 0..projects {
            let round = number / names::PROJECTS.len();
            let plain = names::PROJECTS[number % names::PROJECTS.len()];
            let name = Name::new(&if round == 0 { plain.to_owned() } else { format!("{plain}-{}", round + 1) });
            let mut id = String::from("proj_");
            self.salt.push_base62(&mut id, Sort::Project, count(number), 24);
            let created = self.founded.plus(DAY * i64::from(count(number).min(90)) + HOUR);
            let archived = (number + archived >= projects).then(|| now.plus(-self.random.between(20 * DAY, 300 * DAY)));
            let refuses_keys = archived.is_some() && number + 1 == projects;
            self.projects.push(Project { id, name, created, archived, refuses_keys, listed: true, keys: Vec::new() });
            for _ in 0..2 {
                let mut id = String::from("user-");
                self.salt.push_base62(&mut id, Sort::Service, count(self.services.len()), 24);
                let name = Name::new(&names::service(self.services.len()));
                self.services.push(Service { id, name, project: count(number), created: created.plus(DAY) });
            }
        }
    }

    fn make_project_keys(&mut self, keys: usize, now: Time) {
        let projects = self.projects.len();
        for project in 0..projects {
            let share = keys / projects + usize::from(project < keys % projects);
            let mut made: Vec<Key> = (0..share).map(|_| self.project_key(count(project), now)).collect();
            made.sort_by_key(|key| key.created);
            // Every provider list is known to leak some; a few are enough however large the world is.
            let leaks = self.projects[project].refuses_keys || (project < 4 && project % 2 == 1);
            for (number, mut key) in made.into_iter().enumerate() {
                key.leaked = leaks && number % 8 == 3 && number < 24;
                self.add(key);
            }
        }
        self.leaked.sort_by_key(|number| self.keys[index(*number)].created);
    }

    fn project_key(&mut self, project: u32, now: Time) -> Key {
        let random = &mut self.random;
        // (created, last used, expires), each in seconds before or after now.
        let (age, idle, left) = match random.below(100) {
            0..=41 => (random.between(10 * DAY, 700 * DAY), Some(random.between(2 * MINUTE, 3 * DAY)), None),
            42..=53 => (random.between(80 * DAY, 500 * DAY), Some(random.between(3 * DAY, 60 * DAY)), None),
            54..=67 => (random.between(420 * DAY, 1090 * DAY), Some(random.between(95 * DAY, 400 * DAY)), None),
            68..=74 => (random.between(100 * DAY, 900 * DAY), None, None),
            75..=79 => (random.between(10 * DAY, 60 * DAY), None, None),
            80..=83 => (random.between(HOUR, 5 * DAY), None, Some(random.between(60 * DAY, 200 * DAY))),
            84..=91 => (
                random.between(20 * DAY, 150 * DAY),
                Some(random.between(MINUTE, 9 * DAY)),
                Some(random.between(30 * DAY, 200 * DAY)),
            ),
            92..=95 => {
                (random.between(60 * DAY, 300 * DAY), Some(random.between(HOUR, 30 * DAY)), Some(random.between(DAY, 13 * DAY)))
            }
            _ => (
                random.between(60 * DAY, 300 * DAY),
                Some(random.between(41 * DAY, 55 * DAY)),
                Some(-random.between(DAY, 40 * DAY)),
            ),
        };
        let by_service = random.percent(45);
        let owner = if by_service {
            Owner::Service(project * 2 + u32::from(random.percent(50)))
        } else {
            Owner::Person(count(random.below(self.people.len())))
        };
        Key {
            created: now.plus(-age),
            last_used: idle.map(|seconds| now.plus(-seconds.min(age))),
            expires: left.map(|seconds| now.plus(seconds)),
            owner,
            home: Home::Project(project),
            name: count(random.below(self.names.len())),
            enabled: true,
            access_lost: !by_service && random.percent(2),
            leaked: false,
            exists: true,
        }
    }

    fn make_admin_keys(&mut self, keys: usize, now: Time) {
        for number in 0..keys {
            let own = number == 0;
            // Oldest first, and our own is the oldest.
            let age = (1000 - i64::from(count(number).min(990))) * DAY;
            let owner = if number % 4 == 3 {
                Owner::Service(count(number % self.services.len()))
            } else {
                Owner::Person(count(number % 3))
            };
            let name = self.intern(match number {
                0 => "keymuster (read only)",
                1 => "terraform",
                2 => "usage dashboards",
                3 => "old onboarding script",
                _ => "admin automation",
            });
            let key = Key {
                created: now.plus(-age),
                last_used: (number % 4 != 3).then(|| now.plus(-self.random.between(MINUTE, 130 * DAY))),
                expires: (own || number % 5 == 2).then(|| now.plus(if own { 40 * DAY } else { 9 * DAY })),
                owner,
                home: Home::Admin,
                name,
                enabled: true,
                access_lost: false,
                leaked: false,
                exists: true,
            };
            let number = self.add(key);
            if own {
                self.own_admin_key = number;
            }
        }
    }

    fn make_den_keys(&mut self, keys: usize, now: Time) {
        let mut made: Vec<Key> = (1..keys).map(|number| self.den_key(number, now)).collect();
        let own = self.intern("keymuster");
        made.push(Key { owner: Owner::Person(0), name: own, ..plain_den_key(now.plus(-29 * DAY), None) });
        made.sort_by_key(|key| key.created);
        for key in made {
            let name = key.name;
            let number = self.add(key);
            if name == own {
                self.own_den_key = number;
            }
        }
    }

    fn den_key(&mut self, number: usize, now: Time) -> Key {
        let owner = Owner::Person(count(self.random.below(self.people.len())));
        let name = count(self.random.below(self.names.len()));
        let random = &mut self.random;
        let (age, lives) = match number {
            // These expire before a watcher's eyes.
            3 => (DEN_LIFETIME - 2 * MINUTE, true),
            7 => (DEN_LIFETIME - 7 * MINUTE, true),
            4 => (400 * DAY, false),
            _ if number % 9 == 4 => (random.between(170 * DAY, 500 * DAY), false),
            _ if number % 9 == 8 => (random.between(DEN_LIFETIME + HOUR, DEN_LIFETIME + 30 * DAY), true),
            _ => (random.between(HOUR, DEN_LIFETIME - DAY), true),
        };
        // Keys without expiry are old: one never used, the next not for long, and so on.
        let idle = match (lives, number.is_multiple_of(2), random.percent(60)) {
            (false, true, _) => Some(random.between(100 * DAY, 165 * DAY)),
            (false, false, _) | (true, _, false) => None,
            (true, _, true) => Some(random.between(MINUTE, 20 * DAY)),
        };
        let created = now.plus(-age);
        // Of each sort there is one whose owner is still here.
        let owner = if matches!(number, 3 | 4 | 7 | 8 | 13) { Owner::Person(1) } else { owner };
        Key {
            owner,
            name,
            expires: lives.then(|| created.plus(DEN_LIFETIME)),
            enabled: number % 16 != 5 && self.person_is_here(owner),
            ..plain_den_key(created, idle.map(|seconds| now.plus(-seconds.min(age))))
        }
    }

    fn person_is_here(&self, owner: Owner) -> bool {
        match owner {
            Owner::Person(number) => self.person(number).is_some_and(|p| p.left.is_none()),
            Owner::Service(_) => true,
        }
    }

    /// Names that pages must escape, and expiries that come while somebody watches.
    fn make_cast(&mut self, now: Time) {
        let Some(stage) = self.projects.get(1).or_else(|| self.projects.first()) else { return };
        let keys = stage.keys.clone();
        let parts = [
            (Some(names::HOSTILE), None),
            (Some(names::ACCENTED), None),
            (Some(names::LONG), None),
            (None, Some(90)),
            (None, Some(4 * MINUTE)),
            (None, Some(10 * MINUTE)),
        ];
        for (number, (name, expires)) in keys.into_iter().rev().zip(parts) {
            let name = name.map(|text| self.intern(text));
            let Some(key) = self.keys.get_mut(index(number)) else { continue };
            key.name = name.unwrap_or(key.name);
            key.expires = expires.map_or(key.expires, |seconds| Some(now.plus(seconds)));
        }
    }
}

/// A Den key that is enabled, lives its 90 days and belongs to the owner of the organisation.
pub(super) fn plain_den_key(created: Time, last_used: Option<Time>) -> Key {
    Key {
        created,
        last_used,
        expires: Some(created.plus(DEN_LIFETIME)),
        owner: Owner::Person(0),
        home: Home::Den,
        name: 0,
        enabled: true,
        access_lost: false,
        leaked: false,
        exists: true,
    }
}
