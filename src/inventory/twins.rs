//! Accounts that are one organisation, as far as polls have shown.

use super::error::Stored;
use super::read::Reader;

/// Of the same provider, and of the same organisation by its id or, where the provider does not name it, by a project.
macro_rules! twins {
    ($columns:literal, $which:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM account AS a
  JOIN account AS b ON b.provider = a.provider
  JOIN organization AS o ON o.id = a.organization_id
  JOIN organization AS p ON p.id = b.organization_id
 WHERE a.configured AND b.configured AND ",
            $which,
            " AND (o.remote_id = p.remote_id
        OR EXISTS (SELECT 1 FROM scope AS s
                     JOIN scope AS t ON t.organization_id = p.id AND t.kind = s.kind AND t.remote_id = s.remote_id
                    WHERE s.organization_id = o.id AND s.kind = 'project'))
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

    /// The accounts that are one organisation with that one.
    pub async fn twins_of(&self, account: String) -> Stored<Vec<String>> {
        self.read(move |connection| {
            let mut select = connection.prepare_cached(OF_ONE)?;
            Ok(select.query_map([account], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
