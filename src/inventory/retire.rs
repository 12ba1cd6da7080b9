//! Retires the scopes of a way of listing that was left, and gives their keys the witness that the new way has for them.

use rusqlite::Transaction;

use super::error::Stored;
use super::last_seen;
use super::open::Inventory;
use crate::domain::ScopeKind;

impl Inventory {
    /// Retires the scopes of that kind, those too that were never read. A key that only they list is from now on witnessed by
    /// the scope of the new way that would list it: its owner's own, or the organisation's.
    pub async fn retire(&self, organization: i64, kind: ScopeKind) -> Stored<()> {
        self.write(move |transaction| {
            let open: bool = transaction
                .prepare_cached(
                    "SELECT 1 FROM scope WHERE organization_id = ?1 AND kind = ?2 AND standing IN ('open', 'closed')",
                )?
                .exists((organization, kind.as_str()))?;
            if open {
                retire(transaction, organization, kind)?;
            }
            forget_witnesses(transaction, organization, kind)
        })
        .await
    }
}

/// A complete walk of the new witness that did not hold the key counts against it at once, as it would have.
fn retire(transaction: &Transaction<'_>, organization: i64, kind: ScopeKind) -> Stored<()> {
    transaction.execute(
        "UPDATE scope SET standing = 'retired', standing_reason = 'way_left' WHERE organization_id = ?1 AND kind = ?2",
        (organization, kind.as_str()),
    )?;
    let witnesses = if kind == ScopeKind::Organization {
        transaction.execute(
            "INSERT OR IGNORE INTO scope (organization_id, kind, remote_id, name)
             SELECT DISTINCT k.organization_id, 'member', p.remote_id, coalesce(p.name, p.email)
               FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id JOIN person AS p ON p.id = k.person_id
              WHERE s.organization_id = ?1 AND s.kind = ?2 AND p.kind = 'user'",
            (organization, kind.as_str()),
        )?;
        "INSERT OR IGNORE INTO sighting (scope_id, key_id, walk_id, unlisted_walk)
         SELECT m.id, x.key_id, x.walk_id, iif(m.complete_walk > x.walk_id, m.complete_walk, NULL)
           FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id JOIN person AS p ON p.id = k.person_id
           JOIN scope AS m ON m.organization_id = k.organization_id AND m.kind = 'member' AND m.remote_id = p.remote_id
          WHERE s.organization_id = ?1 AND s.kind = ?2"
    } else {
        "INSERT OR IGNORE INTO sighting (scope_id, key_id, walk_id, unlisted_walk)
         SELECT o.id, x.key_id, x.walk_id, iif(o.complete_walk > x.walk_id, o.complete_walk, NULL)
           FROM scope AS s JOIN sighting AS x ON x.scope_id = s.id JOIN scope AS o ON o.organization_id = s.organization_id AND o.kind = 'organization'
          WHERE s.organization_id = ?1 AND s.kind = ?2"
    };
    transaction.execute(witnesses, (organization, kind.as_str()))?;
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
