//! The sections that are about the daemon as a whole: typed, with their defaults, and read.

use crate::domain::closed_enum;
use crate::policy::Span;

use super::reader::Section;
use super::values;

/// `[guard]`: when too much changes at once for keys to go without a person's word.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// A missing key is gone after another look this much later.
    pub confirm_after: Span,
    /// Fewer keys than this are never held for a share of a scope or an account.
    pub min_keys: u32,
    /// Held when this share of a scope would become missing.
    pub scope_share: f64,
    /// Held when this share of an account would become missing.
    pub account_share: f64,
    /// A scope of this many keys or more is held when it would turn empty.
    pub small_scope: u32,
    /// What became missing within this time counts towards the account's share.
    pub window: Span,
}

impl Guard {
    pub(super) fn read(section: Section<'_>) -> Self {
        let guard = Self {
            confirm_after: section.get_or("confirm_after", Span::minutes(10), values::span(Span::ZERO..=Span::days(30))),
            min_keys: section.get_or("min_keys", 10, values::whole(1..=1_000_000)),
            scope_share: section.get_or("scope_share", 0.5, values::share),
            account_share: section.get_or("account_share", 0.2, values::share),
            small_scope: section.get_or("small_scope", 5, values::whole(1..=1_000_000)),
            window: section.get_or("window", Span::hours(24), values::span(Span::minutes(1)..=Span::days(30))),
        };
        section.finish();
        guard
    }
}

/// `[limits]`: how much of a remote is taken, and for how long it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Span,
    /// Between two reads of an answer.
    pub read_timeout: Span,
    /// From sending a request to the end of its answer; waiting for pace does not count.
    pub request_timeout: Span,
    /// One walk of a scope; waiting for pace does not count.
    pub scope_timeout: Span,
    /// Bytes of an answer as they come.
    pub wire_bytes: u64,
    /// Bytes of an answer, unpacked.
    pub inflated_bytes: u64,
    /// Elements on one page, where lists have pages.
    pub items_per_page: u32,
    /// Elements in one answer, where lists have no pages.
    pub items_per_answer: u32,
    /// Elements in one walk of a scope.
    pub items_per_scope: u32,
    /// Pages in one walk of a scope.
    pub pages_per_scope: u32,
    /// How often a request is tried again that failed in passing, as long as the poll has retries left.
    pub retries: u32,
}

impl Limits {
    pub(super) fn read(section: Section<'_>) -> Self {
        let wait = |name, default| section.get_or(name, default, values::span(Span::seconds(1)..=Span::hours(1)));
        let count = |name, default| section.get_or(name, default, values::whole(1..=100_000_000));
        let limits = Self {
            connect_timeout: wait("connect_timeout", Span::seconds(10)),
            read_timeout: wait("read_timeout", Span::seconds(15)),
            request_timeout: wait("request_timeout", Span::minutes(1)),
            scope_timeout: section.get_or("scope_timeout", Span::minutes(30), values::span(Span::seconds(1)..=Span::days(1))),
            wire_bytes: section.get_or("wire_bytes", 32 << 20, values::size),
            inflated_bytes: section.get_or("inflated_bytes", 64 << 20, values::size),
            items_per_page: count("items_per_page", 1_000),
            items_per_answer: count("items_per_answer", 20_000),
            items_per_scope: count("items_per_scope", 1_000_000),
            pages_per_scope: count("pages_per_scope", 10_000),
            retries: section.get_or("retries", 4, values::whole(0..=20)),
        };
        section.finish();
        limits
    }
}

/// `[retention]`: how long what is over is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Changes, and keys that are gone or unmanaged; never less than the guard looks back on.
    pub history: Span,
    /// Records of walks; the newest of each scope is always kept.
    pub walks: Span,
}

impl Retention {
    pub(super) fn read(section: Section<'_>, guard: &Guard) -> Self {
        let kept = || values::span(Span::days(1)..=Span::days(36_525));
        let retention = Self {
            history: section.get_or("history", Span::days(400), kept()).max(guard.window),
            walks: section.get_or("walks", Span::days(90), kept()),
        };
        section.finish();
        retention
    }
}

closed_enum! {
    /// Which keys have metrics of their own.
    PerKey {
        /// None.
        Off = "off",
        /// Those in a condition.
        Flagged = "flagged",
        /// All.
        All = "all",
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Which keys have series of their own, with key ids as labels.
    pub per_key: PerKey,
    /// The most keys that have; the rest is counted as dropped.
    pub per_key_limit: u32,
}

impl Metrics {
    pub(super) fn read(section: Section<'_>) -> Self {
        let metrics = Self {
            per_key: section.get_or("per_key", PerKey::Off, values::word(PerKey::ALL, PerKey::as_str)),
            per_key_limit: section.get_or("per_key_limit", 2_000, values::whole(1..=1_000_000)),
        };
        section.finish();
        metrics
    }
}

closed_enum! {
    /// How log lines look.
    LogFormat {
        /// Text where the standard error is a terminal, the journal where it is that, JSON elsewhere.
        Auto = "auto",
        /// Lines for people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
        /// Fields for systemd's journal.
        Journal = "journal",
    }
}

closed_enum! {
    /// From which level on lines are written.
    LogLevel {
        /// Only what needs a person.
        Error = "error",
        /// What may need one.
        Warn = "warn",
        /// What happens.
        Info = "info",
        /// What is done to make it happen.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Which are written.
    pub level: LogLevel,
}

impl Log {
    pub(super) fn read(section: Section<'_>) -> Self {
        let log = Self {
            format: section.get_or("format", LogFormat::Auto, values::word(LogFormat::ALL, LogFormat::as_str)),
            level: section.get_or("level", LogLevel::Info, values::word(LogLevel::ALL, LogLevel::as_str)),
        };
        section.finish();
        log
    }
}
