//! What a poll reports of questions that failed.

use std::time::Duration;

use super::*;
use crate::domain::Time;
use crate::providers::{Learnt, Subject};
use crate::walk::{Caps, Stamp, Walk, WalkId};

/// A list of keys that could not be read.
fn unread() -> Walked {
    let scope = Scope::only(ScopeKind::Organization);
    let now = Time::from_unix(1_760_000_000);
    let caps = Caps { items: 1, pages: 1, time: Duration::from_secs(1) };
    let fetch = Fetch::get(Target::Scope(scope.clone()), "list", "/list");
    let walk = Walk::begin(WalkId(1), scope, &fetch, Stamp { wall: now, boot: Duration::ZERO }, caps);
    walk.finish(WalkEnd::Incomplete(Failure::new(Reason::Server, "")), now)
}

#[test]
fn a_list_that_waits_for_its_proof_is_read_once_it_is_settled() {
    let mut course = Course::default();
    let failed = || Ended::Question("which", Err(Failure::new(Reason::Server, "status 500")));
    assert!(course.take(failed(), Before::default()).is_none());
    let subject = Subject { proof: Proof::Organization, ..Subject::default() };
    assert!(course.take(Ended::Walk(Box::new(unread()), Learnt::default(), subject), Before::default()).is_none(), "it waits");
    assert_eq!((course.failures().len(), course.notes().len()), (1, 0));
    for walked in course.proofs.settle(Ok(()), &course.known) {
        course.ended(&walked);
    }
    assert_eq!((course.failures().len(), course.notes().len()), (0, 1), "the failed question kept nothing from being read");
    assert!(course.known.ended.contains_key(&ScopeId { kind: ScopeKind::Organization, of: None }));
}
