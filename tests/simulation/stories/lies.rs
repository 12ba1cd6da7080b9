//! What no single answer gives away: a provider that leaves things out. The second look and the guard answer that.

use keymuster::domain::Presence;
use keymuster::sim::Size;

use super::tell;
use crate::site::{SMALL, Setup};

/// An empty list by mistake holds everything, for as long as it lasts; seen again, all is as it was.
#[test]
fn an_empty_list_by_mistake_costs_no_key() {
    let size = Size { den_keys: 30, ..SMALL };
    tell(Setup { size, ..Setup::new(41) }, async |tale| {
        for (account, fault) in [
            ("den", "empty_list:den on /v1/api-keys"),
            ("openai", "empty_list:openai on /organization/projects/{project_id}/api_keys"),
        ] {
            tale.poll(account).await;
            let present = tale.count(account, Presence::Present).await;
            for times in [1, 2, 10] {
                tale.driver.fault(fault);
                let report = tale.polls(account, times).await;
                assert!(!report.holds.is_empty());
                let there = tale.count(account, Presence::Present).await;
                assert_eq!(there, present, "{account}: held keys keep their presence");
                tale.driver.heal(fault);
                let report = tale.poll(account).await;
                assert!(report.holds.is_empty(), "{account}: {:?}", report.holds);
                assert_eq!((tale.count(account, Presence::Present).await, tale.held(account).await), (present, 0));
            }
        }
    });
}

/// The page after the cursor is empty and says that the list ends there. Asked once more it is whole. Where it is empty again, of a
/// page with many keys nobody believes that; of one with few they are missing, which is what was seen, until it is there again.
#[test]
fn an_empty_second_page_that_ends_the_list_makes_nothing_gone() {
    for (keys, times, held, missing) in [(240, 1, 0, 0), (240, 2, 140, 0), (112, 2, 0, 12)] {
        let fault = &format!("empty_list:openai on /organization/projects/{{project_id}}/api_keys from 2 to {}", times + 1);
        let size = Size { projects: 1, archived_projects: 0, project_keys: keys, ..SMALL };
        tell(Setup { size, ..Setup::new(43) }, async |tale| {
            tale.polls("openai", 2).await;
            let present = tale.count("openai", Presence::Present).await;
            tale.driver.fault(fault);
            tale.poll("openai").await;
            assert_eq!((tale.held("openai").await, tale.count("openai", Presence::Missing).await), (held, missing), "{keys}");
            tale.driver.heal(fault);
            let report = tale.poll("openai").await;
            assert!(report.holds.is_empty(), "{keys}: {:?}", report.holds);
            assert_eq!((tale.held("openai").await, tale.count("openai", Presence::Present).await), (0, present), "{keys}");
        });
    }
}

/// A list that leaves a few out once makes them missing, which is what was seen, and no more.
#[test]
fn a_list_that_is_short_once_makes_nothing_gone() {
    tell(Setup { size: Size { den_keys: 40, ..SMALL }, ..Setup::new(42) }, async |tale| {
        tale.polls("den", 2).await;
        let present = tale.count("den", Presence::Present).await;
        tale.driver.fault("short_list:den:10 on /v1/api-keys");
        tale.poll("den").await;
        let missing = tale.count("den", Presence::Missing).await;
        assert!(missing > 0, "the fault leaves some out");
        tale.driver.heal("short_list:den:10 on /v1/api-keys");
        tale.poll("den").await;
        assert_eq!((tale.count("den", Presence::Present).await, tale.count("den", Presence::Gone).await), (present, 0));
    });
}
