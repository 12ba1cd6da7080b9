//! Writes what a walk found of a key that is stored: the row, its last use, its sighting, its deadlines, and the history of what changed.

use super::apply::{Batch, access, change, moment};
use super::deadlines;
use super::error::Stored as Result;
use super::reconcile::{Stored, Update, fingerprint};
use crate::domain::{ChangeKind, KeyFacts, KeyKind, Moment, OwnerAccess, Text, is_same_but_for_tags};
use crate::walk::Walked;

/// The keys of person ?1.
pub(super) const OWNED: &str = "SELECT id FROM key WHERE person_id = ?1";

/// The scope that listed the key.
#[derive(Clone, Copy)]
pub(super) struct Lister<'a> {
    pub row: i64,
    pub name: Option<&'a str>,
    /// The scope had no complete walk before: what it lists is no news.
    pub baseline: bool,
}

/// The columns of a key row that history tells about.
struct Old {
    name: Option<String>,
    kind: KeyKind,
    scope: i64,
    owner: Option<i64>,
    access: Option<OwnerAccess>,
    created_at: Option<i64>,
    expires: Moment,
    enabled: bool,
    first_walk: i64,
    disabled_at: Option<i64>,
    access_lost_at: Option<i64>,
}

/// Writes what differs of a key that is stored, and returns when it was last used as it is stored now.
pub(super) fn update(
    batch: &Batch<'_>,
    lister: Lister<'_>,
    walked: &Walked,
    stored: &Stored,
    facts: &KeyFacts,
    mut update: Update,
) -> Result<Moment> {
    let at = walked.started().wall.unix();
    update.used &= !(update.used_earlier && is_listed_elsewhere(batch, lister.row, stored.key)?);
    let used = if update.used { facts.last_used } else { stored.used };
    if update.sighted {
        sight(batch, lister.row, stored.key, walked)?;
        // No hold, open or acknowledged, covers it any more.
        batch.transaction.prepare_cached("DELETE FROM held_key WHERE key_id = ?1")?.execute([stored.key])?;
    }
    if update.returns {
        batch
            .transaction
            .prepare_cached(
                "UPDATE key SET presence = 'present', presence_reason = 'listed', missing_number = NULL, missing_at = NULL,
                        missing_boot_s = NULL, missing_run = NULL WHERE id = ?1",
            )?
            .execute([stored.key])?;
        change(batch, at, stored.key, ChangeKind::Returned, Some(stored.presence.as_str()), None)?;
    }
    if update.facts {
        rewrite(batch, lister, walked, stored, facts, used)?;
    } else if update.used {
        deadlines::write_use(batch.transaction, &batch.judge.policy, stored.key, used)?;
    }
    if update.used
        && let (Some(before), Some(after)) = (stored.used.at(), facts.last_used.at())
        && after < before
    {
        change(batch, at, stored.key, ChangeKind::LastUseWentBack, Some(&before.to_string()), Some(&after.to_string()))?;
    }
    Ok(used)
}

/// Rewrites the key's row with this scope's facts, and tells what changed.
fn rewrite(
    batch: &Batch<'_>,
    lister: Lister<'_>,
    walked: &Walked,
    stored: &Stored,
    facts: &KeyFacts,
    used: Moment,
) -> Result<()> {
    let at = walked.started().wall.unix();
    let old = load_old(batch, stored.key)?;
    let owner = facts.owner.as_ref().map(|owner| batch.owners.of(batch, owner)).transpose()?.map(|owner| owner.row);
    // Where a lower list knows the key better than its lost home, the key stays what its home made of it.
    let here = stored.home == super::reconcile::Home::This || stored.home.moves();
    let (scope, kind) = if here { (lister.row, facts.kind) } else { (old.scope, old.kind) };
    let disabled_at = if facts.enabled { None } else { old.disabled_at.or(Some(at)) };
    let access_lost_at = match facts.owner_access {
        Some(OwnerAccess::Inactive) => old.access_lost_at.or(Some(at)),
        Some(OwnerAccess::Active) | None => None,
    };
    batch
        .transaction
        .prepare_cached(
            "UPDATE key SET kind = ?2, scope_id = ?3, name = ?4, hint = ?5, person_id = ?6, owner_access = ?7, created_at = ?8, expires_at = ?9,
                    expires_state = ?10, enabled = ?11, fingerprint = ?12, disabled_at = ?13, access_lost_at = ?14,
                    left_at = iif(person_id IS ?6, left_at, NULL)
              WHERE id = ?1",
        )?
        .execute(rusqlite::params![
            stored.key,
            kind.as_str(),
            scope,
            facts.name.as_ref().map(Text::as_str),
            facts.hint.as_ref().map(crate::domain::Hint::as_str),
            owner,
            facts.owner_access.map(OwnerAccess::as_str),
            facts.created_at.map(crate::domain::Time::unix),
            facts.expires.at().map(crate::domain::Time::unix),
            facts.expires.state(),
            facts.enabled,
            fingerprint(facts),
            disabled_at,
            access_lost_at,
        ])?;
    deadlines::write_anew(batch.transaction, &batch.judge.policy, stored.key, used)?;
    if old.first_walk > batch.poll {
        // This poll found it first; a better list of the same poll only says the same more exactly.
        return Ok(());
    }
    tell(batch, at, stored.key, &old, facts, (scope, kind, owner))
}

/// One line of history for each fact that differs.
fn tell(batch: &Batch<'_>, at: i64, key: i64, old: &Old, facts: &KeyFacts, now: (i64, KeyKind, Option<i64>)) -> Result<()> {
    let (scope, kind, owner) = now;
    let name = facts.name.as_ref().map(Text::as_str);
    if !is_same_but_for_tags(old.name.as_deref(), name) {
        change(batch, at, key, ChangeKind::Renamed, old.name.as_deref(), name)?;
    }
    if old.scope != scope || old.kind != kind {
        let place = |scope: i64, kind: KeyKind| -> Result<(String, String)> {
            let mut statement = batch.transaction.prepare_cached("SELECT kind, remote_id FROM scope WHERE id = ?1")?;
            let (list, of): (String, String) = statement.query_row([scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((list, if of.is_empty() { kind.to_string() } else { format!("{kind} {of}") }))
        };
        let ((before, was), (after, is)) = (place(old.scope, old.kind)?, place(scope, kind)?);
        // The same key on a better list, as after a change of the way of listing, has not moved.
        if old.kind != kind || before == after {
            change(batch, at, key, ChangeKind::Moved, Some(&was), Some(&is))?;
        }
    }
    if old.owner != owner {
        let who = |person: Option<i64>| -> Result<Option<String>> {
            let Some(person) = person else { return Ok(None) };
            let mut statement = batch.transaction.prepare_cached("SELECT remote_id FROM person WHERE id = ?1")?;
            Ok(Some(statement.query_row([person], |row| row.get(0))?))
        };
        change(batch, at, key, ChangeKind::OwnerChanged, who(old.owner)?.as_deref(), who(owner)?.as_deref())?;
    }
    if old.access != facts.owner_access {
        let word = |access: Option<OwnerAccess>| access.map(OwnerAccess::as_str);
        change(batch, at, key, ChangeKind::OwnerAccessChanged, word(old.access), word(facts.owner_access))?;
    }
    if old.expires != facts.expires {
        let text = |moment: Moment| moment.at().map_or_else(|| moment.state().to_owned(), |at| at.to_string());
        change(batch, at, key, ChangeKind::ExpiryChanged, Some(&text(old.expires)), Some(&text(facts.expires)))?;
    }
    if old.enabled != facts.enabled {
        change(batch, at, key, if facts.enabled { ChangeKind::Enabled } else { ChangeKind::Disabled }, None, None)?;
    }
    if old.created_at != facts.created_at.map(crate::domain::Time::unix) {
        let text = |at: Option<i64>| at.map(|at| crate::domain::Time::from_unix(at).to_string());
        let new = facts.created_at.map(|at| at.to_string());
        change(batch, at, key, ChangeKind::Recreated, text(old.created_at).as_deref(), new.as_deref())?;
    }
    Ok(())
}

fn load_old(batch: &Batch<'_>, key: i64) -> Result<Old> {
    let mut statement = batch.transaction.prepare_cached(
        "SELECT name, kind, scope_id, person_id, owner_access, created_at, expires_at, expires_state, enabled, first_walk, disabled_at,
                access_lost_at FROM key WHERE id = ?1",
    )?;
    let mut rows = statement.query([key])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Old {
        name: row.get(0)?,
        kind: super::sql::word(row, 1, "key.kind")?,
        scope: row.get(2)?,
        owner: row.get(3)?,
        access: access(row.get::<_, Option<String>>(4)?.as_deref()),
        created_at: row.get(5)?,
        expires: moment(row, 6)?,
        enabled: row.get(8)?,
        first_walk: row.get(9)?,
        disabled_at: row.get(10)?,
        access_lost_at: row.get(11)?,
    })
}

/// Another open scope lists the key, and may have told a later use of it.
fn is_listed_elsewhere(batch: &Batch<'_>, scope: i64, key: i64) -> Result<bool> {
    let mut find = batch.transaction.prepare_cached(
        "SELECT 1 FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id
          WHERE x.key_id = ?2 AND x.scope_id <> ?1 AND x.unlisted_walk IS NULL AND s.standing = 'open'",
    )?;
    Ok(find.exists((scope, key))?)
}

/// The sighting begins, or begins again. What other scopes no longer listed before it is answered by it.
fn sight(batch: &Batch<'_>, scope: i64, key: i64, walked: &Walked) -> Result<()> {
    batch
        .transaction
        .prepare_cached(
            "INSERT INTO sighting (scope_id, key_id, walk_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (scope_id, key_id) DO UPDATE SET walk_id = excluded.walk_id, unlisted_walk = NULL",
        )?
        .execute((scope, key, walked.id().0))?;
    Ok(())
}

/// Judges the keys of a person anew whose name or address is another now.
pub(super) fn rejudge_owned(batch: &Batch<'_>, person: i64) -> Result<()> {
    deadlines::rejudge_each(batch.transaction, &batch.judge.policy, OWNED, person)
}
