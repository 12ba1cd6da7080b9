//! Two lists that tell different things of the last use of one key: the later one is right.

use keymuster::domain::{KeyFacts, KeyKind, Moment, Text, Time};

use crate::site::Site;

const USED: &str = "SELECT last_used_state, last_used_at FROM keys WHERE key_id = 'p_000'";

const CONDITIONS: &str = "SELECT coalesce(stale_basis, ''), last_seen_at FROM keys WHERE key_id = 'p_000'";

/// The project's list says so of key `p_000`, and the list of admin keys that.
fn tell(site: &mut Site, project: Moment, admin: Moment) {
    site.used.insert(("p_000".into(), KeyKind::Project.as_str()), project);
    site.used.insert(("p_000".into(), KeyKind::Unattributed.as_str()), admin);
}

#[tokio::test]
async fn a_use_that_only_the_lower_list_noticed_is_believed_and_stays() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    tell(&mut site, Moment::Never, Moment::Never);
    site.poll().await;
    assert_eq!(site.rows(USED), ["never|-"]);
    tell(&mut site, Moment::Never, Moment::At(Time::from_unix(1_750_000_000)));
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.rows(USED), ["at|2025-06-15T15:06:40Z"]);
    }
    assert_eq!(site.count("changes WHERE change = 'last_use_went_back'"), 0);
}

#[tokio::test]
async fn a_use_that_goes_back_is_believed_of_the_only_list_and_told() {
    let mut site = Site::new(&[("p", 2)]).await;
    let at = |seconds| Moment::At(Time::from_unix(seconds));
    tell(&mut site, at(1_750_000_000), Moment::NotReported);
    site.poll().await;
    tell(&mut site, at(1_740_000_000), Moment::NotReported);
    site.poll().await;
    assert_eq!(site.rows(USED), ["at|2025-02-19T21:20:00Z"]);
    assert_eq!(site.count("changes WHERE change = 'last_use_went_back'"), 1);
}

/// Also where another fact of the key changes with it.
#[tokio::test]
async fn a_key_is_stale_so_long_after_the_use_that_is_told_now() {
    let mut site = Site::new(&[("p", 2)]).await;
    let after = "SELECT stale_at - used_at FROM last_use JOIN key ON key.id = key_id WHERE remote_id = 'p_000'";
    for (seconds, is_named) in [(1_750, false), (1_751, false), (1_752, true), (1_745, true), (1_746, false)] {
        tell(&mut site, Moment::At(Time::from_unix(seconds * 1_000_000)), Moment::NotReported);
        let named: fn(&mut KeyFacts) = if is_named { |facts| facts.name = Some(Text::clean("deploy")) } else { |_| {} };
        site.told.insert("p_000".into(), named);
        site.poll().await;
        assert_eq!(site.rows(after), [(90 * 86_400).to_string()], "{seconds} {is_named}");
    }
}

#[tokio::test]
async fn what_no_list_tells_any_more_is_not_reported() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    let before = Moment::At(Time::from_unix(1_750_000_000));
    tell(&mut site, before, before);
    site.poll().await;
    tell(&mut site, Moment::NotReported, Moment::NotReported);
    site.poll().await;
    assert_eq!(site.rows(USED), ["not_reported|-"]);
    assert_eq!(site.count("changes WHERE change = 'last_use_went_back'"), 0);
}

/// The list that is left tells of no use: it must not make the word of the other one, from before, one of today.
#[tokio::test]
async fn a_list_that_tells_of_no_use_makes_no_older_word_newer() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    // Stale in a day from now.
    let used = Moment::At(Time::from_unix(site.now - 89 * 86_400));
    tell(&mut site, used, used);
    site.poll().await;
    assert_eq!(site.rows(CONDITIONS), ["|2025-10-09T09:53:24Z"]);

    site.now += 10 * 86_400;
    tell(&mut site, used, Moment::NotReported);
    site.projects.get_mut("p").unwrap().remove("p_000");
    site.poll().await;
    assert_eq!(site.rows(CONDITIONS), ["|2025-10-19T10:53:28Z"], "not used for 90 days, as nobody told");
    // From now on its facts are those of the list that is left.
    site.poll().await;
    assert_eq!(site.rows(USED), ["not_reported|-"]);
}

#[tokio::test]
async fn two_lists_that_tell_different_uses_for_long_make_no_history() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    let at = |seconds| Moment::At(Time::from_unix(seconds));
    tell(&mut site, at(1_740_000_000), at(1_750_000_000));
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.rows(USED), ["at|2025-06-15T15:06:40Z"]);
    }
    assert_eq!(site.count("changes"), 0);
    // The one that told the later use no longer lists the key: what is left is believed.
    site.admin = Some(["other".to_owned()].into());
    site.poll().await;
    site.poll().await;
    assert_eq!(site.rows(USED), ["at|2025-02-19T21:20:00Z"]);
}

#[tokio::test]
async fn a_fact_that_changes_takes_no_use_along() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    let at = |seconds| Moment::At(Time::from_unix(seconds));
    tell(&mut site, at(1_740_000_000), at(1_750_000_000));
    site.poll().await;
    site.told.insert("p_000".into(), |facts| facts.name = Some(keymuster::domain::Text::clean("other")));
    site.admin = None;
    // The better list alone is read, and tells a new name and an older use.
    site.poll().await;
    assert_eq!(site.rows(USED), ["at|2025-06-15T15:06:40Z"], "the other list has not been read since");
    assert_eq!(site.rows("SELECT name FROM keys WHERE key_id = 'p_000'"), ["other"]);
}

#[tokio::test]
async fn a_fact_and_the_use_that_change_at_once_are_both_written() {
    let mut site = Site::new(&[("p", 2)]).await;
    tell(&mut site, Moment::Never, Moment::NotReported);
    site.poll().await;
    site.told.insert("p_000".into(), |facts| facts.name = Some(keymuster::domain::Text::clean("other")));
    tell(&mut site, Moment::At(Time::from_unix(1_750_000_000)), Moment::NotReported);
    site.poll().await;
    assert_eq!(site.rows(USED), ["at|2025-06-15T15:06:40Z"]);
}

#[tokio::test]
async fn a_lower_list_that_knows_nothing_of_use_takes_nothing_away_from_a_better_one() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.admin = Some(["p_000".to_owned()].into());
    for (project, expected) in [(Moment::Never, "never|-"), (Moment::NotReported, "not_reported|-"), (Moment::Never, "never|-")] {
        tell(&mut site, project, Moment::NotReported);
        for _ in 0..2 {
            site.poll().await;
            assert_eq!(site.rows(USED), [expected]);
        }
    }
}
