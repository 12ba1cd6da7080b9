//! The charts of the overview: bars that lead to the keys behind them, and the same numbers as a table.
//!
//! A bar is drawn, its name and number are text: so they are as large on a phone as on a wide screen, and a screen reader has them.

use super::cards::{NO_NUMBER, Note};
use super::keys;
use super::query::Query;
use crate::domain::Time;
use crate::views::shown::{date, day_of_month as day_of, number, several};
use crate::views::{AsOf, Bucket, Charts, Over, Spread, Week, When};

#[derive(Debug)]
pub(super) struct Chart {
    /// Of its element.
    pub id: &'static str,
    pub title: &'static str,
    /// What it counts; stands above the bars.
    pub lead: String,
    /// Stands instead of bars that would all be empty.
    pub empty: Option<&'static str>,
    /// Bars that lie, one below the other, with their names before them; else they stand.
    pub lying: bool,
    pub plots: Vec<Plot>,
    /// What no bar shows.
    pub notes: Vec<Note>,
    pub table: Table,
}

/// Bars of one scale.
#[derive(Debug)]
pub(super) struct Plot {
    pub label: &'static str,
    pub bars: Vec<Bar>,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub name: String,
    /// Everything in words.
    pub told: String,
    /// At the bar.
    pub number: String,
    /// Of a hundred.
    pub length: u64,
    pub tone: &'static str,
    /// To the keys that it counts.
    pub link: Option<String>,
}

/// The same numbers.
#[derive(Debug)]
pub(super) struct Table {
    pub headings: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// All of them.
pub(super) fn charts(charts: &Charts) -> Vec<Chart> {
    vec![expiries(&charts.expiries), ages(&charts.ages), uses(&charts.uses), over(&charts.over, charts.at)]
}

fn expiries(spread: &Spread) -> Chart {
    let asked = |when| Query { expires: Some(when), ..Query::may_be_there() };
    let (weeks, later) = spread.buckets.split_at(spread.buckets.len().saturating_sub(1));
    let counts: Vec<Count> = weeks
        .iter()
        .map(|week| Count {
            name: week.from.map(day_of).unwrap_or_default(),
            told: keys_that(week.keys, &format!("expiring from {} to {}", on(week.from), on(week.to))),
            keys: Some(week.keys),
            tone: "warn",
            link: Some(asked(week.when()).address(keys::PATH)),
        })
        .collect();
    let note = |keys: u64, words: &str, when| (keys > 0).then(|| Note::of(format!("{} {words}", number(keys)), &asked(when)));
    let later = later.iter().filter_map(|later| note(later.keys, "later", later.when()));
    let others = [note(spread.never, "never", When::Never), note(spread.not_reported, "not reported", When::NotReported)];
    let is_empty = counts.iter().all(|count| count.keys == Some(0));
    Chart {
        id: "expiries",
        title: "Expiries in the coming 12 weeks",
        lead: "Keys by the week in which they expire".to_owned(),
        empty: is_empty.then_some("No expiry that providers report falls into these weeks."),
        lying: false,
        table: table("Week from", &counts),
        plots: vec![plot("Keys", counts)],
        notes: later.chain(others.into_iter().flatten()).collect(),
    }
}

fn ages(spread: &Spread) -> Chart {
    let asked = |when| Query { created: Some(when), ..Query::may_be_there() };
    let names = ["up to 30 days", "to 90 days", "to 180 days", "to a year", "to 2 years", "older"];
    let counts = buckets(spread, &names, "made", "bar", asked);
    Chart {
        id: "ages",
        title: "Age of keys",
        lead: "Keys by how long ago they were made".to_owned(),
        empty: None,
        lying: true,
        table: table("Age", &counts),
        plots: vec![plot("Keys", counts)],
        notes: Vec::new(),
    }
}

fn uses(spread: &Spread) -> Chart {
    let asked = |when| Query { last_used: Some(when), ..Query::may_be_there() };
    let names = ["up to 7 days ago", "to 30 days", "to 90 days", "to 180 days", "longer ago"];
    let mut counts = buckets(spread, &names, "last used", "bar", asked);
    let never = Count {
        name: "never used".to_owned(),
        told: keys_that(spread.never, "never used"),
        keys: Some(spread.never),
        tone: "warn",
        link: Some(asked(When::Never).address(keys::PATH)),
    };
    counts.insert(spread.buckets.len(), never);
    Chart {
        id: "uses",
        title: "Last use",
        lead: "Keys by when they were last used, as the provider told".to_owned(),
        empty: None,
        lying: true,
        table: table("Last used", &counts),
        plots: vec![plot("Keys", counts)],
        notes: Vec::new(),
    }
}

/// Stretches of time, and what was not reported.
fn buckets(spread: &Spread, names: &[&str], what: &str, tone: &'static str, asked: impl Fn(When) -> Query) -> Vec<Count> {
    let when = |bucket: &Bucket| match (bucket.from, bucket.to) {
        (Some(_), Some(_)) => format!("{what} from {} to {}", on(bucket.from), on(bucket.to)),
        (Some(_), None) => format!("{what} since {}", on(bucket.from)),
        (None, Some(_)) => format!("{what} until {}", on(bucket.to)),
        (None, None) => what.to_owned(),
    };
    let counts = names.iter().zip(&spread.buckets).map(|(name, bucket)| Count {
        name: (*name).to_owned(),
        told: keys_that(bucket.keys, &when(bucket)),
        keys: Some(bucket.keys),
        tone,
        link: Some(asked(bucket.when()).address(keys::PATH)),
    });
    let not_reported = Count {
        name: "not reported".to_owned(),
        told: keys_that(spread.not_reported, &format!("{what} at a time that is not reported")),
        keys: Some(spread.not_reported),
        tone: "none",
        link: Some(asked(When::NotReported).address(keys::PATH)),
    };
    counts.chain([not_reported]).collect()
}

/// Keys at the ends of weeks, and what changed in them. Where history does not go back so far, there is no bar.
fn over(over: &Over, now: Time) -> Chart {
    let last = over.weeks.len() - 1;
    let ends = |at: usize| Over::end(at, now);
    let name = |at: usize| if at == last { "now".to_owned() } else { day_of(ends(at)) };
    let when = |at: usize| if at == last { "now".to_owned() } else { date(ends(at)) };
    let weeks = || over.weeks.iter().enumerate();
    let unknown = |at: usize, tone| Count {
        name: name(at),
        told: format!("{}: history does not go back so far", when(at)),
        keys: None,
        tone,
        link: None,
    };
    let keys = weeks().map(|(at, week)| {
        let Some(week) = week else { return unknown(at, "bar") };
        let as_of = (at < last).then(|| AsOf::Day(ends(at).plus(1 - DAY)));
        Count {
            name: name(at),
            told: keys_that(week.keys, &if at == last { when(at) } else { format!("at the end of {}", when(at)) }),
            keys: Some(week.keys),
            tone: "bar",
            link: Some(Query { as_of, ..Query::may_be_there() }.address(keys::PATH)),
        }
    });
    let sum = |week: &Week| -> u64 { week.changes.by_kind.values().sum() };
    let rows = weeks().map(|(at, week)| {
        let told = week.as_ref().map(|week| {
            let (came, went) = (week.changes.came, week.changes.went);
            [week.keys, came, went, sum(week) - came - went]
        });
        let told = told.map_or_else(|| [(); 4].map(|()| "not known".to_owned()), |told| told.map(number));
        std::iter::once(name(at)).chain(told).collect()
    });
    let headings = ["Week to", "Keys at its end", "Came", "Went", "Other changes"].map(str::to_owned).to_vec();
    let table = Table { headings, rows: rows.collect() };
    let changes = weeks().map(|(at, week)| {
        let Some(week) = week else { return unknown(at, "note") };
        Count {
            name: name(at),
            told: format!("{} seen in the week to {}", several(sum(week), "change"), when(at)),
            keys: Some(sum(week)),
            tone: "note",
            link: None,
        }
    });
    let cut = over.weeks.iter().any(Option::is_none);
    let since = over.whole_since.filter(|_| cut).map(|since| Note::plain(format!("History goes back to {}", date(since))));
    let first_read = over
        .first_read
        .iter()
        // Those that history begins with are told by where it begins.
        .filter(|(_, at)| over.whole_since.is_none_or(|since| at.since(since) > DAY))
        .map(|(account, at)| {
            Note::plain(format!("{account} was first read on {}, and its keys are counted since then", date(*at)))
        });
    Chart {
        id: "over",
        title: "The last 12 weeks",
        lead: "Keys at the ends of weeks, and what was seen to change in them".to_owned(),
        empty: None,
        lying: false,
        plots: vec![plot("Keys", keys.collect()), plot("Changes", changes.collect())],
        notes: since.into_iter().chain(first_read).collect(),
        table,
    }
}

const DAY: i64 = 24 * 60 * 60;

/// What a bar is made of.
struct Count {
    name: String,
    /// Everything in words.
    told: String,
    /// `None` where that is not known.
    keys: Option<u64>,
    tone: &'static str,
    link: Option<String>,
}

fn plot(label: &'static str, counts: Vec<Count>) -> Plot {
    let most = counts.iter().filter_map(|count| count.keys).max().unwrap_or(0).max(1);
    let bar = |count: Count| Bar {
        told: count.told,
        name: count.name,
        number: count.keys.map_or_else(|| NO_NUMBER.to_owned(), short),
        // Whatever is not nothing can be seen.
        length: count.keys.filter(|keys| *keys > 0).map_or(0, |keys| (keys * 100 / most).max(2)),
        tone: count.tone,
        link: count.link.filter(|_| count.keys.is_some_and(|keys| keys > 0)),
    };
    Plot { label, bars: counts.into_iter().map(bar).collect() }
}

fn keys_that(keys: u64, what: &str) -> String {
    format!("{} {what}", several(keys, "key"))
}

fn on(end: Option<Time>) -> String {
    end.map(date).unwrap_or_default()
}

fn table(heading: &str, counts: &[Count]) -> Table {
    let row = |count: &Count| vec![count.name.clone(), count.keys.map(number).unwrap_or_default()];
    Table { headings: vec![heading.to_owned(), "Keys".to_owned()], rows: counts.iter().map(row).collect() }
}

/// What fits above a bar: `999`, `1.2k`, `34k`, rounded down.
fn short(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..10_000 => format!("{}.{}k", count / 1_000, count % 1_000 / 100),
        10_000..1_000_000 => format!("{}k", count / 1_000),
        1_000_000.. => format!("{}M", count / 1_000_000),
    }
}
