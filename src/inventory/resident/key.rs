//! One key as it is kept in memory: 52 bytes, numbers only.

use crate::domain::{Basis, Condition, Time};
use crate::inventory::error::{StoreError, Stored};

/// What pages choose and order by, and what is counted. Texts stay in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The row that it is stored in.
    pub row: Row,
    /// Rows of other tables: its account, its home, its owner and its labels.
    pub account: Row,
    pub home: Row,
    pub owner: Option<Row>,
    pub labels: Option<Row>,
    pub created: Second,
    pub used: Second,
    pub expires: Second,
    pub waived_until: Second,
    /// What is told here of conditions holds until then, unless something is written.
    pub next: Second,
    /// A claim about use whose time has come waits until the key was seen then or later.
    pub claim: Second,
    /// When it was first listed.
    pub seen: Day,
    pub kind: u8,
    pub presence: u8,
    pub conditions: Conditions,
    pub flags: Flags,
}

/// The number of a row, from 1. A file with over four thousand million of them cannot be kept in memory anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row(std::num::NonZeroU32);

impl Row {
    pub fn new(id: i64) -> Stored<Self> {
        let row = u32::try_from(id).ok().and_then(std::num::NonZeroU32::new).map(Self);
        row.ok_or_else(|| StoreError::Inconsistent { what: format!("row {id}"), column: "id" })
    }

    pub fn id(self) -> i64 {
        i64::from(self.0.get())
    }

    pub fn number(self) -> u32 {
        self.0.get()
    }

    pub fn index(self) -> usize {
        self.0.get() as usize
    }
}

/// A time to the second, or none. Times of remotes lie between 2015 and 2099; our own that lie outside of 1970 to 2106 (a policy may
/// count in centuries) are told as the nearest of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(u32);

impl Second {
    /// Later than every time.
    pub const NONE: Self = Self(u32::MAX);

    /// Not later than any.
    pub const FIRST: Self = Self(0);

    pub fn new(unix: Option<i64>) -> Self {
        unix.map_or(Self::NONE, |unix| Self(u32::try_from(unix.clamp(0, i64::from(u32::MAX - 1))).unwrap_or(u32::MAX - 1)))
    }

    pub fn of(time: Time) -> Self {
        Self::new(Some(time.unix()))
    }

    pub fn time(self) -> Option<Time> {
        (self != Self::NONE).then(|| Time::from_unix(i64::from(self.0)))
    }

    /// As a number that orders like it; what is none is greater than all.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A day by its number since 1970, UTC; what lies behind the year 2149 is told as its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day(u16);

impl Day {
    pub fn of(unix: i64) -> Self {
        Self(u16::try_from(unix.div_euclid(86_400).max(0)).unwrap_or(u16::MAX))
    }

    pub fn number(self) -> i64 {
        self.0.into()
    }
}

/// The conditions that hold, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Conditions(pub u8);

impl Conditions {
    pub fn of(conditions: &[Condition]) -> Self {
        Self(conditions.iter().fold(0, |bits, condition| bits | 1 << (*condition as u8)))
    }

    pub fn any(self) -> bool {
        self.0 != 0
    }

    pub fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn list(self) -> Vec<Condition> {
        Condition::ALL.iter().copied().filter(|condition| self.any_of(Self::of(&[*condition]))).collect()
    }
}

/// What else is yes or no, or one of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

/// Whether a moment is a time, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    At,
    Never,
    NotReported,
}

/// Who tells whether a claim about use holds whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Its home, read completely since it lists the key; or there is no such claim.
    ByHome,
    /// Nobody yet, or who once did; no list but its home could.
    NotYet,
    /// Whichever other list has it too.
    ByOthers,
}

impl Flags {
    const USED: u32 = 2;
    const EXPIRES: u32 = 4;
    const BASIS: u32 = 6;

    pub fn new(told: Told, used: State, expires: State, basis: Option<Basis>) -> Self {
        let basis = basis.map_or(0, |basis| basis as u8 + 1);
        Self(told as u8 | (used as u8) << Self::USED | (expires as u8) << Self::EXPIRES | basis << Self::BASIS)
    }

    pub fn told(self) -> Told {
        match self.0 & 3 {
            0 => Told::ByHome,
            1 => Told::NotYet,
            _ => Told::ByOthers,
        }
    }

    pub fn used(self) -> State {
        State::from_bits(self.0 >> Self::USED)
    }

    pub fn expires(self) -> State {
        State::from_bits(self.0 >> Self::EXPIRES)
    }

    /// What stale rests on, where it is stale.
    pub fn basis(self) -> Option<Basis> {
        Basis::ALL.get(usize::from((self.0 >> Self::BASIS) & 3).wrapping_sub(1)).copied()
    }
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::At,
            1 => Self::Never,
            _ => Self::NotReported,
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "at" => Ok(Self::At),
            "never" => Ok(Self::Never),
            "not_reported" => Ok(Self::NotReported),
            other => Err(format!("'{other}' is no state of a moment")),
        }
    }
}

impl Key {
    /// A waiver accepts its conditions, if there are any.
    pub fn is_waived(&self, now: Time) -> bool {
        self.waived_until != Second::NONE && self.waived_until > Second::of(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        for told in [Told::ByHome, Told::NotYet, Told::ByOthers] {
            for (used, expires) in
                [(State::At, State::Never), (State::NotReported, State::At), (State::Never, State::NotReported)]
            {
                for basis in [None, Some(Basis::LastUse), Some(Basis::NeverUsed), Some(Basis::Age)] {
                    let flags = Flags::new(told, used, expires, basis);
                    assert_eq!((flags.told(), flags.used(), flags.expires(), flags.basis()), (told, used, expires, basis));
                }
            }
        }
        for condition in Condition::ALL {
            assert_eq!(Conditions::of(&[*condition]).list(), [*condition]);
        }
        assert_eq!(size_of::<Key>(), 52);
    }
}
