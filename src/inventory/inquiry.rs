//! Held keys that are to be asked for by their ids, and what that proved: a way out of a hold that needs no person.

use rusqlite::Connection;

use super::error::{StoreError, Stored};
use super::open::Inventory;
use super::poll::Poll;
use super::sql::word;
use crate::domain::{RemoteId, ScopeId};
use crate::walk::Absent;

/// Held keys of one list that was read whole, and a key that it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKeys {
    /// The list.
    pub scope: ScopeId,
    /// A key that it holds.
    pub control: RemoteId,
    /// The held keys that stand on it no more.
    pub keys: Vec<RemoteId>,
}

/// The held keys of account ?1 whose home was read whole without them by the poll of number ?2; those that waited longest first.
const HELD: &str = "SELECT s.id, s.kind, s.remote_id, k.remote_id
       FROM hold AS h JOIN held_key AS x ON x.hold_id = h.id JOIN key AS k ON k.id = x.key_id
       JOIN sighting AS y ON y.key_id = k.id AND y.scope_id = k.scope_id JOIN scope AS s ON s.id = k.scope_id
      WHERE h.account_id = ?1 AND h.ended_at IS NULL AND x.absent_poll IS NULL
        AND y.unlisted_walk IS NOT NULL AND s.standing = 'open' AND s.complete_walk > ?2
      GROUP BY k.id ORDER BY min(coalesce(x.asked_poll, 0)), k.id LIMIT ?3";

/// A key that scope ?1 lists.
const CONTROL: &str = "SELECT k.remote_id FROM sighting AS x JOIN key AS k ON k.id = x.key_id
      WHERE x.scope_id = ?1 AND x.unlisted_walk IS NULL AND k.presence = 'present' LIMIT 1";

impl Inventory {
    /// At most `limit` held keys that may be asked for now, by list. A list that holds no other key can prove nothing.
    pub async fn held_keys(&self, poll: Poll, limit: u32) -> Stored<Vec<HeldKeys>> {
        self.reader().read(move |connection| held_keys(connection, poll, limit)).await
    }

    /// Keeps that these keys were asked for, and takes those out of their holds that were proven absent: they go by the
    /// ordinary proof.
    pub async fn asked_for(&self, poll: Poll, asked: Vec<RemoteId>, absent: Absent) -> Stored<()> {
        self.write(move |transaction| {
            let mut mark = transaction.prepare_cached(
                "UPDATE held_key SET asked_poll = ?1, absent_poll = iif(?4, ?1, absent_poll)
                  WHERE hold_id IN (SELECT id FROM hold WHERE account_id = ?2 AND ended_at IS NULL)
                    AND key_id = (SELECT k.id FROM key AS k JOIN account AS a ON a.organization_id = k.organization_id
                                   WHERE a.id = ?2 AND k.remote_id = ?3)",
            )?;
            for id in &asked {
                mark.execute((poll.id, poll.account, id.as_str(), absent.ids().contains(id)))?;
            }
            Ok(())
        })
        .await
    }
}

fn held_keys(connection: &Connection, poll: Poll, limit: u32) -> Stored<Vec<HeldKeys>> {
    let id = |text: String| {
        RemoteId::new(&text).ok_or_else(|| StoreError::Inconsistent { what: format!("'{text}'"), column: "key.remote_id" })
    };
    let mut select = connection.prepare_cached(HELD)?;
    let mut control = connection.prepare_cached(CONTROL)?;
    let mut rows = select.query((poll.account, poll.id, limit))?;
    let mut found: Vec<HeldKeys> = Vec::new();
    while let Some(row) = rows.next()? {
        let scope = ScopeId { kind: word(row, 1, "scope.kind")?, of: RemoteId::new(&row.get::<_, String>(2)?) };
        let key = id(row.get(3)?)?;
        if let Some(known) = found.iter_mut().find(|held| held.scope == scope) {
            known.keys.push(key);
        } else if let Some(shown) = control.query_map([row.get::<_, i64>(0)?], |row| row.get(0))?.next() {
            found.push(HeldKeys { scope, control: id(shown?)?, keys: vec![key] });
        }
    }
    Ok(found)
}
