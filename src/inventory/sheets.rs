//! Evidence of a period, as tables of text and numbers: what the public views say, cut to the period.

use rusqlite::named_params;
use serde_json::Value;

use super::error::Stored;
use super::export::value;
use super::read::Reader;
use super::sql::at_now;
use crate::domain::Time;

/// From one instant to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first second.
    pub from: Time,
    /// Its last.
    pub to: Time,
}

/// A table of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Texts, whole numbers and nulls, one for each column.
    pub rows: Vec<Vec<Value>>,
}

/// What a table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceOf {
    /// The view `keys` at the period's end.
    Keys,
    /// Those in a condition, waived or not.
    Findings,
    /// The view `changes` within the period.
    Changes,
    /// Each list, with its standing now and its first walk on record: how often it was read in the period and how that ended, and the
    /// longest time without a complete reading, the period's ends included, also where the list came or went in between.
    Coverage,
    /// The view `holds`: those open at any time of the period.
    Holds,
    /// The view `acknowledgements` within the period.
    Acknowledgements,
    /// The view `waivers`.
    Waivers,
}

const COVERAGE: &str = "
WITH within AS (SELECT * FROM walk WHERE started_at BETWEEN :from AND :to),
     complete AS (SELECT scope_id, started_at AS at FROM within WHERE outcome = 'complete'),
     gap AS (SELECT scope_id, at - lag(at, 1, :from) OVER (PARTITION BY scope_id ORDER BY at) AS seconds FROM complete
             UNION ALL SELECT scope_id, :to - max(at) FROM complete GROUP BY scope_id)
SELECT a.provider AS provider, a.name AS account, s.kind AS kind, s.remote_id AS scope_id, s.name AS scope_name, s.standing AS standing,
       strftime('%Y-%m-%dT%H:%M:%SZ', (SELECT min(f.started_at) FROM walk AS f WHERE f.scope_id = s.id), 'unixepoch') AS first_walk_at,
       count(w.id) AS walks, count(w.id) FILTER (WHERE w.outcome = 'complete') AS complete,
       count(w.id) FILTER (WHERE w.outcome = 'incomplete') AS incomplete, count(w.id) FILTER (WHERE w.outcome = 'closed') AS closed,
       strftime('%Y-%m-%dT%H:%M:%SZ', min(w.started_at) FILTER (WHERE w.outcome = 'complete'), 'unixepoch') AS first_complete_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', max(w.started_at) FILTER (WHERE w.outcome = 'complete'), 'unixepoch') AS last_complete_at,
       coalesce((SELECT max(seconds) FROM gap AS g WHERE g.scope_id = s.id), :to - :from) AS longest_gap_s,
       group_concat(DISTINCT w.reason) AS reasons
  FROM scope AS s
  JOIN organization AS o ON o.id = s.organization_id
  JOIN account AS a ON a.id = o.account_id
  LEFT JOIN within AS w ON w.scope_id = s.id
 WHERE o.first_seen_at <= :to AND coalesce((SELECT min(f.started_at) FROM walk AS f WHERE f.scope_id = s.id) <= :to, 1)
 GROUP BY s.id
 ORDER BY a.name, s.kind, s.remote_id";

impl Sheet {
    /// Leaves out these columns.
    pub fn leave_out(&mut self, columns: &[&str]) {
        let kept: Vec<bool> = self.columns.iter().map(|column| !columns.contains(&column.as_str())).collect();
        let keep = |index: &mut usize| {
            *index += 1;
            kept[*index - 1]
        };
        let mut at = 0;
        self.columns.retain(|_| keep(&mut at));
        for row in &mut self.rows {
            let mut at = 0;
            row.retain(|_| keep(&mut at));
        }
    }
}

impl EvidenceOf {
    fn sql(self) -> String {
        match self {
            Self::Keys => at_now("SELECT * FROM keys ORDER BY account, key_id"),
            Self::Findings => at_now(
                "SELECT provider, account, key_id, kind, name, owner_name, owner_email, created_at, expires_at, presence, conditions, waived, team
                   FROM keys WHERE conditions <> '' ORDER BY account, key_id",
            ),
            Self::Changes => "SELECT * FROM changes WHERE unixepoch(at) BETWEEN :from AND :to ORDER BY change_id".to_owned(),
            Self::Coverage => COVERAGE.to_owned(),
            Self::Holds => {
                "SELECT * FROM holds WHERE unixepoch(since) <= :to AND coalesce(unixepoch(ended_at) >= :from, 1) ORDER BY since, account".to_owned()
            }
            Self::Acknowledgements => {
                "SELECT * FROM acknowledgements WHERE unixepoch(at) BETWEEN :from AND :to ORDER BY at, account".to_owned()
            }
            Self::Waivers => "SELECT * FROM waivers".to_owned(),
        }
    }
}

impl Reader {
    /// One table of evidence.
    pub async fn sheet(&self, of: EvidenceOf, period: Period) -> Stored<Sheet> {
        self.read(move |connection| {
            let mut select = connection.prepare(&of.sql())?;
            let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
            for (name, at) in named_params! { ":from": period.from.unix(), ":to": period.to.unix(), ":now": period.to.unix() } {
                if let Some(index) = select.parameter_index(name)? {
                    select.raw_bind_parameter(index, at)?;
                }
            }
            let mut found = select.raw_query();
            let mut rows = Vec::new();
            while let Some(row) = found.next()? {
                let values = (0..columns.len()).map(|index| Ok(value(row.get_ref(index)?)));
                rows.push(values.collect::<Result<_, rusqlite::Error>>()?);
            }
            Ok(Sheet { columns, rows })
        })
        .await
    }

    /// Since when records of walks are whole; `None` where there are none.
    pub async fn walks_since(&self) -> Stored<Option<Time>> {
        let since: Option<i64> = self
            .read(|connection| {
                let since = "SELECT coalesce(walks_whole_since, (SELECT min(started_at) FROM walk)) FROM history";
                Ok(connection.query_row(since, [], |row| row.get(0))?)
            })
            .await?;
        Ok(since.map(Time::from_unix))
    }
}
