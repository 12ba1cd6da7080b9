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
