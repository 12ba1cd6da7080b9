//! What policy says of a key: never used, stale, orphaned, expired.

use keymuster::domain::{Basis, Condition};
use keymuster::sim::Remote;

use super::{About, Verdict};
use crate::site::STALE_DAYS;
use crate::truth::Moment;

const DAY: i64 = 86_400;
/// Clocks may differ by as much before a walk counts for nothing.
const SKEW: i64 = 3_700;

pub fn no_lie(about: &About<'_>) -> Verdict {
    let About { row, life, .. } = about;
    let holds = |condition| row.conditions.contains(&condition);
    if !about.is_judged() {
        return if row.conditions.is_empty() { Ok(()) } else { Err("conditions of a key that is not there".into()) };
    }
    // A clock that went back may have it begin only later.
    if (holds(Condition::Disabled) && row.enabled) || (!row.enabled && row.conditions.iter().any(|c| *c != Condition::Disabled)) {
        return Err("disabled: the conditions say otherwise than the row".into());
    }
    let used = life.used_as_of(about.use_told());
    if holds(Condition::NeverUsed)
        && let Some(used) = used
    {
        return Err(format!("false never_used: used at {used}, before it was last seen"));
    }
    if holds(Condition::Stale) {
        let (openai, others) = STALE_DAYS[about.site.setup.policy];
        let patience = DAY * if life.key.provider == Remote::OpenAi { openai } else { others };
        let seen_at = row.last_seen_at.map_or(i64::MAX, |at| at.unix());
        let wrong = match (row.stale_basis, used) {
            (Some(Basis::LastUse), Some(used)) => used + patience > seen_at + SKEW,
            // A use that it was never shown cannot have begun its patience.
            (Some(Basis::LastUse), None) => life.uses.is_empty(),
            (Some(Basis::NeverUsed), Some(_)) => true,
            (Some(Basis::NeverUsed), None) => life.key.created_at + patience > seen_at + SKEW,
            (Some(Basis::Age), _) => life.key.created_at + patience > about.site.clock.now().unix(),
            (None, _) => true,
        };
        if wrong {
            return Err(format!("false stale: used at {used:?}, to be shown for {patience} s"));
        }
    }
    if row.enabled && holds(Condition::Expired) != row.expires.at().is_some_and(|at| at <= about.site.clock.now()) {
        return Err("expired: the conditions say otherwise than the row".into());
    }
    orphaned(about)
}

/// Only whose owner lost access is orphaned; who has it, and was seen to have it, is not.
fn orphaned(about: &About<'_>) -> Verdict {
    let About { row, life, watched, .. } = about;
    let says = row.conditions.contains(&Condition::Orphaned);
    // Everything was read since then, of people and of keys.
    let whole = |count: usize| watched.whole.len().checked_sub(count).and_then(|at| watched.whole.get(at)).copied();
    // What became of the owner of a deleted key is not followed.
    if says && life.exists() && life.key.owner_has_access {
        let always = life.access_since <= life.born;
        // A list that is refused since cannot tell that it is better.
        let read = |moment: Option<Moment>| moment.is_some_and(|began| began >= life.access_since && began >= life.since);
        // What a list says from which it has moved counts until the better ones have been read again.
        let newest = if life.homes.len() > 1 { 2 } else { 1 };
        let told = read(about.home_read()) && read(about.people_read());
        if always || (read(whole(newest)) && told && !about.left_now()) {
            return Err(format!("false orphaned: the owner has access since {}", life.access_since));
        }
    }
    let told_by_home = life.key.provider == Remote::OpenAi && life.key.home != "admin";
    if !says && !life.key.owner_has_access && life.exists() && life.key.listed && row.enabled && told_by_home {
        let read = |moment: Option<Moment>| moment.is_some_and(|began| began >= life.access_since && began >= life.since);
        if read(whole(2)) && read(about.home_read()) {
            return Err(format!("orphaned and not told: the owner lost access at {}", life.access_since));
        }
    }
    Ok(())
}
