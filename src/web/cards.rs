//! The numbers at the top of the page: each with what it leaves out, and none where nothing is known.

use super::marks::NOT_REPORTED;
use super::query::Query;
use crate::domain::{Basis, Condition, Presence, ScopeState};
use crate::views::shown::{number, several};
use crate::views::{AccountCounts, AccountFacts, told};

/// A configured account, and its counts where anything was read.
pub(super) type Account<'a> = (&'a AccountFacts, Option<&'a AccountCounts>);

#[derive(Debug)]
pub(super) struct Card {
    pub tone: &'static str,
    pub label: &'static str,
    pub number: String,
    pub notes: Vec<Note>,
    /// To the keys that it counts; `None` where there is no number.
    pub link: Option<String>,
}

/// What a number leaves out, or is made of.
#[derive(Debug)]
pub(super) struct Note {
    pub text: String,
    /// To the keys that it speaks of, if it does.
    pub link: Option<String>,
}

impl Note {
    pub const fn plain(text: String) -> Self {
        Self { text, link: None }
    }

    pub fn of(text: String, query: &Query) -> Self {
        Self { text, link: Some(query.address(super::keys::PATH)) }
    }
}

/// One for all keys, one for each condition that is shown, and what became of keys that are not seen.
pub(super) fn cards(accounts: &[Account<'_>], shown: &[Condition]) -> Vec<Card> {
    let read: Vec<(&AccountFacts, &AccountCounts)> =
        accounts.iter().filter_map(|(facts, counts)| Some((*facts, (*counts)?))).collect();
    let sum = |count: &dyn Fn(&AccountCounts) -> u64| read.iter().map(|(_, counts)| count(counts)).sum::<u64>();
    let mut cards = vec![keys_card(accounts, &read)];
    for condition in shown {
        cards.push(condition_card(accounts, &read, *condition));
    }
    for (label, presence, note) in
        [("Missing", Presence::Missing, "not seen, not yet proven gone"), ("Unknown", Presence::Unknown, "can no longer be seen")]
    {
        let keys = sum(&|counts| counts.keys_in(presence));
        let tone = if keys > 0 { "note" } else { "quiet" };
        let query = Query { presences: [presence].into(), ..Query::default() };
        cards.push(card(tone, label, keys, vec![Note::plain(note.to_owned())], &query));
    }
    if read.is_empty() {
        for card in cards.iter_mut().filter(|card| card.number != NOT_REPORTED) {
            *card = not_read(card.label);
        }
    }
    cards
}

/// What stands where nothing was read.
pub(super) const NO_NUMBER: &str = "—";
/// What is said of that.
pub(super) const NOT_READ: &str = "not read yet";

fn card(tone: &'static str, label: &'static str, count: u64, notes: Vec<Note>, query: &Query) -> Card {
    Card { tone, label, number: number(count), notes, link: Some(query.address(super::keys::PATH)) }
}

fn not_read(label: &'static str) -> Card {
    Card { tone: "quiet", label, number: NO_NUMBER.to_owned(), notes: vec![Note::plain(NOT_READ.to_owned())], link: None }
}

fn keys_card(accounts: &[Account<'_>], read: &[(&AccountFacts, &AccountCounts)]) -> Card {
    let sum = |count: &dyn Fn(&AccountCounts) -> u64| read.iter().map(|(_, counts)| count(counts)).sum::<u64>();
    let mut notes = vec![Note::plain(format!("in {}", several(read.len() as u64, "account")))];
    let unread = accounts.len() - read.len();
    if unread > 0 {
        notes.push(Note::plain(format!("{} not read yet", several(unread as u64, "account"))));
    }
    let held = sum(&|counts| counts.held_keys);
    if held > 0 {
        let query = Query { held: Some(true), ..Query::default() };
        notes.push(Note::of(format!("{} held for a person", number(held)), &query));
    }
    let lists = sum(&|counts| counts.scopes.get(&ScopeState::Held).copied().unwrap_or(0));
    if lists > 0 {
        notes.push(Note::plain(format!("{} held for a person", several(lists, "list"))));
    }
    card("plain", "Keys", sum(&AccountCounts::keys_that_may_be_there), notes, &Query::may_be_there())
}

fn condition_card(accounts: &[Account<'_>], read: &[(&AccountFacts, &AccountCounts)], condition: Condition) -> Card {
    let label = told::condition(condition);
    if accounts.iter().all(|(facts, _)| !facts.supports(condition)) {
        return Card { tone: "quiet", label, number: NOT_REPORTED.to_owned(), notes: Vec::new(), link: None };
    }
    if read.iter().all(|(facts, _)| !facts.supports(condition)) {
        return not_read(label);
    }
    let sum = |count: &dyn Fn(&AccountCounts) -> u64| read.iter().map(|(_, counts)| count(counts)).sum::<u64>();
    let mut notes = Vec::new();
    if condition == Condition::Stale {
        for (basis, words) in [(Basis::LastUse, "unused"), (Basis::NeverUsed, "never used"), (Basis::Age, "by age alone")] {
            let keys = sum(&|counts| counts.stale(basis));
            if keys > 0 {
                notes.push(Note::plain(format!("{} {words}", number(keys))));
            }
        }
    }
    let waived = sum(&|counts| counts.waived(condition));
    if waived > 0 {
        notes.push(Note::of(format!("{} more waived", number(waived)), &Query::of_condition(condition, true)));
    }
    let mut silent: Vec<&str> =
        accounts.iter().filter(|(facts, _)| !facts.supports(condition)).map(|(f, _)| f.provider.spec().name).collect();
    silent.dedup();
    if !silent.is_empty() {
        notes.push(Note::plain(format!("not reported by {}", silent.join(", "))));
    }
    let keys = sum(&|counts| counts.flagged(None, condition));
    card(if keys > 0 { tone(condition) } else { "quiet" }, label, keys, notes, &Query::of_condition(condition, false))
}

/// How loud a condition is.
pub(super) const fn tone(condition: Condition) -> &'static str {
    match condition {
        Condition::Expired | Condition::Orphaned => "alarm",
        Condition::Expiring | Condition::Stale | Condition::NeverUsed | Condition::Overdue => "warn",
        Condition::Disabled | Condition::NoExpiry => "note",
    }
}
