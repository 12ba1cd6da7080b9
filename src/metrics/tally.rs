//! Events counted as they happen: requests, polls, changes. Also the log's one line for each poll.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::declared::{
    CHANGES, ITEMS_REFUSED, LAST_RELOAD, Metric, POLL_DURATION, POLL_FAILURES, REQUEST_DURATION, REQUESTS, SECRET_LIKE_VALUES,
    WRITE_FAILURES,
};
use super::webhook::Webhook;
use crate::domain::{ChangeKind, ItemReason, Reason, WalkEnd};
use crate::inventory::StoreError;
use crate::remote::Requests;
use crate::sync::{Polls, Report};
use crate::views::AccountFacts;

/// What happened since the process started. Every series that can occur for a known account is there from the start.
#[derive(Debug)]
pub struct Tally {
    pub(super) registry: Registry,
    /// What became of deliveries to the webhook.
    pub webhook: Webhook,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    poll_duration: HistogramVec,
    poll_failures: IntCounterVec,
    changes: IntCounterVec,
    items_refused: IntCounterVec,
    secret_like_values: IntCounterVec,
    write_failures: IntCounter,
    last_reload: IntGauge,
}

const REQUEST_SECONDS: &[f64] = &[0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const POLL_SECONDS: &[f64] = &[0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0];

/// What became of a text that looked like a secret.
const REPLACED: &str = "replaced";

/// How a request can end; `ok` apart, these are what the send path says of an attempt.
const OUTCOMES: &[&str] = &[
    "ok",
    Reason::Network.as_str(),
    Reason::Tls.as_str(),
    Reason::Timeout.as_str(),
    Reason::RateLimited.as_str(),
    Reason::Server.as_str(),
    Reason::Auth.as_str(),
    Reason::Forbidden.as_str(),
    Reason::NotFound.as_str(),
    Reason::UnexpectedStatus.as_str(),
    Reason::RedirectRefused.as_str(),
    Reason::TooLarge.as_str(),
    Reason::TooManyItems.as_str(),
    Reason::NotJson.as_str(),
    Reason::Malformed.as_str(),
];

impl Tally {
    /// Counts for those accounts, from zero.
    ///
    /// # Errors
    /// A declaration breaks the rules for names, which a test would have shown.
    pub fn new(accounts: &[AccountFacts]) -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let counter = |metric: &Metric| {
            let vec = IntCounterVec::new(Opts::new(metric.name, metric.help), metric.labels)?;
            registry.register(Box::new(vec.clone()))?;
            Ok::<_, prometheus::Error>(vec)
        };
        let histogram = |metric: &Metric, buckets: &[f64]| {
            let vec = HistogramVec::new(HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec()), metric.labels)?;
            registry.register(Box::new(vec.clone()))?;
            Ok::<_, prometheus::Error>(vec)
        };
        let write_failures = IntCounter::new(WRITE_FAILURES.name, WRITE_FAILURES.help)?;
        registry.register(Box::new(write_failures.clone()))?;
        let last_reload = IntGauge::new(LAST_RELOAD.name, LAST_RELOAD.help)?;
        registry.register(Box::new(last_reload.clone()))?;
        let tally = Self {
            requests: counter(&REQUESTS)?,
            request_duration: histogram(&REQUEST_DURATION, REQUEST_SECONDS)?,
            poll_duration: histogram(&POLL_DURATION, POLL_SECONDS)?,
            poll_failures: counter(&POLL_FAILURES)?,
            changes: counter(&CHANGES)?,
            items_refused: counter(&ITEMS_REFUSED)?,
            secret_like_values: counter(&SECRET_LIKE_VALUES)?,
            write_failures,
            last_reload,
            webhook: Webhook::new(&registry)?,
            registry,
        };
        tally.last_reload.set(1);
        tally.know(accounts);
        Ok(Arc::new(tally))
    }

    /// Makes the series of those accounts, at zero where they are new: at start, and after a reload.
    pub fn know(&self, accounts: &[AccountFacts]) {
        for account in accounts {
            let spec = account.provider.spec();
            let (provider, name) = (spec.id, account.name.as_str());
            for endpoint in &account.endpoints {
                for outcome in OUTCOMES {
                    self.requests.with_label_values(&[provider, name, endpoint, outcome]);
                }
                self.request_duration.with_label_values(&[provider, name, endpoint]);
            }
            self.poll_duration.with_label_values(&[provider, name]);
            for reason in Reason::ALL {
                self.poll_failures.with_label_values(&[provider, name, reason.as_str()]);
            }
            for kind in spec.kinds {
                for change in ChangeKind::ALL {
                    self.changes.with_label_values(&[provider, name, kind.as_str(), change.as_str()]);
                }
            }
            for reason in ItemReason::ALL {
                self.items_refused.with_label_values(&[provider, name, reason.as_str()]);
            }
            self.secret_like_values.with_label_values(&[provider, name, REPLACED]);
        }
    }

    /// Counts the requests of one account.
    pub fn requests(self: &Arc<Self>, provider: &'static str, account: &str) -> Arc<dyn Requests> {
        Arc::new(AccountRequests { tally: Arc::clone(self), provider, account: account.to_owned() })
    }

    /// The config was read again, and taken or refused.
    pub fn reloaded(&self, taken: bool) {
        self.last_reload.set(taken.into());
    }

    /// The config was read again, and the newest time refused.
    pub fn reload_was_refused(&self) -> bool {
        self.last_reload.get() == 0
    }

    fn count(&self, report: &Report) {
        let (provider, account) = (report.provider, report.account.as_str());
        self.poll_duration.with_label_values(&[provider, account]).observe(report.took.as_secs_f64());
        for (_, failure) in report.failures() {
            self.poll_failures.with_label_values(&[provider, account, failure.reason.as_str()]).inc();
        }
        for (kind, change, times) in &report.changes {
            self.changes.with_label_values(&[provider, account, kind.as_str(), change.as_str()]).inc_by(*times);
        }
        for scope in &report.scopes {
            for (reason, times) in &scope.refused {
                self.items_refused.with_label_values(&[provider, account, reason.as_str()]).inc_by(*times);
            }
            self.secret_like_values.with_label_values(&[provider, account, REPLACED]).inc_by(scope.secret_like);
        }
    }
}

impl Polls for Tally {
    fn ended(&self, report: &Report) {
        self.count(report);
        log(report);
    }

    fn failed(&self, account: &str, provider: &str, error: &StoreError) {
        self.write_failures.inc();
        self.poll_failures.with_label_values(&[provider, account, Reason::Store.as_str()]).inc();
        tracing::error!(provider, account, %error, "a poll could not be written to the inventory");
    }

    fn broke(&self, account: &str, provider: &str) {
        self.poll_failures.with_label_values(&[provider, account, Reason::Internal.as_str()]).inc();
        tracing::error!(provider, account, "a poll was ended by a bug of keymuster");
    }

    fn overlapped(&self, account: &str) {
        tracing::warn!(account, "due while its poll is still running; polls take longer than the schedule's gap");
    }
}

/// One line for a poll, and one for each list that was not read.
fn log(report: &Report) {
    let (provider, account) = (report.provider, report.account.as_str());
    let ended = |word: &str| report.scopes.iter().filter(|scope| scope.end.as_str() == word).count();
    let counts = (ended("complete"), ended("incomplete"), ended("closed"));
    let (complete, incomplete, closed) = counts;
    let (not_opened, took_ms) = (report.not_opened, milliseconds(report.took));
    let items: usize = report.scopes.iter().map(|scope| scope.items).sum();
    let changes: u64 = report.changes.iter().map(|(_, _, times)| times).sum();
    for note in &report.notes {
        tracing::info!(provider, account, note, "noted");
    }
    let Some(reason) = report.failure() else {
        tracing::info!(provider, account, took_ms, complete, incomplete, closed, not_opened, items, changes, "polled");
        return;
    };
    let reason = reason.as_str();
    tracing::warn!(
        provider,
        account,
        reason,
        took_ms,
        complete,
        incomplete,
        closed,
        not_opened,
        items,
        changes,
        "polled, not everything was read"
    );
    for failure in report.unapplied.iter().chain(&report.general) {
        let (reason, detail) = (failure.reason.as_str(), failure.detail.as_str());
        tracing::warn!(provider, account, reason, detail, "a poll failed");
    }
    for scope in &report.scopes {
        if let WalkEnd::Incomplete(failure) = &scope.end {
            let (reason, detail, scope) = (failure.reason.as_str(), failure.detail.as_str(), &scope.scope.id);
            tracing::warn!(provider, account, %scope, reason, detail, "a list was not read completely");
        }
    }
}

/// A number in JSON too, where 128 bits would be a text.
fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// One account's requests.
struct AccountRequests {
    tally: Arc<Tally>,
    provider: &'static str,
    account: String,
}

impl Requests for AccountRequests {
    fn ended(&self, endpoint: &'static str, outcome: &'static str, took: Duration) {
        let (provider, account) = (self.provider, self.account.as_str());
        tracing::debug!(provider, account, endpoint, outcome, took_ms = milliseconds(took), "asked");
        self.tally.requests.with_label_values(&[provider, account, endpoint, outcome]).inc();
        self.tally.request_duration.with_label_values(&[provider, account, endpoint]).observe(took.as_secs_f64());
    }
}
