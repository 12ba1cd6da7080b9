//! What follows from the log without any conclusion: first and last sight, kind, home and name, owners who left.

use super::{Logged, Model, fail};
use crate::stored::Row;
use crate::walking::owner_id;
use crate::world::{Place, SERVICE, World};

const fn rank(place: Place) -> u8 {
    match place {
        Place::Project(_) => 3,
        Place::Organization => 2,
        Place::Admin => 1,
        Place::Projects | Place::People => 0,
    }
}

impl Model {
    /// Facts that do not depend on conclusions.
    pub(super) fn facts(&self, row: &Row) -> Result<(), String> {
        let known = &self.keys[&row.key];
        let id = format!("key_{}", row.key);
        if row.first_seen != known.first_seen {
            return fail(format!("first seen at {} instead of {}", row.first_seen, known.first_seen));
        }
        let newest = self
            .log
            .iter()
            .filter(|walk| walk.complete && walk.place.lists_keys() && walk.listed.contains_key(&id))
            .max_by_key(|walk| walk.number);
        let last_seen = newest.map(|walk| walk.started.wall.unix());
        if row.last_seen != last_seen {
            return fail(format!("last seen at {:?} instead of {last_seen:?}", row.last_seen));
        }
        if row.appeared != usize::from(known.news) {
            return fail(format!(
                "appeared {} times, by walk {} which is news: {}",
                row.appeared, known.first_number, known.news
            ));
        }
        if known.ever_project != (row.kind == "project") && row.kind != "organization" {
            return fail(format!("kind is {}", row.kind));
        }
        self.home(row)
    }

    /// Facts come from the highest-ranking open scope whose newest complete walk lists the key.
    fn home(&self, row: &Row) -> Result<(), String> {
        let id = format!("key_{}", row.key);
        let listings = self.listings(row.key);
        let told = |place: &Place| {
            self.is_open(*place) && self.complete(*place).next_back().is_some_and(|walk| walk.listed.contains_key(&id))
        };
        let tellers: Vec<Place> = listings.keys().copied().filter(told).collect();
        let Some(top) = tellers.iter().map(|place| rank(*place)).max() else { return Ok(()) };
        let best: Vec<Place> = tellers.into_iter().filter(|place| rank(*place) == top).collect();
        // A scope that was lost and is back, but not walked since, told its facts too long ago: others were heard meanwhile.
        let told_before = |place: &Place| self.complete(*place).next_back().is_some_and(|walk| walk.at < self.scopes[place].lost);
        if best.iter().any(told_before) {
            return Ok(());
        }
        if best.contains(&row.home) {
            let name = &listings[&row.home].listed[&id];
            return if row.name == *name { Ok(()) } else { fail(format!("{} calls it {name}", row.home)) };
        }
        // Its home fell silent or closed after the others were applied: they are heard at their next walk.
        let lost = |place: Place| {
            let silent = listings.get(&place).map_or(0, |last| self.silence(last).map_or(usize::MAX, |walk| walk.at));
            if self.is_open(place) { silent } else { silent.min(self.scopes[&place].lost) }
        };
        for place in best {
            let heard = self.complete(place).next_back().is_some_and(|walk| walk.at > lost(row.home));
            let first = self.first_of_run(place, &id);
            let fresh = rank(place) == rank(row.home) && first.is_some_and(|walk| walk.at > self.settled);
            let name = &listings[&place].listed[&id];
            if rank(place) < rank(row.home) {
                if heard && row.name != *name {
                    return fail(format!("{place} alone lists it, and calls it {name}"));
                }
            } else if heard || rank(place) > rank(row.home) || (fresh && !listings.contains_key(&row.home)) {
                return fail(format!("its facts should come from {place}"));
            } else if fresh && listings[&row.home].at < self.settled {
                return fail(format!("it moved to {place}"));
            }
        }
        Ok(())
    }

    /// The walk since which a scope lists the key without interruption.
    fn first_of_run(&self, place: Place, id: &str) -> Option<&Logged> {
        let silence = self.complete(place).rfind(|walk| !walk.listed.contains_key(id)).map_or(0, |walk| walk.at);
        self.walks(place).find(|walk| walk.at > silence && walk.listed.contains_key(id))
    }

    /// A user has left whom the two newest complete lists of people lack, both begun after the key was first seen; and is
    /// back once listed. A list of people that cannot be read proves nothing new.
    pub(super) fn orphans(&mut self, world: &World, row: &Row) -> Result<(), String> {
        let owner = world.keys[row.key].owner;
        let Some(known) = self.keys.get(&row.key) else { return Ok(()) };
        let user = owner_id(owner);
        let listed = |walk: &Logged| walk.listed.contains_key(&user);
        let two: Vec<&Logged> = self.complete(Place::People).rev().take(2).collect();
        let proven = owner != SERVICE
            && self.is_open(Place::People)
            && two.len() == 2
            && two.iter().all(|walk| walk.number > known.first_number && !listed(walk))
            && !self.walks(Place::People).any(|walk| walk.number > two[1].number && listed(walk));
        let last = self.walks(Place::People).rfind(|walk| listed(walk)).map_or(0, |walk| walk.number);
        let away = last == 0 || self.complete(Place::People).any(|walk| walk.number > last);
        let expected = away && (known.orphaned || proven);
        if row.orphaned != expected {
            return fail(format!("orphaned is {}, expected {expected}", row.orphaned));
        }
        if let Some(known) = self.keys.get_mut(&row.key) {
            known.orphaned = expected;
        }
        Ok(())
    }
}
