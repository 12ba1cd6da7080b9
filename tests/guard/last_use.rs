//! Two lists that tell different things of the last use of one key: the later one is right.

use keymuster::domain::{KeyKind, Moment, Time};

use crate::site::Site;

const USED: &str = "SELECT last_used_state, last_used_at FROM keys WHERE key_id = 'p_000'";

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
