//! Braintrust: leavers, ways of listing, a balancer that drops the header.

use keymuster::domain::{Condition, Presence, ScopeKind, WalkEnd};
use keymuster::sim::{Happening, Remote, Size, TrueKey};

use super::{Tale, tell};
use crate::event::Story;
use crate::site::{SMALL, Setup};

fn listed_by(listing: &str, seed: u64) -> Setup {
    let size = Size { people: 12, braintrust_members: 9, braintrust_keys: 24, ..SMALL };
    Setup { size, braintrust: format!("options = {{ listing = '{listing}' }}"), ..Setup::new(seed) }
}

/// A key of somebody who may leave.
fn of_a_member(tale: &Tale) -> TrueKey {
    let own = tale.driver.site.simulation.braintrust_caller_id();
    // The first four stay; those after them are plain members.
    let keys = tale.truth(Remote::Braintrust);
    let owners: Vec<&str> = keys.iter().map(|key| key.owner_id.as_str()).collect();
    let fits = |key: &&TrueKey| key.listed && key.owner_id != own && key.home == key.owner_id;
    keys.iter().rev().find(fits).unwrap_or_else(|| panic!("only {owners:?}")).clone()
}

/// Their keys say nothing once they left: unknown, and orphaned when two lists of people lack them. Back again, all is as it was.
#[test]
fn a_member_leaves_and_joins_again() {
    for listing in ["header", "organization"] {
        tell(listed_by(listing, 21), async |tale| {
            tale.polls("braintrust", 2).await;
            let key = of_a_member(tale);
            tale.happen_to(Happening::Left, &key.owner_id);
            tale.poll("braintrust").await;
            let unknown = tale.presence("braintrust", &key.id).await;
            assert!(unknown == "unknown owner_left" || unknown == "unknown scope_vanished", "{listing}: {unknown}");
            tale.polls("braintrust", 3).await;
            let row = tale.row("braintrust", &key.id).await;
            assert_eq!(row.presence, Presence::Unknown, "{listing}: never missing, never gone");
            assert!(row.conditions.contains(&Condition::Orphaned), "{listing}: {row:?}");
            tale.happen_to(Happening::CameBack, &key.owner_id);
            tale.poll("braintrust").await;
            let row = tale.row("braintrust", &key.id).await;
            assert_eq!(row.presence, Presence::Present, "{listing}");
            assert!(!row.conditions.contains(&Condition::Orphaned), "{listing}: {row:?}");
        });
    }
}

/// Who leaves when the people were read already and the keys were not, comes back, and does so again takes the key from two lists
/// that are read whole. It is there all the time: the poll looks at the people once more behind the keys.
#[test]
fn a_member_leaves_in_the_middle_of_two_polls() {
    let story: Story = "world 1795792486000875\namount tiny\nlisting auto\ndeadline 600\nnature page_cap:braintrust:3
184393 life joined 898
725780 life joined 499
789332 life joined 999
893078 life left 149
1047386 life joined 423
1620024 poll braintrust
1620031 fault slow_drip:400
1620044 life left 223
1728024 poll braintrust
1728057 life left 918
1753581 life came_back 748
1836024 poll braintrust
1836062 life left 108
"
    .parse()
    .unwrap();
    if let Err(failure) = crate::tell::tell(&story) {
        panic!("after event {}: {}", failure.events, failure.what);
    }
}

/// The organisation's list ends to exist, members are asked one by one; after a restart it is there again. No key is missed over
/// it, and none forgets when it was seen.
#[test]
fn auto_changes_its_way_of_listing_and_back() {
    tell(listed_by("auto", 22), async |tale| {
        let way = |report: &keymuster::sync::Report| {
            let mut kinds = report.scopes.iter().filter(|scope| scope.end == WalkEnd::Complete).map(|scope| scope.scope.id.kind);
            kinds.rfind(|kind| matches!(kind, ScopeKind::Organization | ScopeKind::Member))
        };
        let report = tale.polls("braintrust", 2).await;
        assert_eq!(way(&report), Some(ScopeKind::Organization));
        let before = tale.rows("braintrust").await;
        // Nobody can be read at all: what is known of the keys stays.
        tale.driver.fault("organization_list:missing");
        tale.driver.fault("http_500:braintrust on /v1/api_key");
        tale.poll("braintrust").await;
        for (row, old) in tale.rows("braintrust").await.iter().zip(&before) {
            assert_eq!(row.presence, old.presence, "{row:?}");
            assert!(row.last_seen_at >= old.last_seen_at, "{row:?}");
        }
        tale.driver.heal("http_500:braintrust on /v1/api_key");
        let report = tale.poll("braintrust").await;
        assert_eq!(way(&report), Some(ScopeKind::Member));
        let key = of_a_member(tale);
        tale.revoke(&key.id);
        tale.poll("braintrust").await;
        assert_eq!(tale.presence("braintrust", &key.id).await, "missing not_listed");
        tale.driver.heal("organization_list:missing");
        tale.driver.kill(false).await.unwrap();
        let report = tale.poll("braintrust").await;
        assert_eq!(way(&report), Some(ScopeKind::Organization));
        tale.polls("braintrust", 2).await;
        assert_eq!(tale.presence("braintrust", &key.id).await, "gone proven_absent");
        let missed = "SELECT count(DISTINCT key_id) FROM changes WHERE change IN ('became_missing', 'became_gone')";
        assert_eq!(tale.number(missed), 1, "no other key was missed");
        assert_eq!(tale.count("braintrust", Presence::Present).await + 1, before.len());
    });
}

/// One node in three answers for us instead of the member, or with nothing. No key is lost, gone or filed under somebody else; a key that is
/// really deleted is settled once the node is gone.
#[test]
fn a_balancer_has_one_node_that_drops_the_header() {
    for (fault, every) in ["header_dropped", "header_dropped_empty"].into_iter().flat_map(|fault| [2, 3, 5].map(|n| (fault, n))) {
        tell(listed_by("header", 23), async |tale| {
            tale.polls("braintrust", 2).await;
            let keys = tale.rows("braintrust").await.len();
            let node = format!("{fault} every {every}");
            tale.driver.fault(&node);
            let key = of_a_member(tale);
            tale.revoke(&key.id);
            tale.polls("braintrust", 20).await;
            assert_eq!(tale.rows("braintrust").await.len(), keys);
            assert!(tale.count("braintrust", Presence::Gone).await <= 1);
            tale.driver.heal(&node);
            tale.polls("braintrust", 3).await;
            assert_eq!(tale.presence("braintrust", &key.id).await, "gone proven_absent");
            assert_eq!(tale.count("braintrust", Presence::Present).await, keys - 1);
        });
    }
}

/// Pages of one key, of which every second is about us: the list seems to end after its first key each time that it is read. Whom the
/// provider takes us for goes another road, so that it is told rightly.
#[test]
fn a_balancer_cuts_lists_of_small_pages_at_the_same_place_each_time() {
    for seed in 1..=6 {
        let nature = vec!["page_cap:braintrust:1".to_owned()];
        tell(Setup { nature, ..listed_by("header", seed) }, async |tale| {
            tale.polls("braintrust", 2).await;
            let keys = tale.rows("braintrust").await.len();
            tale.driver.fault("header_dropped on /v1/api_key every 2");
            tale.polls("braintrust", 6).await;
            let missed = "SELECT count(*) FROM changes WHERE change IN ('became_missing', 'became_gone')";
            assert_eq!((tale.number(missed), tale.rows("braintrust").await.len()), (0, keys), "seed {seed}");
        });
    }
}

/// Lists that were read in time are asked about after the poll's deadline too, but few, so that it ends: the others are not
/// believed, and wait for a poll that has the time.
#[test]
fn a_second_look_ends_soon_after_the_polls_deadline() {
    let more = "options = { listing = 'header' }\npoll_deadline = '70s'\nconcurrency = 20";
    tell(Setup { braintrust: more.into(), ..listed_by("header", 24) }, async |tale| {
        tale.polls("braintrust", 2).await;
        let caller = tale.driver.site.simulation.braintrust_caller_id();
        let mut of_each = std::collections::BTreeMap::new();
        for key in tale.truth(Remote::Braintrust) {
            if key.listed && key.home != "service_tokens" && key.home != caller {
                of_each.entry(key.home).or_insert(key.id);
            }
        }
        let revoked: Vec<String> = of_each.into_values().take(6).collect();
        for id in &revoked {
            tale.revoke(id);
        }
        // The caller's own keys take 40 s, and so do the members' lists, which are opened in time.
        tale.driver.fault("latency:braintrust:20000 on /v1/api_key");
        let report = tale.poll("braintrust").await;
        let late =
            report.failures().filter(|(_, failure)| failure.to_string().contains("the poll's deadline came before")).count();
        assert_eq!((late, tale.count("braintrust", Presence::Missing).await), (2, 4));
        tale.driver.heal("latency:braintrust:20000 on /v1/api_key");
        tale.poll("braintrust").await;
        for id in &revoked {
            assert_ne!(tale.presence("braintrust", id).await, "present listed");
        }
    });
}
