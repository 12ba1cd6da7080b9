//! Which listed key is the one that the account signs in with: the only one whose mask fits the credential, or none.

use std::collections::BTreeSet;

use super::line::Line;
use crate::domain::{Hint, RemoteId};
use crate::inventory::OwnKey;
use crate::providers::Known;
use crate::walk::Walked;

/// What the walks of a poll have shown of it.
#[derive(Debug, Default)]
pub(super) struct OwnKeySearch {
    fitting: BTreeSet<RemoteId>,
    /// A list that would hold it was read whole.
    read: bool,
    /// Another was not.
    unread: bool,
}

impl OwnKeySearch {
    /// Looks through a walk that ended.
    pub fn look(&mut self, line: &Line, known: &Known, walked: &Walked) {
        let Some(fitting) = line.may_be_own(known, &walked.scope().id, walked.keys()) else { return };
        if walked.proof().is_none() {
            self.unread = true;
            return;
        }
        self.read = true;
        self.fitting.extend(fitting.into_iter().map(|key| key.id.clone()));
    }

    /// The conclusion, where `marked` is the mask of the key that was taken for it until now: two that fit are as good as
    /// none, and what was not read leaves the mark where it is, unless the credential is another one since.
    pub fn conclude(self, line: &Line, marked: Option<&str>) -> OwnKey {
        let Some(shows) = line.own_mask_shows() else { return OwnKey::NotKnown };
        let mut fitting = self.fitting.into_iter();
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => OwnKey::Is(only),
            (Some(_), Some(_)) => OwnKey::NotKnown,
            (None, _) if self.read && !self.unread => OwnKey::NotKnown,
            (None, _) => {
                let fits = marked.and_then(Hint::new).is_some_and(|mask| line.remote.is_masked_by(&mask, shows));
                if fits { OwnKey::AsBefore } else { OwnKey::NotKnown }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Moment, Reason, Scope, ScopeKind, Time};
    use crate::providers::Item;
    use crate::sync::proofs::tests::{listed, walk_of};
    use crate::sync::rounds::tests::Site;
    use crate::walk::WalkId;

    const OURS: &str = "sk-admin...xyz";
    const ANOTHERS: &str = "sk-admin...abc";

    /// A list of keys with those ids and masks, read whole.
    fn list(kind: ScopeKind, keys: &[(&str, &str)]) -> Walked {
        let items = keys.iter().map(|(id, mask)| {
            let Item::Key(mut key) = listed(&(id, None)) else { panic!("a key") };
            key.hint = Hint::new(mask);
            // Den's own key is among those that were just used.
            key.last_used = Moment::At(Time::from_unix(1_750_000_000));
            Item::Key(key)
        });
        walk_of(WalkId(1), Scope::only(kind), items.collect())
    }

    /// The same, read in part.
    fn part(kind: ScopeKind, keys: &[(&str, &str)]) -> Walked {
        list(kind, keys).unfinished(Failure::new(Reason::Server, ""))
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_key_whose_mask_fits_is_the_one_that_we_sign_in_with() {
        let is = |id: &str| OwnKey::Is(RemoteId::new(id).unwrap());
        let admin = |keys: &[(&str, &str)]| list(ScopeKind::Admin, keys);
        let line = Site::of("openai").line;
        for (walks, marked, own) in [
            (vec![admin(&[("mine", OURS), ("hers", ANOTHERS)])], None, is("mine")),
            (vec![admin(&[("mine", OURS), ("twin", OURS)])], Some(OURS), OwnKey::NotKnown),
            (vec![admin(&[("mine", "sk-admin...yz")])], None, OwnKey::NotKnown),
            (vec![admin(&[("hers", ANOTHERS)])], Some(OURS), OwnKey::NotKnown),
            (vec![part(ScopeKind::Admin, &[])], Some(OURS), OwnKey::AsBefore),
            (vec![part(ScopeKind::Admin, &[])], Some(ANOTHERS), OwnKey::NotKnown),
            (vec![part(ScopeKind::Admin, &[])], None, OwnKey::NotKnown),
            (vec![part(ScopeKind::Admin, &[("mine", OURS)])], None, OwnKey::NotKnown),
            (vec![], Some(OURS), OwnKey::AsBefore),
            (vec![admin(&[]), part(ScopeKind::Admin, &[])], Some(OURS), OwnKey::AsBefore),
            (vec![list(ScopeKind::Project, &[("mine", OURS)])], None, OwnKey::NotKnown),
        ] {
            let mut search = OwnKeySearch::default();
            walks.iter().for_each(|walked| search.look(&line, &Known::default(), walked));
            assert_eq!(search.conclude(&line, marked), own, "{walks:?} {marked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_no_key() {
        let line = Site::of("den").line;
        let mut search = OwnKeySearch::default();
        search.look(&line, &Known::default(), &list(ScopeKind::Organization, &[("mine", OURS)]));
        assert_eq!(search.conclude(&line, Some(OURS)), OwnKey::NotKnown);
    }
}
