//! Keys that really go, few and many.

use keymuster::domain::{Condition, Presence};
use keymuster::sim::{Happening, Remote, Size};

use super::{DAY, tell};
use crate::site::{SMALL, Setup};

/// Den deletes what has expired as soon as anybody makes a key. That is no alarm, and takes the ordinary two looks.
#[test]
fn den_purges_what_has_expired() {
    let size = Size { den_keys: 40, ..SMALL };
    tell(Setup { size, ..Setup::new(31) }, async |tale| {
        tale.poll("den").await;
        tale.pass(12 * DAY).await;
        tale.poll("den").await;
        let rows = tale.rows("den").await;
        let expired: Vec<String> = rows
            .iter()
            .filter(|row| row.expires.at().is_some_and(|at| at <= tale.driver.site.sun.now()))
            .map(|r| r.key_id.clone())
            .collect();
        assert!(expired.len() >= 2, "{rows:?}");
        for row in rows.iter().filter(|row| expired.contains(&row.key_id) && row.enabled) {
            assert!(row.conditions.contains(&Condition::Expired), "{row:?}");
        }
        tale.driver.life(Happening::MadeDen, 0).unwrap();
        tale.poll("den").await;
        for key in &expired {
            assert_eq!(tale.presence("den", key).await, "missing not_listed");
        }
        tale.poll("den").await;
        for key in &expired {
            assert_eq!(tale.presence("den", key).await, "gone proven_absent");
        }
        assert_eq!(tale.held("den").await, 0);
    });
}

/// Thirty of sixty go at once: held, and still there for all who ask, until a person has looked. Five come back by themselves.
#[test]
fn half_of_the_keys_are_really_revoked() {
    let size = Size { den_keys: 60, ..SMALL };
    tell(Setup { size, ..Setup::new(32) }, async |tale| {
        tale.poll("den").await;
        let listed: Vec<String> = tale.truth(Remote::Den).into_iter().filter(|key| key.listed).map(|key| key.id).collect();
        let own = tale.driver.site.simulation.den_api_key().len();
        assert!(listed.len() > 40 && own > 0);
        let doomed: Vec<&String> = listed.iter().take(listed.len() / 2 + 3).collect();
        for key in &doomed {
            tale.revoke(key);
        }
        let report = tale.poll("den").await;
        assert!(!report.holds.is_empty());
        let held = tale.held("den").await;
        assert!(held >= doomed.len() - 3, "{held} of {}", doomed.len());
        tale.polls("den", 3).await;
        assert_eq!(tale.held("den").await, held, "never by time alone");
        assert_eq!(tale.count("den", Presence::Gone).await, 0);

        for key in doomed.iter().take(5) {
            assert!(tale.driver.change(|world| world.restore(key)));
        }
        tale.poll("den").await;
        assert_eq!(tale.held("den").await, held - 5, "what is seen again is free");
        let done = tale.driver.site.ack("den").await;
        assert_eq!(done.keys, held - 5);
        tale.poll("den").await;
        assert_eq!(tale.held("den").await, 0);
        assert_eq!(tale.count("den", Presence::Missing).await, held - 5, "a word does not make them gone");
        tale.poll("den").await;
        assert_eq!(tale.count("den", Presence::Gone).await, held - 5);
        for key in doomed.iter().take(5) {
            assert_eq!(tale.presence("den", key).await, "present listed");
        }
    });
}
