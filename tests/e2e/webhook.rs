//! The webhook is told what is new, once, and never what was there before.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use keymuster::clock::Clock;
use keymuster::sim::Happening;
use rustix::process::Signal;
use serde_json::Value;

use crate::control::ctl;
use crate::process::{PATIENCE, eventually, get};
use crate::receiver::{Receiver, SECRET};
use crate::support::{DEN, OPENAI, Settings, Sim, Site, far_off, log_events, text};

/// OpenAI's keys are of a team, Den's of none. A condition that begins by itself while a test runs is not among them.
const TABLES: &str = "# webhook\n[[policy.rules]]\nmatch = { account = \"acme-openai\" }\nlabels = { team = \"platform\" }\n";
const FINDINGS: &str = "findings = [\"stale\", \"overdue\", \"disabled\", \"orphaned\"]";
const PLATFORM: Option<&str> = Some("platform");

struct Told {
    sim: Sim,
    site: Site,
    receiver: Receiver,
}

impl Told {
    fn new() -> Self {
        let sim = Sim::small();
        let site = Site::new(&sim, &Settings { schedule: far_off(), tables: TABLES, ..Settings::default() });
        Self { sim, site, receiver: Receiver::start() }
    }

    fn switch_on(&self) {
        self.site.edit("# webhook", &self.receiver.table(&self.site, &format!("{FINDINGS}\n# end")));
    }

    fn switch_off(&self) {
        let config = std::fs::read_to_string(self.site.config()).unwrap();
        let (before, rest) = config.split_once("[webhook]").unwrap();
        let (_, after) = rest.split_once("# end").unwrap();
        std::fs::write(self.site.config(), format!("{before}# webhook{after}")).unwrap();
    }

    /// Something happens to a key, or makes one, and is polled: its id.
    #[track_caller]
    fn happens(&self, what: Happening, id: Option<&str>) -> String {
        let now = Clock::system().now();
        let of = match id {
            Some(id) => self.sim.change(|world| world.happen_to(what, id, now)).then(|| id.to_owned()),
            None => self.sim.change(|world| world.happen(what, 0, now)).map(|event| event.id),
        };
        ctl(&self.site, &["poll"]).ended(0);
        of.expect("it could happen")
    }

    /// A key of Den that is enabled.
    fn den_key(&self) -> String {
        let sql =
            format!("SELECT key_id FROM keys WHERE account = '{DEN}' AND enabled AND presence = 'present' ORDER BY 1 LIMIT 1");
        text(&self.site.sql(&sql)[0], "key_id")
    }

    /// Nothing was told twice, and nothing but that.
    #[track_caller]
    fn told_only(&self, wanted: &[(Option<&str>, &str, &str)]) {
        let mut told = self.receiver.taken();
        let mut wanted: Vec<_> =
            wanted.iter().map(|(team, what, key)| (team.map(str::to_owned), (*what).to_owned(), (*key).to_owned())).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted);
    }
}

#[test]
fn news_arrives_once_by_team_and_what_was_there_never() {
    let told = Told::new();
    told.switch_on();
    let daemon = told.site.daemon();
    // The first reading of both accounts.
    ctl(&told.site, &["poll"]).ended(0);
    assert!(told.site.count("keys WHERE conditions <> '' AND waived = ''") > 5, "there is nothing to be silent about");
    let den_key = told.den_key();
    // Within one second nobody could say what was there first.
    eventually("the first reading is behind us", PATIENCE, || (told.site.count("told_scope") > 2).then_some(()));

    told.happens(Happening::Disabled, Some(&den_key));
    let admin = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(None, "disabled", &den_key);
    told.receiver.was_told(PLATFORM, "appeared", &admin);
    // As a finding and as a change.
    let news = [(None, "disabled", den_key.as_str()), (None, "disabled", &den_key), (PLATFORM, "appeared", &admin)];
    told.told_only(&news);
    shapes(&told, &den_key);

    // What ended and begins anew is told anew, also by another run; a kill repeats nothing that was taken.
    daemon.process.signal(Signal::KILL);
    drop(daemon);
    let daemon = told.site.daemon();
    told.happens(Happening::Enabled, Some(&den_key));
    told.receiver.was_told(None, "enabled", &den_key);
    told.happens(Happening::Disabled, Some(&den_key));
    eventually("the second time", PATIENCE, || {
        let again = told.receiver.taken().iter().filter(|(_, what, _)| what == "disabled").count();
        (again >= 4).then_some(())
    });
    daemon.stop().ended(0);
    let daemon = told.site.daemon();
    let last = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "appeared", &last);
    let anew: Vec<_> = news
        .iter()
        .copied()
        .chain([(None, "enabled", den_key.as_str()), news[0], news[0], (PLATFORM, "appeared", &last)])
        .collect();
    // Whatever else Den's key is in while it is enabled was told to be so once more.
    let others = told
        .receiver
        .taken()
        .into_iter()
        .filter(|(_, what, key)| *key == den_key && !["disabled", "enabled"].contains(&what.as_str()));
    let others: Vec<_> = others.collect();
    let all: Vec<_> = anew.into_iter().chain(others.iter().map(|(_, what, key)| (None, what.as_str(), key.as_str()))).collect();
    told.told_only(&all);
    assert!(others.len() <= 3, "{others:?}");
    daemon.stop().ended(0);
}

/// The names of what is posted are interface.
fn shapes(told: &Told, den_key: &str) {
    let posts = told.receiver.posts();
    let ids: BTreeSet<&str> = posts.iter().map(|post| post.id()).collect();
    assert_eq!(ids.len(), posts.len(), "each has an id of its own");
    assert!(posts.iter().all(|post| post.path == "/hooks/keys/" && post.headers["user-agent"].starts_with("keymuster/")));
    let bodies: Vec<Value> = posts.iter().map(|post| post.verified()).collect();
    let body = bodies.iter().find(|body| !body["findings"].as_array().unwrap().is_empty()).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(body), ["changes", "findings", "team", "timestamp", "type", "version"]);
    assert_eq!((&body["type"], &body["version"], &body["team"]), (&"news".into(), &1.into(), &Value::Null));
    let finding = &body["findings"][0];
    assert_eq!(names(finding), ["condition", "key", "page", "since"]);
    assert_eq!(finding["page"], format!("/keys/{DEN}/{den_key}"));
    assert!(finding["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    // By the same names as the commands, and as they tell it.
    let listed = told.site.run("keys", &["--format", "json"]).ended(0).stdout;
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let mut key = listed.into_iter().find(|key| key["key_id"] == den_key).unwrap();
    // Another poll may have ended since.
    key["last_seen_at"] = finding["key"]["last_seen_at"].clone();
    assert_eq!(finding["key"], key);
    let changed = told.site.run("changes", &["--format", "json"]).ended(0).stdout;
    let changed: Vec<Value> = serde_json::from_str(&changed).unwrap();
    for change in bodies.iter().flat_map(|body| body["changes"].as_array().unwrap()) {
        let mut change = change.clone();
        assert!(change.as_object_mut().unwrap().remove("page").is_some());
        assert!(changed.contains(&change), "{change}");
    }
}

#[test]
fn what_is_not_taken_is_posted_again_also_by_the_next_run() {
    let told = Told::new();
    told.site.poll(&[]).ended(0);
    told.switch_on();
    // However long it takes to look, it is not taken before the daemon is killed.
    told.receiver.answer(&[(500, ""); 100]);
    let daemon = told.site.daemon();
    let admin = told.happens(Happening::MadeAdmin, None);
    eventually("a refused post", PATIENCE, || (!told.receiver.posts().is_empty()).then_some(()));
    let waiting = |address| get(address, "/metrics").unwrap().body.contains("\nkeymuster_webhook_waiting 1\n");
    eventually("it waits", PATIENCE, || waiting(daemon.address).then_some(()));
    daemon.process.signal(Signal::KILL);
    drop(daemon);

    told.receiver.answer(&[(302, "location: /elsewhere\r\n"), (429, "retry-after: 1\r\n")]);
    let daemon = told.site.daemon();
    told.receiver.was_told(PLATFORM, "appeared", &admin);
    let posts = told.receiver.posts();
    let answered: Vec<u16> = posts.iter().map(|post| post.answered).collect();
    let (before, behind) = answered.split_at(answered.len() - 3);
    assert!(before.iter().all(|status| *status == 500) && behind == [302, 429, 200], "{answered:?}");
    assert!(posts.iter().all(|post| post.path == "/hooks/keys/"), "a redirect was followed");
    assert!(posts.iter().all(|post| (post.id(), &post.body) == (posts[0].id(), &posts[0].body)), "the same, by the same id");
    for post in &posts {
        post.verified();
    }
    told.told_only(&[(PLATFORM, "appeared", &admin)]);
    eventually("nothing waits any more", PATIENCE, || (told.site.count("delivery") == 0).then_some(()));
    let counted = eventually("it is counted", PATIENCE, || {
        let metrics = get(daemon.address, "/metrics").unwrap().body;
        metrics.contains("keymuster_webhook_deliveries_total{result=\"delivered\"} 1\n").then_some(metrics)
    });
    assert!(counted.contains("keymuster_webhook_deliveries_total{result=\"given_up\"} 0\n"));
    eventually("nothing is said to wait", PATIENCE, || {
        let metrics = get(daemon.address, "/metrics").unwrap().body;
        (!metrics.contains("\nkeymuster_webhook_oldest_waiting") && metrics.contains("\nkeymuster_webhook_waiting 0\n"))
            .then_some(())
    });
    daemon.stop().ended(0);
}

#[test]
fn a_finding_that_begins_by_itself_is_told_between_polls() {
    let told = Told::new();
    told.site.poll(&[]).ended(0);
    told.switch_on();
    let daemon = told.site.daemon();
    eventually("what is there was noted", PATIENCE, || (told.site.count("webhook") == 1).then_some(()));
    let key =
        told.site.sql(&format!("SELECT key_id FROM keys WHERE account = '{OPENAI}' AND conditions = '' ORDER BY 1 LIMIT 1"));
    let key = text(&key[0], "key_id");
    // As a policy would that makes it overdue in some seconds.
    let due = Clock::system().now().plus(8);
    told.site.meddle(&format!(
        "UPDATE deadline SET overdue_at = {} WHERE key_id = (SELECT id FROM key WHERE remote_id = '{key}')",
        due.unix()
    ));
    // The daemon has no part in that writing, and counts anew when it writes itself.
    let admin = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "overdue", &key);
    assert!(Clock::system().now() >= due);
    told.receiver.was_told(PLATFORM, "appeared", &admin);
    told.told_only(&[(PLATFORM, "overdue", &key), (PLATFORM, "appeared", &admin)]);
    daemon.stop().ended(0);
}

#[test]
fn whoever_was_switched_off_is_told_nothing_of_the_time_between() {
    let told = Told::new();
    told.site.poll(&[]).ended(0);
    told.switch_on();
    let daemon = told.site.daemon();
    let first = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "appeared", &first);
    told.switch_off();
    ctl(&told.site, &["reload"]).ended(0);
    eventually("nothing is noted any more", PATIENCE, || (told.site.count("webhook") == 0).then_some(()));
    let den_key = told.den_key();
    told.happens(Happening::Disabled, Some(&den_key));
    told.switch_on();
    ctl(&told.site, &["reload"]).ended(0);
    eventually("what is there is noted", PATIENCE, || (told.site.count("webhook") == 1).then_some(()));
    let last = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "appeared", &last);
    told.told_only(&[(PLATFORM, "appeared", &first), (PLATFORM, "appeared", &last)]);

    // A secret that is none is refused with the whole reload: the one before stays in force.
    told.site.secret("webhook-secret", "canary-and-no-secret");
    let refused = ctl(&told.site, &["reload"]).ended(78).all();
    assert!(refused.contains("webhook: ") && !refused.contains("canary-and"), "{refused}");
    let still = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "appeared", &still);
    daemon.stop().ended(0);
}

#[test]
fn a_test_is_posted_on_demand_and_a_wrong_secret_is_refused_with_its_remedy() {
    let told = Told::new();
    let config = told.site.config();
    let test = || told.site.start(&["webhook", "test", "--config", config.to_str().unwrap()]).finish(PATIENCE);
    let none = test().ended(78).stderr;
    assert!(none.contains("there is no webhook"), "{none}");
    told.switch_on();
    assert_eq!(test().ended(0).stdout, "taken: status 200\n");
    let post = &told.receiver.posts()[0];
    assert_eq!(post.verified()["type"], "test");
    told.receiver.answer(&[(403, "")]);
    assert!(test().ended(69).stderr.contains("refused: status 403"));
    let checked = told.site.run("check", &["--offline"]).ended(0).stdout;
    assert!(checked.contains("webhook: http://127.0.0.1:") && !checked.contains(SECRET), "{checked}");

    for wrong in ["canary-and-no-secret", "whsec_Y2FuYXJ5"] {
        told.site.secret("webhook-secret", wrong);
        for command in [vec!["check", "--offline"], vec!["run"], vec!["webhook", "test"]] {
            let refused =
                told.site.start(&[&command[..], &["--config", config.to_str().unwrap()]].concat()).finish(PATIENCE).ended(78);
            let all = refused.all();
            assert!(all.contains("openssl rand -base64 32") && !all.contains(wrong), "{command:?}: {all}");
        }
    }
    assert_eq!(told.receiver.posts().len(), 2, "checking posts nothing");
}

/// That somebody has left whom no list of people ever held is known with the third: of a key of the first reading it is no news.
#[test]
fn who_had_left_before_the_first_reading_is_no_news() {
    let sim = Sim::small();
    let settings = || Settings { schedule: far_off(), tables: TABLES, ..Settings::default() };
    let scout = Site::new(&sim, &settings());
    scout.poll(&[]).ended(0);
    // Of keys of projects the provider says it at once. Whoever has keys at Den may be the one that we sign in as.
    let admins = format!("account = '{OPENAI}' AND kind = 'admin'");
    let others = format!("SELECT owner_email FROM keys WHERE owner_email IS NOT NULL AND (self = 1 OR account = '{DEN}')");
    let of_users =
        format!("{admins} AND owner_kind = 'user' AND owner_email NOT IN ({others}) AND conditions NOT LIKE '%orphaned%'");
    let leaver = scout.sql(&format!("SELECT owner_id FROM keys WHERE {of_users} ORDER BY 1 LIMIT 1"));
    let leaver = text(&leaver[0], "owner_id");
    assert!(sim.change(|world| world.leave(&leaver, Clock::system().now())));

    let told = Told { site: Site::new(&sim, &settings()), sim, receiver: Receiver::start() };
    told.switch_on();
    let daemon = told.site.daemon();
    let theirs = format!("keys WHERE {admins} AND owner_id = '{leaver}' AND conditions LIKE '%orphaned%'");
    // The first reading is that of the start: a poll that is asked for joins it, or comes behind it.
    let unread = "account WHERE id NOT IN (SELECT account_id FROM poll WHERE settled_at IS NOT NULL)";
    eventually("the first reading", PATIENCE, || (told.site.count(unread) == 0).then_some(()));
    assert_eq!(told.site.count(&theirs), 0, "nobody can know it yet");
    ctl(&told.site, &["poll"]).ended(0);
    assert_eq!(told.site.count(&theirs), 0, "nor with the second");
    eventually("the first reading is behind us", PATIENCE, || (told.site.count("told_scope") > 2).then_some(()));
    ctl(&told.site, &["poll"]).ended(0);
    assert!(told.site.count(&theirs) > 0, "it is known");
    let noted = "told_finding WHERE conditions LIKE '%orphaned%'";
    eventually("it is noted", PATIENCE, || {
        (told.site.count(noted) == told.site.count("keys WHERE conditions LIKE '%orphaned%'")).then_some(())
    });
    let admin = told.happens(Happening::MadeAdmin, None);
    told.receiver.was_told(PLATFORM, "appeared", &admin);
    told.told_only(&[(PLATFORM, "appeared", &admin)]);
    daemon.stop().ended(0);
}

#[test]
fn while_nothing_can_be_noted_nothing_is_posted() {
    let told = Told::new();
    told.site.poll(&[]).ended(0);
    told.switch_on();
    let daemon = told.site.daemon();
    eventually("what is there was noted", PATIENCE, || (told.site.count("webhook") == 1).then_some(()));
    told.site.meddle("CREATE TRIGGER full BEFORE UPDATE ON delivery BEGIN SELECT raise(ABORT, 'the disk is full'); END");
    let admin = told.happens(Happening::MadeAdmin, None);
    let failures = || {
        let metrics = get(daemon.address, "/metrics").unwrap().body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("keymuster_webhook_look_failures_total "));
        line.unwrap().parse::<u32>().unwrap()
    };
    eventually("it failed again", PATIENCE, || (failures() >= 2).then_some(()));
    assert!(told.receiver.posts().is_empty(), "it was posted, and nobody knows");
    let lines = log_events(&daemon.process.stderr());
    let cannot = lines.iter().filter(|line| line["message"] == "cannot note what becomes of deliveries to the webhook");
    assert_eq!(cannot.count(), 1, "told once");
    told.site.meddle("DROP TRIGGER full");
    told.receiver.was_told(PLATFORM, "appeared", &admin);
    told.told_only(&[(PLATFORM, "appeared", &admin)]);

    // Switching off that fails is tried again.
    told.site.meddle("CREATE TRIGGER full BEFORE DELETE ON webhook BEGIN SELECT raise(ABORT, 'the disk is full'); END");
    let before = failures();
    told.switch_off();
    ctl(&told.site, &["reload"]).ended(0);
    eventually("it failed", PATIENCE, || (failures() > before).then_some(()));
    told.site.meddle("DROP TRIGGER full");
    eventually("it is switched off", PATIENCE, || (told.site.count("webhook") == 0).then_some(()));
    daemon.stop().ended(0);
}

#[test]
fn a_receiver_that_never_answers_delays_neither_polls_nor_the_stop() {
    let told = Told::new();
    told.site.poll(&[]).ended(0);
    told.switch_on();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = |address: std::net::SocketAddr| format!("http://{address}/");
    told.site.edit(&address(told.receiver.address), &address(silent.local_addr().unwrap()));
    let daemon = told.site.daemon();
    told.happens(Happening::MadeAdmin, None);
    silent.set_nonblocking(true).unwrap();
    // Where polls waited for the post, none would end before it has been given up.
    let held = eventually("a poll begins and ends while a post is under way", PATIENCE, || {
        let (mut post, _) = silent.accept().ok()?;
        ctl(&told.site, &["poll"]).ended(0);
        post.set_nonblocking(true).unwrap();
        is_open(&mut post).then_some(post)
    });
    let stopped = daemon.stop().ended(0);
    assert!(!stopped.stderr.contains("did not end in time"), "{}", stopped.stderr);
    drop(held);
    assert_eq!(told.site.value("SELECT count(*) FROM delivery"), 1, "it waits for the next run");
}

/// Whether the other side still waits for an answer.
fn is_open(post: &mut TcpStream) -> bool {
    let mut piece = [0; 4096];
    loop {
        match post.read(&mut piece) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
