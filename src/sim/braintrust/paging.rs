//! Pages as Braintrust cuts them: newest first, by the ids of elements, without a word on whether there are more.

use super::quirks::{Quirk, Quirks};
use super::{Question, bad};
use crate::domain::Time;
use crate::sim::ids::is_uuid;
use crate::sim::serve::Refusal;

/// Where an element stands in a list; lists run from the greatest to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) created: Time,
    pub(super) neighbour: bool,
    pub(super) number: u32,
}

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// `None` is all: no default is documented.
    limit: Option<usize>,
    cursor: Option<(Way, &'a str)>,
    overlaps: bool,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    After,
    Before,
}

impl<'a> Page<'a> {
    /// Reads `limit`, `starting_after`, `ending_before`.
    pub(super) fn of(question: &'a Question) -> Result<Self, Refusal> {
        let limit = match question.parameter("limit") {
            None => None,
            // What 0 means is not documented; whoever sends it is told.
            Some(text) => Some(text.parse().ok().filter(|n| *n > 0).ok_or_else(|| bad("limit must be a positive integer"))?),
        };
        let cursor = match (question.parameter("starting_after"), question.parameter("ending_before")) {
            (Some(_), Some(_)) => return Err(bad("Only one of starting_after and ending_before can be given")),
            (Some(id), None) => Some((Way::After, id)),
            (None, Some(id)) => Some((Way::Before, id)),
            (None, None) => None,
        };
        if cursor.is_some_and(|(_, id)| !is_uuid(id)) {
            return Err(bad("Invalid uuid"));
        }
        let quirks: &Quirks = &question.quirks;
        let limit = limit.into_iter().chain(quirks.page_cap()).min();
        Ok(Self { limit, cursor, overlaps: quirks.has(&Quirk::OverlappingPages) })
    }

    /// The page of a list that runs from the greatest to the least. A cursor outlives its element.
    pub(super) fn cut<'t, T>(
        &self,
        all: &'t [T],
        place: impl Fn(&T) -> Place,
        find: impl Fn(&str) -> Option<Place>,
    ) -> Result<&'t [T], Refusal> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let Some((way, id)) = self.cursor else { return Ok(&all[..limit.min(all.len())]) };
        let cursor = find(id).ok_or_else(|| bad("No such object"))?;
        match way {
            Way::After => {
                let start = all.partition_point(|item| place(item) >= cursor);
                // Only where something new follows; otherwise no walk would ever end.
                let overlap = usize::from(self.overlaps && limit > 1 && start > 0 && start < all.len());
                let rest = &all[start - overlap..];
                Ok(&rest[..limit.min(rest.len())])
            }
            Way::Before => {
                let newer = &all[..all.partition_point(|item| place(item) > cursor)];
                Ok(&newer[newer.len().saturating_sub(limit)..])
            }
        }
    }
}
