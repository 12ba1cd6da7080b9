//! Applies one list of keys: what it found is added or updated, and what a complete walk did not hold is marked so.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Row;

use super::add_keys::{AddKeys, Added};
use super::apply::{Batch, ScopeRow, moment};
use super::apply_key::{self, Lister};
use super::error::Stored as Result;
use super::reconcile::{self, Here, Home, Stored};
use super::resident::List;
use super::sql::{text, word};
use crate::domain::{KeyFacts, Presence, ScopeKind};
use crate::walk::{self, Listed, WalkId, Walked};

/// Keys that scope ?1 lists or listed.
macro_rules! listed {
    ($and:literal) => {
        concat!(
            "SELECT k.id, k.fingerprint, u.used_at, u.used_state, k.presence, x.walk_id, x.unlisted_walk IS NOT NULL, k.scope_id, h.kind,
                iif(k.scope_id = x.scope_id, 1,
                    EXISTS (SELECT 1 FROM sighting AS y WHERE y.scope_id = k.scope_id AND y.key_id = k.id AND y.unlisted_walk IS NULL)
                    AND h.standing = 'open'),
                k.remote_id
           FROM sighting AS x JOIN key AS k ON k.id = x.key_id JOIN last_use AS u ON u.key_id = k.id JOIN scope AS h ON h.id = k.scope_id
          WHERE x.scope_id = ?1",
            $and
        )
    };
}

/// All of them.
pub(super) const LISTED: &str = listed!("");
/// The one of organisation ?2 with the id ?3.
pub(super) const LISTED_OF_ID: &str = listed!(" AND k.organization_id = ?2 AND k.remote_id = ?3");
/// The one in row ?2.
pub(super) const LISTED_OF_ROW: &str = listed!(" AND k.id = ?2");

/// The key in row ?1, for a scope that does not list it.
pub(super) const ELSEWHERE: &str = "SELECT k.id, k.fingerprint, u.used_at, u.used_state, k.presence, 0, 0, k.scope_id, h.kind,
                EXISTS (SELECT 1 FROM sighting AS y WHERE y.scope_id = k.scope_id AND y.key_id = k.id AND y.unlisted_walk IS NULL)
                AND h.standing = 'open'
           FROM key AS k JOIN last_use AS u ON u.key_id = k.id JOIN scope AS h ON h.id = k.scope_id
          WHERE k.id = ?1";

/// Applies the keys of a walk. Returns what the next one may rely on.
pub(super) fn apply_keys(batch: &Batch<'_>, scope: &ScopeRow, walked: &Walked, keys: &[Box<KeyFacts>]) -> Result<Option<List>> {
    let mut stored = match walked.before() {
        Some(before) => UntilNow::InMemory(before),
        None => UntilNow::Loaded(load_listed(batch, scope, keys)?),
    };
    let lister = Lister { row: scope.id, name: scope.name.as_deref(), baseline: scope.complete_walk.is_none() };
    let mut new = AddKeys::new(batch, lister, walked)?;
    let mut applied = Vec::with_capacity(if walked.recognises() { keys.len() } else { 0 });
    for (place, facts) in keys.iter().enumerate() {
        let row = match stored.take(batch, scope, (place, facts))? {
            Some(stored) => apply_known(batch, lister, walked, &stored, facts)?,
            None => match new.add(facts)? {
                Added::New(row) => AppliedKey { row, tells_all: true },
                Added::Known(row) => apply_known(batch, lister, walked, &load_elsewhere(batch, scope, row)?, facts)?,
            },
        };
        if walked.recognises() {
            applied.push(row);
        }
    }
    new.sight()?;
    let Some(proof) = walked.proof() else { return Ok(None) };
    let left = stored.left(batch, scope, walked, &applied)?;
    for stored in reconcile::unlisted(proof, left.iter()) {
        mark_unlisted(batch, scope, stored, proof.id())?;
    }
    Ok(list(batch, walked, &applied))
}

/// Applies a key that is stored.
fn apply_known(batch: &Batch<'_>, lister: Lister<'_>, walked: &Walked, stored: &Stored, facts: &KeyFacts) -> Result<AppliedKey> {
    let update = reconcile::update(stored, facts);
    let used = if update.is_nothing() { stored.used } else { apply_key::update(batch, lister, walked, stored, facts, update)? };
    let is_home = stored.home == Home::This || stored.home.moves();
    Ok(AppliedKey { row: stored.key, tells_all: is_home && used == facts.last_used })
}

/// A key of the walk, as it is stored now.
struct AppliedKey {
    row: i64,
    /// All that this list says of it is what is stored of it: said again it changes nothing.
    tells_all: bool,
}

/// What the scope listed until now.
enum UntilNow<'a> {
    /// All of it.
    Loaded(Loaded),
    /// Only the rows are known; what the walk read is looked up.
    InMemory(&'a walk::Before),
}

impl UntilNow<'_> {
    /// What is stored of a key that the scope lists or listed, told with its place in the walk.
    fn take(&mut self, batch: &Batch<'_>, scope: &ScopeRow, (place, facts): (usize, &KeyFacts)) -> Result<Option<Stored>> {
        match self {
            Self::Loaded(loaded) => Ok(loaded.found.get_mut(place).and_then(Option::take)),
            Self::InMemory(_) => {
                let named = (scope.id, batch.organization.organization, facts.id.as_str());
                load_one(batch, scope, LISTED_OF_ID, named)
            }
        }
    }

    /// What a walk that ended did not find of it.
    fn left(self, batch: &Batch<'_>, scope: &ScopeRow, walked: &Walked, applied: &[AppliedKey]) -> Result<Vec<Stored>> {
        match self {
            Self::Loaded(loaded) => Ok(loaded.left),
            Self::InMemory(before) => {
                let read = applied.iter().map(|key| key.row);
                let found: HashSet<i64> = walked.unchanged().iter().map(|key| key.row.into()).chain(read).collect();
                let left = before.rows().iter().map(|row| i64::from(*row)).filter(|row| !found.contains(row));
                left.filter_map(|row| load_one(batch, scope, LISTED_OF_ROW, (scope.id, row)).transpose()).collect()
            }
        }
    }
}

/// Everything that a scope lists or listed.
#[derive(Default)]
struct Loaded {
    /// What the walk found of it, at its places there; empty where it lists nothing.
    found: Vec<Option<Stored>>,
    /// And what it did not.
    left: Vec<Stored>,
}

/// What the next walk may rely on: that a list was read whole, and how its elements are told.
fn list(batch: &Batch<'_>, walked: &Walked, applied: &[AppliedKey]) -> Option<List> {
    let unchanged = walked.unchanged().iter().map(|key| Listed { row: key.row, id: key.id, digest: Some(key.digest) });
    let read = applied.iter().enumerate().map(|(place, key)| {
        let (id, digest) = walked.tells(place)?;
        Some(Listed { row: u32::try_from(key.row).ok()?, id, digest: digest.filter(|_| key.tells_all) })
    });
    let listed: Vec<Listed> = unchanged.map(Some).chain(read).collect::<Option<_>>()?;
    let mut told: Vec<u32> = listed.iter().filter(|key| key.digest.is_some()).map(|key| key.row).collect();
    told.sort_unstable();
    walked.recognises().then(|| List {
        account: batch.organization.account,
        organization: batch.organization.organization,
        scope: walked.scope().id.clone(),
        before: Arc::new(walk::Before::new(listed)),
        told,
    })
}

/// A complete walk did not hold the key: the sighting keeps the walk's number, and the key the last time that it was seen.
fn mark_unlisted(batch: &Batch<'_>, scope: &ScopeRow, stored: &Stored, walk: WalkId) -> Result<()> {
    batch
        .transaction
        .prepare_cached("UPDATE sighting SET unlisted_walk = ?3 WHERE scope_id = ?1 AND key_id = ?2")?
        .execute((scope.id, stored.key, walk.0))?;
    let listed_by_complete = scope.complete_walk.is_some_and(|complete| stored.here.is_some_and(|here| here.since.0 <= complete));
    if let (true, Some(seen_at)) = (listed_by_complete, scope.complete_at) {
        batch
            .transaction
            .prepare_cached("UPDATE key SET seen_at = ?2, seen_walk = ?3 WHERE id = ?1 AND coalesce(seen_walk, 0) < ?3")?
            .execute((stored.key, seen_at, scope.complete_walk))?;
    }
    Ok(())
}

/// Everything that this scope lists or listed, for a walk that found these keys.
fn load_listed(batch: &Batch<'_>, scope: &ScopeRow, keys: &[Box<KeyFacts>]) -> Result<Loaded> {
    let mut statement = batch.transaction.prepare_cached(LISTED)?;
    let mut rows = statement.query([scope.id])?;
    let (mut loaded, mut places) = (Loaded::default(), HashMap::new());
    while let Some(row) = rows.next()? {
        if loaded.found.is_empty() {
            places = keys.iter().map(|key| key.id.as_str()).zip(0_u32..).collect();
            loaded.found.resize_with(keys.len(), || None);
        }
        let here = Here { since: WalkId(row.get(5)?), unlisted: row.get(6)? };
        let stored = stored_from(row, scope, Some(here))?;
        let place = places.get(text(row, 10)?).and_then(|place| loaded.found.get_mut(*place as usize));
        match place {
            Some(place) => *place = Some(stored),
            None => loaded.left.push(stored),
        }
    }
    Ok(loaded)
}

/// One key that this scope lists or listed.
fn load_one(batch: &Batch<'_>, scope: &ScopeRow, sql: &str, which: impl rusqlite::Params) -> Result<Option<Stored>> {
    let mut statement = batch.transaction.prepare_cached(sql)?;
    let mut rows = statement.query(which)?;
    match rows.next()? {
        Some(row) => {
            let here = Here { since: WalkId(row.get(5)?), unlisted: row.get(6)? };
            Ok(Some(stored_from(row, scope, Some(here))?))
        }
        None => Ok(None),
    }
}

/// The key in a row, which this scope never listed, but another scope of the organisation did.
fn load_elsewhere(batch: &Batch<'_>, scope: &ScopeRow, row: i64) -> Result<Stored> {
    let mut statement = batch.transaction.prepare_cached(ELSEWHERE)?;
    statement.query_row([row], |row| Ok(stored_from(row, scope, None)))?
}

fn stored_from(row: &Row<'_>, scope: &ScopeRow, here: Option<Here>) -> Result<Stored> {
    let home: i64 = row.get(7)?;
    let home_kind: ScopeKind = word(row, 8, "scope.kind")?;
    let begins = here.is_none_or(|here| here.unlisted);
    let home = if home == scope.id { Home::This } else { Home::seen_from(scope.rank, home_kind.rank(), row.get(9)?, begins) };
    Ok(Stored {
        key: row.get(0)?,
        fingerprint: row.get(1)?,
        used: moment(row, 2)?,
        presence: word::<Presence>(row, 4, "key.presence")?,
        here,
        home,
    })
}
