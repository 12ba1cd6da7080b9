//! The first page: what there is, what needs a person, what cannot be seen, and how old all of that is.
//!
//! It is made of sentences and numbers that are ready to show; the template only lays them out and escapes them.

use askama::Template;

use super::App;
use super::cards::{Account, Card, NO_NUMBER, NOT_READ, NOT_REPORTED, cards, tone};
use crate::domain::{Condition, ScopeState, Time};
use crate::views::shown::{Instant, number, several, spaced};
use crate::views::told;
use crate::views::{AccountCounts, AccountFacts, ChangeRow, Counts, KeyRow, Overview, ScopeRow};

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "page.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    title: String,
    /// Whoever reaches the address may read all of this.
    open: bool,
    refresh: Option<u64>,
    now: Instant,
    headline: Headline,
    cards: Vec<Card>,
    columns: Vec<&'static str>,
    accounts: Vec<AccountLine>,
    urgent: Vec<UrgentLine>,
    flagged: u64,
    unseen: Vec<UnseenLine>,
    unseen_beyond: u64,
    changes: Vec<ChangeLine>,
    version: &'static str,
}

/// What the numbers are worth.
#[derive(Debug)]
struct Headline {
    tone: &'static str,
    text: String,
    /// Stands between the two texts.
    since: Option<Instant>,
    tail: String,
}

#[derive(Debug)]
struct AccountLine {
    name: String,
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
}

#[derive(Debug)]
struct UrgentLine {
    name: String,
    account: String,
    key_id: String,
    owner: String,
    owner_kind: String,
    badges: Vec<Badge>,
    why: String,
}

#[derive(Debug)]
struct Badge {
    label: &'static str,
    tone: &'static str,
}

#[derive(Debug)]
struct UnseenLine {
    list: String,
    account: String,
    state: &'static str,
    why: String,
    last_complete: Option<Instant>,
}

#[derive(Debug)]
struct ChangeLine {
    at: Instant,
    key: String,
    account: String,
    key_id: String,
    what: String,
    detail: String,
}

/// Polls that may be missed before the data are called old.
const MISSED: i64 = 3;

impl Page {
    pub fn new(app: &App, facts: &[AccountFacts], overview: &Overview, now: Time) -> Self {
        let counts = &*overview.counts;
        let accounts: Vec<Account<'_>> = facts.iter().map(|account| (account, read(counts, account))).collect();
        let shown: Vec<Condition> = told::URGENCY.into_iter().filter(|condition| is_shown(&accounts, *condition)).collect();
        let blind = accounts.iter().filter(|(_, read)| read.is_none()).filter_map(|(facts, _)| blind_line(counts, facts));
        Self {
            title: app.title.clone(),
            open: app.access.borrow().is_open(),
            refresh: app.refresh.map(|every| every.as_secs().max(1)),
            now: Instant::new(now, now),
            headline: headline(&accounts, overview.unseen_in_all, now),
            cards: cards(&accounts, &shown),
            columns: shown.iter().map(|condition| told::condition(*condition)).collect(),
            accounts: accounts.iter().map(|account| account_line(*account, counts, &shown, now)).collect(),
            urgent: overview.urgent.iter().map(|key| urgent_line(key, now)).collect(),
            flagged: accounts.iter().filter_map(|(_, counts)| *counts).map(AccountCounts::flagged_at_all).sum(),
            unseen: blind.chain(overview.unseen.iter().map(|scope| unseen_line(scope, now))).collect(),
            unseen_beyond: overview.unseen_in_all.saturating_sub(overview.unseen.len() as u64),
            changes: overview.changes.iter().map(|change| change_line(change, now)).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The counts of an account of whose keys anything was ever read: of others a zero would be a lie.
fn read<'a>(counts: &'a Counts, account: &AccountFacts) -> Option<&'a AccountCounts> {
    counts.accounts.get(&account.name).filter(|counts| counts.keys_read || !counts.groups.is_empty())
}

/// A condition that policy ignores everywhere and no key is in is not worth a column.
fn is_shown(accounts: &[Account<'_>], condition: Condition) -> bool {
    accounts.iter().any(|(facts, counts)| {
        !facts.ignored.contains(&condition) || counts.is_some_and(|counts| counts.flagged(None, condition) > 0)
    })
}

fn headline(accounts: &[Account<'_>], unseen: u64, now: Time) -> Headline {
    let plain = |tone, text: &str| Headline { tone, text: text.to_owned(), since: None, tail: String::new() };
    if accounts.is_empty() {
        return plain("wait", "No account is configured.");
    }
    if accounts.iter().all(|(_, counts)| counts.is_none()) {
        return plain("wait", "No key was read yet. Until a poll has read some, there are no numbers.");
    }
    let since: Vec<Option<Time>> = accounts.iter().map(|(_, counts)| counts.and_then(|counts| counts.read_since)).collect();
    if since.contains(&None) {
        return plain("warn", "Not everything was read yet: numbers count only what was seen so far.");
    }
    let since = since.into_iter().flatten().min().map(|since| Instant::new(since, now));
    let tail = match unseen {
        0 => ".".to_owned(),
        unseen => format!("; {} cannot be seen, see below.", several(unseen, "list")),
    };
    let (tone, text) = if accounts.iter().any(|account| is_late(*account, now)) {
        ("warn", "This is older than the schedule allows: every open list was read completely, the oldest of them")
    } else {
        ("good", "Every open list was read completely, the oldest of them")
    };
    Headline { tone, text: text.to_owned(), since, tail }
}

/// Everything that was read is older than some polls of the schedule.
fn is_late((facts, counts): Account<'_>, now: Time) -> bool {
    let since = counts.and_then(|counts| counts.read_since);
    since.is_some_and(|since| now.since(since) > MISSED.saturating_mul(facts.interval).saturating_add(60))
}

fn account_line((facts, counts): Account<'_>, all: &Counts, shown: &[Condition], now: Time) -> AccountLine {
    let polled = all.accounts.get(&facts.name);
    let cell = |label, count: Option<u64>, loud| match count {
        Some(0) => Cell { label, text: "0".to_owned(), tone: "quiet" },
        Some(count) => Cell { label, text: number(count), tone: loud },
        None => Cell { label, text: NO_NUMBER.to_owned(), tone: "quiet" },
    };
    let mut cells = vec![cell("Keys", counts.map(AccountCounts::keys_that_may_be_there), "plain")];
    cells.extend(shown.iter().map(|condition| {
        let label = told::condition(*condition);
        if facts.supports(*condition) {
            cell(label, counts.map(|counts| counts.flagged(None, *condition)), tone(*condition))
        } else {
            Cell { label, text: NOT_REPORTED.to_owned(), tone: "silent" }
        }
    }));
    let last_poll = polled.and_then(|polled| polled.last_poll.as_ref());
    AccountLine {
        name: facts.name.clone(),
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
        let word = if *state == ScopeState::Never { NOT_READ } else { state.as_str() };
        Some(format!("{} {word}", number(scopes)))
    });
    left.collect::<Vec<_>>().join(", ")
}

fn urgent_line(key: &KeyRow, now: Time) -> UrgentLine {
    let owner = key.owner.as_ref();
    let conditions = || told::URGENCY.into_iter().filter(|condition| key.conditions.contains(condition));
    let shown =
        |owner: &crate::views::OwnerRow| owner.name.clone().or_else(|| owner.email.clone()).unwrap_or_else(|| owner.id.clone());
    UrgentLine {
        name: key.name.clone().unwrap_or_else(|| "(no name)".to_owned()),
        account: key.account.clone(),
        key_id: key.key_id.clone(),
        owner: owner.map_or_else(|| NOT_REPORTED.to_owned(), shown),
        owner_kind: owner.map(|owner| spaced(owner.kind.as_str())).unwrap_or_default(),
        badges: conditions().map(|condition| Badge { label: told::condition(condition), tone: tone(condition) }).collect(),
        why: conditions().next().map(|condition| told::why(key, condition, now)).unwrap_or_default(),
    }
}

/// An account that was polled and of which nothing was read.
fn blind_line(counts: &Counts, facts: &AccountFacts) -> Option<UnseenLine> {
    let poll = counts.accounts.get(&facts.name)?.last_poll.as_ref()?;
    Some(UnseenLine {
        list: "all keys of the account".to_owned(),
        account: facts.name.clone(),
        state: NOT_READ,
        why: poll.reason.as_deref().map(spaced).unwrap_or_default(),
        last_complete: None,
    })
}

fn unseen_line(scope: &ScopeRow, now: Time) -> UnseenLine {
    UnseenLine {
        list: told::scope(scope),
        account: scope.account.clone(),
        state: if scope.state == ScopeState::Never { NOT_READ } else { scope.state.as_str() },
        why: told::unseen(scope),
        last_complete: scope.last_complete_at.map(|at| Instant::new(at, now)),
    }
}

fn change_line(change: &ChangeRow, now: Time) -> ChangeLine {
    ChangeLine {
        at: Instant::new(change.at, now),
        key: change.name.clone().unwrap_or_else(|| change.key_id.clone()),
        account: change.account.clone(),
        key_id: change.key_id.clone(),
        what: told::change(change),
        detail: told::change_detail(change),
    }
}
