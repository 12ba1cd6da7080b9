//! Whether a key is there.

use std::collections::HashMap;

use keymuster::domain::{ChangeKind, Presence, PresenceReason, ScopeKind, Time};
use keymuster::inventory::{ChangeRow, KeyRow};

use super::{About, Polled, Verdict, Watched, home, list_of};
use crate::truth::{Life, Moment, Truth};

/// Polls that read everything after which a deletion must be settled: one to miss the key, one to confirm it, and two that may
/// have come too soon after.
const SETTLED_AFTER: usize = 4;

/// The wait between missing and gone, in seconds: the default of `[guard]`.
const CONFIRM_AFTER: i64 = 600;

/// Since when a key is told to be missing.
pub struct Missing {
    told: ToldNow,
    /// The wall clock was set since.
    pub set: bool,
    /// The daemon started anew since. Where both happened, it cannot know how long that is.
    pub restarted: bool,
}

/// When something is told: the time as it truly is, and after how many polls.
#[derive(Clone, Copy)]
pub struct ToldNow {
    pub at: Time,
    pub poll: u64,
}

/// A key is proven gone only after it was told to be missing, by a poll of its own, and after the wait.
pub fn gone_as_designed(missing: &mut Option<Missing>, changes: &[ChangeRow], now: ToldNow) -> Verdict {
    for line in changes {
        match line.change {
            ChangeKind::BecameMissing => *missing = Some(Missing { told: now, set: false, restarted: false }),
            ChangeKind::BecameGone if line.after.as_deref() == Some(PresenceReason::ProvenAbsent.as_str()) => {
                let Some(Missing { told, set, restarted }) = missing.take() else {
                    return Err("early gone: it was not missing before".into());
                };
                if told.poll == now.poll {
                    return Err("early gone: in the poll that missed it".into());
                }
                if !(set && restarted) && now.at.since(told.at) < CONFIRM_AFTER {
                    return Err(format!("early gone: {} s after it was missing", now.at.since(told.at)));
                }
            }
            ChangeKind::Returned | ChangeKind::BecameGone | ChangeKind::BecameUnknown | ChangeKind::BecameUnmanaged => {
                *missing = None
            }
            ChangeKind::Appeared
            | ChangeKind::Renamed
            | ChangeKind::Moved
            | ChangeKind::OwnerChanged
            | ChangeKind::OwnerAccessChanged
            | ChangeKind::ExpiryChanged
            | ChangeKind::Enabled
            | ChangeKind::Disabled
            | ChangeKind::LastUseWentBack
            | ChangeKind::Recreated => {}
        }
    }
    Ok(())
}

/// What was seen last was there to be seen. Where a project that is not listed is active again, only who knows it from before sees it.
pub fn was_there(row: &KeyRow, life: &Life, from: Moment, restored: Moment) -> Verdict {
    let listed = life.key.listed || life.key.leaked || life.since >= from || restored >= from;
    if life.died.is_none_or(|died| died >= from) && (listed || life.died.is_some()) {
        return Ok(());
    }
    Err(format!("seen where it was not: {row:?}; {life:?}, not since {from}"))
}

/// Nothing is said of the key that the truth contradicts.
pub fn no_lie(about: &About<'_>) -> Verdict {
    let About { row, life, seen, watched, .. } = about;
    match row.presence {
        // Unless it moved to where nobody may look: a list that is refused is none of those that must be read before.
        // And until the list is read where it came to from there.
        Presence::Gone
            if life.exists()
                && !(life.hidden && life.homes.len() > 1)
                && !(about.was_out_of_sight()
                    && life.homes.len() > 1
                    && about.home_read().is_none_or(|began| began < life.since)) =>
        {
            return Err("false gone: it exists".into());
        }
        // It was seen when it stood where it stands, so that no list could truly have left it out since.
        Presence::Missing if life.exists() && life.key.listed && life.since <= seen.as_of => {
            return Err(format!(
                "false missing: listed without interruption since {}, and seen after {}",
                life.since, seen.as_of
            ));
        }
        // Nothing but a list that is refused for good ever held it; what is held stays as it was.
        Presence::Missing
            if row.held_since.is_none()
                && life.homes.len() == 1
                && !life.key.leaked
                && way_was_read(watched)
                && watched.closed.contains(&home(life, watched)) =>
        {
            return Err("false missing: the list that held it may not be read".into());
        }
        Presence::Present | Presence::Missing if row.held_since.is_none() => {
            // A list that once held it and cannot be read any more leaves the question open.
            let homes = life.homes.iter().map(String::as_str).chain(life.key.leaked.then_some("admin"));
            let lists = homes.map(|home| list_of(life.key.provider, home, watched));
            let readable = watched.whole.last().is_some_and(|last| {
                let mut read = lists.map(|list| watched.complete.get(&list));
                read.all(|began| began == Some(last))
            });
            if let Some(died) = life.died
                && readable
                && watched
                    .whole
                    .iter()
                    .filter(|began| **began > died.max(seen.hindered) && !watched.people_unread.contains(began))
                    .count()
                    >= SETTLED_AFTER
            {
                return Err(format!("never settled: deleted at {died}, and everything was read at {:?}", watched.whole));
            }
        }
        Presence::Present | Presence::Missing | Presence::Gone | Presence::Unknown | Presence::Unmanaged => {}
    }
    Ok(())
}

/// Some list of the way in which keys are listed was read whole: until then the lists of the way before are not retired.
fn way_was_read(watched: &Watched) -> bool {
    watched.way.is_none_or(|way| watched.complete.keys().any(|scope| scope.kind == way))
}

/// The row is unknown because what listed it belongs to a way of listing that was left.
fn retired(row: Option<&&KeyRow>) -> bool {
    row.is_some_and(|row| row.presence_reason == PresenceReason::ScopeRetired)
}

/// A key that stands where it stood when its list was last read whole is a row, and present.
pub fn none_is_lost(rows: &[KeyRow], polled: &Polled, watched: &Watched, truth: &Truth) -> Verdict {
    let by_id: HashMap<&str, &KeyRow> = rows.iter().map(|row| (row.key_id.as_str(), row)).collect();
    for life in truth.of(polled.remote).filter(|life| life.exists() && life.key.listed) {
        let list = home(life, watched);
        if watched.complete.get(&list).is_none_or(|began| *began < life.since) {
            continue;
        }
        let row = by_id.get(life.key.id.as_str());
        let why = match row.map(|row| row.presence) {
            Some(Presence::Present) => continue,
            // What is refused for good since cannot be seen any more.
            Some(Presence::Unknown) if watched.closed.contains(&list) => continue,
            // The way of listing was left, and nobody could be read in the next one.
            Some(Presence::Unknown) if watched.complete[&list] < polled.began && retired(row) => continue,
            Some(other) => format!("it is {other}"),
            // Nobody can tell the first key of a member from none, where the header gets lost after it was seen to arrive.
            None if list.kind == ScopeKind::Member && watched.unheaded.contains(&watched.complete[&list]) => continue,
            None => "there is no row".to_owned(),
        };
        return Err(format!(
            "lost: {why}; {list:?} was read whole at {:?}\n  row   {row:?}\n  truth {life:?}",
            watched.complete[&list]
        ));
    }
    Ok(())
}
