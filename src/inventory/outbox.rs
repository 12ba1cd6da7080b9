//! What waits to be posted to the webhook, until it is taken or given up.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

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

    /// Was posted in vain, and is to be posted again then.
    pub async fn put_off(&self, id: i64, until: Time) -> Stored<()> {
        let sql = "UPDATE delivery SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1";
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

/// What takes the place of a person's id; their name and address go without one.
pub(super) struct Person<'a> {
    pub id: &'a str,
    pub name: Option<&'a str>,
    pub email: Option<&'a str>,
    pub pseudonym: &'a str,
}

/// Takes a person out of what waits.
pub(super) fn pseudonymise(transaction: &Transaction<'_>, person: &Person<'_>) -> Stored<()> {
    let mut select = transaction.prepare("SELECT id, body FROM delivery")?;
    let waiting: Vec<(i64, String)> = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (id, body) in waiting {
        // The column holds JSON alone.
        let Ok(mut told) = serde_json::from_str::<Value>(&body) else { continue };
        replace(&mut told, person);
        transaction.execute("UPDATE delivery SET body = ?2 WHERE id = ?1", params![id, told.to_string()])?;
    }
    Ok(())
}

/// History says `personal ID` where a key moved.
fn replace(told: &mut Value, person: &Person<'_>) {
    match told {
        Value::String(text) if Some(text.as_str()) == person.name || Some(text.as_str()) == person.email => *told = Value::Null,
        Value::String(text) if text == person.id => *text = person.pseudonym.to_owned(),
        Value::String(text) => {
            if let Some(before) = text.strip_suffix(person.id).filter(|before| before.ends_with(' ')) {
                *text = format!("{before}{}", person.pseudonym);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|told| replace(told, person)),
        Value::Object(fields) => fields.values_mut().for_each(|told| replace(told, person)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
