//! What stands around every page: where it leads, how old its data are, and what cannot be seen.

use super::App;
use super::as_of::Banner;
use super::cards::{Account, NOT_READ};
use crate::domain::Time;
use crate::views;
use crate::views::shown::{Instant, several};
use crate::views::{AccountCounts, AccountFacts, Age, Counts, Overview, Unseen};

/// A page that the navigation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Keys,
    Owners,
    Accounts,
    Changes,
    Policy,
}

impl Tab {
    const ALL: [Self; 6] = [Self::Overview, Self::Keys, Self::Owners, Self::Accounts, Self::Changes, Self::Policy];

    const fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Keys => "Keys",
            Self::Owners => "Owners",
            Self::Accounts => "Accounts",
            Self::Changes => "Changes",
            Self::Policy => "Policy",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Keys => super::keys::PATH,
            Self::Owners => super::owners::PATH,
            Self::Accounts => super::accounts::PATH,
            Self::Changes => super::changes::PATH,
            Self::Policy => super::policy::PATH,
        }
    }

    /// To the tab, from a page that belongs to none.
    pub fn link(self) -> Link {
        Link { label: self.label(), path: self.path().to_owned(), current: false }
    }
}

/// The same around every page.
#[derive(Debug)]
pub(super) struct Frame {
    /// Of the installation, such as `demo`.
    pub site: String,
    /// Of the page.
    pub title: String,
    pub links: Vec<Link>,
    /// Whoever reaches the address may read all of this.
    pub open: bool,
    pub refresh: Option<u64>,
    pub now: Instant,
    pub headline: Headline,
    pub unseen: Vec<String>,
    pub unseen_beyond: u64,
    /// Where the page looks back.
    pub banner: Option<Banner>,
    pub version: &'static str,
}

#[derive(Debug)]
pub(super) struct Link {
    pub label: &'static str,
    pub path: String,
    pub current: bool,
}

/// What the numbers are worth.
#[derive(Debug)]
pub(super) struct Headline {
    pub tone: &'static str,
    pub text: &'static str,
    /// Stands behind the text.
    pub since: Option<Instant>,
    /// Lists that cannot be seen.
    pub unseen: Option<String>,
}

impl Frame {
    pub fn new(app: &App, tab: Tab, title: &str, facts: &[AccountFacts], overview: &Overview, now: Time) -> Self {
        let counts = &*overview.counts;
        let accounts = read_accounts(facts, counts);
        let blind = blind(&accounts, counts).map(|facts| facts.name.as_str());
        let Unseen { named, beyond } = Unseen::new(blind, &overview.unseen, overview.unseen_in_all);
        Self {
            site: app.title.clone(),
            title: title.to_owned(),
            links: Tab::ALL.into_iter().map(|known| Link { current: known == tab, ..known.link() }).collect(),
            open: app.access.borrow().is_open(),
            // Whoever fills in a form would lose what they wrote.
            refresh: app.refresh.filter(|_| tab == Tab::Overview).map(|every| every.as_secs().max(1)),
            now: Instant::new(now, now),
            headline: headline(&accounts, overview.unseen_in_all, now),
            unseen: named,
            unseen_beyond: beyond,
            banner: None,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The configured accounts with their counts, where anything was ever read: of others a zero would be a lie.
pub(super) fn read_accounts<'a>(facts: &'a [AccountFacts], counts: &'a Counts) -> Vec<Account<'a>> {
    facts.iter().map(|account| read_account(account, counts)).collect()
}

/// The same of one.
pub(super) fn read_account<'a>(facts: &'a AccountFacts, counts: &'a Counts) -> Account<'a> {
    let stored = counts.accounts.get(&facts.name);
    (facts, stored.filter(|counts| counts.is_read()))
}

/// Accounts that were polled and of which nothing was read.
pub(super) fn blind<'a>(accounts: &[Account<'a>], counts: &Counts) -> impl Iterator<Item = &'a AccountFacts> {
    let polled = |facts: &AccountFacts| counts.accounts.get(&facts.name).is_some_and(|counts| counts.last_poll.is_some());
    accounts.iter().filter(|(_, read)| read.is_none()).map(|(facts, _)| *facts).filter(move |facts| polled(facts))
}

/// How old everything is that was read of them.
pub(super) fn age(accounts: &[Account<'_>], now: Time) -> Age {
    Age::of(accounts.iter().map(|(facts, counts)| (facts.interval, *counts)), now)
}

fn headline(accounts: &[Account<'_>], unseen: u64, now: Time) -> Headline {
    let age = age(accounts, now);
    let tone = match age {
        Age::NoAccount | Age::Unread => "wait",
        Age::Partly | Age::Whole { late: true, .. } => "warn",
        Age::Whole { late: false, .. } => "good",
    };
    let since = age.since().map(|since| Instant::new(since, now));
    let unseen = (unseen > 0 && since.is_some()).then(|| several(unseen, "list"));
    Headline { tone, text: age.sentence(), since, unseen }
}

/// Everything that was read is older than some polls of the schedule.
pub(super) fn is_late((facts, counts): (&AccountFacts, Option<&AccountCounts>), now: Time) -> bool {
    counts.and_then(|counts| counts.read_since).is_some_and(|since| views::is_late(facts.interval, since, now))
}

/// The word for a list's state: one that was never read says so.
pub(super) const fn list_state(state: crate::domain::ScopeState) -> &'static str {
    match state {
        crate::domain::ScopeState::Never => NOT_READ,
        crate::domain::ScopeState::Held
        | crate::domain::ScopeState::Closed
        | crate::domain::ScopeState::Vanished
        | crate::domain::ScopeState::Retired
        | crate::domain::ScopeState::Incomplete
        | crate::domain::ScopeState::Complete => state.as_str(),
    }
}
