//! Rows of the public view `keys`, chosen, ordered and cut.

use rusqlite::{Connection, Row, named_params};

use super::asked::KeysAsked;
use super::error::{StoreError, Stored};
use super::position::Position;
use super::read::Reader;
use super::sql::{at_now_in_order, conditions, one_at_now, optional_time, optional_word, time, word};
use crate::domain::{Basis, Condition, KeyKind, Moment, OwnerKind, Presence, PresenceReason, Time};

/// A row of the view, with its columns typed. Nothing of a remote is in it that did not pass the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its provider's word.
    pub provider: String,
    /// Its account.
    pub account: String,
    /// The project or member whose list holds it; empty for lists of the whole organisation.
    pub scope_id: String,
    /// That list's name.
    pub scope_name: Option<String>,
    /// The provider's id of the key.
    pub key_id: String,
    /// What sort of key it is.
    pub kind: KeyKind,
    /// As people named it.
    pub name: Option<String>,
    /// The provider's masked form of the secret.
    pub hint: Option<String>,
    /// Whose it is; `None` is *not reported*.
    pub owner: Option<OwnerRow>,
    /// When it was made; `None` is *not reported*.
    pub created_at: Option<Time>,
    /// `last_used_at` and `last_used_state`.
    pub last_used: Moment,
    /// `expires_at` and `expires_state`.
    pub expires: Moment,
    /// False only where the provider says that it is disabled.
    pub enabled: bool,
    /// Whether it is there.
    pub presence: Presence,
    /// And why that is said.
    pub presence_reason: PresenceReason,
    /// Since when its disappearance waits for a person.
    pub held_since: Option<Time>,
    /// What policy says of it now, waived or not.
    pub conditions: Vec<Condition>,
    /// What stale rests on, where it is stale.
    pub stale_basis: Option<Basis>,
    /// Those of the conditions that a waiver accepts: all or none.
    pub waived: Vec<Condition>,
    /// It is the key that keymuster itself signs in with.
    pub is_self: bool,
    /// When it was first listed.
    pub first_seen_at: Time,
    /// When the newest complete walk that listed it began.
    pub last_seen_at: Option<Time>,
    /// The label `team`.
    pub team: Option<String>,
    /// All labels, a JSON object.
    pub labels: String,
}

/// The owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRow {
    /// User, service account, or something newer.
    pub kind: OwnerKind,
    /// The provider's id.
    pub id: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
}

/// Columns in the order of the view, whatever that is.
pub(super) const SELECT: &str = "
SELECT provider, account, scope_id, scope_name, key_id, kind, name, hint, owner_kind, owner_id, owner_name, owner_email,
       created_at, last_used_at, last_used_state, expires_at, expires_state, enabled, presence, presence_reason, held_since,
       conditions, stale_basis, waived, self, first_seen_at, last_seen_at, team, labels
  FROM keys";

/// Keys of a page by the row that they are stored in, and how many there are on all pages. It asks for no more of a key than
/// chooses it and puts it in its place.
const ON_PAGE: &str = "SELECT row, count(*) OVER () FROM keys";

const TEAMS: &str = "SELECT DISTINCT labels ->> '$.team' FROM label_set WHERE labels ->> '$.team' IS NOT NULL ORDER BY 1";

impl Reader {
    /// The labels `team` that policy gives keys, in order.
    pub async fn teams(&self) -> Stored<Vec<String>> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(TEAMS)?;
            let teams = select.query_map([], |row| row.get(0))?;
            Ok(teams.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Hands over keys as of `now`, one after the other.
    pub async fn each_key<T: Send + 'static>(
        &self,
        asked: KeysAsked,
        now: Time,
        mut taken: T,
        mut take: impl FnMut(&mut T, KeyRow) + Send + 'static,
    ) -> Stored<T> {
        self.read(move |connection| {
            let chosen = asked.chosen();
            let mut select = connection.prepare_cached(&at_now_in_order(&format!("{SELECT}{}", chosen.sql)))?;
            let mut parameters = chosen.parameters();
            let now = now.unix();
            parameters.push((":now", &now));
            let mut rows = select.query(parameters.as_slice())?;
            while let Some(row) = rows.next()? {
                take(&mut taken, key(row)?);
            }
            Ok(taken)
        })
        .await
    }

    /// Lists keys as of `now`.
    pub async fn keys(&self, asked: KeysAsked, now: Time) -> Stored<Vec<KeyRow>> {
        self.each_key(asked, now, Vec::new(), |keys, key| keys.push(key)).await
    }

    /// The same of a page, chosen by narrow rows first and then read whole; and how many keys there are without limit and
    /// offset. That may not be told (0) where the offset leaves none.
    pub async fn page_of_keys(&self, asked: KeysAsked, now: Time) -> Stored<(Vec<KeyRow>, u64)> {
        let reader = self.clone();
        self.read(move |connection| {
            if let Some(resident) = reader.resident()
                && let Some((on_page, all)) = resident.ask(connection, now, |held| held.page(&reader, connection, &asked, now))?
            {
                return Ok((whole(connection, &on_page, now.unix())?, all));
            }
            let chosen = asked.chosen();
            let mut select = connection.prepare_cached(&at_now_in_order(&format!("{ON_PAGE}{}", chosen.sql)))?;
            let mut parameters = chosen.parameters();
            let now = now.unix();
            parameters.push((":now", &now));
            let (mut on_page, mut all) = (Vec::new(), 0);
            let mut rows = select.query(parameters.as_slice())?;
            while let Some(row) = rows.next()? {
                on_page.push(row.get::<_, i64>(0)?);
                all = row.get::<_, i64>(1)?.unsigned_abs();
            }
            Ok((whole(connection, &on_page, now)?, all))
        })
        .await
    }

    /// A page of keys, and the place of the last one where there are more behind it. What is asked for has a limit.
    pub async fn keys_and_place(&self, mut asked: KeysAsked, now: Time) -> Stored<(Vec<KeyRow>, Option<Position>)> {
        let most = asked.limit.map_or(usize::MAX, |limit| limit as usize);
        asked.limit = asked.limit.map(|limit| limit.saturating_add(1));
        self.read(move |connection| {
            let chosen = asked.chosen();
            let terms = asked.order.terms(asked.reversed);
            let columns: Vec<&str> = std::iter::once("row").chain(terms.iter().map(|term| term.sql)).collect();
            let narrow = format!("SELECT {} FROM keys{}", columns.join(", "), chosen.sql);
            let mut select = connection.prepare_cached(&at_now_in_order(&narrow))?;
            let mut parameters = chosen.parameters();
            let now = now.unix();
            parameters.push((":now", &now));
            let (mut on_page, mut last, mut more) = (Vec::new(), None, false);
            let mut rows = select.query(parameters.as_slice())?;
            while let Some(row) = rows.next()? {
                more = on_page.len() == most;
                if !more {
                    on_page.push(row.get::<_, i64>(0)?);
                    last = Some(Position::read(row, 1, terms.len())?);
                }
            }
            Ok((whole(connection, &on_page, now)?, last.filter(|_| more)))
        })
        .await
    }
}

/// Keys by the rows that they are stored in, with all columns.
pub(super) fn whole(connection: &Connection, stored: &[i64], now: i64) -> Stored<Vec<KeyRow>> {
    let mut select = connection.prepare_cached(&one_at_now(SELECT))?;
    let mut keys = Vec::with_capacity(stored.len());
    for id in stored {
        let mut rows = select.query(named_params! { ":now": now, ":id": id })?;
        if let Some(row) = rows.next()? {
            keys.push(key(row)?);
        }
    }
    Ok(keys)
}

/// Reads a row of [`SELECT`].
pub(super) fn key(row: &Row<'_>) -> Stored<KeyRow> {
    let owner = match optional_word(row, 8, "person.kind")? {
        Some(kind) => Some(OwnerRow { kind, id: row.get(9)?, name: row.get(10)?, email: row.get(11)? }),
        None => None,
    };
    Ok(KeyRow {
        provider: row.get(0)?,
        account: row.get(1)?,
        scope_id: row.get(2)?,
        scope_name: row.get(3)?,
        key_id: row.get(4)?,
        kind: word(row, 5, "key.kind")?,
        name: row.get(6)?,
        hint: row.get(7)?,
        owner,
        created_at: optional_time(row, 12, "keys.created_at")?,
        last_used: moment(row, 13, "keys.last_used_at")?,
        expires: moment(row, 15, "keys.expires_at")?,
        enabled: row.get(17)?,
        presence: word(row, 18, "key.presence")?,
        presence_reason: word(row, 19, "key.presence_reason")?,
        held_since: optional_time(row, 20, "keys.held_since")?,
        conditions: conditions(row, 21)?,
        stale_basis: optional_word(row, 22, "last_use.stale_basis")?,
        waived: conditions(row, 23)?,
        is_self: row.get(24)?,
        first_seen_at: time(row, 25, "keys.first_seen_at")?,
        last_seen_at: optional_time(row, 26, "keys.last_seen_at")?,
        team: row.get(27)?,
        labels: row.get(28)?,
    })
}

/// A time and its state, side by side.
fn moment(row: &Row<'_>, index: usize, column: &'static str) -> Stored<Moment> {
    let at = optional_time(row, index, column)?.map(Time::unix);
    let state: String = row.get(index + 1)?;
    Moment::from_columns(at, &state).ok_or(StoreError::Inconsistent { what: format!("'{state}'"), column })
}
