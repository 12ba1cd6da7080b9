//! How keys and their states look in tables: addresses, names, times, badges.

use crate::domain::{Condition, Moment, OwnerKind, Presence, Time};
use crate::views::shown::{Instant, spaced};
use crate::views::{KeyRow, Whose, told};

use super::cards::tone;

/// What stands where a provider does not say.
pub(super) const NOT_REPORTED: &str = "not reported";

/// A word with a ground of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Badge {
    pub label: String,
    pub tone: &'static str,
}

/// A moment as it is shown.
#[derive(Debug)]
pub(super) enum Shown {
    At(Instant),
    Word(&'static str),
}

impl Shown {
    pub fn moment(moment: Moment, now: Time) -> Self {
        match moment {
            Moment::At(at) => Self::At(Instant::new(at, now)),
            Moment::Never => Self::Word("never"),
            Moment::NotReported => Self::Word(NOT_REPORTED),
        }
    }

    pub fn time(at: Option<Time>, now: Time) -> Self {
        at.map_or(Self::Word(NOT_REPORTED), |at| Self::At(Instant::new(at, now)))
    }
}

/// The key's name, or that it has none.
pub(super) fn name(key: &KeyRow) -> String {
    key.name.clone().unwrap_or_else(|| "(no name)".to_owned())
}

/// Whose it is, and what else tells who that is; empty for nothing.
pub(super) fn owner(key: &KeyRow) -> (String, String) {
    let Some(owner) = &key.owner else { return (NOT_REPORTED.to_owned(), String::new()) };
    let kind = if owner.kind == OwnerKind::User { String::new() } else { spaced(owner.kind.as_str()) };
    match (&owner.name, &owner.email) {
        (Some(name), Some(email)) if kind.is_empty() => (name.clone(), email.clone()),
        (Some(name), _) => (name.clone(), kind),
        (None, Some(email)) => (email.clone(), kind),
        (None, None) => (owner.id.clone(), kind),
    }
}

/// An owner across accounts.
pub(super) fn whose(whose: &Whose) -> String {
    match whose {
        Whose::NotReported => NOT_REPORTED.to_owned(),
        Whose::Email(OwnerKind::User, address) => address.clone(),
        Whose::Email(kind, address) => format!("{address}, {}", spaced(kind.as_str())),
        Whose::Id(account, id) => format!("{id} in {account}"),
    }
}

/// Everything that makes a key worth a look, what needs a person first in front.
pub(super) fn badges(key: &KeyRow) -> Vec<Badge> {
    let badge = |label: &str, tone| Badge { label: label.to_owned(), tone };
    let mut badges = Vec::new();
    match key.presence {
        Presence::Present => {}
        Presence::Missing | Presence::Unknown => badges.push(badge(key.presence.as_str(), "note")),
        Presence::Gone | Presence::Unmanaged => badges.push(badge(key.presence.as_str(), "plain")),
    }
    if key.held_since.is_some() {
        badges.push(badge("held", "warn"));
    }
    for condition in told::URGENCY.into_iter().filter(|condition| key.conditions.contains(condition)) {
        badges.push(condition_badge(key, condition));
    }
    if key.is_self {
        badges.push(badge("own credential", "plain"));
    }
    badges
}

/// What a claim of staleness rests on is told with it, and that somebody accepts a condition.
fn condition_badge(key: &KeyRow, condition: Condition) -> Badge {
    let by_age = condition == Condition::Stale && key.stale_basis == Some(crate::domain::Basis::Age);
    let basis = if by_age { " by age" } else { "" };
    let label = format!("{}{basis}", told::condition(condition));
    if key.waived.contains(&condition) {
        Badge { label: format!("{label}, waived"), tone: "plain" }
    } else {
        Badge { label, tone: tone(condition) }
    }
}
