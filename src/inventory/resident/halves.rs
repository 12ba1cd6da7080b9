//! Texts of many keys are read out of the file in two halves at once.

use rusqlite::Connection;

use crate::inventory::error::{StoreError, Stored};
use crate::inventory::read::Reader;

/// Fewer are read in one go.
const MANY: usize = if cfg!(test) { 1_000 } else { 20_000 };

/// Runs `read` over all of `keys`, or over both halves of them at once; what it gives comes in their order. Called where nothing can be
/// committed, so that both connections see the same.
pub(super) fn in_halves<K: Sync, T: Send>(
    reader: &Reader,
    connection: &Connection,
    keys: &[K],
    read: impl Fn(&Connection, &[K]) -> Stored<T> + Sync,
) -> Stored<Vec<T>> {
    if keys.len() < MANY {
        return Ok(vec![read(connection, keys)?]);
    }
    let (one, other) = keys.split_at(keys.len() / 2);
    std::thread::scope(|scope| {
        let beside =
            std::thread::Builder::new().spawn_scoped(scope, || reader.read_blocking(|connection| read(connection, other)));
        let one = read(connection, one)?;
        let other = match beside {
            Ok(beside) => beside.join().map_err(|_| StoreError::Stopped)??,
            // The system gives no thread: it takes twice as long.
            Err(_) => read(connection, other)?,
        };
        Ok(vec![one, other])
    })
}
