//! The API, as a program meets it: the same keys as the page, page after page, with what they stand on; and a tag that never passes
//! for a new one when something was written or a deadline passed.

use std::collections::BTreeSet;

use keymuster::domain::{Condition, Presence};
use keymuster::views::{ChangesAsked, Filter, KeysAsked, Order};
use serde_json::Value;

use crate::house::{Answer, House, Served};
use crate::web::rename;

async fn json(served: &Served, address: &str) -> Value {
    let answer = served.get(address).await;
    assert_eq!(answer.status(), 200, "{address}: {}", answer.body());
    assert_eq!(answer.header("content-type"), Some("application/json"), "{address}");
    serde_json::from_str(answer.body()).unwrap()
}

fn below(address: &str, cursor: &Value) -> String {
    let sign = if address.contains('?') { '&' } else { '?' };
    format!("{address}{sign}cursor={}", cursor.as_str().unwrap())
}

/// Every item of a list, page after page.
async fn walked(served: &Served, address: &str) -> Vec<Value> {
    let (mut next, mut found) = (Some(address.to_owned()), Vec::new());
    while let Some(page) = next {
        let told = json(served, &page).await;
        found.extend(told["items"].as_array().unwrap().iter().cloned());
        assert!(found.len() < 10_000, "{address} does not end");
        next = told["next"].as_str().map(|_| below(address, &told["next"]));
    }
    found
}

fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_together_are_what_was_asked_in_its_order() {
    let house = House::polled().await;
    let served = house.serve().await;
    let not_gone = || Presence::ALL.iter().copied().filter(|presence| *presence != Presence::Gone).collect();
    let orders = [
        ("urgency", Order::Urgency),
        ("account", Order::Id),
        ("name", Order::Name),
        ("kind", Order::Kind),
        ("owner", Order::Owner),
        ("team", Order::Team),
        ("created", Order::Created),
        ("last_used", Order::LastUse),
        ("expires", Order::Expiry),
    ];
    for (sign, word, order) in orders.iter().flat_map(|(word, order)| ["", "-"].map(|sign| (sign, *word, *order))) {
        let filter = Filter { presences: not_gone(), ..Filter::default() };
        let asked = KeysAsked { filter, order, reversed: sign == "-", ..KeysAsked::default() };
        let expected: Vec<String> = house.views.keys(asked).await.unwrap().into_iter().map(|key| key.key_id).collect();
        assert!(expected.len() > 20);
        let found = walked(&served, &format!("/api/v1/keys?sort={sign}{word}&limit=7")).await;
        assert_eq!(texts(&found, "key_id"), expected, "{sign}{word}");
    }
    let filter = Filter { presences: not_gone(), conditions: vec![Condition::Stale], waived: Some(false), ..Filter::default() };
    let expected = house.views.keys(KeysAsked { filter, order: Order::Urgency, ..KeysAsked::default() }).await.unwrap();
    let found = walked(&served, "/api/v1/keys?condition=stale&waived=no&limit=2").await;
    assert_eq!(texts(&found, "key_id"), expected.iter().map(|key| key.key_id.clone()).collect::<Vec<_>>());
    // The same columns and values as the file of the page.
    let file: Vec<Value> = serde_json::from_str(served.get("/keys.json?sort=account").await.body()).unwrap();
    assert_eq!(walked(&served, "/api/v1/keys?sort=account&limit=1000").await, file);
    let one = &file[0];
    let path = format!("/api/v1/keys/{}/{}", one["account"].as_str().unwrap(), one["key_id"].as_str().unwrap());
    assert_eq!(&json(&served, &path).await["item"], one);
}

#[tokio::test]
async fn other_lists_are_whole_too() {
    let house = House::polled().await;
    let served = house.serve().await;
    let scopes = walked(&served, "/api/v1/scopes?limit=3").await;
    let (openai, den) = (house.views.scopes("acme-openai").await.unwrap(), house.views.scopes("acme-den").await.unwrap());
    assert_eq!(scopes.len(), openai.len() + den.len());
    assert_eq!(walked(&served, "/api/v1/scopes?account=acme-den").await.len(), den.len());
    let owners = walked(&served, "/api/v1/owners?limit=2").await;
    let all = house.views.owners(KeysAsked::default()).await.unwrap();
    let keys = |owners: &[Value]| owners.iter().map(|owner| owner["keys"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((owners.len(), keys(&owners)), (all.len(), all.iter().map(|owned| owned.keys).sum()));
    assert_eq!(texts(&walked(&served, "/api/v1/accounts").await, "account"), ["acme-den", "acme-openai"]);

    let change =
        "INSERT INTO change (at, key_id, change, before, after) SELECT 1795000000, id, 'renamed', 'a', 'b' FROM key LIMIT 7";
    house.inventory.write(move |transaction| Ok(transaction.execute(change, [])?)).await.unwrap();
    let changes = walked(&served, "/api/v1/changes?limit=2").await;
    let expected = house.views.changes(ChangesAsked::default()).await.unwrap();
    let numbers = |items: &[Value]| items.iter().map(|item| item["change_id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(&changes), expected.iter().map(|change| change.change_id).collect::<Vec<_>>());
    assert!(changes.len() > 4);
    let third = numbers(&changes)[2];
    assert_eq!(numbers(&walked(&served, &format!("/api/v1/changes?after={third}&limit=1")).await), numbers(&changes)[..2]);
    assert_eq!(walked(&served, "/api/v1/changes?since=2099-01-01T00:00:00Z").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_ended_whatever_came_or_went() {
    let house = House::polled().await;
    let served = house.serve().await;
    let address = "/api/v1/keys?sort=account&limit=5";
    let all = texts(&walked(&served, address).await, "key_id");
    let first = json(&served, address).await;
    // Keys before and on the edge of the page go, which would move every offset.
    let lost: BTreeSet<String> = all[2..5].iter().cloned().collect();
    let ids = serde_json::to_string(&lost).unwrap();
    let gone = "UPDATE key SET presence = 'gone', presence_reason = 'proven_absent' WHERE remote_id IN (SELECT value FROM json_each(?1))";
    house.inventory.write(move |transaction| Ok(transaction.execute(gone, [ids])?)).await.unwrap();
    let second = json(&served, &below(address, &first["next"])).await;
    assert_eq!(texts(second["items"].as_array().unwrap(), "key_id"), all[5..10]);
    assert!(texts(&walked(&served, address).await, "key_id").iter().all(|id| !lost.contains(id)));
}

#[tokio::test]
async fn one_id_under_two_organisations_is_on_no_page_twice_and_on_one_each() {
    let house = House::polled().await;
    let served = house.serve().await;
    let before = walked(&served, "/api/v1/keys?sort=account&limit=1").await.len();
    // The organisation behind the credential changed, and the new one lists the same id.
    let twin = "INSERT INTO organization (account_id, remote_id, name, first_seen_at) SELECT account_id, 'org_other', 'other', first_seen_at FROM organization LIMIT 1";
    house.inventory.write(move |transaction| Ok(transaction.execute(twin, [])?)).await.unwrap();
    let columns = "SELECT group_concat(name) FROM pragma_table_info('key') WHERE name NOT IN ('id', 'organization_id')";
    house
        .inventory
        .write(move |transaction| {
            let columns: String = transaction.query_row(columns, [], |row| row.get(0))?;
            let copy = format!(
                "INSERT INTO key (organization_id, {columns}) SELECT (SELECT max(id) FROM organization), {columns} FROM key
                  WHERE organization_id = (SELECT min(id) FROM organization)"
            );
            let copied = transaction.execute(&copy, [])?;
            assert!(copied > 1);
            let uses: String = transaction.query_row(
                "SELECT group_concat(name) FROM pragma_table_info('last_use') WHERE name <> 'key_id'",
                [],
                |row| row.get(0),
            )?;
            transaction.execute(
                &format!(
                    "INSERT INTO last_use (key_id, {uses}) SELECT n.id, {uses} FROM last_use AS u JOIN key AS k ON k.id = u.key_id
                       JOIN key AS n ON n.remote_id = k.remote_id AND n.id <> k.id"
                ),
                [],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    for sort in ["account", "-account", "created", "urgency"] {
        let whole = walked(&served, &format!("/api/v1/keys?sort={sort}&limit=1000")).await;
        assert!(whole.len() > before);
        assert_eq!(walked(&served, &format!("/api/v1/keys?sort={sort}&limit=1")).await, whole, "{sort}");
    }
}

async fn asked_again(served: &Served, address: &str, tag: &str) -> Answer {
    served.raw(&format!("GET {address} HTTP/1.1\r\nhost: localhost\r\nif-none-match: {tag}\r\nconnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn a_tag_holds_until_something_was_written_or_a_deadline_passed() {
    let house = House::polled().await;
    let served = house.serve().await;
    let key = house.views.keys(KeysAsked::default()).await.unwrap().remove(0);
    let one = format!("/api/v1/keys/{}/{}", key.account, key.key_id);
    for address in ["/api/v1/keys", "/api/v1/changes", "/api/v1/accounts", "/api/v1/scopes", "/api/v1/owners", &one] {
        let tag = |answer: &Answer| answer.header("etag").unwrap_or_else(|| panic!("{address}: {}", answer.0)).to_owned();
        let first = tag(&served.get(address).await);
        for known in [first.clone(), "*".to_owned(), format!("\"x\", {first}"), first.trim_start_matches("W/").to_owned()] {
            let same = asked_again(&served, address, &known).await;
            assert_eq!((same.status(), same.body(), tag(&same)), (304, "", first.clone()), "{address}");
        }
        assert_eq!(asked_again(&served, address, "W/\"0123456789abcdef\"").await.status(), 200);

        rename(&house, "x").await;
        let written = asked_again(&served, address, &first).await;
        assert_eq!(written.status(), 200, "{address}");
        assert_ne!(tag(&written), first);

        let next = house.views.counts().await.unwrap().next.expect("a deadline ahead");
        let now = house.clock.now();
        house.clock.jump(next.since(now) - 1);
        let early = asked_again(&served, address, &tag(&written)).await;
        // A clock that runs may have passed it meanwhile.
        assert!(early.status() == 304 || house.clock.now() >= next, "{address}");
        house.clock.jump(2);
        let passed = asked_again(&served, address, &tag(&written)).await;
        assert_eq!(passed.status(), 200, "{address}: a deadline passed");
    }
    assert_ne!(
        served.get("/api/v1/keys").await.header("etag"),
        served.get("/api/v1/keys?limit=1").await.header("etag"),
        "a tag is of one question"
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_in_a_sentence_that_programs_can_read() {
    let house = House::polled().await;
    let served = house.serve().await;
    let next = |told: Value| told["next"].as_str().unwrap().to_owned();
    let cursor = next(json(&served, "/api/v1/keys?limit=2&sort=name").await);
    let of_scopes = next(json(&served, "/api/v1/scopes?limit=2").await);
    let tampered = format!("{}{}", if cursor.starts_with('A') { 'B' } else { 'A' }, &cursor[1..]);
    let not_a_cursor = "The parameter “cursor” cannot be that";
    for (address, status, told) in [
        ("/api/v1/keys?colour=red", 400, "There is no parameter “colour”; there are q, provider, account"),
        (
            "/api/v1/keys?page=2",
            400,
            "there are q, provider, account, kind, owner, team, condition, presence, flagged, waived, held, created, last_used, expires, sort, limit, cursor.",
        ),
        ("/api/v1/keys?condition=rotten", 400, "“condition” cannot be “rotten”: it is one of stale, never_used"),
        ("/api/v1/keys?sort=colour", 400, "one of urgency, account, name"),
        ("/api/v1/keys?provider=acme", 400, "“provider” cannot be “acme”: it is one of openai"),
        ("/api/v1/keys?q=", 400, "“q” is empty"),
        ("/api/v1/keys?q=%00", 400, "\\u{0}"),
        ("/api/v1/keys?q=%E2%80%AE", 400, "\\u{202e}"),
        ("/api/v1/keys?q=a&q=b", 400, "“q” may be given once"),
        ("/api/v1/keys?limit=0", 400, "“limit” cannot be “0”: it is a number from 1 to 1000"),
        ("/api/v1/keys?limit=1001", 400, "a number from 1 to 1000"),
        ("/api/v1/keys?limit=%2B5", 400, "a number from 1 to 1000"),
        ("/api/v1/keys?account=nobody", 404, "There is no account “nobody” here; there are acme-den, acme-openai."),
        ("/api/v1/scopes?account=nobody", 404, "There is no account “nobody” here"),
        ("/api/v1/owners?team=nobody", 404, "There is no team “nobody” here; there is none."),
        ("/api/v1/owners?sort=name", 400, "There is no parameter “sort”"),
        ("/api/v1/accounts?limit=1", 400, "There is no parameter “limit”; this path takes none."),
        ("/api/v1/changes?since=yesterday", 400, "a time of RFC 3339"),
        ("/api/v1/changes?after=-1", 400, "the change_id of a change"),
        ("/api/v1/changes?condition=stale", 400, "there are account, since, after, limit, cursor."),
        ("/api/v1/keys/acme-den/apk_none", 404, "There is no key “acme-den/apk_none” in the inventory"),
        ("/api/v1/keys/%FF/x", 404, "no text in UTF-8"),
        ("/api/v1/keys/%3Cscript%3E/%E2%80%AE", 404, "\\u{202e}"),
        ("/api/v1/colours", 404, "there are /api/v1/keys, "),
        ("/api/v1/keys?cursor=x", 400, not_a_cursor),
        (&format!("/api/v1/keys?cursor={cursor}"), 400, not_a_cursor),
        (&format!("/api/v1/keys?sort=-name&cursor={cursor}"), 400, not_a_cursor),
        (&format!("/api/v1/keys?sort=name&waived=no&cursor={cursor}"), 400, not_a_cursor),
        (&format!("/api/v1/keys?sort=name&cursor={tampered}"), 400, not_a_cursor),
        (&format!("/api/v1/keys?sort=name&cursor={of_scopes}"), 400, not_a_cursor),
        (&format!("/api/v1/scopes?account=acme-den&cursor={of_scopes}"), 400, not_a_cursor),
    ] {
        let answer = served.get(address).await;
        assert_eq!(answer.status(), status, "{address}: {}", answer.body());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{address}");
        assert_eq!(answer.header("etag"), None, "{address}");
        let problem: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(told) && problem["title"].is_string(), "{address}: {problem}");
    }
    // Another number of items at once is the same list.
    let goes_on = json(&served, &format!("/api/v1/keys?sort=name&limit=9&cursor={cursor}")).await;
    assert_eq!(goes_on["items"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn every_answer_says_how_old_it_is_and_what_cannot_be_seen() {
    let house = House::new("").await;
    let served = house.serve().await;
    let unread = json(&served, "/api/v1/keys").await;
    assert_eq!((&unread["read_whole_since"], unread["items"].as_array().unwrap().len()), (&Value::Null, 0), "none is not read");
    house.poll().await;
    for path in ["keys", "changes", "accounts", "scopes", "owners"] {
        let told = json(&served, &format!("/api/v1/{path}")).await;
        assert!(told["as_of"].as_str().unwrap().ends_with('Z') && told["read_whole_since"].is_string(), "{told}");
        assert_eq!(told["unseen"], house.views.overview().await.unwrap().unseen_in_all, "{path}");
    }
    house.inventory.clone().close().await.unwrap();
    let refused = served.get("/api/v1/keys").await;
    assert_eq!((refused.status(), refused.header("content-type")), (503, Some("application/problem+json")));
}

/// The fields that a schema names, and those that it asks for.
fn fields(schema: &Value) -> BTreeSet<String> {
    let names: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let required: BTreeSet<String> =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(names, required);
    assert_eq!(schema["additionalProperties"], false);
    names
}

#[tokio::test]
async fn the_document_names_the_fields_of_every_answer() {
    let house = House::polled().await;
    rename(&house, "x").await;
    let served = house.serve().await;
    let document = json(&served, "/api/v1/openapi.json").await;
    let tag = served.get("/api/v1/openapi.json").await.header("etag").unwrap().to_owned();
    assert_eq!(asked_again(&served, "/api/v1/openapi.json", &tag).await.status(), 304);
    let key = house.views.keys(KeysAsked::default()).await.unwrap().remove(0);
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 6);
    for (path, operations) in paths {
        let address = path.replace("{account}", &key.account).replace("{key_id}", &key.key_id);
        let told = json(&served, &address).await;
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
        let schema = &operations["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(names(&told), fields(schema), "{path}");
        let (item, of) = match told.get("item") {
            Some(item) => (item, &schema["properties"]["item"]),
            None => (&told["items"][0], &schema["properties"]["items"]["items"]),
        };
        let schema = document.pointer(of["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
        assert_eq!(names(item), fields(schema), "{path}");
        for field in schema["properties"].as_object().unwrap().values() {
            assert!(field["description"].as_str().unwrap().len() > 3, "{path}: {field}");
        }
        // Every parameter of the document is taken, and what is not there is refused.
        let words = operations["get"]["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == "query");
        let names: Vec<&str> = words.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        for name in &names {
            let refused = served.get(&format!("{address}?{name}=")).await;
            assert!(refused.body().contains(&format!("The parameter “{name}” is empty")), "{}", refused.body());
        }
        let refused = served.get(&format!("{address}?none=1")).await;
        let listed = if names.is_empty() { "this path takes none".to_owned() } else { names.join(", ") };
        assert!(refused.body().contains(&listed), "{}", refused.body());
    }
}

#[tokio::test]
async fn hostile_names_stay_in_their_fields_and_in_the_place_of_a_cursor() {
    let house = House::polled().await;
    let served = house.serve().await;
    let hostile = "\"},{\"x\":1}<script>\\u0000'; DROP TABLE key;--é\u{202e}";
    rename(&house, hostile).await;
    for sort in ["name", "owner", "-owner"] {
        let found = walked(&served, &format!("/api/v1/keys?limit=3&sort={sort}")).await;
        let distinct: BTreeSet<String> = texts(&found, "key_id").into_iter().collect();
        assert_eq!((distinct.len(), found[0]["name"].as_str()), (found.len(), Some(hostile)), "{sort}");
    }
    assert!(walked(&served, "/api/v1/owners?limit=1").await.iter().any(|owner| owner["owner_name"] == hostile));
}

#[tokio::test]
async fn the_guard_stands_before_the_api_as_before_the_pages() {
    let house = House::polled().await;
    let served = house.serve().await;
    let ask = |method: &str, host: &str| format!("{method} /api/v1/keys HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let head = served.raw(&ask("HEAD", "localhost")).await;
    assert_eq!((head.status(), head.body()), (200, ""));
    assert!(head.header("etag").is_some() && head.header("x-content-type-options") == Some("nosniff"));
    for method in ["POST", "DELETE", "OPTIONS"] {
        let refused = served.raw(&ask(method, "localhost")).await;
        assert_eq!((refused.status(), refused.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    assert_eq!(served.raw(&ask("GET", "evil.example")).await.status(), 421);
}
