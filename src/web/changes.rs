//! The page *Changes*: what was seen to change, the newest first. A page goes on behind a line, not at a count of lines: what
//! is seen to change meanwhile moves nothing from one page to the next.

use std::collections::BTreeSet;

use askama::Template;

use super::form::{Chip, Pick, PickOption};
use super::frame::Frame;
use super::parameters::{self, Given, Name as _, Wrong, text, word, wrong};
use crate::domain::{ChangeKind, Time};
use crate::views::shown::{Instant, several, spaced};
use crate::views::{ChangeRow, ChangesAsked, Since, address, told};

pub(super) const PATH: &str = "/changes";
/// Changes on a page.
const PER_PAGE: usize = 100;

/// Which changes. Of every set that is empty, anything will do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub accounts: BTreeSet<String>,
    pub changes: BTreeSet<ChangeKind>,
    /// As it was written, and what that means.
    pub since: Option<(String, Since)>,
    /// Older than the change of that number.
    pub before: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Account,
    Change,
    Since,
    Before,
}

impl parameters::Name for Name {
    const ALL: &'static [Self] = &[Self::Account, Self::Change, Self::Since, Self::Before];

    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Change => "change",
            Self::Since => "since",
            Self::Before => "before",
        }
    }

    fn takes_several(self) -> bool {
        match self {
            Self::Account | Self::Change => true,
            Self::Since | Self::Before => false,
        }
    }
}

impl Asked {
    /// Reads a query string; also whether something in it is empty.
    pub fn parse(raw: &str) -> Result<(Self, bool), Wrong> {
        let Given { pairs, has_blanks } = Given::parse(raw)?;
        let mut asked = Self::default();
        for (name, value) in pairs {
            match name {
                Name::Account => drop(asked.accounts.insert(text(name, &value)?)),
                Name::Change => drop(asked.changes.insert(word(name, &value, ChangeKind::ALL, ChangeKind::as_str)?)),
                Name::Since => {
                    let instead = "a length of time such as 7d or 12h, a day such as 2026-11-01, or an instant";
                    let since = Since::parse(&value).map_err(|_| wrong(name, &value, instead))?;
                    asked.since = Some((value, since));
                }
                Name::Before => {
                    let number = value.parse().ok().filter(|number| *number > 0);
                    asked.before = Some(number.ok_or_else(|| wrong(name, &value, "the number of a change"))?);
                }
            }
        }
        Ok((asked, has_blanks))
    }

    pub fn address(&self) -> String {
        let mut pairs: Vec<(Name, String)> = Vec::new();
        pairs.extend(self.accounts.iter().map(|account| (Name::Account, account.clone())));
        pairs.extend(self.changes.iter().map(|change| (Name::Change, change.as_str().to_owned())));
        pairs.extend(self.since.iter().map(|(text, _)| (Name::Since, text.clone())));
        pairs.extend(self.before.map(|before| (Name::Before, before.to_string())));
        parameters::address(PATH, pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// One page of them, and one line more, which tells whether there is another.
    pub fn lines(&self, now: Time) -> ChangesAsked {
        ChangesAsked {
            accounts: self.accounts.iter().cloned().collect(),
            changes: self.changes.iter().copied().collect(),
            since: self.since.as_ref().map(|(_, since)| since.instant(now)),
            before: self.before,
            limit: u32::try_from(PER_PAGE + 1).ok(),
            ..ChangesAsked::default()
        }
    }

    fn chips(&self) -> Vec<Chip> {
        let chip = |what, value: String, rest: Self| Chip { what, value, without: Self { before: None, ..rest }.address() };
        let mut chips = Vec::new();
        for account in &self.accounts {
            let mut rest = self.clone();
            rest.accounts.remove(account);
            chips.push(chip("Account", account.clone(), rest));
        }
        for change in &self.changes {
            let mut rest = self.clone();
            rest.changes.remove(change);
            chips.push(chip("Change", spaced(change.as_str()), rest));
        }
        if let Some((text, _)) = &self.since {
            chips.push(chip("Since", text.clone(), Self { since: None, ..self.clone() }));
        }
        chips
    }
}

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "changes.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    since: String,
    picks: Vec<Pick>,
    chips: Vec<Chip>,
    count: String,
    lines: Vec<Line>,
    newest: Option<String>,
    older: Option<String>,
}

/// A change of a key.
#[derive(Debug)]
pub(super) struct Line {
    pub at: Instant,
    pub link: String,
    pub key: String,
    pub id: String,
    pub what: String,
    pub detail: String,
}

impl Line {
    pub fn new(change: &ChangeRow, now: Time) -> Self {
        Self {
            at: Instant::new(change.at, now),
            link: address::of_key(&change.account, &change.key_id),
            key: change.name.clone().unwrap_or_else(|| change.key_id.clone()),
            id: format!("{}/{}", change.account, change.key_id),
            what: told::change(change),
            detail: told::change_detail(change),
        }
    }
}

impl Page {
    pub fn new(frame: Frame, asked: &Asked, known: &[String], changes: &[ChangeRow], now: Time) -> Self {
        let shown = changes.get(..PER_PAGE).unwrap_or(changes);
        let last = shown.last().filter(|_| changes.len() > shown.len());
        let to = |before| Asked { before, ..asked.clone() }.address();
        let accounts = known.iter().map(|name| PickOption::new(name, name, asked.accounts.contains(name)));
        let kinds = ChangeKind::ALL
            .iter()
            .map(|kind| PickOption::new(kind.as_str(), &spaced(kind.as_str()), asked.changes.contains(kind)));
        let mut picks = vec![Pick::new("Account", Name::Account, accounts), Pick::new("Change", Name::Change, kinds)];
        picks.retain(|pick| !pick.options.is_empty());
        Self {
            since: asked.since.as_ref().map(|(text, _)| text.clone()).unwrap_or_default(),
            picks,
            chips: asked.chips(),
            count: several(shown.len() as u64, "change"),
            lines: shown.iter().map(|change| Line::new(change, now)).collect(),
            newest: asked.before.map(|_| to(None)),
            older: last.map(|change| to(Some(change.change_id))),
            frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    prop_compose! {
        fn any_asked()(
            accounts in proptest::collection::btree_set("[a-zé&=+ %-]{0,6}[a-z]", 0..3),
            changes in subsequence(ChangeKind::ALL, 0..=ChangeKind::ALL.len()),
            since in option::of(select(vec!["7d", "12h", "2026-11-01", "2026-11-01T08:00:00Z", "2026-11-01T08:00:00+01:00"])),
            before in option::of(1..i64::MAX),
        ) -> Asked {
            let accounts = accounts.into_iter().map(|account| account.trim().to_owned()).collect();
            let since = since.map(|text| (text.to_owned(), Since::parse(text).unwrap()));
            Asked { accounts, changes: changes.into_iter().collect(), since, before }
        }
    }

    proptest! {
        #[test]
        fn what_an_address_says_is_what_was_asked(asked in any_asked()) {
            let address = asked.address();
            let raw = address.strip_prefix(PATH).unwrap().trim_start_matches('?');
            prop_assert_eq!(Asked::parse(raw), Ok((asked, false)));
        }
    }
}
