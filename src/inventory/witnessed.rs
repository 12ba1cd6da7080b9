//! Which keys a scope witnesses, as far as was seen: what a list that came empty can be asked about once more.

use super::error::{StoreError, Stored};
use super::open::Inventory;
use crate::domain::{RemoteId, ScopeId};

impl Inventory {
    /// At most `limit` keys that the scope lists or listed when they were last sighted; those that are gone are none of them.
    pub async fn witnessed_keys(&self, account: i64, scope: ScopeId, limit: u32) -> Stored<Vec<RemoteId>> {
        self.reader()
            .read(move |connection| {
                let mut select = connection.prepare_cached(
                    "SELECT k.remote_id FROM account AS a JOIN scope AS s ON s.organization_id = a.organization_id
                       JOIN sighting AS x ON x.scope_id = s.id JOIN key AS k ON k.id = x.key_id
                      WHERE a.id = ?1 AND s.kind = ?2 AND s.remote_id = ?3 ORDER BY k.id DESC LIMIT ?4",
                )?;
                let of = scope.of.as_ref().map_or("", RemoteId::as_str);
                let ids: Vec<String> =
                    select.query_map((account, scope.kind.as_str(), of, limit), |row| row.get(0))?.collect::<Result<_, _>>()?;
                let read = |id: String| RemoteId::new(&id).ok_or(StoreError::Inconsistent { what: id, column: "key.remote_id" });
                ids.into_iter().map(read).collect()
            })
            .await
    }
}
