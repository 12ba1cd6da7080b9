//! The organisation behind a credential: another one is applied to nothing until a person says that it is right.

use crate::site::{Site, ids};

#[tokio::test]
async fn another_organisation_that_is_named_is_held_unapplied_until_a_word() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let before = site.rows("SELECT * FROM keys");
    site.organization = Some("org_b".into());
    site.projects = [("theirs".to_owned(), ids("theirs", 0, 4))].into();
    for _ in 0..2 {
        let (settled, refused) = site.try_poll().await;
        assert!(refused && settled.changes.is_empty());
        assert_eq!(site.rows("SELECT * FROM keys"), before, "nothing is applied");
        assert_eq!(site.count("scopes WHERE scope_id = 'theirs'"), 0);
    }
    assert_eq!(site.rows("SELECT up, reason, organization_id FROM accounts"), ["0|organization_changed|org_a"]);

    assert!(site.ack(None).await.organization);
    assert_eq!(site.rows("SELECT account, kind, who, organization FROM acknowledgements"), ["acme|-|ana (uid 7)|1"]);
    assert_eq!(site.rows("SELECT DISTINCT presence, presence_reason FROM keys"), ["unmanaged|organization_changed"]);
    assert_eq!(site.rows("SELECT organization_id FROM accounts"), ["org_b"]);
    site.poll().await;
    assert_eq!(site.of("theirs"), ["present 4 held 0"]);
    assert_eq!(site.of("p"), ["unmanaged 6 held 0"]);
    assert_eq!(site.count("changes WHERE change = 'appeared'"), 0, "the first look at an organisation is no news");
    assert_eq!(site.count("changes WHERE change = 'became_unmanaged' AND after = 'organization_changed'"), 6);
    assert!(!site.ack(None).await.organization, "once is enough");
}

#[tokio::test]
async fn the_organisation_of_before_takes_its_keys_up_again() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let ours = std::mem::replace(&mut site.projects, [("theirs".to_owned(), ids("theirs", 0, 4))].into());
    site.organization = Some("org_b".into());
    site.try_poll().await;
    site.ack(None).await;
    site.poll().await;
    site.projects = ours;
    site.organization = Some("org_a".into());
    assert!(site.try_poll().await.1, "back again is a change too");
    assert!(site.ack(None).await.organization);
    assert_eq!(site.of("p"), ["unknown 6 held 0"], "nothing has been seen of them since");
    site.poll().await;
    assert_eq!(site.of("p"), ["present 6 held 0"]);
    assert_eq!(site.count("keys"), 10, "no key is there twice");
}

#[tokio::test]
async fn an_organisation_seen_again_needs_no_word() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    site.organization = Some("org_b".into());
    assert!(site.try_poll().await.1);
    site.organization = Some("org_a".into());
    site.poll().await;
    assert!(!site.ack(None).await.organization, "the offer went with the one who made it");
    assert_eq!(site.of("p"), ["present 6 held 0"]);
}

#[tokio::test]
async fn an_organisation_without_a_name_is_known_by_its_projects() {
    let mut site = Site::new(&[("p", 6), ("q", 6)]).await;
    site.organization = None;
    site.poll().await;
    let ours = site.projects.clone();
    site.projects = [("theirs".to_owned(), ids("theirs", 0, 4)), ("q".to_owned(), ids("q", 0, 6))].into();
    site.poll().await;
    assert_eq!(site.of("theirs"), ["present 4 held 0"], "one project of before is enough");

    site.projects = [("others".to_owned(), ids("others", 0, 4))].into();
    assert!(site.try_poll().await.1);
    assert_eq!(site.count("keys WHERE scope_id = 'others'"), 0);
    site.projects = ours;
    site.poll().await;
    assert!(!site.ack(None).await.organization);

    site.projects = [("others".to_owned(), ids("others", 0, 4))].into();
    assert!(site.try_poll().await.1);
    assert!(site.ack(None).await.organization);
    site.poll().await;
    assert_eq!(site.of("others"), ["present 4 held 0"]);
    assert_eq!(site.rows("SELECT DISTINCT presence_reason FROM keys WHERE presence = 'unmanaged'"), ["organization_changed"]);
    assert_eq!(site.count("keys WHERE presence = 'unmanaged'"), 16);
}

#[tokio::test]
async fn a_list_without_a_project_shows_no_organisation_and_nothing_to_accept() {
    let mut site = Site::new(&[]).await;
    site.organization = None;
    assert!(site.try_poll().await.1, "the first poll neither");
    site.projects = [("p".to_owned(), ids("p", 0, 6))].into();
    site.poll().await;
    let ours = std::mem::take(&mut site.projects);
    assert!(site.try_poll().await.1);
    assert!(!site.ack(None).await.organization, "there is nothing to say a word for");
    site.projects = ours;
    site.poll().await;
    assert_eq!(site.of("p"), ["present 6 held 0"]);
}

#[tokio::test]
async fn lists_that_were_read_in_vain_say_so() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let keys = site.rows("SELECT * FROM keys");
    let stands = "SELECT id, complete_walk, complete_at, before_walk, refusals, standing, unlisted_walk FROM scope";
    let before = site.rows(stands);
    site.organization = Some("org_b".into());
    site.projects.insert("theirs".into(), ids("theirs", 0, 4));
    assert!(site.try_poll().await.1);
    assert_eq!(
        site.rows("SELECT kind, scope_id, state, reason, detail FROM scopes ORDER BY 1"),
        [
            "people||incomplete|organization_changed|another one",
            "project|p|incomplete|organization_changed|another one",
            "projects||incomplete|organization_changed|another one"
        ],
        "scopes that are known, and no others"
    );
    assert_eq!(site.rows(stands), before, "that they were attempted is all that is said");
    assert_eq!(site.rows("SELECT * FROM keys"), keys);
    assert_eq!(site.count("walks WHERE outcome = 'incomplete' AND items = 0"), 3);

    site.organization = Some("org_a".into());
    site.poll().await;
    assert_eq!(site.count("scopes WHERE state <> 'complete'"), 0);
}

#[tokio::test]
async fn a_word_in_the_middle_of_a_poll_leaves_nothing_to_apply_it_to() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let row = site.inventory.reader().read_blocking(|connection| {
        Ok(connection.query_row("SELECT id, organization_id FROM account", [], |row| {
            Ok(keymuster::inventory::OrganizationRow { account: row.get(0)?, organization: row.get(1)? })
        })?)
    });
    site.organization = Some("org_b".into());
    site.try_poll().await;
    let poll = site.inventory.begin_poll("acme".into(), keymuster::domain::Time::from_unix(site.now)).await.unwrap();
    let walks = site.walks();
    site.ack(None).await;
    site.apply(row.unwrap(), poll, walks).await;
    assert_eq!(site.of("p"), ["unmanaged 6 held 0"], "what was begun for the old organisation brings its keys back");
}
