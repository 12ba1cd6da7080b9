//! Whether and when to ask again; pure.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::jitter::thousandths;
use crate::domain::Failure;
use crate::providers::Fetch;

/// A wait that the provider asks for and that is longer than this is left to a later poll.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// 429s after which one request gives up.
const MOST_LIMITED: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// An attempt that did not give an answer that an adapter may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setback {
    pub failure: Failure,
    pub cause: Cause,
}

/// What trying again may do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing.
    Final,
    /// It may pass: no connection, broken connection, 408, 5xx.
    Passing(Asked),
    /// 429: the pace of the endpoint says when.
    Limited(Asked),
}

/// What the provider said about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked {
    /// `Retry-After`.
    pub after: Option<Duration>,
    /// `x-should-retry: false`.
    pub never: bool,
}

impl Setback {
    pub(super) const fn last(failure: Failure) -> Self {
        Self { failure, cause: Cause::Final }
    }

    pub(super) fn passing(failure: Failure) -> Self {
        Self { failure, cause: Cause::Passing(Asked::default()) }
    }
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    GiveUp,
    /// Try again after that time.
    After(Duration),
    /// Try again as soon as the pace allows.
    WhenPaced,
}

/// The attempts of one request so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    setbacks: u32,
    limited: u32,
}

impl Tally {
    /// Counts a setback and decides.
    pub(super) fn next(&mut self, cause: Cause, retries: u32, fetch: &Fetch) -> Next {
        let attempt = self.setbacks;
        self.setbacks += 1;
        let (Cause::Passing(asked) | Cause::Limited(asked)) = cause else { return Next::GiveUp };
        if matches!(cause, Cause::Limited(_)) {
            self.limited += 1;
        }
        let too_long = asked.after.is_some_and(|wait| wait > LONGEST_WAIT);
        if asked.never || too_long || attempt >= retries || self.limited >= MOST_LIMITED {
            return Next::GiveUp;
        }
        match cause {
            Cause::Limited(_) => Next::WhenPaced,
            Cause::Passing(_) | Cause::Final => Next::After(backoff(fetch, attempt).max(asked.after.unwrap_or_default())),
        }
    }

    /// How often the request was sent.
    pub(super) const fn attempts(&self) -> u32 {
        self.setbacks
    }
}

/// The retries that all requests of a poll share, beside the few that each of them has.
///
/// A provider that is down answers 503 to every list: with retries of its own each of ten thousand would be asked for five
/// times, which keeps down what tries to come up again. A poll has [`Budget::LEAST`] retries, and one more for every
/// [`Budget::SHARE`] requests: what fails now and then never notices. 429s are not counted: each pauses its endpoint, so
/// that they cost time and hardly a request.
#[derive(Debug, Default)]
pub(super) struct Budget {
    requests: AtomicU32,
    spent: AtomicU32,
}

impl Budget {
    /// Enough for twenty-five lists that fail for good.
    pub(super) const LEAST: u32 = 100;
    pub(super) const SHARE: u32 = 5;

    /// A poll begins.
    pub(super) fn renew(&self) {
        self.requests.store(0, Ordering::Relaxed);
        self.spent.store(0, Ordering::Relaxed);
    }

    /// A request is made, with all of its attempts.
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one retry; false where there is none left.
    pub(super) fn spend(&self) -> bool {
        let all = Self::LEAST.max(self.requests.load(Ordering::Relaxed) / Self::SHARE);
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| (spent < all).then_some(spent + 1)).is_ok()
    }
}

/// Full jitter: somewhere between nothing and 0.5 s·2ⁿ.
fn backoff(fetch: &Fetch, attempt: u32) -> Duration {
    let most = FIRST_BACKOFF.saturating_mul(1 << attempt.min(10)).min(LONGEST_BACKOFF);
    most * thousandths(fetch.endpoint.bytes().chain(fetch.path.bytes()).chain(attempt.to_le_bytes())) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::Target;

    fn fetch(path: &str) -> Fetch {
        Fetch::get(Target::Question("q"), "/keys", path)
    }

    const PASSING: Cause = Cause::Passing(Asked { after: None, never: false });
    const LIMITED: Cause = Cause::Limited(Asked { after: None, never: false });

    fn asked(seconds: u64) -> Asked {
        Asked { after: Some(Duration::from_secs(seconds)), never: false }
    }

    #[test]
    fn four_retries_and_no_more() {
        let mut tally = Tally::default();
        for _ in 0..4 {
            assert!(matches!(tally.next(PASSING, 4, &fetch("/a")), Next::After(_)));
        }
        assert_eq!(tally.next(PASSING, 4, &fetch("/a")), Next::GiveUp);
        assert_eq!(tally.attempts(), 5);
    }

    #[test]
    fn the_retries_of_a_poll_are_a_hundred_or_a_fifth_of_its_requests() {
        let budget = Budget::default();
        let spent = || (0..1_000).take_while(|_| budget.spend()).count();
        budget.request();
        assert_eq!((spent(), spent()), (100, 0));
        (1..600).for_each(|_| budget.request());
        assert_eq!((spent(), spent()), (20, 0));
        budget.renew();
        assert_eq!(spent(), 100);
    }

    #[test]
    fn the_third_429_ends_it() {
        let mut tally = Tally::default();
        assert_eq!(tally.next(LIMITED, 4, &fetch("/a")), Next::WhenPaced);
        assert!(matches!(tally.next(PASSING, 4, &fetch("/a")), Next::After(_)));
        assert_eq!(tally.next(LIMITED, 4, &fetch("/a")), Next::WhenPaced);
        assert_eq!(tally.next(LIMITED, 4, &fetch("/a")), Next::GiveUp);
    }

    #[test]
    fn the_provider_is_heard() {
        let next = |cause| Tally::default().next(cause, 4, &fetch("/a"));
        assert_eq!(next(Cause::Final), Next::GiveUp);
        assert_eq!(next(Cause::Passing(asked(20))), Next::After(Duration::from_secs(20)));
        assert_eq!(next(Cause::Passing(asked(900))), Next::After(LONGEST_WAIT));
        assert_eq!(next(Cause::Passing(asked(901))), Next::GiveUp);
        assert_eq!(next(Cause::Limited(asked(900))), Next::WhenPaced);
        assert_eq!(next(Cause::Limited(asked(901))), Next::GiveUp);
        assert_eq!(next(Cause::Passing(Asked { after: None, never: true })), Next::GiveUp);
        assert_eq!(next(Cause::Limited(Asked { after: None, never: true })), Next::GiveUp);
    }

    #[test]
    fn backoff_is_full_jitter_that_repeats() {
        let mut longest = [Duration::ZERO; 7];
        let mut shortest = [Duration::MAX; 7];
        for n in 0..500 {
            let fetch = fetch(&format!("/members/{n}/keys"));
            for attempt in 0..7 {
                let wait = backoff(&fetch, attempt);
                assert_eq!(wait, backoff(&fetch, attempt));
                longest[attempt as usize] = longest[attempt as usize].max(wait);
                shortest[attempt as usize] = shortest[attempt as usize].min(wait);
            }
        }
        for (attempt, most) in [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000].into_iter().enumerate() {
            let most = Duration::from_millis(most);
            assert!(longest[attempt] <= most && longest[attempt] > most * 9 / 10, "{attempt}: {:?}", longest[attempt]);
            assert!(shortest[attempt] < most / 10, "{attempt}: {:?}", shortest[attempt]);
        }
    }
}
