//! Events for systemd's journal: each with its fields beside its line, so that `journalctl KEYMUSTER_ACCOUNT=acme-openai`
//! finds them. Protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
//!
//! Written here and not taken from a library, because those put only the bare message into the line that people read, and an
//! account that is named in a field alone is not named for whoever reads `journalctl -u keymuster`.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::lines::Escapes;

const SOCKET: &str = "/run/systemd/journal/socket";
/// Of one value; the journal refuses datagrams that are too large.
const LONGEST: usize = 16 << 10;

/// Standard error goes to the journal: systemd then names its device and inode in `JOURNAL_STREAM`.
pub fn is_stderr() -> bool {
    let Ok(stderr) = rustix::fs::fstat(std::io::stderr()) else { return false };
    std::env::var_os("JOURNAL_STREAM").is_some_and(|stream| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino).as_str())
}

/// Sends events to the journal; what it does not take is written to standard error.
pub struct Journal {
    socket: Option<UnixDatagram>,
}

impl Journal {
    /// The journal of this machine.
    pub fn new() -> Self {
        Self { socket: UnixDatagram::unbound().ok() }
    }

    fn send(&self, entry: &Entry) -> std::io::Result<()> {
        let socket = self.socket.as_ref().ok_or(std::io::ErrorKind::NotConnected)?;
        // By name each time: the journal may be restarted.
        socket.send_to(&entry.datagram, SOCKET).map(|_| ())
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = Entry::of(event);
        if self.send(&entry).is_err() {
            // Nobody is left to tell where this fails too.
            let _ = std::io::stderr().write_all(format!("<{}>{}\n", entry.priority, entry.line).as_bytes());
        }
    }
}

/// An event as the journal takes it.
struct Entry {
    priority: u8,
    line: String,
    datagram: Vec<u8>,
}

impl Entry {
    fn of(event: &Event<'_>) -> Self {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let priority = priority(*event.metadata().level());
        let mut line = fields.message;
        let mut datagram = Vec::new();
        for (name, value) in &fields.others {
            let quoted = value.is_empty() || value.contains([' ', '"', '=']);
            // A text takes whatever is written to it.
            let _ = if quoted { write!(line, " {name}={value:?}") } else { write!(line, " {name}={value}") };
            let name = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            put(&mut datagram, &format!("KEYMUSTER_{name}"), value);
        }
        put(&mut datagram, "MESSAGE", &line);
        put(&mut datagram, "PRIORITY", &priority.to_string());
        put(&mut datagram, "SYSLOG_IDENTIFIER", "keymuster");
        Self { priority, line, datagram }
    }
}

/// What syslog calls it.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// A value is one line, so that the simple form of the protocol will do.
fn put(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend_from_slice(name.as_bytes());
    datagram.push(b'=');
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        let end = value.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST).unwrap_or(value.len());
        let mut clean = Escapes::Text { colours: false }.line(&value[..end]);
        clean.pop();
        match field.name() {
            "message" => self.message = clean,
            name => self.others.push((name, clean)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
}
