//! Writing to people: lines on standard output and standard error, colours only on a terminal.

use std::io::{IsTerminal, Write};

use super::log::Escapes;
use crate::sim::Fault;

/// Standard output, written line by line. A reader that left is an error like any other, told to nobody.
pub struct Output {
    out: std::io::Stdout,
    colours: bool,
    width: Option<usize>,
}

/// What a piece of text means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading or a name.
    Strong,
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Something failed.
    Bad,
    /// Less important than the rest.
    Faint,
}

impl Output {
    /// Standard output; colours if it is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Self {
        let out = std::io::stdout();
        let colours = colours(&out);
        let width = width_of(&out);
        Self { out, colours, width }
    }

    /// The terminal's width in characters; `None` where there is no terminal, or it has none.
    pub const fn width(&self) -> Option<usize> {
        self.width
    }

    /// Colours are shown.
    pub const fn has_colours(&self) -> bool {
        self.colours
    }

    /// Writes one line.
    pub fn line(&mut self, text: &str) -> std::io::Result<()> {
        writeln!(self.out.lock(), "{text}")
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) -> std::io::Result<()> {
        let mut out = self.out.lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// The text in the colour of its meaning.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether colours are shown there.
fn colours(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The width of a terminal; `None` where that is no terminal.
pub fn width_of(terminal: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let size = terminal.is_terminal().then(|| rustix::termios::tcgetwinsize(terminal).ok()).flatten()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// One line on standard error, in red on a terminal. Nobody is left to tell where that fails.
pub fn error_line(text: &str) {
    stderr_line("\x1b[31merror:\x1b[0m", "error:", text);
}

/// Writes a warning on standard error.
pub fn warning_line(text: &str) {
    stderr_line("\x1b[33mwarning:\x1b[0m", "warning:", text);
}

/// Writes what is good to know on standard error.
pub fn note_line(text: &str) {
    stderr_line("\x1b[2mnote:\x1b[0m", "note:", text);
}

/// Names of settings, files and arguments come from elsewhere, and may hold anything.
fn stderr_line(coloured: &str, plain: &str, text: &str) {
    let mut err = std::io::stderr().lock();
    let begin = if colours(&err) { coloured } else { plain };
    let _ = write!(err, "{begin} {}", Escapes::Text { colours: false }.line(text));
}

/// `1 key`, `2 keys`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What goes wrong at the simulated providers, beside that name.
pub fn fault_line(output: &mut Output, name: &str, fault: &Fault) -> std::io::Result<()> {
    let text = wrapped(&format!("{fault}: {}", fault.about)).join(&format!("\n{}", " ".repeat(name.len())));
    output.line(&output.paint(Tone::Warning, &format!("{name}{text}")))
}

/// The longest line of text beside a name.
const WIDTH: usize = 92;

/// Lines of text that stands beside a name, broken between words.
pub fn wrapped(text: &str) -> Vec<String> {
    wrapped_to(WIDTH, text)
}

/// The same of lines that long; a longer word is a line of its own.
pub fn wrapped_to(width: usize, text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        let text = "four ".repeat(40);
        assert_eq!(wrapped(&text), ["four ".repeat(18).trim_end(), "four ".repeat(18).trim_end(), "four ".repeat(4).trim_end()]);
        assert_eq!(wrapped(&"x".repeat(200)), ["x".repeat(200)]);
    }
}
