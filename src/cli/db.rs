//! `keymuster db`: the inventory's file, beside a running daemon or without one.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

use super::args::{self, DbCommand, ExportFormat};
use super::exit::{Exit, UsageError};
use super::output::{Output, Tone, counted};
use super::{log, setup};
use crate::inventory::{Existing, PUBLIC_VIEWS, Piece, Reader, Rows};
use crate::views::spreadsheet;

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read, or what comes of it not be written.
pub fn db(arguments: args::Db) -> anyhow::Result<Exit> {
    log::start_quiet();
    let path: PathBuf = match arguments.inventory {
        Some(path) => path,
        None => setup::config(&arguments.config)?.inventory,
    };
    match arguments.command {
        DbCommand::Check => check(&Reader::open_up_to_newest(&path)?),
        DbCommand::Backup { to, replace } => back_up(&Reader::open_up_to_newest(&path)?, &to, replace),
        DbCommand::Export { view: Some(view), format: ExportFormat::Csv } => export_csv(&Reader::open(&path)?, view),
        DbCommand::Export { view: None, format: ExportFormat::Csv } => {
            Err(UsageError(format!("CSV holds one view at a time: add --view, one of {}", PUBLIC_VIEWS.join(", "))).into())
        }
        DbCommand::Export { view, format: ExportFormat::Json } => export_json(&Reader::open(&path)?, view),
    }
}

fn check(reader: &Reader) -> anyhow::Result<Exit> {
    let path = reader.path().display();
    let looked = reader.look_over()?;
    let mut output = Output::new();
    for wrong in &looked.wrong {
        let word = output.paint(Tone::Bad, "wrong   ");
        output.line(&format!("{word}{}: {}", wrong.place, wrong.what))?;
    }
    if looked.wrong.is_empty() {
        let word = output.paint(Tone::Good, "ok      ");
        output.line(&format!("{word}{path}: schema {}, {}", looked.schema, held(&looked.rows)))?;
        return Ok(Exit::Ok);
    }
    let things = counted(looked.wrong.len(), "thing is", "things are");
    output.line(&format!(
        "{path}: {things} wrong. Keep a copy of the file, and restore the newest backup that 'keymuster db check --inventory FILE' finds sound"
    ))?;
    Ok(Exit::Unexpected)
}

fn back_up(reader: &Reader, to: &Path, replace: bool) -> anyhow::Result<Exit> {
    let done = reader.back_up(to, if replace { Existing::Replace } else { Existing::Keep })?;
    Output::new().line(&format!("{}: {}, {} bytes; the copy is sound", to.display(), held(&done.rows), done.bytes))?;
    Ok(Exit::Ok)
}

/// What people know of it.
fn held(rows: &Rows) -> String {
    let count = |table: &str| rows.iter().find(|(name, _)| name == table).map_or(0, |(_, count)| *count);
    let counted = |table, one, many| counted(usize::try_from(count(table)).unwrap_or(0), one, many);
    format!("{}, {}, {}", counted("key", "key", "keys"), counted("walk", "walk", "walks"), counted("change", "change", "changes"))
}

/// One row a line, so that it can be read, compared and cut as text.
fn export_json(reader: &Reader, view: Option<&'static str>) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let one = view.as_slice();
    let (mut first_view, mut first_row) = (true, true);
    if one.is_empty() {
        out.write_all(b"{")?;
    }
    let taken: anyhow::Result<()> = reader.export(if one.is_empty() { PUBLIC_VIEWS } else { one }, |piece| {
        match piece {
            Piece::Begin { view, .. } => {
                if one.is_empty() {
                    write!(out, "{}\n\"{view}\": ", if first_view { "" } else { "," })?;
                }
                (first_view, first_row) = (false, true);
                out.write_all(b"[")?;
            }
            Piece::Row { columns, values } => {
                out.write_all(if first_row { b"\n" } else { b",\n" })?;
                first_row = false;
                let mut object = serde_json::Serializer::new(&mut out);
                object_of(columns, values, &mut object).map_err(std::io::Error::from)?;
            }
            Piece::End => out.write_all(if first_row { b"]" } else { b"\n]" })?,
        }
        Ok(())
    });
    taken?;
    out.write_all(if one.is_empty() { b"\n}\n" } else { b"\n" })?;
    out.flush()?;
    Ok(Exit::Ok)
}

/// With its columns in the order of the view.
fn object_of<S: Serializer>(columns: &[String], values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(columns.len()))?;
    for (column, value) in columns.iter().zip(values) {
        map.serialize_entry(column, value)?;
    }
    map.end()
}

fn export_csv(reader: &Reader, view: &'static str) -> anyhow::Result<Exit> {
    let mut writer = spreadsheet::writer(BufWriter::new(std::io::stdout().lock()));
    let taken: anyhow::Result<()> = reader.export(&[view], |piece| {
        let written = match piece {
            Piece::Begin { columns, .. } => writer.write_record(columns),
            Piece::Row { values, .. } => writer.write_record(values.iter().map(cell)),
            Piece::End => Ok(()),
        };
        Ok(written.map_err(std::io::Error::from)?)
    });
    taken?;
    writer.flush()?;
    Ok(Exit::Ok)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => spreadsheet::harmless(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
