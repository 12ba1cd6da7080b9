//! Reads the people once more behind the lists of keys: a list of current members' keys lacks also the keys of whoever left after
//! the first list of people, and may be back before the next.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::round::{Common, planned, question, walk};
use crate::domain::{Failure, Reason, RemoteId, ScopeId, ScopeKind, WalkEnd};
use crate::inventory::MembersStill;
use crate::providers::{GROUPS, Target};
use crate::walk::Found;

/// Who is among the people now, or in a group, where groups alone named some. That ends a poll, so that its deadline does not
/// stop it.
///
/// # Errors
/// Why that cannot be told; nothing is concluded then.
pub(super) async fn members_still(common: &Common, stop: &CancellationToken) -> Result<MembersStill, Failure> {
    let read = async {
        // A provider that fails now and then may fail at the same place of each poll.
        match read(common).await {
            Ok(members) => Ok(members),
            Err(_) => read(common).await,
        }
    };
    stop.run_until_cancelled(read).await.unwrap_or_else(|| Err(Failure::new(Reason::Stopped, "told to stop")))
}

async fn read(common: &Common) -> Result<MembersStill, Failure> {
    Ok(MembersStill::of(people(common).await?.into_iter().chain(in_groups(common).await?)))
}

async fn people(common: &Common) -> Result<Vec<RemoteId>, Failure> {
    let people = ScopeId { kind: ScopeKind::People, of: None };
    let (scope, first) =
        planned(common).remove(&people).ok_or_else(|| Failure::new(Reason::Internal, "the adapter plans it no more"))?;
    let (walked, _) = walk(common, scope, first).await;
    match (walked.end(), walked.found()) {
        (WalkEnd::Complete, Found::People(people)) => Ok(people.iter().map(|person| person.id.clone()).collect()),
        (WalkEnd::Incomplete(failure), _) => Err(failure.clone()),
        (WalkEnd::Closed(reason), _) => Err(Failure::new(Reason::Forbidden, reason.as_str())),
        (WalkEnd::Complete, Found::Keys(_) | Found::Projects(_)) => {
            Err(Failure::new(Reason::Internal, "the list of people holds something else"))
        }
    }
}

async fn in_groups(common: &Common) -> Result<BTreeSet<RemoteId>, Failure> {
    let known = &common.known;
    if known.group_members.iter().all(|id| known.people.contains_key(id)) {
        return Ok(BTreeSet::new());
    }
    match common.plan().into_iter().find(|fetch| matches!(fetch.target, Target::Question(GROUPS))) {
        Some(fetch) => Ok(question(common, fetch).await?.learnt.members),
        None => Ok(BTreeSet::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Organization, OwnerKind, Person};
    use crate::providers::Learnt;
    use crate::sync::rounds::tests::Site;

    #[tokio::test(start_paused = true)]
    async fn groups_are_asked_again_where_they_alone_named_some() {
        let site = Site::new();
        let members = async |groups: &[&str], people: &[&str]| {
            let id = |text: &str| RemoteId::new(text).unwrap();
            let mut common = site.common();
            common.known.organization = Some(Organization { id: id("ours"), name: None });
            common.known.learn(Learnt { members: groups.iter().map(|member| id(member)).collect(), ..Learnt::default() });
            let person = |of: &&str| Person { id: id(of), kind: OwnerKind::User, name: None, email: None };
            common.known.people = people.iter().map(|of| (id(of), person(of))).collect();
            let found = in_groups(&common).await.unwrap();
            (found.iter().map(ToString::to_string).collect::<Vec<_>>(), site.asked().len())
        };
        assert_eq!(members(&[], &[]).await, (vec![], 0));
        assert_eq!(members(&["ana"], &["ana", "bo"]).await, (vec![], 0));
        assert_eq!(members(&["ana", "gap"], &["ana"]).await, (vec!["ana".to_owned(), "gap".to_owned()], 2), "two pages");
    }
}
