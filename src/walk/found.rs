//! What a walk found, each id once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::domain::{Failure, KeyFacts, Lists, Person, Project, Reason, RemoteId, Text};

/// What a walk found, by what its scope lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Keys, each id once: in the boxes that they were read into, so that a list of one long answer never stands in memory twice.
    Keys(Vec<Box<KeyFacts>>),
    /// People, each id once.
    People(Vec<Person>),
    /// Projects, each id once.
    Projects(Vec<Project>),
}

impl Found {
    pub(super) const fn nothing(lists: Lists) -> Self {
        match lists {
            Lists::Keys => Self::Keys(Vec::new()),
            Lists::People => Self::People(Vec::new()),
            Lists::Projects => Self::Projects(Vec::new()),
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::People(people) => people.len(),
            Self::Projects(projects) => projects.len(),
        }
    }

    /// So many more come: an answer may hold a whole long list, and what grows by doubling stands beside what it grew from.
    pub(super) fn reserve(&mut self, more: usize) {
        match self {
            Self::Keys(keys) if keys.is_empty() => keys.reserve_exact(more),
            Self::Keys(keys) => keys.reserve(more),
            Self::People(people) => people.reserve(more),
            Self::Projects(projects) => projects.reserve(more),
        }
    }

    pub(super) fn secret_like(&self) -> u64 {
        let texts: Box<dyn Iterator<Item = &Text>> = match self {
            Self::Keys(keys) => Box::new(keys.iter().flat_map(|key| key.texts())),
            Self::People(people) => Box::new(people.iter().flat_map(|person| person.name.iter().chain(&person.email))),
            Self::Projects(projects) => Box::new(projects.iter().flat_map(|project| &project.name)),
        };
        texts.filter(|text| text.was_secret_like()).count() as u64
    }
}

/// Puts an element at its place, or merges it with the one that has its id and returns the place of that.
pub(super) fn place<T>(
    places: &mut HashMap<RemoteId, usize>,
    all: &mut Vec<T>,
    new: T,
    id: impl Fn(&T) -> &RemoteId,
    merge: impl Fn(&mut T, &T) -> Result<(), &'static str>,
) -> Result<Option<usize>, Failure> {
    match places.entry(id(&new).clone()) {
        Entry::Vacant(vacant) => {
            vacant.insert(all.len());
            all.push(new);
            Ok(None)
        }
        Entry::Occupied(occupied) => {
            let Some(old) = all.get_mut(*occupied.get()) else {
                return Err(Failure::new(Reason::Internal, "an element lost its place"));
            };
            merge(old, &new).map_err(|what| {
                Failure::new(Reason::InconsistentDuplicate, format!("{} came twice with {what}", occupied.key()))
            })?;
            Ok(Some(*occupied.get()))
        }
    }
}

/// The same key twice is one key. Its last use may have moved while the pages were read: the later counts.
pub(super) fn merge_keys(old: &mut KeyFacts, new: &KeyFacts) -> Result<(), &'static str> {
    let later = if new.last_used.at() > old.last_used.at() { new.last_used } else { old.last_used };
    old.last_used = later;
    if *old == (KeyFacts { last_used: later, ..new.clone() }) { Ok(()) } else { Err("different facts") }
}

/// A default project is known to be listed as active and as archived: it is active.
pub(super) fn merge_projects(old: &mut Project, new: &Project) -> Result<(), &'static str> {
    old.archived = old.archived && new.archived;
    if old.name == new.name { Ok(()) } else { Err("different names") }
}

pub(super) fn same<T: PartialEq>(old: &mut T, new: &T) -> Result<(), &'static str> {
    if old == new { Ok(()) } else { Err("different facts") }
}
