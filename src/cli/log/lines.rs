//! Lines on standard error. Whatever an event says, it stays one line and changes nothing around it.

use std::io::{Stderr, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::domain::changes_what_is_around_it;

/// How a character is shown that must not be written as it is.
#[derive(Debug, Clone, Copy)]
pub enum Escapes {
    /// As `\u{202e}`.
    Text {
        /// The line itself holds the escape sequences of colours.
        colours: bool,
    },
    /// As JSON wants it in a text; nowhere else do such characters stand in JSON.
    Json,
}

impl Escapes {
    /// The line with its end.
    pub fn line(self, line: &str) -> String {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let mut clean = String::with_capacity(line.len() + 1);
        for c in line.chars() {
            match self {
                _ if !changes_what_is_around_it(c) => clean.push(c),
                Self::Text { colours: true } if c == '\u{1b}' => clean.push(c),
                Self::Text { colours: _ } => clean.extend(c.escape_unicode()),
                Self::Json => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        clean.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        clean.push('\n');
        clean
    }
}

/// Makes writers of one event each.
#[derive(Debug)]
pub struct Lines(pub Escapes);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event { escapes: self.0, stderr: std::io::stderr() }
    }
}

/// Writes one event, which comes in one piece.
pub struct Event {
    escapes: Escapes,
    stderr: Stderr,
}

impl Write for Event {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        self.stderr.write_all(self.escapes.line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stderr.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\nb\r\u{1b}[2Jc\u{9b}d\u{202e}e\u{2028}f\u{e0041}\\";

    #[test]
    fn nothing_in_an_event_changes_what_is_around_it() {
        let text = Escapes::Text { colours: false }.line(HOSTILE);
        assert_eq!(text, "a\\u{a}b\\u{d}\\u{1b}[2Jc\\u{9b}d\\u{202e}e\\u{2028}f\\u{e0041}\\\n");
        let coloured = Escapes::Text { colours: true }.line("\u{1b}[32m INFO\u{1b}[0m a\nb\n");
        assert_eq!(coloured, "\u{1b}[32m INFO\u{1b}[0m a\\u{a}b\n");
    }

    #[test]
    fn json_stays_json_and_says_the_same() {
        let written = serde_json::to_string(HOSTILE).unwrap();
        let line = Escapes::Json.line(&written);
        assert!(line.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), HOSTILE);
    }
}
