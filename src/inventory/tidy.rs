//! Keeps the file small and what SQLite knows of its tables fresh, when nothing else is to be written.

use rusqlite::Connection;

use super::backup::room_beside;
use super::error::Stored;
use super::open::Inventory;

/// Pages of 4 KiB. A smaller file is not worth the work, and a greater one would keep the writer from its work for too long.
const WORTH_IT: std::ops::Range<i64> = 512..262_144;

/// The sizes of a file that was written anew, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// Before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

impl Inventory {
    /// Refreshes the statistics by which SQLite plans, copies the write-ahead log into the file and empties it, and writes the file anew
    /// where less than two thirds of it are content. That needs room for the content in SQLite's folder for temporary files, and again
    /// in the log; nothing else can be written meanwhile.
    ///
    /// # Errors
    /// No room, or the database refused; the file is as it was.
    pub async fn tidy(&self) -> Stored<Option<Rewritten>> {
        let is_wasted = |connection: &mut Connection| {
            connection.execute_batch("PRAGMA optimize")?;
            // Refused while somebody reads what is in the log; then the next time will do.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            if !WORTH_IT.contains(&pages) {
                return Ok(false);
            }
            let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            let unused: i64 = connection.query_row("SELECT coalesce(sum(unused), 0) FROM dbstat", [], |row| row.get(0))?;
            Ok((free + unused / 4096) * 3 > pages)
        };
        if !self.on_writer(is_wasted).await? {
            return Ok(None);
        }
        room_beside(self.path())?;
        let before = self.bytes().await?;
        self.rewrite().await?;
        Ok(Some(Rewritten { before, after: self.bytes().await? }))
    }

    async fn bytes(&self) -> Stored<u64> {
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        self.on_writer(|connection| Ok(connection.query_row(size, [], |row| row.get::<_, i64>(0))?.unsigned_abs())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[tokio::test]
    async fn a_file_that_is_mostly_empty_is_written_anew_and_a_full_one_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.db");
        let inventory = Inventory::open(&path, Time::from_unix(1_800_000_000)).unwrap();
        let write = async |sql: &'static str| {
            inventory.write(move |transaction| Ok(transaction.execute_batch(sql)?)).await.unwrap();
        };
        write(
            "INSERT INTO account (id, name, provider, configured, interval) VALUES (1, 'a', 'openai', 1, 3600);
             INSERT INTO organization VALUES (1, 1, 'o', 'o', 0);
             WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
             INSERT INTO person (id, organization_id, remote_id, kind, name, listed)
             SELECT i, 1, 'u' || (i * 7919 % 100003), 'user', printf('%0100d', i), 1 FROM n;",
        )
        .await;
        assert_eq!(inventory.tidy().await.unwrap(), None, "it is full");
        // Most of every page, and no page whole: nothing of it is on the list of free pages.
        write("DELETE FROM person WHERE id % 4 <> 0").await;
        let Rewritten { before, after } = inventory.tidy().await.unwrap().unwrap();
        assert!(after * 2 < before, "{before} to {after}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), after);
        assert_eq!(std::fs::metadata(folder.path().join("inventory.db-wal")).unwrap().len(), 0, "nor is it in the log");
        assert_eq!(inventory.tidy().await.unwrap(), None, "once is enough");
    }
}
