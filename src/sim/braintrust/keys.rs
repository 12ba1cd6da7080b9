//! Lists of Braintrust keys: one's own, those of whom one acts as, all of an organisation's.

use axum::extract::Path;
use axum::http::StatusCode;

use super::caller::{Asked, Caller};
use super::paging::{Page, Place};
use super::quirks::{Quirk, Spoilt};
use super::{Answered, Question, answer, list, not_found, records};
use crate::sim::members::Binding;
use crate::sim::world::{World, index};

impl Asked<'_> {
    /// The page of keys that is asked for, out of some keys of some organisations.
    fn page_of_keys(&self, mut keys: Vec<Place>) -> Answered {
        let question = self.question;
        keys.retain(|at| {
            let world = self.world(at.neighbour);
            let name = world.key(at.number).and_then(|key| world.names.get(index(key.name))).map_or("", |name| &name.text);
            question.wants("api_key_name", name)
                && (question.parameter("ids").is_none() || question.wants("ids", &world.key_id(at.number)))
        });
        keys.sort_unstable_by(|one, other| other.cmp(one));
        let find = |id: &str| self.worlds().into_iter().find_map(|(n, world)| place(n, world, world.key_number(id)?));
        let page = Page::of(question)?.cut(&keys, |at| *at, find)?;
        Ok(list(page, 380, |out, at| records::push_key(out, self.world(at.neighbour), at.number)))
    }

    /// All keys of whom the caller is.
    fn keys_of(&self, caller: Caller) -> Vec<Place> {
        let mut keys = Vec::new();
        for neighbour in self.scope(caller) {
            let world = self.world(neighbour);
            let numbers = self.number_in(caller.who, neighbour).map_or(&[][..], |person| world.braintrust.keys_of(person));
            keys.extend(numbers.iter().filter_map(|number| place(neighbour, world, *number)));
        }
        keys
    }

    /// All keys of the members of an organisation, but for those that open another one.
    fn keys_in(&self, neighbour: bool) -> Vec<Place> {
        let world = self.world(neighbour);
        let here = |number: &&u32| {
            world.binding(**number) != Binding::Elsewhere && world.key(**number).is_some_and(|key| world.is_listed(key))
        };
        world.braintrust.keys.iter().filter(here).filter_map(|number| place(neighbour, world, *number)).collect()
    }
}

fn place(neighbour: bool, world: &World, number: u32) -> Option<Place> {
    world.key(number).map(|key| Place { created: key.created, neighbour, number })
}

/// The keys of whoever asks, or is asked for; `org_name` narrows to an organisation, not to what the keys are bound to.
pub(super) async fn keys(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let caller = asked.caller_or_granted()?;
    let dropped = question.quirks.has(&Quirk::HeaderDroppedEmpty) && asked.target().is_some();
    asked.page_of_keys(if dropped { Vec::new() } else { asked.keys_of(caller) })
}

/// One's own keys, and all of the organisation's for an owner.
pub(super) async fn key(question: Question, Path(id): Path<String>) -> Answered {
    let asked = Asked::of(&question);
    let caller = asked.caller()?;
    let mut seen = asked.keys_of(caller);
    for neighbour in asked.scope(caller).into_iter().filter(|n| asked.owns(caller.who, *n)) {
        seen.extend(asked.keys_in(neighbour));
    }
    let wanted = asked.worlds().into_iter().find_map(|(n, world)| place(n, world, world.key_number(&id)?));
    let found = wanted.filter(|wanted| seen.contains(wanted)).ok_or_else(not_found)?;
    let mut out = String::new();
    records::push_key(&mut out, asked.world(found.neighbour), found.number);
    Ok(answer(StatusCode::OK, out))
}

/// Whoever owns nothing, or names another organisation, gets an empty list and is not told why.
pub(super) async fn organization_keys(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let caller = asked.caller()?;
    let spoilt = question.quirks.organization_list();
    if spoilt == Some(Spoilt::Missing) {
        return Err(not_found().into());
    }
    let mut keys = asked.listed_organization(caller)?.map_or_else(Vec::new, |neighbour| asked.keys_in(neighbour));
    match spoilt {
        Some(Spoilt::Empty) => keys.clear(),
        Some(Spoilt::WithoutCaller) => {
            let own = asked.keys_of(caller);
            keys.retain(|key| !own.contains(key));
        }
        Some(Spoilt::Missing) | None => {}
    }
    asked.page_of_keys(keys)
}
