//! What the charts of the overview count: when keys expire, were made and last used, by day; and how many there were in the weeks
//! that are over, with what changed.

use std::collections::BTreeMap;

use rusqlite::{Connection, ToSql, named_params};

use super::error::Stored;
use super::read::Reader;
use super::rewind::known_since;
use super::sql::word;
use crate::domain::{ChangeKind, Time};

/// Weeks that are looked back on.
pub const WEEKS: usize = 12;
const COUNT: i64 = 12;
/// In seconds.
const WEEK: i64 = 7 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// All of it, of keys that may be there: present, missing or unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charted {
    /// When they expire, but for those that have.
    pub expires: Moments,
    /// When they were made.
    pub created: Moments,
    /// When they were last used.
    pub last_used: Moments,
    /// What is over.
    pub over: Over,
}

/// How many keys have a moment on which day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moments {
    /// By the day's number since 1970, UTC.
    pub by_day: BTreeMap<i64, u64>,
    /// *Never*.
    pub never: u64,
    /// *Not reported*.
    pub not_reported: u64,
}

/// What is counted of keys as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Now {
    pub expires: Moments,
    pub created: Moments,
    pub last_used: Moments,
    /// By the day's number on which they were first listed.
    pub first_seen: BTreeMap<i64, u64>,
}

/// The weeks that are over, the oldest first; the last one is not over yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Each ends with a day, but for the last, which ends now; `None` where history does not go back to a week's end.
    pub weeks: [Option<Week>; WEEKS],
    /// Since when history is whole; `None` where nothing was ever read.
    pub whole_since: Option<Time>,
    /// Accounts that were first read in these weeks, and when: of their keys nothing is known before.
    pub first_read: Vec<(String, Time)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    /// Keys that might be there at its end.
    pub keys: u64,
    /// What was seen to change in it, as far as history goes back.
    pub changes: Changes,
}

/// Changes of a week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// All of them, by what changed.
    pub by_kind: BTreeMap<ChangeKind, u64>,
    /// Those by which a key came to be one that might be there.
    pub came: u64,
    /// Those by which one ceased to be.
    pub went: u64,
}

impl Changes {
    fn count(&mut self, change: ChangeKind, was_away: bool, keys: u64) {
        *self.by_kind.entry(change).or_default() += keys;
        match change {
            ChangeKind::Appeared => self.came += keys,
            ChangeKind::Returned | ChangeKind::BecameUnknown | ChangeKind::BecameMissing if was_away => self.came += keys,
            ChangeKind::BecameGone | ChangeKind::BecameUnmanaged if !was_away => self.went += keys,
            ChangeKind::Returned
            | ChangeKind::BecameUnknown
            | ChangeKind::BecameMissing
            | ChangeKind::BecameGone
            | ChangeKind::BecameUnmanaged
            | ChangeKind::Renamed
            | ChangeKind::Moved
            | ChangeKind::OwnerChanged
            | ChangeKind::OwnerAccessChanged
            | ChangeKind::ExpiryChanged
            | ChangeKind::Disabled
            | ChangeKind::Enabled
            | ChangeKind::LastUseWentBack
            | ChangeKind::Recreated => {}
        }
    }
}

const EXPIRES: &str = "SELECT expires_state, expires_at / 86400, count(*) FROM key
  WHERE presence IN ('present', 'missing', 'unknown') AND (expires_at IS NULL OR expires_at > :now) GROUP BY 1, 2";
const CREATED: &str = "SELECT iif(created_at IS NULL, 'not_reported', 'at'), created_at / 86400, count(*) FROM key
  WHERE presence IN ('present', 'missing', 'unknown') GROUP BY 1, 2";
const LAST_USED: &str = "SELECT u.used_state, u.used_at / 86400, count(*) FROM key AS k JOIN last_use AS u ON u.key_id = k.id
  WHERE k.presence IN ('present', 'missing', 'unknown') GROUP BY 1, 2";

const FIRST_SEEN: &str = "SELECT first_seen_at / 86400, count(*) FROM key
  WHERE presence IN ('present', 'missing', 'unknown') GROUP BY 1";

/// Keys that were something else before, as looking back undoes it: of each key all behind its last line that was seen by then, in
/// the order of their numbers. A line counts as seen when it, or one behind it, was. What stands in `before` held at the ends of
/// the weeks from the line before it to it.
const BEFORE: &str = "
WITH line AS (
  SELECT c.id, c.key_id, c.change, c.before,
         min(c.at) OVER (PARTITION BY c.key_id ORDER BY c.id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS seen
    FROM change AS c
   WHERE c.key_id IN (SELECT key_id FROM change WHERE at > :begun AND change IN ('became_missing', 'became_gone', 'returned', 'became_unknown', 'became_unmanaged'))),
presence AS (
  SELECT key_id, before, seen, lag(seen, 1, 0) OVER (PARTITION BY key_id ORDER BY id) AS line_before FROM line
   WHERE change IN ('became_missing', 'became_gone', 'returned', 'became_unknown', 'became_unmanaged'))
SELECT max(0, min(:weeks, (max(p.line_before, k.first_seen_at) - :begun + :week - 1) / :week)),
       min(:weeks, (p.seen - :begun + :week - 1) / :week),
       (p.before IN ('present', 'missing', 'unknown')) - (k.presence IN ('present', 'missing', 'unknown')) AS more,
       count(*)
  FROM presence AS p JOIN key AS k ON k.id = p.key_id
 WHERE p.seen > :begun AND more <> 0 GROUP BY 1, 2, 3";

const CHANGES: &str =
    "SELECT min(:weeks, (at - :begun + :week - 1) / :week), change, coalesce(before IN ('gone', 'unmanaged'), false), count(*)
       FROM change WHERE at > :begun GROUP BY 1, 2, 3";

const FIRST_READ: &str = "SELECT a.name, min(o.first_seen_at) FROM account AS a JOIN organization AS o ON o.account_id = a.id
  WHERE a.configured GROUP BY a.id HAVING min(o.first_seen_at) > :begun ORDER BY 2, 1";

/// When the first of the weeks began: with the end of a day, so that the last of them holds all of today.
pub(super) fn begun(now: Time) -> Time {
    let tomorrow = now.unix().div_euclid(DAY) * DAY + DAY;
    Time::from_unix(tomorrow - 1 - WEEK * COUNT)
}

impl Over {
    /// When the week of that number ends: the last of them now.
    pub fn end(week: usize, now: Time) -> Time {
        let weeks = i64::try_from(week + 1).unwrap_or(i64::MAX);
        begun(now).plus(WEEK.saturating_mul(weeks)).min(now)
    }
}

impl Reader {
    /// Counts all of it as of `now`.
    pub async fn charted(&self, now: Time) -> Stored<Charted> {
        let resident = self.resident();
        self.read(move |connection| {
            let as_now = match resident {
                Some(resident) => resident.ask(connection, now, |held| Ok(held.charted(now)))?,
                None => counted(connection, now)?,
            };
            let over = over(connection, now, &as_now.first_seen)?;
            let Now { expires, created, last_used, first_seen: _ } = as_now;
            Ok(Charted { expires, created, last_used, over })
        })
        .await
    }
}

fn counted(connection: &Connection, now: Time) -> Stored<Now> {
    let mut select = connection.prepare_cached(FIRST_SEEN)?;
    let first_seen = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(Now {
        expires: moments(connection, EXPIRES, named_params! { ":now": now.unix() })?,
        created: moments(connection, CREATED, &[])?,
        last_used: moments(connection, LAST_USED, &[])?,
        first_seen: first_seen.collect::<Result<_, _>>()?,
    })
}

fn moments(connection: &Connection, sql: &str, parameters: &[(&str, &dyn ToSql)]) -> Stored<Moments> {
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(parameters)?;
    let mut moments = Moments::default();
    while let Some(row) = rows.next()? {
        let keys = row.get::<_, i64>(2)?.unsigned_abs();
        match (row.get::<_, String>(0)?.as_str(), row.get(1)?) {
            (_, Some(day)) => drop(moments.by_day.insert(day, keys)),
            ("never", None) => moments.never = keys,
            (_, None) => moments.not_reported = keys,
        }
    }
    Ok(moments)
}

fn over(connection: &Connection, now: Time, first_seen: &BTreeMap<i64, u64>) -> Stored<Over> {
    let begun = begun(now);
    let whole_since = known_since(connection)?;
    // At the ends of the weeks, and before them at their beginning.
    let mut keys = [0_i64; WEEKS + 1];
    // Weeks begin with days.
    let first_day = begun.plus(1).unix().div_euclid(DAY);
    for (day, count) in first_seen {
        let from = usize::try_from((day - first_day).div_euclid(7) + 1).unwrap_or(0).min(WEEKS);
        keys.iter_mut().skip(from).for_each(|keys| *keys += count.cast_signed());
    }
    let mut select = connection.prepare_cached(BEFORE)?;
    let mut rows = select.query(named_params! { ":begun": begun.unix(), ":week": WEEK, ":weeks": COUNT })?;
    while let Some(row) = rows.next()? {
        let (from, to, more, count): (u8, u8, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        keys.iter_mut().take(to.into()).skip(from.into()).for_each(|keys| *keys += more * count);
    }
    let mut changes: [Changes; WEEKS] = Default::default();
    let mut select = connection.prepare_cached(CHANGES)?;
    let mut rows = select.query(named_params! { ":begun": begun.unix(), ":week": WEEK, ":weeks": COUNT })?;
    while let Some(row) = rows.next()? {
        let (end, was_away, count): (u8, bool, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        if let Some(changes) = usize::from(end).checked_sub(1).and_then(|week| changes.get_mut(week)) {
            changes.count(word(row, 1, "change.change")?, was_away, count.unsigned_abs());
        }
    }
    let mut first_read = connection.prepare_cached(FIRST_READ)?;
    let first_read =
        first_read.query_map(named_params! { ":begun": begun.unix() }, |row| Ok((row.get(0)?, Time::from_unix(row.get(1)?))))?;
    let is_whole = |from: Time| whole_since.is_some_and(|since| since <= from);
    let mut weeks: [Option<Week>; WEEKS] = Default::default();
    for (number, (week, changes)) in weeks.iter_mut().zip(changes).enumerate() {
        if is_whole(Over::end(number, now)) {
            *week = Some(Week { keys: keys[number + 1].unsigned_abs(), changes });
        }
    }
    Ok(Over { weeks, whole_since, first_read: first_read.collect::<Result<_, _>>()? })
}
