//! Notices that the wall clock was set. Schedules go by it, and what was wound by the old time waits for that.

use crate::clock::Clock;

/// A wall clock that moves this much against the boot clock, in seconds, was set: time servers that correct it do not.
const SET: i64 = 60;

/// The wall clock as it was when schedules were last wound by it.
pub(super) struct Wall {
    clock: Clock,
    /// What the wall clock is ahead of the boot clock.
    ahead: i64,
}

impl Wall {
    pub fn new(clock: Clock) -> Self {
        let ahead = ahead(&clock);
        Self { clock, ahead }
    }

    /// By how many seconds the clock was set forward, or, negative, back, since this was last asked and said so. What is too
    /// little to say adds up.
    pub fn was_set(&mut self) -> Option<i64> {
        let now = ahead(&self.clock);
        let by = now - self.ahead;
        if by.abs() < SET {
            return None;
        }
        self.ahead = now;
        Some(by)
    }
}

fn ahead(clock: &Clock) -> i64 {
    clock.now().unix() - clock.boot().as_secs().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Time;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_noticed_once_and_time_that_passes_is_not() {
        let clock = Clock::runtime(Time::from_unix(1_760_000_000));
        let mut wall = Wall::new(clock.clone());
        tokio::time::advance(Duration::from_hours(30)).await;
        assert_eq!(wall.was_set(), None);
        for by in [3 * 3_600, -3 * 3_600, 60, -60] {
            clock.jump(by);
            assert_eq!((wall.was_set(), wall.was_set()), (Some(by), None));
        }
        clock.jump(40);
        assert_eq!(wall.was_set(), None);
        clock.jump(40);
        assert_eq!(wall.was_set(), Some(80), "little by little");
    }
}
