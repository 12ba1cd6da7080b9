//! No secret leaves the program: not in output, log or files, and not in another spelling.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use keymuster::clock::Clock;
use keymuster::sim::{Happening, Size, UNASKED_SECRET};

use rustix::process::Signal;

use crate::canaries::Canaries;
use crate::control::ctl;
use crate::process::{PATIENCE, eventually, get};
use crate::receiver::Receiver;
use crate::support::{BRAINTRUST, DEN, OPENAI, Settings, Sim, Site, far_off, lacks_root, log_events};
use crate::systemd::{Listener, journalled};

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
    let told = ["findings", "changes", "owners"].map(|command| vec![command, "--format", "json"]);
    let others =
        [vec!["policy", "test"], vec!["report", "--from", "1d", "--out", "evidence"], vec!["db", "export"], vec!["db", "check"]];
    keys.into_iter().chain(views).chain(told).chain(others).collect()
}

#[test]
fn no_secret_is_in_any_output_log_or_file() {
    // With names that people wrote without mercy.
    let sim = Sim::of(Size::demo());
    let settings = Settings {
        schedule: "* * * * * *".to_owned(),
        braintrust: Some("listing = \"token\""),
        log: "format = \"json\"\nlevel = \"trace\"",
        tables: "[limits]\nretries = 1\n# webhook",
        ..Settings::default()
    };
    let site = Site::new(&sim, &settings);
    let receiver = Receiver::start();
    site.edit("# webhook", &receiver.table(&site, ""));
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
        let leaked = format!(
            "keys WHERE account = '{account}' AND name GLOB '*secret-like text removed #[0-9a-f][0-9a-f][0-9a-f][0-9a-f]*'"
        );
        assert!(site.count(&leaked) > 0, "{account}: no secret was leaked to begin with");
    }
    assert_eq!(
        site.count("keys WHERE coalesce(name, '') || coalesce(owner_name, '') || coalesce(scope_name, '') LIKE '%untagged%'"),
        0
    );
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
        "drop_connection:openai\ngzip_bomb:den:17\nrepeated_page:braintrust",
        "no_has_more:openai\nhtml_502:den",
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
        for page in [
            "/",
            "/keys",
            "/keys.csv",
            "/keys.json",
            "/keys/none/none",
            "/owners",
            "/accounts",
            "/accounts/acme-openai",
            "/changes",
            "/policy",
            "/api/v1/keys?limit=1000",
            "/api/v1/changes?limit=1000",
            "/api/v1/accounts",
            "/api/v1/scopes",
            "/api/v1/owners",
            "/api/v1/none",
            "/metrics",
            "/healthz",
            "/readyz",
            "/no-such-page",
        ] {
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
    sim.change(|world| world.happen(Happening::MadeAdmin, 0, Clock::system().now())).unwrap();
    // The next posts are refused, and told in the log.
    receiver.answer(&[(500, "retry-after: 1\r\n"), (307, "location: http://localhost/?token\r\n")]);
    search(&["ctl", "poll"], None);
    let taken = |receiver: &Receiver| receiver.posts().into_iter().rev().take_while(|post| post.answered == 200).count();
    eventually("the webhook is told once more", PATIENCE, || {
        let posts = receiver.posts();
        (posts.iter().any(|post| post.answered == 307) && taken(&receiver) > 0).then_some(())
    });
    assert!(receiver.taken().iter().any(|(_, what, _)| what == "appeared"), "{:?}", receiver.taken());
    for post in receiver.posts() {
        canaries.sing_not_in("what was posted", format!("{post:?}").as_bytes());
    }
    search(&["webhook", "test"], Some(0));
    for command in printing() {
        search(&command, Some(0));
    }
    search(&["db", "backup", "backup.db"], Some(0));
    let finished = daemon.stop().ended(0);
    canaries.sing_not_in("the daemon's output", finished.all().as_bytes());
    // A cursor may be a secret too, and stands in the query of a URL.
    assert!(!["limit=", "after="].iter().any(|query| finished.all().contains(query)), "{}", finished.stderr);
    let files = canaries.sing_not_in_files(&site);
    assert!(["backup.db", "index.html", "SHA256SUMS"].iter().all(|made| files.iter().any(|name| name == made)), "{files:?}");
    let events = log_events(&finished.stderr);
    assert!(events.len() > 20, "{}", finished.stderr);
    assert!(finished.stderr.ends_with('\n') && !finished.stderr.contains("panicked"));
    let of_level = |level: &str| events.iter().filter(|event| event["level"] == level).count();
    assert!(of_level("WARN") > 5, "the faults are not in the log: {}", finished.stderr);
    assert!(of_level("DEBUG") > 100, "the log does not tell all that it can: {}", finished.stderr);
}

#[test]
fn no_secret_reaches_systemd() {
    if lacks_root("put a journal of its own in the place of the machine's") {
        return;
    }
    let sim = Sim::of(Size::demo());
    let settings = Settings {
        schedule: far_off(),
        braintrust: Some("listing = \"token\""),
        log: "format = \"auto\"\nlevel = \"trace\"",
        ..Settings::default()
    };
    let site = Site::new(&sim, &settings);
    let canaries = Canaries::of(&sim);
    let manager = Listener::at(&site.path("notify"));
    let (run, journal) = journalled(&site, &[("NOTIFY_SOCKET", &site.path("notify"))]);
    manager.hears("READY=1\n");
    for (fault, code) in [(LEAKED_NAMES, 0), ("unauthorized", 69), ("cut_json", 69), ("bad_item", 69)] {
        sim.faults(&with_secrets(fault));
        ctl(&site, &["poll"]).ended(code);
    }
    manager.hears("; not read whole: ");
    site.edit("level = \"trace\"", &format!("level = \"{UNASKED_SECRET}\""));
    ctl(&site, &["reload"]).ended(78);
    manager.hears("; the config was refused");
    run.signal(Signal::TERM);
    let finished = run.finish(PATIENCE).ended(0);
    let told = journal.all();
    assert!(told.len() > 100 && told.iter().any(|entry| entry.contains("KEYMUSTER_REASON=auth\n")), "{told:?}");
    for (whom, told) in [("the journal", told), ("the service manager", manager.all()), ("nobody", vec![finished.all()])] {
        canaries.sing_not_in(whom, told.join("\n").as_bytes());
    }
}

#[test]
fn one_event_is_one_line_in_the_log_for_people_too() {
    let sim = Sim::of(Size::demo());
    let settings =
        Settings { schedule: "* * * * * *".to_owned(), log: "format = \"text\"\nlevel = \"trace\"", ..Settings::default() };
    let site = Site::new(&sim, &settings);
    sim.faults(&with_secrets("bad_item"));
    let daemon = site.start(&["run", "--config", site.config().to_str().unwrap()]);
    eventually("polls", PATIENCE, || {
        (site.inventory().exists() && daemon.stderr().matches("item_refused").count() > 3).then_some(())
    });
    daemon.signal(Signal::TERM);
    let finished = daemon.finish(PATIENCE).ended(0);
    for line in finished.stderr.lines() {
        let time = line.split_whitespace().next().unwrap_or_default();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "a line without a time: {line}");
        let level = line.split_whitespace().nth(1).unwrap_or_default();
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        assert!(!line.contains('\u{1b}'), "colours in a file: {line}");
    }
    assert!(finished.stderr.contains(OPENAI) && finished.stderr.contains(DEN));
    Canaries::of(&sim).sing_not_in("the log", finished.all().as_bytes());
}
