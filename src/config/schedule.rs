//! When an account is due: ordinary cron in UTC, of five fields, or six with seconds first, or `@hourly` and the like.
//!
//! Computes; it does not wait. Patterns that mean different things to different programs are refused.

use std::fmt;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::Time;
use crate::policy::Span;

/// A checked schedule.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    six_fields: String,
    cron: Cron,
    shortest_gap: Span,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Cron does not understand it, in its own words.
    #[error("is no cron pattern ({0})")]
    Pattern(String),
    /// Day of month and weekday at once.
    #[error("restricts both day of month and weekday, which some programs read as *and*, others as *or*")]
    BothDays,
    /// No day ever matches.
    #[error("has no next run")]
    NeverRuns,
}

/// Where searches begin that are about the pattern alone, so that reading a config needs no clock: 2026-01-01, a Thursday.
const REFERENCE: Time = Time::from_unix(1_767_225_600);
const DAY: u32 = 86_400;

impl Schedule {
    /// Checks a pattern. Names of days and months, ranges, steps, lists, `L`, `W` and `#` are understood; years are not.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let cron = CronParser::builder().year(Year::Disallowed).build().parse(text).map_err(in_its_words)?;
        let fields = &cron.pattern;
        if fields.matches_dom_and_dow() || !(fields.is_dom_wildcard() || fields.is_dow_wildcard()) {
            return Err(ScheduleError::BothDays);
        }
        next(&cron, REFERENCE).ok_or(ScheduleError::NeverRuns)?;
        let six_fields = six_fields(&cron);
        let shortest_gap = shortest_gap(&cron);
        Ok(Self { text: text.trim().to_owned(), six_fields, cron, shortest_gap })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same in six fields of numbers and `*`, with seconds first, as tokio-cron-scheduler wants it. Letters remain only in
    /// days that `L`, `W` or `#` choose.
    pub fn six_fields(&self) -> &str {
        &self.six_fields
    }

    /// The first run after that instant; `None` past the year 5000.
    pub fn next_after(&self, time: Time) -> Option<Time> {
        next(&self.cron, time)
    }

    /// The last run before that instant; `None` where the calendar ends.
    pub fn previous_before(&self, time: Time) -> Option<Time> {
        let found = self.cron.find_previous_occurrence(&civil(time)?, false).ok()?;
        instant(found)
    }

    /// The shortest time between two runs.
    pub const fn shortest_gap(&self) -> Span {
        self.shortest_gap
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schedule").field(&self.text).field(&self.six_fields).finish()
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.six_fields == other.six_fields
    }
}

impl Eq for Schedule {}

/// What cron says of a pattern, without the pieces of the pattern that it repeats: nobody knows what was pasted there.
fn in_its_words(error: CronError) -> ScheduleError {
    let text = match &error {
        CronError::IllegalCharacters(_) => "a field holds a character that it cannot hold".to_owned(),
        CronError::InvalidPattern(text) | CronError::ComponentError(text) => text.clone(),
        CronError::EmptyPattern | CronError::InvalidDate | CronError::InvalidTime | CronError::TimeSearchLimitExceeded => {
            error.to_string()
        }
    };
    ScheduleError::Pattern(text.trim_end_matches('.').to_owned())
}

fn civil(time: Time) -> Option<DateTime> {
    let instant = jiff::Timestamp::from_second(time.unix()).ok()?;
    Some(instant.to_zoned(TimeZone::UTC).datetime())
}

fn instant(civil: DateTime) -> Option<Time> {
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Time::from_unix(zoned.timestamp().as_second()))
}

fn next(cron: &Cron, time: Time) -> Option<Time> {
    let found = cron.find_next_occurrence(&civil(time)?, false).ok()?;
    instant(found)
}

/// Written out, so that an older cron reads it in no other way: it knows other short forms of steps, and other nicknames.
fn six_fields(cron: &Cron) -> String {
    let parts: Vec<&str> = cron.as_str().split_whitespace().collect();
    // Days stand at the third and fifth place of five fields, and one later in six.
    let shift = parts.len().saturating_sub(5);
    let p = &cron.pattern;
    let fields = [
        (&p.seconds, 60, None),
        (&p.minutes, 60, None),
        (&p.hours, 24, None),
        (&p.days, 31, parts.get(2 + shift)),
        (&p.months, 12, None),
        (&p.days_of_week, 7, parts.get(4 + shift)),
    ];
    let written = fields.map(|(field, all, raw)| {
        let values = field.values();
        if field.has_modifiers() {
            raw.map_or("*", |raw| raw).replace('?', "*")
        } else if values.len() == all {
            "*".to_owned()
        } else {
            values.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
        }
    });
    written.join(" ")
}

/// The shortest time between two runs: within a day, or from a day's last run to the first of the next day that has any.
fn shortest_gap(cron: &Cron) -> Span {
    let p = &cron.pattern;
    let mut runs: Vec<u32> = Vec::new();
    for hour in p.hours.values() {
        for minute in p.minutes.values() {
            runs.extend(p.seconds.values().iter().map(|s| u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(*s)));
        }
    }
    let within = runs.windows(2).map(|pair| pair[1] - pair[0]).min();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Span::days(1) };
    let days = u32::try_from(fewest_days(cron)).unwrap_or(u32::MAX);
    let across = days.saturating_mul(DAY).saturating_sub(*last).saturating_add(*first);
    Span::seconds(within.map_or(across, |within| within.min(across)))
}

/// The fewest days from one day with runs to the next, over a whole round of leap years and weekdays.
fn fewest_days(cron: &Cron) -> i64 {
    const DAYS_LOOKED_AT: usize = 1600;
    const ROUND: i64 = 28 * 1461 / 4;
    let day_of = |time: Time| time.unix().div_euclid(i64::from(DAY));
    let mut fewest = i64::MAX;
    let Some(first) = next(cron, REFERENCE).map(day_of) else { return fewest };
    let mut day = first;
    for _ in 0..DAYS_LOOKED_AT {
        let end_of_day = Time::from_unix((day + 1) * i64::from(DAY) - 1);
        let Some(following) = next(cron, end_of_day).map(day_of) else { break };
        fewest = fewest.min(following - day);
        if fewest == 1 || following - first > ROUND {
            break;
        }
        day = following;
    }
    fewest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Time {
        Time::from_remote_rfc3339(text).unwrap()
    }

    const GOOD: [(&str, &str, &str); 17] = [
        ("@hourly", "0 0 * * * *", "1h"),
        ("@daily", "0 0 0 * * *", "1d"),
        ("@weekly", "0 0 0 * * 0", "7d"),
        ("@monthly", "0 0 0 1 * *", "28d"),
        ("*/15 * * * *", "0 0,15,30,45 * * * *", "15m"),
        ("0,50 * * * *", "0 0,50 * * * *", "10m"),
        ("*/10 * * * * *", "0,10,20,30,40,50 * * * * *", "10s"),
        ("* * * * * *", "* * * * * *", "1s"),
        ("0 6 * * mon-fri", "0 0 6 * * 1,2,3,4,5", "1d"),
        ("0 6 * * 7", "0 0 6 * * 0", "7d"),
        ("0 23,1 * * *", "0 0 1,23 * * *", "2h"),
        ("0 23,1 * * 1", "0 0 1,23 * * 1", "22h"),
        ("30 4 1,15 * *", "0 30 4 1,15 * *", "14d"),
        ("0 0 28,1 * *", "0 0 0 1,28 * *", "1d"),
        ("0 0 29 2 *", "0 0 0 29 2 *", "1461d"),
        ("0 0 L * *", "0 0 0 L * *", "28d"),
        ("0 9 ? * mon#1", "0 0 9 * * 1#1", "28d"),
    ];

    #[test]
    fn good_patterns() {
        for (text, six_fields, gap) in GOOD {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!((schedule.six_fields(), Ok(schedule.shortest_gap())), (six_fields, gap.parse()), "{text}");
            let again = Schedule::parse(six_fields).unwrap();
            let mut at = time("2026-11-21T20:33:01Z");
            for _ in 0..20 {
                let next = schedule.next_after(at);
                assert_eq!(next, again.next_after(at), "{text}: both texts mean the same");
                at = next.unwrap();
            }
        }
    }

    #[test]
    fn the_scheduler_understands_what_it_is_given() {
        for (text, six_fields, _) in GOOD {
            let job = tokio_cron_scheduler::Job::new(six_fields, |_, _| {});
            assert!(job.is_ok(), "{text}: {six_fields}");
        }
    }

    #[test]
    fn runs_before_and_after() {
        let schedule = Schedule::parse("*/15 * * * *").unwrap();
        let now = time("2026-11-21T20:30:00Z");
        assert_eq!(schedule.next_after(now), Some(time("2026-11-21T20:45:00Z")));
        assert_eq!(schedule.previous_before(now), Some(time("2026-11-21T20:15:00Z")));
    }

    #[test]
    fn refused_patterns() {
        for (text, error) in [
            ("0 0 1 * 1", ScheduleError::BothDays),
            ("0 0 1 * */2", ScheduleError::BothDays),
            ("0 0 * * +1", ScheduleError::BothDays),
            ("0 0 30 2 *", ScheduleError::NeverRuns),
        ] {
            assert_eq!(Schedule::parse(text), Err(error), "{text}");
        }
        for text in ["", "hourly", "@minutely", "* * * *", "61 * * * *", "5/5 * * * *", "0 0 0 1 1 * 2027", "0 0 * * xyz"] {
            assert!(matches!(Schedule::parse(text), Err(ScheduleError::Pattern(_))), "{text}: {:?}", Schedule::parse(text));
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_and_gaps_are_true(text in "(@[a-z]{1,7}|([0-9*/,?LW#+-]{1,5} ){4,6}[0-9*/,?L#-]{1,4})") {
            if let Ok(schedule) = Schedule::parse(&text) {
                let mut at = REFERENCE;
                for _ in 0..5 {
                    let (Some(first), Some(second)) = (schedule.next_after(at), schedule.next_after(schedule.next_after(at).unwrap()))
                    else { break };
                    prop_assert!(second.since(first) >= schedule.shortest_gap().as_secs(), "{}", text);
                    prop_assert_eq!(schedule.previous_before(second), Some(first));
                    at = first;
                }
            }
        }
    }
}
