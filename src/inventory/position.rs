//! Where somebody stopped in an ordered list of keys: what the last key was ordered by. What is behind it is found by these values,
//! whether that key is still there or not, so that keys which come or go elsewhere move nobody's place.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::asked::Order;

/// One of the things that an order goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    pub sql: &'static str,
    /// Letter case aside (ASCII).
    pub folded: bool,
    pub reversed: bool,
}

/// The values of an order's terms. Only [`Position::of`] and the inventory make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(Vec<Place>);

/// One of them, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// No value.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// As many names as the longest order has terms.
const NAMES: [&str; 8] = [":p0", ":p1", ":p2", ":p3", ":p4", ":p5", ":p6", ":p7"];

impl Term {
    pub fn in_order(terms: &[Self]) -> String {
        let way = |term: &Self| format!("{} {}", term.compared(), if term.reversed { "DESC" } else { "ASC" });
        terms.iter().map(way).collect::<Vec<_>>().join(", ")
    }

    fn compared(&self) -> String {
        format!("({}){}", self.sql, if self.folded { " COLLATE NOCASE" } else { "" })
    }

    /// As SQLite orders: no value is less than any value.
    fn is_behind(&self, name: &str) -> String {
        let term = self.compared();
        if self.reversed {
            format!("({term} < {name} OR {term} IS NULL AND {name} IS NOT NULL)")
        } else {
            format!("({term} > {name} OR {term} IS NOT NULL AND {name} IS NULL)")
        }
    }
}

impl Position {
    /// The place in that order; `None` where the order goes by another number of things.
    pub fn of(order: Order, places: Vec<Place>) -> Option<Self> {
        (order.terms(false).len() == places.len()).then_some(Self(places))
    }

    /// What it is made of.
    pub fn places(&self) -> &[Place] {
        &self.0
    }

    /// Reads the columns of a row that stand behind the first ones.
    pub(super) fn read(row: &Row<'_>, first: usize, terms: usize) -> rusqlite::Result<Self> {
        let place = |index| {
            Ok(match row.get::<_, Value>(index)? {
                Value::Integer(number) => Place::Number(number),
                Value::Text(text) => Place::Text(text),
                Value::Null | Value::Real(_) | Value::Blob(_) => Place::Null,
            })
        };
        (first..first + terms).map(place).collect::<rusqlite::Result<_>>().map(Self)
    }

    /// The condition that a key is behind this one.
    pub(super) fn behind(&self, terms: &[Term]) -> String {
        let mut named = terms.iter().zip(NAMES).rev();
        let last = named.next().map_or_else(|| "false".to_owned(), |(term, name)| term.is_behind(name));
        named.fold(last, |rest, (term, name)| format!("({} OR {} IS {name} AND {rest})", term.is_behind(name), term.compared()))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, Value)> {
        NAMES.into_iter().zip(self.0.iter().map(|place| match place {
            Place::Null => Value::Null,
            Place::Number(number) => Value::Integer(*number),
            Place::Text(text) => Value::Text(text.clone()),
        }))
    }
}
