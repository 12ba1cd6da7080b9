//! The simulator asked over real connections.

mod braintrust;
mod braintrust_faults;
mod control;
mod den;
mod faults;
mod openai;
mod world;

use std::time::Duration;

use serde_json::Value;

use super::{Fault, Options, Simulation, Size, TrueKey, start};
use crate::clock::Clock;
use crate::domain::Time;

const NOW: Time = Time::from_unix(1_795_000_000);
/// The simulation's clock moves on while a test runs; by no more seconds than this, however busy the machine is.
const PATIENCE: i64 = 600;
const PROJECT_KEYS: &str = "/organization/projects/{project_id}/api_keys";

async fn simulation() -> Simulation {
    start(Options::default(), Clock::runtime(NOW)).await.unwrap()
}

async fn with_faults(faults: &str) -> Simulation {
    let simulation = simulation().await;
    simulation.set_faults(Fault::parse_all(faults).unwrap());
    simulation
}

#[expect(clippy::disallowed_methods, reason = "the remote's client would hide what the simulator really sends")]
fn client() -> reqwest::Client {
    // Plain HTTP is all that is asked, but the client wants to know its cryptography when it is built.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.tls_certs_only([]).timeout(Duration::from_secs(120)).build().unwrap()
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    fn ids(&self, list: &str) -> Vec<String> {
        ids(&self.json()[list])
    }
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap_or("?").to_owned()).collect()
}

fn ask_openai(simulation: &Simulation, path: &str) -> reqwest::RequestBuilder {
    client().get(format!("{}{path}", simulation.openai_base_url())).bearer_auth(simulation.openai_credential())
}

async fn openai(simulation: &Simulation, path: &str) -> Answer {
    Answer::of(ask_openai(simulation, path)).await
}

/// All elements of a list, page by page.
async fn walk(simulation: &Simulation, path: &str, limit: usize) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let cursor = all.last().map_or_else(String::new, |last| format!("&after={}", last["id"].as_str().unwrap()));
        let mark = if path.contains('?') { '&' } else { '?' };
        let answer = openai(simulation, &format!("{path}{mark}limit={limit}{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let page = answer.json();
        let items = page["data"].as_array().unwrap().clone();
        assert!(items.len() <= limit && page["object"] == "list");
        assert_eq!(page["first_id"], items.first().map_or(Value::Null, |i| i["id"].clone()));
        assert_eq!(page["last_id"], items.last().map_or(Value::Null, |i| i["id"].clone()));
        all.extend(items);
        match page["has_more"].as_bool().unwrap() {
            true => assert!(!page["last_id"].is_null()),
            false => return all,
        }
    }
}

fn ask_den(simulation: &Simulation, path: &str) -> reqwest::RequestBuilder {
    client()
        .get(format!("{}{path}", simulation.den_base_url()))
        .bearer_auth(simulation.den_session())
        .header("x-openwork-org-id", simulation.den_organization_id())
}

async fn den(simulation: &Simulation, path: &str) -> Answer {
    Answer::of(ask_den(simulation, path)).await
}

fn true_ids(truth: &[TrueKey], wanted: impl Fn(&TrueKey) -> bool) -> Vec<String> {
    sorted(truth.iter().filter(|key| wanted(key)).map(|key| key.id.clone()))
}

fn sorted(ids: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().collect();
    ids.sort();
    ids
}

fn tiny(project_keys: usize) -> Options {
    Options {
        size: Size { people: 6, projects: 1, project_keys, admin_keys: 3, den_keys: 4, ..Size::of(1) },
        ..Options::default()
    }
}
