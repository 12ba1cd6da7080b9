//! The pages *Keys* and *Key*, as a browser meets them: they show what the read model has, all of it and nothing else.

use keymuster::config::Config;
use keymuster::domain::{Condition, Presence};
use keymuster::providers::PROVIDERS;
use keymuster::views::{Filter, KeyRow, KeysAsked, Order};

use crate::house::{House, Served};
use crate::web::{rename, shape};

/// The addresses that the page links to below a path, unescaped.
pub fn links(page: &str, below: &str) -> Vec<String> {
    let hrefs = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&"));
    hrefs.filter(|href| href.starts_with(below)).collect()
}

/// The ids of the keys in the table, in order.
fn ids(page: &str) -> Vec<String> {
    let rows = page.split("<tbody>").nth(1).unwrap_or_default().split("<tr><th scope=\"row\">").skip(1);
    rows.map(|row| row.split("<small class=\"id\">").nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
}

/// All keys that an address lists, page after page.
pub async fn walked(served: &Served, address: &str) -> Vec<String> {
    let (mut next, mut found) = (Some(address.to_owned()), Vec::new());
    while let Some(address) = next {
        let page = served.get(&address).await;
        assert_eq!(page.status(), 200, "{address}: {}", page.body());
        found.extend(ids(page.body()));
        let before = page.body().split("rel=\"next\"").next().filter(|before| before.len() < page.body().len());
        next = before.map(|before| before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&"));
    }
    found
}

fn key_ids(keys: &[KeyRow]) -> Vec<String> {
    keys.iter().map(|key| key.key_id.clone()).collect()
}

async fn listed(house: &House, filter: Filter, order: Order, reversed: bool) -> Vec<String> {
    key_ids(&house.views.keys(KeysAsked { filter, order, reversed, ..KeysAsked::default() }).await.unwrap())
}

fn not_gone() -> Vec<Presence> {
    Presence::ALL.iter().copied().filter(|presence| *presence != Presence::Gone).collect()
}

#[tokio::test]
async fn every_page_together_and_both_files_hold_exactly_what_was_asked() {
    let house = House::polled().await;
    let served = house.serve().await;
    let all = |filter| Filter { presences: not_gone(), ..filter };
    let stale = all(Filter { conditions: vec![Condition::Stale, Condition::Expired], waived: Some(false), ..Filter::default() });
    let searched = all(Filter { text: Some("CI".into()), providers: vec!["openai".into()], ..Filter::default() });
    for (query, filter, order, reversed) in [
        ("", all(Filter::default()), Order::Urgency, false),
        ("?sort=-created", all(Filter::default()), Order::Created, true),
        ("?condition=stale&condition=expired&waived=no&sort=expires", stale, Order::Expiry, false),
        ("?q=CI&provider=openai&sort=name", searched, Order::Name, false),
        ("?presence=gone", Filter { presences: vec![Presence::Gone], ..Filter::default() }, Order::Urgency, false),
    ] {
        let expected = listed(&house, filter, order, reversed).await;
        assert!(!expected.is_empty() || query.contains("gone"), "{query} shows something");
        assert_eq!(walked(&served, &format!("/keys{query}")).await, expected, "{query}");
        let json = served.get(&format!("/keys.json{query}")).await;
        assert_eq!(json.header("content-type"), Some("application/json"));
        let told: Vec<serde_json::Value> = serde_json::from_str(json.body()).unwrap();
        assert_eq!(told.iter().map(|key| key["key_id"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{query}");
        let csv = served.get(&format!("/keys.csv{query}")).await;
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"keys.csv\""));
        let mut records = csv::Reader::from_reader(csv.body().as_bytes());
        assert_eq!(records.headers().unwrap().get(4), Some("key_id"));
        let in_csv: Vec<String> = records.records().map(|record| record.unwrap()[4].to_owned()).collect();
        assert_eq!(in_csv, expected, "{query}");
    }
}

#[tokio::test]
async fn orders_turn_round_and_leave_what_has_no_value_last() {
    let house = House::polled().await;
    for order in
        [Order::Id, Order::Urgency, Order::Expiry, Order::LastUse, Order::Created, Order::Name, Order::Kind, Order::Owner]
    {
        let asked = |reversed| KeysAsked { order, reversed, ..KeysAsked::default() };
        let (one, other) = (house.views.keys(asked(false)).await.unwrap(), house.views.keys(asked(true)).await.unwrap());
        assert_ne!(key_ids(&one), key_ids(&other), "{order:?}");
        let (mut sorted, mut turned) = (key_ids(&one), key_ids(&other));
        sorted.sort();
        turned.sort();
        assert_eq!(sorted, turned, "{order:?}");
        for keys in [&one, &other] {
            let has: Vec<bool> = match order {
                Order::Expiry => keys.iter().map(|key| key.expires.at().is_some()).collect(),
                Order::Created => keys.iter().map(|key| key.created_at.is_some()).collect(),
                Order::Owner => keys.iter().map(|key| key.owner.is_some()).collect(),
                Order::Name => keys.iter().map(|key| key.name.is_some()).collect(),
                Order::Id | Order::Urgency | Order::LastUse | Order::Kind | Order::Team => continue,
            };
            assert!(has.is_sorted_by(|before, after| before >= after), "{order:?}: {has:?}");
        }
        let page = house.views.page_of_keys(KeysAsked { limit: Some(20), offset: 10, ..asked(true) }).await.unwrap();
        assert_eq!((page.0.as_slice(), page.1), (&other[10..30], other.len() as u64), "{order:?}");
    }
}

#[tokio::test]
async fn what_does_not_parse_or_exist_is_told_in_a_sentence() {
    let house = House::polled().await;
    let served = house.serve().await;
    for (address, status, told) in [
        ("/keys?colour=red", 400, "There is no parameter “colour”; there are q, provider"),
        ("/keys?condition=rotten", 400, "is one of stale, never_used"),
        ("/keys?sort=colour", 400, "is one of urgency, account"),
        ("/keys?page=zero", 400, "a number from 1"),
        ("/keys?provider=acme", 400, "There is no provider “acme” here; there are openai"),
        ("/keys?account=nobody", 400, "There is no account “nobody” here; there are acme-den, acme-openai."),
        ("/keys?team=nobody", 400, "There is no team “nobody” here; there is none."),
        ("/keys?q=%00", 400, "\\u{0}"),
        ("/keys?page=99", 404, "There is no page 99 of these keys."),
        ("/keys/acme-den/apk_none", 404, "There is no key “acme-den/apk_none” in the inventory"),
        ("/keys/%3Cscript%3E/%E2%80%AE", 404, "\\u{202e}"),
    ] {
        let page = served.get(address).await;
        assert_eq!(page.status(), status, "{address}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{address}");
        let body = page.body().replace("&#60;", "<");
        assert!(body.contains(told), "{address}: {}", page.body());
        assert!(!page.body().contains("<script") && !page.body().contains("No key"), "{address}");
    }
    for path in ["/keys.csv", "/keys.json"] {
        for (query, told) in [("?condition=rotten", "is one of stale"), ("?account=nobody", "There is no account “nobody”")] {
            let answer = served.get(&format!("{path}{query}")).await;
            assert_eq!((answer.status(), answer.header("content-type")), (400, Some("text/plain; charset=utf-8")));
            assert!(answer.body().contains(told), "{}", answer.body());
        }
    }
}

#[tokio::test]
async fn a_form_with_empty_fields_leads_to_the_address_of_what_it_asks() {
    let house = House::polled().await;
    let served = house.serve().await;
    let answer = served.get("/keys?q=&owner=&condition=stale&waived=&sort=-created").await;
    assert_eq!((answer.status(), answer.header("location")), (303, Some("/keys?condition=stale&sort=-created")));
}

#[tokio::test]
async fn an_empty_list_says_what_was_asked_and_what_cannot_be_seen() {
    let house = House::polled().await;
    let served = house.serve().await;
    let page = served.get("/keys?q=nonesuch&account=acme-den").await;
    assert_eq!(page.status(), 200);
    for told in
        ["No key that was read matches all of this:", "Search nonesuch, Account acme-den.", "Keys that are gone were left out."]
    {
        assert!(page.body().contains(told), "{told}: {}", page.body());
    }
    assert!(page.body().contains("Lists that cannot be seen whole may hold more: keys of project"), "{}", page.body());

    let house = House::new("").await;
    let served = house.serve().await;
    let page = served.get("/keys").await;
    assert!(page.body().contains("No key was read yet") && !page.body().contains("matches"), "{}", page.body());
}

#[tokio::test]
async fn every_number_of_the_overview_leads_to_as_many_keys() {
    let waiver = "[[waivers]]\nmatch = { provider = 'den' }\nreason = 'x'\nwho = 'ana'\nuntil = '2099-01-01'\n";
    let house = House::new(waiver).await;
    house.poll().await;
    let served = house.serve().await;
    let overview = served.get("/").await;
    let mut checked = 0;
    for part in overview.body().split("href=\"/keys?").skip(1) {
        let query = part.split('"').next().unwrap().replace("&#38;", "&");
        let text = part.split_once('>').unwrap().1.split("</a>").next().unwrap();
        let digits = text.trim_start_matches("<b>").split(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap();
        let number: usize = digits.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(walked(&served, &format!("/keys?{query}")).await.len(), number, "{query}");
        checked += 1;
    }
    assert!(checked > 20, "{checked} numbers are too few");
    assert!(overview.body().contains("more waived</a>"), "a note leads to keys too");
    for link in links(overview.body(), "/keys/") {
        assert_eq!(served.get(&link).await.status(), 200, "{link}");
    }
}

#[tokio::test]
async fn the_page_of_a_key_tells_what_the_list_does_and_where_to_revoke_it() {
    let house = House::polled().await;
    let served = house.serve().await;
    let keys = house.views.keys(KeysAsked::default()).await.unwrap();
    assert!(!keys.is_empty());
    for key in &keys {
        let page = served.get(&format!("/keys/{}/{}", key.account, key.key_id)).await;
        assert_eq!(page.status(), 200, "{}", key.key_id);
        let claims = page.body().split("id=\"conditions\"").nth(1).unwrap().split("</section>").next().unwrap();
        let hold = claims.matches("<span>holds</span>").count();
        assert_eq!(hold, key.conditions.len(), "{}: {claims}", key.key_id);
        let revoke = page.body().split("id=\"revoke\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert_eq!(revoke.contains("DELETE http"), revoke.contains("which keymuster never makes"), "{revoke}");
        assert!(revoke.contains("console: <a href=\"https://"), "{revoke}");
    }
    let called = |key: &KeyRow| {
        let (base, path) = match key.provider.as_str() {
            "den" => (house.simulation.den_base_url(), format!("/v1/api-keys/{}", key.key_id)),
            _ => (house.simulation.openai_base_url(), format!("/organization/projects/{}/api_keys/{}", key.scope_id, key.key_id)),
        };
        format!("<code>DELETE {base}{path}</code>")
    };
    let of_user = |key: &&KeyRow| key.owner.as_ref().is_some_and(|owner| owner.kind.as_str() == "user");
    let den = keys.iter().find(|key| key.provider == "den").unwrap();
    let openai = keys.iter().filter(of_user).find(|key| key.kind.as_str() == "project").unwrap();
    for key in [den, openai] {
        let page = served.get(&format!("/keys/{}/{}", key.account, key.key_id)).await;
        assert!(page.body().contains(&called(key)), "{}: {}", called(key), page.body());
        assert!(!page.body().contains("last judged by"), "{}", page.body());
    }

    // Another policy than the one that the inventory was judged by, and an account that is not in the config any more.
    house.views.judge_by(std::sync::Arc::new(
        Config::parse(std::path::Path::new("/etc/keymuster.toml"), "[policy]\nmax_age = '1d'", std::iter::empty(), PROVIDERS)
            .unwrap()
            .policy,
    ));
    house.views.configure(Vec::new());
    let page = served.get(&format!("/keys/{}/{}", den.account, den.key_id)).await;
    assert!(page.body().contains("is not the one that the inventory was last judged by"), "{}", page.body());
    assert!(page.body().contains(&format!("<code>DELETE /v1/api-keys/{}</code>", den.key_id)), "{}", page.body());
    assert!(page.body().contains("put the address of its API before the path"), "{}", page.body());
}

#[tokio::test]
async fn hostile_names_change_the_shape_of_no_page_and_no_file() {
    let house = House::polled().await;
    let served = house.serve().await;
    let one = house.views.keys(KeysAsked { limit: Some(1), ..KeysAsked::default() }).await.unwrap().remove(0);
    let key = format!("/keys/{}/{}", one.account, one.key_id);
    let pages = ["/", "/keys", "/keys?q=a&sort=kind", "/keys?account=acme-den&condition=stale&sort=-created", key.as_str()];
    rename(&house, "xa").await;
    let mut plain = Vec::new();
    for address in pages {
        plain.push(shape(served.get(address).await.body()));
    }
    let long: &'static str = Box::leak("a\"'<&>\r\n,=".repeat(1_000).into_boxed_str());
    for hostile in ["a\"><script>alert(1)</script><b a='&amp;{{7*7}}{% raw %}\u{202e}\u{0}\u{7}", "=a\r\n\r\nHTTP/1.1 200", long]
    {
        rename(&house, hostile).await;
        for (address, plain) in pages.iter().zip(&plain) {
            let page = served.get(address).await;
            assert_eq!(page.status(), 200, "{address}");
            assert_eq!(&shape(page.body()), plain, "{address}");
            assert!(!page.body().contains("<script") && !page.body().contains("{{7*7}}<"), "{address}");
        }
        let count = house.views.keys(KeysAsked::default()).await.unwrap().len();
        let json: Vec<serde_json::Value> = serde_json::from_str(served.get("/keys.json").await.body()).unwrap();
        assert!(json.len() == count && json.iter().all(|key| key["name"] == hostile));
        let csv = served.get("/keys.csv").await;
        let mut reader = csv::Reader::from_reader(csv.body().as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len(), count);
        assert!(records.iter().all(|record| record.len() == 29 && !record[6].starts_with('=')), "no formula");
    }
}
