//! Tables on a terminal: columns that fit its width, plain lines elsewhere.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table};

use super::output::{Output, Tone};

/// The column of what people copy: it is never broken, however narrow the terminal.
const WHOLE: &str = "KEY";

/// Renders rows under headings, without borders, a line end behind the last row.
pub fn render(output: &Output, headings: &[&str], rows: Vec<Vec<(Tone, String)>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(headings.iter().copied());
    let whole = headings.iter().position(|heading| *heading == WHOLE);
    if let Some(column) = whole.and_then(|at| table.column_mut(at)) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    if !output.has_colours() {
        table.force_no_tty();
    }
    for row in rows {
        table.add_row(row.into_iter().map(|(tone, text)| cell(tone, text)));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn cell(tone: Tone, text: String) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Good => cell.fg(Color::Green),
        Tone::Warning => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
    }
}
