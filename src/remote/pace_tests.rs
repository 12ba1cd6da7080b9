//! The queue, in paused time.

use super::*;
use crate::domain::Time;

const PACE: Pace = Pace { per_minute: 60, burst: 3 };

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
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
