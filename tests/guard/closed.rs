//! Lists of keys that were refused for good, and what opens them again.

use keymuster::domain::Reason;

use crate::site::Site;

/// What can be read in part is not refused for good, unless it was another list that was read.
#[tokio::test]
async fn a_closed_list_is_open_again_where_a_page_of_it_was_read() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.poll().await;
    let standing = |site: &Site| site.rows("SELECT standing || ' ' || refusals FROM scope WHERE remote_id = 'p'").remove(0);
    for (reason, has_page, open) in [
        (Reason::Server, true, true),
        (Reason::Server, false, false),
        (Reason::AttributionMismatch, true, false),
        (Reason::AttributionUnproven, true, false),
        (Reason::ImpersonationNotPermitted, true, false),
    ] {
        site.closed.clear();
        site.poll().await;
        assert_eq!(standing(&site), "open 0");
        site.closed.insert("p".into());
        site.poll().await;
        assert_eq!(standing(&site), "open 1", "refused once");
        site.part_of("p", reason, has_page).await;
        assert_eq!(standing(&site), if open { "open 0" } else { "open 1" }, "{reason} {has_page}");
        for _ in 0..2 {
            site.poll().await;
        }
        assert!(standing(&site).starts_with("closed"), "{reason} {has_page}");
        site.part_of("p", reason, has_page).await;
        let now = standing(&site);
        assert!(now.starts_with(if open { "open 0" } else { "closed" }), "{reason} {has_page}: {now}");
    }
}
