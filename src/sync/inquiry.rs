//! Asks for held keys by their ids, where the provider has such a call: who finds 404 there needs no person's word.

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::key_by_id::ask_for_key;
use super::line::Line;
use crate::domain::{RemoteId, ScopeId, ScopeKind};
use crate::inventory::{Inventory, Poll, Stored};
use crate::providers::Known;
use crate::walk::{Absent, ById};

/// Keys that one poll asks for: some providers allow only a few requests a minute, and the next poll goes on.
const AT_MOST: usize = 200;
/// Keys between two questions for the control, and what is lost where the deadline falls among them.
const BUNDLE: usize = 20;
/// How often 404 has to be heard of a member's key, twice in a row each time: one node of three may drop the header, and see no
/// member's keys.
const IN_A_MEMBERS_NAME: usize = 3;

/// Asks, until the poll's deadline, and keeps what that proves. Returns how many keys were proven absent.
pub(super) async fn inquire(
    inventory: &Inventory,
    line: &Line,
    known: &Known,
    poll: Poll,
    deadline: Instant,
    stop: &CancellationToken,
) -> Stored<usize> {
    let (mut left, mut proven) = (AT_MOST, 0);
    for list in inventory.held_lists(poll).await? {
        let keys = inventory.held_keys(poll, &list, left).await?;
        let scope = &list.scope;
        let ask = |key: RemoteId| async move { ask_for_key(line, known, scope, &key).await };
        for bundle in keys.chunks(BUNDLE) {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(proven),
                () = sleep_until(deadline) => return Ok(proven),
                asked = ask_all(&list.control, bundle, times(scope), ask) => asked,
            };
            let Some(absent) = asked else { break };
            left -= bundle.len();
            proven += absent.ids().len();
            inventory.asked_for(poll, bundle.to_vec(), absent).await?;
        }
    }
    Ok(proven)
}

/// Which of these keys are proven absent. `None` where the list's control is not shown, or nothing can be asked for by its id.
async fn ask_all<Asking: Future<Output = Option<ById>>>(
    control: &RemoteId,
    keys: &[RemoteId],
    times: usize,
    ask: impl Fn(RemoteId) -> Asking,
) -> Option<Absent> {
    let mut before = ask(control.clone()).await?;
    if !before.is_there() {
        return None;
    }
    let mut absent = Absent::default();
    let mut asked = keys.to_vec();
    for _ in 0..times {
        let mut answers = Vec::new();
        for key in asked {
            let mut answer = ask(key.clone()).await?;
            if times > 1 && answer.is_absent() {
                // Of nodes that take turns another one: by their number, one could fail at the same keys each time.
                answer = ask(key.clone()).await?;
            }
            answers.push((key, answer));
        }
        let after = ask(control.clone()).await?;
        absent = Absent::between(before, answers, after);
        (before, asked) = (after, absent.ids().to_vec());
        if asked.is_empty() {
            break;
        }
    }
    Some(absent)
}

/// How often 404 has to be heard of a key of that list.
const fn times(scope: &ScopeId) -> usize {
    match scope.kind {
        ScopeKind::Member => IN_A_MEMBERS_NAME,
        ScopeKind::Projects
        | ScopeKind::Project
        | ScopeKind::Admin
        | ScopeKind::People
        | ScopeKind::Organization
        | ScopeKind::ServiceTokens => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::{Failure, Reason, Scope};
    use crate::walk::Page;

    fn not_found() -> Result<Page, Failure> {
        Err(Failure::new(Reason::NotFound, "as the node says that drops the header"))
    }

    /// Which keys are proven absent where nodes take turns and one of them, from that question on, sees none.
    async fn proven(keys: usize, nodes: usize, from: usize) -> Option<Absent> {
        let ids: Vec<RemoteId> = (0..keys).map(|number| RemoteId::new(&format!("key_{number}")).unwrap()).collect();
        let asked = AtomicUsize::new(0);
        let answer = |_| {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            let sees = nth < from || !(nth - from).is_multiple_of(nodes);
            std::future::ready(Some(if sees { ById::there() } else { ById::of(&not_found()) }))
        };
        ask_all(&RemoteId::new("control").unwrap(), &ids, IN_A_MEMBERS_NAME, answer).await
    }

    /// Which of two keys are proven absent where one of them is, and how many questions that took.
    async fn found(times: usize, control: Option<bool>) -> (Option<Vec<String>>, usize) {
        let [gone, there] = ["gone", "there"].map(|id| RemoteId::new(id).unwrap());
        let asked = AtomicUsize::new(0);
        let answer = |key: RemoteId| {
            asked.fetch_add(1, Ordering::Relaxed);
            let is_there = if key.as_str() == "control" { control } else { Some(key.as_str() != "gone") };
            std::future::ready(is_there.map(|is_there| if is_there { ById::there() } else { ById::of(&not_found()) }))
        };
        let absent = ask_all(&RemoteId::new("control").unwrap(), &[gone, there], times, answer).await;
        (absent.map(|absent| absent.ids().iter().map(ToString::to_string).collect()), asked.into_inner())
    }

    #[tokio::test]
    async fn a_key_is_proven_absent_between_two_answers_for_the_control() {
        let gone = || Some(vec!["gone".to_owned()]);
        assert_eq!(found(times(&Scope::only(ScopeKind::Admin).id), Some(true)).await, (gone(), 4));
        let member = Scope::of(ScopeKind::Member, RemoteId::new("ana").unwrap(), None);
        assert_eq!(found(times(&member.id), Some(true)).await, (gone(), 1 + 4 + 3 + 3), "twice in a row each time");
        assert_eq!(found(1, Some(false)).await, (None, 1));
        assert_eq!(found(1, None).await, (None, 1), "nothing can be asked for");
    }

    #[tokio::test]
    async fn one_node_of_those_that_take_turns_proves_nothing() {
        for (keys, nodes) in (1..=BUNDLE).flat_map(|keys| (2..=5).map(move |nodes| (keys, nodes))) {
            for from in 0..=nodes {
                let absent = proven(keys, nodes, from).await.unwrap_or_default();
                assert_eq!(absent.ids(), [], "{keys} keys, {nodes} nodes, from question {from}");
            }
        }
    }
}
