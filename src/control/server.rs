//! The daemon's end of the socket.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::peer::Peer;
use super::short::Short;
use super::words::{Answer, Fault, Request};

/// A request is a line; nobody needs a longer one.
const LONGEST: u64 = 64 * 1024;
/// How long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what is asked.
pub trait Serve: Send + Sync + 'static {
    /// One request of somebody who may ask.
    fn serve(&self, request: Request, peer: Peer) -> impl Future<Output = Answer> + Send;
}

/// The socket, bound; it is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket, mode 0660. Called by who holds the inventory's lock, so that what is found in its place is a leftover.
    ///
    /// # Errors
    /// The folder cannot be written, or the file's name is longer than sockets have.
    pub fn bind(path: &Path) -> std::io::Result<Self> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Of that mode from its first moment on, whatever the umask. It is the whole process's for so long; the inventory's files are
        // given their modes one by one.
        let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o117));
        let bound = Short::of(path).and_then(|short| UnixListener::bind(short.path()));
        rustix::process::umask(umask);
        let listener = bound?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until it is told to stop; what is being done then is finished first.
    pub async fn run(self, serve: Arc<impl Serve>, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "control socket: cannot accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let (serve, path) = (Arc::clone(&serve), self.path.clone());
            tracker.spawn(async move {
                // A peer that left is nobody's concern.
                let _ = talk(stream, &path, &*serve).await;
            });
        }
        tracker.close();
        tracker.wait().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Left behind, it would only be found and removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn talk(stream: UnixStream, socket: &Path, serve: &impl Serve) -> std::io::Result<()> {
    let peer = Peer::of(&stream)?;
    let (read, mut write) = stream.into_split();
    // Also what is not answered is read: closed on unread bytes, the socket would take the refusal away with it.
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(LONGEST));
    match tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await {
        Ok(read) => read?,
        Err(_) => return Ok(()),
    };
    let answer = if peer.may_ask(socket) {
        match serde_json::from_str(&line) {
            Ok(request) => serve.serve(request, peer).await,
            Err(error) => Answer::refused(Fault::Other, format!("no request: {error}")),
        }
    } else {
        tracing::warn!(uid = peer.uid, "control socket: refused somebody of another user and group");
        Answer::refused(Fault::Other, "only the daemon's user, its group and root may ask")
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}
