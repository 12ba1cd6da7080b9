//! What is news, on an inventory written by hand.

use super::*;

/// Two scopes, of which the second was never read whole, and a key in each that is overdue from 100 on.
const KEYS: &str = "
    INSERT INTO account (id, name, provider, configured) VALUES (1, 'a', 'openai', 1);
    INSERT INTO organization (id, account_id, first_seen_at) VALUES (1, 1, 0);
    UPDATE account SET organization_id = 1;
    INSERT INTO scope (id, organization_id, kind, remote_id, complete_walk, complete_at, first_complete_at)
    VALUES (1, 1, 'project', 'p1', 1, 50, 50), (2, 1, 'project', 'p2', NULL, NULL, NULL);
    INSERT INTO key (id, organization_id, remote_id, kind, scope_id, expires_state, enabled, fingerprint, presence, presence_reason, first_seen_at, first_walk)
    VALUES (1, 1, 'k1', 'project', 1, 'never', 1, 0, 'present', 'listed', 1, 1), (2, 1, 'k2', 'project', 2, 'never', 1, 0, 'present', 'listed', 1, 1);
    INSERT INTO last_use (key_id, used_state) VALUES (1, 'never'), (2, 'never');
    INSERT INTO deadline (key_id, overdue_at) VALUES (1, 100), (2, 100);";

struct Site {
    inventory: Inventory,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(0)).unwrap();
        let site = Self { inventory, _folder: folder };
        site.set(KEYS).await;
        site
    }

    async fn set(&self, sql: &'static str) {
        self.inventory.write(move |transaction| Ok(transaction.execute_batch(sql)?)).await.unwrap();
    }

    async fn begin(&self, at: i64) -> bool {
        self.inventory.begin_to_tell(Time::from_unix(at)).await.unwrap()
    }

    /// What is new at that time, which then is told.
    async fn told(&self, at: i64) -> Vec<String> {
        self.told_of(at, &[Condition::Overdue, Condition::NoExpiry]).await
    }

    async fn told_of(&self, at: i64, findings: &[Condition]) -> Vec<String> {
        let (now, wanted) = (Time::from_unix(at), Wanted { findings: findings.to_vec(), changes: ChangeKind::ALL.to_vec() });
        let news = self.inventory.news(wanted, now).await.unwrap();
        let since = |began: &Began| began.since.map_or(0, Time::unix);
        let findings = news.findings.iter().map(|began| format!("{} {} {}", began.key.key_id, began.condition, since(began)));
        let changes = news.changes.iter().map(|changed| format!("{} {}", changed.row.key_id, changed.row.change));
        let told = findings.chain(changes).collect();
        self.inventory.tell(news.noted, Vec::new(), now).await.unwrap();
        told
    }
}

#[tokio::test]
async fn what_begins_is_told_once_and_what_was_there_never() {
    let site = Site::new().await;
    assert!(site.begin(150).await && !site.begin(150).await);
    assert!(site.told(150).await.is_empty(), "both were overdue before");
    site.set("UPDATE deadline SET no_expiry_at = 200, disabled_at = NULL").await;
    assert!(site.told(199).await.is_empty());
    assert_eq!(site.told(200).await, ["k1 no_expiry 200", "k2 no_expiry 200"], "also of a list that was never read whole");
    assert!(site.told(200).await.is_empty() && !site.begin(200).await);
    // What ended and begins anew is told anew.
    site.set("UPDATE deadline SET overdue_at = NULL WHERE key_id = 1").await;
    assert!(site.told(210).await.is_empty());
    site.set("UPDATE deadline SET overdue_at = 100 WHERE key_id = 1").await;
    assert_eq!(site.told(220).await, ["k1 overdue 100"]);
    // What is not wanted is noted all the same.
    site.set("UPDATE deadline SET orphaned_at = 1 WHERE key_id = 1").await;
    assert!(site.told(230).await.is_empty());
}

#[tokio::test]
async fn the_first_complete_walk_of_a_scope_is_no_news() {
    let site = Site::new().await;
    site.begin(50).await;
    site.set("UPDATE scope SET complete_walk = 2, complete_at = 120, first_complete_at = 120 WHERE id = 2").await;
    // It is looked only when more has begun since: what the walk showed is not told, what began behind it is.
    site.set("UPDATE deadline SET no_expiry_at = 130 WHERE key_id = 2").await;
    assert_eq!(site.told(140).await, ["k1 overdue 100", "k2 no_expiry 130"]);
    site.set("UPDATE deadline SET overdue_at = NULL WHERE key_id = 2").await;
    assert!(site.told(150).await.is_empty());
    site.set("UPDATE deadline SET overdue_at = 100 WHERE key_id = 2").await;
    assert_eq!(site.told(160).await, ["k2 overdue 100"]);
}

#[tokio::test]
async fn a_key_that_appeared_is_news_with_all_that_it_is_in() {
    let site = Site::new().await;
    site.begin(50).await;
    site.set("INSERT INTO change (id, at, key_id, change) VALUES (7, 105, 2, 'appeared')").await;
    assert_eq!(site.told(110).await, ["k1 overdue 100", "k2 overdue 100", "k2 appeared"]);
    assert!(site.told(110).await.is_empty());
}

#[tokio::test]
async fn waived_keys_are_news_when_that_ends_and_unmanaged_ones_when_they_come_back_are_not() {
    let site = Site::new().await;
    site.set("UPDATE deadline SET waived_until = 300 WHERE key_id = 1").await;
    site.begin(150).await;
    assert!(site.told(299).await.is_empty());
    assert_eq!(site.told(300).await, ["k1 overdue 100"]);
    site.set("UPDATE key SET presence = 'unmanaged', presence_reason = 'account_removed'").await;
    assert!(site.told(310).await.is_empty());
    site.set("UPDATE key SET presence = 'present', presence_reason = 'listed'").await;
    assert!(site.told(320).await.is_empty());
}

#[tokio::test]
async fn whoever_is_told_no_more_begins_anew() {
    let site = Site::new().await;
    assert_eq!(site.inventory.stop_telling().await.unwrap(), None);
    site.begin(50).await;
    let conditions = vec![(1, "overdue".to_owned())];
    let noted = Noted { conditions, scopes: Vec::new(), change: 0, before: 0, looked_at: Time::from_unix(50) };
    site.inventory.tell(noted, vec!["{}".to_owned()], Time::from_unix(100)).await.unwrap();
    assert_eq!(site.inventory.stop_telling().await.unwrap(), Some(1));
    assert!(site.begin(150).await);
    assert!(site.told(150).await.is_empty());
}

#[tokio::test]
async fn of_a_list_that_was_never_read_whole_what_held_at_first_sight_is_no_news() {
    let site = Site::new().await;
    site.set("UPDATE key SET first_seen_at = 100 WHERE id = 2").await;
    site.begin(50).await;
    assert_eq!(site.told(110).await, ["k1 overdue 100"]);
    site.set("UPDATE deadline SET no_expiry_at = 120 WHERE key_id = 2").await;
    assert_eq!(site.told(130).await, ["k2 no_expiry 120"]);
}

#[tokio::test]
async fn what_a_clock_that_went_back_ends_is_not_told_again() {
    let site = Site::new().await;
    site.begin(50).await;
    assert_eq!(site.told(110).await, ["k1 overdue 100", "k2 overdue 100"]);
    site.set("UPDATE deadline SET no_expiry_at = 70 WHERE key_id = 1").await;
    assert_eq!(site.told(80).await, ["k1 no_expiry 70"], "what begins is told all the same");
    assert!(site.told(80).await.is_empty() && site.told(105).await.is_empty() && site.told(120).await.is_empty());
    // What ends once the clock is where it was, and begins anew, is told anew.
    site.set("UPDATE deadline SET no_expiry_at = NULL").await;
    assert!(site.told(130).await.is_empty());
    site.set("UPDATE deadline SET no_expiry_at = 70 WHERE key_id = 1").await;
    assert_eq!(site.told(140).await, ["k1 no_expiry 70"]);
}

const AWAY: &str = "
    UPDATE account SET configured = 0;
    UPDATE key SET presence = 'unmanaged', presence_reason = 'account_removed';";

#[tokio::test]
async fn an_account_that_is_put_back_has_its_baseline_in_its_next_walk() {
    let site = Site::new().await;
    site.set(AWAY).await;
    site.begin(110).await;
    let account = super::super::ConfiguredAccount { name: "a".to_owned(), provider: "openai", interval: 60, formerly: None };
    site.inventory.configure(vec![account], std::sync::Arc::default(), Time::from_unix(120)).await.unwrap();
    assert!(site.told(130).await.is_empty(), "neither that it is back nor what its keys are in");
    site.set(
        "UPDATE scope SET complete_walk = 9, complete_at = 140, first_complete_at = coalesce(first_complete_at, 140) WHERE id = 1;
         UPDATE deadline SET no_expiry_at = 140 WHERE key_id = 1;
         UPDATE key SET presence = 'present', presence_reason = 'listed' WHERE id = 1;
         INSERT INTO change (at, key_id, change, before) VALUES (140, 1, 'returned', 'unknown');",
    )
    .await;
    assert!(site.told(150).await.is_empty());
    site.set("UPDATE deadline SET no_expiry_at = NULL").await;
    assert!(site.told(160).await.is_empty());
    site.set(
        "UPDATE deadline SET no_expiry_at = 170;
         INSERT INTO change (at, key_id, change, before) VALUES (165, 1, 'became_unknown', 'present'), (170, 1, 'returned', 'unknown');",
    )
    .await;
    assert_eq!(site.told(170).await, ["k1 no_expiry 170", "k2 no_expiry 170", "k1 became_unknown", "k1 returned"]);
}

/// The third poll after a baseline settles that the owner of its second key has left, whom no list of people ever held.
const THIRD_POLL: &str = "
    INSERT INTO scope (id, organization_id, kind, complete_walk, complete_at, first_complete_at) VALUES (3, 1, 'people', 9, 90, 50);
    INSERT INTO person (id, organization_id, remote_id, kind, listed) VALUES (1, 1, 'u1', 'user', 0);
    UPDATE key SET person_id = 1, left_at = 90;
    UPDATE deadline SET overdue_at = NULL, orphaned_at = 90;";

#[tokio::test]
async fn who_had_left_before_the_baseline_is_no_news() {
    let told = async |more: &'static str| {
        let site = Site::new().await;
        site.begin(60).await;
        site.set(THIRD_POLL).await;
        site.set(more).await;
        site.told_of(100, &[Condition::Orphaned]).await
    };
    assert!(told("").await.is_empty());
    assert_eq!(told("UPDATE person SET listed = 1").await, ["k1 orphaned 90", "k2 orphaned 90"], "who left since");
    let given = "INSERT INTO change (id, at, key_id, change) VALUES (1, 55, 1, 'owner_changed')";
    assert_eq!(told(given).await, ["k1 orphaned 90", "k1 owner_changed"]);
    let waiver_ended = "UPDATE scope SET complete_at = 95 WHERE id = 3";
    assert_eq!(told(waiver_ended).await, ["k1 orphaned 90", "k2 orphaned 90"], "a later list says nothing new");
}
