//! `keymuster owners`: one line for each owner across accounts, those who left first, and every key in exactly one of them.

use std::collections::BTreeMap;

use keymuster::sim::Size;
use serde_json::Value;

use crate::support::{BRAINTRUST, DEN, OPENAI, Row, Settings, Sim, Site, text};

fn owners(site: &Site, more: &[&str]) -> Vec<Row> {
    let told = site.run("owners", &[more, &["--format", "json"]].concat()).ended(0).stdout;
    serde_json::from_str(&told).unwrap()
}

fn number(row: &Row, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} of {row:?}"))
}

/// What the view says of each owner: kind and address without letter case, or what stands for them.
fn in_view(site: &Site, which: &str) -> BTreeMap<String, [i64; 5]> {
    let holds = |condition: &str| format!("sum(waived = '' AND instr(',' || conditions || ',', ',{condition},') > 0)");
    let rows = site.sql(&format!(
        "SELECT coalesce(owner_kind || ' ' || coalesce(lower(owner_email), account || '/' || owner_id), 'none') AS owner, count(*) AS keys,
                sum(waived = '' AND conditions <> '') AS flagged, {} AS orphaned, {} AS stale, sum(waived <> '') AS waived
           FROM keys WHERE presence <> 'gone' AND {which} GROUP BY 1",
        holds("orphaned"),
        holds("stale"),
    ));
    let counts = |row: &Row| ["keys", "flagged", "orphaned", "stale", "waived"].map(|column| number(row, column));
    rows.iter().map(|row| (text(row, "owner"), counts(row))).collect()
}

fn listed(owners: &[Row]) -> BTreeMap<String, [i64; 5]> {
    let who = |row: &Row| match (&row["owner_kind"], &row["owner_email"]) {
        (Value::Null, _) => "none".to_owned(),
        (kind, Value::String(email)) => format!("{} {}", kind.as_str().unwrap(), email.to_lowercase()),
        (kind, _) => format!("{} {}", kind.as_str().unwrap(), text(row, "owner_ids")),
    };
    let counts = |row: &Row| ["keys", "flagged", "orphaned", "stale", "waived"].map(|column| number(row, column));
    let listed: BTreeMap<_, _> = owners.iter().map(|row| (who(row), counts(row))).collect();
    assert_eq!(listed.len(), owners.len(), "an owner is listed twice");
    listed
}

const WAIVER: &str = "[[waivers]]\nmatch = { kind = \"admin\" }\nreason = \"frozen\"\nwho = \"ana\"\nuntil = \"2099-01-01\"";

#[test]
fn owners_are_joined_by_address_and_leavers_come_first() {
    let sim = Sim::of(Size::demo());
    let site = Site::new(&sim, &Settings { tables: WAIVER, braintrust: Some("listing = 'auto'"), ..Settings::default() });
    site.poll(&[]).ended(0);
    // Providers write addresses as people typed them.
    site.meddle(&format!(
        "UPDATE person SET email = upper(email) WHERE organization_id IN (SELECT organization_id FROM account WHERE name = '{DEN}')"
    ));
    let all = owners(&site, &[]);
    let expected = in_view(&site, "1");
    assert_eq!(listed(&all), expected);
    assert!(expected.values().any(|counts| counts[4] > 0), "no key is waived");
    let everywhere = format!("{BRAINTRUST},{DEN},{OPENAI}");
    assert!(all.iter().filter(|row| text(row, "accounts") == everywhere).count() > 2, "nobody owns keys at every provider");

    let rank =
        |row: &Row| (row["owner_kind"].is_null(), number(row, "orphaned") == 0, -number(row, "flagged"), -number(row, "keys"));
    let ranks: Vec<_> = all.iter().map(rank).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
    assert!(number(&all[0], "orphaned") > 0 && all.iter().any(|row| number(row, "orphaned") == 0), "{ranks:?}");
    assert!(all.last().unwrap()["owner_kind"].is_null(), "every key has an owner");

    // Filters are those of keys.
    let some = owners(&site, &["--account", DEN, "--condition", "stale", "--condition", "orphaned"]);
    let which = format!("account = '{DEN}' AND (instr(conditions, 'stale') OR instr(conditions, 'orphaned'))");
    assert_eq!(listed(&some), in_view(&site, &which));
    assert!(!some.is_empty() && some.len() < all.len());
    assert_eq!(owners(&site, &["--presence", "gone"]), Vec::<Row>::new());
    assert!(site.run("owners", &["--presence", "gone"]).ended(0).stdout.contains("no key matches"));
    assert!(site.run("owners", &["--account", "acme-dne"]).ended(64).stderr.contains("no account 'acme-dne'"));

    let table = site.run("owners", &[]).ended(0).stdout;
    assert!(table.lines().nth(all.len()).unwrap().contains("not reported"), "{table}");
    let left = all.iter().filter(|row| number(row, "orphaned") > 0).count();
    let sum = format!("{} owners, {left} of them with orphaned keys; {} keys", all.len() - 1, site.count("keys"));
    assert_eq!(table.lines().last().unwrap(), sum);
    let csv = site.run("owners", &["--format", "csv"]).ended(0).stdout;
    assert!(
        csv.starts_with("\"owner_kind\",\"owner_name\",\"owner_email\",\"owner_ids\",\"accounts\",\"keys\",\"flagged\""),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), all.len() + 1);
    let markdown = site.run("owners", &["--format", "markdown"]).ended(0).stdout;
    assert_eq!(markdown.lines().count(), all.len() + 2);
    assert!(markdown.contains("| user | ") && !markdown.contains(" <"), "{markdown}");
}
