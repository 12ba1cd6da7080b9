//! The real program among strangers: where it listens, what a flood of them costs, and that whoever looks changes nothing.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::listener::House;
use crate::process::{PATIENCE, Running, eventually, get};
use crate::support::{Daemon, Settings, Sim, Site, far_off, lacks_root};

/// Sockets of `/proc/…/net/tcp` that listen: addresses as the kernel writes them.
fn listening(daemon: &Daemon) -> Vec<String> {
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/net/{file}", daemon.process.id())).unwrap();
    let tables = [of("tcp"), of("tcp6")].concat();
    let sockets = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    sockets.filter(|fields| fields.get(3) == Some(&"0A")).map(|fields| fields[1].to_owned()).collect()
}

#[test]
fn without_a_word_of_it_the_daemon_listens_on_this_machine_alone() {
    if lacks_root("give the daemon a network of its own, in which its port is free") {
        return;
    }
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.edit("[web]\nlisten = \"127.0.0.1:0\"\n", "");
    let mut alone = Command::new("unshare");
    alone.args([
        "--net",
        "/bin/sh",
        "-c",
        "ip link set lo up && exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_keymuster"),
        "run",
        "--config",
    ]);
    alone.arg(site.config()).env("TMPDIR", site.path("tmp"));
    let daemon = Daemon::started(Running::start(alone, "util-linux"));
    assert_eq!(daemon.address.to_string(), "127.0.0.1:10847");
    // 127.0.0.1 and 10847 as the kernel writes them.
    assert_eq!(listening(&daemon), ["0100007F:2A5F"]);
    daemon.stop().ended(0);
}

#[test]
fn a_thousand_scrapes_and_pages_ask_no_provider_and_write_nothing() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
    let log = site.path("inventory.db-wal");
    let state = || (std::fs::read(site.inventory()).unwrap(), std::fs::read(&log).unwrap(), sim.requests());
    // What a start does is over once nothing has moved for a while.
    let before = eventually("the end of the start", PATIENCE, || {
        let before = state();
        std::thread::sleep(Duration::from_secs(2));
        (state() == before).then_some(before)
    });
    let pages = [
        "/",
        "/keys",
        "/keys?q=a&sort=-created",
        "/owners",
        "/accounts",
        "/accounts/acme-den",
        "/changes",
        "/policy",
        "/keys.csv",
        "/keys.json",
        "/readyz",
        "/api/v1/keys",
        "/api/v1/changes",
        "/api/v1/accounts",
        "/api/v1/scopes",
        "/api/v1/owners",
        "/api/v1/openapi.json",
        "/none",
    ];
    for (number, page) in (0..500).zip(pages.into_iter().cycle()) {
        assert_eq!(get(daemon.address, "/metrics").unwrap().status, 200, "scrape {number}");
        let status = get(daemon.address, page).unwrap().status;
        assert_eq!(status, if page == "/none" { 404 } else { 200 }, "{page}");
    }
    let after = state();
    assert!(after.0 == before.0, "the inventory was written");
    assert!(after.1 == before.1, "its log was written");
    assert_eq!(after.2, before.2, "a provider was asked");
    daemon.stop().ended(0);
}

/// A number of `/proc/…/status`, in KiB.
fn memory(daemon: &Daemon, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("no {field}: {status}"));
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn five_hundred_who_say_nothing_cost_little_and_keep_a_scrape_out_for_seconds_at_most() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let daemon = site.daemon();
    assert_eq!(get(daemon.address, "/metrics").unwrap().status, 200);
    let flood: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect_timeout(&daemon.address, PATIENCE).unwrap();
            // Who finds no place may be gone already.
            drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: "));
            stream
        })
        .collect();
    // Served or told at once that there is no room.
    let mut took: Vec<Duration> = (0..21)
        .map(|_| {
            let began = Instant::now();
            let status = get(daemon.address, "/metrics").map(|answer| answer.status);
            assert!(matches!(status, Some(200 | 503) | None), "{status:?}");
            began.elapsed()
        })
        .collect();
    took.sort();
    assert!(took[10] < Duration::from_secs(1), "{took:?}");
    let most = memory(&daemon, "VmHWM");
    assert!(most < 64 * 1_024, "{most} KiB at most");
    // They do not keep their places, though none of them has gone.
    eventually("a scrape beside them", Duration::from_secs(60), || {
        get(daemon.address, "/metrics").filter(|answer| answer.status == 200)
    });
    drop(flood);
    daemon.stop().ended(0);
}

/// bcrypt of nothing that anybody knows, of a cost that takes many times as long as curl to start.
const DEAR: &str = "$2b$08$VLjjMDO2/iKHtWgvMAnC.e1NjBCVJ3dCrOM2VXRJE8VJ/lbQO1i6W";

#[test]
fn an_unknown_name_is_refused_as_slowly_as_a_wrong_password() {
    let house = House::new(&format!("basic_auth_users:\n  scraper: {DEAR}\n"));
    let daemon = house.site.daemon();
    let median = |who: &dyn Fn(usize) -> String| {
        let mut took: Vec<Duration> = (0..7)
            .map(|number| {
                let began = Instant::now();
                assert_eq!(house.status(&daemon, "http", &["--user", &who(number)]), "401");
                began.elapsed()
            })
            .collect();
        took.sort();
        took[3]
    };
    let known = median(&|number| format!("scraper:wrong {number}"));
    let unknown = median(&|number| format!("nobody{number}:wrong"));
    let nameless = median(&|_| String::from(":"));
    for (what, other) in [("an unknown name", unknown), ("no name", nameless)] {
        let (less, more) = (known.min(other), known.max(other));
        assert!(more < less * 2, "{what} takes {other:?}, a wrong password {known:?}");
    }
    daemon.stop().ended(0);
}
