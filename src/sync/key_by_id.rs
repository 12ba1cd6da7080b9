//! One key asked for by its id, as whom its list is read.

use super::line::Line;
use crate::domain::{Failure, Reason, RemoteId, ScopeId};
use crate::providers::{KeyRef, Known};
use crate::remote::{As, Exchanged};
use crate::walk::ById;

/// What the provider answers for the id; `None` where it has no such call for that list.
pub(super) async fn ask_for_key(line: &Line, known: &Known, scope: &ScopeId, key: &RemoteId) -> Option<ById> {
    let fetch = line.provider.by_id(&line.account, known, &KeyRef { id: key.clone(), scope: scope.clone() })?;
    let token = match &fetch.grant {
        None => None,
        Some(grant) => match line.remote.exchange(line.provider, grant, known).await {
            Ok(Exchanged::Token(token)) => Some(token),
            Ok(Exchanged::Closed(_)) => return Some(ById::of(&Err(Failure::new(Reason::Forbidden, "the exchange is refused")))),
            // Whatever the exchange says, it says nothing of the key.
            Err(failure) => return Some(ById::of(&Err(Failure::new(Reason::Internal, failure.detail)))),
        },
    };
    let how = As { token: token.as_ref(), ..As::default() };
    Some(ById::of(&line.remote.ask_as(line.provider, &fetch, known, how).await))
}
