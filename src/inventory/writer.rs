//! The thread that owns the only connection that writes.

use std::sync::Mutex;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{StoreError, Stored};

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// How many pieces of work may wait; whoever has more waits itself.
const QUEUE: usize = 16;

/// A handle on the thread.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(mut connection: Connection) -> std::io::Result<Self> {
        let (sender, mut receiver) = mpsc::channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new().name("db-writer".into()).spawn(move || {
            while let Some(work) = receiver.blocking_recv() {
                work(&mut connection);
            }
        })?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` there and waits for its result. Work that was handed over is done even if nobody waits any more.
    pub async fn run<R, F>(&self, work: F) -> Stored<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Connection) -> Stored<R> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let queue = self.queue.lock().map_err(|_| StoreError::Stopped)?.clone().ok_or(StoreError::Stopped)?;
        let work: Work = Box::new(move |connection| {
            // Whoever asked may have been cancelled; the work is done all the same.
            let _ = answer.send(work(connection));
        });
        queue.send(work).await.map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?
    }

    /// Lets the thread end after what waits in the queue, and waits for it.
    pub fn stop(&self) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A panic of the thread was already told to whoever asked.
            let _ = thread.join();
        }
    }
}
