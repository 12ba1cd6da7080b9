//! All that is known of a key: its facts, how it stands to each condition, and what changes next.

use serde::Serialize;

use super::{ChangeRow, Explained, KeyRow, ListedBy, OwnerRow, Showing, day};
use crate::domain::{Condition, Moment, Time};
use crate::policy::{Claim, EARLIEST, Standing, Waiver};

/// A key and what policy makes of it at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The key.
    pub key: KeyRow,
    /// What policy makes of it.
    pub explained: Explained,
    /// What changed of it, the newest first.
    pub changes: Vec<ChangeRow>,
    /// As of when.
    pub now: Time,
}

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It holds.
    Holds,
    /// It holds, and a waiver accepts it.
    Waived,
    /// It will, if nothing changes.
    Will,
    /// Its time has come, but its list was not read since, and it may have been used.
    Unseen,
    /// It held, until the next one took its place.
    Over,
    /// It does not hold.
    No,
}

impl State {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Waived => "waived",
            Self::Will => "will",
            Self::Unseen => "not seen since",
            Self::Over => "over",
            Self::No => "no",
        }
    }
}

/// What changes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A condition begins.
    Begins(Condition),
    /// A condition ends.
    Ends(Condition),
    /// The last waiver ends.
    WaiverEnds,
}

impl Next {
    /// For people.
    pub fn words(self) -> String {
        match self {
            Self::Begins(condition) => format!("{condition} begins"),
            Self::Ends(condition) => format!("{condition} ends"),
            Self::WaiverEnds => "the waiver ends".to_owned(),
        }
    }
}

impl Explanation {
    /// Keys that are gone or no longer watched are in no condition.
    pub const fn is_judged(&self) -> bool {
        self.key.presence.may_be_there()
    }

    /// Of every condition that is judged, how it stands and why.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.explained.claims.iter().filter(|_| self.is_judged())
    }

    /// How a condition stands now.
    pub fn state(&self, claim: &Claim) -> State {
        if self.key.conditions.contains(&claim.condition) {
            return if self.key.waived.contains(&claim.condition) { State::Waived } else { State::Holds };
        }
        match (claim.standing, claim.condition) {
            (Standing::From(at), _) if at > self.now => State::Will,
            // What has expired is no longer about to.
            (Standing::From(_), Condition::Expiring) => State::Over,
            (Standing::From(_), Condition::Stale | Condition::NeverUsed) => State::Unseen,
            // Only a policy that is not in force yet says so.
            (Standing::From(_), _) => State::Will,
            (Standing::Not(_), _) => State::No,
        }
    }

    /// What changes next without anybody's doing, and when.
    pub fn next(&self) -> Option<(Next, Time)> {
        let claims = self.explained.claims.iter().filter(|claim| !self.key.conditions.contains(&claim.condition));
        let begin = claims.filter_map(|claim| Some((Next::Begins(claim.condition), from(claim)?)));
        let end = self.key.expires.at().filter(|_| self.key.conditions.contains(&Condition::Expiring));
        let waiver = self.explained.waivers.iter().map(|waiver| waiver.until).max();
        let changes =
            begin.chain(waiver.map(|at| (Next::WaiverEnds, at))).chain(end.map(|at| (Next::Ends(Condition::Expiring), at)));
        // Of several at one instant, what begins is told.
        changes.filter(|(_, at)| self.is_judged() && *at > self.now).min_by_key(|(_, at)| *at)
    }

    /// `waived by ana until 2027-01-01: frozen`.
    pub fn waiver(&self, waiver: &Waiver) -> String {
        let is = if waiver.until > self.now { "waived" } else { "was waived" };
        format!("{is} by {} until {}: {}", waiver.who, day(waiver.until), waiver.reason)
    }

    /// `ACCOUNT/KEY_ID`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.key.account, self.key.key_id)
    }
}

/// From when a condition holds. Where that is a time that nobody told, it is none to show.
pub fn from(claim: &Claim) -> Option<Time> {
    match claim.standing {
        Standing::From(at) => Some(at).filter(|at| *at != EARLIEST),
        Standing::Not(_) => None,
    }
}

/// All that tells who it is: `Ana, ana@example.com, user_1 (user)`.
pub fn whole_owner(owner: &OwnerRow) -> String {
    let words = [owner.name.as_deref(), owner.email.as_deref(), Some(owner.id.as_str())];
    format!("{} ({})", words.into_iter().flatten().collect::<Vec<_>>().join(", "), owner.kind)
}

/// The day, `never` or `not reported`.
pub fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(at) => day(at),
        Moment::Never => "never".to_owned(),
        Moment::NotReported => "not reported".to_owned(),
    }
}

/// `project proj_1 (search); its facts come from there; open, read completely 2026-11-27T10:00:00Z`.
pub fn listed(list: &ListedBy) -> String {
    let name = list.scope_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let id = if list.scope_id.is_empty() { String::new() } else { format!(" {}", list.scope_id) };
    let here = match list.showing {
        Showing::WhenReadWhole => "",
        Showing::SinceThen => ", in a reading that was not complete",
        Showing::NotAnyMore => ", but not when that was last read completely",
    };
    let home = if list.home { "; its facts come from there" } else { "" };
    let read = list.last_complete_at.map_or_else(|| "never read completely".to_owned(), |at| format!("read completely {at}"));
    format!("{}{id}{name}{here}{home}; {}, {read}", list.kind, list.standing)
}
