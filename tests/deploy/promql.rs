//! Enough of PromQL to find the metrics, labels and label values that a query names.

use std::collections::BTreeSet;

use keymuster::domain::{Basis, ChangeKind, Condition, ItemReason, KeyKind, Presence, Reason, ScopeState};
use keymuster::metrics::DeliveryEnd;
use keymuster::metrics::declared::{ALL, Type};
use keymuster::providers::PROVIDERS;

/// Words that are no metrics, where no bracket follows them.
const KEYWORDS: &[&str] =
    &["and", "or", "unless", "by", "on", "without", "ignoring", "group_left", "group_right", "bool", "offset"];
/// What Prometheus itself brings.
const OF_PROMETHEUS: &[&str] = &["up", "ALERTS"];
const LABELS_OF_PROMETHEUS: &[&str] = &["job", "instance", "alertname", "alertstate", "severity", "le"];

/// A metric in a query, with what is asked of its labels: name, operator, value.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    pub matchers: Vec<(String, String, String)>,
}

/// Every selector, and every label that is grouped or matched by.
pub fn read(query: &str) -> (Vec<Selector>, BTreeSet<String>) {
    let (mut selectors, mut labels) = (Vec::new(), BTreeSet::new());
    let mut rest = query;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        if c.is_ascii_digit() || length == 0 {
            // Numbers with their units, and ranges, hold no name.
            let skipped = if c == '[' { rest.find(']').unwrap() + 1 } else { length.max(c.len_utf8()) };
            rest = &rest[skipped..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        let after = after.trim_start();
        rest = after;
        if KEYWORDS.contains(&word) {
            if let Some(list) = after.strip_prefix('(').filter(|_| !["and", "or", "unless", "bool", "offset"].contains(&word)) {
                let (list, after) = list.split_once(')').unwrap();
                labels.extend(list.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
                rest = after;
            }
        } else if let Some(inside) = after.strip_prefix('{') {
            let (matchers, after) = inside.split_once('}').unwrap();
            selectors.push(Selector { metric: word.to_owned(), matchers: matchers_of(matchers) });
            rest = after;
        } else if !after.starts_with('(') && !["by", "without"].iter().any(|by| after.starts_with(by)) {
            selectors.push(Selector { metric: word.to_owned(), matchers: Vec::new() });
        }
    }
    (selectors, labels)
}

fn matchers_of(text: &str) -> Vec<(String, String, String)> {
    let mut matchers = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (matcher, after) = rest.split_once('"').unwrap();
        let (value, after) = after.split_once('"').unwrap();
        let matcher = matcher.trim_matches([' ', ',']);
        let name = matcher.trim_end_matches(['=', '~', '!', ' ']);
        matchers.push((name.to_owned(), matcher[name.len()..].trim().to_owned(), value.to_owned()));
        rest = after.trim();
    }
    matchers
}

/// What is wrong with the names in a query, given the names that rules record.
pub fn wrong_names(query: &str, recorded: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (selectors, grouped) = read(query);
    let mut known: BTreeSet<&str> = LABELS_OF_PROMETHEUS.iter().copied().collect();
    for Selector { metric, matchers } in &selectors {
        let Some(labels) = labels_of(metric, recorded) else {
            wrong.push(format!("no metric {metric}"));
            continue;
        };
        known.extend(&labels);
        for (label, operator, value) in matchers {
            if !labels.contains(&label.as_str()) && !LABELS_OF_PROMETHEUS.contains(&label.as_str()) {
                wrong.push(format!("{metric} has no label {label}"));
            }
            for word in value.split('|').filter(|word| !word.is_empty() && !word.starts_with('$')) {
                let prefix = word.strip_suffix(".+").filter(|_| operator.contains('~'));
                let is_known =
                    |known: &Vec<&str>| known.iter().any(|known| prefix.map_or(*known == word, |p| known.starts_with(p)));
                if values_of(label).is_some_and(|known| !is_known(&known)) {
                    wrong.push(format!("{label} is never {word}"));
                }
            }
        }
    }
    wrong.extend(grouped.iter().filter(|label| !known.contains(label.as_str())).map(|label| format!("no label {label}")));
    wrong
}

/// The labels of a metric that the program declares, that Prometheus brings, or that the rules record.
fn labels_of(metric: &str, recorded: &[&str]) -> Option<Vec<&'static str>> {
    if OF_PROMETHEUS.contains(&metric) {
        return Some(vec!["provider", "account"]);
    }
    if let Some((level, rest)) = metric.split_once(':').filter(|_| recorded.contains(&metric)) {
        let base = rest.split(':').next().unwrap();
        let of = ALL.iter().find(|declared| declared.name == format!("{level}_{base}"));
        return Some(of.map_or_else(|| vec!["provider", "account"], |declared| declared.labels.to_vec()));
    }
    let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
    let is_it = |kind: Type, name: &str| if kind == Type::Histogram { bare == Some(name) } else { metric == name };
    ALL.iter().find(|declared| is_it(declared.kind, declared.name)).map(|declared| declared.labels.to_vec())
}

/// The values that a label can have, where they are a closed list.
fn values_of(label: &str) -> Option<Vec<&'static str>> {
    fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Option<Vec<&'static str>> {
        Some(all.iter().map(|one| word(*one)).collect())
    }
    match label {
        "condition" => words(Condition::ALL, Condition::as_str),
        "state" => words(ScopeState::ALL, ScopeState::as_str),
        "kind" => words(KeyKind::ALL, KeyKind::as_str),
        "change" => words(ChangeKind::ALL, ChangeKind::as_str),
        "presence" => words(Presence::ALL, Presence::as_str),
        "basis" => words(Basis::ALL, Basis::as_str),
        "reason" => {
            let items = ItemReason::ALL.iter().map(|reason| reason.as_str());
            Some(Reason::ALL.iter().map(|reason| reason.as_str()).chain(items).chain(["replaced"]).collect())
        }
        "provider" => Some(PROVIDERS.iter().map(|provider| provider.spec().id).collect()),
        "result" => words(DeliveryEnd::ALL, DeliveryEnd::as_str),
        "file" => Some(vec!["main", "wal"]),
        "job" => Some(vec!["keymuster"]),
        "severity" => Some(vec!["critical", "warning", "info", "none"]),
        "alertstate" => Some(vec!["firing", "pending"]),
        _ => None,
    }
}

#[test]
fn names_are_found_and_wrong_ones_are_told() {
    let (selectors, labels) = read(
        r#"-sum by (a, b) (increase(keymuster_keys{kind="admin", presence=~"gone|missing"}[1h:5m])) > 2 * 86400 or 1e3 * up offset 1d
           and on (job) sum(x:y:z) without (c)"#,
    );
    let metrics: Vec<&str> = selectors.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(metrics, ["keymuster_keys", "up", "x:y:z"]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "job"]);
    let matcher = |name: &str, operator: &str, value: &str| (name.to_owned(), operator.to_owned(), value.to_owned());
    assert_eq!(selectors[0].matchers, [matcher("kind", "=", "admin"), matcher("presence", "=~", "gone|missing")]);

    for (query, wrong) in [
        ("keymuster_held_keys > 0", ""),
        ("rate(keymuster_poll_duration_seconds_sum[1m])", ""),
        ("keymuster_poll_duration_seconds", "no metric keymuster_poll_duration_seconds"),
        ("keymuster_hold_keys", "no metric keymuster_hold_keys"),
        (r#"keymuster_held_keys{state="held"}"#, "keymuster_held_keys has no label state"),
        (r#"keymuster_scopes{state=~"held|close"}"#, "state is never close"),
        (r#"keymuster_scopes{state=~"clo.+"}"#, ""),
        ("sum by (acount) (keymuster_scopes)", "no label acount"),
        (r#"up{job="keymaster"}"#, "job is never keymaster"),
    ] {
        assert_eq!(wrong_names(query, &[]).join(", "), wrong, "{query}");
    }
}
