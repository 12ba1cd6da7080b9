//! The pages *Accounts* and *Account*: what was read, what was not and why, and when the next poll is due.

use keymuster::sim::Fault;

use crate::house::House;
use crate::pages::{links, walked};
use crate::web::{rename, shape};

/// The table row of a list or account whose first cell begins so.
fn row<'a>(page: &'a str, first: &str) -> &'a str {
    let rows = page.split("<tr><th scope=\"row\">").skip(1);
    let mut found = rows.filter(|row| row.trim_start_matches("<a href=\"/accounts/").contains(first));
    found.next().unwrap_or_else(|| panic!("no row of {first}: {page}")).split("</tr>").next().unwrap()
}

#[tokio::test]
async fn every_account_tells_its_polls_lists_and_keys() {
    let house = House::polled().await;
    let served = house.serve().await;
    let page = served.get("/accounts").await;
    for facts in house.views.accounts().iter() {
        let row = row(page.body(), &facts.name);
        assert!(row.contains("read as planned"), "{row}");
        let (due, schedule) = facts.due_after(house.clock.now()).unwrap();
        assert!(due > house.clock.now(), "{due}");
        assert!(row.contains(&format!("<time datetime=\"{due}\"")) && row.contains(&schedule), "{row}");
        let link = links(row, "/keys?").remove(0);
        let keys = row.split("keys?").nth(1).unwrap().split_once('>').unwrap().1.split('<').next().unwrap();
        assert_eq!(walked(&served, &link).await.len().to_string(), keys, "{row}");
        assert_eq!(links(row, "/accounts/"), [format!("/accounts/{}", facts.name)]);
    }
    assert!(row(page.body(), "acme-openai").contains("<i class=\"note\">1 closed</i> <i class=\"good\">10 complete</i>"));

    for (name, unseen) in [("acme-openai", 1), ("acme-den", 0)] {
        let page = served.get(&format!("/accounts/{name}")).await;
        assert_eq!(page.status(), 200);
        let scopes = house.views.scopes(name).await.unwrap();
        let (blind, all) = page.body().split_once("id=\"lists\"").unwrap();
        let blind = blind.split_once("id=\"unseen\"").unwrap().1;
        assert_eq!(
            (blind.matches("<tr><th scope=\"row\">").count(), all.matches("<tr><th scope=\"row\">").count()),
            (unseen, scopes.len())
        );
        assert_eq!(blind.contains("project archived"), unseen > 0, "{blind}");
        assert!(!blind.contains("<span>0</span>"), "nothing is known of what was never read: {blind}");
        assert_eq!(blind.contains("Every list that is known was read completely."), unseen == 0, "{blind}");
    }
    assert!(served.get("/accounts/acme-openai").await.body().contains("OpenAI does not tell enough for: "));
    let overview = served.get("/").await;
    for name in ["acme-den", "acme-openai"] {
        assert!(overview.body().contains(&format!("<a href=\"/accounts/{name}\">")), "{}", overview.body());
    }
}

#[tokio::test]
async fn what_was_never_read_is_no_zero_and_what_fails_tells_why() {
    let house = House::new("").await;
    let served = house.serve().await;
    let before = served.get("/accounts").await;
    assert!(row(before.body(), "acme-den").contains("none has ended yet"), "{}", before.body());
    house.simulation.set_faults(Fault::parse_all("unauthorized:den").unwrap());
    house.poll().await;
    let page = served.get("/accounts").await;
    let den = row(page.body(), "acme-den");
    assert!(
        den.contains("<span>—</span>") && !den.contains(">0<") && den.contains("<small class=\"alarm\">auth</small>"),
        "{den}"
    );
    let page = served.get("/accounts/acme-den").await;
    assert!(page.body().contains("all keys of the account: auth<"), "{}", page.body());

    // An account that the config does not name any more.
    house.views.configure(Vec::new());
    let page = served.get("/accounts/acme-openai").await;
    assert!(page.status() == 200 && page.body().contains("The config does not name this account any more"), "{}", page.body());
    assert!(page.body().contains("<em>not in the config</em>"), "{}", page.body());
}

#[tokio::test]
async fn an_account_that_is_not_there_is_told_in_a_sentence() {
    let house = House::polled().await;
    let served = house.serve().await;
    for (address, status, told) in [
        ("/accounts/nobody", 404, "There is no account “nobody” in the config or in the inventory."),
        ("/accounts/%3Cscript%3E%E2%80%AE", 404, "\\u{202e}"),
        ("/accounts?colour=red", 400, "There is no parameter “colour”; this page has none."),
        ("/accounts/acme-den?page=2", 400, "There is no parameter “page”; this page has none."),
    ] {
        let page = served.get(address).await;
        assert_eq!(page.status(), status, "{address}");
        assert!(page.body().contains(told) && !page.body().contains("<script"), "{address}: {}", page.body());
    }
}

#[tokio::test]
async fn hostile_names_of_lists_and_organisations_stay_text() {
    let house = House::polled().await;
    let served = house.serve().await;
    let pages = ["/accounts", "/accounts/acme-den", "/accounts/acme-openai"];
    rename(&house, "xa").await;
    let mut plain = Vec::new();
    for address in pages {
        plain.push(shape(served.get(address).await.body()));
    }
    for hostile in ["a\"><script>alert(1)</script><b a='&amp;{{7*7}}\u{202e}\u{0}\u{7}", "=a\r\n\r\nHTTP/1.1 200 %2F#?&=+"] {
        rename(&house, hostile).await;
        for (address, plain) in pages.iter().zip(&plain) {
            let page = served.get(address).await;
            assert_eq!((page.status(), &shape(page.body())), (200, plain), "{address}");
            assert!(!page.body().contains("<script"), "{address}");
        }
    }
}
