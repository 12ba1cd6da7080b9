//! How fast each endpoint template is asked: a token bucket that learns from 429.
//!
//! The bucket is pure and is told the time. Around it waits a queue, first come first served, that leaves nothing behind when
//! a waiting request is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{Failure, Reason};
use crate::providers::Pace;

use super::retry::LONGEST_WAIT;

/// After a 429 that names no time. OpenAI's admin API refills after about 60 s and says nothing; the second more is for the
/// way there.
const FIRST_PAUSE: Duration = Duration::from_secs(61);
/// An endpoint is not shut for longer, whatever the provider says: the next poll may try.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// A pause even where the provider says that none is needed.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The rate never falls below this part of the configured one.
const FLOOR: f64 = 1.0 / 8.0;
/// What part of the configured rate comes back with each good answer.
const RECOVERY: f64 = 1.0 / 32.0;

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

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    In(Duration),
}

/// The bucket itself. Times are since boot; rates are requests a second.
#[derive(Debug)]
struct Bucket {
    full_rate: f64,
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Duration,
    paused_until: Duration,
    /// 429s in a row, those of requests already on their way left out.
    strikes: u32,
    struck_at: Option<Duration>,
}

impl Bucket {
    fn new(pace: Pace, now: Duration) -> Self {
        let rate = f64::from(pace.per_minute.max(1)) / 60.0;
        let burst = f64::from(pace.burst.max(1));
        Self {
            full_rate: rate,
            rate,
            burst,
            tokens: burst,
            filled_at: now,
            paused_until: Duration::ZERO,
            strikes: 0,
            struck_at: None,
        }
    }

    fn take(&mut self, now: Duration) -> Turn {
        if now < self.paused_until {
            return Turn::In(self.paused_until - now);
        }
        let filled = now.saturating_sub(self.filled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + filled).min(self.burst);
        self.filled_at = self.filled_at.max(now);
        // A hair of tolerance: the timer's rounding must not cost a second sleep.
        if self.tokens >= 1.0 - 1e-6 {
            self.tokens -= 1.0;
            Turn::Now
        } else {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
            Turn::In(wait.max(Duration::from_millis(1)))
        }
    }

    fn limited(&mut self, sent_at: Duration, now: Duration, retry_after: Option<Duration>) {
        // Requests that were on their way when the first 429 came are the same strike.
        let known = self.struck_at.is_some_and(|struck| sent_at <= struck);
        if !known {
            self.strikes += 1;
            self.struck_at = Some(now);
            self.rate = (self.rate / 2.0).max(self.full_rate * FLOOR);
        }
        let pause = match retry_after {
            Some(named) => named.clamp(LEAST_PAUSE, LONGEST_PAUSE),
            None if known => return,
            None => FIRST_PAUSE.saturating_mul(1 << (self.strikes - 1).min(10)).min(LONGEST_WAIT),
        };
        if now + pause > self.paused_until {
            self.paused_until = now + pause;
            // One request goes out when the pause ends, no burst.
            self.tokens = 1.0;
            self.filled_at = self.paused_until;
        }
    }

    fn answered(&mut self, sent_at: Duration) {
        if self.struck_at.is_none_or(|struck| sent_at > struck) {
            self.strikes = 0;
            self.rate = (self.rate + self.full_rate * RECOVERY).min(self.full_rate);
        }
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
