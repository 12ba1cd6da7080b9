//! The keys in groups that are alike in everything that is counted by.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::Held;
use super::key::{Conditions, Key, Row, Second};
use crate::domain::{Basis, KeyKind, Presence, Time};
use crate::inventory::count::{Ahead, ByRow, Group};
use crate::inventory::error::Stored;

/// What a group's keys are alike in, in the order in which groups are told.
type Alike = (Row, u8, u8, u8, u8, bool);

#[derive(Debug)]
struct Sum {
    keys: u64,
    oldest: Second,
    expiry: Second,
    waived_until: Second,
    next: Second,
}

impl Held {
    /// Adds every group to its account; returns the earliest instant ahead at which something changes by itself.
    pub(in crate::inventory) fn count(&self, connection: &Connection, now: Time, accounts: &mut ByRow) -> Stored<Option<Time>> {
        let mut sums: BTreeMap<Alike, Sum> = BTreeMap::new();
        let second = Second::of(now);
        let ahead = |at: Second| if at > second { at } else { Second::NONE };
        for keys in self.keys.chunk_by(|one, next| alike(one, now) == alike(next, now)) {
            let Some(first) = keys.first() else { continue };
            let sum = sums.entry(alike(first, now)).or_insert(Sum {
                keys: 0,
                oldest: Second::NONE,
                expiry: Second::NONE,
                waived_until: Second::NONE,
                next: Second::NONE,
            });
            sum.keys += keys.len() as u64;
            for key in keys {
                sum.oldest = sum.oldest.min(key.created);
                sum.expiry = sum.expiry.min(ahead(key.expires));
                sum.waived_until = sum.waived_until.min(ahead(key.waived_until));
                sum.next = sum.next.min(key.next);
            }
        }
        let mut next = None;
        for ((account, kind, presence, conditions, basis, waived), sum) in sums {
            let Some((_, account)) = accounts.get_mut(&account.id()) else { continue };
            let (Some(kind), Some(presence)) = (KeyKind::ALL.get(usize::from(kind)), Presence::ALL.get(usize::from(presence)))
            else {
                continue;
            };
            let group = Group {
                kind: *kind,
                presence: *presence,
                conditions: Conditions(conditions).list(),
                basis: Basis::ALL.get(usize::from(basis).wrapping_sub(1)).copied(),
                waived,
                keys: sum.keys,
            };
            let ahead = Ahead {
                oldest_created: sum.oldest.time(),
                expiry: sum.expiry.time(),
                waiver_end: sum.waived_until.time(),
                next: sum.next.time(),
            };
            next = next.into_iter().chain(account.add(group, &ahead)).min();
        }
        self.newest_admin(connection, accounts)?;
        Ok(next)
    }

    /// When an admin key of each account was last news, also where it is gone again.
    fn newest_admin(&self, connection: &Connection, accounts: &mut ByRow) -> Stored<()> {
        let mut select = connection.prepare_cached(
            "SELECT max(at) FROM change WHERE key_id = ?1 AND change IN ('appeared', 'returned', 'moved', 'recreated')",
        )?;
        for key in self.keys.iter().filter(|key| key.kind == KeyKind::Admin as u8) {
            let at: Option<i64> = select.query_row([key.row.id()], |row| row.get(0))?;
            if let Some((_, account)) = accounts.get_mut(&key.account.id()) {
                account.newest_admin = account.newest_admin.max(at.map(Time::from_unix));
            }
        }
        Ok(())
    }
}

fn alike(key: &Key, now: Time) -> Alike {
    let basis = key.flags.basis().map_or(0, |basis| basis as u8 + 1);
    (key.account, key.kind, key.presence, key.conditions.0, basis, key.is_waived(now))
}
