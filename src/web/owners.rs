//! The page *Owners*: one line for each person and service account, with the keys that it has at all providers.

use std::collections::BTreeSet;

use askama::Template;

use super::as_of::{self, DayField};
use super::form::{Chip, Pages, Pick, PickOption, range};
use super::frame::Frame;
use super::keys;
use super::parameters::{self, Given, Name as _, Wrong, page, text};
use super::query::Query;
use crate::domain::{Condition, OwnerKind, Time};
use crate::views::shown::{number, several, spaced};
use crate::views::{AsOf, KeysAsked, Owned, Owner, Whose, told};

pub(super) const PATH: &str = "/owners";
/// Owners on a page.
const PER_PAGE: u32 = 100;

/// Which owners, and which of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Asked {
    /// In the name, the address or an id.
    pub text: Option<String>,
    /// Only keys of these; of all where there is none.
    pub accounts: BTreeSet<String>,
    /// Owners of keys as they were then.
    pub as_of: Option<AsOf>,
    /// From 0; in the address from 1.
    pub page: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Text,
    Account,
    AsOf,
    Page,
}

impl parameters::Name for Name {
    const ALL: &'static [Self] = &[Self::Text, Self::Account, Self::AsOf, Self::Page];

    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "q",
            Self::Account => "account",
            Self::AsOf => as_of::NAME,
            Self::Page => "page",
        }
    }

    fn takes_several(self) -> bool {
        self == Self::Account
    }
}

impl Asked {
    /// Reads a query string; also whether something in it is empty.
    pub fn parse(raw: &str) -> Result<(Self, bool), Wrong> {
        let Given { pairs, has_blanks } = Given::parse(raw)?;
        let mut asked = Self::default();
        for (name, value) in pairs {
            match name {
                Name::Text => asked.text = Some(text(name, &value)?),
                Name::Account => drop(asked.accounts.insert(text(name, &value)?)),
                Name::AsOf => asked.as_of = Some(as_of::parse(name, &value)?),
                Name::Page => asked.page = page(name, &value)?,
            }
        }
        Ok((asked, has_blanks))
    }

    pub fn address(&self) -> String {
        let page = (self.page > 0).then(|| (self.page + 1).to_string());
        let text = self.text.as_deref().map(|text| (Name::Text, text));
        let accounts = self.accounts.iter().map(|account| (Name::Account, account.as_str()));
        let as_of = self.as_of.map(as_of::written);
        let as_of = as_of.as_deref().map(|as_of| (Name::AsOf, as_of));
        let pairs = text.into_iter().chain(accounts).chain(as_of).chain(page.as_deref().map(|page| (Name::Page, page)));
        parameters::address(PATH, pairs.map(|(name, value)| (name.as_str(), value)))
    }

    /// The keys that are counted.
    pub fn keys(&self) -> KeysAsked {
        self.query().all()
    }

    fn query(&self) -> Query {
        Query { accounts: self.accounts.clone(), ..Query::default() }
    }

    /// Of one owner, those that `query` asks for.
    fn of(&self, whose: &Whose, query: Query) -> String {
        Query { whose: Some(whose.clone()), accounts: self.accounts.clone(), as_of: self.as_of, ..query }.address(keys::PATH)
    }

    fn takes(&self, owned: &Owned) -> bool {
        let Some(text) = self.text.as_deref().map(str::to_ascii_lowercase) else { return true };
        let Some(owner) = &owned.owner else { return false };
        let ids = owner.ids.iter().map(|(_, id)| id);
        owner.name.iter().chain(&owner.email).chain(ids).any(|word| word.to_ascii_lowercase().contains(&text))
    }

    fn chips(&self) -> Vec<Chip> {
        let without = |rest: Self| Self { page: 0, ..rest }.address();
        let text = self.text.iter().map(|text| Chip {
            what: "Search",
            value: text.clone(),
            without: without(Self { text: None, ..self.clone() }),
        });
        let accounts = self.accounts.iter().map(|account| {
            let mut rest = self.clone();
            rest.accounts.remove(account);
            Chip { what: "Account", value: account.clone(), without: without(rest) }
        });
        let as_of = self.as_of.map(|as_of| Chip {
            what: "As of",
            value: as_of::written(as_of),
            without: without(Self { as_of: None, ..self.clone() }),
        });
        text.chain(accounts).chain(as_of).collect()
    }
}

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "owners.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    text: String,
    picks: Vec<Pick>,
    chips: Vec<Chip>,
    as_of: DayField,
    total: String,
    left: Option<String>,
    range: Option<String>,
    lines: Vec<Line>,
    pages: Option<Pages>,
}

#[derive(Debug)]
struct Line {
    /// `None` is *not reported*.
    name: Option<String>,
    more: Vec<String>,
    /// Owns orphaned keys.
    left: bool,
    accounts: Vec<String>,
    keys: Count,
    flagged: Option<Count>,
    conditions: Vec<Count>,
}

/// A number, and the keys that it counts.
#[derive(Debug)]
struct Count {
    label: String,
    tone: &'static str,
    link: String,
}

impl Page {
    /// `None` where there is no such page of them.
    pub fn new(frame: Frame, asked: &Asked, known: &[String], owners: Vec<Owned>, today: Time) -> Option<Self> {
        let owners: Vec<Owned> = owners.into_iter().filter(|owned| asked.takes(owned)).collect();
        let total = owners.len() as u64;
        let left = owners.iter().filter(|owned| has_left(owned)).count() as u64;
        let first = asked.page as usize * PER_PAGE as usize;
        let lines: Vec<Line> = owners.iter().skip(first).take(PER_PAGE as usize).map(|owned| line(asked, owned)).collect();
        if lines.is_empty() && asked.page > 0 {
            return None;
        }
        let options = known.iter().map(|name| PickOption::new(name, name, asked.accounts.contains(name)));
        Some(Self {
            text: asked.text.clone().unwrap_or_default(),
            picks: if known.is_empty() { Vec::new() } else { vec![Pick::new("Account", Name::Account, options)] },
            chips: asked.chips(),
            as_of: DayField::new(asked.as_of, today),
            total: several(total, "owner"),
            left: (left > 0).then(|| number(left)),
            range: range(asked.page, PER_PAGE, lines.len(), total),
            pages: Pages::new(asked.page, total, PER_PAGE, |page| Asked { page, ..asked.clone() }.address()),
            lines,
            frame,
        })
    }
}

fn has_left(owned: &Owned) -> bool {
    owned.in_condition(Condition::Orphaned) > 0
}

fn line(asked: &Asked, owned: &Owned) -> Line {
    let of = |query| asked.of(&owned.whose, query);
    let (name, more) = match &owned.owner {
        None => (None, Vec::new()),
        Some(owner) => {
            let (name, more) = called(owner);
            (Some(name), more)
        }
    };
    let conditions = told::URGENCY.into_iter().filter(|condition| owned.in_condition(*condition) > 0).map(|condition| Count {
        label: format!("{} {}", number(owned.in_condition(condition)), told::condition(condition).to_lowercase()),
        tone: super::cards::tone(condition),
        link: of(Query::of_condition(condition, false)),
    });
    let waived = (owned.waived > 0).then(|| Count {
        label: format!("{} waived", number(owned.waived)),
        tone: "plain",
        link: of(Query { waived: Some(true), ..Query::default() }),
    });
    Line {
        name,
        more,
        left: has_left(owned),
        accounts: owned.accounts.iter().cloned().collect(),
        keys: Count { label: number(owned.keys), tone: "plain", link: of(Query::default()) },
        flagged: (owned.flagged > 0).then(|| Count {
            label: number(owned.flagged),
            tone: "warn",
            link: of(Query { flagged: Some(true), waived: Some(false), ..Query::default() }),
        }),
        conditions: conditions.chain(waived).collect(),
    }
}

/// How an owner is called, and what else tells who that is: the address or the ids, and what it is if not a person.
fn called(owner: &Owner) -> (String, Vec<String>) {
    let mut ids = owner.ids.iter().map(|(_, id)| id.clone());
    let (name, mut more) = match (&owner.name, &owner.email) {
        (Some(name), Some(email)) => (name.clone(), vec![email.clone()]),
        (Some(name), None) => (name.clone(), ids.collect()),
        (None, Some(email)) => (email.clone(), Vec::new()),
        (None, None) => (ids.next().unwrap_or_default(), ids.collect()),
    };
    if owner.kind != OwnerKind::User {
        more.push(spaced(owner.kind.as_str()));
    }
    (name, more)
}
