//! What rules and waivers match keys by, of every key that may be there.

use rusqlite::named_params;

use super::error::Stored;
use super::read::Reader;
use super::sql::{at_now, optional_text, text, word};
use crate::domain::{Presence, Time};
use crate::policy::Matchable;

/// No more columns than that: conditions and times cost many times as much.
const MATCHABLE: &str = "SELECT provider, account, key_id, kind, scope_name, owner_id, owner_name, owner_email, name
  FROM keys WHERE presence IN (SELECT value FROM json_each(:presences))";

impl Reader {
    /// Hands over keys as policy matches them, one after the other, in no order.
    pub async fn each_matchable<T: Send + 'static>(
        &self,
        now: Time,
        mut taken: T,
        mut take: impl FnMut(&mut T, Matchable<'_>) + Send + 'static,
    ) -> Stored<T> {
        self.read(move |connection| {
            let presences: serde_json::Value = Presence::MAY_BE_THERE.iter().map(|presence| presence.as_str()).collect();
            let mut select = connection.prepare_cached(&at_now(MATCHABLE))?;
            let mut rows = select.query(named_params! { ":now": now.unix(), ":presences": presences.to_string() })?;
            while let Some(row) = rows.next()? {
                let mut owner = Vec::with_capacity(3);
                for column in 5..8 {
                    owner.extend(optional_text(row, column)?);
                }
                let key = Matchable {
                    provider: text(row, 0)?,
                    account: text(row, 1)?,
                    key_id: text(row, 2)?,
                    kind: word(row, 3, "key.kind")?,
                    scope_name: optional_text(row, 4)?,
                    owner: &owner,
                    name: optional_text(row, 8)?,
                };
                take(&mut taken, key);
            }
            Ok(taken)
        })
        .await
    }
}
