//! Applies walks: adds and updates what they found, and records which rows a complete one did not hold.
//!
//! Nothing is concluded here. Walks of one batch share one transaction, because many small transactions write thirty times
//! as much; each walk in it is applied whole or not at all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, Transaction};

use super::account::{OrganizationRow, is_current};
use super::apply_key;
use super::apply_keys::apply_keys;
use super::deadlines::{self, Judge};
use super::error::Stored as Result;
use super::open::Inventory;
use super::owner_rows::OwnerRows;
use super::poll::Poll;
use super::resident::Resident;
use super::sql::text;
use crate::domain::{
    ChangeKind, Moment, OwnerAccess, OwnerKind, Person, Project, Reason, RemoteId, Scope, ScopeId, ScopeKind, WalkEnd,
};
use crate::policy::Policy;
use crate::walk::{Found, Walked};

/// The keys whose home is scope ?1.
pub(super) const AT_HOME: &str = "SELECT id FROM key WHERE scope_id = ?1";

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Applied {
    /// Scopes that were readable before and are refused for the first time: their walks count as incomplete.
    pub refused_once: Vec<ScopeId>,
    /// Walks of which nothing was applied, because what they did not read is stored otherwise now: they are to be read whole.
    pub unread: Vec<Walked>,
}

/// What all walks of a batch have in common.
pub(super) struct Batch<'a> {
    pub transaction: &'a Transaction<'a>,
    pub resident: &'a Resident,
    pub organization: OrganizationRow,
    pub poll: i64,
    pub run: i64,
    pub judge: Judge,
    pub owners: OwnerRows,
}

/// One scope's row.
pub(super) struct ScopeRow {
    pub id: i64,
    pub rank: u8,
    pub name: Option<String>,
    pub complete_walk: Option<i64>,
    pub complete_at: Option<i64>,
    refusals: i64,
    newest_walk: Option<i64>,
}

impl Inventory {
    /// Applies a batch of walks of one poll. Nothing of it is taken where the account was removed from the config, or given
    /// another organisation, while the poll ran.
    ///
    /// # Errors
    /// The database refused; nothing of the batch is stored.
    pub async fn apply(
        &self,
        organization: OrganizationRow,
        poll: Poll,
        policy: Arc<Policy>,
        walks: Vec<Walked>,
    ) -> Result<Applied> {
        let (run, in_force, resident) = (self.run(), self.policy_in_force(), self.resident().clone());
        self.write(move |transaction| {
            let mut applied = Applied::default();
            if !is_current(transaction, organization)? {
                return Ok(applied);
            }
            let judge = Judge::of(transaction, organization.account, in_force.or(&policy))?;
            poll.store(transaction, run)?;
            let batch =
                Batch { transaction, resident: &resident, organization, poll: poll.id, run, judge, owners: OwnerRows::default() };
            for walked in walks {
                if is_whole(&batch, &walked)? {
                    apply(&batch, &walked, &mut applied.refused_once)?;
                } else {
                    applied.unread.push(walked);
                }
            }
            Ok(applied)
        })
        .await
    }
}

/// All that the list held is known: by what was read of it, and by what is stored.
fn is_whole(batch: &Batch<'_>, walked: &Walked) -> Result<bool> {
    let Some(before) = walked.before() else { return Ok(true) };
    let organization = batch.organization.organization;
    let scope = ensure_scope(batch.transaction, organization, walked.scope())?;
    batch.resident.is_still(batch.transaction, organization, scope, before)
}

fn apply(batch: &Batch<'_>, walked: &Walked, refused_once: &mut Vec<ScopeId>) -> Result<()> {
    let scope = scope_row(batch, walked.scope())?;
    if scope.newest_walk.is_some_and(|newest| newest >= walked.id().0) {
        // A later walk of this scope is there already; what an older one saw is history.
        return Ok(());
    }
    match walked.found() {
        Found::Keys(keys) => {
            let list = apply_keys(batch, &scope, walked, keys)?;
            batch.resident.applied(batch.transaction, scope.id, list)?;
        }
        Found::People(people) => apply_people(batch, walked, people)?,
        Found::Projects(projects) => apply_projects(batch, walked, projects)?,
    }
    record_walk(batch, &scope, walked, refused_once)
}

/// The scope's row, made where it is new, renamed where its name changed.
fn scope_row(batch: &Batch<'_>, scope: &Scope) -> Result<ScopeRow> {
    let id = name_scope(batch, scope)?;
    let name = scope.name.as_ref().map(|name| name.as_str().to_owned());
    let mut statement = batch
        .transaction
        .prepare_cached("SELECT complete_walk, complete_at, refusals, newest_walk, name FROM scope WHERE id = ?1")?;
    let row = statement.query_row([id], |row| {
        Ok(ScopeRow {
            id,
            rank: scope.id.kind.rank(),
            complete_walk: row.get(0)?,
            complete_at: row.get(1)?,
            refusals: row.get(2)?,
            newest_walk: row.get(3)?,
            name: name.or(row.get(4)?),
        })
    })?;
    Ok(row)
}

/// Finds or makes the row of a scope.
pub(super) fn ensure_scope(transaction: &Transaction<'_>, organization: i64, scope: &Scope) -> Result<i64> {
    let of = scope.id.of.as_ref().map_or("", RemoteId::as_str);
    let name = scope.name.as_ref().map(crate::domain::Text::as_str);
    let mut find =
        transaction.prepare_cached("SELECT id FROM scope WHERE organization_id = ?1 AND kind = ?2 AND remote_id = ?3")?;
    if let Some(id) = find.query_row((organization, scope.id.kind.as_str(), of), |row| row.get(0)).optional()? {
        return Ok(id);
    }
    transaction
        .prepare_cached("INSERT INTO scope (organization_id, kind, remote_id, name) VALUES (?1, ?2, ?3, ?4)")?
        .execute((organization, scope.id.kind.as_str(), of, name))?;
    Ok(transaction.last_insert_rowid())
}

/// Finds or makes the row of a scope, and gives it the name that it has now. Policy may go by that name.
fn name_scope(batch: &Batch<'_>, scope: &Scope) -> Result<i64> {
    let id = ensure_scope(batch.transaction, batch.organization.organization, scope)?;
    let Some(name) = &scope.name else { return Ok(id) };
    let renamed = batch
        .transaction
        .prepare_cached("UPDATE scope SET name = ?2 WHERE id = ?1 AND name IS NOT ?2")?
        .execute((id, name.as_str()))?;
    if renamed > 0 {
        deadlines::rejudge_each(batch.transaction, &batch.judge.policy, AT_HOME, id)?;
    }
    Ok(id)
}

/// Writes the walk's own row, and what its end says of its scope.
fn record_walk(batch: &Batch<'_>, scope: &ScopeRow, walked: &Walked, refused_once: &mut Vec<ScopeId>) -> Result<()> {
    let id = walked.id().0;
    let (mut outcome, mut reason) = (walked.end().as_str(), walked.end().reason());
    let detail = match walked.end() {
        WalkEnd::Complete => {
            batch
                .transaction
                .prepare_cached(
                    "UPDATE scope SET newest_walk = ?2, before_walk = complete_walk, complete_walk = ?2, complete_at = ?3, first_complete_at = coalesce(first_complete_at, ?3),
                            standing = 'open', standing_reason = NULL, refusals = 0 WHERE id = ?1",
                )?
                .execute((scope.id, id, walked.started().wall.unix()))?;
            None
        }
        WalkEnd::Incomplete(failure) => {
            // What can be read in part is not refused for good, unless it was not the list that was read.
            let readable = walked.pages() > 0
                && !matches!(
                    failure.reason,
                    Reason::AttributionMismatch | Reason::AttributionUnproven | Reason::ImpersonationNotPermitted
                );
            batch
                .transaction
                .prepare_cached(
                    "UPDATE scope SET newest_walk = ?2, standing = iif(?3 AND standing = 'closed', 'open', standing),
                            standing_reason = iif(?3 AND standing = 'closed', NULL, standing_reason), refusals = iif(?3, 0, refusals)
                      WHERE id = ?1",
                )?
                .execute((scope.id, id, readable))?;
            Some(failure.detail.as_str())
        }
        WalkEnd::Closed(why) => {
            let closes = scope.complete_walk.is_none() || scope.refusals >= 1;
            if !closes {
                (outcome, reason) = ("incomplete", Some(Reason::RefusedOnce.as_str()));
                refused_once.push(walked.scope().id.clone());
            }
            batch
                .transaction
                .prepare_cached(
                    "UPDATE scope SET newest_walk = ?2, refusals = refusals + 1, standing = iif(?3, 'closed', standing),
                            standing_reason = iif(?3, ?4, standing_reason) WHERE id = ?1",
                )?
                .execute((scope.id, id, closes, why.as_str()))?;
            Some(why.as_str())
        }
    };
    batch
        .transaction
        .prepare_cached(
            "INSERT INTO walk (id, poll_id, scope_id, run_id, started_at, boot_s, ended_at, outcome, reason, detail, pages, items, refused,
                               other_organization)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute((
            id,
            batch.poll,
            scope.id,
            batch.run,
            walked.started().wall.unix(),
            walked.started().boot.as_secs().cast_signed(),
            walked.ended().unix(),
            outcome,
            reason,
            detail,
            walked.pages().cast_signed(),
            i64::try_from(walked.elements()).unwrap_or(i64::MAX),
            i64::try_from(walked.refused().len()).unwrap_or(i64::MAX),
            i64::try_from(walked.other_organization().len()).unwrap_or(i64::MAX),
        ))?;
    Ok(())
}

/// A moment from a pair of columns.
pub(super) fn moment(row: &Row<'_>, index: usize) -> Result<Moment> {
    let (at, state): (Option<i64>, &str) = (row.get(index)?, text(row, index + 1)?);
    Moment::from_columns(at, state)
        .ok_or_else(|| super::error::StoreError::Inconsistent { what: format!("'{state}' beside {at:?}"), column: "…_state" })
}

fn apply_people(batch: &Batch<'_>, walked: &Walked, people: &[Person]) -> Result<()> {
    let organization = batch.organization.organization;
    let mut load = batch.transaction.prepare_cached(
        "SELECT remote_id, id, kind, name, email, listed,
                unlisted_walk IS NOT NULL OR
                (listed = 0 AND EXISTS (SELECT 1 FROM scope AS s WHERE s.organization_id = ?1 AND s.kind = 'people' AND s.complete_walk IS NOT NULL)),
                unlisted_walk IS NOT NULL
           FROM person WHERE organization_id = ?1",
    )?;
    let mut rows = load.query([organization])?;
    let mut before: HashMap<Box<str>, StoredPerson> = HashMap::new();
    while let Some(row) = rows.next()? {
        let columns = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        before.insert(row.get(0)?, StoredPerson { id: row.get(1)?, columns, away: row.get(6)?, marked: row.get(7)? });
    }
    drop(rows);
    batch.owners.forget();
    let mut insert = batch.transaction.prepare_cached(
        "INSERT INTO person (organization_id, remote_id, kind, name, email, listed) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
    )?;
    let mut update = batch
        .transaction
        .prepare_cached(
            "UPDATE person SET kind = ?2, name = ?3, email = ?4, listed = 1, unlisted_walk = NULL, back_walk = coalesce(?5, back_walk) WHERE id = ?1",
        )?;
    for person in people {
        let name = person.name.as_ref().map(|name| name.as_str().to_owned());
        let email = person.email.as_ref().map(|email| email.as_str().to_owned());
        let mut columns: PersonColumns = (person.kind.as_str().to_owned(), name, email, true);
        match before.remove(person.id.as_str()) {
            None => {
                insert.execute((organization, person.id.as_str(), &columns.0, &columns.1, &columns.2))?;
            }
            Some(stored) => {
                // Some lists hold service accounts among the users, and do not say so.
                if stored.columns.0 == OwnerKind::ServiceAccount.as_str() {
                    columns.0.clone_from(&stored.columns.0);
                }
                if stored.columns != columns || stored.marked {
                    let back = stored.away.then_some(walked.id().0);
                    update.execute((stored.id, &columns.0, &columns.1, &columns.2, back))?;
                }
                if (&stored.columns.1, &stored.columns.2) != (&columns.1, &columns.2) {
                    apply_key::rejudge_owned(batch, stored.id)?;
                }
            }
        }
    }
    if let Some(proof) = walked.proof() {
        let mut mark = batch.transaction.prepare_cached("UPDATE person SET unlisted_walk = ?2 WHERE id = ?1")?;
        for stored in before.values().filter(|stored| !stored.marked) {
            mark.execute((stored.id, proof.id().0))?;
        }
    }
    mark_children(batch, walked, ScopeKind::Member, &people.iter().map(|person| person.id.as_str()).collect())
}

/// A person as stored.
struct StoredPerson {
    id: i64,
    columns: PersonColumns,
    /// The newest complete list of people does not hold them.
    away: bool,
    /// And the row says so.
    marked: bool,
}

/// Kind, name, e-mail, listed.
type PersonColumns = (String, Option<String>, Option<String>, bool);

fn apply_projects(batch: &Batch<'_>, walked: &Walked, projects: &[Project]) -> Result<()> {
    for project in projects {
        let scope = Scope::of(ScopeKind::Project, project.id.clone(), project.name.clone());
        name_scope(batch, &scope)?;
    }
    mark_children(batch, walked, ScopeKind::Project, &projects.iter().map(|project| project.id.as_str()).collect())
}

/// Records which scopes of that kind a complete walk of their parent list no longer held, and which are on it again.
fn mark_children(batch: &Batch<'_>, walked: &Walked, kind: ScopeKind, listed: &HashSet<&str>) -> Result<()> {
    let mut load = batch
        .transaction
        .prepare_cached("SELECT id, remote_id, unlisted_walk IS NOT NULL FROM scope WHERE organization_id = ?1 AND kind = ?2")?;
    let rows: Vec<(i64, String, bool)> = load
        .query_map((batch.organization.organization, kind.as_str()), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<std::result::Result<_, _>>()?;
    // What is listed again is to be walked again; its keys wait for that walk.
    let mut relist = batch.transaction.prepare_cached(
        "UPDATE scope SET unlisted_walk = NULL, standing = iif(standing = 'vanished', 'open', standing),
                standing_reason = iif(standing = 'vanished', NULL, standing_reason) WHERE id = ?1",
    )?;
    let mut mark = batch.transaction.prepare_cached("UPDATE scope SET unlisted_walk = ?2 WHERE id = ?1")?;
    for (id, remote_id, unlisted) in rows {
        match (listed.contains(remote_id.as_str()), unlisted, walked.proof()) {
            (true, true, _) => {
                relist.execute([id])?;
            }
            (false, false, Some(proof)) => {
                mark.execute((id, proof.id().0))?;
            }
            (true, false, _) | (false, true, _) | (false, false, None) => {}
        }
    }
    Ok(())
}

/// Appends one line of history.
pub(super) fn change(
    batch: &Batch<'_>,
    at: i64,
    key: i64,
    what: ChangeKind,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<()> {
    batch
        .transaction
        .prepare_cached("INSERT INTO change (at, poll_id, key_id, change, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((at, batch.poll, key, what.as_str(), before, after))?;
    Ok(())
}

/// The word of an access column.
pub(super) fn access(word: Option<&str>) -> Option<OwnerAccess> {
    word.and_then(|word| word.parse().ok())
}
