//! Counts and metrics say what the rows say.

use std::collections::BTreeMap;

use keymuster::inventory::KeyRow;

use super::Verdict;
use crate::site::Site;

/// What is counted, by its labels.
type Sums = BTreeMap<String, u64>;

pub async fn add_up(rows: &[KeyRow], site: &Site) -> Verdict {
    // Remembered where nothing can have changed since, as the daemon does.
    let counts = site.views().counts().await.unwrap();
    let mut counted = Sums::new();
    for (name, account) in &counts.accounts {
        for group in &account.groups {
            add(&mut counted, format!("{name} {} {}", group.kind, group.presence), group.keys);
            for condition in group.conditions.iter().filter(|_| !group.waived) {
                add(&mut counted, format!("{name} {} {condition}", group.kind), group.keys);
            }
        }
    }
    let there = sums(rows);
    if counted == there { Ok(()) } else { Err(format!("sums: counted {counted:?}, and there are {there:?}")) }
}

fn add(sums: &mut Sums, label: String, number: u64) {
    *sums.entry(label).or_default() += number;
}

fn sums(rows: &[KeyRow]) -> Sums {
    let mut there = Sums::new();
    for row in rows {
        add(&mut there, format!("{} {} {}", row.account, row.kind, row.presence), 1);
        for condition in row.conditions.iter().filter(|_| row.waived.is_empty()) {
            add(&mut there, format!("{} {} {condition}", row.account, row.kind), 1);
        }
    }
    there
}

/// Series that are not zero are those of the rows.
pub async fn are_exported(rows: &[KeyRow], site: &Site) -> Verdict {
    let there = sums(rows);
    let text = site.metrics().await;
    let mut told = Sums::new();
    for line in text.lines().filter(|line| line.starts_with("keymuster_keys{") || line.starts_with("keymuster_flagged_keys{")) {
        let label = |name: &str| {
            let mut labels = line.split(['{', ',', '}']).filter_map(|label| label.split_once('='));
            labels.find_map(|(label, value)| (label == name).then(|| value.trim_matches('"')))
        };
        let what = label("presence").or_else(|| label("condition"));
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        if let (Some(account), Some(kind), Some(what)) = (label("account"), label("kind"), what)
            && value > 0
        {
            told.insert(format!("{account} {kind} {what}"), value);
        }
    }
    if told != there {
        return Err(format!("sums: metrics tell {told:?}, and there are {there:?}"));
    }
    if text.contains("NaN") { Err("sums: a metric is no number".into()) } else { Ok(()) }
}
