//! When to post again what was not taken, and when no more; pure.

use std::time::Duration;

use crate::remote::thousandths;

const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Also where the receiver asks for a longer one.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// A delivery is given up when it is so old, in seconds,
const GIVEN_UP_AFTER: i64 = 3 * 86_400;
/// and was tried so often: a clock that was set ahead, or days without a daemon, give nothing up.
const LEAST_ATTEMPTS: u32 = 20;

/// How long to wait from the beginning of that many attempts on: each time twice as long, up to half of it less.
pub(super) fn wait(id: &str, attempts: u32) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST_WAIT);
    most - most * thousandths(id.bytes().chain(attempts.to_le_bytes())) / 2_000
}

/// Whether a delivery of that age that was tried so often is given up.
pub(super) const fn is_over(age: i64, attempts: u32) -> bool {
    age >= GIVEN_UP_AFTER && attempts >= LEAST_ATTEMPTS
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_an_hour_and_differ() {
        for (attempts, most) in [(1, 5), (2, 10), (3, 20), (10, 2_560), (11, 3_600), (12, 3_600), (u32::MAX, 3_600)] {
            let waits: Vec<Duration> = (0..200).map(|n| wait(&format!("msg_{n}"), attempts)).collect();
            assert!(waits.iter().all(|wait| *wait > seconds(most) / 2 && *wait <= seconds(most)), "{attempts}: {waits:?}");
            assert!(waits.iter().min() < waits.iter().max(), "{attempts}");
        }
        assert_eq!(wait("msg_1", 3), wait("msg_1", 3));
    }

    #[test]
    fn given_up_after_days_of_trying_and_never_by_the_clock_alone() {
        assert!(is_over(GIVEN_UP_AFTER, LEAST_ATTEMPTS));
        assert!(!is_over(GIVEN_UP_AFTER - 1, 1_000) && !is_over(365 * 86_400, LEAST_ATTEMPTS - 1) && !is_over(-5, 1_000));
    }
}
