//! Readers of single values: what a node has to be, and what to write instead. None of them repeats a value.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::domain::Time;
use crate::policy::{Limit, Span, SpanError};

use super::problem::Fault;
use super::reader::{Section, suggestion};
use super::tree::{Node, Value};

const SPAN_REMEDY: &str = "write a number with its unit, s, m, h, d or w, such as \"90d\" or \"1d12h\"";

fn is_not(node: &Node, wanted: &str, example: &str) -> Fault {
    Fault::new(format!("is {}, not {wanted}", node.what()), format!("write {example}"))
}

/// Text that is not empty, is at most 1000 bytes and holds no control characters.
pub(super) fn text(node: &Node) -> Result<&str, Fault> {
    let Value::Text(text) = &node.value else { return Err(is_not(node, "text", "it in quotes")) };
    if text.trim().is_empty() {
        return Err(Fault::new("is empty", "write a value, or leave the setting out"));
    }
    if text.len() > 1000 || text.chars().any(char::is_control) {
        return Err(Fault::new("is longer than 1000 bytes or holds control characters", "write one short line of text"));
    }
    Ok(text)
}

/// The same, owned.
pub(super) fn string(node: &Node) -> Result<String, Fault> {
    text(node).map(str::to_owned)
}

/// A path; a relative one starts at the folder of the config file.
pub(super) fn path(folder: &Path) -> impl Fn(&Node) -> Result<PathBuf, Fault> {
    move |node| text(node).map(|path| folder.join(path))
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node) -> Result<bool, Fault> {
    if let Value::Boolean(b) = node.value {
        return Ok(b);
    }
    let read = node.variable_text().and_then(|text| text.parse().ok());
    read.ok_or_else(|| is_not(node, "a boolean", "true or false"))
}

/// A whole number of that range.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl Fn(&Node) -> Result<u32, Fault> {
    move |node| {
        let remedy = format!("a whole number from {} to {}", range.start(), range.end());
        let number = integer(node).ok_or_else(|| is_not(node, "a whole number", &remedy))?;
        let fits = u32::try_from(number).ok().filter(|n| range.contains(n));
        fits.ok_or_else(|| Fault::new("is out of range", format!("write {remedy}")))
    }
}

fn integer(node: &Node) -> Option<i128> {
    if let Value::Integer(n) = node.value { Some(n) } else { node.variable_text()?.parse().ok() }
}

/// A part of a whole: over 0, up to 1.
pub(super) fn share(node: &Node) -> Result<f64, Fault> {
    let number = match (&node.value, integer(node)) {
        (Value::Float(n), _) => Some(*n),
        (_, Some(1)) => Some(1.0),
        (_, _) => node.variable_text().and_then(|text| text.parse().ok()),
    };
    let fits = number.filter(|n| *n > 0.0 && *n <= 1.0);
    fits.ok_or_else(|| Fault::new("is no share of a whole", "write a number over 0 and up to 1, such as 0.5"))
}

/// A length of time of that range.
pub(super) fn span(range: RangeInclusive<Span>) -> impl Fn(&Node) -> Result<Span, Fault> {
    move |node| {
        let span = any_span(node)?;
        if range.contains(&span) {
            return Ok(span);
        }
        let remedy = format!("write a length of time from \"{}\" to \"{}\"", range.start(), range.end());
        Err(Fault::new("is out of range", remedy))
    }
}

fn any_span(node: &Node) -> Result<Span, Fault> {
    if matches!(node.value, Value::Integer(_) | Value::Float(_)) {
        return Err(Fault::new(SpanError::NoUnit.to_string(), SPAN_REMEDY));
    }
    text(node)?.parse().map_err(|error: SpanError| Fault::new(error.to_string(), SPAN_REMEDY))
}

/// A length of time, or `"never"`.
pub(super) fn limit(node: &Node) -> Result<Limit, Fault> {
    if matches!(&node.value, Value::Text(text) if text == "never") {
        return Ok(Limit::Never);
    }
    any_span(node).map(Limit::After).map_err(|fault| Fault { remedy: format!("{}, or \"never\"", fault.remedy), ..fault })
}

/// A number of bytes: a whole number, or text with a unit. From 1 KiB to 4 GiB.
pub(super) fn size(node: &Node) -> Result<u64, Fault> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    let remedy = "write a number of bytes from 1 KiB to 4 GiB, such as 65536 or \"64MiB\"; units are B, KiB, MiB and GiB";
    let with_unit = |text: &str| {
        let (number, unit) = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))?;
        number.trim_end().parse::<u64>().ok()?.checked_mul(unit)
    };
    let bytes = match integer(node) {
        Some(number) => u64::try_from(number).ok(),
        None => node.as_text().and_then(with_unit),
    };
    bytes.filter(|n| (1 << 10..=1 << 32).contains(n)).ok_or_else(|| Fault::new("is no size", remedy))
}

/// One word of a closed list.
pub(super) fn word<T: Copy>(all: &[T], as_str: fn(T) -> &'static str) -> impl Fn(&Node) -> Result<T, Fault> {
    move |node| {
        let known: Vec<&str> = all.iter().map(|t| as_str(*t)).collect();
        let text = node.as_text().ok_or_else(|| none_of("", &known))?;
        all.iter().copied().find(|t| as_str(*t) == text).ok_or_else(|| none_of(text, &known))
    }
}

/// A word that is none of the known ones.
pub(super) fn none_of(word: &str, known: &[&str]) -> Fault {
    Fault::new("is none of the words that it can be", suggestion(word, known))
}

/// Words of a closed list: a list, or text with commas in the environment. Each wrong word is reported.
pub(super) fn words<T: Copy>(
    section: &Section<'_>,
    name: &'static str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Option<Vec<T>> {
    let known: Vec<&str> = all.iter().map(|t| as_str(*t)).collect();
    let find = |text: &str| all.iter().copied().find(|t| as_str(*t) == text).ok_or_else(|| none_of(text, &known));
    let full = section.full(name);
    let read = section.get(name, |node| {
        if let Value::List(list) = &node.value {
            return Ok(list.iter().map(|e| section.read(&full, e, |e| text(e).and_then(find))).collect());
        }
        let example = format!("a list such as [\"{}\"]", known.first().unwrap_or(&""));
        let words = node.variable_text().ok_or_else(|| is_not(node, "a list", &example))?;
        words.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| find(word).map(Some)).collect()
    });
    let read: Vec<Option<T>> = read?;
    read.into_iter().collect()
}

/// An instant: a date, which is its first second in UTC, or a date and time with `Z` or an offset.
pub(super) fn instant(node: &Node) -> Result<Time, Fault> {
    let fault = || {
        Fault::new(
            "is no date of 2015 to 2099",
            "write a day such as \"2027-01-31\", which begins at 00:00 UTC, or a time such as \"2027-01-31T12:00:00Z\"",
        )
    };
    let date = if let Value::Date(date) = &node.value { Some(date.as_str()) } else { node.as_text() };
    let text = date.ok_or_else(fault)?;
    let with_time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Time::from_remote_rfc3339(&with_time).ok_or_else(fault)
}

/// Labels: names as Prometheus has them, values as people write them.
pub(super) fn labels(section: &Section<'_>, name: &'static str) -> BTreeMap<String, String> {
    let entries = section.entries(name).into_iter().filter_map(|(label, node)| {
        let full = section.full(&format!("{name}.{label}"));
        let value = section.read(&full, node, |node| {
            if is_label_name(label) {
                string(node)
            } else {
                Err(Fault::new("is no name of a label", "begin with a letter a to z and go on with a to z, 0 to 9 and _"))
            }
        })?;
        Some((label.to_owned(), value))
    });
    entries.collect()
}

fn is_label_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
