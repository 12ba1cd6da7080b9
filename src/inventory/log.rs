//! The write-ahead log's length: what is in it is copied into the file between transactions, not within them, where readers would wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::Connection;

use super::error::Stored;

/// Pages of 4 KiB. Large transactions write the same pages over and over; the longer the log, the fewer of them are copied.
const LONG: i32 = 4_000;

/// How many pages the log has had since it was last copied. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<AtomicI32>);

impl Log {
    /// Has the connection tell, instead of copying by itself.
    pub fn of(connection: &mut Connection) -> Stored<Self> {
        let log = Self::default();
        let pages = Arc::clone(&log.0);
        connection.wal_hook(Some(move |_: &mut _, now: i32| {
            pages.store(now, Ordering::SeqCst);
            Ok(())
        }))?;
        Ok(log)
    }

    /// Copies a long log into the file, as far as no reader needs what is there. Where that fails, all of it stays in the log, and the
    /// next transaction tries again.
    pub fn shorten(&self, connection: &Connection) {
        if self.0.swap(0, Ordering::SeqCst) >= LONG {
            let _copied: rusqlite::Result<()> = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::super::open::Inventory;
    use crate::domain::Time;

    /// A mebibyte and more of the table of people.
    const MUCH: &str = "
        WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO person (organization_id, remote_id, kind, name, listed)
        SELECT 1, hex(randomblob(16)), 'user', printf('%0100d', i), 1 FROM n;";

    const ACCOUNT: &str = "
        INSERT INTO account (id, name, provider, configured, interval) VALUES (1, 'a', 'openai', 1, 3600);
        INSERT INTO organization VALUES (1, 1, 'o', 'o', 0);";

    fn new() -> (tempfile::TempDir, Inventory) {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(1_800_000_000)).unwrap();
        (folder, inventory)
    }

    async fn write(inventory: &Inventory, sql: &'static str) {
        inventory.write(move |transaction| Ok(transaction.execute_batch(sql)?)).await.unwrap();
    }

    #[tokio::test]
    async fn a_long_log_is_copied_into_the_file_and_begins_anew() {
        let (folder, inventory) = new();
        write(&inventory, ACCOUNT).await;
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len() >> 20;
        write(&inventory, MUCH).await;
        assert_eq!(size("inventory.db"), 0, "a short log waits");
        for _ in 0..30 {
            write(&inventory, MUCH).await;
        }
        assert!(size("inventory.db") > 20, "{} MiB", size("inventory.db"));
        assert!(size("inventory.db-wal") < 48, "{} MiB", size("inventory.db-wal"));
    }

    /// As what a daemon counts first, where it is told to stop as soon as it has started.
    #[tokio::test]
    async fn a_stop_waits_for_connections_of_its_own_and_leaves_no_log() {
        let (folder, inventory) = new();
        let watch = inventory.reader().watch().unwrap();
        let looks = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(150));
            drop(watch);
        });
        inventory.close().await.unwrap();
        assert!(!folder.path().join("inventory.db-wal").exists());
        looks.join().unwrap();
    }

    /// What a reader may still look at is not written over: the log grows until the reader ends, and nobody waits meanwhile.
    #[tokio::test]
    async fn a_reader_that_stays_makes_the_log_long_until_it_ends() {
        let (folder, inventory) = new();
        write(&inventory, ACCOUNT).await;
        write(&inventory, MUCH).await;
        let reader = Connection::open_with_flags(folder.path().join("inventory.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let people = || reader.query_row("SELECT count(*) FROM person", [], |row| row.get::<_, u32>(0)).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(people(), 10_000);
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len() >> 20;
        for _ in 0..30 {
            write(&inventory, MUCH).await;
        }
        assert!(size("inventory.db-wal") >= 48, "{} MiB", size("inventory.db-wal"));
        assert_eq!(people(), 10_000, "the reader sees what there was when it began");
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(people(), 310_000);
        write(&inventory, MUCH).await;
        let long = size("inventory.db-wal");
        for _ in 0..5 {
            write(&inventory, MUCH).await;
        }
        assert!(size("inventory.db-wal") <= long, "it begins anew");
        inventory.tidy().await.unwrap();
        assert_eq!(size("inventory.db-wal"), 0);
    }
}
