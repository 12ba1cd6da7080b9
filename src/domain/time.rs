//! An instant in whole seconds since 1970, UTC.

use std::fmt;

/// An instant, rounded down to the second. What people and databases see of it is ISO 8601 ending in `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(i64);

impl Time {
    /// 2015-01-01: no provider that we read is older.
    const EARLIEST: i64 = 1_420_070_400;
    /// 2100-01-01: anything later is milliseconds taken for seconds, or garbage.
    const LATEST: i64 = 4_102_444_800;

    /// From seconds since 1970 that we made or stored ourselves.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// From seconds that a remote sent: nothing before 2015 or after 2099 is a time.
    pub const fn from_remote_unix(seconds: i64) -> Option<Self> {
        if seconds >= Self::EARLIEST && seconds < Self::LATEST { Some(Self(seconds)) } else { None }
    }

    /// From RFC 3339 text that a remote sent, fractions rounded down; the same bounds.
    pub fn from_remote_rfc3339(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        // `as_second` rounds towards zero, which is down for everything after 1970.
        Self::from_remote_unix(instant.as_second())
    }

    /// Seconds since 1970.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This instant moved by that many seconds, held at the ends of the range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this instant; negative where it lies before.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(instant) => f.pad(&instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Err(_) => f.pad("out of range"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_times_have_bounds() {
        assert_eq!(Time::from_remote_unix(0), None);
        let taken = |text: &str| Time::from_remote_rfc3339(text).is_some();
        assert_eq!((taken("2014-12-31T23:59:59Z"), taken("2015-01-01T00:00:00Z")), (false, true));
        assert_eq!((taken("2099-12-31T23:59:59Z"), taken("2100-01-01T00:00:00Z")), (true, false));
        assert_eq!(Time::from_remote_unix(1_700_000_000_000), None, "milliseconds are not guessed at");
        assert_eq!(
            Time::from_remote_rfc3339("2026-11-21T20:33:01.999Z").map(|t| t.to_string()).as_deref(),
            Some("2026-11-21T20:33:01Z")
        );
        assert_eq!(Time::from_remote_rfc3339("9999-01-01T00:00:00Z"), None);
        assert_eq!(Time::from_remote_rfc3339("yesterday"), None);
    }
}
