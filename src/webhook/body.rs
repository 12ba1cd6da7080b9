//! What is posted: JSON, with nothing in it that the commands `findings` and `changes` do not show, by the same names.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::Time;
use crate::inventory::{Began, Changed};
use crate::views::{ChangeColumns, KeyColumns, address};

/// Of what stands in a body. Fields may be added; a change of another sort makes it another version.
const VERSION: u32 = 1;
/// Entries of one body: with the longest names it is some hundred KiB.
const MOST_ENTRIES: usize = 500;

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
pub(super) fn by_team(findings: Vec<Began>, changes: Vec<Changed>, now: Time) -> Vec<String> {
    let mut teams: BTreeMap<Option<String>, (Vec<Began>, Vec<Changed>)> = BTreeMap::new();
    for finding in findings {
        teams.entry(finding.key.team.clone()).or_default().0.push(finding);
    }
    for change in changes {
        teams.entry(change.team.clone()).or_default().1.push(change);
    }
    teams.iter().flat_map(|(team, (findings, changes))| of_team(team.as_deref(), findings, changes, now)).collect()
}

fn of_team(team: Option<&str>, mut findings: &[Began], mut changes: &[Changed], now: Time) -> Vec<String> {
    let mut bodies = Vec::new();
    while !findings.is_empty() || !changes.is_empty() {
        let (these, later) = findings.split_at(findings.len().min(MOST_ENTRIES));
        let (those, others) = changes.split_at(changes.len().min(MOST_ENTRIES - these.len()));
        (findings, changes) = (later, others);
        let body = Body {
            kind: "news",
            version: VERSION,
            timestamp: now.to_string(),
            team,
            findings: these.iter().map(finding).collect(),
            changes: those.iter().map(change).collect(),
        };
        bodies.extend(serde_json::to_string(&body));
    }
    bodies
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
    use crate::domain::{ChangeKind, KeyKind};
    use crate::inventory::ChangeRow;

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

    #[test]
    fn each_team_has_its_own_and_many_are_cut() {
        let many = (1..=1_201).map(|id| changed(id, Some("platform"))).chain([changed(1_202, None), changed(1_203, Some("a"))]);
        let bodies = by_team(Vec::new(), many.collect(), Time::from_unix(0));
        assert!(bodies.iter().all(|body| body.len() < 512 << 10));
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
        assert!(by_team(Vec::new(), Vec::new(), Time::from_unix(0)).is_empty());
    }
}
