//! Who is at the other end of the socket, and whether they may ask.

use tokio::net::UnixStream;

/// The process at the other end, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its process.
    pub pid: Option<i32>,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }

    /// Root, our own user, and members of our group may ask.
    pub fn may_ask(self) -> bool {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        self.uid == 0 || self.uid == uid || self.gid == gid || self.pid.is_some_and(|pid| is_member(pid, gid))
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

/// The process has the group among its further ones.
fn is_member(pid: i32, gid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_whitespace().any(|group| group.parse() == Ok(gid))
}
