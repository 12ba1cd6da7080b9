//! What the command tells of a key, for people and for programs.

use serde::Serialize;

use crate::cli::output::{Output, Tone};
use crate::cli::table;
use crate::policy::Claim;
use crate::views::explanation::{Explanation, State, from, listed, moment, whole_owner};
use crate::views::{because, day};

/// Of the rows, one for each condition.
pub(super) const HEADINGS: [&str; 4] = ["CONDITION", "STATE", "FROM", "BECAUSE"];

const fn tone(state: State) -> Tone {
    match state {
        State::Holds => Tone::Bad,
        State::Waived | State::Will | State::Unseen => Tone::Warning,
        State::Over | State::No => Tone::Faint,
    }
}

/// All that is told.
pub(super) struct Told(pub Explanation);

impl Told {
    pub(super) fn rows(&self) -> Vec<Vec<(Tone, String)>> {
        let row = |claim: &Claim| {
            let state = self.0.state(claim);
            vec![
                (Tone::Plain, claim.condition.to_string()),
                (tone(state), state.word().to_owned()),
                (Tone::Plain, from(claim).map(day).unwrap_or_default()),
                (Tone::Plain, because(claim)),
            ]
        };
        self.0.claims().map(row).collect()
    }

    pub(super) fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let told = &self.0;
        let key = &told.key;
        let name = key.name.clone().unwrap_or_else(|| "(no name)".to_owned());
        output.line(&format!("{}  {}", output.paint(Tone::Strong, &name), told.id()))?;
        let owner = key.owner.as_ref().map_or_else(|| "not reported".to_owned(), whole_owner);
        let held = key.held_since.map_or_else(String::new, |since| format!("; held for a person since {since}"));
        let facts = [
            ("kind", format!("{} at {}", key.kind, key.provider)),
            ("hint", key.hint.clone().unwrap_or_else(|| "not reported".to_owned())),
            ("owner", owner),
            ("made", key.created_at.map_or_else(|| "not reported".to_owned(), day)),
            ("last used", moment(key.last_used)),
            ("expires", moment(key.expires)),
            ("presence", format!("{}, {}{held}", key.presence, key.presence_reason.as_str().replace('_', " "))),
            ("team", key.team.clone().unwrap_or_else(|| "none".to_owned())),
        ];
        for (what, fact) in facts {
            output.line(&format!("  {} {fact}", output.paint(Tone::Faint, &format!("{what:<10}"))))?;
        }
        for list in &told.explained.lists {
            output.line(&format!("  {} {}", output.paint(Tone::Faint, &format!("{:<10}", "listed by")), listed(list)))?;
        }
        if !told.explained.in_force {
            output.line(&output.paint(
                Tone::Warning,
                "\nThis config's policy is not the one that the inventory was last judged by: the daemon has not read it yet.",
            ))?;
        }
        output.line("")?;
        if told.is_judged() {
            output.text(&table::render(output, &HEADINGS, self.rows()))?;
            for waiver in &told.explained.waivers {
                output.line(&format!("\n{}", told.waiver(waiver)))?;
            }
            match told.next() {
                Some((next, at)) => output.line(&format!("\nNext: {} at {at}.", next.words()))?,
                None => output.line("\nNothing changes by itself.")?,
            }
        } else {
            output.line(&format!("No condition is claimed of a key that is {}.", key.presence))?;
        }
        if !told.changes.is_empty() {
            output.line("")?;
            let rows = told.changes.iter().map(|change| {
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

    pub(super) fn shown(&self) -> Shown {
        let told = &self.0;
        let claims = told.claims().map(|claim| ShownClaim {
            condition: claim.condition.as_str(),
            state: told.state(claim),
            from: from(claim).map(|at| at.to_string()),
            limit: claim.limit.map(|limit| limit.value.to_string()),
            limit_by: claim.limit.map(|limit| limit.by.to_string()),
            because: because(claim),
        });
        let waivers = told.explained.waivers.iter().map(|waiver| ShownWaiver {
            who: waiver.who.clone(),
            until: waiver.until.to_string(),
            reason: waiver.reason.clone(),
        });
        Shown {
            key: told.id(),
            presence: told.key.presence.as_str(),
            policy_in_force: told.explained.in_force,
            conditions: claims.collect(),
            waivers: waivers.collect(),
            next: told.next().map(|(next, at)| ShownNext { what: next.words(), at: at.to_string() }),
            lists: told.explained.lists.iter().map(listed).collect(),
        }
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
