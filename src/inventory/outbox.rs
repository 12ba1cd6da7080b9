//! What waits to be posted to the webhook, until it is taken or given up.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Map, Value};

use super::error::Stored;
use super::open::Inventory;
use crate::domain::Time;

/// One that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Grows.
    pub id: i64,
    /// What the receiver knows it by, the same at each attempt.
    pub message_id: String,
    /// When it was made.
    pub made_at: Time,
    /// How often it was posted already.
    pub attempts: u32,
    /// What is posted.
    pub body: String,
}

/// What waits in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// How many.
    pub deliveries: u64,
    /// When the oldest was made.
    pub oldest: Option<Time>,
}

/// The first that is due: an instant further ahead than any wait is long was set by a clock that has gone back since.
const DUE: &str = "
SELECT id, message_id, made_at, attempts, body FROM delivery
 WHERE next_at <= ?1 OR next_at > ?1 + ?2 ORDER BY id LIMIT 1";

impl Inventory {
    /// The next that is due to be posted, where no wait is longer than `longest_wait` seconds.
    pub async fn due_delivery(&self, now: Time, longest_wait: i64) -> Stored<Option<Delivery>> {
        self.reader()
            .read(move |connection| {
                let mut select = connection.prepare_cached(DUE)?;
                let due = select.query_row([now.unix(), longest_wait], |row| {
                    Ok(Delivery {
                        id: row.get(0)?,
                        message_id: row.get(1)?,
                        made_at: Time::from_unix(row.get(2)?),
                        attempts: row.get(3)?,
                        body: row.get(4)?,
                    })
                });
                Ok(due.optional()?)
            })
            .await
    }

    /// Is about to be posted, and to be posted again then if it is still there. Written before it is posted: where nothing can
    /// be written, nothing is posted again and again.
    pub async fn attempt_delivery(&self, id: i64, again: Time) -> Stored<()> {
        let sql = "UPDATE delivery SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1";
        self.write_aside(move |transaction| Ok(transaction.execute(sql, [id, again.unix()]).map(|_| ())?)).await
    }

    /// Is not to be posted again before then.
    pub async fn put_off(&self, id: i64, until: Time) -> Stored<()> {
        let sql = "UPDATE delivery SET next_at = ?2 WHERE id = ?1";
        self.write_aside(move |transaction| Ok(transaction.execute(sql, [id, until.unix()]).map(|_| ())?)).await
    }

    /// Was taken, or is given up: it is never posted again.
    pub async fn forget_delivery(&self, id: i64) -> Stored<()> {
        let sql = "DELETE FROM delivery WHERE id = ?1";
        self.write_aside(move |transaction| Ok(transaction.execute(sql, [id]).map(|_| ())?)).await
    }

    /// How much waits.
    pub async fn waiting_deliveries(&self) -> Stored<Waits> {
        let select = "SELECT count(*), min(made_at) FROM delivery";
        let read = |row: &rusqlite::Row<'_>| {
            let oldest = row.get::<_, Option<i64>>(1)?.map(Time::from_unix);
            Ok(Waits { deliveries: row.get::<_, i64>(0)?.unsigned_abs(), oldest })
        };
        self.reader().read(move |connection| Ok(connection.query_row(select, [], read)?)).await
    }
}

/// Puts one there, due at once. Its id is made of chance: the receiver may have had others of a file that was restored since.
pub(super) fn put(transaction: &Transaction<'_>, body: &str, now: Time) -> Stored<()> {
    transaction
        .prepare_cached(
            "INSERT INTO delivery (message_id, made_at, next_at, body) VALUES ('msg_' || lower(hex(randomblob(16))), ?1, ?1, ?2)",
        )?
        .execute(params![now.unix(), body])?;
    Ok(())
}

/// A person of an account, and what takes the place of their id; their name and address go without one.
pub(super) struct Person<'a> {
    pub account: &'a str,
    pub id: &'a str,
    pub pseudonym: &'a str,
}

/// Takes a person out of what waits, as out of the rows that it was made of: names of keys and teams stay.
pub(super) fn pseudonymise(transaction: &Transaction<'_>, person: &Person<'_>) -> Stored<()> {
    let mut select = transaction.prepare("SELECT id, body FROM delivery")?;
    let waiting: Vec<(i64, String)> = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (id, body) in waiting {
        // The column holds JSON alone.
        let Ok(mut told) = serde_json::from_str::<Value>(&body) else { continue };
        for (list, at) in [("/findings", "/key"), ("/changes", "")] {
            let entries = told.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            entries.filter_map(|entry| entry.pointer_mut(at)?.as_object_mut()).for_each(|entry| replace(entry, person));
        }
        transaction.execute("UPDATE delivery SET body = ?2 WHERE id = ?1", params![id, told.to_string()])?;
    }
    Ok(())
}

/// Of a key whose they are, in a list that was read in their name, or of a line of history; that says `personal ID` where a key moved.
fn replace(entry: &mut Map<String, Value>, person: &Person<'_>) {
    let is = |entry: &Map<String, Value>, field: &str, text: &str| entry.get(field).and_then(Value::as_str) == Some(text);
    if !is(entry, "account", person.account) {
        return;
    }
    for (id, theirs) in [("owner_id", &["owner_name", "owner_email"][..]), ("scope_id", &["scope_name"])] {
        if is(entry, id, person.id) {
            entry.insert(id.to_owned(), person.pseudonym.into());
            theirs.iter().for_each(|field| drop(entry.insert((*field).to_owned(), Value::Null)));
        }
    }
    for field in ["before", "after"] {
        let Some(Value::String(text)) = entry.get_mut(field) else { continue };
        let kind = text.split_once(' ').map_or(0, |(kind, _)| kind.len() + 1);
        if text == person.id {
            person.pseudonym.clone_into(text);
        } else if text[kind..] == *person.id {
            text.replace_range(kind.., person.pseudonym);
        }
    }
}
