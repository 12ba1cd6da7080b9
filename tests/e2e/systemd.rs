//! Stand-ins for systemd's ends: a socket that is told how the daemon stands, and a journal.

use std::cell::Cell;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::process::{PATIENCE, Running, eventually};
use crate::support::Site;

/// A socket of systemd's, which is always read at once.
pub struct Listener {
    heard: Arc<Mutex<Vec<String>>>,
    /// Up to here the test has listened.
    upto: Cell<usize>,
    gone: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (heard, gone) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (into, end) = (Arc::clone(&heard), Arc::clone(&gone));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while !end.load(Ordering::Relaxed) {
                let Ok(count) = socket.recv(&mut bytes) else { continue };
                into.lock().unwrap().push(String::from_utf8(bytes[..count].to_vec()).unwrap());
            }
        });
        Self { heard, upto: Cell::new(0), gone, reader: Some(reader) }
    }

    /// Waits for a message that holds that text, after the one that was waited for before.
    #[track_caller]
    pub fn hears(&self, text: &str) -> String {
        eventually(text, PATIENCE, || {
            let heard = self.heard.lock().unwrap();
            let nth = (self.upto.get()..heard.len()).find(|nth| heard[*nth].contains(text))?;
            self.upto.set(nth + 1);
            Some(heard[nth].clone())
        })
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // Only then is the socket closed.
        self.reader.take().unwrap().join().unwrap();
    }
}

/// Starts the daemon with a journal of its own in the place of the machine's, which takes root.
pub fn journalled(site: &Site, environment: &[(&str, &Path)]) -> (Running, Listener) {
    let folder = site.path("journal");
    std::fs::create_dir(&folder).unwrap();
    let journal = Listener::at(&folder.join("socket"));
    let script = r#"mkdir -p /run/systemd/journal && mount --bind "$1" /run/systemd/journal &&
export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) && exec "$2" run --config "$3""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.args([&folder, Path::new(env!("CARGO_BIN_EXE_keymuster")), &site.config()]);
    command.env("TMPDIR", site.path("tmp")).envs(environment.iter().copied());
    (Running::start(command, "util-linux"), journal)
}
