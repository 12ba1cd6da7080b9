//! The rows of the owners that the keys of one batch of walks name.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::OptionalExtension;

use super::apply::Batch;
use super::apply_key::rejudge_owned;
use super::error::Stored;
use crate::domain::{Owner, RemoteId, Text};

/// The owners of one batch's keys, each looked for once: many keys have the same. Beside the row stands what the key said of them
/// that was looked for last.
#[derive(Default)]
pub(super) struct OwnerRows(RefCell<HashMap<RemoteId, (Owner, OwnerRow)>>);

/// An owner's row, and the words that policy may know them by.
#[derive(Clone)]
pub(super) struct OwnerRow {
    pub row: i64,
    pub words: Rc<[String]>,
}

impl OwnerRows {
    /// The row of that owner, made where it is new, changed where the key tells something else of them.
    pub fn of(&self, batch: &Batch<'_>, owner: &Owner) -> Stored<OwnerRow> {
        if let Some(row) = self.found(owner) {
            return Ok(row);
        }
        let row = find_or_make(batch, owner)?;
        // What another key said of them is no longer what stands in the row.
        self.0.borrow_mut().insert(owner.id.clone(), (owner.clone(), row.clone()));
        Ok(row)
    }

    /// The row of that owner where it was looked for already, by what the key tells of them now: nothing is written.
    pub fn found(&self, owner: &Owner) -> Option<OwnerRow> {
        self.0.borrow().get(&owner.id).filter(|(told, _)| told == owner).map(|(_, row)| row.clone())
    }

    /// Somebody else writes their rows.
    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What a list of people says of a person is better than what a key's record says, but for this: some lists hold service accounts
/// among the users, and do not say so.
fn find_or_make(batch: &Batch<'_>, owner: &Owner) -> Stored<OwnerRow> {
    let told = (
        batch.organization.organization,
        owner.id.as_str(),
        owner.kind.as_str(),
        owner.name.as_ref().map(Text::as_str),
        owner.email.as_ref().map(Text::as_str),
    );
    let mut find = batch.transaction.prepare_cached(
        "SELECT id, listed = 0 AND (kind <> ?3 OR name IS NOT ?4 OR email IS NOT ?5) OR ?3 = 'service_account' AND kind <> ?3, name, email
           FROM person WHERE organization_id = ?1 AND remote_id = ?2",
    )?;
    let known_by = |row: i64, name: Option<&str>, email: Option<&str>| {
        let words = [Some(owner.id.as_str()), name, email].into_iter().flatten().map(str::to_owned).collect();
        Ok(OwnerRow { row, words })
    };
    let found: Option<(i64, bool, Option<String>, Option<String>)> =
        find.query_row(told, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    match found {
        Some((row, false, name, email)) => known_by(row, name.as_deref(), email.as_deref()),
        Some((row, true, ..)) => {
            let mut update = batch.transaction.prepare_cached(
                "UPDATE person SET kind = ?3, name = iif(listed, name, ?4), email = iif(listed, email, ?5)
                  WHERE organization_id = ?1 AND remote_id = ?2 RETURNING name, email",
            )?;
            let (name, email): (Option<String>, Option<String>) = update.query_row(told, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rejudge_owned(batch, row)?;
            known_by(row, name.as_deref(), email.as_deref())
        }
        None => {
            batch
                .transaction
                .prepare_cached(
                    "INSERT INTO person (organization_id, remote_id, kind, name, email, listed) VALUES (?1, ?2, ?3, ?4, ?5, 0)",
                )?
                .execute(told)?;
            known_by(batch.transaction.last_insert_rowid(), told.3, told.4)
        }
    }
}
