//! When to post again what was not taken, and when no more; pure.

use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Also of what the receiver asks for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// A delivery is given up when it is so old, in seconds,
const GIVEN_UP_AFTER: i64 = 3 * 86_400;
/// and was tried so often: a clock that was set ahead, or days without a daemon, give nothing up.
const LEAST_ATTEMPTS: u32 = 20;

/// How long to wait after that many attempts: each time twice as long, a part of it by chance so that not all come back at once.
/// Where is a hash of the delivery, so that runs repeat.
pub(super) fn wait(id: &str, attempts: u32, asked: Option<Duration>) -> Duration {
    let most = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST_WAIT);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    for byte in id.bytes().chain(attempts.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let thousandths = u32::try_from((hash >> 32) % 500).unwrap_or(0);
    let wait = most - most * thousandths / 1_000;
    wait.max(asked.unwrap_or_default()).min(LONGEST_WAIT)
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
            let waits: Vec<Duration> = (0..200).map(|n| wait(&format!("msg_{n}"), attempts, None)).collect();
            assert!(waits.iter().all(|wait| *wait > seconds(most) / 2 && *wait <= seconds(most)), "{attempts}: {waits:?}");
            assert!(waits.iter().min() < waits.iter().max(), "{attempts}");
        }
        assert_eq!(wait("msg_1", 3, None), wait("msg_1", 3, None));
    }

    #[test]
    fn the_receiver_is_heard_up_to_an_hour() {
        assert_eq!(wait("msg_1", 1, Some(seconds(600))), seconds(600));
        assert_eq!(wait("msg_1", 1, Some(seconds(7_200))), LONGEST_WAIT);
        assert_eq!(wait("msg_1", 1, Some(Duration::ZERO)), wait("msg_1", 1, None));
    }

    #[test]
    fn given_up_after_days_of_trying_and_never_by_the_clock_alone() {
        assert!(is_over(GIVEN_UP_AFTER, LEAST_ATTEMPTS));
        assert!(!is_over(GIVEN_UP_AFTER - 1, 1_000) && !is_over(365 * 86_400, LEAST_ATTEMPTS - 1) && !is_over(-5, 1_000));
    }
}
