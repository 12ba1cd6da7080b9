//! Keys that would become missing: how many are too many, and what becomes of those that are held.

use crate::site::{HOUR, Site, ids};

/// Enough keys elsewhere that the account's share is not what holds.
const ELSEWHERE: (&str, usize) = ("elsewhere", 200);

#[tokio::test]
async fn half_of_a_list_is_held_and_less_is_not() {
    for (listed, revoked, held) in
        [(20, 10, true), (21, 10, false), (30, 15, true), (30, 14, false), (18, 9, false), (10, 10, true)]
    {
        let mut site = Site::new(&[("p", listed), ELSEWHERE]).await;
        site.poll().await;
        site.revoke("p", revoked);
        let settled = site.poll().await;
        let told = format!("{revoked} of {listed}");
        if held {
            let cause = if listed == revoked { "list_emptied" } else { "list_shrank" };
            assert_eq!(site.holds(), [format!("{cause}|project|p|{revoked}")], "{told}");
            assert_eq!(site.of("p"), [format!("present {listed} held {revoked}")], "{told}");
            assert_eq!(
                settled.holds.iter().map(|hold| format!("{} {} {:?}", hold.cause, hold.held, hold.list)).collect::<Vec<_>>(),
                [format!("{cause} {revoked} {:?}", Some("project/p"))]
            );
        } else {
            assert!(site.holds().is_empty() && settled.holds.is_empty(), "{told}: {:?}", site.holds());
            assert_eq!(
                site.of("p"),
                [format!("missing {revoked} held 0"), format!("present {} held 0", listed - revoked)],
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn a_list_of_five_that_turned_empty_is_held_and_one_of_four_is_not() {
    let mut site = Site::new(&[("five", 5), ("four", 4), ELSEWHERE]).await;
    site.poll().await;
    site.revoke("five", 5);
    site.revoke("four", 4);
    site.poll().await;
    assert_eq!(site.holds(), ["list_emptied|project|five|5"]);
    assert_eq!((site.of("five"), site.of("four")), (vec!["present 5 held 5".into()], vec!["missing 4 held 0".into()]));
}

#[tokio::test]
async fn a_fifth_of_the_account_is_held_though_no_list_lost_much() {
    let projects = [("a", 17), ("b", 17), ("c", 17)];
    // Ten of 51 are less than a fifth, eleven are more.
    for (fourth, held) in [(3, false), (4, true)] {
        let mut site = Site::new(&projects).await;
        site.poll().await;
        site.revoke("a", 4);
        site.revoke("b", 3);
        site.revoke("c", fourth);
        site.poll().await;
        let expected = if held { vec!["account_shrank|-|-|11".to_owned()] } else { Vec::new() };
        assert_eq!(site.holds(), expected);
        let lost = 7 + fourth;
        let (present, missing) = (site.count("keys WHERE presence = 'present'"), site.count("keys WHERE presence = 'missing'"));
        assert_eq!((present, missing), if held { (51, 0) } else { (51 - lost, lost) });
    }
}

#[tokio::test]
async fn what_is_lost_beside_keys_that_are_held_is_held_with_them() {
    // Three lists that lose keys twice, each time less than half; the second time alone less than a fifth of the account.
    let mut site = Site::new(&[("a", 17), ("b", 17), ("c", 17)]).await;
    site.poll().await;
    for (losses, held) in [([4, 3, 4], 11), ([3, 3, 3], 20)] {
        for (project, lost) in ["a", "b", "c"].into_iter().zip(losses) {
            site.revoke(project, lost);
        }
        for _ in 0..2 {
            site.poll().await;
            assert_eq!(site.holds(), [format!("account_shrank|-|-|{held}")]);
            assert_eq!(site.count("keys WHERE presence = 'present'"), 51);
        }
    }
    // A list that lost seven under the account's hold, and now three more, has lost ten of seventeen.
    site.revoke("b", 4);
    site.poll().await;
    assert_eq!(site.holds(), ["account_shrank|-|-|20", "list_shrank|project|b|4"]);
    site.ack(None).await;
    site.poll().await;
    assert_eq!((site.holds().len(), site.count("keys WHERE presence = 'missing'")), (0, 24));
}

#[tokio::test]
async fn what_the_account_lost_within_a_day_adds_up() {
    for (wait, held) in [(HOUR, true), (23 * HOUR, false)] {
        let mut site = Site::new(&[("a", 25), ("b", 25)]).await;
        site.poll().await;
        site.revoke("a", 5);
        site.poll().await;
        site.revoke("b", 4);
        site.poll().await;
        assert_eq!(site.count("keys WHERE presence IN ('missing', 'gone')"), 9, "{:?}", site.holds());
        site.now += wait;
        site.revoke("a", 1);
        site.poll().await;
        if held {
            assert_eq!(site.holds(), ["account_shrank|-|-|1"], "the tenth of fifty");
            assert_eq!(site.count("keys WHERE presence = 'present' AND held_since IS NOT NULL"), 1);
        } else {
            assert!(site.holds().is_empty(), "what was lost over a day ago is over: {:?}", site.holds());
        }
    }
}

#[tokio::test]
async fn expired_keys_count_neither_as_lost_nor_as_left() {
    // Ten of twenty would be held, but one of the ten has expired.
    let mut site = Site::new(&[("p", 20), ELSEWHERE]).await;
    site.expired = ids("p", 0, 1);
    site.poll().await;
    site.revoke("p", 10);
    site.poll().await;
    assert!(site.holds().is_empty(), "{:?}", site.holds());
    assert_eq!(site.of("p"), ["missing 10 held 0", "present 10 held 0"]);

    // Ten of 21 would not be held, but one of the eleven that are left has expired.
    let mut site = Site::new(&[("p", 21), ELSEWHERE]).await;
    site.expired = ids("p", 20, 1);
    site.poll().await;
    site.revoke("p", 10);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|project|p|10"]);

    // An account that purges what expired is not held for that.
    let mut site = Site::new(&[("a", 25), ("b", 25)]).await;
    site.expired = ids("a", 0, 12);
    site.poll().await;
    site.revoke("a", 12);
    site.poll().await;
    assert!(site.holds().is_empty(), "{:?}", site.holds());
    // And does not count it a moment later.
    site.revoke("b", 5);
    site.poll().await;
    assert!(site.holds().is_empty(), "{:?}", site.holds());
}

#[tokio::test]
async fn held_keys_keep_their_presence_while_others_go_all_the_way() {
    let mut site = Site::new(&[("p", 20), ELSEWHERE]).await;
    site.poll().await;
    site.revoke("p", 15);
    site.revoke("elsewhere", 2);
    for _ in 0..4 {
        site.poll().await;
    }
    assert_eq!(site.of("p"), ["present 20 held 15"], "time ends no hold");
    assert_eq!(site.of("elsewhere"), ["gone 2 held 0", "present 198 held 0"]);
    let since = site.rows("SELECT DISTINCT held_since FROM keys WHERE held_since IS NOT NULL");
    assert_eq!(since, site.rows("SELECT since FROM holds"), "one hold since the first time");
    assert_eq!(site.count("changes WHERE change = 'became_missing'"), 2);
}

#[tokio::test]
async fn a_list_in_doubt_stays_so_for_what_it_loses_next() {
    let mut site = Site::new(&[("p", 20), ELSEWHERE]).await;
    site.poll().await;
    site.revoke("p", 17);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|project|p|17"]);
    site.revoke("p", 3);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|project|p|20"], "what is left of a list is not believed more than what it lost");
    assert_eq!(site.of("p"), ["present 20 held 20"]);
}

#[tokio::test]
async fn a_key_leaves_a_hold_by_being_sighted_and_an_empty_hold_ends() {
    let mut site = Site::new(&[("p", 20), ELSEWHERE]).await;
    site.poll().await;
    site.revoke("p", 12);
    site.poll().await;
    site.projects.get_mut("p").unwrap().extend(ids("p", 0, 5));
    let settled = site.poll().await;
    assert_eq!(site.of("p"), ["present 20 held 7"]);
    assert_eq!(settled.changes, [], "that a held key is there is no news");
    assert_eq!(site.holds().len(), 1, "the others are still held");

    site.projects.get_mut("p").unwrap().extend(ids("p", 0, 12));
    let settled = site.poll().await;
    assert!(site.holds().is_empty() && settled.holds.is_empty());
    assert_eq!(site.of("p"), ["present 20 held 0"]);
    assert_eq!(
        site.rows("SELECT ended_at IS NOT NULL, ended_by, keys FROM holds"),
        ["1|-|12"],
        "it ended by itself, and is told"
    );

    // The next time is judged anew.
    site.revoke("p", 12);
    site.poll().await;
    assert_eq!(site.holds(), ["list_shrank|project|p|12"]);
    assert_eq!(site.count("holds"), 2);
}

#[tokio::test]
async fn a_key_that_another_list_shows_is_not_lost() {
    let mut site = Site::new(&[("p", 20), ELSEWHERE]).await;
    site.admin = Some(ids("p", 0, 20));
    site.poll().await;
    site.revoke("p", 20);
    site.poll().await;
    assert!(site.holds().is_empty(), "{:?}", site.holds());
    assert_eq!(site.count("keys WHERE presence <> 'present'"), 0);
}

/// The boot clock begins anew, so that only the wall clock can tell for how long a key is missing.
#[tokio::test]
async fn the_wait_goes_on_over_a_reboot() {
    for early in [true, false] {
        let mut site = Site::new(&[("p", 20)]).await;
        site.poll().await;
        site.revoke("p", 1);
        site.poll().await;
        assert_eq!(site.of("p"), ["missing 1 held 0", "present 19 held 0"]);
        site.reboot().await;
        if early {
            site.poll_again().await;
            assert_eq!(site.of("p"), ["missing 1 held 0", "present 19 held 0"], "within confirm_after nothing is proven");
        }
        site.poll().await;
        assert_eq!(site.of("p"), ["gone 1 held 0", "present 19 held 0"], "{early}");
    }
}
