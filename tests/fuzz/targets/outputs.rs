//! A name that somebody gave a key, in all that is written of it: the exposition, pages, CSV and JSON keep their shape.

use std::sync::LazyLock;

use keymuster::config::{Metrics, PerKey};
use keymuster::domain::Text;

use super::Server;
use crate::house::{House, Served};

/// What may not depend on the name.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    /// Names and label names of all series, in order.
    series: Vec<String>,
    /// Of each page how many tags and how many attributes' quotes it has.
    pages: Vec<(usize, usize)>,
    /// The cells of each line.
    csv: Vec<usize>,
    /// The fields of each key.
    json: Vec<usize>,
}

/// And the shape of what is written with a plain name.
static SERVER: LazyLock<(Server, Shape)> = LazyLock::new(|| {
    let server = Server::start();
    let plain = server.runtime.block_on(shape(&server.house, &server.served, "plain"));
    (server, plain)
});

pub fn outputs(bytes: &[u8]) {
    let (Server { runtime, house, served }, plain) = &*SERVER;
    let name = Text::clean(&String::from_utf8_lossy(bytes));
    let found = runtime.block_on(shape(house, served, name.as_str()));
    assert_eq!(found, *plain, "by the name {:?}", name.as_str());
}

async fn shape(house: &House, served: &Served, name: &str) -> Shape {
    let named = name.to_owned();
    // All have it: whatever the order, and however few are shown.
    house
        .inventory
        .write(move |all| {
            all.execute("UPDATE key SET name = ?1 WHERE name IS NOT ?1", [&named])?;
            all.execute("UPDATE person SET name = ?1 WHERE name IS NOT ?1", [&named])?;
            Ok(())
        })
        .await
        .unwrap();
    let exposition = house.exposition(Metrics { per_key: PerKey::All, per_key_limit: 20 });
    let text = exposition.text(None).await.unwrap();
    let body = async |path: &str| served.get(path).await.body().to_owned();
    let mut pages = Vec::new();
    for path in ["/", "/keys?limit=20", "/owners", "/changes"] {
        let page = body(path).await;
        pages.push((page.matches('<').count(), page.matches("=\"").count()));
    }
    let file = body("/keys.csv").await;
    let mut csv = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(file.as_bytes());
    let csv = csv.records().map(|line| line.unwrap().len()).collect();
    let keys: serde_json::Value = serde_json::from_str(&body("/api/v1/keys?limit=20").await).unwrap();
    let json = keys["items"].as_array().unwrap().iter().map(|key| key.as_object().unwrap().len()).collect();
    Shape { series: series(&text), pages, csv, json }
}

/// Every sample of an exposition without its values: read by the format's own grammar, not by how we write it.
fn series(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn sample(line: &str) -> String {
    let Some((name, rest)) = line.split_once('{') else { return line.split(' ').next().unwrap().to_owned() };
    let (mut shape, mut rest) = (name.to_owned(), rest);
    loop {
        let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label in {line:?}"));
        assert!(label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{label:?} in {line:?}");
        shape.push_str(label);
        let mut escaped = false;
        let end = value.find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap_or_else(|| panic!("no end of a value in {line:?}")) + 1..];
        match rest.split_at(1) {
            (",", more) => rest = more,
            ("}", value) => {
                assert!(value.trim().parse::<f64>().is_ok(), "{value:?} is no number in {line:?}");
                return shape;
            }
            _ => panic!("{rest:?} behind a value in {line:?}"),
        }
    }
}
