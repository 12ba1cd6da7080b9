//! CSV as spreadsheets take it: every cell is quoted, and none begins as a formula does, because they would run it.

use std::io::Write;

use csv::{QuoteStyle, Writer, WriterBuilder};

/// Quotes every cell.
pub fn writer<W: Write>(out: W) -> Writer<W> {
    WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(out)
}

/// What becomes of a text that people or remotes wrote.
pub fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text.to_owned() }
}
