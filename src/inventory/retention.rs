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
    /// Removes records of walks, and history, gone and unmanaged keys, that are older than is kept. What a conclusion may still
    /// rest on stays: the newest and the newest complete walk of each scope.
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
                                                       AND walk.id IN (s.newest_walk, s.complete_walk, s.before_walk))",
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

/// Lines of keys that are still there in some way go by their age alone.
fn changes(transaction: &Transaction<'_>, before: Time) -> Stored<usize> {
    let removed = transaction.execute("DELETE FROM change WHERE at < ?1", [before.unix()])?;
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
            AND NOT EXISTS (SELECT 1 FROM change AS c WHERE c.key_id = k.id)",
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
mod tests {
    use super::*;

    /// Two scopes, walks 1 to 5 of the first and 6 of the second, at their number times 100; a present, a gone and an unmanaged key.
    const HISTORY: &str = "
        INSERT INTO account (id, name, provider, configured) VALUES (1, 'a', 'openai', 1);
        INSERT INTO organization (id, account_id, first_seen_at) VALUES (1, 1, 0);
        INSERT INTO scope (id, organization_id, kind, newest_walk, complete_walk, complete_at, before_walk) VALUES (1, 1, 'admin', 5, 4, 10000, 3), (2, 1, 'people', 6, NULL, NULL, NULL);
        INSERT INTO poll (id, account_id, run_id, started_at) VALUES (10, 1, 1, 100), (20, 1, 1, 300);
        INSERT INTO walk (id, poll_id, scope_id, run_id, started_at, boot_s, ended_at, outcome, pages, items, refused)
        WITH RECURSIVE s (value) AS (VALUES (1) UNION ALL SELECT value + 1 FROM s WHERE value < 6)
        SELECT value, iif(value < 3, 10, 20), iif(value = 6, 2, 1), 1, value * 100, 0, 0, 'complete', 1, 0, 0 FROM s;
        INSERT INTO key (id, organization_id, remote_id, kind, scope_id, expires_state, enabled, fingerprint, presence, presence_reason, first_seen_at, first_walk)
        VALUES (1, 1, 'k1', 'admin', 1, 'never', 1, 0, 'present', 'listed', 1, 1), (2, 1, 'k2', 'admin', 1, 'never', 1, 0, 'gone', 'proven_absent', 1, 1),
               (3, 1, 'k3', 'admin', 1, 'never', 1, 0, 'unmanaged', 'account_removed', 1, 1);
        INSERT INTO last_use (key_id, used_state) VALUES (1, 'never'), (2, 'never'), (3, 'never');
        INSERT INTO change (at, poll_id, key_id, change) VALUES (100, 10, 1, 'appeared'), (200, 10, 2, 'became_gone'), (700, NULL, 3, 'became_unmanaged');";

    async fn left(inventory: &Inventory, table: &'static str) -> Vec<i64> {
        let ids = move |connection: &rusqlite::Connection| {
            let mut select = connection.prepare(match table {
                "walk" => "SELECT id FROM walk ORDER BY id",
                "poll" => "SELECT id FROM poll ORDER BY id",
                _ => "SELECT id FROM key ORDER BY id",
            })?;
            Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        inventory.reader().read(ids).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_conclusion_rests_on_stays() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
        inventory.write(move |transaction| Ok(transaction.execute_batch(HISTORY)?)).await.unwrap();

        // Of walks nothing is kept that is older than a second, of history what is younger than so many.
        let forget = async |now: i64, history: u32| {
            let keep = Keep { walks: Span::seconds(1), history: Span::seconds(history) };
            inventory.forget(Time::from_unix(now), keep).await.unwrap()
        };
        let forgotten = forget(10_000, 9_950).await;
        assert_eq!((left(&inventory, "walk").await, forgotten.keys), (vec![3, 4, 5, 6], 0));
        assert_eq!(left(&inventory, "poll").await, [10, 20], "a poll that history names stays");

        let forgotten = forget(10_000, 9_500).await;
        assert_eq!((forgotten.changes, forgotten.keys), (2, 1));
        assert_eq!(left(&inventory, "key").await, [1, 3], "a key that is there stays, and one of which history still tells");
        assert_eq!(forget(10_000, 9_500).await.walks, 1, "the poll that nothing names any more");
        inventory.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_was_set_ahead_ages_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
        inventory.write(move |transaction| Ok(transaction.execute_batch(HISTORY)?)).await.unwrap();
        let forget = async |newest: &'static str, now: i64| {
            let set = move |transaction: &Transaction<'_>| Ok(transaction.execute(newest, [])?);
            inventory.write(set).await.unwrap();
            let keep = Keep { walks: Span::days(90), history: Span::days(400) };
            inventory.forget(Time::from_unix(now), keep).await.unwrap()
        };
        const LATER: i64 = 500 * 86_400;
        assert_eq!(forget("UPDATE scope SET complete_at = NULL", LATER).await, Forgotten::default(), "nothing was ever read");
        let lately = "UPDATE scope SET complete_at = 500 WHERE id = 1";
        assert_eq!(forget(lately, LATER).await, Forgotten::default(), "the last that was read was read lately");
        let wrong = "UPDATE scope SET complete_at = 50000000, complete_walk = 3 WHERE id = 2";
        assert_eq!(forget(wrong, LATER).await, Forgotten::default(), "an older walk's clock, wherever it stood");
        let read = "UPDATE scope SET complete_at = 500 * 86400 WHERE id = 1";
        assert_eq!(forget(read, 600).await, Forgotten::default(), "nor one that was set back");
        assert!(forget(read, LATER).await.changes > 0, "read on that day, so it is that late");
        inventory.close().await.unwrap();
    }
}
