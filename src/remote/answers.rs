//! What was answered well lately, and the rate that this shows a provider to allow. Pure.

use std::collections::VecDeque;
use std::time::Duration;

/// Requests are counted by the hundredth of a second in which they were sent.
const SLOT_MS: u128 = 10;
/// No known limit counts over a longer time.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The shortest time over which a limit is taken to count.
const SHORTEST: Duration = Duration::from_secs(1);
/// So many requests tell a rate.
const TELLING: f64 = 20.0;
/// A pause that is not longer is told in whole seconds of less than one, and says nothing of over how long the limit counts.
const ROUNDED: Duration = Duration::from_secs(2);
/// So soon behind a pause, a refusal shows that the rate is too high, not that it went up too far.
const SOON: Duration = Duration::from_secs(20);
/// What part of the rate just before a short pause the limit is taken to be at least, where it was kept for so short a time that
/// it may have used up what is let in at once.
const NEARLY: f64 = 0.97;

/// From one pause to the end of the next.
#[derive(Debug)]
pub(super) struct Span {
    /// When the pause before ended.
    pub since: Duration,
    /// When the first request was sent that was refused.
    pub refused: Duration,
    /// When the pause behind it ends.
    pub resumed: Duration,
    /// How long that is, from the first refusal's answer.
    pub pause: Duration,
}

impl Span {
    /// The refusal came soon behind the pause before.
    pub(super) fn is_short(&self) -> bool {
        self.refused.saturating_sub(self.since) < SOON
    }
}

/// Good answers of the last minute.
#[derive(Debug, Default)]
pub(super) struct Answers {
    slots: VecDeque<(u64, u32)>,
}

impl Answers {
    /// A good answer to a request that was sent then.
    pub(super) fn add(&mut self, sent_at: Duration) {
        let sent = slot(sent_at);
        let place = self.slots.partition_point(|(at, _)| *at < sent);
        match self.slots.get_mut(place) {
            Some((at, count)) if *at == sent => *count += 1,
            Some(_) | None => self.slots.insert(place, (sent, 1)),
        }
        let newest = self.slots.back().map_or(sent, |(at, _)| *at);
        while self.slots.front().is_some_and(|(at, _)| at + slot(REMEMBERED) < newest) {
            self.slots.pop_front();
        }
    }

    /// The rate that the provider allowed, in requests a second, where requests went out at `rate` at most. `None` where none was
    /// answered well.
    ///
    /// A limit may count over a second or over a minute, or refill steadily. Where it counts over long or refills, as many are let in over
    /// the whole span, its pause included, as it allows; where it counts over a second, in the last second before the refusal.
    pub(super) fn allowed(&self, span: &Span, rate: f64) -> Option<f64> {
        let Span { since, refused, resumed, pause } = *span;
        let began = self.first_from(since.max(refused.saturating_sub(REMEMBERED)));
        let over_all = self.count(slot(began), slot(resumed)) / resumed.saturating_sub(began).max(SHORTEST).as_secs_f64();
        if pause > ROUNDED {
            return (over_all > 0.0).then_some(over_all);
        }
        let back = Duration::from_secs_f64((TELLING / rate).clamp(SHORTEST.as_secs_f64(), REMEMBERED.as_secs_f64()));
        let from = refused.checked_sub(back).map_or(0, |from| slot(from) + 1).max(slot(since));
        let before = self.count(from, slot(refused)) / back.min(refused.saturating_sub(since)).max(SHORTEST).as_secs_f64();
        let nearly = if span.is_short() { NEARLY } else { 1.0 };
        let allowed = over_all.max(before * nearly);
        (allowed > 0.0).then_some(allowed)
    }

    /// When the first was sent that was sent then or later.
    fn first_from(&self, then: Duration) -> Duration {
        let first = self.slots.partition_point(|(at, _)| *at < slot(then));
        self.slots.get(first).map_or(then, |(at, _)| then.max(Duration::from_millis(at.saturating_mul(10))))
    }

    fn count(&self, from: u64, until: u64) -> f64 {
        let first = self.slots.partition_point(|(at, _)| *at < from);
        self.slots.range(first..).take_while(|(at, _)| *at <= until).map(|(_, count)| f64::from(*count)).sum()
    }
}

fn slot(at: Duration) -> u64 {
    u64::try_from(at.as_millis() / SLOT_MS).unwrap_or(u64::MAX)
}
