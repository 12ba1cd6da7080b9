//! The bucket by itself, and against providers that limit in several ways.

use std::collections::VecDeque;
use std::time::Duration;

use super::bucket::{Bucket, Turn};
use crate::providers::Pace;

const PACE: Pace = Pace { per_minute: 60, burst: 3 };

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bucket() -> Bucket {
    Bucket::new(PACE, Duration::ZERO)
}

/// Takes turns as they come until `until`; the instants.
fn turns(bucket: &mut Bucket, from: Duration, until: Duration) -> Vec<Duration> {
    let (mut now, mut taken) = (from, Vec::new());
    while now < until {
        match bucket.take(now) {
            Turn::Now => taken.push(now),
            Turn::In(wait) => now += wait,
        }
    }
    taken
}

#[test]
fn a_burst_then_the_sustained_rate() {
    let taken = turns(&mut bucket(), s(0), s(60));
    assert_eq!(taken[..3], [s(0); 3]);
    assert_eq!(taken.len(), 3 + 59);
    assert!(taken[3..].windows(2).all(|pair| (pair[1] - pair[0]).as_secs_f64() > 0.99), "{taken:?}");
}

#[test]
fn zero_is_taken_for_one() {
    let taken = turns(&mut Bucket::new(Pace { per_minute: 0, burst: 0 }, s(0)), s(0), s(125));
    assert_eq!(taken.len(), 3, "{taken:?}");
}

#[test]
fn a_429_without_a_time_pauses_past_a_minute_and_doubles() {
    let mut bucket = bucket();
    let mut now = s(100);
    for pause in [61, 122, 244, 488, 900, 900] {
        bucket.limited(now, now, None);
        assert_eq!(bucket.take(now), Turn::In(s(pause)));
        now += s(pause);
        assert_eq!(bucket.take(now), Turn::Now);
        assert!(matches!(bucket.take(now), Turn::In(_)), "no burst behind a pause");
        now += s(1);
    }
}

#[test]
fn requests_on_their_way_are_one_strike() {
    let mut bucket = bucket();
    for n in 0..4 {
        bucket.limited(s(10), s(11 + n), None);
    }
    assert_eq!(bucket.take(s(11)), Turn::In(s(61)));
    bucket.limited(s(10), s(12), Some(s(120)));
    assert_eq!(bucket.take(s(12)), Turn::In(s(120)), "a later and longer wait counts");
    bucket.limited(s(10), s(12), Some(s(5)));
    assert_eq!(bucket.take(s(12)), Turn::In(s(120)), "a shorter one does not");
    bucket.answered(s(10));
    bucket.limited(s(140), s(140), None);
    assert_eq!(bucket.take(s(140)), Turn::In(s(122)), "a good answer to an older request proves nothing");
    bucket.answered(s(300));
    bucket.limited(s(10), s(301), None);
    assert_eq!(bucket.take(s(301)), Turn::Now, "nor does a late refusal, once others were answered");
    bucket.limited(s(302), s(302), None);
    assert_eq!(bucket.take(s(302)), Turn::In(s(61)), "and the next is the first again");
}

#[test]
fn a_named_time_is_kept_within_bounds() {
    for (named, pause) in [(0, 1), (7, 7), (900, 900), (1_000_000_000, 3_600), (u64::MAX, 3_600)] {
        let mut bucket = bucket();
        bucket.limited(s(10), s(10), Some(s(named)));
        assert_eq!(bucket.take(s(10)), Turn::In(s(pause)), "{named}");
    }
}

/// How a provider limits, and what it says to whom it refuses.
enum Limit {
    /// So many in each window of that length.
    Window { length: Duration, most: u32, began: Duration, used: u32 },
    /// It holds so many at most, and so many come back each second.
    Refilled { most: f64, each_second: f64, left: f64, at: Duration },
}

impl Limit {
    const fn window(length: Duration, most: u32) -> Self {
        Self::Window { length, most, began: Duration::ZERO, used: 0 }
    }

    const fn refilled(each_second: f64, most: f64) -> Self {
        Self::Refilled { most, each_second, left: most, at: Duration::ZERO }
    }

    /// `Retry-After` where it refuses.
    fn ask(&mut self, now: Duration) -> Option<Duration> {
        let wait = match self {
            Self::Window { length, most, began, used } => {
                if now >= *began + *length {
                    let windows = (now - *began).as_nanos() / length.as_nanos();
                    (*began, *used) = (*began + *length * u32::try_from(windows).unwrap(), 0);
                }
                if *used < *most {
                    *used += 1;
                    return None;
                }
                *began + *length - now
            }
            Self::Refilled { most, each_second, left, at } => {
                *left = (*left + (now - *at).as_secs_f64() * *each_second).min(*most);
                *at = now;
                if *left >= 1.0 {
                    *left -= 1.0;
                    return None;
                }
                Duration::from_secs_f64((1.0 - *left) / *each_second)
            }
        };
        Some(Duration::from_secs(wait.as_secs_f64().ceil() as u64))
    }
}

/// Those who ask.
struct Askers {
    pace: Pace,
    at_once: usize,
    latency: Duration,
    tells: bool,
}

/// 32 at once who keep no pace, at answers of 100 ms.
const HASTY: Askers =
    Askers { pace: Pace { per_minute: 60_000, burst: 5 }, at_once: 32, latency: Duration::from_millis(100), tells: true };

/// What came of it.
struct Asked {
    took: f64,
    /// When answers 429 came, in seconds.
    refused: Vec<f64>,
}

impl Asked {
    /// Refusals but those of the first strike.
    fn later(&self) -> usize {
        self.refused.iter().filter(|at| **at > self.refused[0] + 1.0).count()
    }
}

/// Asks until so many were answered well.
fn ask(askers: &Askers, limit: &mut Limit, requests: usize) -> Asked {
    let began = s(1_000);
    let mut bucket = Bucket::new(askers.pace, began);
    let mut under_way: VecDeque<(Duration, Option<Duration>)> = VecDeque::new();
    let (mut now, mut good, mut refused) = (began, 0, Vec::new());
    while good < requests {
        while let Some((sent_at, wait)) = under_way.front().copied().filter(|(sent_at, _)| *sent_at + askers.latency <= now) {
            under_way.pop_front();
            match wait {
                Some(wait) => {
                    refused.push((now - began).as_secs_f64());
                    bucket.limited(sent_at, now, askers.tells.then_some(wait));
                }
                None => {
                    good += 1;
                    bucket.answered(sent_at);
                }
            }
        }
        let mut next = None;
        while under_way.len() < askers.at_once && good + under_way.len() < requests {
            match bucket.take(now) {
                Turn::Now => under_way.push_back((now, limit.ask(now - began + askers.latency))),
                Turn::In(wait) => {
                    next = Some(now + wait);
                    break;
                }
            }
        }
        let answer = under_way.front().map(|(sent_at, _)| *sent_at + askers.latency);
        // A timer goes off at a whole millisecond.
        let next = next.into_iter().chain(answer).min().map_or(0, |next| next.as_micros().div_ceil(1_000));
        now = Duration::from_millis(u64::try_from(next).unwrap()).max(now + Duration::from_millis(1));
    }
    Asked { took: (now - began).as_secs_f64(), refused }
}

#[test]
fn the_observed_limit_of_openai_is_outlasted() {
    // Seven at once, refilled whole 60 s after the first; measured, see `FIRST_PAUSE`.
    let mut bucket = Bucket::new(Pace { per_minute: 60, burst: 20 }, s(0));
    let (mut now, mut window, mut left, mut refused, mut good) = (s(0), s(0), 7, 0, 0);
    while good < 100 {
        match bucket.take(now) {
            Turn::In(wait) => now += wait,
            Turn::Now => {
                if now >= window + s(60) {
                    (window, left) = (now, 7);
                }
                if left == 0 {
                    refused += 1;
                    bucket.limited(now, now, None);
                } else {
                    (left, good) = (left - 1, good + 1);
                    bucket.answered(now);
                }
            }
        }
        now += Duration::from_millis(1);
    }
    assert!(refused <= 14, "{refused}");
}

/// Limits of so many a second.
fn limits(each_second: u32) -> [(&'static str, Limit); 4] {
    [
        ("a window of a second", Limit::window(s(1), each_second)),
        ("a window of ten", Limit::window(s(10), each_second * 10)),
        ("a window of a minute", Limit::window(s(60), each_second * 60)),
        ("refilled", Limit::refilled(f64::from(each_second), f64::from(each_second))),
    ]
}

#[test]
fn a_limit_that_nobody_set_is_learnt() {
    for each_second in [20, 60] {
        for (name, mut limit) in limits(each_second) {
            // Five minutes and a half at the limit.
            let asked = ask(&HASTY, &mut limit, each_second as usize * 333);
            let ratio = asked.took / 333.0;
            assert!(ratio <= 1.05, "{each_second} a second, {name}: {ratio}");
            let at_first = asked.refused.len() - asked.later();
            assert!(at_first <= HASTY.at_once, "{each_second} a second, {name}: {at_first} refused at first");
        }
    }
}

#[test]
fn once_learnt_a_limit_is_hit_once_a_minute_at_most() {
    for each_second in [20, 60] {
        for (name, mut limit) in limits(each_second) {
            let asked = ask(&HASTY, &mut limit, each_second as usize * 3_600);
            let (minutes, refused) = (asked.took / 60.0, asked.later());
            assert!(refused as f64 <= minutes, "{each_second} a second, {name}: {refused} in {minutes} minutes");
        }
    }
}

#[test]
fn a_pace_below_the_limit_is_kept_and_never_exceeded() {
    for (name, mut limit) in limits(60) {
        let askers = Askers { pace: Pace { per_minute: 3_000, burst: 5 }, ..HASTY };
        let asked = ask(&askers, &mut limit, 5_000);
        assert_eq!(asked.refused.len(), 0, "{name}");
        assert!((99.0..101.0).contains(&asked.took), "{name}: {}", asked.took);
    }
}

#[test]
fn who_raises_a_limit_is_followed() {
    let mut bucket = Bucket::new(HASTY.pace, s(0));
    (0..20).for_each(|_| bucket.answered(s(1)));
    bucket.limited(s(1), s(1), Some(s(1)));
    let of_a_minute = |bucket: &mut Bucket, from| {
        let (mut now, mut taken) = (from, 0);
        while now < from + s(60) {
            match bucket.take(now) {
                Turn::Now => {
                    bucket.answered(now);
                    taken += 1;
                }
                Turn::In(wait) => now += wait,
            }
        }
        taken
    };
    let first = of_a_minute(&mut bucket, s(2));
    assert!((1_150..1_250).contains(&first), "{first}");
    let later = (1..20).map(|minute| of_a_minute(&mut bucket, s(2 + 60 * minute))).last().unwrap();
    assert!(later > 59_000, "{later}");
}

#[test]
fn who_names_no_time_is_asked_less_from_then_on() {
    // Eight a minute, asked at six after four at once, as an organisation of OpenAI's was.
    let mut limit = Limit::window(s(60), 8);
    let askers = Askers { pace: Pace { per_minute: 6, burst: 4 }, at_once: 4, latency: Duration::from_millis(100), tells: false };
    let asked = ask(&askers, &mut limit, 300);
    assert_eq!(asked.refused.len(), 1, "{:?}", asked.refused);
    assert!(asked.took < 300.0 * 10.0 * 1.1, "{}", asked.took);
}

#[test]
fn a_pause_that_was_too_short_costs_one_request_and_no_rate() {
    let mut bucket = bucket();
    (0..60).for_each(|n| bucket.answered(s(n)));
    let mut now = s(60);
    for _ in 0..20 {
        bucket.limited(now, now, Some(s(1)));
        now += s(1);
        assert_eq!(bucket.take(now), Turn::Now);
        assert!(matches!(bucket.take(now + Duration::from_millis(400)), Turn::In(_)), "alone");
    }
    let taken = turns(&mut bucket, now, now + s(60)).len();
    assert!(taken >= 57, "{taken}");
}

#[test]
fn behind_a_refusal_the_rate_is_even_and_a_little_below_what_was_allowed() {
    let mut bucket = Bucket::new(HASTY.pace, s(0));
    // Sixty a second, for half a minute.
    (0..1_800).for_each(|n| bucket.answered(s(n) / 60));
    bucket.limited(s(30), s(30), Some(s(1)));
    assert_eq!(bucket.take(s(31)), Turn::Now);
    assert!(matches!(bucket.take(s(31) + Duration::from_millis(499)), Turn::In(_)), "the first goes out alone");
    let taken = turns(&mut bucket, s(32), s(42)).len();
    assert!((575..590).contains(&taken), "{taken}");
    let at_once = std::iter::repeat_with(|| bucket.take(s(60))).take_while(|turn| *turn == Turn::Now).count();
    assert_eq!(at_once, 2, "no burst, however long nobody asked");
}

#[test]
fn an_hour_in_which_nobody_asked_says_nothing_of_the_limit() {
    let mut bucket = Bucket::new(HASTY.pace, s(0));
    (0..3_600).for_each(|n| bucket.answered(s(3_600) + Duration::from_millis(3) * n));
    bucket.limited(s(3_611), s(3_611), Some(s(49)));
    let taken = turns(&mut bucket, s(3_661), s(3_671)).len();
    assert!((575..590).contains(&taken), "{taken}");
}

#[test]
fn the_rate_has_a_floor() {
    for (per_minute, in_ten_minutes) in [(60, 75), (6, 7), (60_000, 300)] {
        let mut bucket = Bucket::new(Pace { per_minute, burst: 3 }, s(0));
        bucket.answered(s(0));
        bucket.limited(s(1), s(1), Some(s(3_600)));
        let taken = turns(&mut bucket, s(3_602), s(3_602 + 600)).len();
        assert!((in_ten_minutes..=in_ten_minutes + 1).contains(&taken), "{per_minute}: {taken}");
    }
}
