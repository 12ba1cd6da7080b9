//! What goes, and what stays because something still rests on it.

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
async fn what_was_removed_is_no_longer_told_as_whole() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
    inventory.write(move |transaction| Ok(transaction.execute_batch(HISTORY)?)).await.unwrap();
    let whole_since = async || {
        let since = |connection: &rusqlite::Connection| {
            let since = "SELECT walks_whole_since, whole_since FROM history";
            Ok(connection.query_row(since, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        };
        inventory.reader().read::<(Option<i64>, Option<i64>), _>(since).await.unwrap()
    };
    let forget = async |now: i64, history: u32| {
        let keep = Keep { walks: Span::seconds(1), history: Span::seconds(history) };
        inventory.forget(Time::from_unix(now), keep).await.unwrap()
    };
    assert_eq!((forget(50, 10).await, whole_since().await), (Forgotten::default(), (None, None)));
    assert_eq!((forget(10_000, 9_950).await.changes, whole_since().await), (0, (Some(9_999), None)));
    assert_eq!((forget(10_000, 9_500).await.changes, whole_since().await), (2, (Some(9_999), Some(500))));
    inventory.close().await.unwrap();
}

#[tokio::test]
async fn what_the_webhook_was_not_told_yet_stays() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
    let set = async |sql: &'static str| {
        inventory.write(move |transaction| Ok(transaction.execute_batch(sql)?)).await.unwrap();
    };
    set(HISTORY).await;
    set("INSERT INTO webhook (one, told_change, looked_at) VALUES (1, 1, 0)").await;
    let keep = Keep { walks: Span::seconds(1), history: Span::seconds(9_500) };
    assert_eq!(inventory.forget(Time::from_unix(10_000), keep).await.unwrap().changes, 1);
    set("UPDATE webhook SET told_change = 2").await;
    assert_eq!(inventory.forget(Time::from_unix(10_000), keep).await.unwrap().changes, 1);
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

/// Of three keys: an open hold of each sort, with walks that nothing else names, and an unmanaged key that one of them holds.
const HOLDS: &str = "
    INSERT INTO hold (id, account_id, scope_id, walk_id, cause, held, since) VALUES (1, 1, 1, 1, 'list', 9, 100);
    INSERT INTO hold (id, account_id, cause, held, since) VALUES (2, 1, 'keys', 1, 100);
    INSERT INTO held_key (hold_id, key_id) VALUES (2, 3);
    UPDATE key SET presence = 'missing', presence_reason = 'unlisted', missing_number = 4, missing_at = 400, missing_boot_s = 0, missing_run = 1 WHERE id = 1;";

#[tokio::test]
async fn what_waits_for_a_person_or_a_proof_stays_however_old() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
    inventory
        .write(move |transaction| {
            transaction.execute_batch(HISTORY)?;
            Ok(transaction.execute_batch(HOLDS)?)
        })
        .await
        .unwrap();
    let keep = Keep { walks: Span::seconds(1), history: Span::seconds(1) };
    let forgotten = inventory.forget(Time::from_unix(10_000), keep).await.unwrap();
    assert_eq!(
        (forgotten.walks, forgotten.changes, forgotten.keys),
        (1, 3, 1),
        "only what is gone, and a walk that nothing names"
    );
    assert_eq!(left(&inventory, "walk").await, [1, 3, 4, 5, 6]);
    assert_eq!(left(&inventory, "key").await, [1, 3]);
    let held = "SELECT (SELECT count(*) FROM held_key) || (SELECT presence || missing_number FROM key WHERE id = 1)";
    let held: String =
        inventory.reader().read(move |connection| Ok(connection.query_row(held, [], |row| row.get(0))?)).await.unwrap();
    assert_eq!(held, "1missing4");

    // When it has ended, it is over like the rest; and so it is where a question proved the key absent.
    let end = |sql: &'static str| inventory.write(move |transaction| Ok(transaction.execute(sql, [])?));
    end("UPDATE hold SET ended_at = 9000 WHERE id = 1").await.unwrap();
    end("UPDATE held_key SET absent_poll = 20").await.unwrap();
    let forgotten = inventory.forget(Time::from_unix(10_000), keep).await.unwrap();
    assert_eq!((left(&inventory, "walk").await, forgotten.keys), (vec![3, 4, 5, 6], 1));
    inventory.close().await.unwrap();
}

/// One key's life, its clock set back once: lines by number, with what they say they were seen at.
const LIFE: &str = "
    DELETE FROM change;
    UPDATE key SET presence = 'gone', presence_reason = 'proven_absent', enabled = 1, name = 'last' WHERE id = 1;
    INSERT INTO change (id, at, key_id, change, before, after) VALUES
        (1, 1000, 1, 'renamed', 'first', 'second'),
        (2, 1500, 1, 'became_unknown', 'present', 'scope_closed'),
        (3, 2000, 1, 'disabled', NULL, NULL),
        (4, 2500, 1, 'owner_access_changed', NULL, 'inactive'),
        (5, 9000, 1, 'renamed', 'second', 'third'),
        (6, 3000, 1, 'enabled', NULL, NULL),
        (7, 5000, 1, 'returned', 'unknown', 'listed'),
        (8, 6000, 1, 'renamed', 'third', 'last'),
        (9, 7000, 1, 'became_missing', 'present', 'unlisted'),
        (10, 8000, 1, 'became_gone', 'missing', 'proven_absent');
    UPDATE organization SET first_seen_at = 1;
    UPDATE key SET first_seen_at = 1;";

#[tokio::test]
async fn looking_back_tells_the_same_after_retention_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inventory.db");
    let inventory = Inventory::open(&path, Time::from_unix(0)).unwrap();
    inventory
        .write(move |transaction| {
            transaction.execute_batch(HISTORY)?;
            transaction.execute_batch(LIFE)?;
            // What is of no interest here goes by itself.
            Ok(transaction.execute("DELETE FROM last_use WHERE key_id > 1", [])?
                + transaction.execute("DELETE FROM key WHERE id > 1", [])?)
        })
        .await
        .unwrap();
    let then = async |at: i64| {
        let copy = folder.path().join(format!("{at}.db"));
        inventory.reader().copy_to(copy.clone()).await.unwrap();
        let told = super::super::rewind(&copy, &path, Time::from_unix(at), std::sync::Arc::default()).await;
        if told.is_err() {
            std::fs::remove_file(copy).unwrap();
            return None;
        }
        let shown = "SELECT concat_ws(' ', presence, presence_reason, name, enabled, disabled_at, owner_access, access_lost_at) FROM key WHERE id = 1";
        let reader = super::super::Reader::open(&copy).unwrap();
        let shown: String = reader.read(move |connection| Ok(connection.query_row(shown, [], |row| row.get(0))?)).await.unwrap();
        std::fs::remove_file(copy).unwrap();
        Some(shown)
    };
    let instants = [750, 1_750, 2_750, 4_250, 5_250, 6_250, 7_250, 8_250];
    let mut before = Vec::new();
    for at in &instants {
        before.push(then(*at).await);
    }
    assert!(before.iter().collect::<std::collections::BTreeSet<_>>().len() > 5, "{before:?}");
    for horizon in [2_750, 4_250, 6_250, 7_250] {
        let keep = Keep { walks: Span::days(1), history: Span::seconds(10_000 - u32::try_from(horizon).unwrap()) };
        inventory.forget(Time::from_unix(10_000), keep).await.unwrap();
        for (at, before) in instants.iter().zip(&before) {
            let after = then(*at).await;
            assert!(after.is_none() || after == *before, "at {at}, forgotten until {horizon}: {after:?} and was {before:?}");
            assert!(after.is_some() || *at < horizon, "at {at}, forgotten until {horizon}: not told any more");
        }
    }
    // What nothing stands on any more has gone.
    let keep = Keep { walks: Span::days(1), history: Span::seconds(500) };
    let forgotten = inventory.forget(Time::from_unix(10_000), keep).await.unwrap();
    assert_eq!(forgotten.keys, 1);
    inventory.close().await.unwrap();
}
