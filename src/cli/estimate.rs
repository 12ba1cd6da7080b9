//! How long a poll will take at least, against the schedule that starts it.

use std::collections::BTreeMap;
use std::fmt;

use super::output::counted;
use crate::config::AccountConfig;
use crate::policy::Span;
use crate::providers::{Known, Paging, Target};
use crate::sync::Line;

/// An estimate from the first page of the first list, and the pace.
pub struct Estimate {
    /// Requests of the endpoint that takes longest.
    requests: usize,
    endpoint: &'static str,
    per_minute: u32,
    takes: Span,
    gap: Span,
    schedule: String,
    /// It may take more.
    at_least: bool,
}

impl Estimate {
    /// One request for each list that the adapter would plan; longer lists need more.
    pub fn new(line: &Line, account: &AccountConfig, known: &Known) -> Self {
        let mut requests: BTreeMap<&'static str, usize> = BTreeMap::new();
        for fetch in line.provider.plan(&line.account, known) {
            if matches!(fetch.target, Target::Scope(_)) {
                *requests.entry(fetch.endpoint).or_insert(0) += 1;
            }
        }
        let pace = account.provider.spec().pace;
        let per_minute = account.pace.unwrap_or(pace.per_minute).max(1);
        let (endpoint, requests) = requests.into_iter().max_by_key(|(_, count)| *count).unwrap_or(("", 0));
        let waiting = u32::try_from(requests).unwrap_or(u32::MAX).saturating_sub(pace.burst);
        let seconds = u64::from(waiting) * 60 / u64::from(per_minute);
        Self {
            requests,
            endpoint,
            per_minute,
            takes: Span::seconds(u32::try_from(seconds).unwrap_or(u32::MAX)),
            gap: account.schedule.shortest_gap(),
            schedule: account.schedule.as_str().to_owned(),
            // Lists of several pages take more, and there may be more lists than the first page told.
            at_least: account.provider.spec().paging == Paging::Pages,
        }
    }

    /// The poll ends before the next one is due.
    pub const fn fits(&self) -> bool {
        self.takes.as_secs() < self.gap.as_secs()
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, endpoint, per_minute, takes, gap, schedule, at_least } = self;
        let least = if *at_least { "at least " } else { "" };
        let requests = counted(*requests, "request", "requests");
        write!(f, "a poll makes {least}{requests} to its busiest endpoint, {endpoint}, at {per_minute} a minute, ")?;
        if takes.as_secs() == 0 {
            write!(f, "which the pace does not slow down; ")?;
        } else {
            write!(f, "which takes {least}{takes}; ")?;
        }
        if self.fits() {
            write!(f, "the schedule {schedule} leaves {gap}")
        } else {
            write!(
                f,
                "the schedule {schedule} leaves only {gap}: each poll goes on where the last one stopped; choose a longer gap, or a higher pace if the provider grants it"
            )
        }
    }
}
