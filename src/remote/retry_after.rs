//! Reads dates and `Retry-After` of answers; pure.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::domain::Time;

/// How long a provider asks to wait. Seconds or an HTTP date (RFC 9110, section 10.2.3); a date that passed is no wait at
/// all; anything else counts as no header.
pub(super) fn retry_after(value: &str, now: Time) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not fit are a very long wait, not garbage.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    Some(Duration::from_secs(u64::try_from(until.since(now)).unwrap_or(0)))
}

/// An HTTP date in the one form that may still be sent, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(super) fn http_date(value: &str) -> Option<Time> {
    let value = value.trim();
    if !value.ends_with(" GMT") {
        return None;
    }
    let instant = DateTimeParser::new().parse_timestamp(value).ok()?;
    Time::from_remote_unix(instant.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T20:33:01Z.
    const NOW: Time = Time::from_unix(1_795_293_181);

    #[test]
    fn eight_values() {
        for (value, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("1000000000", Some(1_000_000_000)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sat, 21 Nov 2026 20:33:31 GMT", Some(30)),
            ("Sat, 21 Nov 2026 20:32:31 GMT", Some(0)),
            ("Sat, 21 Nov 9926 20:33:31 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("+5", None),
            ("soon", None),
            ("", None),
            ("2026-11-21T20:33:31Z", None),
            ("Sat, 31 Feb 2026 20:33:31 GMT", None),
            ("\u{661}", None),
        ] {
            assert_eq!(retry_after(value, NOW), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(http_date("Sat, 21 Nov 2026 20:33:01 GMT"), Some(NOW));
        assert_eq!(http_date("Sat, 21 Nov 2026 20:33:01 +0100"), None);
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), None);
    }
}
