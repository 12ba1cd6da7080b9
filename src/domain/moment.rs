//! A time as a provider tells it.

use super::Time;

/// What a provider says of a time: three values, never a bare null. "Never used" is a claim, "not reported" is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// It happened, or will happen, then.
    At(Time),
    /// The provider says that it never did, or never will.
    Never,
    /// The provider does not say.
    NotReported,
}

impl Moment {
    /// The instant, where there is one.
    pub const fn at(self) -> Option<Time> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::NotReported => None,
        }
    }

    /// The word of the `…_state` columns.
    pub const fn state(self) -> &'static str {
        match self {
            Self::At(_) => "at",
            Self::Never => "never",
            Self::NotReported => "not_reported",
        }
    }

    /// Back from the two columns; `None` where they contradict each other.
    pub fn from_columns(at: Option<i64>, state: &str) -> Option<Self> {
        match (at, state) {
            (Some(seconds), "at") => Some(Self::At(Time::from_unix(seconds))),
            (None, "never") => Some(Self::Never),
            (None, "not_reported") => Some(Self::NotReported),
            (_, _) => None,
        }
    }
}
