//! What stands around every page: where it leads, how old its data are, and what cannot be seen.

use super::App;
use super::as_of::Banner;
use super::cards::{Account, NOT_READ};
use crate::domain::Time;
use crate::views::shown::{Instant, several};
use crate::views::{AccountCounts, AccountFacts, Counts, Overview, told};

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

/// Polls that may be missed before the data are called old.
const MISSED: i64 = 3;
/// Lists that every page names.
const NAMED: usize = 5;

impl Frame {
    pub fn new(app: &App, tab: Tab, title: &str, facts: &[AccountFacts], overview: &Overview, now: Time) -> Self {
        let counts = &*overview.counts;
        let accounts = read_accounts(facts, counts);
        let blind = blind(&accounts, counts).map(|facts| format!("{ALL_KEYS} ({})", facts.name));
        let lists = overview.unseen.iter().map(|scope| format!("{} ({})", told::scope(scope), scope.account));
        let mut unseen: Vec<String> = blind.chain(lists).collect();
        let shown = unseen.len().min(NAMED);
        let beyond =
            unseen.len().saturating_sub(shown) as u64 + overview.unseen_in_all.saturating_sub(overview.unseen.len() as u64);
        unseen.truncate(shown);
        Self {
            site: app.title.clone(),
            title: title.to_owned(),
            links: Tab::ALL.into_iter().map(|known| Link { current: known == tab, ..known.link() }).collect(),
            open: app.access.borrow().is_open(),
            // Whoever fills in a form would lose what they wrote.
            refresh: app.refresh.filter(|_| tab == Tab::Overview).map(|every| every.as_secs().max(1)),
            now: Instant::new(now, now),
            headline: headline(&accounts, overview.unseen_in_all, now),
            unseen,
            unseen_beyond: beyond,
            banner: None,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What cannot be seen of an account that nothing was read of.
pub(super) const ALL_KEYS: &str = "all keys of the account";

/// The configured accounts with their counts, where anything was ever read: of others a zero would be a lie.
pub(super) fn read_accounts<'a>(facts: &'a [AccountFacts], counts: &'a Counts) -> Vec<Account<'a>> {
    facts.iter().map(|account| read_account(account, counts)).collect()
}

/// The same of one.
pub(super) fn read_account<'a>(facts: &'a AccountFacts, counts: &'a Counts) -> Account<'a> {
    let stored = counts.accounts.get(&facts.name);
    (facts, stored.filter(|counts| counts.keys_read || !counts.groups.is_empty()))
}

/// Accounts that were polled and of which nothing was read.
pub(super) fn blind<'a>(accounts: &[Account<'a>], counts: &Counts) -> impl Iterator<Item = &'a AccountFacts> {
    let polled = |facts: &AccountFacts| counts.accounts.get(&facts.name).is_some_and(|counts| counts.last_poll.is_some());
    accounts.iter().filter(|(_, read)| read.is_none()).map(|(facts, _)| *facts).filter(move |facts| polled(facts))
}

/// Since when everything of all accounts was read; `None` until it was.
pub(super) fn read_whole_since(accounts: &[Account<'_>]) -> Option<Time> {
    let since: Option<Vec<Time>> = accounts.iter().map(|(_, counts)| counts.and_then(|counts| counts.read_since)).collect();
    since.and_then(|since| since.into_iter().min())
}

fn headline(accounts: &[Account<'_>], unseen: u64, now: Time) -> Headline {
    let plain = |tone, text| Headline { tone, text, since: None, unseen: None };
    if accounts.is_empty() {
        return plain("wait", "No account is configured.");
    }
    if accounts.iter().all(|(_, counts)| counts.is_none()) {
        return plain("wait", "No key was read yet. Until a poll has read some, there are no numbers.");
    }
    let Some(since) = read_whole_since(accounts) else {
        return plain("warn", "Not everything was read yet: numbers count only what was seen so far.");
    };
    let since = Some(Instant::new(since, now));
    let (tone, text) = if accounts.iter().any(|account| is_late(*account, now)) {
        ("warn", "This is older than the schedule allows: every open list was read completely, the oldest of them")
    } else {
        ("good", "Every open list was read completely, the oldest of them")
    };
    Headline { tone, text, since, unseen: (unseen > 0).then(|| several(unseen, "list")) }
}

/// Everything that was read is older than some polls of the schedule.
pub(super) fn is_late((facts, counts): (&AccountFacts, Option<&AccountCounts>), now: Time) -> bool {
    let since = counts.and_then(|counts| counts.read_since);
    since.is_some_and(|since| now.since(since) > MISSED.saturating_mul(facts.interval).saturating_add(60))
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
