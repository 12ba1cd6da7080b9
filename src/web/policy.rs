//! The page *Policy*: which limits hold and what set them, the rules in their order, and the waivers with their ends.

use askama::Template;

use super::frame::Frame;
use crate::domain::Time;
use crate::views::InForce;
use crate::views::shown::{Instant, number};

pub(super) const PATH: &str = "/policy";

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "policy.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    /// Without any number where nothing was read: a zero would be a claim.
    counts: bool,
    waivers: Vec<Waiver>,
    rules: Vec<PolicyPlace>,
    accounts: Vec<PolicyPlace>,
    defaults: Vec<(&'static str, String, String)>,
}

#[derive(Debug)]
struct Waiver {
    matches: String,
    reason: String,
    who: String,
    until: Instant,
    over: bool,
    keys: String,
}

#[derive(Debug)]
struct PolicyPlace {
    of: String,
    sets: Vec<(String, String)>,
    keys: String,
}

impl Page {
    pub fn new(frame: Frame, in_force: &InForce, now: Time) -> Self {
        let places = |places: &[crate::views::PolicyPlace]| -> Vec<PolicyPlace> {
            let place = |place: &crate::views::PolicyPlace| PolicyPlace {
                of: place.of.clone(),
                sets: place.sets.clone(),
                keys: number(place.keys),
            };
            places.iter().map(place).collect()
        };
        let waiver = |waiver: &crate::views::Accepted| Waiver {
            matches: waiver.matches.clone(),
            reason: waiver.reason.clone(),
            who: waiver.who.clone(),
            until: Instant::new(waiver.until, now),
            over: waiver.until <= now,
            keys: number(waiver.keys),
        };
        Self {
            counts: frame.headline.tone != "wait",
            waivers: in_force.waivers.iter().map(waiver).collect(),
            rules: places(&in_force.rules),
            accounts: places(&in_force.accounts),
            defaults: in_force.defaults.clone(),
            frame,
        }
    }
}
