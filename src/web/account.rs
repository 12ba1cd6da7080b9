//! The page of one account: how its polls go, what waits for a person, every list with how it was read last, and what cannot
//! be seen of it and why.

use std::collections::BTreeSet;

use askama::Template;

use super::accounts::{Line, tone};
use super::frame::{Frame, list_state};
use super::marks::Shown;
use crate::domain::{Condition, ScopeKind, ScopeState, Time};
use crate::inventory::{Cause, Offered, OpenHold};
use crate::views::shown::{Instant, number, several};
use crate::views::{ALL_KEYS, AccountFacts, Counts, ScopeRow, Waiting, told};

/// Lists that one page shows.
const SHOWN: usize = 1_000;

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "account.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    line: Line,
    base_url: Option<String>,
    credential: Option<Instant>,
    /// Another organisation that waits for a person, in a sentence.
    offered: Option<String>,
    held: Vec<String>,
    blind: Option<String>,
    unseen: Vec<List>,
    silent: Vec<&'static str>,
    ignored: Vec<&'static str>,
    lists: Vec<List>,
    lists_beyond: Option<String>,
}

#[derive(Debug)]
struct List {
    name: String,
    id: String,
    state: &'static str,
    tone: &'static str,
    why: String,
    last_walk: Shown,
    last_complete: Shown,
    /// `None` of lists of something else, and where none was ever read: a zero would be a claim.
    keys: Option<String>,
}

impl Page {
    pub fn new(
        frame: Frame,
        line: Line,
        facts: Option<&AccountFacts>,
        counts: &Counts,
        scopes: &[ScopeRow],
        waiting: &Waiting,
        now: Time,
    ) -> Self {
        let stored = counts.accounts.get(&line.name);
        let told = stored.and_then(|counts| counts.credential_expires);
        let expires = told.or_else(|| facts.and_then(|facts| facts.credential_expires));
        let silent = facts.map(|facts| Condition::ALL.iter().filter(|condition| !facts.supports(**condition)));
        let none = BTreeSet::new();
        let ignored = facts.map_or(&none, |facts| &facts.ignored);
        Self {
            base_url: facts.map(|facts| facts.base_url.clone()),
            credential: expires.map(|at| Instant::new(at, now)),
            offered: waiting.organization.as_ref().map(|offered| another(offered, now)),
            held: waiting.holds.iter().map(|hold| held(hold, scopes, now)).collect(),
            blind: blind(&line),
            unseen: scopes.iter().filter(|scope| is_unseen(scope)).take(SHOWN).map(|scope| list(scope, now)).collect(),
            silent: silent.into_iter().flatten().map(|condition| told::condition(*condition)).collect(),
            ignored: ignored.iter().map(|condition| told::condition(*condition)).collect(),
            lists: scopes.iter().take(SHOWN).map(|scope| list(scope, now)).collect(),
            lists_beyond: (scopes.len() > SHOWN).then(|| several((scopes.len() - SHOWN) as u64, "more list")),
            frame,
            line,
        }
    }
}

/// As the overview counts them: what vanished matters while keys were last listed there.
fn is_unseen(scope: &ScopeRow) -> bool {
    match scope.state {
        ScopeState::Held | ScopeState::Closed | ScopeState::Never | ScopeState::Incomplete => true,
        ScopeState::Vanished => scope.keys > 0,
        ScopeState::Complete | ScopeState::Retired => false,
    }
}

/// Nothing of it was read yet.
fn blind(line: &Line) -> Option<String> {
    let poll = line.poll.as_ref().filter(|_| line.keys.is_none())?;
    Some(format!("{ALL_KEYS}: {}", poll.reason))
}

fn another(offered: &Offered, now: Time) -> String {
    let called = offered.name.as_deref().or(offered.id.as_deref()).unwrap_or("one without a name");
    let seen = Instant::new(offered.at, now).relative;
    format!("The credential sees another organisation now: {called} ({seen}). Nothing is stored until a person accepts it.")
}

/// What is held, by the list's name and, where there are several like it, by the word that `ctl ack` takes.
fn held(hold: &OpenHold, scopes: &[ScopeRow], now: Time) -> String {
    let cause = match hold.cause {
        Cause::ListShrank => "much of the list disappeared at once",
        Cause::ListEmptied => "the whole list disappeared at once",
        Cause::AccountShrank => "much of the account disappeared in a short time",
    };
    let (what, since) = (number(hold.held), Instant::new(hold.since, now).relative);
    let Some(word) = hold.list.as_deref() else { return format!("{cause}, {what} at most, {since}") };
    let is_it = |scope: &&ScopeRow| word == scope.kind.as_str() || word == format!("{}/{}", scope.kind.as_str(), scope.scope_id);
    let list = match scopes.iter().find(is_it) {
        Some(scope) if scope.scope_id.is_empty() => told::scope(scope),
        Some(scope) => format!("{}, {word}", told::scope(scope)),
        None => word.to_owned(),
    };
    format!("{list}: {cause}, {what} at most, {since}")
}

fn list(scope: &ScopeRow, now: Time) -> List {
    let time = |at: Option<Time>| at.map_or(Shown::Word("never"), |at| Shown::At(Instant::new(at, now)));
    let is_read = matches!(scope.state, ScopeState::Complete | ScopeState::Retired);
    List {
        name: told::scope(scope),
        id: scope.scope_id.clone(),
        state: list_state(scope.state),
        tone: tone(scope.state),
        why: if is_read { String::new() } else { told::unseen(scope) },
        last_walk: time(scope.last_walk_at),
        last_complete: time(scope.last_complete_at),
        keys: (holds_keys(scope.kind) && (scope.keys > 0 || scope.last_complete_at.is_some())).then(|| number(scope.keys)),
    }
}

const fn holds_keys(kind: ScopeKind) -> bool {
    match kind {
        ScopeKind::Project | ScopeKind::Member | ScopeKind::Organization | ScopeKind::ServiceTokens | ScopeKind::Admin => true,
        ScopeKind::People | ScopeKind::Projects => false,
    }
}
