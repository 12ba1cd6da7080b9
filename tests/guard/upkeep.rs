//! What becomes of the file over a long time.

use keymuster::domain::Time;
use keymuster::inventory::Keep;
use keymuster::policy::Span;

use crate::site::{HOUR, Site, ids};

const PROJECTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const KEEP: Keep = Keep { walks: Span::days(30), history: Span::days(60) };
/// A smaller file is left as it is, in bytes.
const SMALL: u64 = 2 * 1024 * 1024;

/// Two days: in each project so many keys are gone and so many new; one poll, and the upkeep of the daemon. Whether the file was written anew.
async fn live(site: &mut Site, day: usize, gone: usize, new: usize) -> bool {
    for project in PROJECTS {
        site.revoke(project, gone);
        site.projects.get_mut(project).unwrap().extend(ids(project, 1_000 * (day + 1), new));
    }
    site.now += 48 * HOUR;
    site.poll_again().await;
    site.inventory.forget(Time::from_unix(site.now), KEEP).await.unwrap();
    site.inventory.tidy().await.unwrap().is_some()
}

/// Bytes of the file, and of what stands in it.
fn sizes(site: &Site) -> (u64, u64) {
    let file = std::fs::metadata(site.inventory.path()).unwrap().len();
    (file, site.rows("SELECT sum(pgsize - unused) FROM dbstat")[0].parse().unwrap())
}

#[tokio::test]
async fn after_a_year_the_file_is_at_most_twice_its_content() {
    let mut site = Site::new(&PROJECTS.map(|project| (project, 600))).await;
    let (mut rewritten, mut greatest) = (Vec::new(), 0);
    for day in (0..365).step_by(2) {
        // From the hundredth day on they clean up for a month, and have a tenth of their keys then.
        let there = site.projects["a"].len();
        let (gone, new) = match day {
            100..=130 => (there / 7, 0),
            _ => (there / 25, there / 25),
        };
        if live(&mut site, day, gone, new).await {
            rewritten.push(day);
        }
        let (file, content) = sizes(&site);
        greatest = greatest.max(file);
        assert!(file <= SMALL || file <= 2 * content, "day {day}: {content} of {file} bytes; written anew on days {rewritten:?}");
    }
    let (file, content) = sizes(&site);
    assert!(file * 2 < greatest, "it shrank: {greatest} to {file}, of which {content} are content; {rewritten:?}");
    assert!((1..10).contains(&rewritten.len()), "not for nothing: {rewritten:?}");
}
