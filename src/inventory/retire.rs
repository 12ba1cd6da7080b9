//! Retires the scopes of a way of listing that was left, and gives their keys the witness that the new way has for them.

use rusqlite::Transaction;

use super::error::Stored;
use super::last_seen;
use super::open::Inventory;
use crate::domain::ScopeKind;

impl Inventory {
    /// Retires the scopes of kind `left`, those too that were never read, and takes back those of kind `taken`, by which keys
    /// are listed now. A key that only retired scopes list is from now on witnessed by the scope that would list it in the new
    /// way: its owner's own, or the organisation's. Only for a poll that read keys in the new way.
    pub async fn retire(&self, organization: i64, left: ScopeKind, taken: ScopeKind) -> Stored<()> {
        self.write(move |transaction| {
            transaction
                .prepare_cached(
                    "UPDATE scope SET standing = 'open', standing_reason = NULL
                  WHERE organization_id = ?1 AND kind = ?2 AND standing = 'retired'",
                )?
                .execute((organization, taken.as_str()))?;
            let open: bool = transaction
                .prepare_cached(
                    "SELECT 1 FROM scope WHERE organization_id = ?1 AND kind = ?2 AND standing IN ('open', 'closed')",
                )?
                .exists((organization, left.as_str()))?;
            if open {
                retire(transaction, organization, left)?;
            }
            forget_witnesses(transaction, organization, left)
        })
        .await
    }
}

/// What the old witness no longer listed stays unlisted, since a change of the way is no sighting. What it listed to the last
/// is unlisted where the new witness was read whole after that without the key.
fn retire(transaction: &Transaction<'_>, organization: i64, left: ScopeKind) -> Stored<()> {
    transaction.execute(
        "UPDATE scope SET standing = 'retired', standing_reason = 'way_left' WHERE organization_id = ?1 AND kind = ?2",
        (organization, left.as_str()),
    )?;
    let witnesses = if left == ScopeKind::Organization {
        transaction.execute(
            "INSERT OR IGNORE INTO scope (organization_id, kind, remote_id, name)
             SELECT DISTINCT k.organization_id, 'member', p.remote_id, coalesce(p.name, p.email)
               FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id JOIN person AS p ON p.id = k.person_id
              WHERE s.organization_id = ?1 AND s.kind = ?2 AND p.kind = 'user'",
            (organization, left.as_str()),
        )?;
        "INSERT OR IGNORE INTO sighting (scope_id, key_id, walk_id, unlisted_walk)
         SELECT m.id, x.key_id, max(x.walk_id, s.newest_walk), coalesce(x.unlisted_walk, iif(m.complete_walk > s.newest_walk, m.complete_walk, NULL))
           FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id JOIN person AS p ON p.id = k.person_id
           JOIN scope AS m ON m.organization_id = k.organization_id AND m.kind = 'member' AND m.remote_id = p.remote_id
          WHERE s.organization_id = ?1 AND s.kind = ?2"
    } else {
        "INSERT OR IGNORE INTO sighting (scope_id, key_id, walk_id, unlisted_walk)
         SELECT o.id, x.key_id, max(x.walk_id, s.newest_walk), coalesce(x.unlisted_walk, iif(o.complete_walk > s.newest_walk, o.complete_walk, NULL))
           FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN scope AS o ON o.organization_id = s.organization_id AND o.kind = 'organization'
          WHERE s.organization_id = ?1 AND s.kind = ?2"
    };
    transaction.execute(witnesses, (organization, left.as_str()))?;
    Ok(())
}

/// A retired scope is no witness of a key that another one lists or would list: it cannot be asked again. Not only when the
/// way is left: a key that nobody's list could take over may be seen in the new way later.
fn forget_witnesses(transaction: &Transaction<'_>, organization: i64, kind: ScopeKind) -> Stored<()> {
    let mut select = transaction.prepare_cached(
        "SELECT x.scope_id, x.key_id FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id
          WHERE s.organization_id = ?1 AND s.kind = ?2 AND s.standing = 'retired'
            AND EXISTS (SELECT 1 FROM sighting AS y JOIN scope AS n ON n.id = y.scope_id
                         WHERE y.key_id = x.key_id AND n.standing <> 'retired')",
    )?;
    let rows = select.query_map((organization, kind.as_str()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let forgotten: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    for (scope, key) in forgotten {
        // The new witness may not have seen it yet.
        last_seen::keep(transaction, key)?;
        transaction.prepare_cached("DELETE FROM sighting WHERE scope_id = ?1 AND key_id = ?2")?.execute((scope, key))?;
    }
    Ok(())
}
