//! A person's word: what it lets go, what it does not, and that it is remembered.

use keymuster::inventory::Acknowledged;

use crate::site::{Site, ids};

/// What everybody may read of them.
const WORDS: &str =
    "SELECT provider, account, kind, scope_id, at, who, why, holds, keys, gone, organization FROM acknowledgements";

async fn held() -> Site {
    let mut site = Site::new(&[("p", 20), ("elsewhere", 200)]).await;
    site.poll().await;
    site.revoke("p", 15);
    site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 15"]);
    site
}

#[tokio::test]
async fn acknowledged_keys_go_by_the_ordinary_proof() {
    let mut site = held().await;
    let done = site.ack(None).await;
    assert_eq!(done, Acknowledged { holds: 1, keys: 15, gone: 0, organization: false });
    assert_eq!(site.of("p"), ["present 20 held 0"], "a word concludes nothing by itself");
    site.poll().await;
    assert_eq!(site.of("p"), ["missing 15 held 0", "present 5 held 0"]);
    assert!(site.holds().is_empty());
    site.poll_again().await;
    assert_eq!(site.of("p"), ["missing 15 held 0", "present 5 held 0"], "within confirm_after nothing is proven");
    site.poll().await;
    assert_eq!(site.of("p"), ["gone 15 held 0", "present 5 held 0"]);
    assert_eq!(site.count("keys WHERE presence = 'gone' AND presence_reason = 'proven_absent'"), 15);
}

#[tokio::test]
async fn a_word_is_stored_with_who_when_and_why_and_said_once() {
    let mut site = held().await;
    site.ack(Some("project/p")).await;
    let at = keymuster::domain::Time::from_unix(site.now).to_string();
    assert_eq!(site.rows("SELECT ended_at, ended_by, ended_why FROM holds"), [format!("{at}|ana (uid 7)|cleaned up")]);
    let stored = "SELECT who, why, at, holds, keys, gone, organization, scope_id IS NOT NULL FROM acknowledgement";
    assert_eq!(site.rows(stored), [format!("ana (uid 7)|cleaned up|{}|1|15|0|0|1", site.now)]);
    assert_eq!(site.rows(WORDS), [format!("openai|acme|project|p|{at}|ana (uid 7)|cleaned up|1|15|0|0")]);
    assert_eq!(site.ack(None).await, Acknowledged::default(), "nothing is left to be acknowledged");
    assert_eq!(site.rows(stored).len(), 1);
}

#[tokio::test]
async fn a_word_for_what_is_not_held_does_nothing() {
    let mut site = held().await;
    for elsewhere in ["project/elsewhere", "project/none", "admin", "nonsense", "projects", "people"] {
        assert_eq!(site.ack(Some(elsewhere)).await, Acknowledged::default(), "{elsewhere}");
    }
    site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 15"]);
    assert_eq!(site.count("acknowledgement"), 0);
    let nobody = keymuster::inventory::Acknowledgement {
        account: "nobody".into(),
        scope: None,
        who: "ana".into(),
        why: "because".into(),
        at: keymuster::domain::Time::from_unix(site.now),
    };
    assert!(site.inventory.acknowledge(nobody).await.is_err());
}

#[tokio::test]
async fn a_word_for_one_list_leaves_the_others_held() {
    let mut site = Site::new(&[("p", 20), ("q", 20), ("elsewhere", 300)]).await;
    site.poll().await;
    site.revoke("p", 12);
    site.revoke("q", 12);
    site.poll().await;
    assert_eq!(site.ack(Some("project/q")).await.keys, 12);
    site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 12"]);
    assert_eq!(site.of("q"), ["missing 12 held 0", "present 8 held 0"]);
}

#[tokio::test]
async fn a_word_covers_the_keys_of_that_moment_and_no_others() {
    let mut site = held().await;
    site.ack(None).await;
    site.projects.get_mut("p").unwrap().extend(ids("new", 0, 10));
    site.poll().await;
    site.projects.insert("p".into(), ids("p", 15, 5));
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|project|p|10"], "ten others, which nobody has looked at");
}

#[tokio::test]
async fn acknowledged_keys_that_came_back_are_guarded_anew() {
    let mut site = held().await;
    site.ack(None).await;
    site.poll().await;
    site.poll().await;
    assert_eq!(site.of("p"), ["gone 15 held 0", "present 5 held 0"]);
    site.projects.insert("p".into(), ids("p", 0, 20));
    site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 0"]);
    site.revoke("p", 15);
    site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 15"]);
}

#[tokio::test]
async fn the_keys_of_a_list_that_closed_are_gone_by_a_word_alone() {
    let mut site = Site::new(&[("p", 6), ("elsewhere", 20)]).await;
    site.admin = Some(ids("p", 0, 3));
    site.poll().await;
    assert_eq!(site.ack(Some("project/p")).await, Acknowledged::default(), "an open list is read, not talked about");
    site.closed.insert("p".into());
    site.admin = Some(ids("p", 0, 1));
    site.poll().await;
    site.poll().await;
    let reasons = "SELECT key_id, presence, presence_reason FROM keys WHERE key_id LIKE 'p_%' ORDER BY 1";
    assert_eq!(site.rows(reasons)[0], "p_000|present|listed", "another list shows it");
    assert!(site.rows(reasons)[1..].iter().all(|row| row.ends_with("|unknown|scope_closed")), "{:?}", site.rows(reasons));

    assert_eq!(site.ack(Some("project/p")).await.gone, 5, "also those that the admin list once showed");
    let rows = site.rows(reasons);
    assert_eq!(rows[0], "p_000|present|listed");
    assert!(rows[1..].iter().all(|row| row.ends_with("|gone|acknowledged")), "{rows:?}");
    assert_eq!(site.count("changes WHERE change = 'became_gone' AND before = 'unknown' AND after = 'acknowledged'"), 5);
    assert_eq!(site.rows("SELECT kind, scope_id, gone, why FROM acknowledgements"), ["project|p|5|cleaned up"]);
    site.poll().await;
    assert_eq!(site.rows(reasons), rows, "a poll does not bring them back");

    site.closed.clear();
    site.poll().await;
    assert_eq!(site.of("p"), ["present 6 held 0"], "a list that can be read again says more than a word");
}

#[tokio::test]
async fn missing_keys_of_a_list_that_closed_can_be_let_go_too() {
    let mut site = Site::new(&[("p", 6), ("elsewhere", 20)]).await;
    site.admin = Some(ids("p", 0, 6));
    site.poll().await;
    site.revoke("p", 1);
    site.admin.as_mut().unwrap().pop_first();
    site.poll().await;
    site.closed.insert("p".into());
    for _ in 0..3 {
        site.poll().await;
    }
    assert_eq!(site.rows("SELECT presence FROM keys WHERE key_id = 'p_000'"), ["missing"], "nothing can prove it any more");
    assert_eq!(site.ack(Some("project/p")).await.gone, 1);
    assert_eq!(site.rows("SELECT presence, presence_reason FROM keys WHERE key_id = 'p_000'"), ["gone|acknowledged"]);
    assert_eq!(site.count("changes WHERE key_id = 'p_000' AND change = 'became_gone' AND before = 'missing'"), 1);
}

#[tokio::test]
async fn the_keys_of_a_project_that_vanished_are_gone_by_a_word_alone() {
    let mut site = Site::new(&[("p", 6), ("elsewhere", 20)]).await;
    site.poll().await;
    site.projects.remove("p");
    site.poll().await;
    assert_eq!(site.rows("SELECT DISTINCT presence, presence_reason FROM keys WHERE scope_id = 'p'"), ["unknown|scope_vanished"]);
    assert_eq!(site.ack(None).await, Acknowledged::default(), "an account's word is about holds");
    assert_eq!(site.ack(Some("project/p")).await.gone, 6);
    assert_eq!(site.of("p"), ["gone 6 held 0"]);
}
