//! The page *Owners*: one line for each, and every number leads to the keys that it counts.

use keymuster::domain::Condition;
use keymuster::views::KeysAsked;

use crate::house::House;
use crate::pages::{links, walked};
use crate::web::{rename, shape};

/// The links to keys, each with the number that it carries.
fn numbers(page: &str) -> Vec<(String, usize)> {
    let parts = page.split("href=\"/keys?").skip(1).map(|part| {
        let query = part.split('"').next().unwrap().replace("&#38;", "&");
        let text = part.split_once('>').unwrap().1.split("</a>").next().unwrap().rsplit_once("\">").unwrap_or(("", "")).1;
        let text = if text.is_empty() { part.split_once('>').unwrap().1 } else { text };
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap();
        (format!("/keys?{query}"), digits.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}")))
    });
    parts.collect()
}

#[tokio::test]
async fn every_number_leads_to_as_many_keys_and_all_of_them_are_there() {
    let waiver = "[[waivers]]\nmatch = { provider = 'den', name = '*a*' }\nreason = 'x'\nwho = 'ana'\nuntil = '2099-01-01'\n";
    let house = House::new(waiver).await;
    house.poll().await;
    // Owners that nearly are one: the same address in other letters and with blanks, as two kinds, and as a name.
    house
        .inventory
        .write(|transaction| {
            transaction.execute("UPDATE person SET email = ' Ana@Example.com' WHERE id % 5 = 0", [])?;
            transaction.execute("UPDATE person SET email = 'ana@example.com' WHERE id % 5 = 1", [])?;
            transaction.execute("UPDATE person SET email = NULL, name = 'ana@example.com' WHERE id % 5 = 2", [])?;
            transaction.execute("UPDATE person SET email = '  ' WHERE id % 5 = 3", [])?;
            Ok(())
        })
        .await
        .unwrap();
    let served = house.serve().await;
    for address in ["/owners", "/owners?account=acme-den", "/owners?q=ANA%40example"] {
        let page = served.get(address).await;
        assert_eq!(page.status(), 200, "{}", page.body());
        let numbers = numbers(page.body());
        assert!(numbers.len() > 3, "{address}: {}", page.body());
        for (link, number) in &numbers {
            assert_eq!(walked(&served, link).await.len(), *number, "{address}: {link}");
        }
    }
    let owners = house.views.owners(KeysAsked::default()).await.unwrap();
    let page = served.get("/owners").await;
    assert_eq!(page.body().matches("<tr><th scope=\"row\">").count(), owners.len());
    let waived: u64 = owners.iter().map(|owned| owned.waived).sum();
    assert!(waived > 0 && page.body().contains(" waived</i></a>"));
    let joined = owners.iter().find(|owned| owned.whose.to_string() == "user:ana@example.com").unwrap();
    assert!(joined.accounts.len() == 2 && joined.owner.as_ref().unwrap().ids.len() > 1, "{joined:?}");
}

#[tokio::test]
async fn leavers_come_first_and_an_empty_list_says_what_it_knows() {
    let house = House::polled().await;
    let served = house.serve().await;
    let owners = house.views.owners(KeysAsked::default()).await.unwrap();
    let left = owners.iter().filter(|owned| owned.in_condition(Condition::Orphaned) > 0).count();
    let page = served.get("/owners").await;
    let rows: Vec<bool> =
        page.body().split("<tr><th scope=\"row\">").skip(1).map(|row| row.contains("owns orphaned keys")).collect();
    assert!(left > 0 && rows.iter().take(left).all(|left| *left) && !rows[left..].contains(&true), "{rows:?}");

    let none = served.get("/owners?q=nonesuch&account=acme-den").await;
    for told in ["No owner of a key that was read matches all of this:", "Search nonesuch, Account acme-den.", "may hold more"] {
        assert!(none.body().contains(told), "{told}: {}", none.body());
    }
    let blank = served.get("/owners?q=&account=acme-den").await;
    assert_eq!((blank.status(), blank.header("location")), (303, Some("/owners?account=acme-den")));
    for (address, status, told) in [
        ("/owners?colour=red", 400, "There is no parameter “colour”; there are q, account, as_of, page."),
        ("/owners?account=nobody", 400, "There is no account “nobody” here; there are acme-den, acme-openai."),
        ("/owners?page=0", 400, "a number from 1"),
        ("/owners?page=99", 404, "There is no page 99 of these owners."),
        ("/keys?whose=ana", 400, "id:ACCOUNT/ID"),
        ("/keys?whose=robot:x", 400, "one of user, service_account, other"),
    ] {
        let page = served.get(address).await;
        assert_eq!(page.status(), status, "{address}");
        assert!(page.body().contains(told), "{address}: {}", page.body());
    }
    let unread = House::new("").await;
    let page = unread.serve().await.get("/owners").await;
    assert!(page.body().contains("No key was read yet") && !page.body().contains("matches"), "{}", page.body());
}

#[tokio::test]
async fn hostile_names_of_owners_stay_text() {
    let house = House::polled().await;
    let served = house.serve().await;
    rename(&house, "xa").await;
    let plain = shape(served.get("/owners").await.body());
    for hostile in ["a\"><script>alert(1)</script><b a='&amp;{{7*7}}\u{202e}\u{7}", "=a\r\n\r\nHTTP/1.1 200 %2F#?&=+"] {
        rename(&house, hostile).await;
        let page = served.get("/owners").await;
        assert_eq!((page.status(), &shape(page.body())), (200, &plain));
        assert!(!page.body().contains("<script"));
    }
    // What a name may hold and an address may not.
    rename(&house, "a&b=c+d #?%41/ü@example.com").await;
    let page = served.get("/owners").await;
    for link in links(page.body(), "/keys?") {
        assert_eq!(served.get(&link).await.status(), 200, "{link}");
    }
    for (link, number) in numbers(page.body()) {
        assert_eq!(walked(&served, &link).await.len(), number, "{link}");
    }
}
