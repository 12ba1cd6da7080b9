//! Keys as programs and spreadsheets take them: the columns of the view `keys`, by the same names, for commands and pages.

use std::io::{self, Write};

use csv::Writer;
use serde::Serialize;

use super::{KeyRow, spreadsheet};
use crate::domain::{Condition, Time};

/// A file of keys that is being written, one key after the other.
#[derive(Debug)]
pub struct KeysFile {
    out: Out,
    keys: u64,
    looks_back: bool,
    /// The first failure, told at the end.
    written: io::Result<()>,
}

#[derive(Debug)]
enum Out {
    Csv(Box<Writer<Vec<u8>>>),
    Json(Vec<u8>),
}

impl KeysFile {
    /// One array of objects, a line for each.
    pub fn json() -> Self {
        Self::new(Out::Json(Vec::new()))
    }

    /// For spreadsheets: a line of names, then a line for each key.
    pub fn csv() -> Self {
        Self::new(Out::Csv(Box::new(spreadsheet::writer(Vec::new()))))
    }

    const fn new(out: Out) -> Self {
        Self { out, keys: 0, looks_back: false, written: Ok(()) }
    }

    /// Without the columns that are kept without history, where it is of an earlier instant: blank, they would read as if nothing
    /// were reported.
    pub fn looking_back(self, looks_back: bool) -> Self {
        Self { looks_back, ..self }
    }

    /// Adds a key.
    pub fn add(&mut self, key: &KeyRow) {
        if self.written.is_ok() {
            self.written = self.write(key);
            self.keys += 1;
        }
    }

    fn write(&mut self, key: &KeyRow) -> io::Result<()> {
        let looks_back = self.looks_back;
        let columns = |text| {
            let columns = KeyColumns::new(key, text);
            if looks_back { columns.looking_back() } else { columns }
        };
        match &mut self.out {
            Out::Csv(out) => Ok(out.serialize(columns(spreadsheet::harmless))?),
            Out::Json(out) => {
                out.write_all(if self.keys == 0 { b"[\n" } else { b",\n" })?;
                Ok(serde_json::to_writer(out, &columns(str::to_owned))?)
            }
        }
    }

    /// The whole file.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        self.written?;
        match self.out {
            Out::Csv(mut out) => {
                // Without a key nobody has written the names yet; a file without a line would look like a failure.
                if self.keys == 0 {
                    out.write_record(COLUMNS.iter().filter(|name| !self.looks_back || !WITHOUT_HISTORY.contains(name)))?;
                }
                out.into_inner().map_err(|error| error.into_error())
            }
            Out::Json(mut out) => {
                out.write_all(if self.keys == 0 { b"[]\n" } else { b"\n]\n" })?;
                Ok(out)
            }
        }
    }
}

/// The names of the columns.
const COLUMNS: [&str; 29] = [
    "provider",
    "account",
    "scope_id",
    "scope_name",
    "key_id",
    "kind",
    "name",
    "hint",
    "owner_kind",
    "owner_id",
    "owner_name",
    "owner_email",
    "created_at",
    "last_used_at",
    "last_used_state",
    "expires_at",
    "expires_state",
    "enabled",
    "presence",
    "presence_reason",
    "held_since",
    "conditions",
    "stale_basis",
    "waived",
    "self",
    "first_seen_at",
    "last_seen_at",
    "team",
    "labels",
];

/// Columns that are kept without history.
pub const WITHOUT_HISTORY: [&str; 5] = ["last_used_at", "last_used_state", "last_seen_at", "stale_basis", "held_since"];

/// What may be left out.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Column<T> {
    Told(T),
    LeftOut,
}

impl<T> Column<T> {
    const fn is_left_out(&self) -> bool {
        matches!(self, Self::LeftOut)
    }
}

/// The columns of the view, as texts.
#[derive(Debug, Serialize)]
pub struct KeyColumns {
    provider: String,
    account: String,
    scope_id: String,
    scope_name: Option<String>,
    key_id: String,
    kind: &'static str,
    name: Option<String>,
    hint: Option<String>,
    owner_kind: Option<&'static str>,
    owner_id: Option<String>,
    owner_name: Option<String>,
    owner_email: Option<String>,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Column::is_left_out")]
    last_used_at: Column<Option<String>>,
    #[serde(skip_serializing_if = "Column::is_left_out")]
    last_used_state: Column<&'static str>,
    expires_at: Option<String>,
    expires_state: &'static str,
    enabled: bool,
    presence: &'static str,
    presence_reason: &'static str,
    #[serde(skip_serializing_if = "Column::is_left_out")]
    held_since: Column<Option<String>>,
    conditions: String,
    #[serde(skip_serializing_if = "Column::is_left_out")]
    stale_basis: Column<Option<&'static str>>,
    waived: String,
    #[serde(rename = "self")]
    is_self: bool,
    first_seen_at: String,
    #[serde(skip_serializing_if = "Column::is_left_out")]
    last_seen_at: Column<Option<String>>,
    team: Option<String>,
    labels: String,
}

impl KeyColumns {
    /// `text` is what becomes of what people or remotes wrote.
    pub fn new(row: &KeyRow, text: fn(&str) -> String) -> Self {
        let maybe = |value: &Option<String>| value.as_deref().map(text);
        let time = |value: Option<Time>| value.map(|time| time.to_string());
        let list = |conditions: &[Condition]| conditions.iter().map(|condition| condition.as_str()).collect::<Vec<_>>().join(",");
        let owner = row.owner.as_ref();
        Self {
            provider: text(&row.provider),
            account: text(&row.account),
            scope_id: text(&row.scope_id),
            scope_name: maybe(&row.scope_name),
            key_id: text(&row.key_id),
            kind: row.kind.as_str(),
            name: maybe(&row.name),
            hint: maybe(&row.hint),
            owner_kind: owner.map(|owner| owner.kind.as_str()),
            owner_id: owner.map(|owner| text(&owner.id)),
            owner_name: owner.and_then(|owner| maybe(&owner.name)),
            owner_email: owner.and_then(|owner| maybe(&owner.email)),
            created_at: time(row.created_at),
            last_used_at: Column::Told(time(row.last_used.at())),
            last_used_state: Column::Told(row.last_used.state()),
            expires_at: time(row.expires.at()),
            expires_state: row.expires.state(),
            enabled: row.enabled,
            presence: row.presence.as_str(),
            presence_reason: row.presence_reason.as_str(),
            held_since: Column::Told(time(row.held_since)),
            conditions: list(&row.conditions),
            stale_basis: Column::Told(row.stale_basis.map(crate::domain::Basis::as_str)),
            waived: list(&row.waived),
            is_self: row.is_self,
            first_seen_at: row.first_seen_at.to_string(),
            last_seen_at: Column::Told(time(row.last_seen_at)),
            team: maybe(&row.team),
            labels: text(&row.labels),
        }
    }

    /// As of an earlier instant.
    fn looking_back(self) -> Self {
        Self {
            last_used_at: Column::LeftOut,
            last_used_state: Column::LeftOut,
            held_since: Column::LeftOut,
            stale_basis: Column::LeftOut,
            last_seen_at: Column::LeftOut,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KeyKind, Moment, Presence, PresenceReason};

    fn key(name: &str) -> KeyRow {
        KeyRow {
            provider: "openai".to_owned(),
            account: "acme".to_owned(),
            scope_id: String::new(),
            scope_name: None,
            key_id: "key_1".to_owned(),
            kind: KeyKind::Admin,
            name: Some(name.to_owned()),
            hint: None,
            owner: None,
            created_at: None,
            last_used: Moment::Never,
            expires: Moment::NotReported,
            enabled: true,
            presence: Presence::Present,
            presence_reason: PresenceReason::Listed,
            held_since: None,
            conditions: vec![Condition::Stale, Condition::Overdue],
            stale_basis: None,
            waived: Vec::new(),
            is_self: false,
            first_seen_at: Time::from_unix(0),
            last_seen_at: None,
            team: None,
            labels: "{}".to_owned(),
        }
    }

    fn text(mut file: KeysFile, keys: &[KeyRow]) -> String {
        keys.iter().for_each(|key| file.add(key));
        String::from_utf8(file.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_file_without_keys_has_the_names_of_one_with_keys() {
        let line = |text: &str| text.lines().next().unwrap().to_owned();
        let (none, some) = (text(KeysFile::csv(), &[]), text(KeysFile::csv(), &[key("a")]));
        assert_eq!((line(&none), none.lines().count(), some.lines().count()), (line(&some), 1, 2));
        assert_eq!(text(KeysFile::json(), &[]), "[]\n");
    }

    #[test]
    fn names_stay_in_their_cells_and_are_no_formulas() {
        let keys = ["=1+1", "a\"b,\r\nc", "</script>", "\t@x"].map(key);
        let told: Vec<serde_json::Value> = serde_json::from_str(&text(KeysFile::json(), &keys)).unwrap();
        assert_eq!(
            told.iter().map(|key| key["name"].as_str()).collect::<Vec<_>>(),
            keys.each_ref().map(|key| key.name.as_deref())
        );
        let csv = text(KeysFile::csv(), &keys);
        let mut read = csv::Reader::from_reader(csv.as_bytes());
        let names: Vec<String> = read.records().map(|record| record.unwrap()[6].to_owned()).collect();
        assert_eq!(names, ["'=1+1", "a\"b,\r\nc", "</script>", "'\t@x"]);
    }
}
