//! Which moments of keys are asked for: those in a stretch of time, or those that are no time.

use std::fmt;

use rusqlite::types::Value;

use crate::domain::Time;

/// Which moments: those from one instant to another, both included, or one of the two that are no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From then, to then; open where there is `None`, but not at both ends.
    Between(Option<Time>, Option<Time>),
    /// *Never*.
    Never,
    /// *Not reported*.
    NotReported,
}

const DAY: i64 = 24 * 60 * 60;
/// What stands between two ends.
const TO: &str = "..";
const NEVER: &str = "never";
const NOT_REPORTED: &str = "not_reported";

impl When {
    /// What [`When::parse`] takes.
    pub const INSTEAD: &'static str = "a day (2026-11-01), days from and to (2026-11-01..2026-11-30, either of which may be left out), \
                                       instants instead of days (2026-11-01T08:00:00Z), never or not_reported";

    /// `2026-11-01`, `2026-11-01..2026-11-30`, `2026-11-01..`, `..2026-11-30`, `never`, `not_reported`; or instants instead of days. A
    /// day begins with its first second and ends with its last.
    ///
    /// # Errors
    /// It is none of them, or ends before it begins.
    pub fn parse(text: &str) -> Result<Self, String> {
        let between = || {
            let (from, to) = text.split_once(TO).unwrap_or((text, text));
            let end = |text: &str, of_day: &str| (!text.is_empty()).then(|| instant(text, of_day));
            let (from, to) = (end(from, "T00:00:00Z"), end(to, "T23:59:59Z"));
            match (from, to) {
                (Some(None), _) | (_, Some(None)) | (None, None) => None,
                (from, to) => Some((from.flatten(), to.flatten())),
            }
        };
        match text {
            NEVER => return Ok(Self::Never),
            NOT_REPORTED => return Ok(Self::NotReported),
            _ => {}
        }
        match between() {
            Some((Some(from), Some(to))) if to < from => Err(format!("{from} lies behind {to}: write the earlier one first")),
            Some((from, to)) => Ok(Self::Between(from, to)),
            None => Err(format!("it is {}", Self::INSTEAD)),
        }
    }

    /// As a condition on a column of times and the one of its state beside it, with the values that it names.
    pub(super) fn term(self, columns: Columns) -> (String, Vec<(&'static str, Value)>) {
        let Columns { at, state, from: from_name, to: to_name } = columns;
        match self {
            Self::Never => (state.map_or("false".to_owned(), |state| format!("{state} = 'never'")), Vec::new()),
            Self::NotReported => {
                (state.map_or_else(|| format!("{at} IS NULL"), |state| format!("{state} = 'not_reported'")), Vec::new())
            }
            Self::Between(from, to) => {
                let ends = [(">=", from_name, from), ("<=", to_name, to)];
                let ends = ends.into_iter().filter_map(|(sign, name, end)| Some((sign, name, end?)));
                let (terms, values): (Vec<String>, Vec<_>) =
                    ends.map(|(sign, name, end)| (format!("{at} {sign} {name}"), (name, Value::from(end.to_string())))).unzip();
                (terms.join(" AND "), values)
            }
        }
    }
}

/// Where a moment stands in the view `keys`, and what its ends are called in a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub at: &'static str,
    /// `None` where all that is no time is not reported.
    pub state: Option<&'static str>,
    pub from: &'static str,
    pub to: &'static str,
}

pub(super) const CREATED: Columns = Columns { at: "created_at", state: None, from: ":created_from", to: ":created_to" };
pub(super) const LAST_USED: Columns =
    Columns { at: "last_used_at", state: Some("last_used_state"), from: ":last_used_from", to: ":last_used_to" };
pub(super) const EXPIRES: Columns =
    Columns { at: "expires_at", state: Some("expires_state"), from: ":expires_from", to: ":expires_to" };

/// An instant, or that second of a day.
fn instant(text: &str, of_day: &str) -> Option<Time> {
    Time::from_remote_rfc3339(&format!("{text}{of_day}")).or_else(|| Time::from_remote_rfc3339(text))
}

/// A day where the end is one of a day, else the instant.
fn end(at: Option<Time>, of_day: i64) -> String {
    let Some(at) = at else { return String::new() };
    let text = at.to_string();
    if at.unix().rem_euclid(DAY) == of_day { text.chars().take(10).collect() } else { text }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str(NEVER),
            Self::NotReported => f.write_str(NOT_REPORTED),
            Self::Between(from, to) => {
                let (from, to) = (end(*from, 0), end(*to, DAY - 1));
                if from == to { f.write_str(&from) } else { write!(f, "{from}{TO}{to}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_what_is_written_is_read_again() {
        let at = |text: &str| Time::from_remote_rfc3339(text);
        let (begin, end) = (at("2026-11-01T00:00:00Z"), at("2026-11-01T23:59:59Z"));
        for (text, when) in [
            ("never", When::Never),
            ("not_reported", When::NotReported),
            ("2026-11-01", When::Between(begin, end)),
            ("2026-11-01..2026-11-30", When::Between(begin, at("2026-11-30T23:59:59Z"))),
            ("2026-11-01..", When::Between(begin, None)),
            ("..2026-11-01", When::Between(None, end)),
            ("2026-11-01T08:00:00Z..2026-11-01", When::Between(at("2026-11-01T08:00:00Z"), end)),
            ("2026-11-01T08:00:00Z", When::Between(at("2026-11-01T08:00:00Z"), at("2026-11-01T08:00:00Z"))),
        ] {
            assert_eq!(When::parse(text), Ok(when), "{text}");
            assert_eq!(when.to_string(), text);
        }
        for bad in ["", "..", "soon", "2026-13-01", "2026-02-30", "2026-11-01...2026-11-30", "2026-11-01..x", "7d", "1999-01-01"]
        {
            assert!(When::parse(bad).is_err_and(|why| why.starts_with("it is a day")), "{bad}");
        }
        assert!(When::parse("2026-11-02..2026-11-01").is_err_and(|why| why.contains("the earlier one first")));
    }
}
