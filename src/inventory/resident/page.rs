//! A page of the keys that are asked for: which rows it has, and how many keys there are on all pages.

use std::ops::Range;

use rusqlite::{Connection, params_from_iter};

use super::Held;
use super::choose::{Choice, RowSet};
use super::halves::in_halves;
use super::key::{Key, Row};
use super::order::Ranking;
use crate::domain::Time;
use crate::inventory::asked::{KeysAsked, Order};
use crate::inventory::error::Stored;
use crate::inventory::read::Reader;

/// Keys that are looked up one by one; of more the whole list is read.
const FEW: usize = 500;

/// A key that is allowed, and where it comes.
type Ranked<'a> = (Rank, &'a Key);

/// 24 bytes, the first ones of a name: as many as stand beside a key without making room for more.
type Rank = [u64; 3];

impl Held {
    /// The rows of a page in order, and how many keys are allowed at all; `None` where that cannot be told from memory.
    pub(in crate::inventory) fn page(
        &self,
        reader: &Reader,
        connection: &Connection,
        asked: &KeysAsked,
        now: Time,
    ) -> Stored<Option<(Vec<i64>, u64)>> {
        if asked.behind.is_some() {
            return Ok(None);
        }
        let Some(choice) = Choice::new(self, reader, connection, &asked.filter)? else { return Ok(None) };
        let ranking = Ranking::new(connection, asked.order, asked.reversed)?;
        let allowed = self.keys.iter().filter(|key| choice.allows(key, now));
        let by_name = asked.order == Order::Name;
        let mut ranked: Vec<Ranked<'_>> = if by_name {
            let keys: Vec<&Key> = allowed.collect();
            let halves = in_halves(reader, connection, &keys, |connection, keys| by_beginning(connection, keys, asked.reversed))?;
            halves.into_iter().flatten().collect()
        } else {
            allowed.map(|key| (rank(&ranking, key), key)).collect()
        };
        let all = ranked.len();
        let first = usize::try_from(asked.offset).unwrap_or(all).min(all);
        let end = asked.limit.map_or(all, |limit| first.saturating_add(limit as usize).min(all));
        if first == end {
            return Ok(Some((Vec::new(), all as u64)));
        }
        let (before, window) = around(&mut ranked, first..end);
        let rows = in_runs(window, first - before..end - before, |alike, places| {
            if by_name {
                in_order_of_names(connection, alike, places, &ranking)
            } else {
                in_order_of_ids(connection, alike, places, ranking.ids_are_reversed())
            }
        })?;
        Ok(Some((rows, all as u64)))
    }
}

fn rank(ranking: &Ranking, key: &Key) -> Rank {
    let number = ranking.of(key);
    [(number >> 64) as u64, number as u64, 0]
}

/// What is at these places: `order` tells it of keys that are ranked alike.
fn in_runs(
    ranked: &[Ranked<'_>],
    places: Range<usize>,
    order: impl Fn(&[Ranked<'_>], Range<usize>) -> Stored<Vec<i64>>,
) -> Stored<Vec<i64>> {
    let mut rows = Vec::with_capacity(places.len());
    let mut begin = 0;
    for alike in ranked.chunk_by(|one, next| one.0 == next.0) {
        let end = begin + alike.len();
        let here = places.start.max(begin)..places.end.min(end);
        if !here.is_empty() {
            rows.extend(order(alike, here.start - begin..here.end - begin)?);
        }
        begin = end;
    }
    Ok(rows)
}

/// Those at these places and all that are alike with the first or the last of them, in order; and how many come before.
fn around<'s, 'k>(ranked: &'s mut [Ranked<'k>], places: Range<usize>) -> (usize, &'s [Ranked<'k>]) {
    let (_, first, behind) = ranked.select_nth_unstable_by_key(places.start, |key| key.0);
    let least = first.0;
    let most = match places.len() {
        0 | 1 => least,
        more => behind.select_nth_unstable_by_key(more - 2, |key| key.0).1.0,
    };
    let mut before = 0;
    let mut end = 0;
    for place in 0..ranked.len() {
        let rank = ranked[place].0;
        if rank <= most {
            ranked.swap(place, end);
            end += 1;
        }
    }
    for place in 0..end {
        if ranked[place].0 < least {
            ranked.swap(place, before);
            before += 1;
        }
    }
    let window = &mut ranked[before..end];
    window.sort_unstable_by_key(|key| key.0);
    (before, window)
}

/// Keys of one account by their ids.
fn in_order_of_ids(connection: &Connection, keys: &[Ranked<'_>], places: Range<usize>, reversed: bool) -> Stored<Vec<i64>> {
    let Some((_, first)) = keys.first() else { return Ok(Vec::new()) };
    if keys.len() > FEW {
        return along_the_index(connection, &organizations(connection, first.account)?, keys, places, reversed);
    }
    let mut select = connection.prepare_cached("SELECT remote_id FROM key WHERE id = ?1")?;
    let mut by_id = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        by_id.push((select.query_row([key.row.id()], |row| row.get::<_, String>(0))?, key.row));
    }
    by_id.sort_unstable();
    if reversed {
        by_id.reverse();
    }
    Ok(by_id.get(places).unwrap_or_default().iter().map(|(_, row)| row.id()).collect())
}

fn organizations(connection: &Connection, account: Row) -> Stored<Vec<i64>> {
    let mut select = connection.prepare_cached("SELECT id FROM organization WHERE account_id = ?1")?;
    let ids = select.query_map([account.id()], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// SQLite keeps the ids of each organisation in order, and merges those of several: from the nearer end to these places.
fn along_the_index(
    connection: &Connection,
    organizations: &[i64],
    keys: &[Ranked<'_>],
    places: Range<usize>,
    reversed: bool,
) -> Stored<Vec<i64>> {
    let mut wanted = RowSet::default();
    for (_, key) in keys {
        wanted.add(key.row);
    }
    let from_behind = places.start > keys.len() / 2;
    let (skipped, taken) = (if from_behind { keys.len() - places.end } else { places.start }, places.len());
    let way = if from_behind == reversed { "ASC" } else { "DESC" };
    let each = vec!["SELECT id, remote_id FROM key WHERE organization_id = ?"; organizations.len()].join(" UNION ALL ");
    let mut select = connection.prepare_cached(&format!("{each} ORDER BY remote_id {way}, id {way}"))?;
    let mut rows = select.query(params_from_iter(organizations))?;
    let (mut passed, mut ids) = (0, Vec::with_capacity(taken));
    while ids.len() < taken
        && let Some(row) = rows.next()?
    {
        let id = row.get(0)?;
        if wanted.contains(Row::new(id)?) {
            if passed >= skipped {
                ids.push(id);
            }
            passed += 1;
        }
    }
    if from_behind {
        ids.reverse();
    }
    Ok(ids)
}

/// Ranked by the first letters of their names, case aside; those without a name last. `keys` are in the order of their rows.
fn by_beginning<'k>(connection: &Connection, keys: &[&'k Key], reversed: bool) -> Stored<Vec<Ranked<'k>>> {
    let mut ranked = Vec::with_capacity(keys.len());
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(ranked) };
    let mut left = keys.iter().copied().peekable();
    let mut select = connection.prepare_cached("SELECT id, name FROM key WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = select.query([first.row.id(), last.row.id()])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let Some(key) = left.next_if(|key| key.row.id() == id) else { continue };
        let rank = match row.get_ref(1)?.as_bytes_or_null().ok().flatten() {
            Some(name) => beginning(name, reversed),
            None => NAMELESS,
        };
        ranked.push((rank, key));
    }
    Ok(ranked)
}

const NAMELESS: Rank = [u64::MAX; 3];

/// 23 bytes of a name: one is left to tell those without any.
fn beginning(name: &[u8], reversed: bool) -> Rank {
    let mut letters = [[0_u8; 8]; 3];
    let places = letters.as_flattened_mut();
    places.iter_mut().skip(1).zip(name).for_each(|(place, letter)| *place = letter.to_ascii_lowercase());
    if reversed {
        places.iter_mut().skip(1).for_each(|letter| *letter = !*letter);
    }
    letters.map(u64::from_be_bytes)
}

/// Keys whose names begin alike, or that have none.
fn in_order_of_names(connection: &Connection, keys: &[Ranked<'_>], places: Range<usize>, ranking: &Ranking) -> Stored<Vec<i64>> {
    if keys.first().is_some_and(|key| key.0 == NAMELESS) {
        let mut by_account: Vec<Ranked<'_>> = keys.iter().map(|(_, key)| (rank(ranking, key), *key)).collect();
        by_account.sort_unstable_by_key(|key| key.0);
        return in_runs(&by_account, places, |alike, places| in_order_of_ids(connection, alike, places, false));
    }
    let mut select = connection.prepare_cached("SELECT name, remote_id FROM key WHERE id = ?1")?;
    let mut by_name = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        let (mut name, id): (String, String) = select.query_row([key.row.id()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        name.make_ascii_lowercase();
        by_name.push((name, ranking.of(key), id, key.row));
    }
    by_name.sort_unstable_by(|one, other| {
        let names = if ranking.reversed() { other.0.cmp(&one.0) } else { one.0.cmp(&other.0) };
        names.then_with(|| (one.1, &one.2, one.3).cmp(&(other.1, &other.2, other.3)))
    });
    Ok(by_name.get(places).unwrap_or_default().iter().map(|(_, _, _, row)| row.id()).collect())
}
