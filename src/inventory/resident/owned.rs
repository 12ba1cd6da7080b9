//! Keys by their owner, counted.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Statement};

use super::Held;
use super::choose::Choice;
use super::key::{Conditions, Row};
use crate::domain::{Condition, Time};
use crate::inventory::asked::Filter;
use crate::inventory::error::Stored;
use crate::inventory::list_keys::OwnerRow;
use crate::inventory::list_owned::OwnedKeys;
use crate::inventory::read::Reader;
use crate::inventory::sql::word;

impl Held {
    /// Counts keys by owner, in the order of accounts and owners; `None` where it asks for what is not kept in memory.
    pub(in crate::inventory) fn owned(
        &self,
        reader: &Reader,
        connection: &Connection,
        filter: &Filter,
        now: Time,
    ) -> Stored<Option<Vec<OwnedKeys>>> {
        let Some(choice) = Choice::new(self, reader, connection, filter)? else { return Ok(None) };
        let mut alike: HashMap<(Row, Option<Row>, Conditions, bool), u64> = HashMap::new();
        for key in self.keys.iter().filter(|key| choice.allows(key, now)) {
            let waived = key.conditions.any() && key.is_waived(now);
            *alike.entry((key.account, key.owner, key.conditions, waived)).or_default() += 1;
        }
        let mut alike: Vec<_> = alike.into_iter().collect();
        alike.sort_unstable_by_key(|((account, owner, ..), _)| (*account, *owner));
        let mut accounts = connection.prepare_cached("SELECT name FROM account WHERE id = ?1")?;
        let mut people = connection.prepare_cached("SELECT kind, remote_id, name, email FROM person WHERE id = ?1")?;
        let mut owners = Vec::new();
        for same in alike.chunk_by(|(one, _), (next, _)| (one.0, one.1) == (next.0, next.1)) {
            let Some(((account, owner, ..), _)) = same.first() else { continue };
            let account: Option<String> = accounts.query_row([account.id()], |row| row.get(0)).optional()?;
            let Some(account) = account else { continue };
            let owner = owner.map(|owner| read_owner(&mut people, owner)).transpose()?.flatten();
            let mut counted: Vec<_> =
                same.iter().map(|((.., conditions, waived), keys)| (conditions.list(), *waived, *keys)).collect();
            counted.sort_unstable_by(|one, other| words(&one.0).cmp(words(&other.0)).then_with(|| one.1.cmp(&other.1)));
            owners.push((account, owner, counted));
        }
        owners.sort_by(|one, other| (&one.0, one.1.as_ref().map(place)).cmp(&(&other.0, other.1.as_ref().map(place))));
        let owned = owners.into_iter().flat_map(|(account, owner, counted)| {
            counted.into_iter().map(move |(conditions, waived, keys)| {
                let (account, owner) = (account.clone(), owner.clone());
                OwnedKeys { account, owner, conditions, waived, keys }
            })
        });
        Ok(Some(owned.collect()))
    }
}

fn read_owner(people: &mut Statement<'_>, owner: Row) -> Stored<Option<OwnerRow>> {
    let mut rows = people.query([owner.id()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(OwnerRow { kind: word(row, 0, "person.kind")?, id: row.get(1)?, name: row.get(2)?, email: row.get(3)? }))
}

/// As the view's columns order owners.
fn place(owner: &OwnerRow) -> (&'static str, &str, Option<&str>, Option<&str>) {
    (owner.kind.as_str(), &owner.id, owner.name.as_deref(), owner.email.as_deref())
}

/// And as they order lists of conditions: a comma comes before all letters.
fn words(conditions: &[Condition]) -> impl Iterator<Item = &'static str> {
    conditions.iter().copied().map(Condition::as_str)
}
