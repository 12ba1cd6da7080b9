//! Keys by their owner, counted: what is alike in owner, conditions and waiver is one row.

use super::asked::{Filter, KeysAsked};
use super::error::Stored;
use super::list_keys::OwnerRow;
use super::read::Reader;
use super::sql::{at_now_in_order, conditions, optional_word};
use crate::domain::{Condition, Time};

/// Keys of one account that are alike in all this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedKeys {
    /// Their account.
    pub account: String,
    /// Whose they are; `None` is *not reported*.
    pub owner: Option<OwnerRow>,
    /// Their conditions, waived or not.
    pub conditions: Vec<Condition>,
    /// A waiver accepts the conditions for now.
    pub waived: bool,
    /// How many.
    pub keys: u64,
}

const COLUMNS: &str = "account, owner_kind, owner_id, owner_name, owner_email, conditions, waived";

impl Reader {
    /// Counts all keys that the filter allows by owner as of `now`, in the order of accounts and owners.
    pub async fn owned_keys(&self, filter: Filter, now: Time) -> Stored<Vec<OwnedKeys>> {
        let reader = self.clone();
        self.read(move |connection| {
            if let Some(resident) = reader.resident()
                && let Some(owned) = resident.ask(connection, now, |held| held.owned(&reader, connection, &filter, now))?
            {
                return Ok(owned);
            }
            let chosen = KeysAsked { filter, ..KeysAsked::default() }.chosen();
            let sql = at_now_in_order(&format!(
                "SELECT {COLUMNS}, count(*) FROM (SELECT {COLUMNS} FROM keys{}) GROUP BY {COLUMNS} ORDER BY {COLUMNS}",
                chosen.sql
            ));
            let mut select = connection.prepare_cached(&sql)?;
            let mut parameters = chosen.parameters();
            let now = now.unix();
            parameters.push((":now", &now));
            let mut rows = select.query(parameters.as_slice())?;
            let mut owned = Vec::new();
            while let Some(row) = rows.next()? {
                let owner = match optional_word(row, 1, "person.kind")? {
                    Some(kind) => Some(OwnerRow { kind, id: row.get(2)?, name: row.get(3)?, email: row.get(4)? }),
                    None => None,
                };
                owned.push(OwnedKeys {
                    account: row.get(0)?,
                    owner,
                    conditions: conditions(row, 5)?,
                    waived: !row.get::<_, String>(6)?.is_empty(),
                    keys: row.get::<_, i64>(7)?.unsigned_abs(),
                });
            }
            Ok(owned)
        })
        .await
    }
}
