//! Accounts that are one organisation, as far as polls have shown.

use super::error::Stored;
use super::open::Inventory;
use super::read::Reader;

/// Of the same provider, and of the same organisation by its id or, where the provider does not name it, by a project. Who has the same
/// is looked for among the organisations: of all others nothing more is read, so that many accounts cost little.
macro_rules! twins {
    ($columns:literal, $which:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM account AS a
  CROSS JOIN organization AS o ON o.id = a.organization_id
  CROSS JOIN organization AS p ON CASE WHEN o.remote_id IS NOT NULL AND p.remote_id IS NOT NULL THEN o.remote_id = p.remote_id
        ELSE EXISTS (SELECT 1 FROM scope AS s
                       JOIN scope AS t ON t.organization_id = p.id AND t.kind = s.kind AND t.remote_id = s.remote_id
                      WHERE s.organization_id = o.id AND s.kind = 'project') END
  CROSS JOIN account AS b ON b.id = p.account_id AND b.organization_id = p.id
 WHERE a.provider = b.provider AND a.configured AND b.configured AND ",
            $which,
            "
 ORDER BY 1, 2"
        )
    };
}

const PAIRS: &str = twins!("a.name, b.name", "b.name > a.name");
const OF_ONE: &str = twins!("b.name, a.name", "a.name = ?1 AND b.name <> ?1");

impl Reader {
    /// Pairs of configured accounts that are one organisation, whatever the config tells.
    pub async fn same_organization(&self) -> Stored<Vec<(String, String)>> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(PAIRS)?;
            Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

impl Inventory {
    /// The accounts that are one organisation with that one.
    pub async fn twins_of(&self, account: String) -> Stored<Vec<String>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(OF_ONE)?;
            Ok(select.query_map([account], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
