//! Series of single keys, for those who ask for them: a bounded number, the most urgent first.

use std::sync::Arc;

use super::declared::{KEY_CREATED, KEY_EXPIRY, KEY_INFO, KEY_LAST_USED, KEYS_DROPPED, Metric};
use super::lines::Lines;
use crate::config::{Metrics, PerKey};
use crate::domain::Time;
use crate::inventory::Stored;
use crate::views::{Counts, KeyRow, Views, Which};

/// What the names of these families begin with, and of no others.
pub(super) const NAMES: &str = "keymuster_key_";

/// About so long are the series of a key.
const KEY_BYTES: usize = 600;

/// The keys that have series of their own, and how many have none for want of room.
pub(super) struct PerKeySeries {
    keys: Arc<[KeyRow]>,
    dropped: u64,
}

impl PerKeySeries {
    /// `None` where nobody asked for them.
    pub async fn of(views: &Views, settings: &Metrics, counts: &Counts) -> Stored<Option<Self>> {
        let flagged = match settings.per_key {
            PerKey::Off => return Ok(None),
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
        Ok(Some(Self { keys, dropped }))
    }

    /// Appends their families, in the order of their names.
    pub fn write(&self, text: &mut String) {
        text.reserve(self.keys.len() * KEY_BYTES);
        self.times(&KEY_CREATED, |key| key.created_at, text);
        self.times(&KEY_EXPIRY, |key| key.expires.at(), text);
        let mut info = Lines::new(&KEY_INFO, text);
        for key in &*self.keys {
            let name = key.name.as_deref().unwrap_or_default();
            let owner = key.owner.as_ref().map_or("", |owner| owner.id.as_str());
            info.add([&key.provider, &key.account, &key.key_id, name, owner, key.kind.as_str()], 1);
        }
        self.times(&KEY_LAST_USED, |key| key.last_used.at(), text);
        Lines::new(&KEYS_DROPPED, text).add([], i64::try_from(self.dropped).unwrap_or(i64::MAX));
    }

    fn times(&self, metric: &'static Metric, time: impl Fn(&KeyRow) -> Option<Time>, text: &mut String) {
        let mut lines = Lines::new(metric, text);
        for key in &*self.keys {
            if let Some(time) = time(key) {
                lines.add([&key.provider, &key.account, &key.key_id], time.unix());
            }
        }
    }
}
