//! Walks count in the order of their numbers, whenever they come.

use crate::site::Site;

#[tokio::test]
async fn a_walk_that_comes_late_changes_nothing() {
    let mut site = Site::new(&[("p", 6)]).await;
    site.poll().await;
    let (poll, row) = site.begin().await;
    let older = site.walks();
    site.revoke("p", 2);
    let newer = site.walks();
    site.apply(row, poll, newer).await;
    let stored = |site: &Site| {
        ["SELECT * FROM sighting ORDER BY 1, 2", "SELECT * FROM scope ORDER BY id", "SELECT * FROM walk ORDER BY id"]
            .map(|rows| site.rows(rows))
    };
    let before = stored(&site);
    site.apply(row, poll, older).await;
    assert_eq!(stored(&site), before);
}
