//! Asks for held keys by their ids, where the provider has such a call: who finds 404 there needs no person's word.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use crate::domain::{RemoteId, ScopeId};
use crate::inventory::{HeldKeys, Inventory, Poll, Stored};
use crate::providers::{KeyRef, Known};
use crate::walk::{Absent, ById};

/// Keys that one poll asks for: some providers allow only a few requests a minute, and the next poll goes on.
const AT_MOST: u32 = 200;

/// Asks, until the poll's deadline, and keeps what that proves. Returns how many keys were proven absent.
pub(super) async fn inquire(
    inventory: &Inventory,
    line: &Line,
    known: &Known,
    poll: Poll,
    deadline: Instant,
    stop: &CancellationToken,
) -> Stored<usize> {
    let mut proven = 0;
    for held in inventory.held_keys(poll, AT_MOST).await? {
        let asked = tokio::select! {
            () = stop.cancelled() => break,
            asked = ask_all(line, known, &held, deadline) => asked,
        };
        if let Some((asked, absent)) = asked {
            proven += absent.ids().len();
            inventory.asked_for(poll, asked, absent).await?;
        }
    }
    Ok(proven)
}

/// The keys of one list, between two questions for one that it holds. `None` where nothing could be proven.
async fn ask_all(line: &Line, known: &Known, held: &HeldKeys, deadline: Instant) -> Option<(Vec<RemoteId>, Absent)> {
    let before = ask(line, known, &held.scope, &held.control).await?;
    if !before.is_there() {
        return None;
    }
    let mut answers = Vec::new();
    for key in &held.keys {
        if Instant::now() >= deadline {
            break;
        }
        answers.push((key.clone(), ask(line, known, &held.scope, key).await?));
    }
    let after = ask(line, known, &held.scope, &held.control).await?;
    let asked = answers.iter().map(|(key, _)| key.clone()).collect();
    Some((asked, Absent::between(before, answers, after)))
}

/// `None` where the provider has no such call for that list.
async fn ask(line: &Line, known: &Known, scope: &ScopeId, key: &RemoteId) -> Option<ById> {
    let fetch = line.provider.by_id(&KeyRef { id: key.clone(), scope: scope.clone() })?;
    Some(ById::of(&line.remote.ask(line.provider, &fetch, known).await))
}
