//! The asking end of the socket.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::short::Short;
use super::words::{Answer, Request};

/// Why nothing could be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no daemon listens on {}; start it with 'keymuster run'", .0.display())]
    Nobody(PathBuf),
    /// The socket is not for this user.
    #[error("{} is for the daemon's user, its group and root; use 'sudo -u', or join the group", .0.display())]
    NotAllowed(PathBuf),
    /// The conversation broke off.
    #[error("the daemon broke off: {0}")]
    Broken(#[from] std::io::Error),
    /// It listens no more.
    #[error("the daemon is stopping; ask again when it has started")]
    Stopping,
    /// The answer is none that this version knows.
    #[error("the daemon answered something that this version does not understand; are both of one version?")]
    Foreign,
}

/// Asks the daemon behind the socket and waits for its answer, however long that takes.
///
/// # Errors
/// See [`AskError`].
pub async fn ask(socket: &Path, request: &Request) -> Result<Answer, AskError> {
    let connected = match Short::of(socket) {
        Ok(short) => UnixStream::connect(short.path()).await,
        Err(error) => Err(error),
    };
    let mut stream = connected.map_err(|error| {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            AskError::NotAllowed(socket.to_owned())
        } else if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) {
            AskError::Nobody(socket.to_owned())
        } else {
            AskError::Broken(error)
        }
    })?;
    let mut text = serde_json::to_string(request).map_err(std::io::Error::from)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.is_empty() {
        return Err(AskError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_str(&answer).map_err(|_| AskError::Foreign)
}
