//! The truth: one made-up organisation, its people, projects and keys. It knows nothing of HTTP.

use std::collections::BTreeMap;

use super::ids::{Salt, Sort};
use super::members::Braintrust;
use super::names;
use super::random::{Random, mix};
use crate::domain::Time;

/// How much of everything a world holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Members of the organisation, at OpenAI and at Den; at least four.
    pub people: usize,
    /// OpenAI projects, at least one.
    pub projects: usize,
    /// How many of them are archived: the last ones, of which the very last refuses to list its keys.
    pub archived_projects: usize,
    /// OpenAI project keys over all projects, spread evenly.
    pub project_keys: usize,
    /// OpenAI admin keys, the simulation's own among them; at least one.
    pub admin_keys: usize,
    /// Den keys, the simulation's own among them; at least one.
    pub den_keys: usize,
    /// Members of the Braintrust organisation: at least four, and no more than there are people.
    pub braintrust_members: usize,
    /// Braintrust keys over all members, spread evenly; the simulation's own come on top where its people have too few.
    pub braintrust_keys: usize,
    /// Braintrust members and keys unlike the others, one of each sort ([`super::BraintrustCast`]); needs sixteen members.
    pub braintrust_cast: bool,
}

impl Size {
    /// What a person can look over, and every condition in it.
    pub const fn demo() -> Self {
        Self {
            people: 30,
            projects: 8,
            archived_projects: 2,
            project_keys: 220,
            admin_keys: 5,
            den_keys: 60,
            braintrust_members: 25,
            braintrust_keys: 62,
            braintrust_cast: true,
        }
    }

    /// That many OpenAI project keys, a thousand to a project, none of which is archived; few of anything else.
    pub const fn of(keys: usize) -> Self {
        let people = keys / 100;
        let people = if people < 10 {
            10
        } else if people > 2000 {
            2000
        } else {
            people
        };
        Self {
            people,
            projects: keys.div_ceil(1000),
            archived_projects: 0,
            project_keys: keys,
            admin_keys: 5,
            den_keys: 60,
            braintrust_members: 5,
            braintrust_keys: 10,
            braintrust_cast: false,
        }
    }

    /// That many Braintrust members with so many keys each, none of them odd; few of anything else.
    pub const fn members(members: usize, keys_each: usize) -> Self {
        // Every tenth of ten or more people has left before the start.
        let people = members + members / 9;
        Self { people, braintrust_members: members, braintrust_keys: members * keys_each, ..Self::of(10) }
    }
}

/// A member of the organisation.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) email: Name,
    pub(super) role: Role,
    pub(super) joined: Time,
    pub(super) left: Option<Time>,
    /// `user-…` at OpenAI.
    pub(super) user_id: String,
    /// `usr_…` at Den.
    pub(super) den_user_id: String,
    /// `om_…` at Den.
    pub(super) member_id: String,
    /// A UUID at Braintrust.
    pub(super) user_uuid: String,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Owner,
    Admin,
    Member,
}

/// A service account of an OpenAI project.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: Name,
    pub(super) project: u32,
    pub(super) created: Time,
}

/// An OpenAI project.
#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) name: Name,
    pub(super) created: Time,
    pub(super) archived: Option<Time>,
    /// Its keys answer 404.
    pub(super) refuses_keys: bool,
    /// It is on the list of projects.
    pub(super) listed: bool,
    /// Its keys, oldest first.
    pub(super) keys: Vec<u32>,
}

/// Where a key belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Project(u32),
    Admin,
    Den,
    /// A member's own key at Braintrust.
    Braintrust,
    /// A service token at Braintrust; its owner is a service account of Braintrust.
    BraintrustToken,
}

/// Who owns a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Person(u32),
    Service(u32),
}

/// A key. Kept small: a benchmark holds a million.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) created: Time,
    pub(super) last_used: Option<Time>,
    pub(super) expires: Option<Time>,
    pub(super) owner: Owner,
    pub(super) home: Home,
    pub(super) name: u32,
    pub(super) enabled: bool,
    /// The owner was taken off the project, and is still a member.
    pub(super) access_lost: bool,
    /// A project key that the list of admin keys shows as well, under a wrong label.
    pub(super) leaked: bool,
    pub(super) exists: bool,
}

impl Key {
    pub(super) const fn is_braintrust(&self) -> bool {
        matches!(self.home, Home::Braintrust | Home::BraintrustToken)
    }
}

/// A name and its JSON text.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) json: String,
}

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), json: serde_json::Value::from(text).to_string() }
    }
}

/// One organisation and all that it has. The same seed, size and start give the same world.
#[derive(Debug)]
pub struct World {
    pub(super) salt: Salt,
    pub(super) name: &'static str,
    pub(super) den_organization_id: String,
    pub(super) founded: Time,
    pub(super) people: Vec<Person>,
    pub(super) services: Vec<Service>,
    pub(super) projects: Vec<Project>,
    pub(super) names: Vec<Name>,
    pub(super) keys: Vec<Key>,
    /// Admin keys, oldest first; the first is the simulation's own.
    pub(super) admin: Vec<u32>,
    /// Project keys that the list of admin keys shows too, oldest first.
    pub(super) leaked: Vec<u32>,
    /// Den keys, oldest first.
    pub(super) den: Vec<u32>,
    /// The keys that the simulation's credentials are.
    pub(super) own_admin_key: u32,
    pub(super) own_den_key: u32,
    /// Keys whose secrets end as those of others do.
    pub(super) alike: BTreeMap<u32, u32>,
    /// Until when Den's sessions live.
    pub(super) den_session_until: Time,
    pub(super) braintrust: Braintrust,
    pub(super) random: Random,
    pub(super) beats: u64,
}

impl World {
    pub(super) fn key(&self, number: u32) -> Option<&Key> {
        self.keys.get(index(number))
    }

    pub(super) fn person(&self, number: u32) -> Option<&Person> {
        self.people.get(index(number))
    }

    /// The id of a key as its provider shows it.
    pub(super) fn push_key_id(&self, out: &mut String, number: u32, key: &Key) {
        match key.home {
            Home::Project(_) | Home::Admin => {
                out.push_str("key_");
                self.salt.push_base62(out, Sort::Key, number, 16);
            }
            Home::Den => {
                out.push_str("apk_");
                let ms = key.created.unix().unsigned_abs() * 1000 + self.millis(number);
                self.salt.push_type_id(out, Sort::Key, number, ms);
            }
            Home::Braintrust | Home::BraintrustToken => self.salt.push_uuid(out, Sort::Key, number),
        }
    }

    /// The fraction of a second at which a key was made.
    pub(super) fn millis(&self, number: u32) -> u64 {
        mix(self.salt.code(Sort::Key, number)) % 1000
    }

    pub(super) fn key_id(&self, number: u32) -> String {
        let mut id = String::new();
        if let Some(key) = self.key(number) {
            self.push_key_id(&mut id, number, key);
        }
        id
    }

    /// The number behind an id, whether the key still exists or not.
    pub(super) fn key_number(&self, id: &str) -> Option<u32> {
        if let Some(digits) = id.strip_prefix("key_") {
            let number = self.salt.read_base62(digits, Sort::Key)?;
            let at_openai = |key: &Key| matches!(key.home, Home::Project(_) | Home::Admin);
            return self.key(number).filter(|key| at_openai(key) && digits.len() == 16).map(|_| number);
        }
        if let Some(number) = self.salt.read_uuid(id, Sort::Key) {
            return self.key(number).filter(|key| key.is_braintrust()).map(|_| number);
        }
        self.den.iter().copied().find(|number| self.key_id(*number) == id)
    }

    pub(super) fn project_number(&self, id: &str) -> Option<u32> {
        let number = self.salt.read_base62(id.strip_prefix("proj_")?, Sort::Project)?;
        self.projects.get(index(number)).filter(|project| project.id == id).map(|_| number)
    }

    /// The owner can still reach the project.
    pub(super) fn has_access(&self, key: &Key) -> bool {
        match key.owner {
            Owner::Person(number) => !key.access_lost && self.person(number).is_some_and(|p| p.left.is_none()),
            Owner::Service(_) => !key.access_lost,
        }
    }

    /// Its provider has a way of asking that lists it now, and where it belongs.
    pub(super) fn is_listed(&self, key: &Key) -> bool {
        key.exists
            && match (key.home, key.owner) {
                (Home::Project(number), _) => self.projects.get(index(number)).is_some_and(|p| p.listed && !p.refuses_keys),
                (Home::Admin | Home::BraintrustToken, _) | (Home::Den | Home::Braintrust, Owner::Service(_)) => true,
                (Home::Den | Home::Braintrust, Owner::Person(number)) => self.person(number).is_some_and(|p| p.left.is_none()),
            }
    }

    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let number = count(self.names.len());
        self.names.push(Name::new(text));
        number
    }

    /// Adds a key to the end of the list it belongs to.
    pub(super) fn add(&mut self, key: Key) -> u32 {
        let number = count(self.keys.len());
        match key.home {
            Home::Project(project) => {
                if let Some(project) = self.projects.get_mut(index(project)) {
                    project.keys.push(number);
                }
                if key.leaked {
                    self.leaked.push(number);
                }
            }
            Home::Admin => self.admin.push(number),
            Home::Den => self.den.push(number),
            Home::Braintrust => self.braintrust.add(number, key.owner),
            Home::BraintrustToken => self.braintrust.tokens.push(number),
        }
        self.keys.push(key);
        number
    }

    /// Deletes a key for good.
    pub(super) fn remove(&mut self, number: u32) -> bool {
        let Some(key) = self.keys.get_mut(index(number)).filter(|key| key.exists) else { return false };
        key.exists = false;
        let lists = match key.home {
            Home::Project(project) => self.projects.get_mut(index(project)).map(|p| &mut p.keys),
            Home::Admin => Some(&mut self.admin),
            Home::Den => Some(&mut self.den),
            Home::Braintrust => {
                self.braintrust.remove(number, key.owner);
                None
            }
            Home::BraintrustToken => Some(&mut self.braintrust.tokens),
        };
        for list in lists.into_iter().chain([&mut self.leaked]) {
            list.retain(|n| *n != number);
        }
        true
    }

    /// Revokes the key of that id; false where there is none.
    pub fn revoke(&mut self, key_id: &str) -> bool {
        self.key_number(key_id).is_some_and(|number| self.remove(number))
    }

    /// Makes the secret of a key end as that of another does, so that one mask is the other's where it shows no more; false
    /// where either does not exist.
    pub fn make_alike(&mut self, key_id: &str, other_id: &str) -> bool {
        let Some((key, other)) = self.key_number(key_id).zip(self.key_number(other_id)) else { return false };
        self.alike.insert(key, other);
        true
    }

    /// Takes a member out of the organisation, by the id of any provider; false where there is no such member.
    pub fn leave(&mut self, user_id: &str, now: Time) -> bool {
        let found = self
            .people
            .iter()
            .position(|p| [&p.user_id, &p.den_user_id, &p.member_id, &p.user_uuid].iter().any(|id| *id == user_id));
        found.is_some_and(|number| self.dismiss(count(number), now))
    }

    pub(super) fn dismiss(&mut self, number: u32, now: Time) -> bool {
        let Some(person) = self.people.get_mut(index(number)).filter(|p| p.left.is_none()) else { return false };
        person.left = Some(now);
        // Den disables the keys of members whom it removes; OpenAI leaves theirs alone, and Braintrust does not say.
        for key in self.keys.iter_mut().filter(|key| key.home == Home::Den && key.owner == Owner::Person(number)) {
            key.enabled = false;
        }
        true
    }

    /// Archives a project, which from then on answers 404 for its keys; false where there is no such project.
    pub fn archive(&mut self, project_id: &str, now: Time) -> bool {
        self.change_project(project_id, |project| {
            project.archived = Some(now);
            project.refuses_keys = true;
        })
    }

    /// Drops a project from the list of projects, and nothing else; false where there is no such project.
    pub fn unlist_project(&mut self, project_id: &str) -> bool {
        self.change_project(project_id, |project| project.listed = false)
    }

    fn change_project(&mut self, id: &str, change: impl FnOnce(&mut Project)) -> bool {
        let number = self.project_number(id);
        number.and_then(|number| self.projects.get_mut(index(number))).map(change).is_some()
    }
}

/// A number of a thing as an index. Worlds have fewer than 2³² of anything.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// An index as the number of a thing.
pub(super) fn count(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A person by number, as all providers would know them.
pub(super) fn person(salt: Salt, number: u32, role: Role, joined: Time) -> Person {
    let at = index(number);
    let (first, last) =
        (names::FIRST[at % names::FIRST.len()], names::LAST[(at * 7 + at / names::FIRST.len()) % names::LAST.len()]);
    let round = at / (names::FIRST.len() * names::LAST.len());
    let suffix = if round == 0 { String::new() } else { format!("{}", round + 1) };
    let mail = format!("{first}.{last}{suffix}@{}", names::DOMAIN).to_lowercase().replace('ö', "o");
    let mut user_id = String::from("user-");
    salt.push_base62(&mut user_id, Sort::User, number, 24);
    let ms = joined.unix().unsigned_abs() * 1000;
    let (mut den_user_id, mut member_id) = (String::from("usr_"), String::from("om_"));
    salt.push_type_id(&mut den_user_id, Sort::DenUser, number, ms);
    salt.push_type_id(&mut member_id, Sort::DenMember, number, ms + 31);
    Person {
        name: Name::new(&format!("{first} {last}")),
        email: Name::new(&mail),
        role,
        joined,
        left: None,
        user_id,
        den_user_id,
        member_id,
        user_uuid: salt.uuid(Sort::BraintrustUser, number),
    }
}
