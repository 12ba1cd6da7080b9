//! In which order keys are asked for, as numbers: the less, the sooner. What texts are compared by is ranked out of the file; keys
//! that are alike in all of it follow by their ids.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::key::{Conditions, Key, Row, Second, State};
use crate::domain::{Condition, KeyKind};
use crate::inventory::asked::Order;
use crate::inventory::error::Stored;

/// What orders keys before their ids do.
pub(super) struct Ranking {
    order: Order,
    reversed: bool,
    accounts: HashMap<Row, u32>,
    texts: HashMap<Row, u32>,
    kinds: Vec<u8>,
}

impl Ranking {
    pub fn new(connection: &Connection, order: Order, reversed: bool) -> Stored<Self> {
        let texts = match order {
            Order::Owner => ranks(connection, "SELECT id, coalesce(name, email, remote_id) FROM person", true)?,
            Order::Team => ranks(connection, "SELECT id, labels ->> '$.team' FROM label_set", true)?,
            Order::Id | Order::Urgency | Order::Expiry | Order::LastUse | Order::Created | Order::Name | Order::Kind => {
                HashMap::new()
            }
        };
        let mut by_word: Vec<KeyKind> = KeyKind::ALL.to_vec();
        by_word.sort_unstable_by_key(|kind| kind.as_str());
        let place = |kind: &KeyKind| by_word.iter().position(|other| other == kind).unwrap_or(0);
        Ok(Self {
            order,
            reversed,
            accounts: ranks(connection, "SELECT id, name FROM account", false)?,
            texts,
            kinds: KeyKind::ALL.iter().map(|kind| u8::try_from(place(kind)).unwrap_or(0)).collect(),
        })
    }

    /// What comes last for want of a value comes last the other way round too. Names are not among it: they are too many to rank.
    pub fn of(&self, key: &Key) -> u128 {
        let way = |number: u32| u128::from(if self.reversed { !number } else { number });
        let account = self.accounts.get(&key.account).copied().unwrap_or(0);
        let text = |row: Option<Row>| row.and_then(|row| self.texts.get(&row).copied());
        let or_last = |rank: Option<u32>| rank.map_or(1 << 64, |rank| way(rank) << 32);
        let value = |at: Second| (at != Second::NONE).then_some(at.number());
        let first = match self.order {
            Order::Id => return way(account),
            Order::Name => 0,
            Order::Urgency => {
                let since = value(key.used).or(value(key.created)).unwrap_or(u32::MAX);
                way(urgency(key)) << 96 | u128::from(key.expires.number()) << 64 | u128::from(since) << 32
            }
            Order::Expiry => or_last(value(key.expires)),
            Order::Created => or_last(value(key.created)),
            Order::LastUse => match key.flags.used() {
                State::At => or_last(value(key.used)),
                // Before all times.
                State::Never => or_last(Some(0)),
                State::NotReported => or_last(None),
            },
            Order::Kind => way(u32::from(self.kinds.get(usize::from(key.kind)).copied().unwrap_or(0))) << 32,
            Order::Owner => or_last(text(key.owner)),
            Order::Team => or_last(text(key.labels)),
        };
        first | u128::from(account)
    }

    pub fn reversed(&self) -> bool {
        self.reversed
    }

    /// Whether ids go the other way round: they alone do where nothing but they orders.
    pub fn ids_are_reversed(&self) -> bool {
        self.reversed && self.order == Order::Id
    }
}

/// As `Order::Urgency` says: what needs a person first.
fn urgency(key: &Key) -> u32 {
    let place = Condition::BY_URGENCY.iter().position(|condition| key.conditions.any_of(Conditions::of(&[*condition])));
    place.map_or(8, |place| u32::try_from(place).unwrap_or(8))
}

/// The place of each row's text among all of them; the same for the same texts, from 1. Rows without a text are left out.
fn ranks(connection: &Connection, sql: &str, folded: bool) -> Stored<HashMap<Row, u32>> {
    let mut by_text: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let Some(text) = row.get_ref(1)?.as_bytes_or_null().ok().flatten() else { continue };
        let text = if folded { text.to_ascii_lowercase() } else { text.to_vec() };
        by_text.entry(text).or_default().push(Row::new(row.get(0)?)?);
    }
    let ranked = (1..).zip(by_text.into_values()).flat_map(|(rank, rows)| rows.into_iter().map(move |row| (row, rank)));
    Ok(ranked.collect())
}
