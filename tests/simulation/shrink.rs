//! Makes a story that goes wrong as short as it can be while it goes wrong in the same way.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::event::{Event, Story};
use crate::tell::{Failure, tell_again};

/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shortest story found, and how it goes wrong.
pub fn shrink(story: &Story, failure: &Failure) -> (Story, Failure) {
    let began = Instant::now();
    let mut short = story.clone();
    short.events.truncate(failure.events);
    // What was under way when it went wrong has to end as it did.
    let (mut short, mut failure) = match same(&short, failure) {
        Some(again) => (short, again),
        None => (story.clone(), failure.clone()),
    };
    // Whole sorts of events first: most stories are about one account.
    let sort = |event: &Event| event.to_string().split(' ').take(2).collect::<Vec<_>>().join(" ");
    let sorts: BTreeSet<String> = short.events.iter().map(|(_, event)| sort(event)).collect();
    for left_out in sorts {
        let mut without = short.clone();
        without.events.retain(|(_, event)| sort(event) != left_out);
        if let Some(again) = same(&without, &failure) {
            (short, failure) = (without, again);
        }
    }
    let mut size = short.events.len().div_ceil(2);
    while size > 0 && began.elapsed() < PATIENCE {
        let mut at = 0;
        let mut shorter = false;
        while at < short.events.len() && began.elapsed() < PATIENCE {
            let mut without = short.clone();
            without.events.drain(at..(at + size).min(without.events.len()));
            match same(&without, &failure) {
                Some(again) => (short, failure, shorter) = (without, again, true),
                None => at += size,
            }
        }
        size = if shorter && size == 1 { 1 } else { size / 2 };
    }
    for at in (0..short.nature.len()).rev() {
        let mut without = short.clone();
        without.nature.remove(at);
        if let Some(again) = same(&without, &failure) {
            (short, failure) = (without, again);
        }
    }
    (short, failure)
}

/// How the story goes wrong, if it does in the same way.
fn same(story: &Story, failure: &Failure) -> Option<Failure> {
    tell_again(story).err().filter(|again| again.kind() == failure.kind())
}
