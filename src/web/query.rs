//! The query string of the page *Keys*: which keys, in which order, and which page of them. The address holds the whole view,
//! so that every link on the page is a query like the one that was asked, with something changed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

use super::as_of;
use super::parameters::{self, Given, Name as _, Wrong, page, text, texts, word, wrong, yes_or_no};
use crate::domain::{Condition, KeyKind, Presence, Text};
use crate::views::{AsOf, Filter, KeysAsked, Order, When, Whose};

/// Keys on a page.
pub(super) const PER_PAGE: u32 = 100;

/// What is asked for. Of every set that is empty, anything will do; of presences, anything but gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub text: Option<String>,
    pub providers: BTreeSet<String>,
    pub accounts: BTreeSet<String>,
    pub kinds: BTreeSet<KeyKind>,
    pub owner: Option<String>,
    pub whose: Option<Whose>,
    pub teams: BTreeSet<String>,
    pub conditions: BTreeSet<Condition>,
    pub presences: BTreeSet<Presence>,
    pub flagged: Option<bool>,
    pub waived: Option<bool>,
    pub held: Option<bool>,
    pub created: Option<When>,
    pub last_used: Option<When>,
    pub expires: Option<When>,
    /// Keys as they were then.
    pub as_of: Option<AsOf>,
    pub sort: Sort,
    /// From 0; in the address from 1.
    pub page: u32,
}

/// The order, and whether it is turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub by: Order,
    pub reversed: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { by: Order::Urgency, reversed: false }
    }
}

/// What stands in the address, and what the form asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Text,
    Provider,
    Account,
    Kind,
    Owner,
    Whose,
    Team,
    Condition,
    Presence,
    Flagged,
    Waived,
    Held,
    Created,
    LastUsed,
    Expires,
    AsOf,
    Sort,
    Page,
}

impl parameters::Name for Name {
    const ALL: &'static [Self] = &[
        Self::Text,
        Self::Provider,
        Self::Account,
        Self::Kind,
        Self::Owner,
        Self::Whose,
        Self::Team,
        Self::Condition,
        Self::Presence,
        Self::Flagged,
        Self::Waived,
        Self::Held,
        Self::Created,
        Self::LastUsed,
        Self::Expires,
        Self::AsOf,
        Self::Sort,
        Self::Page,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "q",
            Self::Provider => "provider",
            Self::Account => "account",
            Self::Kind => "kind",
            Self::Owner => "owner",
            Self::Whose => "whose",
            Self::Team => "team",
            Self::Condition => "condition",
            Self::Presence => "presence",
            Self::Flagged => "flagged",
            Self::Waived => "waived",
            Self::Held => "held",
            Self::Created => "created",
            Self::LastUsed => "last_used",
            Self::Expires => "expires",
            Self::AsOf => as_of::NAME,
            Self::Sort => "sort",
            Self::Page => "page",
        }
    }

    fn takes_several(self) -> bool {
        match self {
            Self::Provider | Self::Account | Self::Kind | Self::Team | Self::Condition | Self::Presence => true,
            Self::Text
            | Self::Owner
            | Self::Whose
            | Self::Flagged
            | Self::Waived
            | Self::Held
            | Self::Created
            | Self::LastUsed
            | Self::Expires
            | Self::AsOf
            | Self::Sort
            | Self::Page => false,
        }
    }
}

/// The words of the orders.
pub(super) const SORTS: [(&str, Order); 9] = [
    ("urgency", Order::Urgency),
    ("account", Order::Id),
    ("name", Order::Name),
    ("kind", Order::Kind),
    ("owner", Order::Owner),
    ("team", Order::Team),
    ("created", Order::Created),
    ("last_used", Order::LastUse),
    ("expires", Order::Expiry),
];

/// A query that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub query: Query,
    /// It named something without saying what, as a form does whose fields were left empty.
    pub has_blanks: bool,
}

impl Query {
    /// Keys that may be there: present, missing or unknown.
    pub fn may_be_there() -> Self {
        Self { presences: Presence::MAY_BE_THERE.into(), ..Self::default() }
    }

    /// Keys in a condition, those that a waiver accepts or the others.
    pub fn of_condition(condition: Condition, waived: bool) -> Self {
        Self { conditions: [condition].into(), waived: Some(waived), ..Self::default() }
    }

    /// Reads a query string.
    ///
    /// # Errors
    /// A name or a word is none of ours: whoever misspelt one must not get other keys than they asked for.
    pub fn parse(raw: &str) -> Result<Parsed, Wrong> {
        let Given { pairs, has_blanks } = Given::parse(raw)?;
        let mut query = Self::default();
        for (name, value) in pairs {
            query.take(name, &value)?;
        }
        Ok(Parsed { query, has_blanks })
    }

    /// Takes over what a parameter says.
    ///
    /// # Errors
    /// The word is none of the parameter's.
    pub(super) fn take(&mut self, name: Name, value: &str) -> Result<(), Wrong> {
        match name {
            Name::Text => self.text = Some(text(name, value)?),
            Name::Provider => drop(self.providers.insert(text(name, value)?)),
            Name::Account => drop(self.accounts.insert(text(name, value)?)),
            Name::Kind => drop(self.kinds.insert(word(name, value, KeyKind::ALL, KeyKind::as_str)?)),
            Name::Owner => self.owner = Some(text(name, value)?),
            Name::Whose => {
                let whose = texts(name, value, 2)?.parse();
                self.whose = Some(whose.map_err(|instead: String| wrong(name, value, &instead))?);
            }
            Name::Team => drop(self.teams.insert(text(name, value)?)),
            Name::Condition => drop(self.conditions.insert(word(name, value, Condition::ALL, Condition::as_str)?)),
            Name::Presence => drop(self.presences.insert(word(name, value, Presence::ALL, Presence::as_str)?)),
            Name::Flagged => self.flagged = Some(yes_or_no(name, value)?),
            Name::Waived => self.waived = Some(yes_or_no(name, value)?),
            Name::Held => self.held = Some(yes_or_no(name, value)?),
            Name::Created => self.created = Some(when(name, value).and_then(not_never(name, value))?),
            Name::LastUsed => self.last_used = Some(when(name, value)?),
            Name::Expires => self.expires = Some(when(name, value)?),
            Name::AsOf => self.as_of = Some(as_of::parse(name, value)?),
            Name::Sort => self.sort = value.parse()?,
            Name::Page => self.page = page(name, value)?,
        }
        Ok(())
    }

    /// What of it is not at its default, in the order of [`Name::ALL`].
    fn pairs(&self) -> Vec<(Name, Cow<'_, str>)> {
        let yes_no = |wanted: bool| if wanted { "yes" } else { "no" };
        let mut pairs: Vec<(Name, Cow<'_, str>)> = Vec::new();
        pairs.extend(self.text.iter().map(|text| (Name::Text, text.as_str().into())));
        pairs.extend(self.providers.iter().map(|word| (Name::Provider, word.as_str().into())));
        pairs.extend(self.accounts.iter().map(|word| (Name::Account, word.as_str().into())));
        pairs.extend(self.kinds.iter().map(|word| (Name::Kind, word.as_str().into())));
        pairs.extend(self.owner.iter().map(|text| (Name::Owner, text.as_str().into())));
        pairs.extend(self.whose.iter().map(|whose| (Name::Whose, whose.to_string().into())));
        pairs.extend(self.teams.iter().map(|word| (Name::Team, word.as_str().into())));
        pairs.extend(self.conditions.iter().map(|word| (Name::Condition, word.as_str().into())));
        pairs.extend(self.presences.iter().map(|word| (Name::Presence, word.as_str().into())));
        for (name, wanted) in [(Name::Flagged, self.flagged), (Name::Waived, self.waived), (Name::Held, self.held)] {
            pairs.extend(wanted.map(|wanted| (name, yes_no(wanted).into())));
        }
        let moments = [(Name::Created, self.created), (Name::LastUsed, self.last_used), (Name::Expires, self.expires)];
        pairs.extend(moments.into_iter().filter_map(|(name, when)| Some((name, when?.to_string().into()))));
        pairs.extend(self.as_of.map(|as_of| (Name::AsOf, as_of::written(as_of).into())));
        pairs
    }

    /// The filters that are set, each with the query without it.
    pub fn without_each(&self) -> Vec<(Name, Cow<'_, str>, Self)> {
        let mut filters = Vec::new();
        for (name, value) in self.pairs() {
            let mut rest = Self { page: 0, ..self.clone() };
            rest.remove(name, &value);
            filters.push((name, value, rest));
        }
        filters
    }

    fn remove(&mut self, name: Name, value: &str) {
        match name {
            Name::Text => self.text = None,
            Name::Provider => drop(self.providers.remove(value)),
            Name::Account => drop(self.accounts.remove(value)),
            Name::Kind => self.kinds.retain(|word| word.as_str() != value),
            Name::Owner => self.owner = None,
            Name::Whose => self.whose = None,
            Name::Team => drop(self.teams.remove(value)),
            Name::Condition => self.conditions.retain(|word| word.as_str() != value),
            Name::Presence => self.presences.retain(|word| word.as_str() != value),
            Name::Flagged => self.flagged = None,
            Name::Waived => self.waived = None,
            Name::Held => self.held = None,
            Name::Created => self.created = None,
            Name::LastUsed => self.last_used = None,
            Name::Expires => self.expires = None,
            Name::AsOf => self.as_of = None,
            Name::Sort => self.sort = Sort::default(),
            Name::Page => self.page = 0,
        }
    }

    /// The address of a page, or of a file, below which the query stands.
    pub fn address(&self, path: &str) -> String {
        let mut pairs = self.pairs();
        if self.sort != Sort::default() {
            pairs.push((Name::Sort, self.sort.to_string().into()));
        }
        if self.page > 0 {
            pairs.push((Name::Page, (self.page + 1).to_string().into()));
        }
        parameters::address(path, pairs.iter().map(|(name, value)| (name.as_str(), &**value)))
    }

    /// What is asked of the inventory, all pages of it.
    pub fn all(&self) -> KeysAsked {
        let not_gone = || Presence::ALL.iter().copied().filter(|presence| *presence != Presence::Gone).collect();
        let filter = Filter {
            accounts: self.accounts.iter().cloned().collect(),
            providers: self.providers.iter().cloned().collect(),
            kinds: self.kinds.iter().copied().collect(),
            presences: if self.presences.is_empty() { not_gone() } else { self.presences.iter().copied().collect() },
            conditions: self.conditions.iter().copied().collect(),
            waived: self.waived,
            flagged: self.flagged,
            held: self.held,
            teams: self.teams.iter().cloned().collect(),
            owner: self.owner.clone(),
            whose: self.whose.clone(),
            text: self.text.clone(),
            created: self.created,
            last_used: self.last_used,
            expires: self.expires,
            ..Filter::default()
        };
        KeysAsked { filter, order: self.sort.by, reversed: self.sort.reversed, ..KeysAsked::default() }
    }

    /// The same of one page.
    pub fn one_page(&self) -> KeysAsked {
        KeysAsked { limit: Some(PER_PAGE), offset: self.page.saturating_mul(PER_PAGE), ..self.all() }
    }
}

fn when(name: Name, value: &str) -> Result<When, Wrong> {
    let wrong = |instead| Wrong(format!("The parameter “{}” cannot be “{}”: {instead}.", name.as_str(), Text::clean(value)));
    When::parse(value).map_err(wrong)
}

/// Every key was made at some time.
fn not_never(name: Name, value: &str) -> impl FnOnce(When) -> Result<When, Wrong> {
    move |when| match when {
        When::Never => Err(wrong(name, value, "a time, or not_reported")),
        When::Between(..) | When::NotReported => Ok(when),
    }
}

impl FromStr for Sort {
    type Err = Wrong;
    fn from_str(value: &str) -> Result<Self, Wrong> {
        let (word, reversed) = value.strip_prefix('-').map_or((value, false), |word| (word, true));
        let found = SORTS.iter().find(|(known, _)| *known == word);
        found.map(|(_, by)| Self { by: *by, reversed }).ok_or_else(|| {
            let known = SORTS.map(|(known, _)| known).join(", ");
            wrong(Name::Sort, value, &format!("one of {known}, or one of them behind a minus sign for the other way round"))
        })
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = SORTS.iter().find(|(_, by)| *by == self.by).map_or("urgency", |(word, _)| word);
        write!(f, "{}{word}", if self.reversed { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests;
