//! What is true and since when: every key that the providers have or had.
//!
//! Time is counted in moments, one for each thing that happens: nothing has to be guessed from clocks.

use std::collections::{BTreeMap, BTreeSet};

use keymuster::sim::{Remote, TrueKey};

/// A number that grows with everything that happens.
pub type Moment = u64;

/// The life of one key.
#[derive(Debug)]
pub struct Life {
    /// As it is, or was at last.
    pub key: TrueKey,
    /// When it came to exist.
    pub born: Moment,
    /// When it was deleted.
    pub died: Option<Moment>,
    /// Since when it has existed, been listed or not, at this home, by this owner.
    pub since: Moment,
    /// Since when its owner can or cannot reach it.
    pub access_since: Moment,
    /// Since when all that is told of it but its use is as it is.
    pub facts_since: Moment,
    /// Where it ever belonged.
    pub homes: BTreeSet<String>,
    /// Which of them it left last, and when.
    pub left: Option<(String, Moment)>,
    /// Nobody could see it at some time since it came to its home.
    pub hidden: bool,
    /// Nobody could see it at some time at all.
    pub once_hidden: bool,
    /// The list of admin keys showed it at some time, although it belonged to a project.
    pub leaked: bool,
    /// Each last use, and the moment from which a provider tells it.
    pub uses: Vec<(Moment, i64)>,
}

impl Life {
    fn new(key: TrueKey, now: Moment) -> Self {
        Self {
            homes: BTreeSet::from([key.home.clone()]),
            left: None,
            hidden: !key.listed,
            once_hidden: !key.listed,
            leaked: key.leaked,
            uses: key.last_used_at.map(|at| (now, at)).into_iter().collect(),
            key,
            born: now,
            died: None,
            since: now,
            access_since: now,
            facts_since: now,
        }
    }

    pub const fn exists(&self) -> bool {
        self.died.is_none()
    }

    /// The last use that a provider told at that moment.
    pub fn used_as_of(&self, moment: Moment) -> Option<i64> {
        self.uses.iter().rev().find(|(since, _)| *since <= moment).map(|(_, at)| *at)
    }

    fn see(&mut self, key: &TrueKey, now: Moment) {
        if self.died.take().is_some() {
            // Deleted keys come back only in stories that restore them.
            self.since = now;
        }
        let old = &self.key;
        if *old == *key {
            return;
        }
        if (old.listed, &old.home, &old.owner_id) != (key.listed, &key.home, &key.owner_id) {
            self.since = now;
        }
        self.hidden = !key.listed || (self.hidden && old.home == key.home);
        self.once_hidden |= self.hidden;
        self.leaked |= key.leaked;
        if old.owner_has_access != key.owner_has_access {
            self.access_since = now;
        }
        if old.last_used_at != key.last_used_at {
            self.uses.extend(key.last_used_at.map(|at| (now, at)));
        }
        if *old != (TrueKey { last_used_at: old.last_used_at, ..key.clone() }) {
            self.facts_since = now;
        }
        if old.home != key.home {
            self.left = Some((old.home.clone(), now));
            self.homes.insert(key.home.clone());
        }
        self.key = key.clone();
    }
}

/// Every key that there is or was, by provider and id.
#[derive(Debug, Default)]
pub struct Truth {
    lives: BTreeMap<(Remote, String), Life>,
}

impl Truth {
    /// Takes in how things are now.
    pub fn see(&mut self, keys: Vec<TrueKey>, now: Moment) {
        let mut there = BTreeSet::new();
        for key in keys {
            let id = (key.provider, key.id.clone());
            match self.lives.get_mut(&id) {
                Some(life) => life.see(&key, now),
                None => {
                    self.lives.insert(id.clone(), Life::new(key, now));
                }
            }
            there.insert(id);
        }
        for (id, life) in &mut self.lives {
            if life.exists() && !there.contains(id) {
                (life.died, life.since) = (Some(now), now);
            }
        }
    }

    pub fn life(&self, remote: Remote, id: &str) -> Option<&Life> {
        self.lives.get(&(remote, id.to_owned()))
    }

    pub fn of(&self, remote: Remote) -> impl Iterator<Item = &Life> {
        self.lives.range((remote, String::new())..).take_while(move |((of, _), _)| *of == remote).map(|(_, life)| life)
    }
}
