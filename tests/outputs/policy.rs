//! The page *Policy*: what is in force, what set it, and how many keys that is about.

use std::path::Path;
use std::sync::Arc;

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;
use keymuster::views::KeysAsked;

use crate::house::House;
use crate::web::shape;

const POLICY: &str = "[policy]\nstale_after = '30d'\n\
    [[policy.rules]]\nmatch = { provider = 'den', name = '*a*' }\nmax_age = '45d'\nlabels = { team = 'data' }\n\
    [[policy.rules]]\nmatch = { account = 'acme-*' }\nignore = []\n\
    [[waivers]]\nmatch = { provider = 'openai' }\nreason = 'moved'\nwho = 'ana'\nuntil = '2099-01-01'\n\
    [[waivers]]\nmatch = { provider = 'den' }\nreason = 'frozen'\nwho = 'bo'\nuntil = '2026-01-02'\n";

/// The cells of a row, from the first cell's text on.
fn row<'a>(page: &'a str, first: &str) -> &'a str {
    let found = page.split("<tr>").skip(1).find(|row| row.split("</th>").next().unwrap().contains(first));
    found.unwrap_or_else(|| panic!("no row of {first}: {page}")).split("</tr>").next().unwrap()
}

#[tokio::test]
async fn rules_limits_and_waivers_are_told_with_the_keys_that_they_match() {
    let house = House::new(POLICY).await;
    house.poll().await;
    let served = house.serve().await;
    let page = served.get("/policy").await;
    let keys = house.views.keys(KeysAsked::default()).await.unwrap();
    let may_be_there: Vec<_> =
        keys.iter().filter(|key| ["present", "missing", "unknown"].contains(&key.presence.as_str())).collect();
    let den = may_be_there.iter().filter(|key| key.provider == "den");
    let named = den.clone().filter(|key| key.name.as_ref().is_some_and(|name| name.contains('a'))).count();
    let (den, openai) = (den.count(), may_be_there.iter().filter(|key| key.provider == "openai").count());
    assert!(named > 0 && named < den, "{named} of {den}");
    for (first, told) in [
        ("1. <code>provider = den, name = *a*", format!("<span>{named}</span>")),
        ("1. <code>", "max_age = 45d".to_owned()),
        ("1. <code>", "label team = data".to_owned()),
        ("2. <code>account = acme-*", format!("<span>{}</span>", may_be_there.len())),
        ("2. <code>", "ignore = nothing".to_owned()),
        ("stale_after", "<code>30d</code></span></td><td data-label=\"Set by\"><span>[policy]<".to_owned()),
        ("expiring_within", "<span>the built-in default<".to_owned()),
        ("<code>provider = openai</code>", format!("<span>{openai}</span>")),
        ("<code>provider = openai</code>", "<span>moved<".to_owned()),
        ("<code>provider = den</code>", format!("<span>{den}</span>")),
        ("<code>provider = den</code>", "over: it accepts nothing any more".to_owned()),
    ] {
        assert!(row(page.body(), first).contains(&told), "{told}: {}", row(page.body(), first));
    }
    assert_eq!(page.body().matches("over: it accepts").count(), 1);

    // Of a reload.
    let text = "[policy]\nmax_age = '1d'\n";
    let config = Config::parse(Path::new("/etc/keymuster.toml"), text, std::iter::empty(), PROVIDERS).unwrap();
    house.views.judge_by(Arc::new(config.policy));
    let page = served.get("/policy").await;
    assert!(row(page.body(), "max_age").contains("<code>1d</code>"), "{}", page.body());
    assert!(page.body().contains("None: no condition of any key is accepted."), "{}", page.body());
    let refused = served.get("/policy?rule=1").await;
    assert!(refused.status() == 400 && refused.body().contains("this page has none"), "{}", refused.body());
}

#[tokio::test]
async fn before_a_key_was_read_nothing_is_counted_and_hostile_words_stay_text() {
    let of = |text: &str| {
        let quoted = toml_text(text);
        format!(
            "[[policy.rules]]\nmatch = {{ name = {quoted} }}\nmax_age = '1d'\nlabels = {{ team = {quoted} }}\n\
             [[waivers]]\nmatch = {{ owner = {quoted} }}\nreason = {quoted}\nwho = {quoted}\nuntil = '2099-01-01'\n"
        )
    };
    let plain = page_of(&of("xa")).await;
    assert!(plain.contains("<span>—</span>") && !plain.contains("<span>0</span>"), "{plain}");
    let hostile = page_of(&of("a\"><script>alert(1)</script><b a='&amp;{{7*7}}")).await;
    assert_eq!(shape(&hostile), shape(&plain));
    assert!(!hostile.contains("<script"));
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

async fn page_of(config: &str) -> String {
    let house = House::new(config).await;
    let page = house.serve().await.get("/policy").await;
    assert_eq!(page.status(), 200, "{}", page.body());
    page.body().to_owned()
}
