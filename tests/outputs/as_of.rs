//! Pages as of an earlier instant: they say so, keep it in their links, refuse what nobody can tell, and leave few copies.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use keymuster::domain::Time;

use crate::house::House;
use crate::pages::{links, walked};

/// The copies beside the inventory.
fn copies(house: &House) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(house.views.path().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("inventory.db.as-of-")).collect()
}

fn day(at: Time) -> String {
    at.to_string()[..10].to_owned()
}

#[tokio::test]
async fn a_page_that_looks_back_says_so_and_keeps_to_it() {
    let house = House::aged().await;
    let served = house.serve().await;
    let then = day(house.clock.now().plus(-20 * 86_400));
    for (address, now) in [
        (format!("/keys?as_of={then}"), "/keys"),
        (format!("/keys?condition=expired&as_of={then}&sort=-created"), "/keys?condition=expired&sort=-created"),
        (format!("/keys?as_of={then}&page=2"), "/keys"),
        (format!("/keys?q=nonesuch&as_of={then}"), "/keys?q=nonesuch"),
        (format!("/owners?as_of={then}"), "/owners"),
    ] {
        let page = served.get(&address).await;
        assert_eq!(page.status(), 200, "{address}: {}", page.body());
        let banner = page.body().split("<section class=\"then\"").nth(1).expect("a banner").split("</section>").next().unwrap();
        assert!(banner.contains(&format!("datetime=\"{then}T23:59:59Z\"")), "{banner}");
        for told in
            ["Looking back leaves out last use (with stale and never_used), holds", "The page of a key shows it as it is now."]
        {
            assert!(banner.contains(told), "{banner}");
        }
        assert_eq!(links(banner, "/"), [now]);
        assert!(!page.body().contains("Last used</a>") && !page.body().contains("data-label=\"Last used\""), "{address}");
        assert!(!page.body().contains("read completely"), "how old the data are is told of now: {}", page.body());
        let rest = page.body().replace(banner, "");
        let rest =
            rest.split("class=\"chips\"").next().unwrap().to_owned() + rest.split("class=\"told\"").nth(1).unwrap_or_default();
        let kept: Vec<String> = links(&rest, "/keys").into_iter().chain(links(&rest, "/owners")).collect();
        let (kept, other): (Vec<_>, Vec<_>) = kept.into_iter().partition(|link| link.contains(&format!("as_of={then}")));
        assert!(kept.len() > 1, "{address}: {kept:?}");
        assert!(other.iter().all(|link| link.starts_with("/keys/")), "{address}: {other:?}");
        for link in kept.iter().filter(|link| !link.contains("page=")) {
            assert_eq!(served.get(link).await.status(), 200, "{link}");
        }
    }
    // Whoever owned what then, and the keys behind each number.
    let owners = served.get(&format!("/owners?as_of={then}")).await;
    let first = links(owners.body(), "/keys?whose").into_iter().next().unwrap();
    assert!(!walked(&served, &first).await.is_empty(), "{first}");
    // The other pages are as they are, and the form holds the day.
    let keys = served.get(&format!("/keys?as_of={then}")).await;
    assert_eq!(links(keys.body(), "/changes"), ["/changes"]);
    assert!(
        keys.body().contains(&format!("type=\"date\" max=\"{}\" value=\"{then}\"", day(house.clock.now()))),
        "{}",
        keys.body()
    );
    let file = served.get(&format!("/keys.json?as_of={then}")).await;
    let told: Vec<serde_json::Value> = serde_json::from_str(file.body()).unwrap();
    let ids: Vec<&str> = told.iter().map(|key| key["key_id"].as_str().unwrap()).collect();
    assert_eq!(ids, walked(&served, &format!("/keys?as_of={then}")).await);
}

#[tokio::test]
async fn what_no_look_back_tells_is_refused_in_a_sentence() {
    let house = House::aged().await;
    let served = house.serve().await;
    let (now, today) = (house.clock.now(), day(house.clock.now()));
    let then = now.plus(-86_400).to_string();
    for (query, told) in [
        ("as_of=2026-11-17".to_owned(), "nobody can tell: history goes back to 2026-11-18T"),
        ("as_of=2098-01-01".to_owned(), "lies ahead: it is "),
        (format!("as_of={}", now.plus(3_600)), "lies ahead"),
        ("as_of=yesterday".to_owned(), "is a day (2026-11-01, which means its end)"),
        ("as_of=7d".to_owned(), "is a day"),
        ("as_of=2026-02-30".to_owned(), "is a day"),
        ("as_of=0000-00-00".to_owned(), "is a day"),
        ("as_of=9999-12-31".to_owned(), "is a day"),
        ("as_of=1969-12-31".to_owned(), "is a day"),
        ("as_of=%00".to_owned(), "is a day"),
        ("as_of=2026-12-01%27%3B--".to_owned(), "is a day"),
        ("as_of=..%2F..%2Fetc".to_owned(), "is a day"),
        ("as_of=%E2%80%AE2026-12-01".to_owned(), "is a day"),
        (format!("as_of={}", "9".repeat(5_000)), "is a day"),
        (format!("as_of={then}&as_of={then}"), "may be given once"),
        (format!("as_of={then}&condition=stale"), "A look back cannot tell what was stale: last use is kept without history."),
        (format!("as_of={then}&last_used=never"), "A look back cannot tell what was last used when"),
        (format!("as_of={then}&sort=-last_used"), "A look back cannot order by last use"),
        (format!("as_of={then}&held=no"), "A look back cannot tell what was held"),
        (format!("as_of={then}&flagged=no"), "A look back cannot tell what was in no condition: last use"),
        (format!("as_of={then}&account=nobody"), "There is no account “nobody” here"),
    ] {
        for path in ["/keys", "/keys.json", "/keys.csv", "/owners"] {
            let only_keys = ["condition", "last_used", "held", "flagged"].iter().any(|word| query.contains(word));
            if path == "/owners" && only_keys {
                continue;
            }
            let answer = served.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status(), 400, "{path}?{query}: {}", answer.body());
            assert!(answer.body().contains(told), "{path}?{query}: {}", answer.body());
            assert!(!answer.body().contains("inventory.db"), "no paths of ours: {}", answer.body());
        }
    }
    // Today is as of now.
    for (asked, now) in [("/keys?q=a&as_of=", "/keys?q=a"), ("/owners?as_of=", "/owners"), ("/keys.csv?as_of=", "/keys.csv")] {
        let answer = served.get(&format!("{asked}{today}")).await;
        assert_eq!((answer.status(), answer.header("location")), (303, Some(now)), "{asked}");
    }
    assert!(copies(&house).len() <= 1, "what is refused leaves nothing: {:?}", copies(&house));
    // The API tells of now, and says so.
    assert_eq!(served.get(&format!("/api/v1/keys?as_of={today}")).await.status(), 400);
    let unread = House::new("").await;
    let page = unread.serve().await.get(&format!("/keys?as_of={}", unread.clock.now().plus(-1))).await;
    assert!(page.status() == 400 && page.body().contains("nothing was read yet"), "{}", page.body());
}

#[tokio::test]
async fn few_copies_are_kept_for_the_owner_alone_and_none_that_is_old() {
    let house = House::aged().await;
    let served = house.serve().await;
    let look = async |days: i64| {
        let then = day(house.clock.now().plus(-days * 86_400));
        let answer = served.get(&format!("/keys.json?as_of={then}")).await;
        assert_eq!(answer.status(), 200, "{}", answer.body());
        answer.body().to_owned()
    };
    let first = look(30).await;
    let made = copies(&house);
    assert_eq!(made.len(), 1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&made[0]), mode(&made[0].join("inventory.db"))), (0o700, 0o600));
    assert_eq!(look(30).await, first);
    assert_eq!(copies(&house), made, "asked for again, it is there");
    look(20).await;
    let two: BTreeSet<PathBuf> = copies(&house).into_iter().collect();
    assert!(two.len() == 2 && two.contains(&made[0]));
    look(30).await;
    look(10).await;
    let after: BTreeSet<PathBuf> = copies(&house).into_iter().collect();
    assert!(after.len() == 2 && after.contains(&made[0]), "who was asked for longest ago went: {after:?} {two:?}");

    // Names are told as they are today: whatever is written makes what was copied before old.
    house.inventory.write(|transaction| Ok(transaction.execute("UPDATE person SET name = 'Nobody'", [])?)).await.unwrap();
    assert!(!first.contains("Nobody") && look(30).await.contains("Nobody"));
    assert_eq!(copies(&house).len(), 1, "what was copied before is gone");
    let policy = keymuster::config::Config::parse(
        std::path::Path::new("/etc/keymuster.toml"),
        "[policy]\nmax_age = '1d'",
        std::iter::empty(),
        keymuster::providers::PROVIDERS,
    );
    house.views.judge_by(std::sync::Arc::new(policy.unwrap().policy));
    assert!(look(30).await.matches("overdue").count() > first.matches("overdue").count(), "by another policy");

    // Together, each gets what it asked for.
    let (one, two, three) = tokio::join!(look(30), look(15), look(25));
    assert_eq!((one, two, three), (look(30).await, look(15).await, look(25).await));
    assert!(copies(&house).len() <= 2);
    drop(served);
}
