//! Series of single keys, for those who ask for them: a bounded number, the most urgent first.

use prometheus::proto::MetricFamily;

use super::declared::{KEY_CREATED, KEY_EXPIRY, KEY_INFO, KEY_LAST_USED, KEYS_DROPPED};
use super::family::Family;
use super::state::{instant, number};
use crate::config::{Metrics, PerKey};
use crate::inventory::Stored;
use crate::views::{Counts, KeyRow, Views, Which};

/// The families of the keys that have series of their own, and how many have none for want of room.
pub(super) async fn families(views: &Views, settings: &Metrics, counts: &Counts) -> Stored<Vec<MetricFamily>> {
    let flagged = match settings.per_key {
        PerKey::Off => return Ok(Vec::new()),
        PerKey::Flagged => true,
        PerKey::All => false,
    };
    let keys = views.urgent(Which { flagged, limit: settings.per_key_limit }).await?;
    let all: u64 = counts
        .accounts
        .values()
        .map(|account| if flagged { account.flagged_at_all() } else { account.keys_that_may_be_there() })
        .sum();
    let dropped = all.saturating_sub(keys.len() as u64);
    let mut families = series(&keys);
    families.push(Family::single(&KEYS_DROPPED, number(dropped)));
    Ok(families.into_iter().filter_map(Family::finish).collect())
}

fn series(keys: &[KeyRow]) -> Vec<Family> {
    let mut info = Family::new(&KEY_INFO);
    let mut created = Family::new(&KEY_CREATED);
    let mut last_used = Family::new(&KEY_LAST_USED);
    let mut expiry = Family::new(&KEY_EXPIRY);
    for key in keys {
        let labels = [key.provider.as_str(), &key.account, &key.key_id];
        let name = key.name.as_deref().unwrap_or_default();
        let owner = key.owner.as_ref().map_or("", |owner| owner.id.as_str());
        info.add([labels[0], labels[1], labels[2], name, owner, key.kind.as_str()], 1.0);
        for (family, time) in
            [(&mut created, key.created_at), (&mut last_used, key.last_used.at()), (&mut expiry, key.expires.at())]
        {
            if let Some(time) = time {
                family.add(labels, instant(time));
            }
        }
    }
    vec![info, created, last_used, expiry]
}
