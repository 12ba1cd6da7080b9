//! Series written as text at once, for families that may have tens of thousands: the library's types cost several times what the text
//! does, in time and in memory.

use std::fmt::Write;

use super::declared::{Metric, Type};

/// One family, of which each series is appended to the text.
pub(super) struct Lines<'a> {
    metric: &'static Metric,
    /// Of each label its place in the declaration, and what stands before its value. In the order of their names, as the library writes
    /// its own.
    labels: Vec<(usize, String)>,
    text: &'a mut String,
    begun: bool,
}

impl<'a> Lines<'a> {
    pub fn new(metric: &'static Metric, text: &'a mut String) -> Self {
        let mut labels: Vec<(usize, &str)> = metric.labels.iter().copied().enumerate().collect();
        labels.sort_by_key(|(_, label)| *label);
        let before = |(nth, (place, label))| match nth {
            0 => (place, format!("{}{{{label}=\"", metric.name)),
            _ => (place, format!("\",{label}=\"")),
        };
        Self { metric, labels: labels.into_iter().enumerate().map(before).collect(), text, begun: false }
    }

    /// Adds a series; the labels' values are in the order of the declaration.
    pub fn add<const N: usize>(&mut self, values: [&str; N], value: i64) {
        debug_assert_eq!(N, self.metric.labels.len(), "{}", self.metric.name);
        if !self.begun {
            self.begin();
        }
        for (place, before) in &self.labels {
            self.text.push_str(before);
            push_escaped(self.text, values[*place]);
        }
        self.text.push_str(if N == 0 { self.metric.name } else { "\"}" });
        // A string takes all that is written to it.
        let _ = writeln!(self.text, " {value}");
    }

    /// A family without series is not told of.
    fn begin(&mut self) {
        self.begun = true;
        let kind = match self.metric.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        let Metric { name, help, .. } = self.metric;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

/// What may not stand in a label's value as it is: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
fn push_escaped(text: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        text.push_str(&rest[..at]);
        text.push_str(match rest.as_bytes()[at] {
            b'\\' => r"\\",
            b'"' => r#"\""#,
            _ => r"\n",
        });
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::super::declared::{KEY_CREATED, KEY_INFO, KEYS_DROPPED};
    use super::super::family::Family;
    use super::Lines;

    #[test]
    fn the_text_is_what_the_library_would_write() {
        let hostile = ["", "plain", "\\", "\"", "\n", "a\\\"\nb\\n", "é\u{2028}\u{202e}\r\t", "} 1\nkeymuster_keys{"];
        let (mut text, mut family) = (String::new(), Family::new(&KEY_INFO));
        let mut lines = Lines::new(&KEY_INFO, &mut text);
        for name in hostile {
            let values = ["openai", name, "key_1", name, "", "project"];
            lines.add(values, 1);
            family.add(values, 1.0);
        }
        Lines::new(&KEY_CREATED, &mut text);
        Lines::new(&KEYS_DROPPED, &mut text).add([], 4_102_444_800);
        let families = [family, Family::single(&KEYS_DROPPED, 4_102_444_800.0)].into_iter().filter_map(Family::finish);
        let library = prometheus::TextEncoder::new().encode_to_string(&families.collect::<Vec<_>>()).unwrap();
        assert_eq!(text, library);
    }
}
