//! Names that attack whoever shows them: on the way from the provider through every output, none of them changes the shape of a
//! page, a table, a file, a log line or a label.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use keymuster::clock::Clock;
use keymuster::sim::{Happening, Size};
use serde_json::Value;

use crate::process::{PATIENCE, Running, get};
use crate::support::{BRAINTRUST, DEN, Daemon, OPENAI, PROJECT_KEYS, Settings, Sim, Site, log_events, text};
use crate::terminal::{on_terminal, without_colours};

const SHORT: &[&str] = &[
    "\"quoted\" 'and' `so`",
    "a\",\"b\",\"c",
    "<script>alert(1)</script>",
    "</td></tr></table></main><h1>gone",
    "<img src=x onerror=alert(1)>",
    "\" autofocus onfocus=\"alert(1)",
    "' style='position:fixed",
    "&lt;b&gt; &amp;amp; &#x27;",
    "{{7*7}} {% raw %} ${7*7} <%= 7 %>",
    "=HYPERLINK(\"http://x.example\";\"y\")",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "\u{ff1d}1+1",
    "|=1+1",
    "line\nbreak",
    "a\r\n\r\nHTTP/1.1 200 OK",
    "nul\u{0}nul",
    "\u{1b}[31mred\u{1b}[2J\u{7}\u{8}",
    "\u{9b}2J\u{85}next",
    "\u{1b}]8;;http://x.example\u{1b}\\link",
    "\u{202e}txt.drowssap",
    "\u{2066}isolated\u{2069} \u{200f}",
    "zero\u{200b}\u{200c}\u{200d}width\u{feff}\u{2060}\u{61c}\u{200e}private\u{e000}\u{f8ff}",
    "line\u{2028}paragraph\u{2029}",
    "tag\u{e0041}\u{e0042}",
    "a | b | c \\| d",
    "**bold** [x](javascript:alert(1)) <!-- -->",
    "| --- |",
    "\\",
    "\\u003cb\\u003e \\x1b \\n",
    "'; DROP TABLE key;--",
    "%00%2F..%2F..",
    "../../etc/passwd",
    "#?&=+;/",
    "x\",account=\"other\",y=\"",
    "}\nkeymuster_up 1",
    "",
    " ",
    "\u{a0}\u{3000}",
    "z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}",
    "👩‍👩‍👧‍👦🔑",
    "漢字かな交じり文",
    "شركة המפתח",
    "null",
    "NaN",
    "\u{ff0b}1+1",
    "\u{ff0d}1+1",
    "\u{ff20}SUM(A1)",
];

/// Those, and some that are ten thousand characters long.
fn names() -> Vec<String> {
    let long =
        ["long name ", "<b>\"|\n", "é\u{202e}", "\u{1b}[2J=", "漢"].map(|piece| piece.repeat(10_000 / piece.chars().count()));
    SHORT.iter().map(|name| (*name).to_owned()).chain(long).collect()
}

/// The same keys twice: in an inventory that knows them by plain names, and in one of hostile names.
struct Twins {
    plain: Site,
    hostile: Site,
}

impl Twins {
    fn polled() -> (Sim, Self) {
        let sim = Sim::of(Size { people: 40, projects: 12, project_keys: 90, den_keys: 30, ..Size::demo() });
        let tables = "[policy]\nmax_age = \"60d\"\nignore = []\n[metrics]\nper_key = \"all\"\n";
        let settings = || Settings { tables, braintrust: Some("listing = 'auto'"), ..Settings::default() };
        let twins = Self { plain: Site::new(&sim, &settings()), hostile: Site::new(&sim, &settings()) };
        // One after the other: side by side they end in another order each time, and so do the newest changes.
        let poll = |site: &Site| {
            for account in [BRAINTRUST, DEN, OPENAI] {
                site.poll(&["--account", account]).ended(0);
            }
        };
        poll(&twins.plain);
        poll(&twins.hostile);
        // Something for the history of both.
        for what in [Happening::MadeAdmin, Happening::MadeDen, Happening::MadeMember, Happening::Disabled] {
            sim.change(|world| world.happen(what, 0, Clock::system().now())).unwrap();
        }
        let plain = ["one plain name", "another"].map(str::to_owned).to_vec();
        for (site, names) in [(&twins.plain, plain), (&twins.hostile, names())] {
            sim.change(|world| world.name_all(&names.iter().map(String::as_str).collect::<Vec<_>>()));
            poll(site);
        }
        (sim, twins)
    }

    /// What both say to the same question.
    fn say(&self, command: &str, more: &[&str]) -> [String; 2] {
        [&self.plain, &self.hostile].map(|site| {
            let said = site.run(command, more).ended(0);
            is_calm(&said.all(), &format!("{command} {more:?}"));
            said.stdout
        })
    }
}

/// What no line may hold: controls, and what hides or turns text.
fn is_calm(text: &str, what: &str) {
    let wild = |c: &char| {
        let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
        (c.is_control() && *c != '\n') || turns || matches!(c, '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e007f}')
    };
    let found: BTreeSet<char> = text.chars().filter(wild).collect();
    assert!(found.is_empty(), "{what} holds {found:?}");
}

/// Rows of a CSV file, none of which a spreadsheet reads as a formula.
fn csv_rows(file: &str, what: &str) -> Vec<usize> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.as_bytes());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        for cell in &row {
            let formula = cell.starts_with(['=', '+', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
            let negative = cell.starts_with('-') && cell.parse::<f64>().is_err();
            assert!(!formula && !negative, "{what}: {cell}");
        }
        row.len()
    });
    rows.collect()
}

/// The fields of each row.
fn json_rows(text: &str) -> Vec<BTreeSet<String>> {
    let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    rows.into_iter().map(|row| row.into_iter().map(|(field, _)| field).collect()).collect()
}

/// The elements of a page with their attributes, whatever their order; and where its links lead.
fn elements(page: &str) -> (Vec<String>, BTreeSet<String>) {
    let mut links = BTreeSet::new();
    let mut elements = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("an element without an end: {tag}"));
        let mut parts = tag.split('"');
        let mut element = String::new();
        while let Some(name) = parts.next() {
            element.push_str(name);
            if let (Some(value), true) = (parts.next(), name.ends_with(" href=")) {
                links.insert(value.replace("&#38;", "&").replace("&amp;", "&"));
            }
        }
        elements.push(element);
    }
    elements.sort();
    (elements, links)
}

fn body(daemon: &Daemon, path: &str) -> String {
    let answer = get(daemon.address, path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    is_calm(&answer.body, path);
    answer.body
}

#[test]
fn hostile_names_change_the_shape_of_no_command() {
    let (_sim, twins) = Twins::polled();
    let distinct = twins.hostile.value("SELECT count(DISTINCT name) FROM keys");
    assert!(distinct.as_i64().unwrap() > 35, "only {distinct} names arrived");
    for command in ["keys", "findings", "owners", "changes"] {
        let [plain, hostile] = twins.say(command, &[]);
        assert_eq!(plain.lines().count(), hostile.lines().count(), "{command}: {hostile}");
        let [plain, hostile] = twins.say(command, &["--format", "csv"]);
        assert_eq!(csv_rows(&plain, command), csv_rows(&hostile, command), "{command}: {hostile}");
        assert_eq!(csv_rows(&hostile, command).iter().collect::<BTreeSet<_>>().len(), 1, "{command}: columns differ");
        let [plain, hostile] = twins.say(command, &["--format", "json"]);
        assert_eq!(json_rows(&plain), json_rows(&hostile), "{command}");
        let [plain, hostile] = twins.say(command, &["--format", "markdown"]);
        let cells = |table: &str| -> Vec<usize> {
            let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            table.lines().map(bars).collect()
        };
        assert_eq!(cells(&plain), cells(&hostile), "{command}: {hostile}");
    }
    for key in twins.hostile.sql("SELECT account || '/' || key_id AS key FROM keys WHERE account = 'acme-openai' LIMIT 12") {
        let [plain, hostile] = twins.say("explain", &[&text(&key, "key")]);
        assert_eq!(plain.lines().count(), hostile.lines().count(), "{hostile}");
    }
    // A file that is opened by others, with more columns.
    let [plain, hostile] = ["plain", "hostile"].map(|name| {
        let site = if name == "plain" { &twins.plain } else { &twins.hostile };
        let out = site.path("evidence");
        site.run("report", &["--from", "2d", "--out", out.to_str().unwrap()]).ended(0);
        out
    });
    for file in std::fs::read_dir(&hostile).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let [plain, hostile] =
            [&plain, &hostile].map(|folder: &std::path::PathBuf| std::fs::read_to_string(folder.join(&name)).unwrap());
        is_calm(&hostile, &name);
        match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
            Some("csv") => assert_eq!(csv_rows(&plain, &name), csv_rows(&hostile, &name), "{name}"),
            Some("json") if name != "summary.json" => assert_eq!(json_rows(&plain), json_rows(&hostile), "{name}"),
            Some("html") => assert_eq!(elements(&plain).0, elements(&hostile).0, "{name}"),
            _ => {}
        }
    }
}

/// What a terminal may be told beside text: colours, and to write over the line of progress.
fn is_calm_on_a_terminal(shown: &str, what: &str) {
    for sequence in shown.split('\u{1b}').skip(1) {
        let colour = sequence
            .split_once('m')
            .is_some_and(|(code, _)| code.starts_with('[') && code[1..].bytes().all(|b| b.is_ascii_digit() || b == b';'));
        assert!(colour || sequence.starts_with("[K"), "{what}: ESC {:?}", sequence.chars().take(20).collect::<String>());
    }
    is_calm(&without_colours(&shown.replace("\u{1b}[K", "")), what);
}

#[test]
fn hostile_names_are_text_to_a_terminal_too() {
    let (_sim, twins) = Twins::polled();
    let ids = twins.hostile.sql("SELECT account, key_id FROM keys WHERE presence <> 'gone'");
    let of_one = text(&ids[0], "key_id");
    for columns in [70, 120, 400] {
        for command in [
            vec!["keys"],
            vec!["findings"],
            vec!["owners"],
            vec!["changes"],
            vec!["explain", &of_one],
            vec!["policy", "test"],
            vec!["poll"],
        ] {
            let what = format!("{command:?} at {columns} columns");
            let shown = on_terminal(&twins.hostile, columns, "TERM=xterm", &command).ended(0).stdout;
            is_calm_on_a_terminal(&shown, &what);
            if command[0] == "keys" {
                // No name has taken a row's id away, or written over it.
                let missing = ids.iter().map(|row| text(row, "key_id")).find(|id| shown.matches(id.as_str()).count() == 0);
                assert_eq!(missing, None, "{what}");
            }
        }
    }
}

/// Commands that tell of projects, members, organisations and waivers rather than of keys.
#[test]
fn hostile_names_change_the_shape_of_no_report_either() {
    let (sim, twins) = Twins::polled();
    // Names stand in a report where a list fails.
    sim.faults(&format!("http_500 on {PROJECT_KEYS}"));
    for site in [&twins.plain, &twins.hostile] {
        let told = site.poll(&["--account", OPENAI]).ended(69);
        is_calm(&told.all(), "poll");
        let named = told
            .stdout
            .lines()
            .filter(|line| line.contains("http_status") || line.contains("server_error") || line.contains("500"))
            .count();
        assert!(named > 0, "no list is told of: {}", told.stdout);
    }
    sim.faults("");
    let lines = |said: [String; 2], what: &str| {
        let [plain, hostile] = said.map(|said| said.lines().count());
        assert_eq!(plain, hostile, "{what}");
    };
    lines(twins.say("poll", &[]), "poll");
    lines(twins.say("check", &[]), "check");
    for site in [&twins.plain, &twins.hostile] {
        site.edit("max_age = \"60d\"", "max_age = \"1d\"");
    }
    for format in ["table", "csv", "json", "markdown"] {
        let said = [&twins.plain, &twins.hostile].map(|site| {
            let config = site.config();
            let said = site
                .start(&["policy", "test", "--config", config.to_str().unwrap(), "--format", format])
                .finish(PATIENCE)
                .ended(0);
            is_calm(&said.all(), "policy test");
            said.stdout
        });
        match format {
            "csv" => assert_eq!(csv_rows(&said[0], "policy test"), csv_rows(&said[1], "policy test")),
            "json" => assert_eq!(json_rows(&said[0]), json_rows(&said[1])),
            _ => lines(said, "policy test"),
        }
    }
    for view in ["keys", "people", "scopes", "walks", "changes", "accounts"] {
        let [plain, hostile] = twins.say("db", &["export", "--view", view, "--format", "csv"]);
        assert_eq!(csv_rows(&plain, view).iter().collect::<BTreeSet<_>>(), csv_rows(&hostile, view).iter().collect(), "{view}");
        let [_, hostile] = twins.say("db", &["export", "--view", view]);
        assert!(!json_rows(&hostile).is_empty(), "{view}");
    }
    lines(twins.say("db", &["check"]), "db check");
    for person in twins.hostile.sql("SELECT person_id FROM people LIMIT 40") {
        let told = twins.hostile.run("forget", &[&text(&person, "person_id")]);
        is_calm(&told.all(), "forget");
    }

    let daemon = twins.hostile.daemon();
    for command in [vec!["ctl", "--config", "keymuster.toml", "status"], vec!["ctl", "--config", "keymuster.toml", "poll"]] {
        let told = twins.hostile.start(&command).finish(PATIENCE);
        assert!(matches!(told.code, Some(0 | 69)), "{command:?}: {}", told.all());
        is_calm(&told.all(), "ctl");
    }
    is_calm(&daemon.stop().ended(0).stderr, "the log");
}

#[test]
fn hostile_names_change_the_shape_of_no_page_label_or_log_line() {
    let (_sim, twins) = Twins::polled();
    let (plain, hostile) = (twins.plain.daemon(), twins.hostile.daemon());
    let keys = twins.hostile.sql("SELECT account, key_id FROM keys");
    let key_pages = keys.iter().map(|key| format!("/keys/{}/{}", text(key, "account"), text(key, "key_id")));
    let pages = ["/", "/keys", "/keys?sort=name", "/owners", "/accounts", "/changes", "/policy"].map(str::to_owned);
    let of_accounts = [format!("/accounts/{OPENAI}")];
    let mut links = BTreeSet::new();
    for path in pages.into_iter().chain(of_accounts).chain(key_pages) {
        let (before, _) = elements(&body(&plain, &path));
        let (after, found) = elements(&body(&hostile, &path));
        if path != "/keys?sort=name" {
            assert_eq!(before, after, "{path}");
        }
        links.extend(found);
    }
    // Names stand in links as well: each leads somewhere.
    let own: Vec<&String> = links.iter().filter(|link| link.starts_with('/')).collect();
    assert!(own.iter().any(|link| link.contains("onerror%3Dalert")), "{own:?}");
    own.iter().for_each(|link| drop(body(&hostile, link)));

    for path in ["/keys.csv", "/keys.json", "/api/v1/keys?limit=1000", "/api/v1/owners?limit=1000", "/api/v1/changes?limit=1000"]
    {
        let [plain, hostile] = [&plain, &hostile].map(|daemon| body(daemon, path));
        if path.ends_with("csv") {
            assert_eq!(csv_rows(&plain, path), csv_rows(&hostile, path), "{path}");
            continue;
        }
        let rows = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            json_rows(&value.get("items").unwrap_or(&value).to_string())
        };
        assert_eq!(rows(&plain), rows(&hostile), "{path}");
    }

    let series = |daemon: &Daemon| {
        let text = body(daemon, "/metrics");
        let lines = text.lines().filter(|line| line.starts_with("keymuster_key_"));
        let names = lines.map(|line| {
            let plain = line.replace("\\\\", "").replace("\\\"", "");
            let mut parts: Vec<&str> = plain.split('"').step_by(2).collect();
            parts.pop();
            parts.concat()
        });
        (names.collect::<Vec<_>>(), text)
    };
    let ((plain_series, _), (hostile_series, text)) = (series(&plain), series(&hostile));
    assert!(plain_series.len() > 100 && plain_series == hostile_series, "{} and {}", plain_series.len(), hostile_series.len());
    let file = twins.hostile.path("metrics");
    std::fs::write(&file, text).unwrap();
    let mut checked = Command::new("sh");
    checked.args(["-c", "promtool check metrics <\"$0\""]).arg(&file);
    Running::start(checked, "prometheus").finish(PATIENCE).ended(0);

    for daemon in [plain, hostile] {
        let log = daemon.stop().ended(0).stderr;
        assert!(log_events(&log).len() > 1);
        is_calm(&log, "the log");
    }
}
