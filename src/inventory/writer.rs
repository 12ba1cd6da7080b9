//! The only connection that writes, and the thread that owns it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{StoreError, Stored};

/// One piece of work.
pub type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// How many pieces of work may wait; whoever has more waits itself.
const QUEUE: usize = 16;

/// On whose threads the work of the database is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// On those of the inventory: whoever asks waits and blocks nobody.
    Own,
    /// On the caller's: work is done before anything else happens.
    Callers,
}

/// A handle on the connection that writes.
#[derive(Debug)]
pub enum Writer {
    /// A thread owns it and does one piece of work after the other.
    Thread {
        /// What is to be done; `None` once it was stopped.
        queue: Mutex<Option<mpsc::Sender<Work>>>,
        /// The thread.
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    /// Whoever asks does the work.
    Here(Mutex<Option<Connection>>),
}

impl Writer {
    /// Takes the connection over.
    pub fn start(threads: Threads, mut connection: Connection) -> std::io::Result<Self> {
        if threads == Threads::Callers {
            return Ok(Self::Here(Mutex::new(Some(connection))));
        }
        let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new().name("db-writer".into()).spawn(move || {
            while let Some(work) = receiver.blocking_recv() {
                work(&mut connection);
            }
        })?;
        Ok(Self::Thread { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` on it and waits for the result. Work that was handed over is done even if nobody waits any more.
    pub async fn run<R, F>(&self, work: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> Stored<R> + Send + 'static,
    {
        let queue = match self {
            Self::Thread { queue, thread: _ } => queue,
            Self::Here(connection) => {
                let mut connection = connection.lock().map_err(|_| StoreError::Stopped)?;
                return work(connection.as_mut().ok_or(StoreError::Stopped)?);
            }
        };
        let (answer, result) = oneshot::channel();
        let queue = queue.lock().map_err(|_| StoreError::Stopped)?.clone().ok_or(StoreError::Stopped)?;
        let work: Work = Box::new(move |connection| {
            // A bug costs the work that it is in, and not all that comes behind it: unwinding has rolled its transaction back, and
            // what is in memory of the file is forgotten by whoever finds its lock poisoned.
            let result = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or(Err(StoreError::Panicked));
            // Whoever asked may have been cancelled; the work is done all the same.
            let _ = answer.send(result);
        });
        queue.send(work).await.map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?
    }

    /// Does no more work after what waits already, and waits for that.
    pub fn stop(&self) {
        let (queue, thread) = match self {
            Self::Thread { queue, thread } => (queue, thread),
            Self::Here(connection) => {
                if let Ok(mut connection) = connection.lock() {
                    connection.take();
                }
                return;
            }
        };
        if let Ok(mut queue) = queue.lock() {
            queue.take();
        }
        let thread = thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // No work can make it panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::Time;
    use crate::inventory::{Inventory, StoreError};

    #[tokio::test]
    async fn work_that_panics_leaves_nothing_and_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(1_749_945_600)).unwrap();
        let insert =
            |name: &'static str| format!("INSERT INTO account (name, provider, configured) VALUES ('{name}', 'openai', 1)");
        let failed: Result<(), _> = inventory
            .write(move |transaction| {
                transaction.execute(&insert("lost"), [])?;
                panic!("a bug");
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Panicked)));
        inventory.write(move |transaction| Ok(transaction.execute(&insert("kept"), [])?)).await.unwrap();
        let names: String = inventory
            .write(|all| Ok(all.query_row("SELECT group_concat(name) FROM account", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(names, "kept");
    }

    #[tokio::test]
    async fn what_is_closed_writes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(1_749_945_600)).unwrap();
        inventory.clone().close().await.unwrap();
        assert!(matches!(inventory.write(|_| Ok(())).await, Err(StoreError::Stopped)));
    }
}
