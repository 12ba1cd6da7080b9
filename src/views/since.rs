//! Since when changes are asked for.

use crate::domain::Time;
use crate::policy::Span;

/// Since when: a length of time before now, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Before(Span),
    /// From then on.
    At(Time),
}

impl Since {
    /// `7d`, `2026-11-01` or `2026-11-01T08:00:00Z`.
    ///
    /// # Errors
    /// It is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Before(span));
        }
        let midnight = format!("{text}T00:00:00Z");
        let instant = Time::from_remote_rfc3339(text).or_else(|| Time::from_remote_rfc3339(&midnight));
        instant.map(Self::At).ok_or_else(|| "write a length of time (7d, 12h), a day (2026-11-01) or an instant".to_owned())
    }

    /// The instant.
    pub fn instant(self, now: Time) -> Time {
        match self {
            Self::Before(span) => now.plus(-span.as_secs()),
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_a_day_or_an_instant() {
        let now = Time::from_unix(1_795_000_000);
        let since = |text: &str| Since::parse(text).map(|since| since.instant(now).to_string());
        assert_eq!(since("7d").as_deref(), Ok("2026-11-11T11:06:40Z"));
        assert_eq!(since("2026-11-01").as_deref(), Ok("2026-11-01T00:00:00Z"));
        assert_eq!(since("2026-11-01T08:00:00Z").as_deref(), Ok("2026-11-01T08:00:00Z"));
        for bad in ["", "yesterday", "2026-13-01", "7"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
