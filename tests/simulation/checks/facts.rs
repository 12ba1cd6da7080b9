//! What a key is: whose, of which kind, where, and by which name.

use keymuster::domain::{KeyKind, Moment, Presence, Reason};
use keymuster::sim::Remote;
use keymuster::sync::Report;

use super::{About, Verdict};

/// A poll of a provider that does nothing wrong reads everything.
pub fn quiet_poll_is_up(report: &Report) -> Verdict {
    // What is refused for the first time; and what asked not to be asked, before it was well again.
    let excused = matches!(report.failure(), None | Some(Reason::RefusedOnce | Reason::RateLimited));
    if excused { Ok(()) } else { Err(format!("a quiet poll failed: {:?}", report.failures().collect::<Vec<_>>())) }
}

/// Whatever was wrong with the provider: never another's owner, kind or place.
pub fn are_right(about: &About<'_>) -> Verdict {
    let About { row, life, .. } = about;
    if let Some(owner) = &row.owner
        && owner.id != life.key.owner_id
    {
        return Err(format!("wrong owner: {} instead of {}", owner.id, life.key.owner_id));
    }
    let project = life.homes.iter().any(|home| home != "admin");
    let right = match (life.key.provider, row.kind) {
        (Remote::OpenAi, KeyKind::Project) => project,
        // Only while no project was seen to list it.
        (Remote::OpenAi, KeyKind::Admin) => life.homes.contains("admin"),
        (Remote::OpenAi, KeyKind::Unattributed) => life.leaked,
        (Remote::Den, KeyKind::Organization) => true,
        (Remote::Braintrust, KeyKind::Personal) => life.key.home != "service_tokens",
        (Remote::Braintrust, KeyKind::ServiceToken) => life.key.home == "service_tokens",
        (Remote::OpenAi | Remote::Den | Remote::Braintrust, _) => false,
    };
    if !right {
        return Err(format!("wrong kind: {}", row.kind));
    }
    if !row.scope_id.is_empty() && !life.homes.contains(&row.scope_id) {
        return Err(format!("wrong place: {}", row.scope_id));
    }
    Ok(())
}

/// After a poll in which nothing was wrong and nothing happened, of a key whose list was read: everything.
pub fn are_exact(about: &About<'_>) -> Verdict {
    let About { row, life, watched, seen, .. } = about;
    let by_this_poll = |began| began == watched.learnt && Some(&began) == watched.whole.last();
    let read = about.home_read().is_some_and(|began| by_this_poll(began) && began >= life.facts_since);
    // What better lists say of a key that has left them counts until they have been read again.
    let moved = life.homes.len() > 1 && watched.whole.iter().rev().nth(1).is_none_or(|began| *began < life.since);
    // Nor does the first poll that lists in another way know yet that the old lists are not to be asked again.
    let new_way = Some(&watched.way_since) == watched.whole.last();
    if !read || moved || about.left_now() || new_way || row.presence != Presence::Present || !life.key.listed {
        return Ok(());
    }
    let at = |moment: Moment| moment.at().map(keymuster::domain::Time::unix);
    let mut wrong = Vec::new();
    if row.name.as_deref() != Some(life.key.name.as_str()) {
        wrong.push("name");
    }
    if row.enabled != life.key.enabled {
        wrong.push("enabled");
    }
    if row.owner.is_none() {
        wrong.push("owner");
    }
    if row.created_at.map(keymuster::domain::Time::unix) != Some(life.key.created_at) {
        wrong.push("created_at");
    }
    if life.key.provider != Remote::Braintrust {
        if at(row.expires) != life.key.expires_at {
            wrong.push("expires_at");
        }
        let told = at(row.last_used);
        // Our own key is used by the very poll.
        if told < life.used_as_of(seen.as_of) || told > life.key.last_used_at {
            wrong.push("last_used_at");
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("wrong {}: after a poll in which nothing was wrong", wrong.join(", "))) }
}
