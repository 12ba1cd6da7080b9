//! Which held keys may be asked for by their ids, and in what order.

use keymuster::domain::RemoteId;
use keymuster::walk::Absent;

use crate::site::Site;

#[tokio::test]
async fn lists_that_prove_nothing_keep_no_other_from_being_asked_about() {
    let mut site = Site::new(&[("emptied", 300), ("shrunk", 30), ("whole", 900)]).await;
    site.poll().await;
    site.revoke("emptied", 300);
    site.revoke("shrunk", 25);
    site.poll().await;
    assert_eq!(site.holds(), ["list_emptied|project|emptied|300", "list_shrank|project|shrunk|25"]);

    let (poll, row) = site.begin().await;
    assert!(site.inventory.held_lists(poll).await.unwrap().is_empty(), "no list was read in this poll");
    let walks = site.walks();
    site.apply(row, poll, walks).await;
    let lists = site.inventory.held_lists(poll).await.unwrap();
    let [list] = &lists[..] else { panic!("{lists:?}") };
    assert_eq!(list.scope.of.as_ref().unwrap().as_str(), "shrunk", "the other holds no key that could answer");
    assert!(site.projects["shrunk"].contains(list.control.as_str()));
    let first = site.inventory.held_keys(poll, list, 10).await.unwrap();
    assert_eq!(first.len(), 10);
    site.inventory.asked_for(poll, first.clone(), Absent::default()).await.unwrap();
    let next = site.inventory.held_keys(poll, list, 20).await.unwrap();
    assert!(next[..15].iter().all(|key| !first.contains(key)), "those first that were not asked for yet");
    assert_eq!(next.len(), 20);
}

#[tokio::test]
async fn a_key_that_is_known_as_somebodys_is_nobody_elses() {
    let mut site = Site::new(&[("p", 3)]).await;
    site.owners = [("p_000", "user_000"), ("p_001", "user_001")].map(|(key, owner)| (key.into(), owner.into())).into();
    site.poll().await;
    let (poll, _) = site.begin().await;
    for (member, keys, expected) in [
        ("user_000", &["p_000"][..], false),
        ("user_000", &["p_000", "p_001"], true),
        ("user_002", &["p_000"], true),
        ("user_000", &["p_002", "new"], false),
    ] {
        let id = |text: &&str| RemoteId::new(text).unwrap();
        let keys = keys.iter().map(id).collect();
        assert_eq!(site.inventory.is_anothers(poll.account, id(&member), keys).await.unwrap(), expected, "{member}");
    }
}
