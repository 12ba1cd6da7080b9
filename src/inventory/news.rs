//! What the webhook has not told yet: findings that began and lines of history. What was there before is not news.
//!
//! A finding is a key in a condition that no waiver accepts, as the metrics count it. Which ones were told stands beside the keys;
//! what differs from it has begun or ended since. Nobody else writes there, so that the looking needs no lock, and only what came
//! of it is written, in one transaction with the deliveries that tell it.

use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

use super::error::{StoreError, Stored};
use super::list_changes::{self, ChangeRow};
use super::list_keys::{KeyRow, whole};
use super::open::Inventory;
use super::outbox;
use super::sql::at_now;
use crate::domain::{ChangeKind, Condition, Time};

/// What is told of what began; the rest is noted and not told, so that to want more later is not to be told of old things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Conditions.
    pub findings: Vec<Condition>,
    /// Changes.
    pub changes: Vec<ChangeKind>,
}

/// A finding that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    /// The key, as it is now.
    pub key: KeyRow,
    /// What it is in.
    pub condition: Condition,
    /// From when on.
    pub since: Option<Time>,
}

/// A line of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The line.
    pub row: ChangeRow,
    /// The key's label `team` now.
    pub team: Option<String>,
}

/// What is new.
#[derive(Debug)]
pub struct News {
    /// Findings, in the order in which their keys were stored.
    pub findings: Vec<Began>,
    /// Changes, the oldest first.
    pub changes: Vec<Changed>,
    /// To be handed back with what tells it.
    pub noted: Noted,
    /// There is more: look again once this is noted.
    pub more: bool,
}

/// What counts as told once it is written.
#[derive(Debug)]
pub struct Noted {
    /// Conditions of keys, as the view `keys` writes them.
    conditions: Vec<(i64, String)>,
    scopes: Vec<i64>,
    change: i64,
    /// What was told before.
    before: i64,
    looked_at: Time,
}

impl Noted {
    /// Something differs from what counts as told already.
    pub const fn is_any(&self) -> bool {
        !self.conditions.is_empty() || !self.scopes.is_empty() || self.change != self.before
    }
}

/// Keys and lines that are looked at in one go: memory, and the transaction that notes them, stay small.
const SLICE: usize = 2_000;

/// Keys whose conditions are others than were told. Where the first complete walk of a key's scope is not behind us, what held by
/// then is no news, unless the key itself is: up to when it is not is told too. Of a list that was never read whole it is what held
/// when the key was first seen or its account put back; of another list of such an account, all until its next complete walk. What
/// is unmanaged is not judged: what was told of it stays told.
///
/// That an owner whom no list of people ever held has left is known two lists after the key: of a key that was there in the
/// baseline, the newest list then only tells what was so before.
const DIFFERENT: &str = "
SELECT t.id, iif(t.waived, '', t.conditions), coalesce(f.conditions, ''),
       CASE WHEN x.scope_id IS NOT NULL THEN NULL
            WHEN EXISTS (SELECT 1 FROM change AS c WHERE c.key_id = t.id AND c.change = 'appeared' AND c.id > :told) THEN NULL
            ELSE coalesce(s.first_complete_at, CASE WHEN s.complete_walk IS NOT NULL THEN 9223372036854775807
                 ELSE max(k.first_seen_at, coalesce((SELECT max(c.at) FROM change AS c
                           WHERE c.key_id = t.id AND c.change = 'became_unknown' AND c.before = 'unmanaged'), 0)) END) END,
       EXISTS (SELECT 1 FROM person AS p JOIN scope AS l ON l.organization_id = p.organization_id AND l.kind = 'people'
                WHERE p.id = k.person_id AND NOT p.listed AND l.complete_at = k.left_at)
       AND NOT EXISTS (SELECT 1 FROM change AS c WHERE c.key_id = t.id AND c.change IN ('appeared', 'owner_changed'))
  FROM key_state AS t JOIN key AS k ON k.id = t.id JOIN scope AS s ON s.id = k.scope_id
  LEFT JOIN told_finding AS f ON f.key_id = t.id
  LEFT JOIN told_scope AS x ON x.scope_id = k.scope_id
 WHERE t.presence <> 'unmanaged' AND iif(t.waived, '', t.conditions) <> coalesce(f.conditions, '')
 ORDER BY t.id";

const DEADLINES: &str = "
SELECT u.stale_at, u.never_used_at, d.expiring_at, d.expired_at, d.no_expiry_at, d.overdue_at, d.disabled_at, d.orphaned_at
  FROM last_use AS u JOIN deadline AS d ON d.key_id = u.key_id WHERE u.key_id = ?1";

const TEAM: &str = "SELECT l.labels ->> '$.team' FROM change AS c JOIN deadline AS d ON d.key_id = c.key_id JOIN label_set AS l ON l.id = d.label_set_id WHERE c.id = ?1";

/// Lines but those by which an account is put back: its keys are unknown until the next poll, and then are there again.
const NEW_LINES: &str = "
 WHERE change_id > :told AND change IN (SELECT value FROM json_each(:words))
   AND NOT (change = 'became_unknown' AND before IS 'unmanaged')
   AND NOT (change = 'returned' AND 'unmanaged' IS (
       SELECT p.before FROM change AS p
        WHERE p.key_id = (SELECT c.key_id FROM change AS c WHERE c.id = change_id) AND p.id < change_id AND p.change = 'became_unknown'
        ORDER BY p.id DESC LIMIT 1) AND before IS 'unknown')
 ORDER BY change_id LIMIT :limit";

const TOLD: &str = "SELECT told_change, looked_at FROM webhook";
const NEWEST: &str = "SELECT coalesce(max(id), 0) FROM change";
/// What is unmanaged is not judged, and so is not noted: it is not behind us.
const READ_WHOLE: &str = "
SELECT id FROM scope WHERE first_complete_at IS NOT NULL AND id NOT IN (SELECT scope_id FROM told_scope)
   AND NOT EXISTS (SELECT 1 FROM key AS k WHERE k.scope_id = scope.id AND k.presence = 'unmanaged')";

impl Inventory {
    /// Looks for what was not told yet.
    pub async fn news(&self, wanted: Wanted, now: Time) -> Stored<News> {
        self.reader().read(move |connection| news(connection, &wanted, now)).await
    }

    /// Notes that something is told, and what tells it, each to be posted from now on.
    pub async fn tell(&self, noted: Noted, bodies: Vec<String>, now: Time) -> Stored<()> {
        self.write_aside(move |transaction| {
            note(transaction, &noted)?;
            bodies.iter().try_for_each(|body| outbox::put(transaction, body, now))
        })
        .await
    }

    /// What there is now is not to be told, unless that was said before and not taken back. Returns whether it was said now.
    pub async fn begin_to_tell(&self, now: Time) -> Stored<bool> {
        self.write_aside(move |transaction| {
            if transaction.query_row(TOLD, [], |row| row.get::<_, i64>(0)).optional()?.is_some() {
                return Ok(false);
            }
            let newest = transaction.query_row(NEWEST, [], |row| row.get(0))?;
            let found = "SELECT id, conditions FROM key_state WHERE conditions <> '' AND NOT waived";
            let mut conditions = transaction.prepare(&at_now(found))?;
            let conditions = conditions.query_map(named_params! { ":now": now.unix() }, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let conditions = conditions.collect::<Result<_, _>>()?;
            let scopes = rows(transaction, READ_WHOLE)?;
            note(transaction, &Noted { conditions, scopes, change: newest, before: newest, looked_at: now })?;
            Ok(true)
        })
        .await
    }

    /// Nobody is to be told any more: what waits is dropped, and whoever is told next is told nothing of what is there then.
    /// Returns how much waited; `None` where nobody was told before.
    pub async fn stop_telling(&self) -> Stored<Option<usize>> {
        let any = "SELECT EXISTS (SELECT 1 FROM webhook) OR EXISTS (SELECT 1 FROM delivery)";
        let told: bool = self.reader().read(move |connection| Ok(connection.query_row(any, [], |row| row.get(0))?)).await?;
        if !told {
            return Ok(None);
        }
        self.write_aside(|transaction| {
            transaction.execute_batch("DELETE FROM webhook; DELETE FROM told_finding; DELETE FROM told_scope;")?;
            Ok(Some(transaction.execute("DELETE FROM delivery", [])?))
        })
        .await
    }
}

fn rows(connection: &Connection, select: &str) -> Stored<Vec<i64>> {
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn news(connection: &Connection, wanted: &Wanted, now: Time) -> Stored<News> {
    let (told, looked_at): (i64, i64) = connection.query_row(TOLD, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // What ended only because the clock went back would begin, and be told, again.
    let went_back = now.unix() < looked_at;
    let mut noted = Noted { conditions: Vec::new(), scopes: Vec::new(), change: told, before: told, looked_at: now };
    let mut findings = Vec::new();
    let mut select = connection.prepare_cached(&at_now(DIFFERENT))?;
    let mut rows_of_keys = select.query(named_params! { ":now": now.unix(), ":told": told })?;
    while let Some(row) = rows_of_keys.next()? {
        if noted.conditions.len() >= SLICE {
            break;
        }
        let (key, is, was): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (no_news_until, had_left): (Option<i64>, bool) = (row.get(3)?, row.get(4)?);
        let told: Vec<&str> = was.split(',').filter(|word| !word.is_empty()).collect();
        let new: Vec<&str> = is.split(',').filter(|word| !word.is_empty() && !told.contains(word)).collect();
        if went_back && new.is_empty() {
            continue;
        }
        let began: Vec<Condition> = new.iter().map(|word| condition(word)).collect::<Stored<_>>()?;
        let began = began.into_iter().filter(|began| !(had_left && *began == Condition::Orphaned));
        let began = began.into_iter().filter(|began| wanted.findings.contains(began));
        let is_news = |began: &Began| no_news_until.is_none_or(|until| began.since.is_some_and(|since| since.unix() > until));
        findings.extend(of_key(connection, key, began, now)?.into_iter().filter(is_news));
        noted.conditions.push((key, if went_back { [told, new].concat().join(",") } else { is }));
    }
    // Until all keys have been looked at, their scopes' first walks are not behind us, nor is it over what counts as new.
    if noted.conditions.len() >= SLICE {
        return Ok(News { findings, changes: Vec::new(), noted, more: true });
    }
    noted.scopes = rows(connection, READ_WHOLE)?;
    let changes = changes(connection, wanted, told)?;
    let more = changes.len() >= SLICE;
    noted.change = match changes.last() {
        Some(last) if more => last.row.change_id,
        Some(_) | None => connection.query_row(NEWEST, [], |row| row.get(0))?,
    };
    Ok(News { findings, changes, noted, more })
}

fn condition(word: &str) -> Stored<Condition> {
    word.parse().map_err(|_| StoreError::Inconsistent { what: format!("'{word}'"), column: "key_state.conditions" })
}

fn of_key(connection: &Connection, id: i64, began: impl Iterator<Item = Condition>, now: Time) -> Stored<Vec<Began>> {
    let mut began = began.peekable();
    if began.peek().is_none() {
        return Ok(Vec::new());
    }
    let Some(key) = whole(connection, &[id], now.unix())?.pop() else { return Ok(Vec::new()) };
    let mut select = connection.prepare_cached(DEADLINES)?;
    let since: Vec<Option<i64>> = select.query_row([id], |row| (0..Condition::ALL.len()).map(|nth| row.get(nth)).collect())?;
    let deadlines = Condition::ALL.iter().zip(since);
    let of = |condition: Condition| deadlines.clone().find(|(of, _)| **of == condition).and_then(|(_, since)| since);
    Ok(began.map(|condition| Began { key: key.clone(), condition, since: of(condition).map(Time::from_unix) }).collect())
}

fn changes(connection: &Connection, wanted: &Wanted, told: i64) -> Stored<Vec<Changed>> {
    let words = serde_json::Value::from_iter(wanted.changes.iter().map(|change| change.as_str())).to_string();
    let select = format!("{}{NEW_LINES}", list_changes::SELECT);
    let (mut select, mut team) = (connection.prepare_cached(&select)?, connection.prepare_cached(TEAM)?);
    let mut lines =
        select.query(named_params! { ":told": told, ":words": words, ":limit": i64::try_from(SLICE).unwrap_or(i64::MAX) })?;
    let mut changes = Vec::new();
    while let Some(line) = lines.next()? {
        let row = list_changes::change(line)?;
        let team = team.query_row([row.change_id], |row| row.get(0)).optional()?.flatten();
        changes.push(Changed { row, team });
    }
    Ok(changes)
}

fn note(transaction: &Transaction<'_>, noted: &Noted) -> Stored<()> {
    transaction.execute(
        "INSERT INTO webhook (one, told_change, looked_at) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET told_change = ?1, looked_at = max(looked_at, ?2)",
        [noted.change, noted.looked_at.unix()],
    )?;
    let mut ended = transaction.prepare_cached("DELETE FROM told_finding WHERE key_id = ?1")?;
    // Retention may have removed a key since it was looked at.
    let mut began = transaction
        .prepare_cached("INSERT OR REPLACE INTO told_finding (key_id, conditions) SELECT id, ?2 FROM key WHERE id = ?1")?;
    for (key, conditions) in &noted.conditions {
        match conditions.is_empty() {
            true => ended.execute([key])?,
            false => began.execute((key, conditions))?,
        };
    }
    let mut scope = transaction.prepare_cached("INSERT OR IGNORE INTO told_scope (scope_id) VALUES (?1)")?;
    noted.scopes.iter().try_for_each(|id| scope.execute([id]).map(|_| ()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
