//! Times and numbers as people read them.

use crate::domain::Time;

/// An instant, relative to now and absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// `2026-11-21T20:33:01Z`.
    pub iso: String,
    /// `21 Nov 2026, 20:33:01 UTC`.
    pub full: String,
    /// `3 days ago`, `in 3 days`.
    pub relative: String,
}

impl Instant {
    /// As it is told at `now`.
    pub fn new(at: Time, now: Time) -> Self {
        Self { iso: at.to_string(), full: full(at), relative: relative(at, now) }
    }
}

fn full(at: Time) -> String {
    formatted(at, "%-d %b %Y, %H:%M:%S UTC")
}

fn formatted(at: Time, format: &str) -> String {
    let instant = jiff::Timestamp::from_second(at.unix());
    instant.map_or_else(|_| at.to_string(), |instant| instant.strftime(format).to_string())
}

/// `21 Nov 2026`.
pub fn date(at: Time) -> String {
    formatted(at, "%-d %b %Y")
}

/// `21 Nov`.
pub fn day_of_month(at: Time) -> String {
    formatted(at, "%-d %b")
}

/// `3 days ago`, `in 3 days`, `just now`.
pub fn relative(at: Time, now: Time) -> String {
    let passed = now.since(at);
    match passed {
        0..5 => "just now".to_owned(),
        5.. => format!("{} ago", span(passed)),
        ..0 => format!("in {}", span(passed.saturating_neg())),
    }
}

/// A length of time in its largest fitting unit, rounded down: nothing is called older than it is.
pub fn span(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let (number, unit) = if seconds >= 730 * DAY {
        (seconds / (365 * DAY), "year")
    } else if seconds >= 2 * DAY {
        (seconds / DAY, "day")
    } else if seconds >= 2 * HOUR {
        (seconds / HOUR, "hour")
    } else if seconds >= 2 * MINUTE {
        (seconds / MINUTE, "minute")
    } else {
        (seconds, "second")
    };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

/// `1,234,567`.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 key`, `2 keys`.
pub fn several(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {one}s", number(count)) }
}

/// A word of a closed list as it stands in a sentence: `scope_closed` as `scope closed`.
pub fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_and_never_too_old() {
        let now = Time::from_unix(1_795_000_000);
        let ago = |seconds: i64| relative(now.plus(-seconds), now);
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(59), "59 seconds ago");
        assert_eq!(ago(119), "119 seconds ago");
        assert_eq!(ago(120), "2 minutes ago");
        assert_eq!(ago(2 * 86_400 - 1), "47 hours ago");
        assert_eq!(ago(89 * 86_400 + 86_399), "89 days ago");
        assert_eq!(ago(800 * 86_400), "2 years ago");
        assert_eq!(ago(-3 * 86_400), "in 3 days");
        assert_eq!(ago(-1), "in 1 second");
        assert_eq!(Instant::new(now, now).full, "18 Nov 2026, 11:06:40 UTC");
        assert_eq!((date(now), day_of_month(now)), ("18 Nov 2026".to_owned(), "18 Nov".to_owned()));
    }

    #[test]
    fn numbers_are_grouped() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(count), text);
        }
        assert_eq!((several(1, "list"), several(1_000, "list")), ("1 list".to_owned(), "1,000 lists".to_owned()));
    }
}
