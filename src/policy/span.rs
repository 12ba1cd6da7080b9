//! A length of time in whole seconds, as people write it: `90d`, `12h`, `1d12h`. A bare number is none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time in whole seconds, from nothing to a hundred years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(u32);

/// Units, longest first: their letter and their seconds.
const UNITS: [(char, u32); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
/// A hundred years of 365.25 days.
const LONGEST: u32 = 36_525 * 86_400;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From seconds, held at a hundred years.
    pub const fn seconds(n: u32) -> Self {
        Self(if n < LONGEST { n } else { LONGEST })
    }

    /// From minutes, held at a hundred years.
    pub const fn minutes(n: u32) -> Self {
        Self::seconds(n.saturating_mul(60))
    }

    /// From hours, held at a hundred years.
    pub const fn hours(n: u32) -> Self {
        Self::seconds(n.saturating_mul(3_600))
    }

    /// From days, held at a hundred years.
    pub const fn days(n: u32) -> Self {
        Self::seconds(n.saturating_mul(86_400))
    }

    /// Whole seconds.
    pub const fn as_secs(self) -> i64 {
        self.0 as i64
    }

    /// For timers.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// Why a text is no length of time. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// A number stands alone.
    #[error("has a number without a unit")]
    NoUnit,
    /// Something is neither a number nor a unit.
    #[error("is not a length of time")]
    NotASpan,
    /// A unit twice, or a short one before a long one.
    #[error("has its units twice or out of order")]
    Order,
    /// More than a hundred years.
    #[error("is longer than a hundred years")]
    TooLong,
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let mut rest = text;
        let mut units_left = &UNITS[..];
        let mut total: u32 = 0;
        if rest.is_empty() {
            return Err(SpanError::NotASpan);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            if number.is_empty() {
                return Err(SpanError::NotASpan);
            }
            let Some(letter) = after.chars().next() else { return Err(SpanError::NoUnit) };
            if !UNITS.iter().any(|(unit, _)| *unit == letter) {
                return Err(SpanError::NotASpan);
            }
            let at = units_left.iter().position(|(unit, _)| *unit == letter).ok_or(SpanError::Order)?;
            let (_, seconds) = units_left[at];
            let number: u32 = number.parse().map_err(|_| SpanError::TooLong)?;
            total = number.checked_mul(seconds).and_then(|n| total.checked_add(n)).ok_or(SpanError::TooLong)?;
            units_left = &units_left[at + 1..];
            rest = &after[letter.len_utf8()..];
        }
        if total > LONGEST { Err(SpanError::TooLong) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Span {
    /// The shortest text that reads back as this span; of two as short, the one without weeks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written_with = |chosen: u32| {
            let mut left = self.0;
            let mut text = String::new();
            for (at, (letter, seconds)) in UNITS.iter().enumerate() {
                if chosen & (1 << at) != 0 && left >= *seconds {
                    text.push_str(&(left / seconds).to_string());
                    text.push(*letter);
                    left %= seconds;
                }
            }
            (left == 0 && !text.is_empty()).then_some(text)
        };
        // Weeks are the lowest bit: choices without them come first.
        let without_weeks = (1..1_u32 << UNITS.len()).filter(|c| c & 1 == 0);
        let with_weeks = (1..1_u32 << UNITS.len()).filter(|c| c & 1 == 1);
        let shortest = without_weeks.chain(with_weeks).filter_map(written_with).min_by_key(String::len);
        f.pad(shortest.as_deref().unwrap_or("0s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_spans() {
        for (text, seconds, shown) in [
            ("90d", 7_776_000, "90d"),
            ("2w", 1_209_600, "2w"),
            ("7d", 604_800, "7d"),
            ("1d12h", 129_600, "36h"),
            ("1d1s", 86_401, "1d1s"),
            ("90m", 5_400, "90m"),
            ("63d1h", 5_446_800, "9w1h"),
            ("0s", 0, "0s"),
            ("36525d", 3_155_760_000, "36525d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.as_secs(), span.to_string().as_str()), (seconds, shown), "{text}");
        }
        for (text, error) in [
            ("90", SpanError::NoUnit),
            ("1d12", SpanError::NoUnit),
            ("", SpanError::NotASpan),
            ("d", SpanError::NotASpan),
            ("90 d", SpanError::NotASpan),
            ("-1d", SpanError::NotASpan),
            ("1.5d", SpanError::NotASpan),
            ("3mo", SpanError::NotASpan),
            ("٣d", SpanError::NotASpan),
            ("1h1d", SpanError::Order),
            ("1d1d", SpanError::Order),
            ("36526d", SpanError::TooLong),
            ("99999999999999999999s", SpanError::TooLong),
        ] {
            assert_eq!(text.parse::<Span>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(seconds in 0..=LONGEST) {
            let span = Span::seconds(seconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn nothing_panics(text in "[0-9wdhms a]{0,12}") {
            let _ = text.parse::<Span>();
        }
    }
}
