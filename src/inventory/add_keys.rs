//! Adds the keys of one list that the organisation never showed: the rows, their last uses and deadlines, and that the list holds them.

use rusqlite::{CachedStatement, OptionalExtension};

use super::apply::{Batch, change};
use super::apply_key::Lister;
use super::deadlines::Verdicts;
use super::error::Stored;
use super::reconcile::fingerprint;
use crate::domain::{ChangeKind, Hint, KeyFacts, OwnerAccess, Text, Time};
use crate::policy::{Matchable, Profile};
use crate::walk::Walked;

/// Scope ?1 lists, since walk ?2, the keys that this walk found first. All have row ?3 or one behind it.
pub(super) const SIGHT: &str =
    "INSERT INTO sighting (scope_id, key_id, walk_id) SELECT ?1, id, ?2 FROM key WHERE id >= ?3 AND first_walk = ?2";

/// The row of the key of organisation ?1 with the id ?2.
pub(super) const KNOWN: &str = "SELECT id FROM key WHERE organization_id = ?1 AND remote_id = ?2";

/// What became of a key that a list holds for the first time.
pub(super) enum Added {
    /// It is in this row now.
    New(i64),
    /// It was in this row already; nothing was written.
    Known(i64),
}

/// The rows are written one by one with the same statements, which to look up by their texts costs as much as to run them.
pub(super) struct AddKeys<'a> {
    batch: &'a Batch<'a>,
    lister: Lister<'a>,
    walked: &'a Walked,
    known: CachedStatement<'a>,
    key: CachedStatement<'a>,
    verdicts: Verdicts<'a>,
    /// Row of the first; SQLite gives those behind it greater numbers.
    first: Option<i64>,
}

impl<'a> AddKeys<'a> {
    pub fn new(batch: &'a Batch<'a>, lister: Lister<'a>, walked: &'a Walked) -> Stored<Self> {
        let known = batch.transaction.prepare_cached(KNOWN)?;
        let key = batch.transaction.prepare_cached(
            "INSERT INTO key (organization_id, remote_id, kind, scope_id, name, hint, person_id, owner_access, created_at, expires_at,
                              expires_state, enabled, fingerprint, presence, presence_reason, first_seen_at, first_walk, disabled_at, access_lost_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'present', 'listed', ?14, ?15, ?16, ?17)
             ON CONFLICT (organization_id, remote_id) DO NOTHING",
        )?;
        Ok(Self { batch, lister, walked, known, key, verdicts: Verdicts::of_new(batch.transaction)?, first: None })
    }

    /// Adds one that this list does not hold yet, unless another list of the organisation showed it.
    pub fn add(&mut self, facts: &KeyFacts) -> Stored<Added> {
        let at = self.walked.started().wall.unix();
        let owner = match &facts.owner {
            None => None,
            Some(owner) => match self.batch.owners.found(owner) {
                Some(row) => Some(row),
                // Of a key that another list tells, this one's word on its owner is not to be written.
                None => match self.row_of(facts)? {
                    Some(row) => return Ok(Added::Known(row)),
                    None => Some(self.batch.owners.of(self.batch, owner)?),
                },
            },
        };
        let disabled_at = (!facts.enabled).then_some(at);
        let access_lost_at = (facts.owner_access == Some(OwnerAccess::Inactive)).then_some(at);
        // Most are new, and the index is asked once where the insert itself finds those that are not.
        let rows = self.key.execute(rusqlite::params![
            self.batch.organization.organization,
            facts.id.as_str(),
            facts.kind.as_str(),
            self.lister.row,
            facts.name.as_ref().map(Text::as_str),
            facts.hint.as_ref().map(Hint::as_str),
            owner.as_ref().map(|owner| owner.row),
            facts.owner_access.map(OwnerAccess::as_str),
            facts.created_at.map(Time::unix),
            facts.expires.at().map(Time::unix),
            facts.expires.state(),
            facts.enabled,
            fingerprint(facts),
            at,
            self.walked.id().0,
            disabled_at,
            access_lost_at,
        ])?;
        if rows == 0 {
            let known = self.row_of(facts)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            return Ok(Added::Known(known));
        }
        let key = self.batch.transaction.last_insert_rowid();
        self.first.get_or_insert(key);
        let words: Vec<&str> = owner.iter().flat_map(|owner| owner.words.iter().map(String::as_str)).collect();
        let verdict = self.batch.judge.policy.judge(&Profile {
            matched: Matchable {
                provider: &self.batch.judge.provider,
                account: &self.batch.judge.account,
                key_id: facts.id.as_str(),
                kind: facts.kind,
                scope_name: self.lister.name,
                owner: &words,
                name: facts.name.as_ref().map(Text::as_str),
            },
            created_at: facts.created_at,
            last_used: facts.last_used,
            expires: facts.expires,
            enabled: facts.enabled,
            disabled_since: disabled_at.map(Time::from_unix),
            orphaned_since: access_lost_at.map(Time::from_unix),
            is_self: false,
        });
        self.verdicts.write(key, facts.last_used, &verdict)?;
        if !self.lister.baseline {
            change(self.batch, at, key, ChangeKind::Appeared, None, None)?;
        }
        Ok(Added::New(key))
    }

    fn row_of(&mut self, facts: &KeyFacts) -> Stored<Option<i64>> {
        let named = (self.batch.organization.organization, facts.id.as_str());
        Ok(self.known.query_row(named, |row| row.get(0)).optional()?)
    }

    /// Writes of all that were added that the list holds them.
    pub fn sight(self) -> Stored<()> {
        let Some(first) = self.first else { return Ok(()) };
        self.batch.transaction.prepare_cached(SIGHT)?.execute((self.lister.row, self.walked.id().0, first))?;
        Ok(())
    }
}
