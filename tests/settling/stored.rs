//! What the file says, read as plainly as can be.

use std::collections::BTreeMap;
use std::fmt;

use keymuster::domain::{Presence, PresenceReason, Standing};
use keymuster::inventory::Inventory;
use rusqlite::Connection;

use crate::world::Place;

/// One key as stored, and as the public view shows it.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: usize,
    pub presence: Presence,
    pub reason: PresenceReason,
    pub kind: String,
    pub home: Place,
    pub name: String,
    pub first_seen: i64,
    pub last_seen: Option<i64>,
    pub orphaned: bool,
    /// Of history: what replaying it leads to, and how often it appeared.
    pub replayed: Presence,
    pub appeared: usize,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{} {} ({}), {} in {}: {}", self.key, self.presence, self.reason, self.kind, self.home, self.name)
    }
}

fn ask<R>(inventory: &Inventory, ask: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R, String> {
    inventory.reader().read_blocking(|connection| Ok(ask(connection)?)).map_err(|error| error.to_string())
}

fn place(kind: &str, remote_id: &str) -> Place {
    match kind {
        "projects" => Place::Projects,
        "people" => Place::People,
        "admin" => Place::Admin,
        "organization" => Place::Organization,
        _ => Place::Project(remote_id.trim_start_matches("proj_").parse().unwrap()),
    }
}

/// Every key. The public view and the table have to hold the same ones.
pub fn rows(inventory: &Inventory) -> Result<Vec<Row>, String> {
    ask(inventory, |connection| {
        let shown: i64 = connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
        let stored: i64 = connection.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?;
        assert_eq!(shown, stored, "the view holds every key");
        let mut select = connection.prepare(
            "SELECT k.id, v.key_id, v.presence, v.presence_reason, v.kind, s.kind, s.remote_id, v.name,
                    unixepoch(v.first_seen_at), unixepoch(v.last_seen_at), d.orphaned_at IS NOT NULL
               FROM keys AS v JOIN key AS k ON k.remote_id = v.key_id JOIN scope AS s ON s.id = k.scope_id
               JOIN deadline AS d ON d.key_id = k.id ORDER BY v.key_id",
        )?;
        let mut history = connection.prepare("SELECT change FROM change WHERE key_id = ?1 ORDER BY id")?;
        let rows = select.query_map([], |row| {
            let changes: Vec<String> = history.query_map([row.get::<_, i64>(0)?], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut replayed = Presence::Present;
            for change in &changes {
                replayed = match change.as_str() {
                    "became_missing" => Presence::Missing,
                    "became_gone" => Presence::Gone,
                    "became_unknown" => Presence::Unknown,
                    "became_unmanaged" => Presence::Unmanaged,
                    "returned" => Presence::Present,
                    _ => replayed,
                };
            }
            Ok(Row {
                key: row.get::<_, String>(1)?.trim_start_matches("key_").parse().unwrap(),
                presence: row.get::<_, String>(2)?.parse().unwrap(),
                reason: row.get::<_, String>(3)?.parse().unwrap(),
                kind: row.get(4)?,
                home: place(&row.get::<_, String>(5)?, &row.get::<_, String>(6)?),
                name: row.get(7)?,
                first_seen: row.get(8)?,
                last_seen: row.get(9)?,
                orphaned: row.get(10)?,
                replayed,
                appeared: changes.iter().filter(|change| *change == "appeared").count(),
            })
        })?;
        rows.collect()
    })
}

pub fn standings(inventory: &Inventory) -> Result<BTreeMap<Place, Standing>, String> {
    ask(inventory, |connection| {
        let mut select = connection.prepare("SELECT kind, remote_id, standing FROM scope")?;
        let rows = select.query_map([], |row| {
            let (kind, remote_id, standing): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((place(&kind, &remote_id), standing.parse().unwrap()))
        })?;
        rows.collect()
    })
}

/// Everything that is said of keys and people, as text.
pub fn contents(inventory: &Inventory) -> Result<String, String> {
    ask(inventory, |connection| {
        let mut text = String::new();
        for table in ["key", "last_use", "deadline", "sighting", "person", "change"] {
            text.push_str(&dump(connection, &format!("SELECT '{table}' AS [table], * FROM {table}"))?);
        }
        // A walk is remembered by its scope; whether the scope is listed and stands open must not move.
        text.push_str(&dump(connection, "SELECT id, name, standing, standing_reason, unlisted_walk FROM scope")?);
        Ok(text)
    })
}

pub fn deadlines(inventory: &Inventory) -> Result<String, String> {
    ask(inventory, |connection| {
        let judged = "FROM key AS k JOIN last_use AS u ON u.key_id = k.id JOIN deadline AS d ON d.key_id = k.id
                      WHERE k.presence IN ('present', 'missing', 'unknown') ORDER BY k.id";
        dump(connection, &format!("SELECT k.remote_id, u.*, d.* {judged}"))
    })
}

fn dump(connection: &Connection, sql: &str) -> rusqlite::Result<String> {
    let mut select = connection.prepare(sql)?;
    let columns = select.column_count();
    let mut rows = select.query([])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            text.push_str(&format!("{:?} ", row.get_ref(column)?));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Nothing is wrong with the file that the program itself knows of.
pub fn sound(inventory: &Inventory) -> Result<(), String> {
    let looked = inventory.reader().look_over().map_err(|error| error.to_string())?;
    if looked.wrong.is_empty() { Ok(()) } else { Err(format!("{:?}", looked.wrong)) }
}
