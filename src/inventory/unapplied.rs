//! Records how walks ended whose findings may not be applied, because nothing confirms that they are of the account's
//! organisation. Only that they were attempted, and why they count for nothing: no key, no person, no scope comes of it.

use super::account::current_organization;
use super::error::Stored;
use super::open::Inventory;
use super::poll::Poll;
use crate::domain::{Failure, RemoteId, WalkEnd};
use crate::walk::Walked;

impl Inventory {
    /// Records the walks at the scopes that the account's organisation is known to have, as incomplete: each for its own
    /// reason, or, where it read its list to the end, because of `why`.
    pub async fn record_unapplied(&self, poll: Poll, why: Failure, walks: Vec<Walked>) -> Stored<()> {
        let run = self.run();
        self.write(move |transaction| {
            let Some(row) = current_organization(transaction, poll.account)? else { return Ok(()) };
            poll.store(transaction, run)?;
            let mut attempt = transaction.prepare_cached(
                "UPDATE scope SET newest_walk = ?4
                  WHERE organization_id = ?1 AND kind = ?2 AND remote_id = ?3 AND coalesce(newest_walk, 0) < ?4 RETURNING id",
            )?;
            let mut record = transaction.prepare_cached(
                "INSERT INTO walk (id, poll_id, scope_id, run_id, started_at, boot_s, ended_at, outcome, reason, detail, pages, items, refused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'incomplete', ?8, ?9, ?10, 0, ?11)",
            )?;
            for walked in &walks {
                let id = walked.id().0;
                let scope = &walked.scope().id;
                let of = scope.of.as_ref().map_or("", RemoteId::as_str);
                let known: Option<i64> = attempt
                    .query_map((row.organization, scope.kind.as_str(), of, id), |row| row.get(0))?
                    .next()
                    .transpose()?;
                let Some(known) = known else { continue };
                let failure = match walked.end() {
                    WalkEnd::Incomplete(failure) => failure,
                    WalkEnd::Complete | WalkEnd::Closed(_) => &why,
                };
                record.execute((
                    id,
                    poll.id,
                    known,
                    run,
                    walked.started().wall.unix(),
                    walked.started().boot.as_secs().cast_signed(),
                    walked.ended().unix(),
                    failure.reason.as_str(),
                    &failure.detail,
                    walked.pages().cast_signed(),
                    i64::try_from(walked.refused().len()).unwrap_or(i64::MAX),
                ))?;
            }
            Ok(())
        })
        .await
    }
}
