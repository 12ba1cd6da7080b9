//! Who is at the other end of the socket, and whether they may ask.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::net::UnixStream;

/// The process at the other end, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid() })
    }

    /// Whoever gets through to a socket that is closed to others may ask: the kernel has asked for its group before. Where somebody
    /// opened it, only root, our own user and those who have our group for their own. What further groups a peer has is not
    /// looked up: a hardened service does not see other processes.
    pub fn may_ask(self, socket: &Path) -> bool {
        let is_closed = std::fs::metadata(socket).is_ok_and(|socket| socket.mode() & 0o002 == 0);
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        is_closed || self.uid == 0 || self.uid == uid || self.gid == gid
    }

    /// For the record of an acknowledgement: the user's number, and its name where the machine knows one.
    pub fn name(self) -> String {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(self.uid)).then(|| name.to_owned())
        });
        name.map_or_else(|| format!("uid {}", self.uid), |name| format!("{name} (uid {})", self.uid))
    }
}
