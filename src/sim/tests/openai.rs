use super::*;
use crate::sim::Remote;

/// Every key that the documented walk finds: projects with archived ones, then each project's keys.
async fn walk_all(simulation: &Simulation, limit: usize) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for project in walk(simulation, "/organization/projects?include_archived=true", limit).await {
        let id = project["id"].as_str().unwrap();
        let path = format!("/organization/projects/{id}/api_keys?owner_project_access=any");
        if openai(simulation, &path).await.status == 404 {
            assert_eq!(project["status"], "archived");
            continue;
        }
        found.extend(walk(simulation, &path, limit).await.into_iter().map(|key| (id.to_owned(), key)));
    }
    found
}

#[tokio::test]
async fn walks_give_exactly_the_truth() {
    let simulation = simulation().await;
    let truth = simulation.truth();
    for limit in [7, 100] {
        let found = walk_all(&simulation, limit).await;
        let in_projects = |key: &TrueKey| key.provider == Remote::OpenAi && key.listed && key.home != "admin";
        assert_eq!(sorted(found.iter().map(|(_, k)| k["id"].as_str().unwrap().to_owned())), true_ids(&truth, in_projects));
        for (project, key) in &found {
            let real = truth.iter().find(|t| t.id == key["id"].as_str().unwrap()).unwrap();
            assert_eq!((&real.home, &real.name), (project, &key["name"].as_str().unwrap().to_owned()));
            assert_eq!((key["created_at"].as_i64(), key["last_used_at"].as_i64()), (Some(real.created_at), real.last_used_at));
            assert_eq!(key["expires_at"].as_i64(), real.expires_at);
            assert_eq!(key["object"], "organization.project.api_key");
            assert_eq!(key["owner_project_access"], if real.owner_has_access { "active" } else { "inactive" });
            let kind = key["owner"]["type"].as_str().unwrap();
            assert_eq!(key["owner"][kind]["id"], real.owner_id.as_str());
            assert!(key["owner"][kind]["created_at"].is_i64() && key["owner"][kind]["role"].is_string());
        }
        let admin = walk(&simulation, "/organization/admin_api_keys?order=asc", limit).await;
        let expected = true_ids(&truth, |key| key.leaked || key.home == "admin");
        assert_eq!(sorted(admin.iter().map(|k| k["id"].as_str().unwrap().to_owned())), expected);
        assert!(admin.iter().all(|k| k["object"] == "organization.admin_api_key" && k["owner"]["id"].is_string()));
        assert!(admin.is_sorted_by_key(|k| k["created_at"].as_i64()));
        let mut turned = walk(&simulation, "/organization/admin_api_keys?order=desc", limit).await;
        turned.reverse();
        assert_eq!(ids(&turned.into()), ids(&admin.into()));
    }
}

#[tokio::test]
async fn the_list_of_admin_keys_leaks_keys_of_every_sort() {
    let simulation = simulation().await;
    let truth = simulation.truth();
    assert!(truth.iter().any(|key| key.leaked && key.listed), "one that its project lists as well");
    assert!(truth.iter().any(|key| key.leaked && !key.listed), "one of a project that refuses");
    let admin = walk(&simulation, "/organization/admin_api_keys", 100).await;
    let masked = |prefix: &str| admin.iter().filter(|k| k["redacted_value"].as_str().unwrap().starts_with(prefix)).count();
    assert_eq!(masked("sk-admin-"), 5);
    assert_eq!(masked("sk-proj-") + masked("sk-svcacct-"), truth.iter().filter(|key| key.leaked).count());
}

#[tokio::test]
async fn what_is_left_out_of_the_question_is_left_out_of_the_answer() {
    let simulation = simulation().await;
    let all = walk(&simulation, "/organization/projects?include_archived=true", 100).await;
    let active = walk(&simulation, "/organization/projects", 100).await;
    assert_eq!((all.len(), active.len()), (8, 6));
    assert_eq!(walk(&simulation, "/organization/projects?include_archived=true", 3).await, all);
    let (mut lost, mut kept) = (0, 0);
    for project in &active {
        let path = format!("/organization/projects/{}/api_keys", project["id"].as_str().unwrap());
        let count = async |access: &str| walk(&simulation, &format!("{path}{access}"), 100).await.len();
        let any = count("?owner_project_access=any").await;
        let inactive = count("?owner_project_access=inactive").await;
        assert_eq!(any, inactive + count("?owner_project_access=active").await);
        assert_eq!(any, inactive + count("").await);
        lost += inactive;
        kept += any - inactive;
    }
    assert!(lost > 5 && kept > 100, "{lost} {kept}");
    let page = openai(&simulation, &format!("/organization/projects/{}/api_keys", active[0]["id"].as_str().unwrap())).await;
    assert_eq!(page.ids("data").len(), 20, "the default page");
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let simulation = simulation().await;
    for bad in ["limit=101", "limit=0", "limit=x", "after=key_nonsense", "order=up"] {
        let answer = openai(&simulation, &format!("/organization/admin_api_keys?{bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
        let error = &answer.json()["error"];
        assert!(error["message"].is_string() && error["type"] == "invalid_request_error" && error["param"].is_string());
    }
    for missing in ["/organization/nothing", "/organization/users/user-x", "/organization/projects/proj_x/api_keys"] {
        assert_eq!(openai(&simulation, missing).await.status, 404, "{missing}");
    }
    let url = format!("{}/organization/projects", simulation.openai_base_url());
    assert_eq!(Answer::of(client().get(&url)).await.status, 401);
    let wrong = Answer::of(client().get(&url).bearer_auth("sk-admin-wrong")).await;
    assert_eq!((wrong.status, wrong.json()["error"]["code"].as_str()), (401, Some("invalid_api_key")));
    let project_key = Answer::of(client().get(&url).bearer_auth("sk-proj-abc")).await;
    assert_eq!(project_key.status, 403);
    assert!(project_key.json()["error"].as_str().unwrap().contains("Missing scopes"), "a plain string");
    let posted = Answer::of(client().post(&url).bearer_auth(simulation.openai_credential())).await;
    assert!(posted.status >= 400);
}

#[tokio::test]
async fn a_cursor_outlives_its_key() {
    let simulation = start(tiny(30), Clock::runtime(NOW)).await.unwrap();
    let project = walk(&simulation, "/organization/projects", 100).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/organization/projects/{project}/api_keys?owner_project_access=any");
    let all = ids(&walk(&simulation, &path, 100).await.into());
    assert!(simulation.change(|world| world.revoke(&all[9])));
    let answer = openai(&simulation, &format!("{path}&limit=5&after={}", all[9])).await;
    assert_eq!(answer.ids("data"), all[10..15]);
    let gone = openai(&simulation, &format!("/organization/projects/{project}/api_keys/{}", all[9])).await;
    let there = openai(&simulation, &format!("/organization/projects/{project}/api_keys/{}", all[10])).await;
    assert_eq!((gone.status, there.status, there.json()["id"].as_str()), (404, 200, Some(all[10].as_str())));
}

#[tokio::test]
async fn leavers_stay_as_owners_and_leave_the_list_of_users() {
    let simulation = simulation().await;
    let users = ids(&walk(&simulation, "/organization/users", 10).await.into());
    assert_eq!(users.len(), 27, "three of thirty left before the start");
    let truth = simulation.truth();
    let key = truth
        .iter()
        .find(|k| k.listed && k.home.starts_with("proj_") && k.owner_has_access && users[4..].contains(&k.owner_id))
        .unwrap();
    assert!(simulation.change(|world| world.leave(&key.owner_id, NOW)));
    let after = ids(&walk(&simulation, "/organization/users", 10).await.into());
    assert!(!after.contains(&key.owner_id) && after.len() == 26);
    let answer = openai(&simulation, &format!("/organization/projects/{}/api_keys/{}", key.home, key.id)).await.json();
    assert_eq!(
        (answer["owner_project_access"].as_str(), answer["owner"]["user"]["id"].as_str()),
        (Some("inactive"), Some(&*key.owner_id))
    );
}

#[tokio::test]
async fn the_credential_is_one_of_the_keys() {
    let simulation = simulation().await;
    let answer = openai(&simulation, "/organization/admin_api_keys").await.json();
    let own = answer["data"].as_array().unwrap().iter().find(|k| k["name"] == "keymuster (read only)").unwrap().clone();
    assert!((NOW.unix()..NOW.unix() + PATIENCE).contains(&own["last_used_at"].as_i64().unwrap()), "{own}");
    let mask = own["redacted_value"].as_str().unwrap();
    assert!(simulation.openai_credential().ends_with(&mask[mask.len() - 4..]));
    assert!(simulation.change(|world| world.revoke(own["id"].as_str().unwrap())));
    assert_eq!(openai(&simulation, "/organization/admin_api_keys").await.status, 401);
}

#[tokio::test]
async fn projects_are_archived_and_unlisted() {
    let simulation = simulation().await;
    let projects = ids(&walk(&simulation, "/organization/projects", 100).await.into());
    assert!(simulation.change(|world| world.archive(&projects[0], NOW) && world.unlist_project(&projects[1])));
    assert_eq!(openai(&simulation, &format!("/organization/projects/{}/api_keys", projects[0])).await.status, 404);
    assert_eq!(openai(&simulation, &format!("/organization/projects/{}/service_accounts", projects[0])).await.status, 400);
    let all = walk(&simulation, "/organization/projects?include_archived=true", 100).await;
    assert_eq!(all.iter().find(|p| p["id"] == *projects[0]).unwrap()["archived_at"].as_i64(), Some(NOW.unix()));
    assert!(!ids(&all.into()).contains(&projects[1]));
}
