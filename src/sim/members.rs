//! Braintrust's part of the world: its members, their keys, service accounts, and the odd ones among them. It knows nothing of HTTP.

use serde::{Deserialize, Serialize};

use super::ids::Sort;
use super::world::{Home, Key, Name, Owner, Person, Role, World, count, index, person};
use crate::domain::Time;

/// The Braintrust organisation. People stand in the world; here is which of them are members.
#[derive(Debug, Default)]
pub(super) struct Braintrust {
    pub(super) organization_id: String,
    /// Who is or was a member, in the order of joining.
    pub(super) roll: Vec<u32>,
    /// Keys of all members, oldest first.
    pub(super) keys: Vec<u32>,
    /// The same by the number of the person.
    of_person: Vec<Vec<u32>>,
    /// Service tokens, oldest first.
    pub(super) tokens: Vec<u32>,
    pub(super) accounts: Vec<Account>,
    pub(super) own: Own,
    pub(super) cast: Option<Cast>,
    /// Who joined an organisation that the caller does not own, since the world began.
    elsewhere: Vec<u32>,
}

/// The numbers of the keys that the simulation's credentials are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Own {
    /// The owner's, bound to no organisation.
    pub(super) unbound: u32,
    /// The owner's, bound to the organisation.
    pub(super) bound: u32,
    /// A plain member's.
    pub(super) member: u32,
    /// A service token with an owner's rights.
    pub(super) token: u32,
}

/// A service account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: Name,
    /// Not routable.
    pub(super) email: String,
}

/// Numbers of the people and keys that are unlike the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cast {
    pub(super) foreign: u32,
    pub(super) without_email: u32,
    pub(super) unlisted: u32,
    pub(super) without_keys: u32,
    pub(super) unbound_key: u32,
    pub(super) foreign_key: u32,
    pub(super) key_without_owner: u32,
    pub(super) key_without_owner_fields: u32,
    /// The number of the service account that the list of users shows too.
    pub(super) listed_account: u32,
}

/// Braintrust members and keys that are unlike the others, one of each sort, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BraintrustCast {
    /// A member who is in an organisation that the caller does not own, too: cannot be impersonated, 403.
    pub foreign_member: String,
    /// A member without an e-mail address.
    pub member_without_email: String,
    /// A member whom the list of users leaves out and a group names.
    pub unlisted_member: String,
    /// A member who has never made a key.
    pub member_without_keys: String,
    /// A service account that the list of users shows as if it were a person.
    pub listed_account: String,
    /// A key bound to no organisation: its `org_id` is null.
    pub unbound_key: String,
    /// A key bound to an organisation that the caller cannot see. Its owner's own list shows it, the organisation's does not.
    pub foreign_key: String,
    /// A key whose owner is told as null.
    pub key_without_owner: String,
    /// A key of which nothing is told about the owner.
    pub key_without_owner_fields: String,
}

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Here,
    Anywhere,
    Elsewhere,
}

impl Braintrust {
    /// Keys of one person, oldest first.
    pub(super) fn keys_of(&self, person: u32) -> &[u32] {
        self.of_person.get(index(person)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, key: u32, owner: Owner) {
        self.keys.push(key);
        if let Owner::Person(person) = owner {
            let person = index(person);
            if self.of_person.len() <= person {
                self.of_person.resize_with(person + 1, Vec::new);
            }
            self.of_person[person].push(key);
        }
    }

    pub(super) fn remove(&mut self, key: u32, owner: Owner) {
        self.keys.retain(|n| *n != key);
        if let Owner::Person(person) = owner
            && let Some(theirs) = self.of_person.get_mut(index(person))
        {
            theirs.retain(|n| *n != key);
        }
    }

    /// In an organisation that the caller does not own, too: cannot be impersonated.
    pub(super) fn is_elsewhere_too(&self, person: u32) -> bool {
        self.elsewhere.contains(&person) || self.cast.is_some_and(|cast| cast.foreign == person)
    }

    const fn is_own(&self, key: u32) -> bool {
        let own = &self.own;
        key == own.unbound || key == own.bound || key == own.member || key == own.token
    }
}

impl Cast {
    const fn has_key(&self, key: u32) -> bool {
        key == self.unbound_key
            || key == self.foreign_key
            || key == self.key_without_owner
            || key == self.key_without_owner_fields
    }

    /// They stay as they are while the world lives.
    pub(super) const fn has_person(&self, person: u32) -> bool {
        person == self.foreign || person == self.without_email || person == self.unlisted || person == self.without_keys
    }
}

impl World {
    pub(super) fn binding(&self, key: u32) -> Binding {
        let cast = self.braintrust.cast.as_ref();
        if key == self.braintrust.own.unbound || cast.is_some_and(|cast| key == cast.unbound_key) {
            Binding::Anywhere
        } else if cast.is_some_and(|cast| key == cast.foreign_key) {
            Binding::Elsewhere
        } else {
            Binding::Here
        }
    }

    /// The Braintrust id of whoever owns a Braintrust key.
    pub(super) fn owner_uuid(&self, owner: Owner) -> Option<String> {
        match owner {
            Owner::Person(number) => self.person(number).map(|p| p.user_uuid.clone()),
            Owner::Service(number) => self.braintrust.accounts.get(index(number)).map(|account| account.id.clone()),
        }
    }

    /// A member who is here, by number.
    pub(super) fn member(&self, number: u32) -> Option<&Person> {
        let place = |n: u32| self.person(n).map(|p| (p.joined, n));
        let found = self.braintrust.roll.binary_search_by_key(&place(number), |n| place(*n)).is_ok();
        self.person(number).filter(|p| found && p.left.is_none())
    }

    /// The number of the member who is here and has that id or e-mail address.
    pub(super) fn member_number(&self, id_or_email: &str) -> Option<u32> {
        let read = self.salt.read_uuid(id_or_email, Sort::BraintrustUser).filter(|n| {
            // The neighbour's owner has an id of another world.
            self.person(*n).is_some_and(|p| p.user_uuid == id_or_email)
        });
        let found = read.or_else(|| {
            let without = self.braintrust.cast.map(|cast| cast.without_email);
            let fits = |n: u32, p: &Person| p.user_uuid == id_or_email || (p.email.text == id_or_email && Some(n) != without);
            self.braintrust.roll.iter().copied().find(|n| self.person(*n).is_some_and(|p| fits(*n, p)))
        });
        found.filter(|number| self.member(*number).is_some())
    }

    /// Who and what is odd here, by id; `None` where nothing is.
    pub(super) fn braintrust_cast(&self) -> Option<BraintrustCast> {
        let cast = self.braintrust.cast?;
        let person = |number: u32| self.person(number).map(|p| p.user_uuid.clone());
        Some(BraintrustCast {
            foreign_member: person(cast.foreign)?,
            member_without_email: person(cast.without_email)?,
            unlisted_member: person(cast.unlisted)?,
            member_without_keys: person(cast.without_keys)?,
            listed_account: self.owner_uuid(Owner::Service(cast.listed_account))?,
            unbound_key: self.key_id(cast.unbound_key),
            foreign_key: self.key_id(cast.foreign_key),
            key_without_owner: self.key_id(cast.key_without_owner),
            key_without_owner_fields: self.key_id(cast.key_without_owner_fields),
        })
    }

    /// Lets a member join an organisation that the caller does not own, or leave it again; false where there is no such member.
    pub fn set_elsewhere(&mut self, user_id: &str, elsewhere: bool) -> bool {
        let Some(number) = self.member_number(user_id) else { return false };
        self.braintrust.elsewhere.retain(|other| *other != number);
        self.braintrust.elsewhere.extend(elsewhere.then_some(number));
        true
    }

    /// A member makes a key.
    pub(super) fn make_member_key(&mut self, now: Time) -> Option<u32> {
        let cast = self.braintrust.cast;
        let may = |n: &u32| self.member(*n).is_some() && !cast.is_some_and(|cast| cast.has_person(*n));
        let able: Vec<u32> = self.braintrust.roll.iter().copied().filter(may).collect();
        let person = *self.random.pick(&able)?;
        let name = count(self.random.below(self.names.len()));
        Some(self.add(Key { name, ..plain_key(now, Owner::Person(person), Home::Braintrust) }))
    }

    /// Some key that may be revoked: neither the simulation's own nor one of the odd ones.
    pub(super) fn any_member_key(&mut self) -> Option<u32> {
        let (braintrust, cast) = (&self.braintrust, self.braintrust.cast);
        let may = |n: &u32| !braintrust.is_own(*n) && !cast.is_some_and(|cast| cast.has_key(*n));
        let keys: Vec<u32> = braintrust.keys.iter().copied().filter(may).collect();
        self.random.pick(&keys).copied()
    }

    /// Somebody joins the organisation, at every provider, and makes a Braintrust key.
    pub(super) fn one_joins(&mut self, now: Time) -> (u32, u32) {
        let number = count(self.people.len());
        self.people.push(person(self.salt, number, Role::Member, now));
        // Nobody joined later, but a clock may have gone back.
        let at = self.braintrust.roll.partition_point(|n| self.person(*n).is_some_and(|p| (p.joined, *n) < (now, number)));
        self.braintrust.roll.insert(at, number);
        let name = count(self.random.below(self.names.len()));
        let key = self.add(Key { name, ..plain_key(now, Owner::Person(number), Home::Braintrust) });
        (number, key)
    }
}

/// Braintrust tells neither use nor expiry, so its keys have none.
pub(super) const fn plain_key(created: Time, owner: Owner, home: Home) -> Key {
    Key {
        created,
        last_used: None,
        expires: None,
        owner,
        home,
        name: 0,
        enabled: true,
        access_lost: false,
        leaked: false,
        exists: true,
    }
}
