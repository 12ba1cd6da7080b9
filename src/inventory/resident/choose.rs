//! Which keys are asked for: numbers are compared here, texts are looked for in the file first.

use memchr::memmem::Finder;
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params_from_iter};

use super::Held;
use super::halves::in_halves;
use super::key::{Conditions, Key, Row, Second, State};
use crate::domain::Time;
use crate::inventory::asked::Filter;
use crate::inventory::error::Stored;
use crate::inventory::read::Reader;
use crate::inventory::when::When;
use crate::inventory::whose::Whose;

/// Keys whose disappearance waits for a person.
const HELD: &str = "
SELECT x.key_id FROM hold AS h INDEXED BY hold_open JOIN held_key AS x ON x.hold_id = h.id
 WHERE h.ended_at IS NULL AND x.absent_poll IS NULL
 UNION ALL SELECT key_id FROM held_by_list";

/// What a filter allows, as sets of rows and of words.
pub(super) struct Choice {
    accounts: Option<RowSet>,
    kinds: Option<u8>,
    presences: Option<u8>,
    conditions: Option<Conditions>,
    waived: Option<bool>,
    flagged: Option<bool>,
    held: Option<(bool, RowSet)>,
    labels: Option<RowSet>,
    owners: Option<RowSet>,
    whose: Option<Owners>,
    created: Option<When>,
    last_used: Option<When>,
    expires: Option<When>,
    text: Option<Found>,
}

enum Owners {
    NotReported,
    Of(RowSet),
}

/// Where a text was found.
struct Found {
    keys: RowSet,
    homes: RowSet,
    owners: RowSet,
}

/// A set of rows, a bit each.
#[derive(Debug, Default)]
pub(super) struct RowSet(Vec<u64>);

impl RowSet {
    pub fn add(&mut self, row: Row) {
        let (word, bit) = (row.index() / 64, row.index() % 64);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    pub fn contains(&self, row: Row) -> bool {
        self.0.get(row.index() / 64).is_some_and(|word| word & 1 << (row.index() % 64) != 0)
    }

    fn select(connection: &Connection, sql: &str, values: impl IntoIterator<Item: ToSql>) -> Stored<Self> {
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        let mut set = Self::default();
        while let Some(row) = rows.next()? {
            set.add(Row::new(row.get(0)?)?);
        }
        Ok(set)
    }

    /// People by the words of the view `keys` for an owner.
    fn people(connection: &Connection, term: &str, values: &[(&str, Value)]) -> Stored<Self> {
        let mut select = connection.prepare_cached(&format!(
            "SELECT id FROM (SELECT p.id AS id, a.name AS account, p.kind AS owner_kind, p.remote_id AS owner_id, p.name AS owner_name,
                                    p.email AS owner_email
                               FROM person AS p JOIN organization AS o ON o.id = p.organization_id JOIN account AS a ON a.id = o.account_id)
              WHERE {term}"
        ))?;
        let values: Vec<(&str, &dyn ToSql)> = values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect();
        let mut rows = select.query(values.as_slice())?;
        let mut set = Self::default();
        while let Some(row) = rows.next()? {
            set.add(Row::new(row.get(0)?)?);
        }
        Ok(set)
    }
}

impl Choice {
    /// Looks up what the filter names; `None` where it asks for what is not kept in memory.
    pub fn new(held: &Held, reader: &Reader, connection: &Connection, filter: &Filter) -> Stored<Option<Self>> {
        let Filter {
            accounts,
            providers,
            kinds,
            presences,
            conditions,
            waived,
            flagged,
            held: waits,
            teams,
            owner,
            whose,
            created,
            last_used,
            expires,
            id,
            id_prefix,
            text,
        } = filter;
        if id.is_some() || id_prefix.is_some() {
            return Ok(None);
        }
        let bits = |numbers: &mut dyn Iterator<Item = u8>| numbers.fold(0, |bits, number| bits | 1 << number);
        Ok(Some(Self {
            accounts: of_accounts(connection, accounts, providers)?,
            kinds: (!kinds.is_empty()).then(|| bits(&mut kinds.iter().map(|kind| *kind as u8))),
            presences: (!presences.is_empty()).then(|| bits(&mut presences.iter().map(|presence| *presence as u8))),
            conditions: (!conditions.is_empty()).then(|| Conditions::of(conditions)),
            waived: *waived,
            flagged: *flagged,
            held: match waits {
                None => None,
                Some(waits) => Some((*waits, RowSet::select(connection, HELD, [0; 0])?)),
            },
            labels: match teams.as_slice() {
                [] => None,
                teams => Some(RowSet::select(
                    connection,
                    "SELECT id FROM label_set WHERE labels ->> '$.team' IN (SELECT value FROM json_each(?1))",
                    [serde_json::Value::from(teams).to_string()],
                )?),
            },
            owners: match owner {
                None => None,
                Some(owner) => {
                    let values = [(":owner", Value::from(owner.clone()))];
                    Some(RowSet::people(connection, ":owner COLLATE NOCASE IN (owner_id, owner_name, owner_email)", &values)?)
                }
            },
            whose: match whose {
                None => None,
                Some(Whose::NotReported) => Some(Owners::NotReported),
                Some(whose @ (Whose::Email(..) | Whose::Id(..))) => {
                    let (term, values) = whose.term();
                    Some(Owners::Of(RowSet::people(connection, &term, &values)?))
                }
            },
            created: *created,
            last_used: *last_used,
            expires: *expires,
            text: text.as_deref().map(|text| Found::new(held, reader, connection, text)).transpose()?,
        }))
    }

    pub fn allows(&self, key: &Key, now: Time) -> bool {
        let is_flagged = key.conditions.any();
        self.presences.is_none_or(|bits| bits & 1 << key.presence != 0)
            && self.kinds.is_none_or(|bits| bits & 1 << key.kind != 0)
            && self.conditions.is_none_or(|any| key.conditions.any_of(any))
            && self.flagged.is_none_or(|flagged| flagged == is_flagged)
            && self.waived.is_none_or(|waived| waived == (is_flagged && key.is_waived(now)))
            && self.accounts.as_ref().is_none_or(|accounts| accounts.contains(key.account))
            && self.created.is_none_or(|when| is_when(key.created, State::NotReported, when))
            && self.last_used.is_none_or(|when| is_when(key.used, key.flags.used(), when))
            && self.expires.is_none_or(|when| is_when(key.expires, key.flags.expires(), when))
            && self.labels.as_ref().is_none_or(|labels| key.labels.is_some_and(|of| labels.contains(of)))
            && self.owners.as_ref().is_none_or(|owners| key.owner.is_some_and(|owner| owners.contains(owner)))
            && self.whose.as_ref().is_none_or(|whose| match whose {
                Owners::NotReported => key.owner.is_none(),
                Owners::Of(owners) => key.owner.is_some_and(|owner| owners.contains(owner)),
            })
            && self.held.as_ref().is_none_or(|(held, keys)| *held == keys.contains(key.row))
            && self.text.as_ref().is_none_or(|found| found.has(key))
    }
}

fn of_accounts(connection: &Connection, accounts: &[String], providers: &[String]) -> Stored<Option<RowSet>> {
    if accounts.is_empty() && providers.is_empty() {
        return Ok(None);
    }
    let list = |words: &[String]| (!words.is_empty()).then(|| serde_json::Value::from(words).to_string());
    Ok(Some(RowSet::select(
        connection,
        "SELECT id FROM account WHERE (?1 IS NULL OR name IN (SELECT value FROM json_each(?1)))
                                  AND (?2 IS NULL OR provider IN (SELECT value FROM json_each(?2)))",
        [list(accounts), list(providers)],
    )?))
}

/// `no_time` is what a moment without a time is.
fn is_when(at: Second, no_time: State, when: When) -> bool {
    match (when, at.time()) {
        (When::Between(from, to), Some(at)) => from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to),
        (When::Between(..), None) | (When::Never | When::NotReported, Some(_)) => false,
        (When::Never, None) => no_time == State::Never,
        (When::NotReported, None) => no_time == State::NotReported,
    }
}

impl Found {
    fn new(held: &Held, reader: &Reader, connection: &Connection, text: &str) -> Stored<Self> {
        let looked_for = Finder::new(&text.to_ascii_lowercase()).into_owned();
        let halves = in_halves(reader, connection, &held.keys, |connection, keys| with_text(connection, keys, &looked_for))?;
        let mut keys = RowSet::default();
        halves.into_iter().flatten().for_each(|row| keys.add(row));
        Ok(Self {
            keys,
            homes: RowSet::select(connection, "SELECT id FROM scope WHERE instr(lower(name), lower(?1))", [text])?,
            owners: RowSet::people(
                connection,
                "instr(lower(concat_ws(char(10), owner_id, owner_name, owner_email)), lower(:text))",
                &[(":text", Value::from(text.to_owned()))],
            )?,
        })
    }

    fn has(&self, key: &Key) -> bool {
        self.keys.contains(key.row) || self.homes.contains(key.home) || key.owner.is_some_and(|owner| self.owners.contains(owner))
    }
}

/// Keys in whose id, name or hint it stands, letter case aside (ASCII).
fn with_text(connection: &Connection, keys: &[Key], looked_for: &Finder<'_>) -> Stored<Vec<Row>> {
    let mut found = Vec::new();
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(found) };
    let mut select = connection.prepare_cached("SELECT id, remote_id, name, hint FROM key WHERE id BETWEEN ?1 AND ?2")?;
    let mut rows = select.query([first.row.id(), last.row.id()])?;
    let mut lower = Vec::new();
    while let Some(row) = rows.next()? {
        lower.clear();
        for index in 1..=3 {
            lower.extend_from_slice(row.get_ref(index)?.as_bytes_or_null().ok().flatten().unwrap_or_default());
            // In no text that passed the gate.
            lower.push(b'\n');
        }
        lower.make_ascii_lowercase();
        if looked_for.find(&lower).is_some() {
            found.push(Row::new(row.get(0)?)?);
        }
    }
    Ok(found)
}
