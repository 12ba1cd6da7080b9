//! Which way of listing an account goes: the configured one, or the first that this run has not found wanting.

use std::sync::{Mutex, PoisonError};

use crate::domain::Failure;
use crate::providers::{Account, Spec, Way};

/// The word of the option that leaves the choice to us.
const AUTO: &str = "auto";

/// What this run knows of the ways. A way that was left is tried again after a restart, or when all have been left.
#[derive(Debug, Default)]
pub(super) struct Ways(Mutex<Vec<(Way, Failure)>>);

impl Ways {
    /// The way to go now; `None` where the provider has only one.
    pub fn current(&self, spec: &Spec, account: &Account) -> Option<Way> {
        let configured = account.option("listing").unwrap_or(AUTO);
        if configured != AUTO {
            return spec.ways.iter().copied().find(|way| way.as_str() == configured);
        }
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = spec.ways.iter().copied().find(|way| !left.iter().any(|(gone, _)| gone == way));
        if next.is_none() {
            // What stood in the way may have passed since.
            left.clear();
        }
        next.or_else(|| spec.ways.first().copied())
    }

    /// Leaves a way for the next one. False where it is configured, or the last.
    pub fn leave(&self, spec: &Spec, account: &Account, way: Way, why: &Failure) -> bool {
        if account.option("listing").unwrap_or(AUTO) != AUTO {
            return false;
        }
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !left.iter().any(|(gone, _)| *gone == way) {
            left.push((way, why.clone()));
            tracing::warn!(account = account.name, provider = spec.id, way = way.as_str(), reason = %why.reason, detail = why.detail,
                "this way of listing does not do; it is tried again after a restart");
        }
        left.len() < spec.ways.len()
    }

    /// The ways that were left, and why.
    pub fn left(&self) -> Vec<String> {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.iter().map(|(way, why)| format!("listing by {way} does not do: {why}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    fn account(listing: &str) -> Account {
        Account { name: "acme".to_owned(), options: [("listing".to_owned(), listing.to_owned())].into() }
    }

    #[test]
    fn each_way_is_tried_once_and_the_last_is_not_left() {
        let spec = crate::providers::by_id("braintrust").unwrap().spec();
        let (ways, account) = (Ways::default(), account(AUTO));
        let why = Failure::new(Reason::NotFound, "");
        for (nth, way) in spec.ways.iter().enumerate() {
            assert_eq!(ways.current(spec, &account), Some(*way));
            let another = nth + 1 < spec.ways.len();
            for again in [1, 2] {
                assert_eq!(ways.leave(spec, &account, *way, &why), another, "{way}, {again}");
                assert_eq!(ways.left().len(), nth + 1, "{way}, {again}");
            }
        }
        assert!(ways.left()[0].contains(spec.ways[0].as_str()), "{:?}", ways.left());
        assert_eq!(ways.current(spec, &account), spec.ways.first().copied(), "what stood in the way may have passed");
        assert!(ways.left().is_empty());
    }

    #[test]
    fn a_configured_way_is_never_left() {
        let spec = crate::providers::by_id("braintrust").unwrap().spec();
        let why = Failure::new(Reason::NotFound, "");
        for way in spec.ways {
            let (ways, account) = (Ways::default(), account(way.as_str()));
            assert!(!ways.leave(spec, &account, *way, &why));
            assert_eq!((ways.current(spec, &account), ways.left().len()), (Some(*way), 0));
        }
    }
}
