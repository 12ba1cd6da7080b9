//! No secret leaves the program: not in output, log or files, and not in another spelling.

use keymuster::sim::{INVITE_TOKEN, LEAKED_SECRET, Size};

use crate::process::{PATIENCE, eventually, get};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, log_events};

fn base64(bytes: &[u8], letters: &[u8; 64]) -> String {
    let mut out = String::new();
    for three in bytes.chunks_exact(3) {
        let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        out.extend([18, 12, 6, 0].map(|shift| char::from(letters[(number >> shift & 63) as usize])));
    }
    out
}

/// Every spelling of a secret that somebody could write down without meaning to.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut safe = *letters;
    safe[62..].copy_from_slice(b"-_");
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let percent: String = bytes.iter().map(|b| format!("%{b:02X}")).collect();
    let escaped: String =
        bytes.iter().map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { format!("%{b:02X}") }).collect();
    let mut all = vec![secret.to_owned(), hex.to_uppercase(), hex, percent, escaped];
    // Wherever it stands in what was encoded, one of three ways shows its middle.
    all.extend((0..3).flat_map(|skip| [letters, &safe].map(|letters| base64(&bytes[skip..], letters))));
    // A part of it is a secret too.
    all.push(secret[8..secret.len() - 4].to_owned());
    all.push(secret.chars().rev().collect());
    all.into_iter().map(String::into_bytes).collect()
}

/// The first two bytes as a number.
fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

struct Canaries {
    /// Each secret in each spelling.
    spelt: Vec<(String, Vec<u8>)>,
    /// Whether one begins with those two bytes: most of what is searched is passed over at a glance.
    begun: Vec<bool>,
}

impl Canaries {
    fn of(sim: &Sim) -> Self {
        let secrets = [
            sim.openai_credential(),
            sim.den_session(),
            sim.den_session_elsewhere(),
            sim.den_api_key(),
            INVITE_TOKEN,
            LEAKED_SECRET,
        ];
        let of =
            |secret: &&str| spellings(secret).into_iter().map(|spelling| ((*secret).to_owned(), spelling)).collect::<Vec<_>>();
        let spelt: Vec<(String, Vec<u8>)> = secrets.iter().flat_map(of).collect();
        let mut begun = vec![false; 1 << 16];
        for (_, spelling) in &spelt {
            begun[start(spelling)] = true;
        }
        Self { spelt, begun }
    }

    fn first_in(&self, bytes: &[u8]) -> Option<&str> {
        let found = |at: usize| self.spelt.iter().find(|(_, spelling)| bytes[at..].starts_with(spelling));
        let mut candidates = (0..bytes.len().saturating_sub(1)).filter(|at| self.begun[start(&bytes[*at..])]);
        candidates.find_map(found).map(|(secret, _)| secret.as_str())
    }

    #[track_caller]
    fn sing_not_in(&self, what: &str, bytes: &[u8]) {
        if let Some(secret) = self.first_in(bytes) {
            panic!("{what} holds {secret}, in some spelling");
        }
    }

    /// All that the program wrote into its folder; the credentials that we put there are left out.
    #[track_caller]
    fn sing_not_in_files(&self, site: &Site) -> Vec<String> {
        let mut read = Vec::new();
        let mut folders = vec![site.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() && name != "openai-key" && name != "den-session" {
                    // What is gone by now, as a scratch file of SQLite may be, holds nothing.
                    let Ok(bytes) = std::fs::read(&path) else { continue };
                    self.sing_not_in(&name, &bytes);
                    read.push(name);
                }
            }
        }
        read
    }
}

#[test]
fn the_search_finds_every_spelling() {
    let sim = Sim::small();
    let canaries = Canaries::of(&sim);
    for secret in [LEAKED_SECRET, sim.den_session()] {
        for spelling in spellings(secret) {
            let text = [b"x = ", spelling.as_slice(), b" and more"].concat();
            assert_eq!(canaries.first_in(&text), Some(secret));
        }
    }
    assert_eq!(canaries.first_in(b"[secret-like text removed]"), None);
}

#[test]
fn no_secret_is_in_any_output_log_or_file() {
    // With names that people wrote without mercy.
    let sim = Sim::of(Size::demo());
    let settings = Settings {
        schedule: "* * * * * *".to_owned(),
        log: "format = \"json\"\nlevel = \"trace\"",
        tables: "[limits]\nretries = 1",
        ..Settings::default()
    };
    let site = Site::new(&sim, &settings);
    let canaries = Canaries::of(&sim);
    sim.faults("secret_name");
    for command in ["check", "poll"] {
        let finished = site.run(command, &[]).ended(0);
        canaries.sing_not_in(command, finished.all().as_bytes());
    }
    assert!(site.count("keys WHERE name LIKE '%[secret-like text removed]%'") > 0, "no secret was leaked to begin with");
    canaries.sing_not_in_files(&site);

    let daemon = site.daemon();
    let mut files = Vec::new();
    // Refusals and broken answers, which tempt to show what came.
    for fault in [
        "secret_name",
        "unauthorized",
        "forbidden",
        "not_found",
        "cut_json",
        "cut_body",
        "bad_item",
        "html_200",
        "redirect",
        "wrong_org",
        "http_500",
        "missing_field:id",
        "",
    ] {
        sim.faults(fault);
        let asked = || (sim.asked("/organization/projects"), sim.asked("/v1/org"));
        let before = asked();
        eventually("polls under that fault", PATIENCE, || {
            let now = asked();
            (now.0 > before.0 && now.1 > before.1).then_some(())
        });
        files.extend(canaries.sing_not_in_files(&site));
        for page in ["/", "/metrics", "/healthz", "/readyz", "/no-such-page"] {
            let answer = get(daemon.address, page).unwrap_or_else(|| panic!("{page} did not answer under {fault}"));
            canaries.sing_not_in(page, format!("{}\n{}", answer.head, answer.body).as_bytes());
        }
    }
    assert!(files.iter().any(|name| name == "inventory.db-wal"), "the log of the database was not there to be read: {files:?}");
    let finished = daemon.stop().ended(0);
    canaries.sing_not_in("the daemon's output", finished.all().as_bytes());
    canaries.sing_not_in_files(&site);
    let events = log_events(&finished.stderr);
    assert!(events.len() > 20, "{}", finished.stderr);
    assert!(finished.stderr.ends_with('\n') && !finished.stderr.contains("panicked"));
    let failures = events.iter().filter(|event| event["level"] == "WARN").count();
    assert!(failures > 5, "the faults are not in the log: {}", finished.stderr);
}

#[test]
fn one_event_is_one_line_in_the_log_for_people_too() {
    let sim = Sim::of(Size::demo());
    let settings =
        Settings { schedule: "* * * * * *".to_owned(), log: "format = \"text\"\nlevel = \"trace\"", ..Settings::default() };
    let site = Site::new(&sim, &settings);
    sim.faults("bad_item");
    let daemon = site.start(&["run", "--config", site.config().to_str().unwrap()]);
    eventually("polls", PATIENCE, || {
        (site.inventory().exists() && daemon.stderr().matches("item_refused").count() > 3).then_some(())
    });
    daemon.signal(rustix::process::Signal::TERM);
    let finished = daemon.finish(PATIENCE).ended(0);
    for line in finished.stderr.lines() {
        let time = line.split_whitespace().next().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "a line without a time: {line}");
        let level = line.split_whitespace().nth(1).unwrap_or_default();
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        assert!(!line.contains('\u{1b}'), "colours in a file: {line}");
    }
    assert!(finished.stderr.contains(OPENAI) && finished.stderr.contains(DEN));
}
