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
