//! What is told from memory is what the file tells.

use super::super::{Filter, Inventory, KeysAsked, Order, Reader, When, Whose};
use crate::domain::{Condition, KeyKind, OwnerKind, Presence, Time};

const DAY: i64 = 86_400;
const NOW: Time = Time::from_unix(1_800_000_000);

/// Keys of two accounts, of every kind, presence and condition, in scopes that are read completely, never, or not any more; many are
/// alike in all that an order goes by.
const FILL: &str = "
INSERT INTO run VALUES (900, 0, '');
INSERT INTO account (id, name, provider, configured, interval) VALUES (1, 'zeta', 'openai', 1, 3600), (2, 'acme', 'den', 1, 3600);
INSERT INTO organization VALUES (1, 1, 'o', 'o', 0), (2, 2, 'p', 'p', 0), (3, 2, 'q', 'q', 0);
UPDATE account SET organization_id = id;
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO scope (id, organization_id, kind, remote_id, name, complete_walk, complete_at)
SELECT i, 1 + i % 3, 'project', 'p' || i, 'Project ' || i, iif(i % 4 = 0, NULL, 10 * i), iif(i % 4 = 0, NULL, 1800000000 - i * 86400) FROM n;
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
INSERT INTO person (id, organization_id, remote_id, kind, name, email, listed)
SELECT i, 1 + i % 3, 'u' || i, iif(i % 5 = 0, 'service_account', 'user'), iif(i % 3 = 0, NULL, 'Person ' || char(65 + i % 7)),
       iif(i % 4 = 0, NULL, 'P' || (i / 2) || '@example.com'), 1 FROM n;
INSERT INTO label_set VALUES (1, '{\"team\":\"b\"}'), (2, '{\"team\":\"A\"}'), (3, '{}');
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO key (id, organization_id, remote_id, kind, scope_id, name, person_id, created_at, expires_at, expires_state, enabled,
                 fingerprint, presence, presence_reason, first_seen_at, first_walk, missing_number)
SELECT i, 1 + i % 3, 'k' || (i * 7919 % 3001),
       CASE i % 5 WHEN 0 THEN 'admin' WHEN 1 THEN 'personal' ELSE 'project' END, 1 + (i - 1) % 12,
       CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 'the same long name' WHEN 2 THEN 'Key of the team ' || (i % 40) WHEN 3 THEN substr('Éine Nämé von dreiundzwanzig Zeichen', 1, 17 + i % 8)
                  ELSE 'Key that the same long letters begin ' || (i % 40) END,
       iif(i % 4 = 0, NULL, 1 + (i - 1) % 30), iif(i % 11 = 0, NULL, 1700000000 + i % 50 * 86400),
       iif(i % 3 = 0, 1800000000 + (i % 60 - 20) * 86400, NULL), CASE i % 3 WHEN 0 THEN 'at' WHEN 1 THEN 'never' ELSE 'not_reported' END, 1, i,
       CASE WHEN i % 17 = 0 THEN 'gone' WHEN i % 19 = 0 THEN 'missing' WHEN i % 23 = 0 THEN 'unknown' ELSE 'present' END, 'listed', 1, 1,
       iif(i % 17 <> 0 AND i % 19 = 0, 1, NULL)
  FROM n;
INSERT INTO sighting SELECT scope_id, id, id % 100, iif(id % 37 = 0, 5, NULL) FROM key WHERE id % 17 <> 0;
INSERT INTO sighting SELECT 1 + (scope_id + 2) % 12, id, id % 50, NULL FROM key WHERE id % 13 = 0;
INSERT INTO last_use
SELECT id, iif(id % 3 = 0, 1790000000 + id % 90 * 86400, NULL), CASE id % 3 WHEN 0 THEN 'at' WHEN 1 THEN 'never' ELSE 'not_reported' END,
       iif(id % 7 = 0, NULL, 1800000000 + (id % 41 - 25) * 86400),
       iif(id % 7 = 0, NULL, CASE id % 3 WHEN 0 THEN 'last_use' WHEN 1 THEN 'never_used' ELSE 'age' END),
       iif(id % 3 = 1, 1800000000 + (id % 29 - 15) * 86400, NULL) FROM key;
INSERT INTO deadline
SELECT id, iif(expires_at IS NULL, NULL, expires_at - 14 * 86400), expires_at, iif(id % 9 = 1, 1800000000 + (id % 5 - 2) * 86400, NULL),
       iif(created_at IS NULL, NULL, created_at + 365 * 86400), iif(id % 50 = 0, 1, NULL), iif(id % 70 = 0, 1, NULL),
       iif(id % 31 = 0, 1800000000 + (id % 13 - 4) * 86400, NULL), nullif(id % 4, 0) FROM key;
INSERT INTO hold (id, account_id, cause, held, since) VALUES (1, 1, 'scope_shrank', 5, 1);
INSERT INTO held_key (hold_id, key_id) SELECT 1, id FROM key WHERE id % 300 = 7;
INSERT INTO change (at, key_id, change) SELECT 1700000000 + id, id, 'appeared' FROM key WHERE id % 25 = 0;";

fn filters() -> Vec<Filter> {
    let any = Filter::default;
    vec![
        any(),
        Filter { accounts: vec!["acme".into()], ..any() },
        Filter { providers: vec!["openai".into()], ..any() },
        Filter { kinds: vec![KeyKind::Admin, KeyKind::Personal], ..any() },
        Filter { presences: vec![Presence::Present, Presence::Missing], ..any() },
        Filter { conditions: vec![Condition::Stale, Condition::Orphaned], ..any() },
        Filter { flagged: Some(true), waived: Some(false), ..any() },
        Filter { flagged: Some(false), ..any() },
        Filter { waived: Some(true), ..any() },
        Filter { held: Some(true), ..any() },
        Filter { held: Some(false), kinds: vec![KeyKind::Admin], ..any() },
        Filter { teams: vec!["A".into()], ..any() },
        Filter { owner: Some("person b".into()), ..any() },
        Filter { owner: Some("p3@EXAMPLE.com".into()), ..any() },
        Filter { whose: Some(Whose::NotReported), ..any() },
        Filter { whose: Some(Whose::Email(OwnerKind::User, "p3@example.com".into())), ..any() },
        Filter { whose: Some(Whose::Id("acme".into(), "u4".into())), ..any() },
        Filter { created: Some(When::Between(Some(Time::from_unix(1_700_000_000 + 3 * DAY)), None)), ..any() },
        Filter { created: Some(When::NotReported), ..any() },
        Filter { last_used: Some(When::Never), ..any() },
        Filter { last_used: Some(When::NotReported), ..any() },
        Filter { expires: Some(When::Between(Some(NOW), Some(NOW.plus(9 * DAY)))), ..any() },
        Filter { expires: Some(When::Never), ..any() },
        Filter { text: Some("NAME".into()), ..any() },
        Filter { text: Some("project 3".into()), ..any() },
        Filter { text: Some("person a".into()), ..any() },
        Filter { text: Some("k29".into()), ..any() },
        Filter { accounts: vec!["nobody".into()], ..any() },
        Filter { id: Some("k29".into()), ..any() },
    ]
}

const ORDERS: [Order; 9] = [
    Order::Id,
    Order::Urgency,
    Order::Expiry,
    Order::LastUse,
    Order::Created,
    Order::Name,
    Order::Kind,
    Order::Owner,
    Order::Team,
];

struct Both {
    _folder: tempfile::TempDir,
    inventory: Inventory,
    file: Reader,
}

impl Both {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        let inventory = Inventory::open(&path, NOW).unwrap();
        let both = Self { file: Reader::open(&path).unwrap(), inventory, _folder: folder };
        both.write(FILL).await;
        both
    }

    async fn write(&self, sql: &str) {
        let sql = sql.to_owned();
        self.inventory.write(move |transaction| Ok(transaction.execute_batch(&sql)?)).await.unwrap();
    }

    async fn agree(&self, now: Time, asked: KeysAsked) {
        let pages = [&self.file, self.inventory.reader()].map(|reader| reader.page_of_keys(asked.clone(), now));
        let [file, memory] = pages;
        let ((file, all), (memory, counted)) = (file.await.unwrap(), memory.await.unwrap());
        let ids =
            |keys: &[super::super::KeyRow]| keys.iter().map(|key| (key.account.clone(), key.key_id.clone())).collect::<Vec<_>>();
        assert_eq!(ids(&memory), ids(&file), "{asked:?}");
        assert_eq!(memory, file, "{asked:?}");
        if !file.is_empty() {
            assert_eq!(counted, all, "{asked:?}");
        }
    }

    async fn owners_agree(&self, now: Time, filter: Filter) {
        let (file, memory) = (self.file.owned_keys(filter.clone(), now), self.inventory.reader().owned_keys(filter.clone(), now));
        assert_eq!(memory.await.unwrap(), file.await.unwrap(), "{filter:?}");
    }

    async fn charts_agree(&self, now: Time) {
        let (file, memory) = (self.file.charted(now).await.unwrap(), self.inventory.reader().charted(now).await.unwrap());
        assert_eq!(memory, file, "{now}");
    }

    async fn counts_agree(&self, now: Time) {
        let (file, memory) = (self.file.count(now).await.unwrap(), self.inventory.reader().count(now).await.unwrap());
        assert_eq!(memory, file);
    }

    fn is_read(&self) -> bool {
        self.inventory.reader().resident().unwrap().held.read().unwrap().is_some()
    }
}

#[tokio::test]
async fn every_filter_and_order_is_that_of_the_file() {
    let both = Both::new().await;
    for (filter, order) in filters().into_iter().zip(ORDERS.into_iter().cycle()) {
        for (reversed, offset) in [(false, 0), (true, 40)] {
            let asked = KeysAsked { filter: filter.clone(), order, reversed, limit: Some(50), offset, ..KeysAsked::default() };
            both.agree(NOW, asked).await;
        }
    }
}

#[tokio::test]
async fn owners_are_those_of_the_file() {
    let both = Both::new().await;
    for filter in filters() {
        both.owners_agree(NOW, filter.clone()).await;
        both.owners_agree(NOW.plus(20 * DAY), filter).await;
    }
}

#[tokio::test]
async fn charts_are_those_of_the_file() {
    let both = Both::new().await;
    both.write("UPDATE key SET first_seen_at = 1790000000 + id * 4000 WHERE id % 2 = 0").await;
    for seconds in [0, 1, 3 * DAY, 30 * DAY, 85 * DAY + 4321, -20 * DAY] {
        both.charts_agree(NOW.plus(seconds)).await;
    }
}

#[tokio::test]
async fn every_page_is_that_of_the_file() {
    let both = Both::new().await;
    for order in ORDERS {
        for reversed in [false, true] {
            for offset in [0, 1490, 2950, 3000] {
                let asked = KeysAsked { order, reversed, limit: Some(100), offset, ..KeysAsked::default() };
                both.agree(NOW, asked).await;
            }
            both.agree(NOW, KeysAsked { order, reversed, ..KeysAsked::default() }).await;
        }
    }
}

#[tokio::test]
async fn counts_are_those_of_the_file_as_time_passes_and_goes_back() {
    let both = Both::new().await;
    for days in [0, 1, 2, 3, 9, 40, 39, -30, 500, 0] {
        both.counts_agree(NOW.plus(days * DAY)).await;
        both.counts_agree(NOW.plus(days * DAY + 5)).await;
    }
}

/// Whatever a transaction touches: rows of keys, of what stands beside them, of who lists them, and of when that was read.
#[tokio::test]
async fn what_is_written_is_told() {
    let both = Both::new().await;
    both.counts_agree(NOW).await;
    for written in [
        "UPDATE key SET presence = 'gone', missing_number = NULL WHERE id % 40 = 1",
        "UPDATE last_use SET stale_at = 1700000000, stale_basis = 'last_use' WHERE key_id BETWEEN 100 AND 300",
        "UPDATE deadline SET overdue_at = NULL, waived_until = 1900000000 WHERE key_id % 77 = 0",
        "UPDATE scope SET complete_walk = 500, complete_at = 1800000000 WHERE id IN (3, 4)",
        "UPDATE scope SET complete_walk = 501, complete_at = 1790000000 WHERE id IN (1, 3)",
        "UPDATE scope SET complete_walk = 600, complete_at = 1799999999 WHERE id = 8",
        "UPDATE sighting SET unlisted_walk = 700 WHERE key_id % 10 = 3",
        "DELETE FROM sighting WHERE key_id % 10 = 4",
        "INSERT OR IGNORE INTO sighting SELECT 5, id, 1, NULL FROM key WHERE id % 8 = 0",
        "DELETE FROM held_key; DELETE FROM sighting WHERE key_id % 100 = 50; DELETE FROM last_use WHERE key_id % 100 = 50;
         DELETE FROM deadline WHERE key_id % 100 = 50; DELETE FROM change WHERE key_id % 100 = 50; DELETE FROM key WHERE id % 100 = 50;",
        "INSERT INTO key (id, organization_id, remote_id, kind, scope_id, expires_state, enabled, fingerprint, presence, presence_reason,
                          first_seen_at, first_walk)
         VALUES (9000, 1, 'new', 'project', 1, 'never', 1, 1, 'present', 'listed', 1, 1), (50, 1, 'again', 'admin', 1, 'never', 1, 1, 'present', 'listed', 1, 1);
         INSERT INTO last_use SELECT id, NULL, 'never', NULL, NULL, NULL FROM key WHERE id IN (50, 9000);
         INSERT INTO change (at, key_id, change) VALUES (1799999999, 50, 'appeared');",
        "UPDATE person SET name = 'Somebody' WHERE id = 2",
        "UPDATE organization SET account_id = 1 WHERE id = 3",
    ] {
        both.write(written).await;
        // Only another account of a whole organisation, and a clock that went back, have everything read anew.
        let anew = written.starts_with("UPDATE organization") || written.contains("complete_walk = 501");
        assert_eq!(both.is_read(), !anew, "{written}");
        both.counts_agree(NOW).await;
        for order in [Order::Urgency, Order::Owner, Order::Id] {
            both.agree(NOW, KeysAsked { order, limit: Some(200), ..KeysAsked::default() }).await;
        }
    }
}

/// Nobody else should write; who does is noticed with the next transaction of our own, as everywhere else.
#[tokio::test]
async fn what_somebody_else_writes_is_told_with_the_next_transaction() {
    let both = Both::new().await;
    both.counts_agree(NOW).await;
    let other = rusqlite::Connection::open_with_flags(both.inventory.path(), rusqlite::OpenFlags::default()).unwrap();
    other.execute("UPDATE deadline SET overdue_at = 1700000000, waived_until = NULL WHERE key_id % 5 = 1", []).unwrap();
    both.write("UPDATE run SET version = '1' WHERE id = 900").await;
    both.counts_agree(NOW).await;
    both.write("UPDATE run SET version = '2' WHERE id = 900").await;
    assert!(both.is_read(), "our own are no others");
}

#[tokio::test]
async fn what_fails_leaves_what_was() {
    let both = Both::new().await;
    both.counts_agree(NOW).await;
    let failed = both
        .inventory
        .write(|transaction| {
            transaction.execute("UPDATE key SET presence = 'gone', missing_number = NULL", [])?;
            Ok(transaction.execute("INSERT INTO key (id) VALUES (1)", [])?)
        })
        .await;
    assert!(failed.is_err());
    both.counts_agree(NOW).await;
    both.write("UPDATE last_use SET used_at = 1790000001, used_state = 'at' WHERE key_id = 5").await;
    both.counts_agree(NOW).await;
}

/// One key, and two deadlines that passed before anybody asked.
#[tokio::test]
async fn between_two_deadlines_of_one_key_is_told_what_held_then() {
    let both = Both::new().await;
    both.write(
        "DELETE FROM held_key; DELETE FROM sighting; DELETE FROM change; DELETE FROM last_use WHERE key_id <> 3;
         DELETE FROM deadline WHERE key_id <> 3; DELETE FROM key WHERE id <> 3;
         UPDATE key SET expires_at = 1800864000, presence = 'present'; UPDATE last_use SET stale_at = NULL, stale_basis = NULL;
         UPDATE deadline SET expiring_at = 1800432000, expired_at = 1800864000, overdue_at = NULL, waived_until = NULL, no_expiry_at = NULL;",
    )
    .await;
    for days in [0, 30, 7, 4, 30] {
        both.counts_agree(NOW.plus(days * DAY)).await;
    }
}

/// A list that was read later, by a clock that was behind, tells that a key was seen earlier.
#[tokio::test]
async fn the_list_read_last_tells_whatever_its_clock_showed() {
    let both = Both::new().await;
    both.write(
        "DELETE FROM sighting WHERE key_id = 11; UPDATE key SET scope_id = 4, seen_at = NULL, seen_walk = NULL, presence = 'present', missing_number = NULL WHERE id = 11;
         INSERT INTO sighting VALUES (4, 11, 1, NULL), (1, 11, 1, NULL), (7, 11, 1, NULL);
         UPDATE last_use SET stale_at = 1799999000, stale_basis = 'last_use' WHERE key_id = 11;
         UPDATE scope SET complete_walk = 1000, complete_at = 1799999500 WHERE id = 1;",
    )
    .await;
    both.counts_agree(NOW).await;
    both.write("UPDATE scope SET complete_walk = 1001, complete_at = 1799998000 WHERE id = 7").await;
    both.counts_agree(NOW).await;
}

#[tokio::test]
async fn only_a_clock_that_goes_back_behind_a_deadline_has_all_read_anew() {
    let both = Both::new().await;
    let next = both.inventory.reader().count(NOW).await.unwrap().next.unwrap();
    both.inventory.reader().count(next.plus(5)).await.unwrap();
    let moves = || {
        let resident = both.inventory.reader().resident().unwrap();
        let held = resident.held.read().unwrap();
        held.as_ref().map(|held| held.moves)
    };
    both.inventory.reader().count(next).await.unwrap();
    assert_eq!(moves(), Some(1));
    both.inventory.reader().count(next.plus(-1)).await.unwrap();
    assert_eq!(moves(), Some(0));
}
