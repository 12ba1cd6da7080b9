//! What rows and numbers are worth: how old everything is that they rest on, and which lists cannot be seen whole. Pages and
//! commands say it in the same words.

use super::{AccountCounts, ScopeRow, Views, told};
use crate::domain::Time;
use crate::inventory::Stored;

/// Polls that may be missed before the data are called old.
const MISSED: i64 = 3;
/// Lists that are named.
const NAMED: usize = 5;
/// What cannot be seen of an account that nothing was read of.
pub const ALL_KEYS: &str = "all keys of the account";

/// How old everything is that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nobody is asked.
    NoAccount,
    /// Nothing was read of any account.
    Unread,
    /// Some open list was never read completely.
    Partly,
    /// Every open list was.
    Whole {
        /// When the oldest of them was.
        since: Time,
        /// That is longer ago than the schedule allows.
        late: bool,
    },
}

impl Age {
    /// Of accounts: the seconds between two polls of each, and its counts where anything was read.
    pub fn of<'a>(accounts: impl Iterator<Item = (i64, Option<&'a AccountCounts>)>, now: Time) -> Self {
        let (mut age, mut any, mut whole) = (Self::NoAccount, false, true);
        for (interval, counts) in accounts {
            any |= counts.is_some();
            let Some(read) = counts.and_then(|counts| counts.read_since) else {
                whole = false;
                continue;
            };
            let is_late = is_late(interval, read, now);
            age = match age {
                Self::Whole { since, late } => Self::Whole { since: since.min(read), late: late || is_late },
                Self::NoAccount | Self::Unread | Self::Partly => Self::Whole { since: read, late: is_late },
            };
        }
        match (whole, any) {
            (true, _) => age,
            (false, true) => Self::Partly,
            (false, false) => Self::Unread,
        }
    }

    /// Since when everything was read; `None` until it was.
    pub const fn since(self) -> Option<Time> {
        match self {
            Self::Whole { since, .. } => Some(since),
            Self::NoAccount | Self::Unread | Self::Partly => None,
        }
    }

    /// Everything was read as lately as the schedule says.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Whole { late: false, .. })
    }

    /// What is said of it; behind that of what was read whole stands since when.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoAccount => "No account is configured.",
            Self::Unread => "No key was read yet. Until a poll has read some, there are no numbers.",
            Self::Partly => "Not everything was read yet: numbers count only what was seen so far.",
            Self::Whole { late: true, .. } => {
                "This is older than the schedule allows: every open list was read completely, the oldest of them"
            }
            Self::Whole { late: false, .. } => "Every open list was read completely, the oldest of them",
        }
    }
}

/// What was read at that time is older than some polls of the schedule.
pub fn is_late(interval: i64, since: Time, now: Time) -> bool {
    now.since(since) > MISSED.saturating_mul(interval).saturating_add(60)
}

/// Lists that cannot be seen whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Some of them.
    pub named: Vec<String>,
    /// How many more there are.
    pub beyond: u64,
}

impl Unseen {
    /// Of accounts that were polled and of which nothing was read, and of some of so many scopes.
    pub fn new<'a>(blind: impl Iterator<Item = &'a str>, scopes: &[ScopeRow], in_all: u64) -> Self {
        let blind = blind.map(|account| format!("{ALL_KEYS} ({account})"));
        let lists = scopes.iter().map(|scope| format!("{} ({})", told::scope(scope), scope.account));
        let mut named: Vec<String> = blind.chain(lists).collect();
        let known = named.len();
        named.truncate(NAMED);
        let beyond = (known - named.len()) as u64 + in_all.saturating_sub(scopes.len() as u64);
        Self { named, beyond }
    }

    /// How many there are.
    pub fn in_all(&self) -> u64 {
        self.named.len() as u64 + self.beyond
    }
}

impl Views {
    /// What rows of these accounts are worth; where none is named, of all that the config named when the inventory was last written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn worth(&self, accounts: Vec<String>) -> Stored<(Age, Unseen)> {
        let counts = self.counts().await?;
        let asked = |name: &String, counts: &AccountCounts| {
            if accounts.is_empty() { counts.configured } else { accounts.contains(name) }
        };
        let of: Vec<(&String, &AccountCounts)> = counts.accounts.iter().filter(|(name, counts)| asked(name, counts)).collect();
        // Where nobody knows how often it is polled, nothing passes for fresh.
        let ages = of.iter().map(|(_, counts)| (counts.interval.unwrap_or(0), counts.is_read().then_some(*counts)));
        let age = Age::of(ages, self.clock().now());
        let blind =
            of.iter().filter(|(_, counts)| counts.last_poll.is_some() && !counts.is_read()).map(|(name, _)| name.as_str());
        let (scopes, in_all) = self.unseen_scopes(accounts.clone(), NAMED as u32).await?;
        Ok((age, Unseen::new(blind, &scopes, in_all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_account_tells_the_age_and_an_unread_one_takes_it_away() {
        let now = Time::from_unix(1_795_000_000);
        let read = |ago: i64| AccountCounts { keys_read: true, read_since: Some(now.plus(-ago)), ..AccountCounts::default() };
        let (fresh, old) = (read(100), read(3 * 3_600 + 61));
        let age = |accounts: &[Option<&AccountCounts>]| Age::of(accounts.iter().map(|counts| (3_600, *counts)), now);
        assert_eq!(age(&[]), Age::NoAccount);
        assert_eq!(age(&[None, None]), Age::Unread);
        assert_eq!(age(&[Some(&fresh), None]), Age::Partly);
        assert_eq!(age(&[Some(&fresh), Some(&AccountCounts { read_since: None, ..read(0) })]), Age::Partly);
        assert_eq!(age(&[Some(&fresh)]), Age::Whole { since: now.plus(-100), late: false });
        for both in [[&fresh, &old], [&old, &fresh]] {
            assert_eq!(age(&both.map(Some)), Age::Whole { since: now.plus(-3 * 3_600 - 61), late: true });
        }
        assert!(age(&[Some(&fresh)]).is_good() && !age(&[Some(&old)]).is_good() && !Age::Partly.is_good());
    }
}
