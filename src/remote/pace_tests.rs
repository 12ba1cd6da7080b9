//! The bucket by itself, then the queue in paused time.

use super::*;
use crate::domain::Time;

const PACE: Pace = Pace { per_minute: 60, burst: 3 };

fn s(seconds: u64) -> Duration {
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
    assert!((bucket.rate - 0.5).abs() < 1e-9);
    bucket.limited(s(10), s(12), Some(s(120)));
    assert_eq!(bucket.take(s(12)), Turn::In(s(120)), "a later and longer wait counts");
    bucket.limited(s(10), s(12), Some(s(5)));
    assert_eq!(bucket.take(s(12)), Turn::In(s(120)), "a shorter one does not");
    bucket.answered(s(10));
    assert_eq!(bucket.strikes, 1, "a good answer to an older request proves nothing");
    bucket.answered(s(140));
    bucket.limited(s(10), s(141), None);
    assert_eq!((bucket.strikes, bucket.take(s(141))), (0, Turn::Now), "nor does a late refusal, once others were answered");
}

#[test]
fn a_named_time_is_kept_within_bounds() {
    for (named, pause) in [(0, 1), (7, 7), (900, 900), (1_000_000_000, 3_600), (u64::MAX, 3_600)] {
        let mut bucket = bucket();
        bucket.limited(s(10), s(10), Some(s(named)));
        assert_eq!(bucket.take(s(10)), Turn::In(s(pause)), "{named}");
    }
}

#[test]
fn the_rate_halves_to_a_floor_and_comes_back() {
    let mut bucket = bucket();
    let mut now = s(0);
    for rate in [0.5, 0.25, 0.125, 0.125, 0.125] {
        now += s(1);
        bucket.limited(now, now, Some(s(1)));
        assert!((bucket.rate - rate).abs() < 1e-9, "{} for {rate}", bucket.rate);
    }
    now += s(10);
    for _ in 0..27 {
        bucket.answered(now);
    }
    assert!(bucket.rate < 1.0);
    bucket.answered(now);
    assert!((bucket.rate - 1.0).abs() < 1e-9);
    bucket.answered(now);
    assert!((bucket.rate - 1.0).abs() < 1e-9, "never above what was configured");
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
        assert!(bucket.strikes <= 1, "no request is refused twice in a row");
    }
    assert!(refused <= 14, "{refused}");
}

fn paces() -> Paces {
    Paces::new(PACE, Clock::runtime(Time::from_unix(1_800_000_000)))
}

#[tokio::test(start_paused = true)]
async fn the_queue_keeps_the_pace_and_endpoints_do_not_share() {
    let paces = paces();
    let started = tokio::time::Instant::now();
    for _ in 0..5 {
        paces.of("/a").turn(&|_| {}).await.unwrap();
    }
    let waited = started.elapsed().as_secs_f64();
    assert!((1.99..2.1).contains(&waited), "{waited}");
    paces.of("/b").turn(&|_| {}).await.unwrap();
    assert!(started.elapsed().as_secs_f64() < 2.1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_takes_no_turn() {
    let endpoint = paces().of("/a");
    for _ in 0..3 {
        endpoint.turn(&|_| {}).await.unwrap();
    }
    for _ in 0..50 {
        assert!(tokio::time::timeout(Duration::from_millis(1), endpoint.turn(&|_| {})).await.is_err());
    }
    let started = tokio::time::Instant::now();
    endpoint.turn(&|_| {}).await.unwrap();
    assert!(started.elapsed() < s(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_those_who_wait_already() {
    let endpoint = paces().of("/a");
    let mut sent_at = Duration::ZERO;
    for _ in 0..3 {
        sent_at = endpoint.turn(&|_| {}).await.unwrap();
    }
    let waiting = tokio::spawn({
        let endpoint = Arc::clone(&endpoint);
        async move { endpoint.turn(&|_| {}).await }
    });
    tokio::task::yield_now().await;
    endpoint.limited(sent_at, None);
    let started = tokio::time::Instant::now();
    waiting.await.unwrap().unwrap();
    assert!(started.elapsed() >= s(60), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_no_poll_has_is_refused_at_once() {
    let endpoint = paces().of("/a");
    let sent_at = endpoint.turn(&|_| {}).await.unwrap();
    endpoint.limited(sent_at, Some(s(7_200)));
    let started = tokio::time::Instant::now();
    assert_eq!(endpoint.turn(&|_| {}).await.unwrap_err().reason, Reason::RateLimited);
    assert_eq!(started.elapsed(), Duration::ZERO);
}
