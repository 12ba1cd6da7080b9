//! The floor of the benchmarks: the least that a client of OpenAI's lists, and a load of the inventory's rows, can do.
//!
//! It shares no code with the program and checks nothing. Each prints a line of JSON: what it saw, and the CPU that it cost.
//!
//!     bare discard BASE_URL TOKEN    pulls every page of every list, one after the other, and drops it
//!     bare parse BASE_URL TOKEN      the same, and parses what it drops
//!     bare load FROM TO              puts the rows that polls left in one inventory into a new file of the same schema
//!     bare encode INVENTORY KEYS     writes the series of so many flagged keys as text, as one would by hand

use std::io::Write;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde::Deserialize;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    has_more: bool,
    last_id: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

/// What the program reads of a key, owned.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed to be dropped")]
struct Key {
    id: String,
    name: Option<String>,
    redacted_value: Option<String>,
    created_at: Option<i64>,
    last_used_at: Option<i64>,
    expires_at: Option<i64>,
    owner_project_access: Option<String>,
    owner: Option<Owner>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed to be dropped")]
struct Owner {
    r#type: Option<String>,
    user: Option<Person>,
    service_account: Option<Person>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed to be dropped")]
struct Person {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
}

/// Only where the next page begins.
#[derive(Deserialize)]
struct Turn {
    has_more: bool,
    last_id: Option<String>,
}

struct Client {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    base: String,
    token: String,
    requests: u64,
}

impl Client {
    async fn connect(base_url: &str, token: &str) -> Fallible<Self> {
        let rest = base_url.strip_prefix("http://").ok_or("not an http:// address")?;
        let (host, base) = rest.split_once('/').ok_or("no path in the address")?;
        let stream = tokio::net::TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: host.to_owned(), base: format!("/{base}"), token: token.to_owned(), requests: 0 })
    }

    async fn get(&mut self, path: &str) -> Fallible<Bytes> {
        let request = hyper::Request::get(format!("{}{path}", self.base))
            .header("host", &self.host)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Empty::new())?;
        self.requests += 1;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        if answer.status() != 200 {
            return Err(format!("{path}: {}", answer.status()).into());
        }
        Ok(answer.into_body().collect().await?.to_bytes())
    }

    /// Reads all pages of a list; `read` says whether there are more and what the last id of the page was.
    async fn list(&mut self, path: &str, mut read: impl FnMut(&[u8]) -> Fallible<(bool, Option<String>)>) -> Fallible<()> {
        let mut after = String::new();
        loop {
            let body = self.get(&format!("{path}limit=100{after}")).await?;
            match read(&body)? {
                (true, Some(last)) => after = format!("&after={last}"),
                (true, None) => return Err(format!("{path}: more, but no last id").into()),
                (false, _) => return Ok(()),
            }
        }
    }
}

/// Pulls the lists that a poll pulls. Returns how many requests that were, and how many keys were parsed.
async fn pull(base_url: &str, token: &str, parses: bool) -> Fallible<(u64, usize)> {
    let mut client = Client::connect(base_url, token).await?;
    let mut projects = Vec::new();
    client
        .list("/organization/projects?include_archived=true&", |body| {
            let page: Page<Listed> = serde_json::from_slice(body)?;
            projects.extend(page.data.into_iter().map(|project| project.id));
            Ok((page.has_more, page.last_id))
        })
        .await?;
    let mut keys = 0;
    let mut read = |body: &[u8]| -> Fallible<(bool, Option<String>)> {
        if parses {
            let page: Page<Key> = serde_json::from_slice(body)?;
            keys += std::hint::black_box(&page.data).len();
            return Ok((page.has_more, page.last_id));
        }
        turn(body)
    };
    client.list("/organization/admin_api_keys?", &mut read).await?;
    for project in &projects {
        let path = format!("/organization/projects/{project}/api_keys?owner_project_access=any&");
        match client.list(&path, &mut read).await {
            // Archived ones refuse.
            Err(error) if error.to_string().ends_with("404 Not Found") => {}
            other => other?,
        }
    }
    client.list("/organization/users?", turn).await?;
    Ok((client.requests, keys))
}

/// Finds the end of a page without parsing what is before it.
fn turn(body: &[u8]) -> Fallible<(bool, Option<String>)> {
    let end = body.windows(2).rposition(|two| two == b"],").ok_or("no end of a list")?;
    let rest = body.get(end + 2..).ok_or("no end of a list")?;
    let turn: Turn = serde_json::from_slice(&[b"{", rest].concat())?;
    Ok((turn.has_more, turn.last_id))
}

/// The tables that grow with the keys, and the others that they refer to.
const SMALL: [&str; 9] = ["run", "account", "organization", "poll", "scope", "walk", "person", "label_set", "policy"];
const GREAT: [&str; 4] = ["key", "last_use", "sighting", "deadline"];

/// Loads the rows of one inventory into a new file, in one transaction, as they would come: key by key. Returns the CPU that the
/// statements cost, reading not counted, and the keys.
fn load(from: &str, to: &str) -> Fallible<(Duration, usize)> {
    let from = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut to = Connection::open_with_flags(to, OpenFlags::default())?;
    to.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;")?;
    let mut schema = from.prepare(
        "SELECT sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL AND name NOT LIKE 'sqlite%'",
    )?;
    for statement in schema.query_map([], |row| row.get::<_, String>(0))? {
        to.execute_batch(&statement?)?;
    }
    let transaction = to.transaction()?;
    let mut cost = Duration::ZERO;
    for table in SMALL {
        copy(&from, &transaction, table, i64::MIN, i64::MAX, &mut cost)?;
    }
    let (first, last): (i64, i64) =
        from.query_row("SELECT min(id), max(id) FROM key", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut keys = 0;
    for begin in (first..=last).step_by(1000) {
        for table in GREAT {
            let rows = copy(&from, &transaction, table, begin, (begin + 999).min(last), &mut cost)?;
            if table == "key" {
                keys += rows;
            }
        }
    }
    let began = cpu();
    transaction.commit()?;
    cost += cpu() - began;
    Ok((cost, keys))
}

/// Copies the rows of keys from `first` to `last`; `cost` grows by what writing them cost.
fn copy(from: &Connection, to: &Connection, table: &str, first: i64, last: i64, cost: &mut Duration) -> Fallible<usize> {
    let by = match table {
        "key" => "id",
        "last_use" | "sighting" | "deadline" => "key_id",
        _ => "rowid",
    };
    let mut select = from.prepare_cached(&format!("SELECT * FROM {table} WHERE {by} BETWEEN ?1 AND ?2"))?;
    let columns = select.column_count();
    let mut rows = Vec::new();
    let mut found = select.query([first, last])?;
    while let Some(row) = found.next()? {
        rows.push((0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>()?);
    }
    let marks = vec!["?"; columns].join(", ");
    let began = cpu();
    let mut insert = to.prepare_cached(&format!("INSERT INTO {table} VALUES ({marks})"))?;
    for row in &rows {
        insert.execute(params_from_iter(row))?;
    }
    *cost += cpu() - began;
    Ok(rows.len())
}

/// How often the text is made: once is too fast to be measured.
const TEXTS: u32 = 50;

/// Makes the text of the series of flagged keys. Returns the CPU that it took, reading the rows not counted, and the keys.
fn encode(inventory: &str, keys: usize) -> Fallible<(Duration, usize)> {
    let inventory = Connection::open_with_flags(inventory, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut select = inventory.prepare(
        "SELECT provider, account, key_id, coalesce(name, ''), coalesce(owner_id, ''), kind, unixepoch(created_at),
                unixepoch(last_used_at), unixepoch(expires_at) FROM keys WHERE conditions <> '' LIMIT ?1",
    )?;
    let rows = select.query_map([i64::try_from(keys)?], |row| {
        let words = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        Ok((words, [row.get(6)?, row.get(7)?, row.get(8)?]))
    })?;
    let rows: Vec<Series> = rows.collect::<Result<_, _>>()?;
    let began = cpu();
    for _ in 0..TEXTS {
        std::hint::black_box(series(&rows)?);
    }
    Ok(((cpu() - began) / TEXTS, rows.len()))
}

/// Provider, account, id, name, owner and kind of a key; when it was made and last used, and when it expires.
type Series = ([String; 6], [Option<i64>; 3]);

fn series(rows: &[Series]) -> Fallible<String> {
    use std::fmt::Write;
    let escaped = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    let mut text = String::from("# TYPE keymuster_key_info gauge\n");
    for ([provider, account, id, name, owner, kind], _) in rows {
        let (name, owner) = (escaped(name), escaped(owner));
        writeln!(
            text,
            r#"keymuster_key_info{{account="{account}",key_id="{id}",kind="{kind}",name="{name}",owner="{owner}",provider="{provider}"}} 1"#
        )?;
    }
    for (place, what) in ["created", "last_used", "expiry"].iter().enumerate() {
        writeln!(text, "# TYPE keymuster_key_{what}_timestamp_seconds gauge")?;
        for ([provider, account, id, ..], times) in rows {
            if let Some(time) = times[place] {
                writeln!(
                    text,
                    r#"keymuster_key_{what}_timestamp_seconds{{account="{account}",key_id="{id}",provider="{provider}"}} {time}"#
                )?;
            }
        }
    }
    Ok(text)
}

/// The CPU that this process has used.
fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or_default())
}

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (requests, keys, cost) = match arguments.as_slice() {
        [how @ ("discard" | "parse"), base_url, token] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (requests, keys) = runtime.block_on(pull(base_url, token, *how == "parse"))?;
            (requests, keys, cpu())
        }
        ["load", from, to] => {
            let (cost, keys) = load(from, to)?;
            (0, keys, cost)
        }
        ["encode", inventory, keys] => {
            let (cost, keys) = encode(inventory, keys.parse()?)?;
            (0, keys, cost)
        }
        // `cargo bench` and `cargo test --benches` start it without arguments.
        _ => {
            return Ok(writeln!(
                std::io::stderr(),
                "bare discard|parse BASE_URL TOKEN, bare load FROM TO, or bare encode INVENTORY KEYS"
            )?);
        }
    };
    Ok(writeln!(std::io::stdout(), r#"{{"requests":{requests},"keys":{keys},"cpu":{:.6}}}"#, cost.as_secs_f64())?)
}
