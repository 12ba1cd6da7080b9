//! Accounts that leave the config, come back, take another name, or would become another provider's.

use std::sync::Arc;

use keymuster::domain::Time;
use keymuster::inventory::{ConfiguredAccount, MembersStill, PollEnd, StoreError};
use keymuster::policy::{AccountPolicy, Policy, Rule};
use keymuster::walk::Stamp;

use crate::site::{LIMITS, Site, account};

#[tokio::test]
async fn an_account_that_was_removed_keeps_its_keys_as_unmanaged() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    site.configure(&["other"]).await;
    assert_eq!(site.rows("SELECT DISTINCT presence, presence_reason FROM keys"), ["unmanaged|account_removed"]);
    assert_eq!(site.rows("SELECT account, configured FROM accounts ORDER BY 1"), ["acme|0", "other|1"]);
    assert_eq!(site.count("changes WHERE change = 'became_unmanaged' AND after = 'account_removed'"), 6);
    site.configure(&["other"]).await;
    assert_eq!(site.count("changes"), 6, "it is removed once");

    site.configure(&["acme", "other"]).await;
    assert_eq!(site.rows("SELECT DISTINCT presence, presence_reason FROM keys"), ["unknown|account_removed"]);
    site.revoke("p", 1);
    site.poll().await;
    assert_eq!(site.of("p"), ["missing 1 held 0", "present 5 held 0"]);
}

#[tokio::test]
async fn a_poll_that_outlasts_its_account_changes_nothing() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let (poll, row) = site.begin().await;
    let walks = site.walks();
    site.configure(&["other"]).await;
    site.apply(row, poll, walks).await;
    let end = PollEnd { failure: None, organization: Some(row), members_still: MembersStill::default() };
    let now = Stamp { wall: Time::from_unix(site.now), boot: std::time::Duration::from_secs(1) };
    site.inventory.settle(poll, end, Arc::new(Policy::default()), LIMITS, now).await.unwrap();
    assert_eq!(site.of("p"), ["unmanaged 6 held 0"]);
}

#[tokio::test]
async fn a_renamed_account_takes_its_keys_and_holds_along() {
    let mut site = Site::new(&[("p", 20), ("elsewhere", 200)]).await;
    site.poll().await;
    site.revoke("p", 15);
    site.poll().await;
    let renamed = ConfiguredAccount { formerly: Some("acme".into()), ..account("acme-eu", "openai") };
    for _ in 0..2 {
        site.inventory.configure(vec![renamed.clone()], Arc::default(), Time::from_unix(site.now)).await.unwrap();
        assert_eq!(site.rows("SELECT account, configured, keys FROM accounts"), ["acme-eu|1|220"]);
        assert_eq!(site.count("keys WHERE account = 'acme-eu' AND presence = 'present'"), 220);
        assert_eq!(site.rows("SELECT account, keys FROM holds"), ["acme-eu|15"]);
    }
    assert_eq!(site.count("changes"), 0, "a new name is no news of a key");
}

#[tokio::test]
async fn an_account_never_becomes_another_providers() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let now = Time::from_unix(site.now);
    let refused = site.inventory.configure(vec![account("new", "openai"), account("acme", "den")], Arc::default(), now).await;
    let Err(error @ StoreError::ProviderChanged { .. }) = refused else { panic!("{refused:?}") };
    let told = error.to_string();
    assert!(["acme", "openai", "den", "another name"].iter().all(|word| told.contains(word)), "{told}");
    assert_eq!(site.rows("SELECT account, provider, configured FROM accounts"), ["acme|openai|1"], "nothing is changed");
    assert_eq!(site.of("p"), ["present 6 held 0"]);

    // Nor when it is no longer configured, and not by the name that it had either.
    site.configure(&[]).await;
    assert!(site.inventory.configure(vec![account("acme", "den")], Arc::default(), now).await.is_err());
    let other = ConfiguredAccount { formerly: Some("acme".into()), ..account("acme-den", "den") };
    site.inventory.configure(vec![other], Arc::default(), now).await.unwrap();
    assert_eq!(site.rows("SELECT account, provider, keys FROM accounts ORDER BY 1"), ["acme|openai|6", "acme-den|den|0"]);
}

/// Every key belongs to a team.
fn platforms() -> Arc<Policy> {
    let labels = Rule { labels: [("team".to_owned(), "platform".to_owned())].into(), ..Rule::default() };
    Arc::new(Policy { rules: vec![labels], ..Policy::default() })
}

#[tokio::test]
async fn a_poll_that_outlasts_its_policy_judges_by_the_new_one() {
    let mut site = Site::new(&[("p", 6)]).await;
    let lenient = Policy::default();
    site.inventory.judge_all(Arc::new(lenient), Time::from_unix(site.now)).await.unwrap();
    site.poll().await;
    site.inventory.judge_all(platforms(), Time::from_unix(site.now)).await.unwrap();
    // These polls pass the policy that they began with.
    site.projects.insert("p".into(), crate::site::ids("p", 0, 8));
    site.poll().await;
    assert_eq!(site.rows("SELECT team, count(*) FROM keys GROUP BY 1"), ["platform|8"]);
}

/// Labels that an account itself gives its keys stand under its name.
#[tokio::test]
async fn a_poll_that_began_under_an_old_name_judges_by_the_new_one() {
    let policy = |name: &str, formerly: Option<&str>| {
        let labels = [("team".to_owned(), name.to_owned())].into();
        let own = AccountPolicy { labels, formerly: formerly.map(str::to_owned), ..AccountPolicy::default() };
        Arc::new(Policy { accounts: [(name.to_owned(), own)].into(), ..Policy::default() })
    };
    let mut site = Site::new(&[("p", 6)]).await;
    let now = Time::from_unix(site.now);
    site.inventory.configure(vec![account("acme", "openai")], policy("acme", None), now).await.unwrap();
    site.poll().await;
    let (poll, row) = site.begin().await;
    let renamed = ConfiguredAccount { formerly: Some("acme".into()), ..account("acme-eu", "openai") };
    site.inventory.configure(vec![renamed], policy("acme-eu", Some("acme")), now).await.unwrap();
    site.projects.insert("p".into(), crate::site::ids("p", 0, 8));
    let walks = site.walks();
    site.apply(row, poll, walks).await;
    assert_eq!(site.rows("SELECT team, count(*) FROM keys GROUP BY 1"), ["acme-eu|8"]);
}

/// Where the disk is full, that may show while the keys are judged, or with the commit.
#[tokio::test]
async fn a_config_that_cannot_be_stored_whole_changes_nothing() {
    let halfway = "CREATE TRIGGER obstacle AFTER UPDATE ON policy BEGIN SELECT RAISE(ABORT, 'full'); END;";
    let at_the_commit = "CREATE TABLE later (run INTEGER REFERENCES run (id) DEFERRABLE INITIALLY DEFERRED) STRICT;
                         CREATE TRIGGER obstacle AFTER UPDATE ON policy BEGIN INSERT INTO later VALUES (-1); END;";
    for obstacle in [halfway, at_the_commit] {
        let mut site = Site::new(&[("p", 6)]).await;
        site.poll().await;
        site.inventory.write(|all| Ok(all.execute_batch(obstacle)?)).await.unwrap();
        let now = Time::from_unix(site.now);
        let refused = site.inventory.configure(vec![account("other", "openai")], platforms(), now).await;
        assert!(refused.is_err(), "{obstacle}");
        assert_eq!(site.rows("SELECT account, configured FROM accounts"), ["acme|1"], "{obstacle}");
        assert_eq!((site.of("p"), site.count("changes")), (vec!["present 6 held 0".to_owned()], 0), "{obstacle}");

        site.inventory.write(|all| Ok(all.execute_batch("DROP TRIGGER obstacle")?)).await.unwrap();
        site.projects.insert("p".into(), crate::site::ids("p", 0, 8));
        site.poll().await;
        site.configure(&["acme"]).await;
        assert_eq!(site.rows("SELECT team, count(*) FROM keys GROUP BY 1"), ["-|8"], "{obstacle}");
    }
}
