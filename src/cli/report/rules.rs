//! The policy of a config as a table: what is set where.

use serde_json::Value;

use crate::inventory::Sheet;
use crate::policy::{Limits, Policy, Source};

/// Limits that no place sets are the built-in ones, which come last.
pub fn sheet(policy: &Policy) -> Sheet {
    let mut rows = Vec::new();
    let mut row = |place: &str, setting: &str, value: String| rows.push([place, setting, &value].map(Value::from).to_vec());
    for (at, rule) in policy.rules.iter().enumerate() {
        let place = Source::Rule(at + 1).to_string();
        row(&place, "match", rule.matches.to_string());
        rule.limits.written().into_iter().for_each(|(setting, value)| row(&place, setting, value));
        rule.labels.iter().for_each(|(label, value)| row(&place, &format!("label {label}"), value.clone()));
    }
    for (name, account) in &policy.accounts {
        let place = format!("account {name}");
        account.limits.written().into_iter().for_each(|(setting, value)| row(&place, setting, value));
        account.labels.iter().for_each(|(label, value)| row(&place, &format!("label {label}"), value.clone()));
    }
    for (place, of) in [(Source::Policy, &policy.limits), (Source::BuiltIn, &Limits::built_in())] {
        of.written().into_iter().for_each(|(setting, value)| row(&place.to_string(), setting, value));
    }
    Sheet { columns: ["place", "setting", "value"].map(str::to_owned).to_vec(), rows }
}
