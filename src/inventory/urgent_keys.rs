//! The keys that need a person most: chosen by narrow rows first, then read whole, so that it costs little more than a count.

use rusqlite::named_params;

use super::error::Stored;
use super::list_keys::{KeyRow, SELECT, key};
use super::read::Reader;
use super::sql::{at_now, one_at_now};
use crate::domain::Time;

/// The order is that of `Order::Urgency`.
const CHOOSE: &str = "
SELECT t.id
  FROM key_state AS t
  JOIN key AS k ON k.id = t.id
  JOIN last_use AS u ON u.key_id = t.id
  JOIN account AS a ON a.id = t.account_id
 WHERE t.presence IN ('present', 'missing', 'unknown') AND (NOT :flagged OR (t.conditions <> '' AND NOT t.waived))
 ORDER BY CASE WHEN t.expired THEN 0 WHEN t.expiring THEN 1 WHEN t.orphaned THEN 2 WHEN t.stale THEN 3 WHEN t.never_used THEN 4
               WHEN t.overdue THEN 5 WHEN t.no_expiry THEN 6 WHEN t.disabled THEN 7 ELSE 8 END,
          k.expires_at IS NULL, k.expires_at, coalesce(u.used_at, k.created_at, 9223372036854775807), a.name, k.remote_id
 LIMIT :limit";

impl Reader {
    /// Keys that may be there, the most urgent first: only those in a condition that is not waived, or all; at most so many.
    pub async fn urgent_keys(&self, flagged: bool, limit: u32, now: Time) -> Stored<Vec<KeyRow>> {
        self.read(move |connection| {
            let mut choose = connection.prepare_cached(&at_now(CHOOSE))?;
            let chosen = choose.query_map(named_params! { ":now": now.unix(), ":flagged": flagged, ":limit": limit }, |row| {
                row.get::<_, i64>(0)
            })?;
            let chosen: Vec<i64> = chosen.collect::<Result<_, _>>()?;
            let mut select = connection.prepare_cached(&one_at_now(SELECT))?;
            let mut keys = Vec::with_capacity(chosen.len());
            for id in chosen {
                let mut rows = select.query(named_params! { ":now": now.unix(), ":id": id })?;
                if let Some(row) = rows.next()? {
                    keys.push(key(row)?);
                }
            }
            Ok(keys)
        })
        .await
    }
}
