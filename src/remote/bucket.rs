//! A token bucket that learns the provider's limit from 429. Pure: it is told the time.
//!
//! A refusal pauses it. Behind the pause it keeps a little below the rate that was seen to be allowed, and feels its way up
//! again in small steps, the more slowly the more often it was refused for that. The configured rate is never exceeded.

use std::time::Duration;

use super::answers::{Answers, Span};
use super::retry::LONGEST_WAIT;
use crate::providers::Pace;

/// After a 429 that names no time. OpenAI's admin API refills after about 60 s and says nothing; the second more is for the
/// way there.
const FIRST_PAUSE: Duration = Duration::from_secs(61);
/// An endpoint is not shut for longer, whatever the provider says: the next poll may try.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// A pause even where the provider says that none is needed.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// One request goes out alone when a pause ends: a pause that was too short costs one more refusal and not many.
const ALONE: Duration = Duration::from_millis(500);
/// The rate never falls below this, or below this part of the configured one where that is less: what waits for long may be too
/// late, as a token that was exchanged for one walk.
const FLOOR: f64 = 0.5;
const FLOOR_PART: f64 = 1.0 / 8.0;
/// How far below what was allowed the rate stays, as a part of it.
const MARGIN: f64 = 0.025;
const MOST_MARGIN: f64 = 0.5;
/// A step up, as a part of the rate.
const STEP: f64 = 0.01;
/// How long the first refusal lets a rate stay; each step halves that, and a refused step doubles it for good. So long at least
/// for each answer of a refused step: from the margin to the limit it is twice as long, and there is one refusal a minute at most.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
const SHORTEST_STAY: Duration = Duration::from_secs(1);
/// Requests at once after a refusal, or those of a hundredth of a second: more would not be even.
const EVEN: f64 = 2.0;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    In(Duration),
}

/// Times are since boot; rates are requests a second.
#[derive(Debug)]
pub(super) struct Bucket {
    full_rate: f64,
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Duration,
    paused_until: Duration,
    /// 429s in a row, those of requests already on their way left out.
    strikes: u32,
    struck_at: Option<Duration>,
    /// The strike that is not yet learnt from.
    strike: Option<Strike>,
    answers: Answers,
    /// Since when answers tell of the present rate.
    since: Duration,
    margin: f64,
    ascent: Ascent,
}

/// A 429, and those of requests that were already on their way when it came.
#[derive(Debug)]
struct Strike {
    /// When the first of the requests was sent.
    first: Duration,
    /// When the first answer came.
    told: Duration,
    answers: u32,
}

/// The way up from a rate that a refusal led to.
#[derive(Debug)]
struct Ascent {
    patience: Duration,
    /// How long the present rate stays.
    stay: Duration,
    since: Duration,
    /// Good answers at the present rate.
    answered: u32,
    stepped: bool,
}

impl Bucket {
    pub(super) fn new(pace: Pace, now: Duration) -> Self {
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
            strike: None,
            answers: Answers::default(),
            since: now,
            margin: 0.0,
            ascent: Ascent::new(FIRST_PATIENCE, now),
        }
    }

    pub(super) fn take(&mut self, now: Duration) -> Turn {
        if now < self.paused_until {
            return Turn::In(self.paused_until - now);
        }
        // Not before: of those on their way at the refusal some may have been answered well.
        if let Some(strike) = self.strike.take() {
            self.learn(&strike);
        }
        let filled = now.saturating_sub(self.filled_at).as_secs_f64() * self.rate;
        let burst = if self.struck_at.is_some() { self.burst.min((self.rate / 100.0).max(EVEN)) } else { self.burst };
        self.tokens = (self.tokens + filled).min(burst);
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

    pub(super) fn limited(&mut self, sent_at: Duration, now: Duration, retry_after: Option<Duration>) {
        // Requests that were on their way when the first 429 came are the same strike.
        let known = self.struck_at.is_some_and(|struck| sent_at <= struck);
        if !known {
            self.strikes += 1;
            self.struck_at = Some(now);
            self.strike = Some(Strike { first: sent_at, told: now, answers: 0 });
        }
        if let Some(strike) = &mut self.strike {
            strike.answers += 1;
            strike.first = strike.first.min(sent_at);
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
            self.filled_at = self.paused_until + ALONE;
        }
    }

    pub(super) fn answered(&mut self, sent_at: Duration) {
        self.answers.add(sent_at);
        if self.struck_at.is_none_or(|struck| sent_at > struck) {
            self.strikes = 0;
            if self.rate < self.full_rate && self.ascent.answered(sent_at, self.rate) {
                self.rate = (self.rate * (1.0 + STEP)).min(self.full_rate);
            }
        }
    }

    /// Where nothing was answered well since the pause before, that one was too short, and tells nothing of the rate.
    fn learn(&mut self, strike: &Strike) {
        let span = Span {
            since: self.since,
            refused: strike.first,
            resumed: self.paused_until,
            pause: self.paused_until.saturating_sub(strike.told),
        };
        if let Some(allowed) = self.answers.allowed(&span, self.rate) {
            self.margin = if span.is_short() { (self.margin * 2.0).clamp(MARGIN, MOST_MARGIN) } else { MARGIN };
            self.rate = self.rate.min(allowed * (1.0 - self.margin)).max(FLOOR.min(self.full_rate * FLOOR_PART));
            self.ascent.refused(strike.answers, span.resumed);
        }
        self.since = span.resumed;
    }
}

impl Ascent {
    const fn new(patience: Duration, since: Duration) -> Self {
        Self { patience, stay: patience, since, answered: 0, stepped: false }
    }

    /// Whether the rate may go up a step now: it was in use, for long enough.
    fn answered(&mut self, sent_at: Duration, rate: f64) -> bool {
        self.answered += 1;
        let stayed = sent_at.saturating_sub(self.since) >= self.stay;
        if !stayed || f64::from(self.answered) < rate * self.stay.as_secs_f64() / 2.0 {
            return false;
        }
        self.stay = (self.stay / 2).max(SHORTEST_STAY);
        (self.since, self.answered, self.stepped) = (sent_at, 0, true);
        true
    }

    /// So many were refused at once.
    fn refused(&mut self, answers: u32, resumed: Duration) {
        if self.stepped {
            self.patience = (self.patience * 2).max(FIRST_PATIENCE * answers).min(LONGEST_WAIT);
        }
        *self = Self::new(self.patience, resumed);
    }
}
