//! Forgets what is over: the only place that deletes history, and it says how much.

use rusqlite::{OptionalExtension, Transaction};

use super::error::Stored;
use super::open::Inventory;
use crate::domain::Time;
use crate::policy::Span;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Records of walks, and of polls that have none left.
    pub walks: usize,
    /// Lines of history.
    pub changes: usize,
    /// Keys that were gone or unmanaged for so long that no line of history is left of them.
    pub keys: usize,
}

/// How long what is over is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Records of walks.
    pub walks: Span,
    /// History, and keys that are gone or unmanaged.
    pub history: Span,
}

impl Inventory {
    /// Removes records of walks, and history, gone and unmanaged keys, that are older than is kept. What something may still rest on
    /// stays: for conclusions the newest and the newest complete walks of each scope; for people the walks and keys of open holds; for
    /// looking back what tells how it was since history is whole.
    ///
    /// How old something is, no wall clock says by itself: set a year ahead for an hour, it would cost a year of history. Age
    /// is counted to the earlier of `now` and the start of the newest complete walk, because a walk is complete only if its
    /// clock was within an hour of its answers' `Date`. While no list is read completely, nothing is removed.
    pub async fn forget(&self, now: Time, keep: Keep) -> Stored<Forgotten> {
        self.write(move |transaction| {
            let Some(confirmed) = confirmed(transaction)? else { return Ok(Forgotten::default()) };
            let before = |span: Span| confirmed.min(now).plus(-span.as_secs());
            Ok(Forgotten {
                walks: walks(transaction, before(keep.walks))?,
                changes: changes(transaction, before(keep.history))?,
                keys: keys(transaction, before(keep.history))?,
            })
        })
        .await
    }
}

/// When the newest complete walk of all began: by the sequence of walks, not by the clock that is in doubt.
fn confirmed(transaction: &Transaction<'_>) -> Stored<Option<Time>> {
    let newest = "SELECT complete_at FROM scope WHERE complete_at IS NOT NULL ORDER BY complete_walk DESC LIMIT 1";
    Ok(transaction.query_row(newest, [], |row| row.get(0)).optional()?.map(Time::from_unix))
}

fn walks(transaction: &Transaction<'_>, before: Time) -> Stored<usize> {
    let walks = transaction.execute(
        "DELETE FROM walk
          WHERE started_at < ?1
            AND NOT EXISTS (SELECT 1 FROM scope AS s WHERE s.id = walk.scope_id
                                                       AND walk.id IN (s.newest_walk, s.complete_walk, s.before_walk))
            AND NOT EXISTS (SELECT 1 FROM hold AS h WHERE h.scope_id = walk.scope_id AND h.ended_at IS NULL
                                                      AND walk.id = h.walk_id)",
        [before.unix()],
    )?;
    if walks > 0 {
        transaction
            .execute("UPDATE history SET walks_whole_since = max(coalesce(walks_whole_since, ?1), ?1)", [before.unix()])?;
    }
    let polls = transaction.execute(
        "DELETE FROM poll
          WHERE started_at < ?1
            AND NOT EXISTS (SELECT 1 FROM walk AS w WHERE w.poll_id = poll.id)
            AND NOT EXISTS (SELECT 1 FROM change AS c WHERE c.poll_id = poll.id)
            AND id <> (SELECT max(p.id) FROM poll AS p WHERE p.account_id = poll.account_id)",
        [before.unix()],
    )?;
    Ok(walks + polls)
}

/// Of each key the lines before its first one that is kept: their order is that of their numbers, whatever the clock showed, and
/// looking back goes by it. A line stays that tells since when and why it was as the next one of its sort found it, while that one
/// stays. What the webhook was not told yet stays too.
const CHANGES: &str = "
WITH sort (change, of) AS (VALUES ('became_missing', 1), ('became_gone', 1), ('returned', 1), ('became_unknown', 1), ('became_unmanaged', 1),
                                  ('disabled', 2), ('enabled', 2), ('owner_access_changed', 3)),
old AS (
  SELECT c.id, c.key_id, (SELECT s.of FROM sort AS s WHERE s.change = c.change) AS of,
         (SELECT min(k.id) FROM change AS k WHERE k.key_id = c.key_id AND k.at >= ?1) AS kept
    FROM change AS c WHERE c.at < ?1)
DELETE FROM change WHERE id <= coalesce((SELECT told_change FROM webhook), id) AND id IN (
  SELECT o.id FROM old AS o
   WHERE (o.kept IS NULL OR o.id < o.kept)
     AND (o.of IS NULL OR o.kept IS NULL OR coalesce(
          (SELECT min(n.id) FROM change AS n JOIN sort AS s ON s.change = n.change
            WHERE n.key_id = o.key_id AND n.id > o.id AND s.of = o.of) < o.kept, 1)))";

fn changes(transaction: &Transaction<'_>, before: Time) -> Stored<usize> {
    let removed = transaction.execute(CHANGES, [before.unix()])?;
    if removed > 0 {
        transaction.execute("UPDATE history SET whole_since = max(coalesce(whole_since, ?1), ?1)", [before.unix()])?;
        // Where the newest line went, its number is given again.
        transaction
            .execute("UPDATE webhook SET told_change = min(told_change, (SELECT coalesce(max(id), 0) FROM change))", [])?;
    }
    Ok(removed)
}

fn keys(transaction: &Transaction<'_>, before: Time) -> Stored<usize> {
    transaction.execute_batch("CREATE TEMP TABLE over (id INTEGER PRIMARY KEY) STRICT")?;
    let keys = transaction.execute(
        "INSERT INTO temp.over
         SELECT k.id FROM key AS k
          WHERE k.presence IN ('gone', 'unmanaged') AND max(k.first_seen_at, coalesce(k.seen_at, 0)) < ?1
            AND NOT EXISTS (SELECT 1 FROM change AS c WHERE c.key_id = k.id)
            AND NOT EXISTS (SELECT 1 FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id
                             WHERE x.key_id = k.id AND h.ended_at IS NULL AND x.absent_poll IS NULL)",
        [before.unix()],
    )?;
    transaction.execute_batch(
        "DELETE FROM held_key WHERE key_id IN (SELECT id FROM temp.over);
         DELETE FROM sighting WHERE key_id IN (SELECT id FROM temp.over);
         DELETE FROM last_use WHERE key_id IN (SELECT id FROM temp.over);
         DELETE FROM deadline WHERE key_id IN (SELECT id FROM temp.over);
         DELETE FROM told_finding WHERE key_id IN (SELECT id FROM temp.over);
         DELETE FROM key WHERE id IN (SELECT id FROM temp.over);
         DROP TABLE temp.over;",
    )?;
    Ok(keys)
}

#[cfg(test)]
mod tests;
