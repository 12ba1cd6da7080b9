//! How fast each endpoint template is asked: a bucket, and around it a queue, first come first served, that leaves nothing
//! behind when a waiting request is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{Failure, Reason};
use crate::providers::Pace;

use super::bucket::{Bucket, Turn};
use super::retry::LONGEST_WAIT;

/// The buckets of one account.
#[derive(Debug)]
pub(super) struct Paces {
    pace: Pace,
    clock: Clock,
    endpoints: Mutex<HashMap<&'static str, Arc<Endpoint>>>,
}

impl Paces {
    pub(super) fn new(pace: Pace, clock: Clock) -> Self {
        Self { pace, clock, endpoints: Mutex::default() }
    }

    /// The bucket of an endpoint template.
    pub(super) fn of(&self, endpoint: &'static str) -> Arc<Endpoint> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let bucket = Mutex::new(Bucket::new(self.pace, self.clock.boot()));
            Arc::new(Endpoint { clock: self.clock.clone(), queue: tokio::sync::Mutex::default(), bucket })
        };
        Arc::clone(endpoints.entry(endpoint).or_insert_with(new))
    }
}

/// One bucket and the requests that wait for it.
#[derive(Debug)]
pub(super) struct Endpoint {
    clock: Clock,
    /// Held by the request whose turn is next; the lock is fair.
    queue: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
}

impl Endpoint {
    /// Waits for a turn, and returns when that was. `waits` is told how long the wait will be.
    ///
    /// # Errors
    /// `rate_limited`: the provider asked for a longer wait than a poll has.
    pub(super) async fn turn(&self, waits: &(dyn Fn(Duration) + Sync)) -> Result<Duration, Failure> {
        let _head = self.queue.lock().await;
        loop {
            let now = self.clock.boot();
            let wait = match self.with(|bucket| bucket.take(now)) {
                Turn::Now => return Ok(now),
                Turn::In(wait) => wait,
            };
            if wait > LONGEST_WAIT {
                let detail = format!("the provider asked not to be asked for another {} s", wait.as_secs());
                return Err(Failure::new(Reason::RateLimited, detail));
            }
            waits(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// An answer 429 to a request that was sent at that time.
    pub(super) fn limited(&self, sent_at: Duration, retry_after: Option<Duration>) {
        let now = self.clock.boot();
        self.with(|bucket| bucket.limited(sent_at, now, retry_after));
    }

    /// A good answer to a request that was sent at that time.
    pub(super) fn answered(&self, sent_at: Duration) {
        self.with(|bucket| bucket.answered(sent_at));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
