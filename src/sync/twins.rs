//! Names the accounts that are one organisation with the one that was polled: both are counted, which somebody may not expect.

use std::collections::BTreeSet;

use super::line::Line;
use crate::inventory::{Inventory, Stored};

/// A sentence for each, whether the config tells it or what polls have shown.
pub(super) async fn twins(inventory: &Inventory, line: &Line) -> Stored<Vec<String>> {
    let mut others: BTreeSet<String> = line.twins.iter().cloned().collect();
    others.extend(inventory.twins_of(line.account.name.clone()).await?);
    Ok(others.into_iter().map(|other| format!("account {other} is the same organisation; both are counted")).collect())
}
