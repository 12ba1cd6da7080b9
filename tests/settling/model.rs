//! What the design says must follow from a history of walks: section 4 of it, word by word, from the whole log each time.
//!
//! It shares nothing with the inventory but the vocabulary. Where the design leaves room, both ways are accepted.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

use keymuster::domain::{Presence, PresenceReason, Reason, Standing, WalkEnd};
use keymuster::walk::{Found, Stamp, Walked};

use crate::driver::CONFIRM;
use crate::stored::Row;
use crate::walking::owner_id;
use crate::world::{PROJECTS, Place, SERVICE, World};

/// A walk as it was applied. Its place in the log is the order of everything but of walks among each other.
#[derive(Debug, Clone)]
struct Logged {
    at: usize,
    place: Place,
    number: i64,
    complete: bool,
    /// What it listed, and by which name.
    listed: BTreeMap<String, String>,
    started: Stamp,
    run: i64,
    poll: usize,
}

#[derive(Debug, Clone, Copy)]
struct Scope {
    standing: Standing,
    refusals: u32,
    ever_complete: bool,
    unlisted: bool,
    /// Where in the log it ceased to be open.
    lost: usize,
}

/// When a key became missing.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: usize,
    now: Stamp,
    run: i64,
}

#[derive(Debug, Clone)]
struct Known {
    presence: Presence,
    reason: PresenceReason,
    /// The latest and the earliest instant that may count as the one when it became missing.
    missing: Option<(Mark, Mark)>,
    gone: usize,
    first_number: i64,
    first_seen: i64,
    news: bool,
    ever_project: bool,
    orphaned: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    log: Vec<Logged>,
    /// Grows with everything that happens.
    now: usize,
    settled: usize,
    scopes: BTreeMap<Place, Scope>,
    keys: BTreeMap<usize, Known>,
    moved: BTreeMap<usize, usize>,
    pub run: i64,
    /// How many polls began.
    pub poll: usize,
    /// Whom the poll that settles saw among the people behind the lists of keys.
    still: BTreeSet<String>,
}

pub fn place(walked: &Walked) -> Place {
    use keymuster::domain::ScopeKind;
    let id = &walked.scope().id;
    match (id.kind, &id.of) {
        (ScopeKind::Projects, _) => Place::Projects,
        (ScopeKind::People, _) => Place::People,
        (ScopeKind::Admin, _) => Place::Admin,
        (ScopeKind::Organization, _) => Place::Organization,
        (_, of) => Place::Project(of.as_ref().unwrap().as_str().trim_start_matches("proj_").parse().unwrap()),
    }
}

fn span(of: &Logged, since: &Mark) -> i64 {
    if of.run == since.run {
        i64::try_from(of.started.boot.as_secs()).unwrap() - i64::try_from(since.now.boot.as_secs()).unwrap()
    } else {
        of.started.wall.since(since.now.wall)
    }
}

fn fail<T>(what: String) -> Result<T, String> {
    Err(what)
}

impl Model {
    /// Where the key truly is shown changed.
    pub fn moved(&mut self, key: usize) {
        self.now += 1;
        self.moved.insert(key, self.now);
    }

    /// The scope is known to be there.
    pub fn known(&mut self, place: Place) {
        let open = Scope { standing: Standing::Open, refusals: 0, ever_complete: false, unlisted: false, lost: 0 };
        self.scopes.entry(place).or_insert(open);
    }

    pub fn standings(&self) -> BTreeMap<Place, Standing> {
        self.scopes.iter().map(|(place, scope)| (*place, scope.standing)).collect()
    }

    /// A walk was applied.
    pub fn applied(&mut self, walked: &Walked) {
        self.now += 1;
        let place = place(walked);
        self.known(place);
        let text = |text: &Option<keymuster::domain::Text>| text.as_ref().map(|text| text.to_string()).unwrap_or_default();
        let listed: BTreeMap<String, String> = match walked.found() {
            Found::Keys(keys) => keys.iter().map(|key| (key.id.to_string(), text(&key.name))).collect(),
            Found::People(people) => people.iter().map(|person| (person.id.to_string(), text(&person.name))).collect(),
            Found::Projects(projects) => projects.iter().map(|project| (project.id.to_string(), text(&project.name))).collect(),
        };
        let complete = *walked.end() == WalkEnd::Complete;
        if place == Place::Projects {
            self.parents(&listed, complete);
        }
        let news = self.scopes[&place].ever_complete;
        if place.lists_keys() {
            for id in listed.keys() {
                let key: usize = id.trim_start_matches("key_").parse().unwrap();
                let (first_number, first_seen) = (walked.id().0, walked.started().wall.unix());
                let first = Known {
                    presence: Presence::Present,
                    reason: PresenceReason::Listed,
                    missing: None,
                    gone: 0,
                    first_number,
                    first_seen,
                    news,
                    ever_project: false,
                    orphaned: false,
                };
                let known = self.keys.entry(key).or_insert(first);
                known.ever_project |= matches!(place, Place::Project(_));
            }
        }
        self.stand(place, walked);
        let (at, number, started, run, poll) = (self.now, walked.id().0, walked.started(), self.run, self.poll);
        self.log.push(Logged { at, place, number, complete, listed, started, run, poll });
    }

    /// A list of projects makes them known; a complete one says which are no longer there.
    fn parents(&mut self, listed: &BTreeMap<String, String>, complete: bool) {
        for project in (0..PROJECTS).map(Place::Project) {
            if listed.contains_key(&project.remote_id()) {
                self.known(project);
            }
            let Some(scope) = self.scopes.get_mut(&project) else { continue };
            if listed.contains_key(&project.remote_id()) {
                scope.unlisted = false;
                if scope.standing == Standing::Vanished {
                    scope.standing = Standing::Open;
                }
            } else if complete {
                scope.unlisted = true;
            }
        }
    }

    /// What a walk's end says of its scope. One that was once complete closes at its second refusal in a row.
    fn stand(&mut self, place: Place, walked: &Walked) {
        let now = self.now;
        let Some(scope) = self.scopes.get_mut(&place) else { return };
        match walked.end() {
            WalkEnd::Complete => *scope = Scope { standing: Standing::Open, refusals: 0, ever_complete: true, ..*scope },
            WalkEnd::Incomplete(failure) if walked.pages() > 0 && failure.reason != Reason::AttributionMismatch => {
                scope.refusals = 0;
                if scope.standing == Standing::Closed {
                    scope.standing = Standing::Open;
                }
            }
            WalkEnd::Incomplete(_) => {}
            WalkEnd::Closed(_) => {
                scope.refusals += 1;
                if !scope.ever_complete || scope.refusals >= 2 {
                    *scope = Scope { standing: Standing::Closed, lost: now, ..*scope };
                }
            }
        }
    }

    fn walks(&self, place: Place) -> impl DoubleEndedIterator<Item = &Logged> {
        self.log.iter().filter(move |walk| walk.place == place)
    }

    fn complete(&self, place: Place) -> impl DoubleEndedIterator<Item = &Logged> {
        self.walks(place).filter(|walk| walk.complete)
    }

    /// The scopes that listed the key since it was last gone, each with its last walk that did.
    fn listings(&self, key: usize) -> BTreeMap<Place, &Logged> {
        let (id, gone) = (format!("key_{key}"), self.keys[&key].gone);
        let mut listings = BTreeMap::new();
        for walk in self.log.iter().filter(|walk| walk.at > gone && walk.place.lists_keys() && walk.listed.contains_key(&id)) {
            listings.insert(walk.place, walk);
        }
        listings
    }

    /// The first complete walk of a scope after it last listed the key.
    fn silence(&self, last: &Logged) -> Option<&Logged> {
        self.complete(last.place).find(|walk| walk.at > last.at)
    }

    fn is_open(&self, place: Place) -> bool {
        self.scopes[&place].standing == Standing::Open
    }

    /// A user who is not on the newest complete list of people, nor on any list of them since; as of a walk of another list.
    fn left_by(&self, world: &World, key: usize, number: i64) -> bool {
        let owner = world.keys[key].owner;
        let Some(newest) = self.complete(Place::People).rfind(|walk| walk.number < number) else { return false };
        owner != SERVICE
            && !self
                .walks(Place::People)
                .any(|walk| (newest.number..number).contains(&walk.number) && walk.listed.contains_key(&owner_id(owner)))
    }

    /// The people were read once more, or nobody was.
    pub fn people_again(&mut self, still: Vec<String>) {
        self.still = still.into_iter().collect();
    }

    /// A poll settled; checks what it concluded.
    pub fn settled(&mut self, world: &World, now: Stamp, rows: &[Row]) -> Result<(), String> {
        self.now += 1;
        for scope in self.scopes.values_mut() {
            if scope.unlisted && scope.standing != Standing::Vanished {
                *scope = Scope { standing: Standing::Vanished, lost: self.now, ..*scope };
            }
        }
        let stored: BTreeSet<usize> = rows.iter().map(|row| row.key).collect();
        let expected: BTreeSet<usize> = self.keys.keys().copied().collect();
        if stored != expected {
            return fail(format!("keys {stored:?} are stored, {expected:?} were listed"));
        }
        let mark = Mark { at: self.now, now, run: self.run };
        for row in rows {
            let said = |error: String| format!("{row}: {error}");
            self.facts(row).map_err(said)?;
            self.orphans(world, row).map_err(said)?;
            let before = self.keys[&row.key].clone();
            let after = self.presence(world, row, &before, mark).map_err(said)?;
            if row.replayed != row.presence {
                return fail(said(format!("history ends with {}", row.replayed)));
            }
            self.keys.insert(row.key, after);
        }
        self.settled = self.now;
        Ok(())
    }

    /// Which presence the log allows, and whether the stored one is it.
    fn presence(&self, world: &World, row: &Row, before: &Known, mark: Mark) -> Result<Known, String> {
        let key = row.key;
        let listings = self.listings(key);
        let sighted = listings.values().any(|walk| walk.at > self.settled);
        let mut base = before.clone();
        if sighted {
            (base.presence, base.reason, base.missing) = (Presence::Present, PresenceReason::Listed, None);
        }
        let unchanged = |why: &str| {
            if (row.presence, row.reason) == (base.presence, base.reason) {
                Ok(base.clone())
            } else {
                fail(format!("should be {} ({}) as it was: {why}", base.presence, base.reason))
            }
        };
        if base.presence == Presence::Gone {
            return unchanged("it was gone and nobody listed it since");
        }
        let silent = |place: &&Place| self.silence(listings[place]).is_some();
        let open = |place: &&Place| self.is_open(**place);
        let all: Vec<Place> = listings.keys().copied().collect();
        if all.iter().any(|place| open(&place) && !silent(&place)) {
            return unchanged("an open scope listed it to the last");
        }
        let unknown = |of: &[Place]| {
            let reasons: Vec<PresenceReason> = of.iter().filter_map(|place| reason(self.scopes[place].standing)).collect();
            (row.presence == Presence::Unknown && reasons.contains(&row.reason)).then(|| Known {
                presence: row.presence,
                reason: row.reason,
                missing: None,
                ..base.clone()
            })
        };
        let blind: Vec<Place> = all.iter().filter(|place| !open(place) && !silent(place)).copied().collect();
        if !blind.is_empty() {
            return unknown(&blind).ok_or_else(|| format!("should be unknown, for {blind:?} cannot be read any more"));
        }
        // From here on everything that listed it was walked completely without it.
        let witnesses = self.witnesses(&listings);
        if !all.iter().any(|place| open(&place)) {
            return unknown(&all).ok_or_else(|| "should be unknown: nothing that listed it is open".into());
        }
        if !witnesses.iter().any(|place| open(&place))
            && let Some(after) = unknown(&witnesses)
        {
            return Ok(after);
        }
        if witnesses.iter().all(|place| *place == Place::Organization) {
            if self.left_by(world, key, i64::MAX) {
                return if (row.presence, row.reason) == (Presence::Unknown, PresenceReason::OwnerLeft) {
                    Ok(Known { presence: row.presence, reason: row.reason, missing: None, ..base })
                } else {
                    fail("should be unknown, for its owner left and the list holds current members' keys alone".into())
                };
            }
            let said_something = |walk: &Logged| !self.left_by(world, key, walk.number);
            let newest = self.complete(Place::Organization).next_back();
            if !newest.is_some_and(said_something) {
                return unchanged("the list was not walked since its owner came back");
            }
            let people = self.complete(Place::People).next_back();
            let before = |walk: &Logged| {
                walk.poll == self.poll && people.is_some_and(|people| people.poll == walk.poll && people.number < walk.number)
            };
            let behind = self.still.contains(&owner_id(world.keys[key].owner));
            if world.keys[key].owner != SERVICE && !(newest.is_some_and(before) && behind) {
                return unchanged("this poll did not see its owner both before it walked the list and behind it");
            }
            let away = |people: &Logged| !people.listed.contains_key(&owner_id(world.keys[key].owner));
            if newest.is_some_and(|walk| self.complete(Place::People).any(|people| people.number > walk.number && away(people)))
                && let Ok(after) = unchanged("")
            {
                // It fell silent before its owner left; whether that counts once they are back is left open.
                return Ok(after);
            }
        }
        match base.missing {
            None if row.presence == Presence::Missing => {
                Ok(Known { presence: row.presence, reason: row.reason, missing: Some((mark, mark)), ..base })
            }
            None => fail("should be missing: every witness was walked completely without it".into()),
            Some((earliest, latest)) => self.confirmed(world, row, base, &witnesses, &all, (earliest, latest, mark)),
        }
    }

    /// The scopes that listed it when it was last sighted: no other listed it after they fell silent.
    fn witnesses(&self, listings: &BTreeMap<Place, &Logged>) -> Vec<Place> {
        let stays = |place: &Place| {
            let silence = self.silence(listings[place]).map_or(i64::MAX, |walk| walk.number);
            !listings.values().any(|other| other.place != *place && other.number > silence)
        };
        listings.keys().copied().filter(stays).collect()
    }

    /// Missing becomes gone only by proof, and with it.
    fn confirmed(
        &self,
        world: &World,
        row: &Row,
        base: Known,
        witnesses: &[Place],
        all: &[Place],
        (earliest, latest, now): (Mark, Mark, Mark),
    ) -> Result<Known, String> {
        let newest = |place: &Place| self.complete(*place).next_back();
        let again = |places: &[Place], mark: &Mark| {
            places.iter().all(|place| newest(place).is_some_and(|walk| walk.at > mark.at && span(walk, mark) >= CONFIRM))
        };
        let back = |places: &[Place], mark: &Mark| {
            places.iter().any(|place| newest(place).is_some_and(|walk| walk.at > mark.at && span(walk, mark) < 0))
        };
        let everywhere = |mark: &Mark| {
            self.scopes
                .keys()
                .filter(|place| self.is_open(**place))
                .all(|place| newest(place).is_some_and(|walk| walk.at > mark.at))
        };
        match row.presence {
            Presence::Gone => {
                if back(witnesses, &earliest) {
                    return fail("gone, though the clock went back: the wait begins anew".into());
                }
                if !again(witnesses, &earliest) {
                    return fail(format!("gone, but not each of {witnesses:?} was walked once more late enough"));
                }
                if !everywhere(&earliest) {
                    return fail("gone, but not every open scope was walked since it is missing".into());
                }
                let shown = world.shown_by(row.key);
                let there = |place: &Place| self.scopes.get(place).is_none_or(|scope| scope.standing != Standing::Closed);
                if self.moved.get(&row.key).copied().unwrap_or(0) < earliest.at && shown.iter().any(there) {
                    return fail(format!("gone, but {shown:?} truly showed it all the time"));
                }
                Ok(Known { presence: row.presence, reason: row.reason, missing: None, gone: self.now, ..base })
            }
            Presence::Missing => {
                let may_wait = back(all, &latest) || back(all, &earliest);
                if !may_wait && again(all, &latest) && everywhere(&latest) && all.iter().all(|place| self.is_open(*place)) {
                    return fail("should be gone: all that proves it was read".into());
                }
                let anew = |places: &[Place], mark: Mark| if back(places, &mark) { now } else { mark };
                Ok(Known { missing: Some((anew(witnesses, earliest), anew(all, latest))), ..base })
            }
            Presence::Present | Presence::Unknown | Presence::Unmanaged => fail("was missing, and nothing ended that".into()),
        }
    }

    /// After polls without faults everything is known: what is shown is present, what is not is gone, or cannot be told.
    pub fn converged(&self, world: &World, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let shown = world.shown_by(row.key);
            let listings = self.listings(row.key);
            let right = match row.presence {
                Presence::Present => !shown.is_empty(),
                Presence::Gone => shown.is_empty(),
                Presence::Unknown => shown.is_empty(),
                // One that can be read no more fell silent before: it cannot be asked once more.
                Presence::Missing => shown.is_empty() && listings.keys().any(|place| !self.is_open(*place)),
                Presence::Unmanaged => false,
            };
            if !right {
                return fail(format!("{row}: after four polls without faults, {shown:?} truly show it"));
            }
        }
        Ok(())
    }
}

const fn reason(standing: Standing) -> Option<PresenceReason> {
    match standing {
        Standing::Open => None,
        Standing::Closed => Some(PresenceReason::ScopeClosed),
        Standing::Vanished => Some(PresenceReason::ScopeVanished),
        Standing::Retired => Some(PresenceReason::ScopeRetired),
    }
}
