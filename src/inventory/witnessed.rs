//! Which keys a scope would list, as far as was seen: a list that lacks some of them is asked about once more.

use super::error::Stored;
use super::open::Inventory;
use super::sql::{ids_as_json, key_id};
use crate::domain::{RemoteId, ScopeId};

/// What the scope lists or listed when it was last sighted; and what an organisation's list showed of the member whose list it
/// is, as the next change of the way of listing would make that list a witness.
pub(super) const WITNESSED: &str = "
    SELECT k.id, k.remote_id FROM account AS a JOIN scope AS s ON s.organization_id = a.organization_id
      JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id
     WHERE a.id = ?1 AND s.kind = ?2 AND s.remote_id = ?3
     UNION
    SELECT k.id, k.remote_id FROM account AS a JOIN person AS p ON p.organization_id = a.organization_id
      JOIN key AS k ON k.person_id = p.id JOIN sighting AS x ON x.key_id = k.id JOIN scope AS s ON s.id = x.scope_id
     WHERE a.id = ?1 AND ?2 = 'member' AND p.remote_id = ?3 AND s.kind = 'organization'
     ORDER BY 1 DESC";

/// Some of the keys ?3 that account ?1 knows as somebody else's than ?2.
pub(super) const ANOTHERS: &str = "
    SELECT 1 FROM account AS a CROSS JOIN json_each(?3) AS j CROSS JOIN key AS k ON k.organization_id = a.organization_id AND k.remote_id = j.value
      CROSS JOIN person AS p ON p.id = k.person_id WHERE a.id = ?1 AND p.remote_id <> ?2";

impl Inventory {
    /// Some of those keys are known as another member's.
    pub async fn is_anothers(&self, account: i64, member: RemoteId, keys: Vec<RemoteId>) -> Stored<bool> {
        let keys = ids_as_json(&keys);
        self.read(move |connection| Ok(connection.prepare_cached(ANOTHERS)?.exists((account, member.as_str(), keys))?)).await
    }

    /// The keys that the scope would list, the newest first; those that are gone are none of them.
    pub async fn witnessed_keys(&self, account: i64, scope: ScopeId) -> Stored<Vec<RemoteId>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(WITNESSED)?;
            let of = scope.of.as_ref().map_or("", RemoteId::as_str);
            let ids: Vec<String> =
                select.query_map((account, scope.kind.as_str(), of), |row| row.get(1))?.collect::<Result<_, _>>()?;
            ids.into_iter().map(key_id).collect()
        })
        .await
    }
}
