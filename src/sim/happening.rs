//! Single events of an organisation's life, for whoever tells a story event by event. [`super::life`] is what makes a world lively
//! by itself.

use super::birth::plain_den_key;
use super::life::Event;
use super::members::plain_key;
use super::names;
use super::world::{Home, Key, Name, Owner, Project, Service, World, count, index};
use crate::domain::{Time, closed_enum};

closed_enum! {
    /// Something that can happen. What nobody it could happen to is there for does not.
    Happening {
        /// A key is used.
        Used = "used",
        /// A service account makes a key in a project.
        MadeInProject = "made_in_project",
        /// An admin key is made.
        MadeAdmin = "made_admin",
        /// A Den key is made, which removes the expired ones.
        MadeDen = "made_den",
        /// A Braintrust member makes a key.
        MadeMember = "made_member",
        /// A Braintrust service token is made.
        MadeToken = "made_token",
        /// A key is deleted.
        Revoked = "revoked",
        /// A key gets another name.
        Renamed = "renamed",
        /// A project's key comes to another project.
        Moved = "moved",
        /// A project's key leaves its project and is an admin key.
        MovedToAdmin = "moved_to_admin",
        /// A project's key is to expire within days.
        ExpirySet = "expiry_set",
        /// Somebody loses access to the project of a key, and stays a member.
        AccessLost = "access_lost",
        /// Somebody has access again.
        AccessRestored = "access_restored",
        /// Den disables a key.
        Disabled = "disabled",
        /// Den enables a key.
        Enabled = "enabled",
        /// A member leaves every provider.
        Left = "left",
        /// Who left is back.
        CameBack = "came_back",
        /// Somebody new joins every provider and makes a Braintrust key.
        Joined = "joined",
        /// A project is made.
        ProjectMade = "project_made",
        /// A project is archived and goes on listing its keys.
        ProjectArchived = "project_archived",
        /// A project is archived and refuses to list its keys.
        ProjectClosed = "project_closed",
        /// An archived project is active again.
        ProjectRestored = "project_restored",
        /// A project drops from the list of projects.
        ProjectUnlisted = "project_unlisted",
        /// It is on the list again.
        ProjectListed = "project_listed",
    }
}

const DAY: i64 = 86_400;

/// To whom of those that it can happen to.
#[derive(Clone, Copy)]
enum Pick<'a> {
    Nth(u64),
    Id(&'a str),
}

impl Pick<'_> {
    const fn nth(self) -> u64 {
        match self {
            Self::Nth(nth) => nth,
            Self::Id(_) => 0,
        }
    }

    fn of(self, all: &[u32], is: impl Fn(u32, &str) -> bool) -> Option<u32> {
        match self {
            Self::Nth(nth) => chosen(all, nth),
            Self::Id(id) => all.iter().copied().find(|number| is(*number, id)),
        }
    }
}

impl World {
    /// Gives everything that people may name one of these names, in turn: keys, members with their addresses, service accounts,
    /// projects.
    pub fn name_all(&mut self, names: &[&str]) {
        let mut next = names.iter().copied().cycle();
        let mut name = || next.next().unwrap_or_default();
        self.names.iter_mut().for_each(|known| *known = Name::new(name()));
        self.services.iter_mut().for_each(|service| service.name = Name::new(name()));
        self.projects.iter_mut().for_each(|project| project.name = Name::new(name()));
        for (number, person) in self.people.iter_mut().enumerate() {
            person.name = Name::new(name());
            // Addresses differ, or they would be one person's.
            person.email = Name::new(&format!("{number}{}", name()));
        }
    }

    /// Lets something happen to one of those that it can happen to: the one that `pick` chooses.
    pub fn happen(&mut self, what: Happening, pick: u64, now: Time) -> Option<Event> {
        self.let_happen(what, Pick::Nth(pick), now)
    }

    /// The same to the key, the project or the member of that id; false where it cannot happen to that.
    pub fn happen_to(&mut self, what: Happening, id: &str, now: Time) -> bool {
        self.let_happen(what, Pick::Id(id), now).is_some()
    }

    fn let_happen(&mut self, what: Happening, pick: Pick<'_>, now: Time) -> Option<Event> {
        let nth = pick.nth();
        let id = match what {
            Happening::Used => self.change_key(pick, usable(now), |key| key.last_used = Some(now))?,
            Happening::MadeInProject => {
                let project = self.pick_project(pick, |p| p.listed && p.archived.is_none())?;
                let expires = nth.is_multiple_of(3).then(|| now.plus(30 * DAY));
                let key = plain_key(now, Owner::Service(project * 2), Home::Project(project));
                self.made(Key { expires, leaked: nth.is_multiple_of(5), ..key }, nth)
            }
            Happening::MadeAdmin => self.made(plain_key(now, Owner::Person(1), Home::Admin), nth),
            Happening::MadeDen => {
                self.purge_den(now);
                let person = self.pick_person(pick, true)?;
                self.made(Key { owner: Owner::Person(person), ..plain_den_key(now, None) }, nth)
            }
            Happening::MadeMember => {
                let members: Vec<u32> = self.braintrust.roll.iter().copied().filter(|n| self.member(*n).is_some()).collect();
                self.made(plain_key(now, Owner::Person(chosen(&members, nth)?), Home::Braintrust), nth)
            }
            Happening::MadeToken => self.made(plain_key(now, Owner::Service(0), Home::BraintrustToken), nth),
            Happening::Revoked => {
                let number = self.pick_key(pick, |_| true)?;
                self.remove(number).then(|| self.key_id(number))?
            }
            Happening::Renamed => {
                let name = self.name(nth / 7);
                self.change_key(pick, |_| true, |key| key.name = name)?
            }
            Happening::Moved => {
                let number = self.pick_key(pick, |key| matches!(key.home, Home::Project(_)))?;
                let from = self.key(number)?.home;
                let others: Vec<u32> = (0..count(self.projects.len()))
                    .filter(|n| {
                        Home::Project(*n) != from && self.projects[index(*n)].listed && !self.projects[index(*n)].refuses_keys
                    })
                    .collect();
                self.rehome(number, Home::Project(chosen(&others, nth / 5)?))
            }
            Happening::MovedToAdmin => {
                let number = self.pick_key(pick, |key| matches!(key.home, Home::Project(_)))?;
                self.rehome(number, Home::Admin)
            }
            Happening::ExpirySet => {
                let expires = now.plus(DAY * i64::try_from(1 + nth / 11 % 9).unwrap_or(1));
                self.change_key(pick, |key| matches!(key.home, Home::Project(_)), |key| key.expires = Some(expires))?
            }
            Happening::AccessLost => self.change_key(
                pick,
                |key| matches!((key.home, key.owner), (Home::Project(_), Owner::Person(_))) && !key.access_lost,
                |key| key.access_lost = true,
            )?,
            Happening::AccessRestored => self.change_key(pick, |key| key.access_lost, |key| key.access_lost = false)?,
            Happening::Disabled => {
                self.change_key(pick, |key| key.home == Home::Den && key.enabled, |key| key.enabled = false)?
            }
            Happening::Enabled => self.change_key(pick, |key| key.home == Home::Den && !key.enabled, |key| key.enabled = true)?,
            Happening::Left => {
                let number = self.pick_person(pick, true)?;
                let id = self.person(number)?.user_id.clone();
                self.dismiss(number, now).then_some(id)?
            }
            Happening::CameBack => {
                let number = self.pick_person(pick, false)?;
                let person = self.people.get_mut(index(number))?;
                person.left = None;
                person.user_id.clone()
            }
            Happening::Joined => {
                let (person, _) = self.one_joins(now);
                self.person(person)?.user_id.clone()
            }
            Happening::ProjectMade => self.make_project(now),
            Happening::ProjectArchived => self.change_project_of(pick, |p| p.archived.is_none(), |p| p.archived = Some(now))?,
            Happening::ProjectClosed => {
                self.change_project_of(pick, |p| !p.refuses_keys, |p| (p.archived, p.refuses_keys) = (Some(now), true))?
            }
            Happening::ProjectRestored => {
                self.change_project_of(pick, |p| p.archived.is_some(), |p| (p.archived, p.refuses_keys) = (None, false))?
            }
            Happening::ProjectUnlisted => {
                // By chance the first project always stays: by none of the old ones nobody could know the organisation again.
                let first = self.projects.first().filter(|_| matches!(pick, Pick::Nth(_))).map(|p| p.id.clone());
                self.change_project_of(pick, |p| p.listed && Some(&p.id) != first.as_ref(), |p| p.listed = false)?
            }
            Happening::ProjectListed => self.change_project_of(pick, |p| !p.listed, |p| p.listed = true)?,
        };
        Some(Event { what: what.as_str(), id })
    }

    /// Brings a deleted key back as it was; false where it was not deleted.
    pub fn restore(&mut self, key_id: &str) -> bool {
        let deleted = |n: &u32| self.key(*n).is_some_and(|key| !key.exists) && self.key_id(*n) == key_id;
        let Some(number) = (0..count(self.keys.len())).find(deleted) else { return false };
        let Some(key) = self.keys.get_mut(index(number)) else { return false };
        key.exists = true;
        let (home, owner) = (key.home, key.owner);
        match home {
            Home::Project(_) | Home::Admin => {
                self.rehome(number, home);
            }
            Home::Den => self.den.push(number),
            Home::Braintrust => self.braintrust.add(number, owner),
            Home::BraintrustToken => self.braintrust.tokens.push(number),
        }
        true
    }

    /// Brings a key to another home; it keeps its id.
    fn rehome(&mut self, number: u32, home: Home) -> String {
        let Some(key) = self.key(number).cloned() else { return String::new() };
        if self.remove(number) {
            let leaked = key.leaked && matches!(home, Home::Project(_));
            if let Some(stored) = self.keys.get_mut(index(number)) {
                *stored = Key { home, leaked, access_lost: false, ..key };
            }
            let list = match home {
                Home::Project(project) => self.projects.get_mut(index(project)).map(|p| &mut p.keys),
                Home::Admin => Some(&mut self.admin),
                Home::Den | Home::Braintrust | Home::BraintrustToken => None,
            };
            for list in list.into_iter().chain(leaked.then_some(&mut self.leaked)) {
                // Lists run by the number.
                let at = list.partition_point(|n| *n < number);
                list.insert(at, number);
            }
        }
        self.key_id(number)
    }

    fn made(&mut self, key: Key, pick: u64) -> String {
        let key = Key { name: self.name(pick / 3), ..key };
        let number = self.add(key);
        self.key_id(number)
    }

    fn name(&self, pick: u64) -> u32 {
        count(usize::try_from(pick % self.names.len().max(1) as u64).unwrap_or(0))
    }

    fn make_project(&mut self, now: Time) -> String {
        let number = count(self.projects.len());
        let mut id = String::from("proj_");
        self.salt.push_base62(&mut id, super::ids::Sort::Project, number, 24);
        let name = Name::new(&format!("project-{number}"));
        let project = Project { id, name, created: now, archived: None, refuses_keys: false, listed: true, keys: Vec::new() };
        let shown = project.id.clone();
        self.projects.push(project);
        for _ in 0..2 {
            let mut id = String::from("user-");
            self.salt.push_base62(&mut id, super::ids::Sort::Service, count(self.services.len()), 24);
            let name = Name::new(&names::service(self.services.len()));
            self.services.push(Service { id, name, project: number, created: now });
        }
        shown
    }

    /// A key that exists and is none of the simulation's own.
    fn pick_key(&self, pick: Pick<'_>, fits: impl Fn(&Key) -> bool) -> Option<u32> {
        let own = self.braintrust.own;
        let own = [self.own_admin_key, self.own_den_key, own.unbound, own.bound, own.member, own.token];
        let may = |n: &u32| !own.contains(n) && self.key(*n).is_some_and(|key| key.exists && fits(key));
        let keys: Vec<u32> = (0..count(self.keys.len())).filter(may).collect();
        pick.of(&keys, |number, id| self.key_id(number) == id)
    }

    fn change_key(&mut self, pick: Pick<'_>, fits: impl Fn(&Key) -> bool, change: impl FnOnce(&mut Key)) -> Option<String> {
        let number = self.pick_key(pick, fits)?;
        change(self.keys.get_mut(index(number))?);
        Some(self.key_id(number))
    }

    /// Neither of the first four, whose the simulation's credentials are.
    fn pick_person(&self, pick: Pick<'_>, here: bool) -> Option<u32> {
        let fits = |n: &u32| self.person(*n).is_some_and(|p| p.left.is_none() == here);
        let people: Vec<u32> = (4..count(self.people.len())).filter(fits).collect();
        pick.of(&people, |number, id| {
            self.person(number).is_some_and(|p| [&p.user_id, &p.den_user_id, &p.user_uuid].iter().any(|of| *of == id))
        })
    }

    fn pick_project(&self, pick: Pick<'_>, fits: impl Fn(&Project) -> bool) -> Option<u32> {
        let projects: Vec<u32> = (0..count(self.projects.len())).filter(|n| fits(&self.projects[index(*n)])).collect();
        pick.of(&projects, |number, id| self.projects[index(number)].id == id)
    }

    fn change_project_of(
        &mut self,
        pick: Pick<'_>,
        fits: impl Fn(&Project) -> bool,
        change: impl FnOnce(&mut Project),
    ) -> Option<String> {
        let number = self.pick_project(pick, fits)?;
        let project = self.projects.get_mut(index(number))?;
        change(project);
        Some(project.id.clone())
    }
}

fn usable(now: Time) -> impl Fn(&Key) -> bool {
    move |key| !key.is_braintrust() && key.enabled && key.expires.is_none_or(|at| at > now)
}

fn chosen(of: &[u32], pick: u64) -> Option<u32> {
    of.get(usize::try_from(pick % of.len().max(1) as u64).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Size;

    const NOW: Time = Time::from_unix(1_795_000_000);

    #[test]
    fn everything_can_happen_and_leaves_the_world_whole() {
        let mut world = World::make(3, Size { archived_projects: 1, ..Size::demo() }, NOW);
        for round in 0..40 {
            for what in Happening::ALL {
                let before = world.truth();
                let event = world.happen(*what, round * 7919, NOW.plus(1));
                assert!(round > 0 || event.is_some() || *what == Happening::ProjectListed, "{what} did not happen");
                if matches!(what, Happening::Moved | Happening::MovedToAdmin) {
                    let ids = |truth: &[crate::sim::TrueKey]| truth.iter().map(|key| key.id.clone()).collect::<Vec<_>>();
                    assert_eq!(ids(&before), ids(&world.truth()), "a key that moves keeps its id");
                }
            }
            for project in &world.projects {
                assert!(project.keys.is_sorted(), "pages are cut by the number");
            }
        }
    }
}
