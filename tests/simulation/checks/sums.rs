//! Counts and metrics say what the rows say.

use std::collections::BTreeMap;

use keymuster::inventory::KeyRow;

use super::Verdict;
use crate::site::Site;

/// What is counted, by its labels.
type Sums = BTreeMap<String, u64>;

pub async fn add_up(rows: &[KeyRow], site: &Site) -> Verdict {
    let counts = site.inventory.reader().count(site.clock.now()).await.unwrap();
    let (mut counted, mut there) = (Sums::new(), Sums::new());
    let add = |sums: &mut Sums, label: String, number: u64| *sums.entry(label).or_default() += number;
    for (name, account) in &counts.accounts {
        for group in &account.groups {
            add(&mut counted, format!("{name} {} {}", group.kind, group.presence), group.keys);
            for condition in group.conditions.iter().filter(|_| !group.waived) {
                add(&mut counted, format!("{name} {} {condition}", group.kind), group.keys);
            }
        }
    }
    for row in rows {
        add(&mut there, format!("{} {} {}", row.account, row.kind, row.presence), 1);
        for condition in row.conditions.iter().filter(|_| row.waived.is_empty()) {
            add(&mut there, format!("{} {} {condition}", row.account, row.kind), 1);
        }
    }
    if counted != there {
        return Err(format!("sums: counted {counted:?}, and there are {there:?}"));
    }
    metrics(&there, site).await
}

/// Series that are not zero are those of the rows.
async fn metrics(there: &Sums, site: &Site) -> Verdict {
    let text = site.metrics().await;
    let mut told = Sums::new();
    for line in text.lines() {
        let label = |name: &str| {
            let rest = line.split_once(&format!("{name}=\""))?.1;
            rest.split_once('"').map(|(value, _)| value)
        };
        let what = match line.split('{').next() {
            Some("keymuster_keys") => label("presence"),
            Some("keymuster_flagged_keys") => label("condition"),
            _ => None,
        };
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        if let (Some(account), Some(kind), Some(what)) = (label("account"), label("kind"), what)
            && value > 0
        {
            told.insert(format!("{account} {kind} {what}"), value);
        }
    }
    if told != *there {
        return Err(format!("sums: metrics tell {told:?}, and there are {there:?}"));
    }
    if text.contains("NaN") { Err("sums: a metric is no number".into()) } else { Ok(()) }
}
