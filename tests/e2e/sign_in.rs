//! Floods of wrong passwords, before anybody has signed in: the right one is let in at its first try, and the log stays short.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::listener::House;
use crate::process::{PATIENCE, eventually};
use crate::support::log_events;

/// At a time: more than there are places, and fewer than a third of the connections, so that three floods leave some.
const GUESSERS: u8 = 20;

/// The status of the answer to somebody at that address of this machine, of which loopback has many; `None` where it was cut off.
async fn status(daemon: SocketAddr, from: [u8; 4], who: &str) -> Option<u16> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::from(from), 0)).unwrap();
    let mut stream = socket.connect(daemon).await.ok()?;
    let who = BASE64_STANDARD.encode(who);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {who}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.ok()?;
    std::str::from_utf8(&answer).unwrap().rsplit(' ').next().unwrap().parse().ok()
}

/// Guessers at work, until it is dropped.
struct Flood {
    looked_at: Arc<Vec<AtomicU64>>,
    turned_away: Arc<AtomicU64>,
    _guessers: JoinSet<()>,
}

impl Flood {
    /// Each guesses without a pause; `of` tells where it is and which name it tries.
    fn start(runtime: &Runtime, daemon: SocketAddr, of: impl Fn(u8) -> ([u8; 4], String)) -> Self {
        let looked_at: Arc<Vec<AtomicU64>> = Arc::new((0..GUESSERS).map(|_| AtomicU64::new(0)).collect());
        let turned_away = Arc::new(AtomicU64::new(0));
        let mut guessers = JoinSet::new();
        for number in 0..GUESSERS {
            let (from, name) = of(number);
            let (looked_at, turned_away) = (Arc::clone(&looked_at), Arc::clone(&turned_away));
            let guesser = async move {
                loop {
                    match status(daemon, from, &format!("{name}:canary-guess")).await {
                        Some(401) => looked_at[usize::from(number)].fetch_add(1, Ordering::Relaxed),
                        Some(503) | None => turned_away.fetch_add(1, Ordering::Relaxed),
                        Some(other) => panic!("a guess was answered by {other}"),
                    };
                }
            };
            guessers.spawn_on(guesser, runtime.handle());
        }
        Self { looked_at, turned_away, _guessers: guessers }
    }

    /// Waits until there is no place for all of them, and so many of them had a turn.
    #[track_caller]
    fn rises(&self, heard: usize) {
        eventually("a flood", PATIENCE, || {
            let had_a_turn = self.looked_at.iter().filter(|looks| looks.load(Ordering::Relaxed) > 0).count();
            (had_a_turn >= heard && self.turned_away.load(Ordering::Relaxed) > 50).then_some(())
        });
    }
}

#[test]
fn a_flood_of_wrong_passwords_keeps_nobody_out_and_is_a_line_a_minute() {
    let users = ["one", "two", "three", "four"];
    // At a cost at which a guess is not over at once.
    let lines = users.map(|name| format!("  {name}: {}\n", bcrypt::hash("correct horse", 7).unwrap()));
    let house = House::new(&format!("basic_auth_users:\n{}", lines.concat()));
    let began = Instant::now();
    let daemon = house.site.daemon();
    let runtime = Runtime::new().unwrap();
    let here = [127, 0, 0, 1];
    let right = |from, name: &str| runtime.block_on(status(daemon.address, from, &format!("{name}:correct horse")));

    // Names that nobody has, from the very address of who signs in.
    let flood = Flood::start(&runtime, daemon.address, |number| (here, format!("canary-{number}")));
    flood.rises(2);
    assert_eq!(right(here, "one"), Some(200));
    drop(flood);
    // The name of another user.
    let flood = Flood::start(&runtime, daemon.address, |_| (here, "four".to_owned()));
    flood.rises(2);
    assert_eq!(right(here, "two"), Some(200));
    drop(flood);
    // The very name, from many addresses, each of which has been heard.
    let flood = Flood::start(&runtime, daemon.address, |number| ([127, 0, 0, number + 2], "three".to_owned()));
    flood.rises(usize::from(GUESSERS));
    assert_eq!(right([127, 0, 1, 1], "three"), Some(200));
    drop(flood);

    let log = daemon.stop().ended(0).stderr;
    let told = log_events(&log).into_iter().filter(|event| event["message"].as_str().unwrap().contains("sign in"));
    let told: Vec<_> = told.collect();
    let minutes = began.elapsed().as_secs() / 60;
    assert!((1..=1 + minutes).contains(&(told.len() as u64)), "{} lines in {minutes} minutes: {told:?}", told.len());
    assert!(told[0]["attempts"] == 1 && told[0]["last_from"] == "127.0.0.1", "{}", told[0]);
    assert!(!log.contains("canary"), "{log}");
}
