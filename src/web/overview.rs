//! The page *Overview*: what there is, what needs a person, what cannot be seen, and how old all of that is.
//!
//! It is made of sentences and numbers that are ready to show; the template only lays them out and escapes them.

use askama::Template;

use super::App;
use super::cards::{Account, Card, NO_NUMBER, cards, tone};
use super::changes;
use super::charts::{Chart, charts};
use super::frame::{self, Frame, Tab, is_late, list_state};
use super::marks::{self, Badge, NOT_REPORTED};
use super::query::Query;
use crate::domain::{Condition, ScopeState, Time};
use crate::views::shown::{Instant, number, spaced};
use crate::views::{ALL_KEYS, AccountCounts, AccountFacts, Charts, Counts, KeyRow, Overview, ScopeRow, address, told};

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "overview.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    cards: Vec<Card>,
    charts: Vec<Chart>,
    columns: Vec<&'static str>,
    accounts: Vec<AccountLine>,
    urgent: Vec<UrgentLine>,
    flagged: String,
    flagged_link: String,
    flagged_beyond: bool,
    unseen: Vec<UnseenLine>,
    unseen_beyond: u64,
    changes: Vec<changes::Line>,
}

#[derive(Debug)]
struct AccountLine {
    name: String,
    link: String,
    provider: &'static str,
    organization: String,
    cells: Vec<Cell>,
    since: Option<Instant>,
    late: bool,
    lists: String,
    lists_left: String,
    last_poll: Option<Instant>,
    up: bool,
    reason: String,
}

#[derive(Debug)]
struct Cell {
    label: &'static str,
    text: String,
    tone: &'static str,
    /// To the keys that it counts.
    link: Option<String>,
}

#[derive(Debug)]
struct UrgentLine {
    link: String,
    name: String,
    account: String,
    key_id: String,
    owner: String,
    owner_more: String,
    badges: Vec<Badge>,
    why: String,
}

#[derive(Debug)]
struct UnseenLine {
    list: String,
    account: String,
    link: String,
    state: &'static str,
    why: String,
    last_complete: Option<Instant>,
}

impl Page {
    pub fn new(app: &App, facts: &[AccountFacts], overview: &Overview, charted: &Charts, now: Time) -> Self {
        let counts = &*overview.counts;
        let accounts = frame::read_accounts(facts, counts);
        let shown: Vec<Condition> = told::URGENCY.into_iter().filter(|condition| is_shown(&accounts, *condition)).collect();
        let blind = frame::blind(&accounts, counts).map(|facts| blind_line(counts, facts));
        let flagged: u64 = accounts.iter().filter_map(|(_, counts)| *counts).map(AccountCounts::flagged_at_all).sum();
        Self {
            frame: Frame::new(app, Tab::Overview, "Overview", facts, overview, now),
            cards: cards(&accounts, &shown),
            // Of keys that nobody has read, there is nothing to draw.
            charts: if accounts.iter().any(|(_, counts)| counts.is_some()) { charts(charted) } else { Vec::new() },
            columns: shown.iter().map(|condition| told::condition(*condition)).collect(),
            accounts: accounts.iter().map(|account| account_line(*account, counts, &shown, now)).collect(),
            urgent: overview.urgent.iter().map(|key| urgent_line(key, now)).collect(),
            flagged: number(flagged),
            flagged_link: Query { flagged: Some(true), waived: Some(false), ..Query::default() }.address(super::keys::PATH),
            flagged_beyond: flagged > overview.urgent.len() as u64,
            unseen: blind.chain(overview.unseen.iter().map(|scope| unseen_line(scope, now))).collect(),
            unseen_beyond: overview.unseen_in_all.saturating_sub(overview.unseen.len() as u64),
            changes: overview.changes.iter().map(|change| changes::Line::new(change, now)).collect(),
        }
    }
}

/// A condition that policy ignores everywhere and no key is in is not worth a column.
fn is_shown(accounts: &[Account<'_>], condition: Condition) -> bool {
    accounts.iter().any(|(facts, counts)| {
        !facts.ignored.contains(&condition) || counts.is_some_and(|counts| counts.flagged(None, condition) > 0)
    })
}

fn account_line((facts, counts): Account<'_>, all: &Counts, shown: &[Condition], now: Time) -> AccountLine {
    let polled = all.accounts.get(&facts.name);
    let of_account = |query: Query| Query { accounts: [facts.name.clone()].into(), ..query }.address(super::keys::PATH);
    let cell = |label, count: Option<u64>, loud, query: Query| match count {
        Some(0) => Cell { label, text: "0".to_owned(), tone: "quiet", link: None },
        Some(count) => Cell { label, text: number(count), tone: loud, link: Some(of_account(query)) },
        None => Cell { label, text: NO_NUMBER.to_owned(), tone: "quiet", link: None },
    };
    let mut cells = vec![cell("Keys", counts.map(AccountCounts::keys_that_may_be_there), "plain", Query::may_be_there())];
    cells.extend(shown.iter().map(|condition| {
        let label = told::condition(*condition);
        if facts.supports(*condition) {
            let count = counts.map(|counts| counts.flagged(None, *condition));
            cell(label, count, tone(*condition), Query::of_condition(*condition, false))
        } else {
            Cell { label, text: NOT_REPORTED.to_owned(), tone: "silent", link: None }
        }
    }));
    let last_poll = polled.and_then(|polled| polled.last_poll.as_ref());
    AccountLine {
        name: facts.name.clone(),
        link: super::accounts::address(&facts.name),
        provider: facts.provider.spec().name,
        organization: polled
            .and_then(|counts| counts.organization_name.clone().or_else(|| counts.organization_id.clone()))
            .unwrap_or_default(),
        cells,
        since: counts.and_then(|counts| counts.read_since).map(|since| Instant::new(since, now)),
        late: is_late((facts, counts), now),
        lists: polled.filter(|polled| !polled.scopes.is_empty()).map(lists).unwrap_or_default(),
        lists_left: polled.map(lists_left).unwrap_or_default(),
        last_poll: last_poll.map(|poll| Instant::new(poll.started, now)),
        up: last_poll.is_some_and(|poll| poll.up),
        reason: last_poll.and_then(|poll| poll.reason.as_deref()).map(spaced).unwrap_or_default(),
    }
}

/// Lists that exist: those that vanished or were left are none.
fn scopes(counts: &AccountCounts, wanted: &[ScopeState]) -> u64 {
    wanted.iter().filter_map(|state| counts.scopes.get(state)).sum()
}

const EXISTING: [ScopeState; 5] =
    [ScopeState::Held, ScopeState::Closed, ScopeState::Never, ScopeState::Incomplete, ScopeState::Complete];

fn lists(counts: &AccountCounts) -> String {
    let (complete, all) = (scopes(counts, &[ScopeState::Complete]), scopes(counts, &EXISTING));
    format!("{} of {} complete", number(complete), number(all))
}

/// The states of the other lists, counted: `1 closed, 2 incomplete`.
fn lists_left(counts: &AccountCounts) -> String {
    let states = ScopeState::ALL.iter().filter(|state| !matches!(state, ScopeState::Complete | ScopeState::Retired));
    let left = states.filter_map(|state| {
        let scopes = counts.scopes.get(state).copied().filter(|scopes| *scopes > 0)?;
        Some(format!("{} {}", number(scopes), list_state(*state)))
    });
    left.collect::<Vec<_>>().join(", ")
}

fn urgent_line(key: &KeyRow, now: Time) -> UrgentLine {
    let first = told::URGENCY.into_iter().find(|condition| key.conditions.contains(condition));
    let (owner, owner_more) = marks::owner(key);
    UrgentLine {
        link: address::of_key(&key.account, &key.key_id),
        name: marks::name(key),
        account: key.account.clone(),
        key_id: key.key_id.clone(),
        owner,
        owner_more,
        badges: marks::badges(key),
        why: first.map(|condition| told::why(key, condition, now)).unwrap_or_default(),
    }
}

/// An account that was polled and of which nothing was read.
fn blind_line(counts: &Counts, facts: &AccountFacts) -> UnseenLine {
    let poll = counts.accounts.get(&facts.name).and_then(|counts| counts.last_poll.as_ref());
    UnseenLine {
        list: ALL_KEYS.to_owned(),
        account: facts.name.clone(),
        link: super::accounts::address(&facts.name),
        state: super::cards::NOT_READ,
        why: poll.and_then(|poll| poll.reason.as_deref()).map(spaced).unwrap_or_default(),
        last_complete: None,
    }
}

fn unseen_line(scope: &ScopeRow, now: Time) -> UnseenLine {
    UnseenLine {
        list: told::scope(scope),
        account: scope.account.clone(),
        link: super::accounts::address(&scope.account),
        state: list_state(scope.state),
        why: told::unseen(scope),
        last_complete: scope.last_complete_at.map(|at| Instant::new(at, now)),
    }
}
