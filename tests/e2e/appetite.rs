//! How much memory the daemon takes from providers that would have it take all there is, at the limits that it has unless told
//! otherwise: three accounts, four requests at once each, and whatever grows.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use keymuster::sim::Size;
use rustix::process::Signal;

use crate::control::ctl;
use crate::process::{PATIENCE, Running};
use crate::support::{DEN, Settings, Sim, Site, far_off};

/// In all states, code included: what a small machine can spare.
const MOST: u64 = 64 << 10;
const MEBIBYTE: usize = 1 << 20;

/// A way to be too much. None of them ends before whoever reads has had enough.
#[derive(Debug, Clone, Copy)]
enum Mischief {
    Headers,
    OneHeader,
    Spaces,
    Deep,
    OneString,
    OtherFields,
    Nothings,
    Fat,
    GzipSpaces,
    GzipNothings,
    GzipFat,
}

const ALL: &[Mischief] = &[
    Mischief::Headers,
    Mischief::OneHeader,
    Mischief::Spaces,
    Mischief::Deep,
    Mischief::OneString,
    Mischief::OtherFields,
    Mischief::Nothings,
    Mischief::Fat,
    Mischief::GzipSpaces,
    Mischief::GzipNothings,
    Mischief::GzipFat,
];

impl Mischief {
    /// The body: what it begins with, and what follows for ever. Where it names a list, `LIST` stands for it.
    fn body(self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Headers => ("", b"x-a: 1\r\n".repeat(1_000)),
            Self::OneHeader => ("x-a: ", vec![b'a'; MEBIBYTE]),
            Self::Spaces | Self::GzipSpaces => ("", vec![b' '; MEBIBYTE]),
            Self::Deep => (r#"{"LIST":"#, vec![b'['; MEBIBYTE]),
            Self::OneString => (r#"{"LIST":[{"id":""#, vec![b'a'; MEBIBYTE]),
            Self::OtherFields => ("{", br#""x":"0123456789","#.repeat(60_000)),
            Self::Nothings | Self::GzipNothings => (r#"{"LIST":["#, b"{},".repeat(MEBIBYTE / 3)),
            Self::Fat | Self::GzipFat => {
                let element = format!(r#"{{"id":"key","name":"{}"}},"#, "a".repeat(60_000));
                (r#"{"LIST":["#, element.into_bytes().repeat(16))
            }
        }
    }

    const fn is_packed(self) -> bool {
        matches!(self, Self::GzipSpaces | Self::GzipNothings | Self::GzipFat)
    }
}

/// Stands before the simulated providers, and answers for them where keys are asked for.
struct Front {
    address: SocketAddr,
    mischief: AtomicUsize,
    /// It does.
    awake: AtomicBool,
    /// How often, since it was last looked.
    done: AtomicU64,
}

impl Front {
    fn before(sim: SocketAddr) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let front =
            Arc::new(Self { address, mischief: AtomicUsize::new(0), awake: AtomicBool::new(false), done: AtomicU64::new(0) });
        let serving = Arc::clone(&front);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let front = Arc::clone(&serving);
                // Whoever has had enough hangs up.
                std::thread::spawn(move || drop(front.serve(stream, sim)));
            }
        });
        front
    }

    fn serve(&self, mut near: TcpStream, sim: SocketAddr) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            near.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (line, rest) = head.split_once("\r\n").unwrap_or_default();
        let path = line.split(['?', ' ']).nth(1).unwrap_or_default();
        let list = match path {
            "/den/v1/api-keys" => Some("apiKeys"),
            _ if path.starts_with("/braintrust/") && path.ends_with("/v1/api_key") => Some("objects"),
            _ if path.starts_with("/openai/") && path.ends_with("/api_keys") => Some("data"),
            _ => None,
        };
        match list.filter(|_| self.awake.load(Ordering::Relaxed)) {
            Some(list) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                overwhelm(ALL[self.mischief.load(Ordering::Relaxed)], list, near)
            }
            None => {
                let mut far = TcpStream::connect(sim)?;
                far.write_all(format!("{line}\r\nconnection: close\r\n{rest}").as_bytes())?;
                io::copy(&mut far, &mut near).map(drop)
            }
        }
    }
}

fn overwhelm(mischief: Mischief, list: &str, mut near: TcpStream) -> io::Result<()> {
    near.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")?;
    let (begins, for_ever) = mischief.body();
    let begins = begins.replace("LIST", list);
    if !matches!(mischief, Mischief::Headers | Mischief::OneHeader) {
        near.write_all(if mischief.is_packed() { b"content-encoding: gzip\r\n\r\n" } else { b"\r\n" })?;
    }
    if !mischief.is_packed() {
        near.write_all(begins.as_bytes())?;
        loop {
            near.write_all(&for_ever)?;
        }
    }
    near.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?;
    near.write_all(&deflated(begins.as_bytes()))?;
    let for_ever = deflated(&for_ever);
    loop {
        near.write_all(&for_ever)?;
    }
}

/// A block that depends on nothing before it, so that it can be sent over and over.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1_024);
    let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
    compress.compress_vec(bytes, &mut out, flate2::FlushCompress::Full).unwrap();
    out
}

#[test]
fn no_answer_makes_the_daemon_large() {
    let sim = Sim::of(Size {
        people: 6,
        projects: 6,
        archived_projects: 0,
        project_keys: 24,
        admin_keys: 4,
        den_keys: 12,
        ..Size::members(6, 2)
    });
    let front = Front::before(sim.address());
    let settings = Settings { schedule: far_off(), braintrust: Some("listing = 'header'"), ..Settings::default() };
    let site = Site::new(&sim, &settings);
    site.edit(&format!("http://{}", sim.address()), &format!("http://{}", front.address));
    let daemon = site.daemon();
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    ctl(&site, &["poll"]).ended(0);
    let present = site.presences();
    let quiet = peak();
    let mut peaks = vec![format!("nothing wrong: {quiet} KiB")];
    front.awake.store(true, Ordering::Relaxed);
    for (number, mischief) in ALL.iter().enumerate() {
        front.mischief.store(number, Ordering::Relaxed);
        let polled = ctl(&site, &["poll"]).ended(69);
        let reason =
            if matches!(mischief, Mischief::Nothings | Mischief::GzipNothings) { "too_many_items: " } else { "too_large: " };
        let reason = if matches!(mischief, Mischief::Deep) { "malformed: " } else { reason };
        assert!(polled.stdout.contains(reason), "{mischief:?}: {}", polled.stdout);
        // Each list once: what is too large does not become smaller.
        let done = front.done.swap(0, Ordering::Relaxed);
        assert!((13..=16).contains(&done), "{mischief:?}: {done} answers\n{}", polled.stdout);
        peaks.push(format!("{mischief:?}: {} KiB", peak()));
        assert!(peak() <= MOST, "{peaks:#?}");
    }
    front.awake.store(false, Ordering::Relaxed);
    ctl(&site, &["poll"]).ended(0);
    assert_eq!(site.presences(), present);
    daemon.stop().ended(0);
}

/// As where a limit is met: it is ended for it at whatever place it has come to, or SQLite is and the poll fails. Nothing is lost, and
/// the next one goes on.
#[test]
fn a_daemon_that_runs_out_of_memory_loses_nothing() {
    let sim = Sim::of(Size { projects: 3, archived_projects: 0, project_keys: 3_000, ..Size::demo() });
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&["--account", DEN]).ended(0);
    let (mut known, mut ended) = (site.presences(), 0);
    // In KiB, beyond what it has when it is ready.
    for spare in [0, 256, 512, 1_024, 1_536, 2_048, 3_072, 4_096] {
        sim.beat();
        let daemon = site.daemon();
        let id = daemon.process.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
        let has: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        let mut limit = Command::new("prlimit");
        limit.args(["--pid", &id.to_string(), &format!("--data={}", (has + spare) << 10)]);
        Running::start(limit, "util-linux").finish(PATIENCE).ended(0);
        let polled = ctl(&site, &["poll"]);
        // Where it still runs, a stop may be what finds no memory.
        daemon.process.signal(Signal::KILL);
        daemon.process.finish(PATIENCE);
        ended += u32::from(polled.code != Some(0));
        site.run("db", &["check"]).ended(0);
        let kept = site.presences();
        let lost = known.keys().filter(|key| !kept.contains_key(*key)).count();
        assert_eq!(lost, 0, "{spare} KiB");
        known = kept;
    }
    assert!(ended > 1, "no more than {ended} had too little of it");
    let daemon = site.daemon();
    ctl(&site, &["poll"]).ended(0);
    daemon.stop().ended(0);
    assert!(site.presences().values().filter(|presence| *presence == "present").count() > 3_000);
}
