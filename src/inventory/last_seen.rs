//! Keeps when a key was last seen, before the sightings that tell it are deleted.

use rusqlite::Transaction;

use super::error::Stored;

/// Writes into the key's own row the newest complete walk that listed it, as far as its sightings know of a later one.
pub(super) fn keep(transaction: &Transaction<'_>, key: i64) -> Stored<()> {
    transaction
        .prepare_cached(
            "UPDATE key SET seen_at = n.complete_at, seen_walk = n.complete_walk
               FROM (SELECT s.complete_at, s.complete_walk FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id
                      WHERE x.key_id = ?1 AND x.unlisted_walk IS NULL AND x.walk_id <= s.complete_walk
                      ORDER BY s.complete_walk DESC LIMIT 1) AS n
              WHERE key.id = ?1 AND n.complete_walk > coalesce(key.seen_walk, 0)",
        )?
        .execute([key])?;
    Ok(())
}
