//! The page of a report: one file that needs no other, for the screen and for paper.

use askama::Template;
use serde_json::Value;

use super::{Count, Front, Part};
use crate::views::shown::number;

/// Rows of a table that are printed; its file has all of them.
const MOST: usize = 500;

/// The page's text.
#[derive(Template)]
#[template(path = "report.html", config = "src/cli/report/askama.toml")]
pub struct Page<'a> {
    front: &'a Front,
    tables: Vec<Table<'a>>,
    version: &'static str,
}

struct Table<'a> {
    name: &'static str,
    title: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    all: String,
    beyond: bool,
    counted: &'a [Vec<Value>],
}

impl<'a> Page<'a> {
    pub fn new(front: &'a Front, parts: &'a [Part]) -> Self {
        Self { front, tables: parts.iter().map(table).collect(), version: env!("CARGO_PKG_VERSION") }
    }

    /// # Errors
    /// The page could not be written.
    pub fn text(&self) -> askama::Result<String> {
        self.render()
    }
}

fn table(part: &Part) -> Table<'_> {
    // What says nothing in any row costs paper.
    let says = |column: &usize| part.sheet.rows.iter().any(|row| !matches!(&row[*column], Value::Null) && row[*column] != "");
    let columns: Vec<usize> = (0..part.sheet.columns.len()).filter(says).collect();
    Table {
        name: part.name,
        title: part.title,
        columns: columns.iter().map(|column| part.sheet.columns[*column].replace('_', " ")).collect(),
        rows: part
            .sheet
            .rows
            .iter()
            .take(MOST)
            .map(|row| columns.iter().map(|column| shown(part, row, *column)).collect())
            .collect(),
        all: number(part.sheet.rows.len() as u64),
        beyond: part.sheet.rows.len() > MOST,
        counted: &part.sheet.rows,
    }
}

fn shown(part: &Part, row: &[Value], column: usize) -> String {
    let text = cell(&row[column]);
    match part.sheet.columns[column].as_str() {
        // Words, so that a narrow column can break between them.
        "conditions" | "waived" | "reasons" => text.replace(',', ", "),
        _ => text,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

impl Count {
    fn start(&self) -> String {
        self.before.map_or_else(|| "not known".to_owned(), |count| number(count as u64))
    }

    fn end(&self) -> String {
        number(self.after as u64)
    }

    fn label(&self) -> String {
        self.what.replace('_', " ")
    }
}
