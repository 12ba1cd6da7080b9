//! Tables on a terminal: columns that fit its width, or each row's cells below each other where they cannot; plain lines
//! elsewhere.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};

use super::output::{Output, Tone, wrapped_to};

/// The column of what people copy: it is never broken, however narrow the terminal.
const WHOLE: &str = "KEY";

/// Longer words may be broken: all that can be spared at first, then what is readable just so.
const LONGEST_WORDS: [usize; 2] = [40, 16];

/// Blanks around each cell.
const PADDING: usize = 2;

/// Renders rows under headings, without borders, a line end behind the last row.
pub fn render(output: &Output, headings: &[&str], rows: Vec<Vec<(Tone, String)>>) -> String {
    let Some(width) = output.width() else { return arranged(output, headings, rows, None) };
    let words = longest_words(headings, &rows);
    let at_least = |longest: usize| -> Vec<usize> {
        let cut = |(heading, word): (&&str, &usize)| if *heading == WHOLE { *word } else { (*word).min(longest) };
        headings.iter().zip(&words).map(cut).collect()
    };
    let fits = |widths: &Vec<usize>| widths.iter().map(|column| column + PADDING).sum::<usize>() <= width;
    match LONGEST_WORDS.into_iter().map(at_least).find(fits) {
        Some(widths) => arranged(output, headings, rows, Some((width, &widths))),
        None => below_each_other(output, headings, &rows, width),
    }
}

/// The longest word of each column, in characters.
fn longest_words(headings: &[&str], rows: &[Vec<(Tone, String)>]) -> Vec<usize> {
    let longest = |text: &str| text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
    let of_column = |(at, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|(_, text)| longest(text));
        cells.chain([longest(heading)]).max().unwrap_or(0)
    };
    headings.iter().enumerate().map(of_column).collect()
}

/// In columns: as wide as they are where nobody says how wide that may be.
fn arranged(output: &Output, headings: &[&str], rows: Vec<Vec<(Tone, String)>>, fit: Option<(usize, &[usize])>) -> String {
    let fixed = |width: usize| u16::try_from(width).unwrap_or(u16::MAX);
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(headings.iter().copied());
    // Whether and how it fits a terminal is decided here.
    table.force_no_tty();
    if output.has_colours() {
        table.enforce_styling();
    }
    if let Some((width, columns)) = fit {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(fixed(width));
        for (at, (heading, words)) in headings.iter().zip(columns).enumerate() {
            let constraint = match *heading {
                WHOLE => ColumnConstraint::ContentWidth,
                _ => ColumnConstraint::LowerBoundary(Width::Fixed(fixed(words + PADDING))),
            };
            if let Some(column) = table.column_mut(at) {
                column.set_constraint(constraint);
            }
        }
    }
    for row in rows {
        table.add_row(row.into_iter().map(|(tone, text)| cell(tone, text)));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Each row's cells under each other, each behind its heading.
fn below_each_other(output: &Output, headings: &[&str], rows: &[Vec<(Tone, String)>], width: usize) -> String {
    let beside = headings.iter().map(|heading| heading.len()).max().unwrap_or(0) + PADDING;
    let mut out = String::new();
    for row in rows {
        for (heading, (tone, text)) in headings.iter().zip(row).filter(|(_, (_, text))| !text.is_empty()) {
            for (at, line) in wrapped_to(width.saturating_sub(beside), text).iter().enumerate() {
                let name = if at == 0 { heading } else { "" };
                out.push_str(&output.paint(Tone::Faint, &format!("{name:<beside$}")));
                out.push_str(&output.paint(*tone, line));
                out.push('\n');
            }
        }
        out.push('\n');
    }
    out
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
