//! Takes back what a list of people seems to say of members whom it may lack.

use super::error::Stored;
use super::open::Inventory;

impl Inventory {
    /// For a poll that could not read the groups. Whom groups alone name is on no list of people: that these members were not
    /// asked for this time and are not listed says nothing, and their lists stay as they are until groups are read again.
    pub async fn spare_members(&self, organization: i64) -> Stored<()> {
        self.write(move |transaction| {
            transaction.execute(
                "UPDATE scope SET unlisted_walk = NULL
                  WHERE organization_id = ?1 AND kind = 'member' AND standing IN ('open', 'closed')
                    AND coalesce(newest_walk, 0) < unlisted_walk",
                [organization],
            )?;
            Ok(())
        })
        .await
    }
}
