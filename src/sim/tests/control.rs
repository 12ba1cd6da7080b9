use super::*;
use crate::sim::{Asked, Remote};

async fn send(simulation: &Simulation, method: reqwest::Method, path: &str, body: &str) -> Answer {
    Answer::of(client().request(method, format!("http://{}/_sim/{path}", simulation.address())).body(body.to_owned())).await
}

#[tokio::test]
async fn another_process_can_drive_it() {
    let simulation = simulation().await;
    let post = async |path: &str| send(&simulation, reqwest::Method::POST, path, "").await;
    let truth = async || {
        let answer = send(&simulation, reqwest::Method::GET, "truth", "").await;
        serde_json::from_str::<Vec<TrueKey>>(&answer.text).unwrap()
    };
    let before = truth().await;
    assert_eq!(before, simulation.truth());

    assert_eq!(post(&format!("revoke?key={}", before[0].id)).await.status, 204);
    assert_eq!(post(&format!("revoke?key={}", before[0].id)).await.status, 404);
    let user = before.iter().find(|k| k.owner_has_access && k.owner_id.starts_with("usr_") && k.name != "keymuster").unwrap();
    assert_eq!(post(&format!("leave?user={}", user.owner_id)).await.status, 204);
    assert_eq!(post(&format!("archive?project={}", before[5].home)).await.status, 204);
    assert_eq!(post(&format!("unlist_project?project={}", before[100].home)).await.status, 204);
    assert_eq!(post("unlist_project?project=proj_x").await.status, 404);
    assert_eq!(post("revoke").await.status, 400);
    let after = truth().await;
    assert_eq!(after.len(), before.len() - 1);
    assert!(after.iter().all(|k| k.home != before[5].home || !k.listed));
    assert!(after.iter().all(|k| k.home != before[100].home || !k.listed));
    assert!(after.iter().all(|k| k.owner_id != user.owner_id || !k.owner_has_access));

    let lived = post("step?seconds=60").await;
    assert!(lived.status == 200 && lived.text.contains("made key_"), "{}", lived.text);
    let now = truth().await;
    assert_ne!(now, after);
    let key = now.iter().find(|k| k.provider == Remote::Braintrust && k.name == "ci").unwrap();
    assert_eq!(post(&format!("revoke?key={}", key.id)).await.status, 204);
    let member = now.iter().find(|k| k.provider == Remote::Braintrust && k.listed && k.home == k.owner_id).unwrap();
    assert_eq!(post(&format!("leave?user={}", member.home)).await.status, 204);
    let left = truth().await;
    assert!(left.iter().all(|k| k.id != key.id && (k.home != member.home || !k.listed)));
    assert_eq!(post("step?seconds=soon").await.status, 400);
}

#[tokio::test]
async fn faults_are_switched_while_it_runs() {
    let simulation = simulation().await;
    let put = async |text: &str| send(&simulation, reqwest::Method::PUT, "faults", text).await;
    assert_eq!(put("http_503:openai\n# and\nlatency:den:1\n").await.status, 204);
    assert_eq!(send(&simulation, reqwest::Method::GET, "faults", "").await.text, "http_503:openai\nlatency:den:1\n");
    assert_eq!(openai(&simulation, "/organization/users").await.status, 503);
    let refused = put("http_503\nnonsense\n").await;
    assert!(refused.status == 400 && refused.text.contains("'nonsense' is no fault"), "{}", refused.text);
    assert_eq!(put("").await.status, 204);
    assert_eq!(openai(&simulation, "/organization/users").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_template() {
    let simulation = simulation().await;
    let projects = ids(&walk(&simulation, "/organization/projects", 4).await.into());
    for id in &projects[..3] {
        openai(&simulation, &format!("/organization/projects/{id}/api_keys")).await;
    }
    openai(&simulation, "/organization/projects/proj_x/api_keys").await;
    openai(&simulation, "/nowhere").await;
    den(&simulation, "/v1/api-keys").await;
    let answer = send(&simulation, reqwest::Method::GET, "requests", "").await;
    let asked: Vec<Asked> = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(asked, simulation.requests());
    let lines: Vec<String> =
        asked.iter().map(|a| format!("{} {} {} {}/{}", a.provider, a.method, a.path, a.count, a.refused)).collect();
    assert_eq!(
        lines,
        [
            "openai GET /organization/projects 2/0".to_owned(),
            format!("openai GET {PROJECT_KEYS} 4/1"),
            "openai GET unknown 1/1".to_owned(),
            "den GET /v1/api-keys 1/0".to_owned(),
        ]
    );
}

#[tokio::test]
async fn it_lives_by_itself_and_stops() {
    let options = Options { lively: Some(Duration::from_millis(5)), ..Options::default() };
    let simulation = start(options, Clock::runtime(NOW)).await.unwrap();
    let before = simulation.truth();
    let changed = async {
        while simulation.truth() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), changed).await.unwrap();
    let address = simulation.address();
    simulation.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
