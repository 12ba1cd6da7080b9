//! Lists of people and projects that shrink too much: nothing hangs on them until they are themselves again, or a person says.

use crate::site::{HOUR, Site, ids};

/// Twelve projects with two keys each.
async fn projects() -> Site {
    let mut site = Site::new(&[]).await;
    site.projects = ids("proj", 0, 12).into_iter().map(|project| (project.clone(), ids(&project, 0, 2))).collect();
    site.poll().await;
    site
}

/// Keys whose disappearance waits for a person, each since its list does.
fn held(site: &Site) -> usize {
    let since = site.rows("SELECT DISTINCT held_since FROM keys WHERE held_since IS NOT NULL");
    let lists = site.rows("SELECT since FROM holds WHERE ended_at IS NULL");
    assert!(since.iter().all(|since| lists.contains(since)), "{since:?} {lists:?}");
    site.count("keys WHERE held_since IS NOT NULL")
}

fn vanished(site: &Site) -> usize {
    site.count("scopes WHERE state = 'vanished'")
}

#[tokio::test]
async fn a_list_of_projects_that_shrank_makes_nothing_vanish() {
    let mut site = projects().await;
    let whole = site.projects.clone();
    for project in ids("proj", 0, 10) {
        site.projects.remove(&project);
    }
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.holds(), ["list_shrank|projects||10"]);
        assert_eq!(vanished(&site), 0);
        assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
        assert_eq!(site.rows("SELECT state FROM scopes WHERE kind = 'projects'"), ["held"]);
        assert_eq!(held(&site), 20, "two keys of each project in doubt");
    }
    // While the list is in doubt, what it loses next is too.
    site.projects.remove("proj_010");
    site.poll().await;
    assert_eq!((site.holds(), vanished(&site)), (vec!["list_shrank|projects||11".into()], 0));

    // That most are back says nothing for the others: they went with them.
    site.projects = whole.clone();
    site.projects.remove("proj_000");
    site.projects.remove("proj_010");
    site.poll().await;
    assert_eq!((site.holds(), vanished(&site)), (vec!["list_shrank|projects||11".into()], 0));
    site.projects.insert("proj_000".into(), whole["proj_000"].clone());
    site.poll().await;
    assert!(site.holds().is_empty(), "all are back that the list lost when it was held");
    assert_eq!(vanished(&site), 1, "and it is believed again");
    assert_eq!(site.count("keys WHERE presence = 'unknown' AND presence_reason = 'scope_vanished'"), 2);

    site.projects.clear();
    site.poll().await;
    assert_eq!(site.holds(), ["list_emptied|projects||11"]);
    assert_eq!(site.ack(Some("projects")).await.holds, 1);
    site.poll().await;
    assert_eq!((vanished(&site), site.holds().len()), (12, 0), "a word lets the list be believed");
    assert_eq!(held(&site), 0);
}

#[tokio::test]
async fn few_projects_may_vanish() {
    let mut site = projects().await;
    for project in ids("proj", 0, 9) {
        site.projects.remove(&project);
    }
    site.poll().await;
    assert_eq!((site.holds().len(), vanished(&site)), (0, 9));
}

/// Twenty members with a key each, on a list that holds the keys of current members alone.
async fn people() -> Site {
    let mut site = Site::new(&[("p", 1)]).await;
    site.people = ids("user", 0, 20);
    site.members = Some(ids("key", 0, 20));
    site.owners = ids("key", 0, 20).into_iter().zip(ids("user", 0, 20)).collect();
    site.poll().await;
    site
}

/// That many members are no longer listed, and their keys are not either.
fn lose(site: &mut Site, from: usize, count: usize) {
    for user in ids("user", from, count) {
        site.people.remove(&user);
    }
    for key in ids("key", from, count) {
        site.members.as_mut().unwrap().remove(&key);
    }
}

fn left(site: &Site) -> (usize, usize) {
    let unknown = site.count("keys WHERE presence = 'unknown' AND presence_reason = 'owner_left'");
    (unknown, site.count("deadline WHERE orphaned_at IS NOT NULL"))
}

#[tokio::test]
async fn a_list_of_people_that_shrank_makes_nobody_a_leaver() {
    let mut site = people().await;
    lose(&mut site, 0, 10);
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.holds(), ["list_shrank|people||10"]);
        assert_eq!(left(&site), (0, 0));
        assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
        assert_eq!(held(&site), 10, "the keys of those in doubt");
    }
    // Those who leave while the list is in doubt are in doubt too.
    lose(&mut site, 10, 2);
    site.poll().await;
    assert_eq!((site.holds(), left(&site)), (vec!["list_shrank|people||12".into()], (0, 0)));
    assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);

    assert_eq!(site.ack(Some("people")).await.holds, 1);
    site.poll().await;
    assert_eq!(left(&site), (12, 12), "a word lets the list be believed");
    assert_eq!(held(&site), 0);
    assert!(site.holds().is_empty());
}

#[tokio::test]
async fn a_key_without_an_owner_is_not_gone_where_its_owner_may_have_left() {
    let mut site = people().await;
    site.members.as_mut().unwrap().extend(ids("nameless", 0, 3));
    site.poll().await;
    // One nameless key goes with a member, and one the poll before the member is noticed to be away.
    let lost = |site: &mut Site, key: &str| assert!(site.members.as_mut().unwrap().remove(key));
    lost(&mut site, "nameless_000");
    site.poll().await;
    lost(&mut site, "nameless_001");
    lose(&mut site, 0, 1);
    for _ in 0..4 {
        site.poll().await;
        let missing = site.rows("SELECT key_id FROM keys WHERE presence = 'missing' ORDER BY 1");
        assert_eq!(missing, ["nameless_000", "nameless_001"]);
        assert_eq!(left(&site).0, 1, "the key that names its owner");
    }
    // Who left before the list last held a key cannot have taken it along.
    lost(&mut site, "nameless_002");
    site.poll().await;
    site.poll().await;
    assert_eq!(site.rows("SELECT key_id FROM keys WHERE presence = 'gone'"), ["nameless_002"]);
}

/// A poll that reads a list, and is killed before it settles.
async fn cut_off(site: &mut Site) {
    site.now += HOUR;
    let (poll, organization) = site.begin().await;
    let walks = site.walks();
    site.apply(organization, poll, walks).await;
}

#[tokio::test]
async fn what_a_list_lost_in_polls_that_never_settled_is_held_by_the_next_one() {
    for losses in [vec![10], vec![5, 5], vec![10, 0, 0]] {
        let (mut site, mut lost) = (people().await, 0);
        for count in losses {
            lose(&mut site, lost, count);
            lost += count;
            cut_off(&mut site).await;
        }
        for _ in 0..3 {
            site.poll().await;
            assert_eq!((site.holds(), left(&site)), (vec!["list_shrank|people||10".into()], (0, 0)));
            assert_eq!((site.count("keys WHERE presence <> 'present'"), held(&site)), (0, 10));
        }
        assert_eq!(site.ack(Some("people")).await.holds, 1);
        site.poll().await;
        assert_eq!((left(&site), site.holds().len()), ((10, 10), 0));
    }

    let mut site = projects().await;
    for project in ids("proj", 0, 10) {
        site.projects.remove(&project);
    }
    cut_off(&mut site).await;
    for _ in 0..3 {
        site.poll().await;
        assert_eq!((site.holds(), vanished(&site)), (vec!["list_shrank|projects||10".into()], 0));
    }
}

#[tokio::test]
async fn few_leavers_are_believed() {
    let mut site = people().await;
    lose(&mut site, 0, 9);
    site.poll().await;
    assert_eq!((site.holds().len(), left(&site).0), (0, 9));
}

#[tokio::test]
async fn those_who_are_not_back_stay_in_doubt_and_a_second_loss_too() {
    let mut site = people().await;
    lose(&mut site, 0, 10);
    site.poll().await;
    site.people.extend(ids("user", 2, 8));
    site.members.as_mut().unwrap().extend(ids("key", 2, 8));
    for _ in 0..2 {
        site.poll().await;
        assert_eq!((site.holds().len(), left(&site)), (1, (0, 0)), "two went with the ten");
    }
    assert_eq!(site.ack(Some("people")).await.holds, 1);
    site.poll().await;
    assert_eq!(left(&site), (2, 2));

    let mut site = people().await;
    lose(&mut site, 0, 10);
    site.poll().await;
    lose(&mut site, 10, 10);
    site.poll().await;
    site.people.extend(ids("user", 0, 10));
    site.members.as_mut().unwrap().extend(ids("key", 0, 10));
    for _ in 0..2 {
        site.poll().await;
        assert_eq!((site.holds().len(), left(&site)), (1, (0, 0)), "ten others went while it was held");
    }
    site.people.extend(ids("user", 10, 9));
    site.members.as_mut().unwrap().extend(ids("key", 10, 9));
    site.poll().await;
    assert_eq!((site.holds().len(), left(&site).0), (0, 1), "the ten are back, and one is no loss");
}

#[tokio::test]
async fn the_owners_on_a_project_list_are_not_orphaned_while_the_list_of_people_is_held() {
    let mut site = people().await;
    site.members = None;
    site.projects.insert("p".into(), ids("key", 0, 20));
    site.poll().await;
    for user in ids("user", 0, 20) {
        site.people.remove(&user);
    }
    for _ in 0..3 {
        site.poll().await;
    }
    assert_eq!(site.holds(), ["list_emptied|people||20"]);
    assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), 0);
    assert_eq!(held(&site), 0, "what a project lists is there, whoever owns it");
    site.ack(None).await;
    site.poll().await;
    assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), 20);
}

/// A list of current members' keys left theirs out because they were none.
#[tokio::test]
async fn whom_a_group_names_again_was_away_until_now() {
    let mut site = people().await;
    lose(&mut site, 0, 1);
    site.poll().await;
    assert_eq!(left(&site).0, 1);
    let members = site.members.take();
    site.only_in_groups = vec![keymuster::domain::RemoteId::new("user_000").unwrap()];
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.count("keys WHERE presence IN ('missing', 'gone')"), 0, "that list was not read since");
        assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), 0);
    }
    site.members = members;
    site.poll().await;
    assert_eq!(site.count("keys WHERE presence = 'missing'"), 1, "and a member's key is missing from it");
}

/// Behind the lists they are members, and nobody saw whether they were before.
#[tokio::test]
async fn whom_groups_alone_name_may_be_away_where_these_answer_late() {
    let mut site = people().await;
    site.people.remove("user_000");
    site.only_in_groups = vec![keymuster::domain::RemoteId::new("user_000").unwrap()];
    site.poll().await;
    assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
    site.members.as_mut().unwrap().remove("key_000");
    site.groups_late = true;
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
    }
    site.groups_late = false;
    site.poll().await;
    assert_eq!(site.count("keys WHERE presence = 'missing'"), 1);
}

#[tokio::test]
async fn a_word_covers_what_a_held_list_lost_since() {
    let mut site = Site::new(&[("p", 1)]).await;
    site.people = ids("user", 0, 40);
    site.poll().await;
    site.people = ids("user", 0, 20);
    site.poll().await;
    site.people = ids("user", 0, 10);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|people||30"]);
    assert_eq!(site.ack(Some("people")).await.holds, 1);
    // A poll in which the list of people could not be read.
    site.poll_nothing().await;
    assert!(site.holds().is_empty(), "{:?}: a person looked at all thirty", site.holds());
}

#[tokio::test]
async fn a_list_that_was_held_says_of_nobody_that_they_left() {
    let mut site = Site::new(&[("p", 20)]).await;
    site.people = ids("user", 0, 20);
    site.owners = ids("p", 0, 20).into_iter().zip(ids("user", 0, 20)).collect();
    site.poll().await;
    site.poll().await;
    site.people = ids("user", 10, 10);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|people||10"]);
    // Held still, it lacks one more.
    site.people.remove("user_019");
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|people||11"]);
    // The ten are back: the hold ends, and this is the first unheld list without the one.
    site.people.extend(ids("user", 0, 10));
    site.poll().await;
    assert!(site.holds().is_empty());
    assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), 0, "one unheld list");
    site.poll().await;
    assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), 1, "two");
}

/// What a walk of the poll under way lost is nothing that anybody could have looked at.
#[tokio::test]
async fn a_word_in_the_middle_of_a_poll_covers_nothing_that_was_not_shown_yet() {
    let mut site = Site::new(&[("p", 1)]).await;
    site.people = ids("user", 0, 60);
    site.poll().await;
    site.people = ids("user", 30, 30);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|people||30"]);
    // The list of people comes first, and is applied long before the poll settles. Now it is almost empty.
    site.people = ids("user", 58, 2);
    site.now += crate::site::HOUR;
    let (poll, row) = site.begin().await;
    let walks = site.walks();
    site.apply(row, poll, walks).await;
    assert_eq!(site.holds(), ["list_shrank|people||30"], "which is what a person sees");
    assert_eq!(site.ack(Some("people")).await.holds, 1);
    site.poll_nothing().await;
    assert_eq!(site.holds(), ["list_shrank|people||28"], "nobody looked at the other twenty-eight");
}
