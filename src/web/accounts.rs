//! The page *Accounts*: every account with how its polls go, and when the next one is due.

use askama::Template;

use super::frame::{self, Frame, is_late, list_state};
use super::query::Query;
use crate::domain::{ScopeState, Time};
use crate::views::shown::{Instant, number, spaced};
use crate::views::{AccountCounts, AccountFacts, Counts, address, provider_name};

pub(super) const PATH: &str = "/accounts";

/// The address of an account's page.
pub(super) fn address(name: &str) -> String {
    format!("{PATH}/{}", address::segment(name))
}

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "accounts.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    lines: Vec<Line>,
}

/// An account as it is told everywhere.
#[derive(Debug)]
pub(super) struct Line {
    pub name: String,
    pub link: String,
    pub provider: String,
    pub organization: String,
    pub configured: bool,
    /// Keys that may be there. `None` where none was read: a zero would be a claim.
    pub keys: Option<String>,
    pub keys_link: String,
    /// Everything was read since.
    pub since: Option<Instant>,
    pub late: bool,
    pub poll: Option<Poll>,
    pub lists: Vec<Lists>,
    /// By the schedule, and that.
    pub next: Option<(Instant, String)>,
}

/// The newest poll that ended.
#[derive(Debug)]
pub(super) struct Poll {
    pub started: Instant,
    pub up: bool,
    pub reason: String,
}

/// Lists of one state.
#[derive(Debug)]
pub(super) struct Lists {
    pub label: String,
    pub tone: &'static str,
}

impl Page {
    pub fn new(frame: Frame, facts: &[AccountFacts], counts: &Counts, now: Time) -> Self {
        let configured = facts.iter().map(|facts| Line::new(&facts.name, Some(facts), counts, now));
        let known = |name: &str| facts.iter().any(|facts| facts.name == name);
        let left = counts.accounts.keys().filter(|name| !known(name)).map(|name| Line::new(name, None, counts, now));
        Self { frame, lines: configured.chain(left).collect() }
    }
}

impl Line {
    /// Of an account of the config, of the inventory, or of both.
    pub fn new(name: &str, facts: Option<&AccountFacts>, counts: &Counts, now: Time) -> Self {
        let stored = counts.accounts.get(name);
        let read: Option<&AccountCounts> = match facts {
            Some(facts) => frame::read_account(facts, counts).1,
            None => stored,
        };
        let provider = facts.map(|facts| facts.provider.spec().id).or_else(|| stored.map(|counts| counts.provider.as_str()));
        let late = |facts| is_late((facts, read), now);
        Self {
            name: name.to_owned(),
            link: address(name),
            provider: provider.map(provider_name).unwrap_or_default().to_owned(),
            organization: stored.and_then(organization).unwrap_or_default(),
            configured: facts.is_some(),
            keys: read.map(|counts| number(counts.keys_that_may_be_there())),
            keys_link: Query { accounts: [name.to_owned()].into(), ..Query::may_be_there() }.address(super::keys::PATH),
            since: read.and_then(|counts| counts.read_since).map(|since| Instant::new(since, now)),
            late: facts.is_some_and(late),
            poll: stored.and_then(|counts| counts.last_poll.as_ref()).map(|poll| Poll {
                started: Instant::new(poll.started, now),
                up: poll.up,
                reason: poll.reason.as_deref().map_or_else(|| "not everything was read".to_owned(), spaced),
            }),
            lists: stored.map(lists).unwrap_or_default(),
            next: facts.and_then(|facts| facts.due_after(now)).map(|(at, schedule)| (Instant::new(at, now), schedule)),
        }
    }
}

fn organization(counts: &AccountCounts) -> Option<String> {
    counts.organization_name.clone().or_else(|| counts.organization_id.clone())
}

/// Those that need somebody first.
fn lists(counts: &AccountCounts) -> Vec<Lists> {
    const ORDER: [ScopeState; 7] = [
        ScopeState::Held,
        ScopeState::Incomplete,
        ScopeState::Closed,
        ScopeState::Never,
        ScopeState::Complete,
        ScopeState::Vanished,
        ScopeState::Retired,
    ];
    let some = ORDER.into_iter().filter_map(|state| Some((state, *counts.scopes.get(&state)?)));
    some.map(|(state, lists)| Lists { label: format!("{} {}", number(lists), list_state(state)), tone: tone(state) }).collect()
}

/// How loud the state of a list is.
pub(super) const fn tone(state: ScopeState) -> &'static str {
    match state {
        ScopeState::Held | ScopeState::Incomplete => "warn",
        ScopeState::Closed | ScopeState::Never => "note",
        ScopeState::Complete => "good",
        ScopeState::Vanished | ScopeState::Retired => "plain",
    }
}
