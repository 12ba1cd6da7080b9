//! As of when an inventory is asked for.

use crate::domain::Time;

/// As of when: the end of a day, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The end of the day that begins then; of today, now.
    Day(Time),
    /// That instant.
    At(Time),
}

/// An instant that is yet to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} lies ahead: it is {now}")]
pub struct LiesAhead {
    /// What was asked for.
    pub asked: Time,
    /// What the clock says.
    pub now: Time,
}

impl AsOf {
    /// `2026-11-01`, which means its last second, or `2026-11-01T08:00:00Z`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let midnight = Time::from_remote_rfc3339(&format!("{text}T00:00:00Z")).map(Self::Day);
        midnight
            .or_else(|| Time::from_remote_rfc3339(text).map(Self::At))
            .ok_or_else(|| "write a day (2026-11-01, which means its end) or an instant (2026-11-01T08:00:00Z)".to_owned())
    }

    /// The instant, which is never after `now`.
    ///
    /// # Errors
    /// It lies ahead.
    pub fn instant(self, now: Time) -> Result<Time, LiesAhead> {
        let (begins, asked) = match self {
            Self::Day(begins) => (begins, begins.plus(24 * 60 * 60 - 1).min(now)),
            Self::At(at) => (at, at),
        };
        if begins > now { Err(LiesAhead { asked: begins, now }) } else { Ok(asked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_of_its_end_and_today_as_of_now() {
        let now = Time::from_unix(1_795_000_000);
        let as_of = |text: &str| AsOf::parse(text).map(|as_of| as_of.instant(now).map_err(|ahead| ahead.to_string()));
        let at = |text: &str| Ok(Ok(Time::from_remote_rfc3339(text).unwrap()));
        assert_eq!(now.to_string(), "2026-11-18T11:06:40Z");
        assert_eq!(as_of("2026-11-01"), at("2026-11-01T23:59:59Z"));
        assert_eq!(as_of("2026-11-18"), Ok(Ok(now)));
        assert_eq!(as_of("2026-11-01T08:00:00Z"), at("2026-11-01T08:00:00Z"));
        assert_eq!(as_of("2026-11-19"), Ok(Err("2026-11-19T00:00:00Z lies ahead: it is 2026-11-18T11:06:40Z".to_owned())));
        assert_eq!(
            as_of("2026-11-18T11:06:41Z"),
            Ok(Err("2026-11-18T11:06:41Z lies ahead: it is 2026-11-18T11:06:40Z".to_owned()))
        );
        for bad in ["", "7d", "yesterday", "2026-02-30"] {
            assert!(AsOf::parse(bad).is_err(), "{bad}");
        }
    }
}
