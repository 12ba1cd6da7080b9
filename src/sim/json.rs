//! Writing answers by hand, straight from the world: the simulator must not be what a benchmark measures.

use std::fmt::Write;

use super::ids::Sort;
use super::world::World;
use crate::domain::Time;

/// Appends a number.
pub(super) fn push_number(out: &mut String, number: i64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

/// Appends seconds since 1970, or null.
pub(super) fn push_unix(out: &mut String, time: Option<Time>) {
    match time {
        Some(time) => push_number(out, time.unix()),
        None => out.push_str("null"),
    }
}

/// Appends ISO 8601 with three decimals and quotes, or null: Den's way.
pub(super) fn push_iso(out: &mut String, time: Option<Time>, millis: u64) {
    const PRINTER: jiff::fmt::temporal::DateTimePrinter = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
    let instant = time.and_then(|time| {
        let ms = time.unix().checked_mul(1000)?.checked_add_unsigned(millis)?;
        jiff::Timestamp::from_millisecond(ms).ok()
    });
    match instant {
        Some(instant) => {
            out.push('"');
            let _ = PRINTER.print_timestamp(&instant, &mut *out);
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

/// Appends the last four characters of a key's secret.
pub(super) fn push_tail(out: &mut String, world: &World, number: u32) {
    let number = world.alike.get(&number).copied().unwrap_or(number);
    world.salt.push_base62(out, Sort::Secret, number, 4);
}
