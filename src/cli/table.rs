//! Tables on a terminal: columns that fit its width, plain lines elsewhere.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use super::output::{Output, Tone};

/// Renders rows under headings, without borders, a line end behind the last row.
pub fn render(output: &Output, headings: &[&str], rows: Vec<Vec<(Tone, String)>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(headings.iter().copied());
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
