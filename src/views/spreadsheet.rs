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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_as_a_formula_does() {
        let formulas = [
            "=1+1",
            "+1",
            "-1+1",
            "@SUM(A1)",
            "\t=1+1",
            "\r=1+1",
            "\n=1+1",
            "\r\n=1+1",
            "＝1＋1",
            "＋1",
            "－1",
            "＠SUM(A1)",
            "-",
            "\n",
        ];
        let texts = ["", "a=1", "1-1", "'=1+1", "\"=1+1", " =1+1", "a,b\nc"];
        let mut file = writer(Vec::new());
        for text in formulas.iter().chain(&texts) {
            file.write_record([harmless(text)]).unwrap();
        }
        let file = file.into_inner().unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file.as_slice());
        let cells: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        let expected: Vec<String> = formulas.iter().map(|text| format!("'{text}")).chain(texts.map(str::to_owned)).collect();
        assert_eq!(cells, expected);
        let quoted = String::from_utf8(file).unwrap();
        assert!(quoted.starts_with("\"'=1+1\"\n\"'+1\"\n"), "{quoted}");
    }
}
