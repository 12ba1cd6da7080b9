//! Makes Braintrust's part of a world: who is a member, the keys they have, service tokens, and the odd ones.

use super::ids::Sort;
use super::members::{Account, Cast, Own, plain_key};
use super::world::{Home, Key, Name, Owner, Size, World, count};
use crate::domain::Time;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// What a key is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Unbound,
    Bound,
    Member,
    CastUnbound,
    CastForeign,
    CastWithoutOwner,
    CastWithoutOwnerFields,
}

impl World {
    pub(super) fn make_braintrust(&mut self, size: Size, now: Time) {
        self.braintrust.organization_id = self.salt.uuid(Sort::BraintrustOrganization, 0);
        let here = |number: &u32| self.person(*number).is_some_and(|p| p.left.is_none());
        let roll: Vec<u32> = (0..count(self.people.len())).filter(here).take(size.braintrust_members.max(4)).collect();
        let odd: Option<[u32; 8]> =
            roll.get(4..12).filter(|_| size.braintrust_cast && roll.len() >= 16).and_then(|odd| odd.try_into().ok());

        let mut made = self.member_keys(&roll, odd, size.braintrust_keys, now);
        if odd.is_some()
            && let Some(left) = self.people.iter().position(|p| p.left.is_some())
        {
            made.push((self.member_key(count(left), now), Part::Nothing));
        }
        made.sort_by_key(|(key, _)| key.created);
        let numbered: Vec<(u32, Part)> = made.into_iter().map(|(key, part)| (self.add(key), part)).collect();
        let number_of = |wanted: Part| numbered.iter().find(|(_, part)| *part == wanted).map_or(u32::MAX, |(number, _)| *number);
        self.braintrust.own =
            Own { unbound: number_of(Part::Unbound), bound: number_of(Part::Bound), member: number_of(Part::Member), token: 0 };
        self.braintrust.cast = odd.map(|odd| Cast {
            foreign: odd[0],
            without_email: odd[1],
            unlisted: odd[2],
            without_keys: odd[3],
            unbound_key: number_of(Part::CastUnbound),
            foreign_key: number_of(Part::CastForeign),
            key_without_owner: number_of(Part::CastWithoutOwner),
            key_without_owner_fields: number_of(Part::CastWithoutOwnerFields),
            listed_account: 2,
        });
        let mut roll = roll;
        roll.sort_by_key(|number| self.person(*number).map(|p| (p.joined, *number)));
        self.braintrust.roll = roll;
        self.make_service_tokens(now);
    }

    /// Keys of those members, with what each is for; in no order.
    fn member_keys(&mut self, roll: &[u32], odd: Option<[u32; 8]>, keys: usize, now: Time) -> Vec<(Key, Part)> {
        let own_names = [self.intern("keymuster audit"), self.intern("laptop")];
        let mut made = Vec::with_capacity(keys + 4);
        let mut moved = false;
        for (place, person) in roll.iter().copied().enumerate() {
            let mut share = keys / roll.len() + usize::from(place < keys % roll.len());
            // Where people are people, they do not all have the same number of keys.
            if odd.is_some() && share >= 2 {
                if place % 2 == 0 {
                    moved = self.random.percent(70);
                    share += usize::from(moved);
                } else {
                    share -= usize::from(moved);
                }
            }
            let parts: &[Part] = match (person, odd) {
                (0, _) => &[Part::Unbound, Part::Bound],
                (3, _) => &[Part::Member],
                (n, Some(odd)) if n == odd[4] => &[Part::CastUnbound],
                (n, Some(odd)) if n == odd[5] => &[Part::CastForeign],
                (n, Some(odd)) if n == odd[6] => &[Part::CastWithoutOwner],
                (n, Some(odd)) if n == odd[7] => &[Part::CastWithoutOwnerFields],
                _ => &[],
            };
            if odd.is_some_and(|odd| person == odd[3]) {
                share = 0;
            }
            for number in 0..share.max(parts.len()) {
                let part = parts.get(number).copied().unwrap_or(Part::Nothing);
                let mut key = self.member_key(person, now);
                match part {
                    Part::Unbound => (key.name, key.created) = (own_names[0], now.plus(-40 * DAY)),
                    Part::Bound => key.name = own_names[1],
                    Part::Nothing
                    | Part::Member
                    | Part::CastUnbound
                    | Part::CastForeign
                    | Part::CastWithoutOwner
                    | Part::CastWithoutOwnerFields => {}
                }
                made.push((key, part));
            }
        }
        made
    }

    fn member_key(&mut self, person: u32, now: Time) -> Key {
        let member_for = self.person(person).map_or(DAY, |p| now.since(p.joined));
        let recent = self.random.percent(30);
        let age = self.random.between(HOUR, if recent { member_for.min(60 * DAY) } else { member_for });
        let name = count(self.random.below(self.names.len()));
        Key { name, ..plain_key(now.plus(-age), Owner::Person(person), Home::Braintrust) }
    }

    fn make_service_tokens(&mut self, now: Time) {
        for (number, name) in ["keymuster", "data plane", "ci evals"].into_iter().enumerate() {
            let id = self.salt.uuid(Sort::BraintrustAccount, count(number));
            let email = format!("{}@service-account.example", name.replace(' ', "-"));
            self.braintrust.accounts.push(Account { id, name: Name::new(name), email });
        }
        // Oldest first. Setting the URL of a data plane of one's own provides the first of them.
        for (account, name, age) in [(1, "data plane", 800), (2, "ci", 420), (0, "keymuster", 200), (2, "ci (rotated)", 30)] {
            let name = self.intern(name);
            let key = plain_key(now.plus(-age * DAY), Owner::Service(account), Home::BraintrustToken);
            let number = self.add(Key { name, ..key });
            if account == 0 {
                self.braintrust.own.token = number;
            }
        }
    }
}
