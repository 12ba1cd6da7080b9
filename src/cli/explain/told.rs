//! What is told of a key: its facts, how it stands to each condition, and what changes next.

use serde::Serialize;

use crate::cli::output::{Output, Tone};
use crate::cli::table;
use crate::domain::{Condition, Moment, Presence, Time};
use crate::policy::{Claim, EARLIEST, Standing};
use crate::views::{ChangeRow, Explained, KeyRow, ListedBy, because, day};

/// Of the rows, one for each condition.
pub(super) const HEADINGS: [&str; 4] = ["CONDITION", "STATE", "FROM", "BECAUSE"];

/// All that is told.
pub(super) struct Told {
    pub key: KeyRow,
    pub explained: Explained,
    pub changes: Vec<ChangeRow>,
    pub now: Time,
}

/// How a condition stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
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
    const fn tone(self) -> Tone {
        match self {
            Self::Holds => Tone::Bad,
            Self::Waived | Self::Will | Self::Unseen => Tone::Warning,
            Self::Over | Self::No => Tone::Faint,
        }
    }

    const fn word(self) -> &'static str {
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
enum Next {
    Begins(Condition),
    Ends(Condition),
    WaiverEnds,
}

impl Next {
    fn words(self) -> String {
        match self {
            Self::Begins(condition) => format!("{condition} begins"),
            Self::Ends(condition) => format!("{condition} ends"),
            Self::WaiverEnds => "the waiver ends".to_owned(),
        }
    }
}

impl Told {
    /// Keys that are gone or no longer watched are in no condition.
    const fn is_judged(&self) -> bool {
        match self.key.presence {
            Presence::Present | Presence::Missing | Presence::Unknown => true,
            Presence::Gone | Presence::Unmanaged => false,
        }
    }

    fn state(&self, claim: &Claim) -> State {
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

    fn next(&self) -> Option<(Next, Time)> {
        let claims = self.explained.claims.iter().filter(|claim| !self.key.conditions.contains(&claim.condition));
        let begin = claims.filter_map(|claim| Some((Next::Begins(claim.condition), from(claim)?)));
        let end = self.key.expires.at().filter(|_| self.key.conditions.contains(&Condition::Expiring));
        let waiver = self.explained.waivers.iter().map(|waiver| waiver.until).max();
        let changes =
            begin.chain(waiver.map(|at| (Next::WaiverEnds, at))).chain(end.map(|at| (Next::Ends(Condition::Expiring), at)));
        // Of several at one instant, what begins is told.
        changes.filter(|(_, at)| self.is_judged() && *at > self.now).min_by_key(|(_, at)| *at)
    }

    pub(super) fn rows(&self) -> Vec<Vec<(Tone, String)>> {
        let claims = self.explained.claims.iter().filter(|_| self.is_judged());
        let row = |claim: &Claim| {
            let state = self.state(claim);
            vec![
                (Tone::Plain, claim.condition.to_string()),
                (state.tone(), state.word().to_owned()),
                (Tone::Plain, from(claim).map(day).unwrap_or_default()),
                (Tone::Plain, because(claim)),
            ]
        };
        claims.map(row).collect()
    }

    pub(super) fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let key = &self.key;
        let name = key.name.clone().unwrap_or_else(|| "(no name)".to_owned());
        output.line(&format!("{}  {}", output.paint(Tone::Strong, &name), self.id()))?;
        let owner = key.owner.as_ref().map_or_else(
            || "not reported".to_owned(),
            |owner| {
                let words = [owner.name.as_deref(), owner.email.as_deref(), Some(owner.id.as_str())];
                format!("{} ({})", words.into_iter().flatten().collect::<Vec<_>>().join(", "), owner.kind)
            },
        );
        let facts = [
            ("kind", format!("{} at {}", key.kind, key.provider)),
            ("hint", key.hint.clone().unwrap_or_else(|| "not reported".to_owned())),
            ("owner", owner),
            ("made", key.created_at.map_or_else(|| "not reported".to_owned(), day)),
            ("last used", moment(key.last_used)),
            ("expires", moment(key.expires)),
            ("presence", format!("{}, {}", key.presence, key.presence_reason.as_str().replace('_', " "))),
            ("team", key.team.clone().unwrap_or_else(|| "none".to_owned())),
        ];
        for (what, fact) in facts {
            output.line(&format!("  {} {fact}", output.paint(Tone::Faint, &format!("{what:<10}"))))?;
        }
        for list in &self.explained.lists {
            output.line(&format!("  {} {}", output.paint(Tone::Faint, &format!("{:<10}", "listed by")), listed(list)))?;
        }
        if !self.explained.in_force {
            output.line(&output.paint(
                Tone::Warning,
                "\nThis config's policy is not the one that the inventory was last judged by: the daemon has not read it yet.",
            ))?;
        }
        output.line("")?;
        if self.is_judged() {
            output.text(&table::render(output, &HEADINGS, self.rows()))?;
            for waiver in &self.explained.waivers {
                let (who, until, reason) = (&waiver.who, day(waiver.until), &waiver.reason);
                let is = if waiver.until > self.now { "waived" } else { "was waived" };
                output.line(&format!("\n{is} by {who} until {until}: {reason}"))?;
            }
            match self.next() {
                Some((next, at)) => output.line(&format!("\nNext: {} at {at}.", next.words()))?,
                None => output.line("\nNothing changes by itself.")?,
            }
        } else {
            output.line(&format!("No condition is claimed of a key that is {}.", self.key.presence))?;
        }
        if !self.changes.is_empty() {
            output.line("")?;
            let rows = self.changes.iter().map(|change| {
                let [before, after] = [&change.before, &change.after].map(|text| text.clone().unwrap_or_default());
                [change.at.to_string(), change.change.to_string(), before, after]
                    .into_iter()
                    .map(|text| (Tone::Plain, text))
                    .collect()
            });
            output.text(&table::render(output, &["SEEN", "CHANGE", "BEFORE", "AFTER"], rows.collect()))?;
        }
        Ok(())
    }

    fn id(&self) -> String {
        format!("{}/{}", self.key.account, self.key.key_id)
    }

    pub(super) fn shown(&self) -> Shown {
        let claims = self.explained.claims.iter().filter(|_| self.is_judged()).map(|claim| ShownClaim {
            condition: claim.condition.as_str(),
            state: self.state(claim),
            from: from(claim).map(|at| at.to_string()),
            limit: claim.limit.map(|limit| limit.value.to_string()),
            limit_by: claim.limit.map(|limit| limit.by.to_string()),
            because: because(claim),
        });
        let waivers = self.explained.waivers.iter().map(|waiver| ShownWaiver {
            who: waiver.who.clone(),
            until: waiver.until.to_string(),
            reason: waiver.reason.clone(),
        });
        Shown {
            key: self.id(),
            presence: self.key.presence.as_str(),
            policy_in_force: self.explained.in_force,
            conditions: claims.collect(),
            waivers: waivers.collect(),
            next: self.next().map(|(next, at)| ShownNext { what: next.words(), at: at.to_string() }),
            lists: self.explained.lists.iter().map(listed).collect(),
        }
    }
}

/// From when it holds. Where that is a time that nobody told, it is none to show.
fn from(claim: &Claim) -> Option<Time> {
    match claim.standing {
        Standing::From(at) => Some(at).filter(|at| *at != EARLIEST),
        Standing::Not(_) => None,
    }
}

#[derive(Serialize)]
pub(super) struct Shown {
    key: String,
    presence: &'static str,
    policy_in_force: bool,
    pub conditions: Vec<ShownClaim>,
    waivers: Vec<ShownWaiver>,
    next: Option<ShownNext>,
    lists: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct ShownClaim {
    condition: &'static str,
    state: State,
    from: Option<String>,
    limit: Option<String>,
    limit_by: Option<String>,
    because: String,
}

#[derive(Serialize)]
struct ShownWaiver {
    who: String,
    until: String,
    reason: String,
}

#[derive(Serialize)]
struct ShownNext {
    what: String,
    at: String,
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(at) => day(at),
        Moment::Never => "never".to_owned(),
        Moment::NotReported => "not reported".to_owned(),
    }
}

/// `project proj_1 (search): its facts come from here; read completely 2026-11-27T10:00:00Z`.
fn listed(list: &ListedBy) -> String {
    let name = list.scope_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let id = if list.scope_id.is_empty() { String::new() } else { format!(" {}", list.scope_id) };
    let here = if list.listed { "" } else { ", but not when that was last read" };
    let home = if list.home { "; its facts come from there" } else { "" };
    let read = list.last_complete_at.map_or_else(|| "never read completely".to_owned(), |at| format!("read completely {at}"));
    format!("{}{id}{name}{here}{home}; {}, {read}", list.kind, list.standing)
}
