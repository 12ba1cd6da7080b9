//! The page *Changes*: every change once, the newest first, each with a way to its key.

use keymuster::domain::Time;
use keymuster::views::ChangesAsked;

use crate::house::{House, Served};
use crate::pages::links;
use crate::web::{rename, shape};

/// So many renamings of one key, seen a minute apart, the newest now; which is returned.
async fn with_history(house: &House, count: i64) -> i64 {
    let now = house.clock.now().unix();
    house
        .inventory
        .write(move |transaction| {
            transaction.execute("DELETE FROM change", [])?;
            for at in 0..count {
                let what = if at % 10 == 0 { "became_missing" } else { "renamed" };
                let (before, after) = if at % 10 == 0 { (None, None) } else { (Some(format!("n{at}.")), Some("x")) };
                transaction.execute(
                    "INSERT INTO change (at, key_id, change, before, after) SELECT ?1, min(id) + ?2 % 2, ?3, ?4, ?5 FROM key",
                    (now - (count - 1 - at) * 60, at, what, before, after),
                )?;
            }
            Ok(())
        })
        .await
        .unwrap();
    now
}

/// The lines of every page behind an address, by what they say.
async fn walked(served: &Served, address: &str) -> Vec<String> {
    let (mut next, mut found) = (Some(address.to_owned()), Vec::new());
    while let Some(address) = next {
        let page = served.get(&address).await;
        assert_eq!(page.status(), 200, "{address}: {}", page.body());
        let list = page.body().split("<ol class=\"changes\">").nth(1).unwrap_or_default().split("</ol>").next().unwrap();
        found.extend(list.split("<li>").skip(1).map(str::to_owned));
        let before = page.body().split("rel=\"next\"").next().filter(|before| before.len() < page.body().len());
        next = before.map(|before| before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&"));
    }
    found
}

#[tokio::test]
async fn pages_hold_every_change_once_and_lead_to_the_keys() {
    let house = House::polled().await;
    let newest = with_history(&house, 250).await;
    let served = house.serve().await;
    let all = walked(&served, "/changes").await;
    assert_eq!(all.len(), 250);
    let renamed: Vec<i64> =
        all.iter().filter_map(|line| line.split_once("<span class=\"detail\">n")?.1.split('.').next()?.parse().ok()).collect();
    let expected: Vec<i64> = (0..250).rev().filter(|at| at % 10 != 0).collect();
    assert_eq!(renamed, expected);
    assert_eq!(walked(&served, "/changes?change=became_missing").await.len(), 25);
    let since = Time::from_unix(newest - 99 * 60);
    assert_eq!(walked(&served, &format!("/changes?change=became_missing&change=renamed&since={since}")).await.len(), 100);
    assert_eq!(walked(&served, "/changes?since=12h&change=became_gone").await.len(), 0);
    for name in ["acme-den", "acme-openai"] {
        let listed = house.views.changes(ChangesAsked { accounts: vec![name.into()], ..ChangesAsked::default() }).await.unwrap();
        assert_eq!(walked(&served, &format!("/changes?account={name}")).await.len(), listed.len(), "{name}");
    }

    // What is seen meanwhile moves nothing from one page to the next.
    let first = served.get("/changes").await;
    let older = links(first.body(), "/changes?before=").remove(0);
    let page = walked(&served, &older).await;
    // But for how long ago it was, which moves while the test runs.
    let what = |line: &String| line.split_once("</time>").unwrap().1.to_owned();
    assert_eq!((page.len(), page.first().map(what)), (150, all.get(100).map(what)));
    for link in links(first.body(), "/keys/").iter().take(3) {
        assert_eq!(served.get(link).await.status(), 200, "{link}");
    }
    let blank = served.get("/changes?since=&change=renamed").await;
    assert_eq!((blank.status(), blank.header("location")), (303, Some("/changes?change=renamed")));
}

#[tokio::test]
async fn what_cannot_be_asked_and_what_was_not_seen_is_told() {
    let house = House::polled().await;
    let served = house.serve().await;
    for (address, told) in [
        ("/changes?colour=red", "There is no parameter “colour”; there are account, change, since, before."),
        ("/changes?change=exploded", "it is one of appeared, became_missing"),
        ("/changes?since=yesterday", "a day such as 2026-11-01"),
        ("/changes?before=x", "the number of a change"),
        ("/changes?account=nobody", "There is no account “nobody” here; there are acme-den, acme-openai."),
    ] {
        let page = served.get(address).await;
        assert_eq!(page.status(), 400, "{address}");
        assert!(page.body().contains(told) && page.body().contains("href=\"/changes\""), "{address}: {}", page.body());
    }
    let page = served.get("/changes?account=acme-den&since=2026-11-01").await;
    for told in [
        "No change was seen that matches all of this:",
        "Account acme-den, Since 2026-11-01.",
        "changes may have gone unnoticed: keys of project",
    ] {
        assert!(page.body().contains(told), "{told}: {}", page.body());
    }
    let unread = House::new("").await;
    let page = unread.serve().await.get("/changes").await;
    assert!(page.body().contains("No key was read yet") && !page.body().contains("No change"), "{}", page.body());
}

#[tokio::test]
async fn hostile_names_in_changes_stay_text() {
    let house = House::polled().await;
    let served = house.serve().await;
    rename(&house, "xa").await;
    let plain = shape(served.get("/changes").await.body());
    for hostile in ["a\"><script>alert(1)</script><b a='&amp;{{7*7}}\u{202e}\u{0}\u{7}", "=a\r\n\r\nHTTP/1.1 200 %2F#?&=+"] {
        rename(&house, hostile).await;
        let page = served.get("/changes").await;
        assert_eq!((page.status(), &shape(page.body())), (200, &plain));
        assert!(!page.body().contains("<script") && page.body().contains("<li>"));
    }
}
