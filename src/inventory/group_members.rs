//! Members whom groups alone name: they are on no list of people, and have not left for that.

use rusqlite::Transaction;

use super::error::Stored;
use super::open::Inventory;
use super::sql::ids_as_json;
use crate::domain::RemoteId;

/// What a poll learnt of members whom groups alone name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InGroups {
    /// These are all of them: the people and the groups were read whole.
    Members(Vec<RemoteId>),
    /// Not both were read whole: whoever was a member so stays one, but lists of members' keys say nothing of theirs.
    NotRead,
    /// The groups may not be read: nobody can tell any more whether those whom they alone named are members still.
    Refused,
}

impl Inventory {
    /// Takes back what a list of people seems to say of members whom it lacks and groups name. Where groups are refused,
    /// what it says stays, but nobody whom groups alone named is said to have left.
    pub async fn keep_group_members(&self, organization: i64, told: InGroups) -> Stored<()> {
        let now = self.next_number();
        self.write(move |transaction| {
            match told {
                InGroups::Members(members) => name_by_groups(transaction, organization, &members, now)?,
                InGroups::NotRead => deafen(transaction, organization, now)?,
                InGroups::Refused => return Ok(()),
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

/// Who is newly named so may have been away until now, when lists of members' keys said nothing of theirs.
fn name_by_groups(transaction: &Transaction<'_>, organization: i64, members: &[RemoteId], now: i64) -> Stored<()> {
    transaction
        .prepare_cached(
            "UPDATE person SET by_group = NOT by_group, back_walk = iif(by_group, back_walk, ?3)
              WHERE organization_id = ?1 AND by_group <> (remote_id IN (SELECT value FROM json_each(?2)))",
        )?
        .execute((organization, ids_as_json(members), now))?;
    Ok(())
}

/// Lists of members' keys that were read until now say nothing of theirs.
fn deafen(transaction: &Transaction<'_>, organization: i64, now: i64) -> Stored<()> {
    transaction
        .prepare_cached("UPDATE person SET back_walk = ?2 WHERE organization_id = ?1 AND by_group")?
        .execute((organization, now))?;
    Ok(())
}
