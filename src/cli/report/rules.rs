//! The policy of a config as a table: what is set where.

use serde_json::Value;

use crate::domain::Condition;
use crate::inventory::Sheet;
use crate::policy::{Limits, Policy, Source};

/// Limits that no place sets are the built-in ones, which come last.
pub fn sheet(policy: &Policy) -> Sheet {
    let mut rows = Vec::new();
    let mut row = |place: &str, setting: &str, value: String| rows.push([place, setting, &value].map(Value::from).to_vec());
    for (at, rule) in policy.rules.iter().enumerate() {
        let place = Source::Rule(at + 1).to_string();
        row(&place, "match", rule.matches.to_string());
        limits(&rule.limits).into_iter().for_each(|(setting, value)| row(&place, setting, value));
        rule.labels.iter().for_each(|(label, value)| row(&place, &format!("label {label}"), value.clone()));
    }
    for (name, account) in &policy.accounts {
        let place = format!("account {name}");
        limits(&account.limits).into_iter().for_each(|(setting, value)| row(&place, setting, value));
        account.labels.iter().for_each(|(label, value)| row(&place, &format!("label {label}"), value.clone()));
    }
    for (place, of) in [(Source::Policy, &policy.limits), (Source::BuiltIn, &Limits::built_in())] {
        limits(of).into_iter().for_each(|(setting, value)| row(&place.to_string(), setting, value));
    }
    Sheet { columns: ["place", "setting", "value"].map(str::to_owned).to_vec(), rows }
}

fn limits(of: &Limits) -> Vec<(&'static str, String)> {
    let Limits { stale_after, never_used_grace, expiring_within, max_age, ignore } = of;
    let ignored = |words: &std::collections::BTreeSet<Condition>| {
        let words: Vec<&str> = words.iter().map(|condition| condition.as_str()).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    };
    let spans = [
        ("stale_after", stale_after),
        ("never_used_grace", never_used_grace),
        ("expiring_within", expiring_within),
        ("max_age", max_age),
    ];
    let spans = spans.into_iter().filter_map(|(setting, limit)| Some((setting, limit.as_ref()?.to_string())));
    spans.chain(ignore.as_ref().map(|words| ("ignore", ignored(words)))).collect()
}
