//! Counts: one pass over all keys, grouped by everything that anybody counts by, and what is told of each account.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, named_params};

use super::error::Stored;
use super::read::Reader;
use super::sql::{at_now, conditions, optional_word, word};
use crate::domain::{Basis, Condition, KeyKind, Presence, ScopeState, Time};

/// Everything that is counted, as of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// As of when.
    pub at: Time,
    /// The earliest deadline still ahead: until then nothing changes unless something is written or the clock goes back. A claim about
    /// use need not begin then: a walk may have to see the key first.
    pub next: Option<Time>,
    /// Every account in the file by its name, those no longer configured too.
    pub accounts: BTreeMap<String, AccountCounts>,
}

/// What is counted for one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountCounts {
    /// Its provider's word.
    pub provider: String,
    /// Whether the config names it.
    pub configured: bool,
    /// Seconds between two polls, as the config said when it was last read.
    pub interval: Option<i64>,
    /// The id of its organisation, where a poll confirmed one and the provider tells.
    pub organization_id: Option<String>,
    /// The organisation's name, likewise.
    pub organization_name: Option<String>,
    /// The newest poll that ended.
    pub last_poll: Option<LastPoll>,
    /// Everything was read since then: the oldest start among the open scopes' newest complete walks; `None` until each has one.
    pub read_since: Option<Time>,
    /// Some list of keys was read completely at some time. Where none was, that no key is counted says nothing.
    pub keys_read: bool,
    /// Scopes by state; states without any are left out.
    pub scopes: BTreeMap<ScopeState, u64>,
    /// When the credential that it is polled with expires, where the provider tells.
    pub credential_expires: Option<Time>,
    /// Keys whose disappearance waits for a person.
    pub held_keys: u64,
    /// The earliest expiry still ahead, of keys that may be there.
    pub next_expiry: Option<Time>,
    /// The earliest expiry still ahead of keys that are expiring and not waived.
    pub next_expiring: Option<Time>,
    /// The earliest end still ahead of what waives a key that is in a condition.
    pub next_waiver_end: Option<Time>,
    /// When the oldest key that may be there was made.
    pub oldest_created: Option<Time>,
    /// When an admin key last came to be seen where it was not before; what the first walk of a list showed is no news.
    pub newest_admin: Option<Time>,
    /// Its keys.
    pub groups: Vec<Group>,
}

/// The newest poll that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPoll {
    /// When it began.
    pub started: Time,
    /// Every scope that it opened ended complete or closed.
    pub up: bool,
    /// The reason of the first scope that did not.
    pub reason: Option<String>,
}

/// Keys that are alike in everything that is counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their kind.
    pub kind: KeyKind,
    /// Whether they are there.
    pub presence: Presence,
    /// Their conditions, waived or not.
    pub conditions: Vec<Condition>,
    /// What stale rests on, where they are stale.
    pub basis: Option<Basis>,
    /// A waiver accepts the conditions for now.
    pub waived: bool,
    /// How many.
    pub keys: u64,
}

impl Group {
    /// What its keys are alike in; groups are told in the order of it.
    fn alike(&self) -> (KeyKind, Presence, &[Condition], Option<Basis>, bool) {
        (self.kind, self.presence, &self.conditions, self.basis, self.waived)
    }
}

impl AccountCounts {
    /// Something was read of it at some time; else that no key is counted says nothing.
    pub fn is_read(&self) -> bool {
        self.keys_read || !self.groups.is_empty()
    }

    /// Keys of that kind and presence.
    pub fn keys(&self, kind: KeyKind, presence: Presence) -> u64 {
        self.sum(|group| group.kind == kind && group.presence == presence)
    }

    /// Keys of that presence.
    pub fn keys_in(&self, presence: Presence) -> u64 {
        self.sum(|group| group.presence == presence)
    }

    /// Keys that may be there: present, missing or unknown.
    pub fn keys_that_may_be_there(&self) -> u64 {
        self.sum(|group| group.presence.may_be_there())
    }

    /// Keys in that condition without a waiver, of one kind or of all.
    pub fn flagged(&self, kind: Option<KeyKind>, condition: Condition) -> u64 {
        self.sum(|group| !group.waived && group.conditions.contains(&condition) && kind.is_none_or(|kind| group.kind == kind))
    }

    /// Keys in any condition without a waiver, each once.
    pub fn flagged_at_all(&self) -> u64 {
        self.sum(|group| !group.waived && !group.conditions.is_empty())
    }

    /// Keys that are stale on that basis and not waived.
    pub fn stale(&self, basis: Basis) -> u64 {
        self.sum(|group| !group.waived && group.basis == Some(basis))
    }

    /// Keys in that condition that a waiver accepts.
    pub fn waived(&self, condition: Condition) -> u64 {
        self.sum(|group| group.waived && group.conditions.contains(&condition))
    }

    fn sum(&self, counts: impl Fn(&Group) -> bool) -> u64 {
        self.groups.iter().filter(|group| counts(group)).map(|group| group.keys).sum()
    }
}

const ACCOUNTS: &str = "
SELECT a.id, a.name, a.provider, a.configured, o.remote_id, o.name, p.started_at, p.up, p.reason,
       (SELECT iif(count(*) = count(s.complete_at), min(s.complete_at), NULL)
          FROM scope AS s WHERE s.organization_id = a.organization_id AND s.standing = 'open'),
       (SELECT count(*) FROM (
           SELECT x.key_id FROM hold AS h JOIN held_key AS x ON x.hold_id = h.id WHERE h.account_id = a.id AND h.ended_at IS NULL AND x.absent_poll IS NULL
           UNION
           SELECT v.key_id FROM held_by_list AS v WHERE v.account_id = a.id)),
       EXISTS (SELECT 1 FROM scope AS s WHERE s.organization_id = a.organization_id
                  AND s.complete_at IS NOT NULL AND s.kind NOT IN ('people', 'projects')),
       coalesce((SELECT k.expires_at FROM key AS k WHERE k.self = 1 AND k.organization_id = a.organization_id), a.credential_expires_at),
       a.interval
  FROM account AS a
  LEFT JOIN organization AS o ON o.id = a.organization_id
  LEFT JOIN poll AS p ON p.id = (SELECT max(id) FROM poll WHERE account_id = a.id AND settled_at IS NOT NULL)";

const SCOPES: &str = "SELECT account, state, count(*) FROM scopes GROUP BY 1, 2";

const KEYS: &str = "
SELECT t.account_id, t.kind, t.presence, t.conditions, iif(t.stale, t.stale_basis, NULL), t.waived, count(*),
       min(k.created_at),
       min(k.expires_at) FILTER (WHERE k.expires_at > :now),
       min(u.stale_at) FILTER (WHERE u.stale_at > :now),
       min(u.never_used_at) FILTER (WHERE u.never_used_at > :now),
       min(d.expiring_at) FILTER (WHERE d.expiring_at > :now),
       min(d.expired_at) FILTER (WHERE d.expired_at > :now),
       min(d.no_expiry_at) FILTER (WHERE d.no_expiry_at > :now),
       min(d.overdue_at) FILTER (WHERE d.overdue_at > :now),
       min(d.waived_until) FILTER (WHERE d.waived_until > :now),
       max(iif(t.kind = 'admin', (SELECT max(c.at) FROM change AS c WHERE c.key_id = t.id
                                     AND c.change IN ('appeared', 'returned', 'moved', 'recreated')), NULL))
  FROM key_state AS t
  JOIN key AS k ON k.id = t.id
  JOIN last_use AS u ON u.key_id = t.id
  LEFT JOIN deadline AS d ON d.key_id = t.id
 GROUP BY 1, 2, 3, 4, 5, 6";
/// Columns of [`KEYS`] that are deadlines; the first is the expiry.
const DEADLINES: std::ops::RangeInclusive<usize> = 8..=15;
/// The column of [`KEYS`] that is the earliest end of what waives keys.
const WAIVED_UNTIL: usize = 15;
/// The column of [`KEYS`] that says when an admin key was news.
const ADMIN_NEWS: usize = 16;

impl Reader {
    /// Counts everything anew.
    pub async fn count(&self, now: Time) -> Stored<Counts> {
        let resident = self.resident();
        self.read(move |connection| match resident {
            Some(resident) => {
                resident.ask(connection, now, |held| count(connection, now, |accounts| held.count(connection, now, accounts)))
            }
            None => count(connection, now, |accounts| count_keys(connection, now, accounts)),
        })
        .await
    }
}

/// Accounts by their rows, each with its name.
pub(super) type ByRow = BTreeMap<i64, (String, AccountCounts)>;

fn count(connection: &Connection, now: Time, count_keys: impl FnOnce(&mut ByRow) -> Stored<Option<Time>>) -> Stored<Counts> {
    let mut by_row = ByRow::new();
    let mut select = connection.prepare_cached(ACCOUNTS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        by_row.insert(row.get::<_, i64>(0)?, (row.get::<_, String>(1)?, account(row)?));
    }
    let next = count_keys(&mut by_row)?;
    let mut accounts: BTreeMap<String, AccountCounts> = by_row.into_values().collect();
    let mut select = connection.prepare_cached(SCOPES)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(account) = accounts.get_mut(&row.get::<_, String>(0)?) {
            account.scopes.insert(word(row, 1, "scopes.state")?, row.get::<_, i64>(2)?.unsigned_abs());
        }
    }
    for account in accounts.values_mut() {
        account.groups.sort_unstable_by(|one, other| one.alike().cmp(&other.alike()));
    }
    Ok(Counts { at: now, next, accounts })
}

/// Of all keys by SQL; returns the earliest deadline of a key that lies ahead.
fn count_keys(connection: &Connection, now: Time, by_row: &mut ByRow) -> Stored<Option<Time>> {
    let mut next = None;
    let mut select = connection.prepare_cached(&at_now(KEYS))?;
    let mut rows = select.query(named_params! { ":now": now.unix() })?;
    while let Some(row) = rows.next()? {
        let Some((_, account)) = by_row.get_mut(&row.get::<_, i64>(0)?) else { continue };
        next = earlier(next, add(account, row)?);
    }
    Ok(next)
}

fn account(row: &Row<'_>) -> Stored<AccountCounts> {
    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Time::from_unix));
    let last_poll = match time(6)? {
        Some(started) => Some(LastPoll { started, up: row.get::<_, Option<bool>>(7)?.unwrap_or(false), reason: row.get(8)? }),
        None => None,
    };
    Ok(AccountCounts {
        provider: row.get(2)?,
        configured: row.get(3)?,
        organization_id: row.get(4)?,
        organization_name: row.get(5)?,
        last_poll,
        read_since: time(9)?,
        held_keys: row.get::<_, i64>(10)?.unsigned_abs(),
        keys_read: row.get(11)?,
        credential_expires: time(12)?,
        interval: row.get(13)?,
        ..AccountCounts::default()
    })
}

/// Adds a group to its account; returns the earliest deadline of its keys that lies ahead.
fn add(account: &mut AccountCounts, row: &Row<'_>) -> Stored<Option<Time>> {
    let group = Group {
        kind: word(row, 1, "key.kind")?,
        presence: word(row, 2, "key.presence")?,
        conditions: conditions(row, 3)?,
        basis: optional_word(row, 4, "last_use.stale_basis")?,
        waived: row.get(5)?,
        keys: row.get::<_, i64>(6)?.unsigned_abs(),
    };
    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Time::from_unix));
    // Also of one that is gone again: somebody made it.
    account.newest_admin = account.newest_admin.max(time(ADMIN_NEWS)?);
    let mut next = None;
    for index in DEADLINES {
        next = earlier(next, time(index)?);
    }
    let ahead = Ahead { oldest_created: time(7)?, expiry: time(*DEADLINES.start())?, waiver_end: time(WAIVED_UNTIL)?, next };
    Ok(account.add(group, &ahead))
}

/// The earliest times of a group's keys; but for the first they lie ahead.
pub(super) struct Ahead {
    pub oldest_created: Option<Time>,
    pub expiry: Option<Time>,
    pub waiver_end: Option<Time>,
    pub next: Option<Time>,
}

impl AccountCounts {
    /// Adds a group; returns the earliest instant at which something of it changes by itself.
    pub(super) fn add(&mut self, group: Group, ahead: &Ahead) -> Option<Time> {
        let accepted = group.waived && !group.conditions.is_empty();
        let (presence, is_expiring) = (group.presence, !group.waived && group.conditions.contains(&Condition::Expiring));
        self.groups.push(group);
        if !presence.may_be_there() {
            return None;
        }
        self.oldest_created = earlier(self.oldest_created, ahead.oldest_created);
        self.next_expiry = earlier(self.next_expiry, ahead.expiry);
        if is_expiring {
            self.next_expiring = earlier(self.next_expiring, ahead.expiry);
        }
        if accepted {
            self.next_waiver_end = earlier(self.next_waiver_end, ahead.waiver_end);
        }
        ahead.next
    }
}

fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}
