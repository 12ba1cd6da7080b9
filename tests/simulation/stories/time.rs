//! Time in which nobody looked, and time that was wrong.

use keymuster::domain::{Condition, Presence, Reason};
use keymuster::sim::{Happening, Remote};

use super::{DAY, reason, tell};
use crate::site::Setup;

/// Three weeks without a daemon: nobody is called unused for a time in which we did not look, and what went meanwhile is settled
/// like anything else.
#[test]
fn three_weeks_down() {
    tell(Setup { policy: 1, ..Setup::new(61) }, async |tale| {
        tale.polls("openai", 2).await;
        let idle = tale.key(|key| {
            let now = tale.driver.site.sun.now().unix();
            key.provider == Remote::OpenAi
                && key.listed
                && key.last_used_at.is_some_and(|at| now - at < 5 * 86_400)
                && key.home != "admin"
        });
        assert!(!tale.row("openai", &idle.id).await.conditions.contains(&Condition::Stale));
        let doomed = tale
            .key(|key| key.provider == Remote::OpenAi && key.listed && !key.leaked && key.home != "admin" && key.id != idle.id);
        tale.pass(20 * DAY).await;
        tale.happen_to(Happening::Used, &idle.id);
        tale.revoke(&doomed.id);
        tale.pass(DAY).await;
        tale.driver.kill(true).await.unwrap();
        let row = tale.row("openai", &idle.id).await;
        assert!(!row.conditions.contains(&Condition::Stale), "nobody looked: {row:?}");
        assert_eq!(tale.presence("openai", &doomed.id).await, "present listed", "as it was seen last, with its age");
        tale.poll("openai").await;
        assert!(!tale.row("openai", &idle.id).await.conditions.contains(&Condition::Stale), "it was used a day ago");
        assert_eq!(tale.presence("openai", &doomed.id).await, "missing not_listed");
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &doomed.id).await, "gone proven_absent");
    });
}

/// The new policy holds from the start on, before anything is polled.
#[test]
fn a_policy_changes_while_down() {
    tell(Setup::new(62), async |tale| {
        tale.polls("openai", 2).await;
        let stale = async |tale: &super::Tale| {
            let rows = tale.rows("openai").await;
            rows.into_iter().filter(|row| row.conditions.contains(&Condition::Stale)).map(|row| row.key_id).collect::<Vec<_>>()
        };
        let before = stale(tale).await;
        tale.driver.site.setup.policy = 1;
        tale.driver.stop().await.unwrap();
        let after = stale(tale).await;
        let now = tale.driver.site.sun.now().unix();
        let newly = tale.truth(Remote::OpenAi).into_iter().filter(|key| {
            let idle = now - key.last_used_at.unwrap_or(key.created_at);
            key.listed && (11 * 86_400..89 * 86_400).contains(&idle)
        });
        let newly: Vec<String> = newly.map(|key| key.id).collect();
        assert!(!newly.is_empty(), "the world has keys of that age");
        for key in &newly {
            assert!(!before.contains(key) && after.contains(key), "{key}");
        }
        tale.poll("openai").await;
        assert_eq!(stale(tale).await, after);
    });
}

/// A wrong clock makes lists count for nothing, and changes no key.
#[test]
fn one_poll_with_the_clock_a_year_ahead() {
    // The last is the first day of 1970.
    for (by, account) in
        [(365, "openai"), (365, "den"), (-365, "openai"), (-365, "braintrust"), (-20_775, "openai"), (-20_775, "braintrust")]
    {
        tell(Setup::new(63), async |tale| {
            tale.polls(account, 2).await;
            let before = tale.rows(account).await;
            tale.driver.set_clock(by * 86_400);
            let report = tale.poll(account).await;
            assert!(report.failure().is_some(), "{account}");
            assert!(
                report.failures().any(|(_, failure)| failure.reason == Reason::ClockSkew),
                "{account}: {:?}",
                reason(&report)
            );
            let after = tale.rows(account).await;
            for (new, old) in after.iter().zip(&before) {
                assert_eq!(
                    (new.presence, new.first_seen_at, new.last_seen_at),
                    (old.presence, old.first_seen_at, old.last_seen_at)
                );
            }
            tale.driver.set_clock(-by * 86_400);
            let report = tale.polls(account, 2).await;
            assert_eq!(reason(&report), None, "{account}");
            assert_eq!(tale.count(account, Presence::Present).await, before.len(), "{account}");
        });
    }
}
