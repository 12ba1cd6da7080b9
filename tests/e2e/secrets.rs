//! No secret leaves the program: not in output, log or files, and not in another spelling.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use keymuster::sim::{GRANTED_TOKEN_ENDS, GRANTED_TOKEN_STARTS, INVITE_TOKEN, LEAKED_SECRET, Size, UNASKED_SECRET};

use crate::process::{PATIENCE, eventually, get};
use crate::support::{BRAINTRUST, DEN, OPENAI, Settings, Sim, Site, log_events};

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
    all.extend((secret.len() > 20).then(|| secret[8..secret.len() - 4].to_owned()));
    all.push(secret.chars().rev().collect());
    // UTF-16: without the outermost zero either order is the same.
    let wide = bytes.iter().flat_map(|b| [*b, 0]).take(2 * bytes.len() - 1).collect();
    all.into_iter().map(String::into_bytes).chain([wide]).collect()
}

/// The first two bytes as a number.
fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

struct Canaries {
    /// Each secret in each spelling.
    spelt: Vec<(String, Vec<u8>)>,
    /// Which begin with those two bytes: most of what is searched is passed over at a glance.
    begun: Vec<Vec<usize>>,
}

impl Canaries {
    fn of(sim: &Sim) -> Self {
        let secrets = [
            sim.openai_credential(),
            sim.den_session(),
            sim.den_session_elsewhere(),
            sim.den_api_key(),
            sim.braintrust_credential(),
            // The middle of a token is when it ends and whose it is, which is no secret.
            GRANTED_TOKEN_STARTS,
            GRANTED_TOKEN_ENDS,
            INVITE_TOKEN,
            LEAKED_SECRET,
            UNASKED_SECRET,
        ];
        let of =
            |secret: &&str| spellings(secret).into_iter().map(|spelling| ((*secret).to_owned(), spelling)).collect::<Vec<_>>();
        let spelt: Vec<(String, Vec<u8>)> = secrets.iter().flat_map(of).collect();
        let mut begun = vec![Vec::new(); 1 << 16];
        for (nth, (_, spelling)) in spelt.iter().enumerate() {
            begun[start(spelling)].push(nth);
        }
        Self { spelt, begun }
    }

    fn first_in(&self, bytes: &[u8]) -> Option<&str> {
        let found = |at: usize| {
            let mut begun = self.begun[start(&bytes[at..])].iter().map(|nth| &self.spelt[*nth]);
            begun.find(|(_, spelling)| bytes[at..].starts_with(spelling))
        };
        let mut places = 0..bytes.len().saturating_sub(1);
        places.find_map(found).map(|(secret, _)| secret.as_str())
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
                } else if path.is_file() && !["openai-key", "den-session", "braintrust-key"].contains(&name.as_str()) {
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
    for secret in [LEAKED_SECRET, UNASKED_SECRET, sim.den_session(), sim.braintrust_credential(), GRANTED_TOKEN_STARTS] {
        let utf16 = [u16::to_le_bytes, u16::to_be_bytes].map(|order| secret.encode_utf16().flat_map(order).collect::<Vec<u8>>());
        for spelling in spellings(secret).into_iter().chain(utf16) {
            let text = [b"x = ", spelling.as_slice(), b" and more"].concat();
            assert_eq!(canaries.first_in(&text), Some(secret));
        }
    }
    assert_eq!(canaries.first_in(b"[secret-like text removed]"), None);
}

/// Faults under which secrets are everywhere in answers, beside another one.
fn with_secrets(fault: &str) -> String {
    format!("token_exchange\nsecret_fields\n{fault}")
}

/// In every sort of list but that of Braintrust's organisations, whose names decide which is read.
const LEAKED_NAMES: &str = "secret_name:openai\nsecret_name:den\n\
    secret_name:braintrust on /v1/user\nsecret_name:braintrust on /v1/api_key\nsecret_name:braintrust on /v1/service_token";

/// What the daemon answers over its socket, as it comes.
fn over_the_socket(site: &Site, request: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(site.path("inventory.db.ctl")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"{\"answer\":"), "{}", String::from_utf8_lossy(&answer));
    answer
}

/// Every command that prints something of the inventory, beside the daemon or without it.
fn printing() -> Vec<Vec<&'static str>> {
    let keys = ["table", "json", "csv"].map(|format| vec!["keys", "--format", format]);
    // As JSON the export is of all views.
    let views = ["keys", "changes", "scopes"].map(|view| vec!["db", "export", "--view", view, "--format", "csv"]);
    keys.into_iter().chain(views).chain([vec!["db", "export"], vec!["db", "check"]]).collect()
}

#[test]
fn no_secret_is_in_any_output_log_or_file() {
    // With names that people wrote without mercy.
    let sim = Sim::of(Size::demo());
    let settings = Settings {
        schedule: "* * * * * *".to_owned(),
        braintrust: Some("listing = \"token\""),
        log: "format = \"json\"\nlevel = \"trace\"",
        tables: "[limits]\nretries = 1",
        ..Settings::default()
    };
    let site = Site::new(&sim, &settings);
    let canaries = Canaries::of(&sim);
    let search = |command: &[&str], code: Option<i32>| {
        let config = site.config();
        let finished = site.start(&[command, &["--config", config.to_str().unwrap()]].concat()).finish(PATIENCE);
        canaries.sing_not_in(&command.join(" "), finished.all().as_bytes());
        assert!(code.is_none_or(|code| finished.code == Some(code)), "{command:?}: {}", finished.all());
    };
    sim.faults(&with_secrets(LEAKED_NAMES));
    for command in ["check", "poll"] {
        search(&[command], Some(0));
    }
    for account in [OPENAI, DEN, BRAINTRUST] {
        let leaked = format!("keys WHERE account = '{account}' AND name LIKE '%[secret-like text removed #%'");
        assert!(site.count(&leaked) > 0, "{account}: no secret was leaked to begin with");
    }
    assert!(sim.asked("/v1/impersonate") > 0, "no token was exchanged");
    canaries.sing_not_in_files(&site);

    let daemon = site.daemon();
    let mut files = Vec::new();
    // Refusals and broken answers, which tempt to show what came.
    let elsewhere = format!("redirect:/elsewhere?token={UNASKED_SECRET}");
    for fault in [
        LEAKED_NAMES,
        "secret_name",
        "unauthorized",
        "forbidden",
        "not_found",
        "cut_json",
        "cut_body",
        "bad_item",
        "html_200",
        &elsewhere,
        "wrong_org",
        "http_500",
        "missing_field:id",
        "token_of_caller",
        "unauthorized:braintrust on /v1/api_key",
        "",
    ] {
        sim.faults(&with_secrets(fault));
        let asked = || ["/organization/projects", "/v1/org", "/v1/organization"].map(|path| sim.asked(path));
        let before = asked();
        // One may have been under way already, and counts.
        canaries.sing_not_in("the answer to poll", &over_the_socket(&site, r#"{"do":"poll","accounts":[]}"#));
        eventually("polls under that fault", PATIENCE, || {
            before.iter().zip(asked()).all(|(before, now)| now > *before).then_some(())
        });
        files.extend(canaries.sing_not_in_files(&site));
        for page in ["/", "/metrics", "/healthz", "/readyz", "/no-such-page"] {
            let answer = get(daemon.address, page).unwrap_or_else(|| panic!("{page} did not answer under {fault}"));
            canaries.sing_not_in(page, format!("{}\n{}", answer.head, answer.body).as_bytes());
        }
        search(&["check"], None);
        search(&["ctl", "status"], Some(0));
    }
    assert!(files.iter().any(|name| name == "inventory.db-wal"), "the log of the database was not there to be read: {files:?}");
    for request in [r#"{"do":"status"}"#, r#"{"do":"reload"}"#, r#"{"do":"ack","account":"nobody","scope":null,"why":"so"}"#, "?"]
    {
        canaries.sing_not_in(request, &over_the_socket(&site, request));
    }
    search(&["ctl", "poll"], None);
    for command in printing() {
        search(&command, Some(0));
    }
    search(&["db", "backup", "backup.db"], Some(0));
    let finished = daemon.stop().ended(0);
    canaries.sing_not_in("the daemon's output", finished.all().as_bytes());
    let files = canaries.sing_not_in_files(&site);
    assert!(files.iter().any(|name| name == "backup.db"), "{files:?}");
    let events = log_events(&finished.stderr);
    assert!(events.len() > 20, "{}", finished.stderr);
    assert!(finished.stderr.ends_with('\n') && !finished.stderr.contains("panicked"));
    let of_level = |level: &str| events.iter().filter(|event| event["level"] == level).count();
    assert!(of_level("WARN") > 5, "the faults are not in the log: {}", finished.stderr);
    assert!(of_level("DEBUG") > 100, "the log does not tell all that it can: {}", finished.stderr);
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
