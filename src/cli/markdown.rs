//! Tables for issues and mails, in Markdown. What people or remotes wrote stays text in them.

use std::fmt::Write;

use super::output::Tone;

/// Rows under headings.
pub fn table(headings: &[&str], rows: impl Iterator<Item = Vec<(Tone, String)>>) -> String {
    let mut out = format!("| {} |\n|{}\n", headings.join(" | "), " --- |".repeat(headings.len()));
    for row in rows {
        out.push('|');
        for (_, text) in row {
            // A text takes whatever is written to it.
            let _ = write!(out, " {} |", escaped(&text));
        }
        out.push('\n');
    }
    out
}

/// Every character that Markdown could take for its own stands behind a backslash; underscores within words are none of them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let within_a_word = c == '_' && before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '!' | '#' | '&' | '$' | '@') && !within_a_word
        {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let row = |text: &str| table(&["NAME"], [vec![(Tone::Plain, text.to_owned())]].into_iter());
        assert_eq!(row("never_used"), "| NAME |\n| --- |\n| never_used |\n");
        for (hostile, shown) in [
            ("a|b", "a\\|b"),
            ("[x](https://evil.example)", "\\[x\\](https://evil.example)"),
            ("<img src=x>", "\\<img src=x\\>"),
            ("**a** _b_ `c`", "\\*\\*a\\*\\* \\_b\\_ \\`c\\`"),
            ("@team & #1", "\\@team \\& \\#1"),
        ] {
            assert_eq!(row(hostile), format!("| NAME |\n| --- |\n| {shown} |\n"));
        }
    }
}
