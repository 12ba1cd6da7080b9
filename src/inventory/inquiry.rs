//! Held keys that are to be asked for by their ids, and what that proved: a way out of a hold that needs no person.

use rusqlite::Connection;

use super::error::Stored;
use super::open::Inventory;
use super::poll::Poll;
use super::sql::{key_id, word};
use crate::domain::{RemoteId, ScopeId};
use crate::walk::Absent;

/// A list that was read whole without keys that are held, and a key that it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldList {
    row: i64,
    /// The list.
    pub scope: ScopeId,
    /// A key that it holds.
    pub control: RemoteId,
}

/// The held keys of account ?1 whose home was read whole without them by the poll of number ?2.
const HELD: &str = "hold AS h JOIN held_key AS x ON x.hold_id = h.id JOIN key AS k ON k.id = x.key_id
       JOIN sighting AS y ON y.key_id = k.id AND y.scope_id = k.scope_id JOIN scope AS s ON s.id = k.scope_id
      WHERE h.account_id = ?1 AND h.ended_at IS NULL AND x.absent_poll IS NULL
        AND y.unlisted_walk IS NOT NULL AND s.standing = 'open' AND s.complete_walk > ?2";

/// A key that scope ?1 lists.
const CONTROL: &str = "SELECT k.remote_id FROM sighting AS x JOIN key AS k ON k.id = x.key_id
      WHERE x.scope_id = ?1 AND x.unlisted_walk IS NULL AND k.presence = 'present' LIMIT 1";

impl Inventory {
    /// The lists whose held keys may be asked for now, those first that waited longest. One that holds no key at all is none of
    /// them: it could prove nothing.
    pub async fn held_lists(&self, poll: Poll) -> Stored<Vec<HeldList>> {
        self.read(move |connection| held_lists(connection, poll)).await
    }

    /// At most `limit` held keys of a list that it no longer holds, those first that waited longest.
    pub async fn held_keys(&self, poll: Poll, list: &HeldList, limit: usize) -> Stored<Vec<RemoteId>> {
        let row = list.row;
        self.read(move |connection| {
                let mut select = connection.prepare_cached(&format!(
                    "SELECT k.remote_id FROM {HELD} AND s.id = ?3 GROUP BY k.id ORDER BY min(coalesce(x.asked_poll, 0)), k.id LIMIT ?4"
                ))?;
                let mut rows = select.query((poll.account, poll.id, row, i64::try_from(limit).unwrap_or(i64::MAX)))?;
                let mut keys = Vec::new();
                while let Some(row) = rows.next()? {
                    keys.push(key_id(row.get(0)?)?);
                }
                Ok(keys)
            })
            .await
    }

    /// Keeps that these keys were asked for, and takes those out of their holds that were proven absent: they go by the
    /// ordinary proof.
    pub async fn asked_for(&self, poll: Poll, asked: Vec<RemoteId>, absent: Absent) -> Stored<()> {
        let run = self.run();
        self.write(move |transaction| {
            poll.store(transaction, run)?;
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

fn held_lists(connection: &Connection, poll: Poll) -> Stored<Vec<HeldList>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT s.id, s.kind, s.remote_id FROM {HELD} GROUP BY s.id ORDER BY min(coalesce(x.asked_poll, 0)), s.id"
    ))?;
    let mut control = connection.prepare_cached(CONTROL)?;
    let mut rows = select.query((poll.account, poll.id))?;
    let mut lists = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if let Some(shown) = control.query_map([id], |row| row.get(0))?.next() {
            let scope = ScopeId { kind: word(row, 1, "scope.kind")?, of: RemoteId::new(&row.get::<_, String>(2)?) };
            lists.push(HeldList { row: id, scope, control: key_id(shown?)? });
        }
    }
    Ok(lists)
}
