//! Members whom groups alone name: they are on no list of people, and have not left for that.

use rusqlite::Transaction;

use super::error::Stored;
use super::open::Inventory;
use crate::domain::RemoteId;

impl Inventory {
    /// Takes back what a list of people seems to say of members whom it lacks and groups name: `lacking` are all of them.
    /// `None` where not both, the people and the groups, were read whole: then those are members still who were at last.
    pub async fn keep_group_members(&self, organization: i64, lacking: Option<Vec<RemoteId>>) -> Stored<()> {
        self.write(move |transaction| {
            if let Some(lacking) = lacking {
                name_by_groups(transaction, organization, &lacking)?;
            }
            transaction
                .prepare_cached(
                    "UPDATE scope SET unlisted_walk = NULL
                  WHERE organization_id = ?1 AND kind = 'member' AND standing IN ('open', 'closed') AND unlisted_walk IS NOT NULL
                    AND remote_id IN (SELECT remote_id FROM person WHERE organization_id = ?1 AND by_group)",
                )?
                .execute([organization])?;
            transaction
                .prepare_cached(
                    "UPDATE person SET unlisted_walk = NULL, listed = 1
                  WHERE organization_id = ?1 AND by_group AND (unlisted_walk IS NOT NULL OR NOT listed)",
                )?
                .execute([organization])?;
            Ok(())
        })
        .await
    }
}

fn name_by_groups(transaction: &Transaction<'_>, organization: i64, members: &[RemoteId]) -> Stored<()> {
    let ids = serde_json::Value::from(members.iter().map(RemoteId::as_str).collect::<Vec<&str>>()).to_string();
    transaction
        .prepare_cached(
            "UPDATE person SET by_group = NOT by_group
              WHERE organization_id = ?1 AND by_group <> (remote_id IN (SELECT value FROM json_each(?2)))",
        )?
        .execute((organization, ids))?;
    Ok(())
}
