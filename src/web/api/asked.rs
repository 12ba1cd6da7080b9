//! What a request asks for. Each path takes the parameters that its endpoint declares, and no others; the same declaration makes the
//! document.

use std::collections::BTreeSet;

use super::super::Site;
use super::super::parameters::{Name as _, Wrong};
use super::super::query::{Name, Query};
use super::cursor;
use super::problem::Problem;
use crate::domain::{Text, Time};
use crate::views::{Place, provider_ids};

/// A parameter of a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parameter {
    /// As of the page *Keys*.
    Filter(Name),
    Since,
    After,
    Limit,
    Cursor,
}

/// Items on a page, unless something else is asked for; and at most.
pub(super) const FEW: u32 = 100;
pub(super) const MOST: u32 = 1_000;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub query: Query,
    pub since: Option<Time>,
    pub after: Option<i64>,
    pub limit: u32,
    cursor: Option<String>,
}

impl Parameter {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter(name) => name.as_str(),
            Self::Since => "since",
            Self::After => "after",
            Self::Limit => "limit",
            Self::Cursor => "cursor",
        }
    }

    /// Any of several words may be asked for.
    pub fn takes_several(self) -> bool {
        match self {
            Self::Filter(name) => name.takes_several(),
            Self::Since | Self::After | Self::Limit | Self::Cursor => false,
        }
    }
}

impl Asked {
    /// Reads a query string.
    ///
    /// # Errors
    /// A name or a word is none of those that may be asked for here, or says nothing.
    pub fn read(raw: Option<String>, takes: &[Parameter]) -> Result<Self, Wrong> {
        let mut asked = Self { query: Query::default(), since: None, after: None, limit: FEW, cursor: None };
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            let Some(parameter) = takes.iter().copied().find(|parameter| parameter.as_str() == name) else {
                return Err(unknown(&name, takes));
            };
            if value.is_empty() {
                let name = parameter.as_str();
                return Err(Wrong(format!("The parameter “{name}” is empty: leave it out, or say what it is to be.")));
            }
            if !seen.insert(parameter) && !parameter.takes_several() {
                return Err(Wrong(format!("The parameter “{}” may be given once.", parameter.as_str())));
            }
            asked.take(parameter, &value)?;
        }
        Ok(asked)
    }

    fn take(&mut self, parameter: Parameter, value: &str) -> Result<(), Wrong> {
        let wrong = |instead: &str| {
            Wrong(format!("The parameter “{}” cannot be “{}”: it is {instead}.", parameter.as_str(), Text::clean(value)))
        };
        match parameter {
            Parameter::Filter(Name::Provider) if !provider_ids().any(|id| id == value) => {
                return Err(wrong(&format!("one of {}", provider_ids().collect::<Vec<_>>().join(", "))));
            }
            Parameter::Filter(name) => self.query.take(name, value)?,
            Parameter::Since => {
                self.since = Some(instant(value).ok_or_else(|| wrong("a time of RFC 3339, such as 2026-11-21T20:33:01Z"))?);
            }
            Parameter::After => {
                let number = digits(value).and_then(|value| value.parse().ok());
                self.after =
                    Some(number.ok_or_else(|| wrong(&format!("the change_id of a change, a number from 0 to {}", i64::MAX)))?);
            }
            Parameter::Limit => {
                let number = digits(value).and_then(|value| value.parse().ok()).filter(|limit| (1..=MOST).contains(limit));
                self.limit = number.ok_or_else(|| wrong(&format!("a number from 1 to {MOST}")))?;
            }
            Parameter::Cursor => self.cursor = Some(value.to_owned()),
        }
        Ok(())
    }

    /// The question that a cursor belongs to: everything but how many items at once, and where to go on.
    pub fn question(&self, path: &str) -> String {
        let (since, after) = (self.since.map(Time::unix), self.after);
        format!("{} {since:?} {after:?}", self.query.address(path))
    }

    /// Everything that the answer hangs on.
    pub fn whole(&self, question: &str) -> String {
        format!("{question} {} {:?}", self.limit, self.cursor)
    }

    /// Where to go on.
    ///
    /// # Errors
    /// The cursor is not one that was given for this question.
    pub fn behind(&self, question: &str) -> Result<Option<Vec<Place>>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        cursor::take(question, cursor).map(Some).ok_or_else(not_ours)
    }

    /// # Errors
    /// There is no such account or team.
    pub async fn names_what_is_there(&self, site: &Site) -> Result<(), Problem> {
        if self.query.accounts.is_empty() && self.query.teams.is_empty() {
            return Ok(());
        }
        match site.words().await?.refusal(&self.query) {
            Some(sentence) => Err(Problem::not_found("Nothing of that name", sentence)),
            None => Ok(()),
        }
    }
}

/// A cursor that was changed, or given for something else.
pub(super) fn not_ours() -> Problem {
    let sentence = "The parameter “cursor” cannot be that: it is the `next` of a page of this list with the same filter and order; \
                    leave it out to begin with the first page.";
    Wrong(sentence.to_owned()).into()
}

fn unknown(name: &str, takes: &[Parameter]) -> Wrong {
    let names: Vec<&str> = takes.iter().map(|parameter| parameter.as_str()).collect();
    let there_are = if names.is_empty() { "this path takes none".to_owned() } else { format!("there are {}", names.join(", ")) };
    Wrong(format!("There is no parameter “{}”; {there_are}.", Text::clean(name)))
}

fn digits(value: &str) -> Option<&str> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then_some(value)
}

/// RFC 3339 and nothing else of what ISO 8601 allows, fractions rounded down.
fn instant(value: &str) -> Option<Time> {
    let is_whole = value.as_bytes().get(10).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'T'));
    let instant: jiff::Timestamp = value.parse().ok()?;
    is_whole.then(|| Time::from_unix(instant.as_second()))
}
