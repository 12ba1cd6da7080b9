//! Which organisation and which account it is.

use keymuster::domain::{Presence, Reason};
use keymuster::sim::Remote;

use super::{reason, tell};
use crate::site::Setup;

/// The credential is replaced by one of another organisation: nothing of it is stored until a person says that it is right. Then
/// the old keys are unmanaged, and the new ones a beginning.
#[test]
fn a_credential_of_another_organisation_takes_the_place_of_the_old_one() {
    for (account, fault) in [("den", "wrong_org:den"), ("openai", "wrong_org:openai"), ("braintrust", "wrong_org:braintrust")] {
        tell(Setup::new(51), async |tale| {
            tale.polls(account, 2).await;
            let before = tale.rows(account).await;
            tale.driver.fault(fault);
            let report = tale.polls(account, 3).await;
            assert!(report.unapplied.is_some(), "{account}: {:?}", reason(&report));
            let after = tale.rows(account).await;
            assert_eq!(after.len(), before.len(), "{account}: nothing of another organisation is stored");
            assert!(after.iter().zip(&before).all(|(new, old)| new.presence == old.presence && new.key_id == old.key_id));
            if report.unapplied.as_ref().map(|failure| failure.reason) != Some(Reason::OrganizationChanged) {
                // What is asked for by name is not there, which offers nothing to accept.
                return;
            }
            assert!(tale.driver.site.ack(account).await.organization, "{account}");
            tale.driver.another = true;
            assert_eq!(tale.count(account, Presence::Unmanaged).await, before.len(), "{account}");
            if account == "braintrust" {
                // The simulated fault turns every question round, also those that name the organisation that is right now.
                return;
            }
            tale.poll(account).await;
            let others = tale.driver.site.simulation.other_truth();
            let present: Vec<_> = tale.rows(account).await.into_iter().filter(|row| row.presence == Presence::Present).collect();
            assert!(!present.is_empty() && present.iter().all(|row| others.iter().any(|key| key.id == row.key_id)), "{account}");
            assert_eq!(tale.count(account, Presence::Unmanaged).await, before.len(), "{account}");
        });
    }
}

/// Its keys go on under the new name, with all that is known of them.
#[test]
fn an_account_gets_another_name() {
    tell(Setup::new(52), async |tale| {
        tale.polls("openai", 2).await;
        let key = tale.key(|key| key.provider == Remote::OpenAi && key.listed && !key.leaked && key.home != "admin");
        tale.revoke(&key.id);
        tale.poll("openai").await;
        let before = tale.rows("openai").await;
        let lines = tale.number("SELECT count(*) FROM changes");
        tale.driver.checker.renamed("openai", "acme");
        tale.driver
            .reload(|setup| {
                setup.accounts[0].0 = "acme".into();
                setup.openai = "formerly = 'openai'".into();
            })
            .await
            .unwrap();
        let after = tale.rows("acme").await;
        assert_eq!(after.len(), before.len());
        for (new, old) in after.iter().zip(&before) {
            assert_eq!((&new.key_id, new.presence, new.first_seen_at), (&old.key_id, old.presence, old.first_seen_at));
        }
        assert_eq!(tale.number("SELECT count(*) FROM changes"), lines, "a new name is no change of a key");
        assert!(tale.rows("openai").await.is_empty());
        tale.driver.kill(false).await.unwrap();
        tale.poll("acme").await;
        assert_eq!(tale.presence("acme", &key.id).await, "gone proven_absent", "what was begun under the old name is ended");
    });
}

/// Both are counted; what becomes of the one says nothing of the other.
#[test]
fn two_accounts_are_one_organisation() {
    let mut setup = Setup::new(53);
    setup.accounts.push(("second".into(), Remote::OpenAi));
    tell(setup, async |tale| {
        tale.poll("openai").await;
        tale.poll("second").await;
        let ids = |rows: Vec<keymuster::inventory::KeyRow>| rows.into_iter().map(|row| row.key_id).collect::<Vec<_>>();
        assert_eq!(ids(tale.rows("openai").await), ids(tale.rows("second").await));
        let key = tale.key(|key| key.provider == Remote::OpenAi && key.listed && !key.leaked && key.home != "admin");
        tale.revoke(&key.id);
        tale.polls("openai", 2).await;
        assert_eq!(tale.presence("openai", &key.id).await, "gone proven_absent");
        assert_eq!(tale.presence("second", &key.id).await, "present listed", "it has not looked since");
        tale.driver.reload(|setup| setup.accounts.retain(|(name, _)| name != "openai")).await.unwrap();
        let rows = tale.rows("openai").await;
        assert!(rows.iter().all(|row| matches!(row.presence, Presence::Unmanaged | Presence::Gone)), "{rows:?}");
        tale.polls("second", 2).await;
        assert_eq!(tale.presence("second", &key.id).await, "gone proven_absent");
        assert!(tale.count("second", Presence::Present).await > 10);
    });
}
