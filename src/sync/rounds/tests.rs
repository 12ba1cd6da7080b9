//! What is asked at once and what ahead, of a provider that takes its time, in paused time.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Reason, RemoteId, Scope, ScopeKind, Text, Time, WalkEnd};
use crate::inventory::Inventory;
use crate::providers::{Known, PROVIDERS, Subject, Target};
use crate::remote::{Carried, Carrier, Requests};
use crate::sync::line::Line;
use crate::sync::round::{planned, question};

const CONFIG: &str = "
[accounts.acme]
provider = 'braintrust'
credential_file = '/none'
base_url = 'http://127.0.0.1:1'
concurrency = 3
pace = 60000
schedule = '0 0 1 1 *'
";

/// What accounts sign in with: its mask is `sk-admin...xyz`.
const CREDENTIAL: &str = "sk-admin-0123456789uvwxyz";

/// The one that `/v1/org` shows.
pub(in crate::sync) const ORGANIZATION: &str = "org_01k9x2m4q7ragsb3e5tw8vzcdf";

/// Answers with an empty list, or with people, after a tenth of a second; below `/slow` after a second. A crowd is three hundred;
/// `/endless` and `/keys` have a hundred more on each page, `/circle` the same one for ever, and `/stuck` stops in the middle. Who asks for
/// `/bug` meets one. `/own` has keys of two organisations and of none, a group names Ana and somebody who is on no list, `/v1/org` is Den's answer, and
/// the key `there` answers by its id.
/// It takes us for whom we name, but for Ana where we name Bo, and does not know Nobody.
#[derive(Debug, Default)]
struct Provider(Mutex<Vec<String>>);

impl Carrier for Provider {
    fn carry(&self, request: reqwest::Request) -> Carried<'_> {
        let asked = request.url().path().to_owned();
        let after = request.url().query_pairs().find(|(name, _)| name == "starting_after").map(|(_, id)| id.into_owned());
        let second = after.is_some();
        let next = after.and_then(|id| id.get(1..)?.parse::<u64>().ok()).map_or(0, |number| number + 1);
        self.0.lock().unwrap().push(asked.clone());
        let named = request.headers().get("x-bt-impersonate-user").map(|member| member.to_str().unwrap().to_owned());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(if asked == "/slow" { 1_000 } else { 100 })).await;
            assert!(asked != "/bug", "as a bug would");
            if asked == "/api/self/me" {
                let member = named.map(|member| if member == "bo" { "ana".to_owned() } else { member });
                let (status, body) = match member.filter(|member| member != "nobody") {
                    Some(member) => (200, format!(r#"{{"id":"{member}"}}"#)),
                    None => (404, "{}".to_owned()),
                };
                return json(status, body);
            }
            let objects = match asked.as_str() {
                "/people" if !second => r#"{"id":"ana","given_name":"Ana"}"#.to_owned(),
                "/endless" => hundred(next, r#"{"id":"pNUMBER"}"#),
                "/keys" => hundred(next, r#"{"id":"kNUMBER","name":"","preview_name":"sk-...abc"}"#),
                "/circle" => r#"{"id":"k1","name":"","preview_name":"sk-...abc"}"#.to_owned(),
                "/stuck" => {
                    let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(r#"{"objects":["#)]);
                    let body = reqwest::Body::wrap_stream(begun.chain(futures_util::stream::pending()));
                    let answer = axum::http::Response::builder().header("content-type", "application/json");
                    return Ok(answer.body(body).unwrap().into());
                }
                "/crowd" if !second => (0..300).map(|number| format!(r#"{{"id":"p{number}"}}"#)).collect::<Vec<_>>().join(","),
                "/own" if !second => {
                    ["ours", "theirs"].map(own).join(",") + r#",{"id":"nobodys","name":"","preview_name":"sk-...abc"}"#
                }
                "/v1/group" if !second => r#"{"id":"g","org_id":"ours","member_users":["ana","gap"]}"#.to_owned(),
                "/v1/org" => {
                    return json(200, format!(r#"{{"organization":{{"id":"{ORGANIZATION}","name":"Acme"}},"members":[]}}"#));
                }
                "/v1/api_key/there" => return json(200, r#"{"id":"there"}"#.to_owned()),
                "/v1/api_key/absent" => return json(404, "{}".to_owned()),
                _ => String::new(),
            };
            json(200, format!(r#"{{"objects":[{objects}]}}"#))
        })
    }
}

fn json(status: u16, body: String) -> std::io::Result<reqwest::Response> {
    Ok(axum::http::Response::builder().status(status).header("content-type", "application/json").body(body).unwrap().into())
}

/// A key that is bound to that organisation.
fn own(organization: &str) -> String {
    format!(r#"{{"id":"of_{organization}","org_id":"{organization}","name":"","preview_name":"sk-...abc"}}"#)
}

/// A hundred elements, numbered from there on.
fn hundred(from: u64, element: &str) -> String {
    (from..from + 100).map(|number| element.replace("NUMBER", &number.to_string())).collect::<Vec<_>>().join(",")
}

struct Uncounted;

impl Requests for Uncounted {
    fn ended(&self, _: &'static str, _: &'static str, _: Duration) {}
}

pub(in crate::sync) struct Site {
    _folder: tempfile::TempDir,
    provider: Arc<Provider>,
    pub line: Arc<Line>,
    clock: Clock,
    inventory: Inventory,
}

impl Site {
    pub fn new() -> Self {
        Self::within("")
    }

    /// Of another provider.
    pub fn of(provider: &str) -> Self {
        Self::configured(&CONFIG.replace("braintrust", provider))
    }

    /// With those limits.
    fn within(limits: &str) -> Self {
        Self::configured(&format!("[limits]\n{limits}\n{CONFIG}"))
    }

    fn configured(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::runtime(Time::from_unix(1_749_945_600));
        let inventory = Inventory::open(&folder.path().join("inventory.db"), clock.now()).unwrap();
        let config = Config::parse(Path::new("/keymuster.toml"), config, std::iter::empty(), PROVIDERS).unwrap();
        let provider = Arc::new(Provider::default());
        let carrier = Arc::clone(&provider) as Arc<dyn Carrier>;
        let credential = SecretString::from(CREDENTIAL);
        let line = Line::carried(carrier, &config, &config.accounts["acme"], credential, &clock, Arc::new(Uncounted)).unwrap();
        Self { _folder: folder, provider, line: Arc::new(line), clock, inventory }
    }

    pub fn common(&self) -> Common {
        Common {
            line: Arc::clone(&self.line),
            known: Known::default(),
            clock: self.clock.clone(),
            inventory: self.inventory.clone(),
            account: 1,
        }
    }

    fn rounds(&self, planned: Vec<Fetch>) -> Rounds {
        let mut rounds = Rounds::new(self.common(), Instant::now() + Duration::from_secs(600), CancellationToken::new());
        rounds.begin(self.common(), planned);
        rounds
    }

    pub fn asked(&self) -> Vec<String> {
        self.provider.0.lock().unwrap().drain(..).collect()
    }
}

/// That member's list, which is empty.
pub(in crate::sync) fn list(member: &str) -> Fetch {
    let scope = Scope::of(ScopeKind::Member, RemoteId::new(member).unwrap(), None);
    Fetch { list: Some("objects"), ..Fetch::get(Target::Scope(scope), "list", format!("/{member}")) }
}

fn named(member: &str) -> Fetch {
    let scope = Scope::of(ScopeKind::Member, RemoteId::new(member).unwrap(), Some(Text::clean("Somebody")));
    Fetch { target: Target::Scope(scope), ..list(member) }
}

/// The scopes that ended, in order, to the end of the round; each of them whole.
async fn ended(rounds: &mut Rounds) -> Vec<String> {
    let mut ended = Vec::new();
    while let Some(heard) = rounds.next().await {
        let Heard::Ended(Ended::Walk(walked, ..)) = heard else { continue };
        assert_eq!(*walked.end(), WalkEnd::Complete);
        ended.push(walked.scope().id.of.as_ref().map_or("people".to_owned(), ToString::to_string));
    }
    ended
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_ahead_counts_where_that_very_request_is_planned() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![list("slow")]);
    rounds.ask_ahead(site.common(), [list("ana"), list("bo"), list("cy")]);
    assert_eq!(ended(&mut rounds).await, ["slow"], "what was asked ahead waits for its turn");
    assert_eq!(site.asked(), ["/slow", "/ana", "/bo", "/cy"]);
    rounds.begin(site.common(), vec![list("dee"), list("ana"), named("bo")]);
    assert_eq!(ended(&mut rounds).await, ["ana", "dee", "bo"]);
    assert_eq!(site.asked(), ["/dee", "/bo"], "nobody planned the nameless");
    rounds.begin(site.common(), vec![list("cy")]);
    assert_eq!(ended(&mut rounds).await, ["cy"]);
    assert_eq!(site.asked(), ["/cy"], "what nobody planned was dropped");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ahead_is_not_asked_twice_and_else_ended() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![list("ana")]);
    let another = Fetch { path: "/slow".to_owned(), ..list("bo") };
    rounds.ask_ahead(site.common(), [list("slow"), another, list("cy")]);
    assert_eq!(ended(&mut rounds).await, ["ana"]);
    assert_eq!(site.asked(), ["/ana", "/slow", "/slow"], "three at once");
    let began = Instant::now();
    rounds.begin(site.common(), vec![list("slow"), list("dee"), list("eve")]);
    assert_eq!(ended(&mut rounds).await, ["dee", "eve", "slow"]);
    assert_eq!(site.asked(), ["/dee", "/eve"], "cy waits no more");
    assert!(began.elapsed() < Duration::from_millis(950), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_go_on_while_something_else_is_done() {
    let site = Site::new();
    let members = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let mut rounds = site.rounds(members.map(list).into());
    rounds.meanwhile(tokio::time::sleep(Duration::from_millis(950))).await;
    assert_eq!(site.asked().len(), members.len());
    let began = Instant::now();
    assert_eq!(ended(&mut rounds).await, members);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_after_the_deadline_nor_after_the_stop() {
    for stopped in [false, true] {
        let site = Site::new();
        let stop = CancellationToken::new();
        let mut rounds = Rounds::new(site.common(), Instant::now() + Duration::from_secs(1), stop.clone());
        rounds.begin(site.common(), vec![list("slow")]);
        rounds.ask_ahead(site.common(), ["a", "b", "c"].map(list));
        rounds.meanwhile(tokio::time::sleep(Duration::from_millis(50))).await;
        assert_eq!(site.asked().len(), 3);
        if stopped {
            stop.cancel();
            assert_eq!(ended(&mut rounds).await.len(), 0);
        } else {
            assert_eq!(ended(&mut rounds).await, ["slow"]);
        }
        rounds.begin(site.common(), ["a", "b", "c", "d"].map(list).into());
        let (expected, left): (&[&str], _) = if stopped { (&[], 4) } else { (&["a", "b", "c"], 1) };
        assert_eq!(ended(&mut rounds).await, expected);
        assert_eq!(rounds.left().count(), left);
    }
}

/// The first request of a list of people on two pages, of which the second is empty.
fn people(path: &str) -> Fetch {
    let scope = Target::Scope(Scope::only(ScopeKind::People));
    Fetch { list: Some("objects"), ..Fetch::get(scope, "users", path) }
}

#[tokio::test(start_paused = true)]
async fn people_are_heard_of_before_their_list_has_ended() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![people("/people")]);
    let Some(Heard::People(page)) = rounds.next().await else { panic!("the first page") };
    assert_eq!(page.iter().map(|person| person.id.as_str()).collect::<Vec<_>>(), ["ana"]);
    assert_eq!(ended(&mut rounds).await, ["people"]);
}

#[tokio::test(start_paused = true)]
async fn pages_of_a_list_that_ended_unheard_are_no_news_in_the_next_round() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![people("/people")]);
    rounds.meanwhile(tokio::time::sleep(Duration::from_secs(1))).await;
    let Some(Heard::Ended(_)) = rounds.next().await else { panic!("the list, whose pages nobody waited for") };
    rounds.begin(site.common(), vec![list("ana")]);
    let Some(Heard::Ended(_)) = rounds.next().await else { panic!("a page of the round before") };
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_for_than_may_be_held_while_something_else_is_done() {
    let few = |number| list(&format!("m{number}"));
    // Lists that are full as soon as they are seven, and three are under way; each has two pages.
    for (planned, asked) in [((0..MOST_ENDED + 50).map(few).collect(), MOST_ENDED), (vec![people("/crowd"); 50], 2 * 7)] {
        let site = Site::new();
        let mut rounds = site.rounds(planned);
        rounds.meanwhile(tokio::time::sleep(Duration::from_secs(500))).await;
        let found = site.asked().len();
        assert!((asked..=asked + 6).contains(&found), "{found}, not about {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bug_costs_the_list_that_it_is_in_and_no_other() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![list("ana"), list("bug"), list("ben")]);
    let mut ends = Vec::new();
    while let Some(heard) = rounds.next().await {
        let Heard::Ended(Ended::Walk(walked, ..)) = heard else { continue };
        ends.push((walked.scope().id.of.clone().unwrap().to_string(), walked.end().reason()));
    }
    ends.sort();
    let expected = [("ana", None), ("ben", None), ("bug", Some("internal"))];
    assert_eq!(ends, expected.map(|(list, reason)| (list.to_owned(), reason)));
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_ends_at_each_bound() {
    for (limits, path, reason, requests) in [
        ("pages_per_scope = 7", "/endless", Reason::TooManyPages, 7),
        ("items_per_scope = 250", "/endless", Reason::TooManyItems, 3),
        ("items_per_page = 99", "/endless", Reason::TooManyItems, 1),
        ("items_per_answer = 1\npages_per_scope = 2", "/endless", Reason::TooManyPages, 2),
        // Each page takes a tenth of a second.
        ("scope_timeout = '1s'", "/endless", Reason::Timeout, 11),
        ("read_timeout = '3s'", "/stuck", Reason::Timeout, 1),
        ("request_timeout = '3s'", "/stuck", Reason::Timeout, 1),
    ] {
        let site = Site::within(limits);
        let mut rounds = site.rounds(vec![people(path)]);
        let began = Instant::now();
        let ended = loop {
            match rounds.next().await.expect("the list ends") {
                Heard::People(_) => {}
                Heard::Ended(Ended::Walk(walked, ..)) => break walked.end().clone(),
                Heard::Ended(Ended::Question(..)) => panic!("nobody asked"),
            }
        };
        let WalkEnd::Incomplete(failure) = ended else { panic!("{limits}: {ended:?}") };
        assert_eq!((failure.reason, site.asked().len()), (reason, requests), "{limits}: {failure}");
        assert!(began.elapsed() < Duration::from_secs(4), "{limits}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_has_the_bounds_of_a_list() {
    for (limits, path, reason, requests) in [
        ("pages_per_scope = 7", "/keys", Reason::TooManyPages, 7),
        ("items_per_scope = 250", "/keys", Reason::TooManyItems, 3),
        ("scope_timeout = '1s'", "/keys", Reason::Timeout, 11),
        ("", "/circle", Reason::RepeatedPage, 2),
    ] {
        let site = Site::within(limits);
        let asked = Fetch { list: Some("objects"), ..Fetch::get(Target::Question("own_keys"), "api_keys", path) };
        let failure = question(&site.common(), asked).await.err().unwrap();
        assert_eq!((failure.reason, site.asked().len()), (reason, requests), "{limits}: {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn own_keys_are_bound_where_they_name_the_organization_that_is_read() {
    let answered = async |organization: Option<&str>| {
        let mut asked = Fetch { list: Some("objects"), ..Fetch::get(Target::Question("own_keys"), "api_keys", "/own") };
        asked.subject.organization = organization.map(|of| RemoteId::new(of).unwrap());
        let keys = question(&Site::new().common(), asked).await.ok().unwrap().keys.unwrap();
        let told = |ids: std::collections::BTreeSet<RemoteId>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        (told(keys.bound), told(keys.others))
    };
    assert_eq!(answered(Some("ours")).await, ("of_ours".to_owned(), "nobodys of_theirs".to_owned()));
    assert_eq!(answered(None).await, (String::new(), "nobodys of_ours of_theirs".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn elements_are_recognised_in_lists_that_are_read_apart_and_in_nobodys_name() {
    let site = Site::of("openai");
    let mut common = site.common();
    let id = |text: &str| RemoteId::new(text).unwrap();
    common.known.projects = [(id("proj_1"), crate::domain::Project { id: id("proj_1"), name: None, archived: false })].into();
    common.known.ended = [(ScopeId { kind: ScopeKind::Projects, of: None }, WalkEnd::Complete)].into();
    let recognises = |fetch: &Fetch| match broken(&common, fetch) {
        Ended::Walk(walked, ..) => walked.recognises(),
        Ended::Question(..) => panic!("a list"),
    };
    let mut kinds: Vec<(&str, bool)> = Vec::new();
    for (scope, fetch) in planned(&common).into_values() {
        let in_a_name = Fetch { subject: Subject { member: Some(id("ana")), ..Subject::default() }, ..fetch.clone() };
        assert!(!recognises(&in_a_name), "{}: whose keys they are is checked of keys that are read", scope.id);
        kinds.push((scope.id.kind.as_str(), recognises(&fetch)));
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [("admin", false), ("people", false), ("project", true), ("projects", false)]);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_lists_are_asked_for_ahead_of_their_turn() {
    let site = Site::new();
    let mut rounds = site.rounds(vec![people("/slow")]);
    rounds.ask_ahead(site.common(), (0..MOST_AHEAD + 50).map(|number| list(&format!("m{number}"))));
    rounds.meanwhile(tokio::time::sleep(Duration::from_secs(1_000))).await;
    assert_eq!(site.asked().iter().filter(|path| path.starts_with("/m")).count(), MOST_AHEAD);
}
