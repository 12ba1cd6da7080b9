//! Whatever text is asked for by a parameter is that text and nothing else: it finds what holds it letter by letter, or it is refused.

use std::collections::BTreeSet;

use keymuster::views::{KeyRow, KeysAsked};

use crate::house::{House, Served};

/// What has a meaning to SQL, to its patterns, to JSON, to shells, to templates, to paths or to headers.
const TEXTS: &[&str] = &[
    "select",
    "SELECT",
    "%s",
    "%n%n%n",
    "{0}",
    "\\0",
    "a;b",
    "a|b",
    "~",
    "!",
    "#",
    "(",
    ")",
    "<",
    ">",
    "=",
    "==",
    "||",
    "&",
    ",",
    ":",
    "a'b",
    "a\"b",
    "'",
    "''",
    "'''",
    "\"",
    "\"\"",
    "`",
    "\\",
    "\\'",
    "\\\\",
    "%",
    "%%",
    "_",
    "__",
    "*",
    "?",
    "[a-z]*",
    "[^a]",
    "a%",
    "%a",
    "_a_",
    "100%_'\"--",
    "100_%'\"--",
    "100%",
    "a_b",
    "A_B",
    "a__b",
    "axb",
    "\\%",
    "\\_",
    "%' ESCAPE '\\",
    "' OR '1'='1",
    "' OR 1=1 --",
    "') OR ('1'='1",
    "\" OR \"\"=\"",
    "1 OR 1=1",
    "'; DROP TABLE key; --",
    "'; UPDATE key SET name = 'x'; --",
    "' UNION SELECT key FROM tag_key --",
    "' AND randomblob(1000000000) --",
    "'||(SELECT key FROM tag_key)||'",
    "x' COLLATE NOCASE --",
    "' /*",
    "*/",
    "--",
    "/**/",
    ";",
    "; SELECT 1",
    ":text",
    ":owner",
    "?1",
    "@x",
    "$x",
    "NULL",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "0x41",
    "x'41'",
    "9223372036854775808",
    "json('[]')",
    "[\"a\"]",
    "[]",
    "{}",
    "{\"$ne\":1}",
    "\",\"acme-den",
    "'),('acme-den",
    "a,b",
    "acme-den,acme-openai",
    "acme-den'",
    "acme-den--",
    "acme-den%",
    "acme-de_",
    "ACME-DEN",
    "acme-den/",
    "openai'",
    "openai OR 1",
    "<script>",
    "</td>",
    "{{7*7}}",
    "{% raw %}",
    "${7*7}",
    "#{7*7}",
    "<%= 7 %>",
    "$(id)",
    "`id`",
    "| id",
    "&& id",
    "../../etc/passwd",
    "..\\..\\x",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://evil.example/",
    "//evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "a&b=c",
    "a=b",
    "a+b",
    "a b",
    "a%20b",
    "%2527",
    "%c0%ae",
    "\u{ff07}",
    "\u{2019}",
    "\u{ff05}",
    "\u{ff3f}",
    "é",
    "İ",
    "ı",
    "ß",
    "ſ",
    "K",
    "漢",
    "🔑",
    "a\u{301}",
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "not_reported",
    "never",
    "none",
    "any",
    "email:",
    "email:a@b",
    "id:acme-den/x",
    "id:",
    "user",
    "*:*",
    "name:x",
    "/x/",
    "^a",
    "a$",
    "(a+)+$",
    "a{1000000}",
    ".*",
    "2026-11-01' --",
    "2026-11-01..",
    "..2026-11-01",
    "2026-13-45",
    "now()",
    "datetime('now')",
    "created_at",
    "key.name",
    "1; ATTACH 'x' AS y",
    "PRAGMA query_only",
    "sort=name",
    "name,key_id",
    "name DESC",
    "-name",
    "(SELECT 1)",
    "CASE WHEN 1 THEN 1 END",
    "urgency",
    "1,2",
    "page=2",
    "00",
    "1.0",
    "+1 ",
    "\u{661}",
    "١",
    "MTIz",
    "e30",
    "eyJhIjoxfQ",
    "AAAA",
    "----",
    "____",
    "a\nb",
    "a\r\nx: y",
    "a\tb",
    "a\u{0}b",
    "\u{0}",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}x",
    "\u{200b}",
    "\u{feff}",
    "\u{fffd}",
    "\u{e0041}",
];

/// Those, and two that are long.
fn texts() -> Vec<String> {
    let long = ["'".repeat(5_000), "%_".repeat(2_500)];
    TEXTS.iter().map(|text| (*text).to_owned()).chain(long).collect()
}

fn asked(path: &str, name: &str, text: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, text).finish();
    format!("{path}?{query}")
}

/// The ids that a file of keys holds; `None` where it was refused.
async fn found(served: &Served, name: &str, text: &str) -> Option<BTreeSet<String>> {
    let answer = served.get(&asked("/keys.json", name, text)).await;
    match answer.status() {
        200 => {
            let rows: Vec<serde_json::Value> = serde_json::from_str(answer.body()).unwrap();
            Some(rows.iter().map(|row| row["key_id"].as_str().unwrap().to_owned()).collect())
        }
        400 => None,
        status => panic!("{status} to {name} {text:?}: {}", answer.body()),
    }
}

/// Everything of a key that is searched.
fn searched(key: &KeyRow) -> Vec<&str> {
    let owner = key.owner.as_ref();
    let of_owner = owner.into_iter().flat_map(|owner| [Some(owner.id.as_str()), owner.name.as_deref(), owner.email.as_deref()]);
    let own = [Some(key.key_id.as_str()), key.name.as_deref(), key.hint.as_deref(), key.scope_name.as_deref()];
    own.into_iter().chain(of_owner).flatten().collect()
}

/// Keys and owners that are called by texts which patterns would confuse.
async fn named(house: &House) -> Vec<KeyRow> {
    let write = |transaction: &rusqlite::Transaction<'_>| {
        let names =
            ["100%_'\"--", "100xyz'\"--", "a_b", "axb", "a%b", "\\", "'", "\"", "%", "_", "it's 50% off_", "[a-z]*", "é", "É"];
        for (row, name) in (0i64..).zip(names) {
            transaction
                .execute("UPDATE key SET name = ?1 WHERE id = (SELECT id FROM key ORDER BY id LIMIT 1 OFFSET ?2)", (name, row))?;
            transaction.execute(
                "UPDATE person SET name = ?1 WHERE id = (SELECT id FROM person ORDER BY id LIMIT 1 OFFSET ?2)",
                (name, row),
            )?;
        }
        Ok(())
    };
    house.inventory.write(write).await.unwrap();
    house.views.keys(KeysAsked::default()).await.unwrap()
}

#[tokio::test]
async fn a_search_finds_the_text_and_nothing_that_is_like_it() {
    let house = House::polled().await;
    let rows = named(&house).await;
    let served = house.serve().await;
    let texts = texts();
    assert!(texts.iter().collect::<BTreeSet<_>>().len() >= 200, "{}", texts.len());
    let (mut taken, mut some) = (0, 0);
    for text in &texts {
        let folded = text.trim().to_ascii_lowercase();
        if folded.is_empty() {
            // What was left empty is not asked for.
            continue;
        }
        let literal = |is_it: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            let there = rows.iter().filter(|key| key.presence != keymuster::domain::Presence::Gone);
            there
                .filter(|key| searched(key).into_iter().any(|value| is_it(&value.to_ascii_lowercase())))
                .map(|key| key.key_id.clone())
                .collect()
        };
        if let Some(found) = found(&served, "q", text).await {
            let expected = literal(&|value| value.contains(&folded));
            assert_eq!(found, expected, "q {text:?}");
            (taken, some) = (taken + 1, some + usize::from(!expected.is_empty()));
        }
        if let Some(found) = found(&served, "owner", text).await {
            let owns = |key: &&KeyRow| {
                let owner =
                    key.owner.iter().flat_map(|owner| [Some(&owner.id), owner.name.as_ref(), owner.email.as_ref()]).flatten();
                owner.into_iter().any(|value| value.to_ascii_lowercase() == folded)
            };
            let expected: BTreeSet<String> = rows.iter().filter(owns).map(|key| key.key_id.clone()).collect();
            assert_eq!(found, expected, "owner {text:?}");
        }
    }
    assert!(taken > 150 && some > 20, "{taken} taken, {some} of which found something");
    // By its own name and by no other, though both would match it as a pattern.
    let whole = found(&served, "q", "100%_'\"--").await.unwrap();
    assert_eq!(whole, rows.iter().filter(|key| searched(key).contains(&"100%_'\"--")).map(|key| key.key_id.clone()).collect());
    assert!(!whole.is_empty());
}

/// What a parameter takes that is no free text is a word of a closed list, or one that is there.
#[tokio::test]
async fn every_other_parameter_takes_its_words_and_refuses_the_rest() {
    let house = House::polled().await;
    named(&house).await;
    let served = house.serve().await;
    let before = house.inventory.generation();
    let of_keys = [
        "provider",
        "account",
        "kind",
        "whose",
        "team",
        "condition",
        "presence",
        "flagged",
        "waived",
        "held",
        "created",
        "last_used",
        "expires",
        "as_of",
        "sort",
        "page",
    ];
    let of_changes = ["account", "since", "before"];
    let of_api = [
        ("/api/v1/keys", "account"),
        ("/api/v1/keys", "cursor"),
        ("/api/v1/keys", "sort"),
        ("/api/v1/keys", "limit"),
        ("/api/v1/changes", "since"),
        ("/api/v1/changes", "after"),
        ("/api/v1/changes", "cursor"),
        ("/api/v1/scopes", "account"),
        ("/api/v1/owners", "team"),
    ];
    for (number, text) in texts().iter().enumerate() {
        let of_pages = [
            ("/keys", of_keys[number % of_keys.len()]),
            ("/owners", "account"),
            ("/changes", of_changes[number % of_changes.len()]),
        ];
        let of_files = of_keys.into_iter().map(|name| ("/keys.json", name));
        for (path, name) in of_pages.into_iter().chain(of_files).chain(of_api) {
            let answer = served.get(&asked(path, name, text)).await;
            let what = format!("{path}: {name} is {text:?}: {} {}", answer.status(), answer.body());
            assert!(matches!(answer.status(), 200 | 303 | 400 | 404), "{what}");
            // The few that are words of these lists, and whose words nobody has to know.
            let words = [
                "never",
                "not_reported",
                "none",
                "-name",
                "urgency",
                "+1",
                "00",
                "0",
                "a b",
                "2026-11-01..",
                "..2026-11-01",
                "e30",
            ];
            let may_be = words.contains(&text.trim())
                || ["whose", "as_of", "after", "since", "before"].contains(&name)
                || text.trim().is_empty();
            assert!(answer.status() != 200 || may_be, "{what}");
            assert!(!answer.body().contains("SQL") && !answer.body().contains("syntax error"), "{what}");
        }
        // A part of a path is a text too.
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        for path in [format!("/keys/acme-den/{encoded}"), format!("/accounts/{encoded}"), format!("/api/v1/keys/{encoded}/x")] {
            let status = served.get(&path).await.status();
            assert!(matches!(status, 400 | 404 | 414 | 431), "{path}: {status}");
        }
    }
    assert_eq!(house.inventory.generation(), before, "something was written");
}
