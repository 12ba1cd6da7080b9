//! The only place that reads the time. Pure code takes `now` as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::Time;

/// Where the time comes from. Cheap to clone; clones agree.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Stopped(Time),
    Runtime { wall_at_start: Time, started: tokio::time::Instant, jump: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clocks.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that moves with the async runtime's, so that paused and simulated time move it.
    pub fn runtime(wall_at_start: Time) -> Self {
        Self(Source::Runtime { wall_at_start, started: tokio::time::Instant::now(), jump: Arc::new(AtomicI64::new(0)) })
    }

    /// A clock that always shows the same.
    pub const fn stopped(at: Time) -> Self {
        Self(Source::Stopped(at))
    }

    /// The wall clock. It may jump.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::System => {
                let since_1970 = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                Time::from_unix(since_1970.tv_sec)
            }
            Source::Stopped(at) => *at,
            Source::Runtime { wall_at_start, jump, .. } => {
                wall_at_start.plus(self.boot().as_secs().cast_signed()).plus(jump.load(Ordering::Relaxed))
            }
        }
    }

    /// Time since the machine started, sleep included. It never jumps, and means nothing to another run.
    pub fn boot(&self) -> Duration {
        match &self.0 {
            Source::System => {
                let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Duration::new(since_boot.tv_sec.unsigned_abs(), u32::try_from(since_boot.tv_nsec).unwrap_or(0))
            }
            Source::Stopped(_) => Duration::ZERO,
            Source::Runtime { started, .. } => started.elapsed(),
        }
    }

    /// Moves the wall clock, not the boot clock: what an operator or a time server does. Does nothing to the system's.
    pub fn jump(&self, seconds: i64) {
        match &self.0 {
            Source::System | Source::Stopped(_) => {}
            Source::Runtime { jump, .. } => {
                jump.fetch_add(seconds, Ordering::Relaxed);
            }
        }
    }
}
