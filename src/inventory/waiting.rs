//! What waits for a person: open holds, and organisations that credentials see in the place of the stored ones.

use rusqlite::Connection;

use super::error::Stored;
use super::guard::Cause;
use super::read::Reader;
use super::sql::word;
use crate::domain::Time;

/// A hold that nobody has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    /// Why.
    pub cause: Cause,
    /// The list, as the view `scopes` names it: `kind` or `kind/scope_id`. `None` where the whole account is held.
    pub list: Option<String>,
    /// How many keys, people or projects, at most.
    pub held: u64,
    /// Since when.
    pub since: Time,
}

/// Another organisation that the credential sees now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its id, where the provider tells.
    pub id: Option<String>,
    /// Its name, likewise.
    pub name: Option<String>,
    /// When it was seen last.
    pub at: Time,
}

/// What waits in one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Nothing is stored until a person accepts it.
    pub organization: Option<Offered>,
    /// Nothing is concluded of what they hold.
    pub holds: Vec<OpenHold>,
}

impl Reader {
    /// What waits in that account; nothing where there is no such account.
    pub async fn waiting(&self, account: String) -> Stored<Waiting> {
        self.read(move |connection| {
            let mut select =
                connection.prepare_cached("SELECT id, offered_id, offered_name, offered_at FROM account WHERE name = ?1")?;
            let mut rows = select.query([account])?;
            let Some(row) = rows.next()? else { return Ok(Waiting::default()) };
            let organization = match row.get(3)? {
                Some(at) => Some(Offered { id: row.get(1)?, name: row.get(2)?, at: Time::from_unix(at) }),
                None => None,
            };
            Ok(Waiting { organization, holds: open_holds(connection, row.get(0)?)? })
        })
        .await
    }
}

/// The open holds of an account, the oldest first.
pub(super) fn open_holds(connection: &Connection, account: i64) -> Stored<Vec<OpenHold>> {
    let mut select = connection.prepare_cached(
        "SELECT h.cause, s.kind || iif(s.remote_id = '', '', '/' || s.remote_id), h.held, h.since
           FROM hold AS h LEFT JOIN scope AS s ON s.id = h.scope_id
          WHERE h.account_id = ?1 AND h.ended_at IS NULL ORDER BY h.id",
    )?;
    let mut rows = select.query([account])?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next()? {
        holds.push(OpenHold {
            cause: word(row, 0, "hold.cause")?,
            list: row.get(1)?,
            held: row.get::<_, i64>(2)?.unsigned_abs(),
            since: Time::from_unix(row.get(3)?),
        });
    }
    Ok(holds)
}
