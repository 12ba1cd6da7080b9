//! Keys by their owner, counted.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

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
        let mut accounts = connection.prepare_cached("SELECT name FROM account WHERE id = ?1")?;
        let mut people = connection.prepare_cached("SELECT kind, remote_id, name, email FROM person WHERE id = ?1")?;
        let mut owned = Vec::with_capacity(alike.len());
        for ((account, owner, conditions, waived), keys) in alike {
            let owner = match owner {
                None => None,
                Some(owner) => {
                    let mut rows = people.query([owner.id()])?;
                    match rows.next()? {
                        Some(row) => Some(OwnerRow {
                            kind: word(row, 0, "person.kind")?,
                            id: row.get(1)?,
                            name: row.get(2)?,
                            email: row.get(3)?,
                        }),
                        None => None,
                    }
                }
            };
            let account: Option<String> = accounts.query_row([account.id()], |row| row.get(0)).optional()?;
            let Some(account) = account else { continue };
            owned.push(OwnedKeys { account, owner, conditions: conditions.list(), waived, keys });
        }
        owned.sort_by(|one, other| place(one).cmp(&place(other)));
        Ok(Some(owned))
    }
}

type Place<'a> = (&'a str, Option<(&'static str, &'a str, Option<&'a str>, Option<&'a str>)>, String, bool);

/// As the view's columns order it.
fn place(owned: &OwnedKeys) -> Place<'_> {
    let owner = owned.owner.as_ref();
    let owner = owner.map(|owner| (owner.kind.as_str(), owner.id.as_str(), owner.name.as_deref(), owner.email.as_deref()));
    let conditions: Vec<&str> = owned.conditions.iter().copied().map(Condition::as_str).collect();
    (&owned.account, owner, conditions.join(","), owned.waived)
}
