//! The moments of keys by day, for the charts.

use super::Held;
use super::key::{Key, Second, State};
use crate::domain::{Presence, Time};
use crate::inventory::charts::{Moments, Now};

const DAY: i64 = 24 * 60 * 60;

impl Held {
    /// Counts keys that may be there.
    pub(in crate::inventory) fn charted(&self, now: Time) -> Now {
        let mut charted = Now::default();
        let may_be_there =
            |key: &&Key| Presence::ALL.get(usize::from(key.presence)).is_some_and(|presence| presence.may_be_there());
        for key in self.keys.iter().filter(may_be_there) {
            if key.expires == Second::NONE || key.expires > Second::of(now) {
                count(&mut charted.expires, key.expires, key.flags.expires());
            }
            count(&mut charted.created, key.created, State::NotReported);
            count(&mut charted.last_used, key.used, key.flags.used());
            *charted.first_seen.entry(key.seen.number()).or_default() += 1;
        }
        charted
    }
}

fn count(moments: &mut Moments, at: Second, no_time: State) {
    match (at.time(), no_time) {
        (Some(at), _) => *moments.by_day.entry(at.unix().div_euclid(DAY)).or_default() += 1,
        (None, State::Never) => moments.never += 1,
        (None, State::NotReported | State::At) => moments.not_reported += 1,
    }
}
