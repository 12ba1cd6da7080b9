//! Owners: one for each person or service account, whatever the providers and accounts, with what is claimed of their keys.

use std::collections::{BTreeMap, BTreeSet};

use super::{OwnedKeys, Whose};
use crate::domain::{Condition, OwnerKind};

/// All keys of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// By what they are asked for.
    pub whose: Whose,
    /// Whose they are; `None` is every key whose provider does not report an owner.
    pub owner: Option<Owner>,
    /// In which accounts.
    pub accounts: BTreeSet<String>,
    /// How many.
    pub keys: u64,
    /// Those in a condition that is not waived, each once.
    pub flagged: u64,
    /// By condition, without waived ones; conditions without any are left out.
    pub by_condition: BTreeMap<Condition, u64>,
    /// Those in a condition that a waiver accepts.
    pub waived: u64,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// User, service account, or something newer.
    pub kind: OwnerKind,
    /// The name that the first account tells, by the accounts' names.
    pub name: Option<String>,
    /// The e-mail address, likewise.
    pub email: Option<String>,
    /// The provider's ids, each in its account.
    pub ids: BTreeSet<(String, String)>,
}

impl Owned {
    fn none_yet(whose: Whose) -> Self {
        Self { whose, owner: None, accounts: BTreeSet::new(), keys: 0, flagged: 0, by_condition: BTreeMap::new(), waived: 0 }
    }

    /// In that condition, without waived ones.
    pub fn in_condition(&self, condition: Condition) -> u64 {
        self.by_condition.get(&condition).copied().unwrap_or(0)
    }

    /// What it is known by, whatever its keys are: an order that does not change with them. What is not reported comes last.
    pub fn identity(&self) -> [String; 3] {
        let Some(owner) = &self.owner else { return ["~".to_owned(), String::new(), String::new()] };
        match (owner.email.as_deref().map(str::trim).filter(|email| !email.is_empty()), owner.ids.first()) {
            (Some(email), _) => ["email".to_owned(), email.to_lowercase(), owner.kind.as_str().to_owned()],
            (None, Some((account, id))) => ["id".to_owned(), account.clone(), id.clone()],
            (None, None) => ["id".to_owned(), String::new(), String::new()],
        }
    }

    fn add(&mut self, alike: OwnedKeys) {
        let OwnedKeys { account, owner, conditions, waived, keys } = alike;
        if let Some(row) = owner {
            let new = || Owner { kind: row.kind, name: None, email: None, ids: BTreeSet::new() };
            let owner = self.owner.get_or_insert_with(new);
            owner.name = owner.name.take().or(row.name);
            owner.email = owner.email.take().or(row.email);
            owner.ids.insert((account.clone(), row.id));
        }
        self.accounts.insert(account);
        self.keys += keys;
        if conditions.is_empty() {
            return;
        }
        if waived {
            self.waived += keys;
            return;
        }
        self.flagged += keys;
        for condition in conditions {
            *self.by_condition.entry(condition).or_default() += keys;
        }
    }

    /// What is told first comes first.
    fn rank(&self) -> impl Ord + use<> {
        let owner = self.owner.as_ref();
        let words = owner.map(|owner| (owner.email.clone(), owner.name.clone(), owner.ids.first().cloned()));
        let left = self.in_condition(Condition::Orphaned) > 0;
        (self.owner.is_none(), !left, std::cmp::Reverse(self.flagged), std::cmp::Reverse(self.keys), words)
    }
}

/// Joins what is one owner's. Leavers, who own orphaned keys, come first, then who has most keys that need a person; keys
/// without a reported owner come last.
pub fn by_owner(alike: Vec<OwnedKeys>) -> Vec<Owned> {
    let mut owners: BTreeMap<Whose, Owned> = BTreeMap::new();
    for keys in alike {
        let whose = Whose::of(&keys.account, keys.owner.as_ref());
        owners.entry(whose).or_insert_with_key(|whose| Owned::none_yet(whose.clone())).add(keys);
    }
    let mut owners: Vec<Owned> = owners.into_values().collect();
    owners.sort_by_cached_key(Owned::rank);
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::OwnerRow;

    fn alike(account: &str, owner: Option<(OwnerKind, &str, Option<&str>)>, conditions: &[Condition], waived: bool) -> OwnedKeys {
        let owner = owner.map(|(kind, id, email)| OwnerRow { kind, id: id.into(), name: None, email: email.map(str::to_owned) });
        OwnedKeys { account: account.into(), owner, conditions: conditions.into(), waived, keys: 2 }
    }

    #[test]
    fn one_person_is_one_line_and_leavers_come_first() {
        use Condition::{Orphaned, Overdue, Stale};
        let user = |id, email| Some((OwnerKind::User, id, email));
        let robot = Some((OwnerKind::ServiceAccount, "s1", Some("ana@example.com")));
        let owners = by_owner(vec![
            alike("a", None, &[Stale], false),
            alike("a", user("u1", Some("Ana@Example.com")), &[Stale, Overdue], false),
            alike("a", user("u2", None), &[], false),
            alike("a", user("u3", Some("leaver@example.com")), &[Orphaned], false),
            alike("a", user("u4", Some("waived@example.com")), &[Orphaned], true),
            alike("a", robot, &[], false),
            alike("b", user("u2", None), &[], false),
            alike("b", user("x1", Some("ana@example.com")), &[Stale], false),
        ]);
        let told = |owned: &Owned| {
            let id = owned.owner.as_ref().map_or("none", |owner| owner.ids.first().map_or("", |(_, id)| id.as_str()));
            (id.to_owned(), owned.keys, owned.flagged, owned.waived)
        };
        let told: Vec<_> = owners.iter().map(told).collect();
        let expected = [
            ("u3", 2, 2, 0),
            ("u1", 4, 4, 0),
            // One id at two accounts without an address is two owners.
            ("u2", 2, 0, 0),
            ("u2", 2, 0, 0),
            ("s1", 2, 0, 0),
            ("u4", 2, 0, 2),
            ("none", 2, 2, 0),
        ];
        assert_eq!(told, expected.map(|(id, keys, flagged, waived)| (id.to_owned(), keys, flagged, waived)));
        let ana = &owners[1];
        assert_eq!((ana.in_condition(Stale), ana.in_condition(Overdue), ana.accounts.len()), (4, 2, 2));
    }
}
