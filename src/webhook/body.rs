//! What is posted: JSON, with nothing in it that the commands `findings` and `changes` do not show, by the same names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::Time;
use crate::inventory::{Began, Changed};
use crate::views::{ChangeColumns, KeyColumns, address};

/// Of what stands in a body. Fields may be added; a change of another sort makes it another version.
const VERSION: u32 = 1;
/// Entries of one body,
const MOST_ENTRIES: usize = 500;
/// and their bytes: receivers refuse bodies that are too long, again and again.
const MOST_BYTES: usize = 256 << 10;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    /// When it was found.
    timestamp: String,
    /// The label of all keys in it; null of those that have none.
    team: Option<&'a str>,
    findings: Vec<Finding>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Finding {
    condition: &'static str,
    since: Option<String>,
    /// The path of its page, wherever the pages are.
    page: String,
    key: KeyColumns,
}

#[derive(Serialize)]
struct Change {
    page: String,
    #[serde(flatten)]
    change: ChangeColumns,
}

/// What only shows that a post arrives and is verified.
pub fn test(now: Time) -> String {
    serde_json::json!({ "type": "test", "version": VERSION, "timestamp": now.to_string() }).to_string()
}

/// Bodies for each team by its name, first that of keys without one: findings, then changes, and in several where they are many.
pub(super) fn by_team(findings: Vec<Began>, changes: Vec<Changed>, now: Time) -> serde_json::Result<Vec<String>> {
    let mut teams: BTreeMap<Option<String>, (Vec<Began>, Vec<Changed>)> = BTreeMap::new();
    for finding in findings {
        teams.entry(finding.key.team.clone()).or_default().0.push(finding);
    }
    for change in changes {
        teams.entry(change.team.clone()).or_default().1.push(change);
    }
    let mut bodies = Vec::new();
    for (team, (findings, changes)) in &teams {
        let empty = || Body::empty(team.as_deref(), now);
        let (mut body, mut room) = (empty(), Room::default());
        for finding in findings.iter().map(finding) {
            if !room.takes(&finding)? {
                bodies.push(serde_json::to_string(&body)?);
                body = empty();
            }
            body.findings.push(finding);
        }
        for change in changes.iter().map(change) {
            if !room.takes(&change)? {
                bodies.push(serde_json::to_string(&body)?);
                body = empty();
            }
            body.changes.push(change);
        }
        bodies.push(serde_json::to_string(&body)?);
    }
    Ok(bodies)
}

impl<'a> Body<'a> {
    fn empty(team: Option<&'a str>, now: Time) -> Self {
        Self { kind: "news", version: VERSION, timestamp: now.to_string(), team, findings: Vec::new(), changes: Vec::new() }
    }
}

/// What a body holds already.
#[derive(Default)]
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    /// Whether the body takes one more; else the next one begins with it.
    fn takes(&mut self, entry: &impl Serialize) -> serde_json::Result<bool> {
        let bytes = serde_json::to_string(entry)?.len() + 1;
        let takes = self.entries == 0 || self.entries < MOST_ENTRIES && self.bytes + bytes <= MOST_BYTES;
        if !takes {
            *self = Self::default();
        }
        (self.entries, self.bytes) = (self.entries + 1, self.bytes + bytes);
        Ok(takes)
    }
}

fn finding(began: &Began) -> Finding {
    Finding {
        condition: began.condition.as_str(),
        since: began.since.map(|since| since.to_string()),
        page: address::of_key(&began.key.account, &began.key.key_id),
        key: KeyColumns::new(&began.key, str::to_owned),
    }
}

fn change(changed: &Changed) -> Change {
    Change {
        page: address::of_key(&changed.row.account, &changed.row.key_id),
        change: ChangeColumns::new(&changed.row, str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::{ChangeKind, Condition, KeyKind, Moment, Presence, PresenceReason};
    use crate::inventory::{ChangeRow, KeyRow};

    fn changed(change_id: i64, team: Option<&str>) -> Changed {
        let row = ChangeRow {
            change_id,
            at: Time::from_unix(0),
            provider: "openai".to_owned(),
            account: "acme".to_owned(),
            key_id: "key/1".to_owned(),
            name: Some("n".repeat(256)),
            kind: KeyKind::Project,
            change: ChangeKind::Appeared,
            before: None,
            after: None,
        };
        Changed { row, team: team.map(str::to_owned) }
    }

    fn named(name: String) -> KeyRow {
        KeyRow {
            provider: "openai".to_owned(),
            account: "acme".to_owned(),
            scope_id: "proj_1".to_owned(),
            scope_name: Some(name.clone()),
            key_id: "key_1".to_owned(),
            kind: KeyKind::Project,
            name: Some(name),
            hint: None,
            owner: None,
            created_at: None,
            last_used: Moment::Never,
            expires: Moment::Never,
            enabled: true,
            presence: Presence::Present,
            presence_reason: PresenceReason::Listed,
            held_since: None,
            conditions: vec![Condition::Overdue],
            stale_basis: None,
            waived: Vec::new(),
            is_self: false,
            first_seen_at: Time::from_unix(0),
            last_seen_at: None,
            team: Some("platform".to_owned()),
            labels: "{}".to_owned(),
        }
    }

    #[test]
    fn each_team_has_its_own_and_many_are_cut() {
        let many = (1..=1_201).map(|id| changed(id, Some("platform"))).chain([changed(1_202, None), changed(1_203, Some("a"))]);
        let bodies = by_team(Vec::new(), many.collect(), Time::from_unix(0)).unwrap();
        let bodies: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let told: Vec<(&Value, usize)> =
            bodies.iter().map(|body| (&body["team"], body["changes"].as_array().unwrap().len())).collect();
        let (a, platform) = (Value::from("a"), Value::from("platform"));
        assert_eq!(told, [(&Value::Null, 1), (&a, 1), (&platform, 500), (&platform, 500), (&platform, 201)]);
        let ids: Vec<i64> = bodies
            .iter()
            .flat_map(|body| body["changes"].as_array().unwrap())
            .map(|c| c["change_id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids[2..], (1..=1_201).collect::<Vec<i64>>());
        assert_eq!(
            (&bodies[0]["type"], &bodies[0]["version"], &bodies[0]["timestamp"]),
            (&"news".into(), &1.into(), &"1970-01-01T00:00:00Z".into())
        );
        assert_eq!(bodies[0]["changes"][0]["page"], "/keys/acme/key%2F1");
    }

    #[test]
    fn nothing_new_is_no_body() {
        assert!(by_team(Vec::new(), Vec::new(), Time::from_unix(0)).unwrap().is_empty());
    }

    /// A name of 256 characters can be 1 KiB, and a key has several.
    #[test]
    fn long_names_are_cut_by_their_bytes() {
        let began = Began { key: named("\u{1F511}".repeat(256)), condition: Condition::Overdue, since: None };
        let bodies = by_team(vec![began; 400], vec![changed(1, Some("platform")); 10], Time::from_unix(0)).unwrap();
        assert!(bodies.len() > 2 && bodies.iter().all(|body| body.len() < MOST_BYTES + 4096));
        let bodies: Vec<Value> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let count = |list: &str| bodies.iter().map(|body| body[list].as_array().unwrap().len()).sum::<usize>();
        assert_eq!((count("findings"), count("changes")), (400, 10));
    }
}
