//! What an address says, and what is refused.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::domain::{OwnerKind, Text, Time};

/// What a name could hold.
fn any_text() -> impl Strategy<Value = String> {
    let plain =
        |raw: String| raw.chars().filter(|c| text(Name::Text, &c.to_string()).is_ok()).collect::<String>().trim().to_owned();
    ".{1,40}".prop_map(plain).prop_filter("something is left", |text| !text.is_empty())
}

fn any_of<T: Copy + Ord + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = BTreeSet<T>> {
    subsequence(all, 0..=all.len()).prop_map(|words| words.into_iter().collect())
}

fn texts() -> impl Strategy<Value = BTreeSet<String>> {
    proptest::collection::btree_set(any_text(), 0..4)
}

fn yes_no() -> impl Strategy<Value = Option<bool>> {
    option::of(any::<bool>())
}

fn any_whose() -> impl Strategy<Value = Whose> {
    let email = (select(OwnerKind::ALL), any_text()).prop_map(|(kind, text)| Whose::Email(kind, text.to_ascii_lowercase()));
    let id = ("[a-z-]{1,9}", any_text()).prop_map(|(account, id)| Whose::Id(account, id));
    prop_oneof![Just(Whose::NotReported), email, id]
}

fn any_time() -> impl Strategy<Value = Time> {
    // In the bounds of what a remote may say; midnights and ends of days too.
    let at = 1_500_000_000..4_000_000_000_i64;
    prop_oneof![at.clone(), at.clone().prop_map(|at| at / 86_400 * 86_400), at.prop_map(|at| at / 86_400 * 86_400 + 86_399)]
        .prop_map(Time::from_unix)
}

fn any_span() -> impl Strategy<Value = When> {
    prop_oneof![
        any_time().prop_map(|from| When::Between(Some(from), None)),
        any_time().prop_map(|to| When::Between(None, Some(to))),
        (any_time(), any_time()).prop_map(|(one, other)| When::Between(Some(one.min(other)), Some(one.max(other)))),
        Just(When::NotReported),
    ]
}

fn any_when() -> impl Strategy<Value = When> {
    prop_oneof![any_span(), Just(When::Never)]
}

prop_compose! {
    fn any_query()(
        (text, owner, whose) in (option::of(any_text()), option::of(any_text()), option::of(any_whose())),
        (providers, accounts, teams) in (texts(), texts(), texts()),
        kinds in any_of(KeyKind::ALL),
        conditions in any_of(Condition::ALL),
        presences in any_of(Presence::ALL),
        (flagged, waived, held) in (yes_no(), yes_no(), yes_no()),
        (created, last_used, expires) in (option::of(any_span()), option::of(any_when()), option::of(any_when())),
        as_of in option::of(any_time().prop_map(|at| if at.unix() % 86_400 == 0 { AsOf::Day(at) } else { AsOf::At(at) })),
        (by, reversed) in (select(SORTS.map(|(_, by)| by).to_vec()), any::<bool>()),
        page in 0..1_000_u32,
    ) -> Query {
        let sort = Sort { by, reversed };
        Query {
            text, providers, accounts, kinds, owner, whose, teams, conditions, presences, flagged, waived, held, created, last_used,
            expires, as_of, sort, page,
        }
    }
}

proptest! {
    #[test]
    fn what_an_address_says_is_what_was_asked(query in any_query()) {
        let address = query.address("/keys");
        prop_assert!(address.is_ascii() && !address.contains(['"', '\'', '<', '>', ' ']), "{}", address);
        let read = Query::parse(address.strip_prefix("/keys").unwrap().trim_start_matches('?'));
        prop_assert_eq!(read, Ok(Parsed { query: query.clone(), has_blanks: false }));
        for (name, value, rest) in query.without_each() {
            prop_assert!(!rest.pairs().contains(&(name, value)) && rest.pairs().len() + 1 == query.pairs().len());
        }
    }

    #[test]
    fn nothing_that_is_asked_breaks_it(raw in "[ -~é\u{202e}\u{0}]{0,80}") {
        if let Err(Wrong(sentence)) = Query::parse(&raw) {
            prop_assert!(sentence.ends_with('.') && !sentence.contains('\u{202e}'), "{}", sentence);
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (raw, told) in [
        ("colour=red", "“colour”; there are q, provider, account"),
        ("condition=rotten", "“condition” cannot be “rotten”: it is one of stale, never_used"),
        ("presence=", ""),
        ("presence=here", "one of present, missing, gone, unknown, unmanaged"),
        ("kind=key", "one of project, admin"),
        ("waived=maybe", "one of yes, no"),
        ("sort=colour", "one of urgency, account, name"),
        ("sort=name&sort=name", "“sort” may be given once"),
        ("q=a&q=b", "“q” may be given once"),
        ("page=0", "a number from 1"),
        ("page=-1", "a number from 1"),
        ("page=99999999999999999999", "a number from 1"),
        ("expires=soon", "“expires” cannot be “soon”: it is a day (2026-11-01), days from and to"),
        ("expires=2026-12-02..2026-12-01", "“expires” cannot be “2026-12-02..2026-12-01”"),
        ("last_used=..", "“last_used” cannot be “..”"),
        ("created=never", "a time, or not_reported"),
        ("created=2026-11-01&created=2026-11-02", "“created” may be given once"),
        ("as_of=soon", "“as_of” cannot be “soon”: it is a day (2026-11-01, which means its end)"),
        ("as_of=2026-11-01&as_of=2026-11-02", "“as_of” may be given once"),
        ("q=%FF", "\\u{fffd}"),
        ("team=a%E2%80%AE", "\\u{202e}"),
    ] {
        let sentence = Query::parse(raw).map_or_else(|Wrong(sentence)| sentence, |_| String::new());
        assert!(sentence.contains(told), "{raw}: {sentence}");
        assert_eq!(sentence.is_empty(), told.is_empty(), "{raw}");
    }
    assert!(Query::parse(&format!("q={}", "x".repeat(Text::LONGEST + 1))).is_err());
    assert!(Query::parse("q=&provider=&sort=").unwrap().has_blanks);
}
