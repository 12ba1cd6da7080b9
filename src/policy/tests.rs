//! The condition table case by case, and what holds for all policies.

use proptest::prelude::*;

use super::*;
use crate::domain::{Basis, KeyKind, Moment};

const DAY: i64 = 86_400;
const MADE: Time = Time::from_unix(1_700_000_000);

fn key() -> Profile<'static> {
    Profile {
        matched: Matchable {
            provider: "openai",
            account: "acme",
            key_id: "key_1",
            kind: KeyKind::Project,
            scope_name: Some("prod-eu"),
            owner: &["user-1", "Ada", "ada@example.com"],
            name: Some("ci"),
        },
        created_at: Some(MADE),
        last_used: Moment::NotReported,
        expires: Moment::NotReported,
        enabled: true,
        disabled_since: None,
        orphaned_since: None,
        is_self: false,
    }
}

fn after(days: u32) -> Option<Limit> {
    Some(Limit::After(Span::days(days)))
}

/// The built-in limits, with nothing ignored.
fn plain() -> Policy {
    Policy { limits: Limits { ignore: Some(BTreeSet::new()), ..Limits::built_in() }, ..Policy::default() }
}

fn judged(change: impl FnOnce(&mut Profile<'static>)) -> Deadlines {
    let mut key = key();
    change(&mut key);
    plain().judge(&key).deadlines
}

#[test]
fn stale_rests_on_the_best_that_is_known() {
    let used = MADE.plus(100 * DAY);
    assert_eq!(judged(|k| k.last_used = Moment::At(used)).stale, Some((used.plus(90 * DAY), Basis::LastUse)));
    assert_eq!(judged(|k| k.last_used = Moment::Never).stale, Some((MADE.plus(90 * DAY), Basis::NeverUsed)));
    assert_eq!(judged(|_| ()).stale, Some((MADE.plus(90 * DAY), Basis::Age)));
    assert_eq!(judged(|k| k.created_at = None).stale, None);
}

#[test]
fn never_used_is_a_claim_that_only_the_provider_can_make() {
    assert_eq!(judged(|k| k.last_used = Moment::Never).never_used, Some(MADE.plus(7 * DAY)));
    assert_eq!(judged(|_| ()).never_used, None);
    assert_eq!(judged(|k| k.last_used = Moment::At(MADE)).never_used, None);
}

#[test]
fn expiry() {
    let expiry = MADE.plus(30 * DAY);
    let at = judged(|k| k.expires = Moment::At(expiry));
    assert_eq!((at.expiring, at.expired, at.no_expiry), (Some(expiry.plus(-14 * DAY)), Some(expiry), None));
    let never = judged(|k| k.expires = Moment::Never);
    assert_eq!((never.expiring, never.expired, never.no_expiry), (None, None, Some(MADE)));
    let unknown = judged(|_| ());
    assert_eq!((unknown.expiring, unknown.expired, unknown.no_expiry), (None, None, None));
    let of_unknown_age = judged(|k| {
        k.expires = Moment::Never;
        k.created_at = None;
    });
    assert_eq!(of_unknown_age.no_expiry, Some(EARLIEST));
    let mut key = key();
    key.expires = Moment::Never;
    assert_eq!(Policy::default().judge(&key).deadlines.no_expiry, None, "ignored unless asked for");
}

#[test]
fn overdue_and_orphaned() {
    let left = MADE.plus(DAY);
    let deadlines = judged(|k| k.orphaned_since = Some(left));
    assert_eq!((deadlines.overdue, deadlines.orphaned), (Some(MADE.plus(365 * DAY)), Some(left)));
}

#[test]
fn our_own_key_is_exempt_from_rules_about_use() {
    let deadlines = judged(|k| {
        k.is_self = true;
        k.last_used = Moment::Never;
        k.expires = Moment::At(MADE.plus(DAY));
    });
    assert_eq!((deadlines.stale, deadlines.never_used), (None, None));
    assert!(deadlines.overdue.is_some() && deadlines.expired.is_some());
}

#[test]
fn never_and_ignore_switch_conditions_off() {
    let mut policy = plain();
    policy.rules = vec![Rule {
        matches: Match { kind: Some(KeyKind::Project), ..Match::default() },
        limits: Limits {
            stale_after: Some(Limit::Never),
            ignore: Some(BTreeSet::from([Condition::Orphaned, Condition::Expired])),
            ..Limits::default()
        },
        ..Rule::default()
    }];
    let mut key = key();
    key.orphaned_since = Some(MADE);
    key.expires = Moment::At(MADE);
    let deadlines = policy.judge(&key).deadlines;
    assert_eq!((deadlines.stale, deadlines.orphaned, deadlines.expired), (None, None, None));
    assert!(deadlines.expiring.is_some() && deadlines.overdue.is_some());
}

#[test]
fn each_limit_and_label_comes_from_the_first_that_sets_it() {
    let team = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
    let all = Match { provider: Some(Glob::new("*")), ..Match::default() };
    let policy = Policy {
        limits: Limits { expiring_within: after(3), max_age: after(4), ..Limits::default() },
        accounts: BTreeMap::from([(
            "acme".to_owned(),
            AccountPolicy {
                limits: Limits { stale_after: after(2), max_age: after(2), ..Limits::default() },
                labels: BTreeMap::from([("team".to_owned(), "nobody".to_owned()), ("env".to_owned(), "live".to_owned())]),
                formerly: None,
            },
        )]),
        rules: vec![
            Rule {
                matches: Match { account: Some(Glob::new("other")), ..Match::default() },
                limits: Limits { stale_after: after(99), ..Limits::default() },
                labels: team("other"),
            },
            Rule {
                matches: Match { label: BTreeMap::from([("env".to_owned(), Glob::new("l*"))]), ..Match::default() },
                limits: Limits { max_age: after(1), ..Limits::default() },
                labels: BTreeMap::new(),
            },
            Rule { matches: all, limits: Limits { max_age: after(50), ..Limits::default() }, labels: team("platform") },
        ],
        ..Policy::default()
    };
    let key = key();
    let limits = policy.limits_for(&key);
    let chosen = |days, by| Chosen { value: Limit::After(Span::days(days)), by };
    assert_eq!(limits.max_age, chosen(1, Source::Rule(2)));
    assert_eq!(limits.stale_after, chosen(2, Source::Account));
    assert_eq!(limits.expiring_within, chosen(3, Source::Policy));
    assert_eq!(limits.never_used_grace, chosen(7, Source::BuiltIn));
    assert_eq!(limits.ignore.by, Source::BuiltIn);
    let verdict = policy.judge(&key);
    assert_eq!(verdict.team(), Some("platform"));
    assert_eq!(verdict.labels.get("env").map(String::as_str), Some("live"));
    assert_eq!(policy.labels_for(&key)["team"].by, Source::Rule(3));
}

#[test]
fn every_field_of_a_match_counts() {
    fn glob(text: &str) -> Option<Glob> {
        Some(Glob::new(text))
    }
    let matching = |change: &dyn Fn(&mut Match)| {
        let mut matches = Match::default();
        change(&mut matches);
        let labels = BTreeMap::from([("env".to_owned(), "live".to_owned())]);
        matches.applies(&key().matched, Some(&AccountPolicy { labels, ..AccountPolicy::default() }))
    };
    type Change = dyn Fn(&mut Match);
    let pairs: [(&Change, &Change); 8] = [
        (&|m| m.provider = glob("open*"), &|m| m.provider = glob("den")),
        (&|m| m.account = glob("ac?e"), &|m| m.account = glob("acme-*")),
        (&|m| m.key_id = glob("key_1"), &|m| m.key_id = glob("key_2")),
        (&|m| m.kind = Some(KeyKind::Project), &|m| m.kind = Some(KeyKind::Admin)),
        (&|m| m.scope_name = glob("prod-*"), &|m| m.scope_name = glob("test-*")),
        (&|m| m.owner = glob("*@example.com"), &|m| m.owner = glob("*@example.org")),
        (&|m| m.name = glob("ci"), &|m| m.name = glob("CI")),
        (&|m| drop(m.label.insert("env".into(), Glob::new("live"))), &|m| drop(m.label.insert("team".into(), Glob::new("*")))),
    ];
    for (at, (yes, no)) in pairs.into_iter().enumerate() {
        assert!(matching(yes), "{at}");
        assert!(!matching(no), "{at}");
        assert!(
            !matching(&|m| {
                yes(m);
                m.name = glob("no such name");
            }),
            "{at}: all fields have to match"
        );
    }
    let nameless = Matchable { name: None, ..key().matched };
    assert!(!Match { name: glob("*"), ..Match::default() }.applies(&nameless, None), "no name, no match");
}

#[test]
fn what_matches_the_former_name_of_an_account_goes_on_matching() {
    let of = |account: &str| Match { account: Some(Glob::new(account)), ..Match::default() };
    let renamed = Policy {
        accounts: BTreeMap::from([(
            "acme".to_owned(),
            AccountPolicy { formerly: Some("old-acme".to_owned()), ..AccountPolicy::default() },
        )]),
        rules: vec![Rule {
            matches: of("old-*"),
            limits: Limits { max_age: after(5), ..Limits::default() },
            labels: BTreeMap::new(),
        }],
        waivers: vec![Waiver { matches: of("old-acme"), reason: "migration".into(), who: "ada".into(), until: MADE.plus(DAY) }],
        ..Policy::default()
    };
    assert_eq!(renamed.judge(&key()).waived_until, Some(MADE.plus(DAY)));
    assert_eq!(renamed.limits_for(&key()).max_age.by, Source::Rule(1));
    assert_eq!(
        renamed.waivers_for(&Profile { matched: Matchable { account: "other", ..key().matched }, ..key() }).count(),
        0,
        "it was another account's name"
    );
    let apart = Policy { accounts: BTreeMap::new(), ..renamed.clone() };
    assert_eq!(apart.judge(&key()).waived_until, None);
    assert_ne!(apart.fingerprint(), renamed.fingerprint());
}

#[test]
fn the_longest_waiver_counts() {
    let waiver = |days: i64, key_id: &str| Waiver {
        matches: Match { key_id: Some(Glob::new(key_id)), ..Match::default() },
        reason: "migration".into(),
        who: "ada".into(),
        until: MADE.plus(days * DAY),
    };
    let policy = Policy { waivers: vec![waiver(1, "key_1"), waiver(5, "key_*"), waiver(9, "key_2")], ..Policy::default() };
    assert_eq!(policy.judge(&key()).waived_until, Some(MADE.plus(5 * DAY)));
}

#[test]
fn the_fingerprint_is_fixed_and_sees_everything() {
    // A number from another run: it may change only together with the meaning of stored deadlines.
    assert_eq!(Policy::default().fingerprint(), -3_951_022_416_584_561_745);
    let mut seen = BTreeSet::from([Policy::default().fingerprint()]);
    let label = || BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let rule =
        |matches: Match, limits: Limits, labels| Policy { rules: vec![Rule { matches, limits, labels }], ..Policy::default() };
    let account = |limits: Limits, labels| Policy {
        accounts: BTreeMap::from([("acme".to_owned(), AccountPolicy { limits, labels, formerly: None })]),
        ..Policy::default()
    };
    let glob = || Some(Glob::new("x"));
    let waiver = |key_id: &str, reason: &str, until| Policy {
        waivers: vec![Waiver {
            matches: Match { key_id: Some(Glob::new(key_id)), ..Match::default() },
            reason: reason.into(),
            who: "ada".into(),
            until,
        }],
        ..Policy::default()
    };
    let policies = [
        waiver("a", "b", MADE),
        waiver("a", "c", MADE),
        waiver("b", "b", MADE),
        waiver("a", "b", MADE.plus(1)),
        Policy { limits: Limits { stale_after: after(1), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { stale_after: after(2), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { stale_after: Some(Limit::Never), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { never_used_grace: after(1), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { expiring_within: after(1), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { max_age: after(1), ..Limits::default() }, ..Policy::default() },
        Policy { limits: Limits { ignore: Some(BTreeSet::new()), ..Limits::default() }, ..Policy::default() },
        account(Limits::default(), BTreeMap::new()),
        account(Limits::default(), label()),
        account(Limits { max_age: after(1), ..Limits::default() }, BTreeMap::new()),
        rule(Match::default(), Limits::default(), BTreeMap::new()),
        rule(Match::default(), Limits::default(), label()),
        rule(Match { provider: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { account: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { key_id: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { scope_name: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { owner: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { name: glob(), ..Match::default() }, Limits::default(), BTreeMap::new()),
        rule(Match { kind: Some(KeyKind::Admin), ..Match::default() }, Limits::default(), BTreeMap::new()),
    ];
    for (at, policy) in policies.iter().enumerate() {
        assert!(seen.insert(policy.fingerprint()), "policy {at} looks like another");
        assert_eq!(policy.fingerprint(), policy.clone().fingerprint());
    }
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        Just(Moment::Never),
        Just(Moment::NotReported),
        (EARLIEST.unix()..4_000_000_000_i64).prop_map(|s| Moment::At(Time::from_unix(s)))
    ]
}

fn evidence() -> impl Strategy<Value = Profile<'static>> {
    let time = || proptest::option::of((EARLIEST.unix()..2_000_000_000_i64).prop_map(Time::from_unix));
    (time(), moment(), moment(), any::<bool>(), time(), time(), any::<bool>()).prop_map(
        |(created_at, last_used, expires, enabled, disabled_since, orphaned_since, is_self)| Profile {
            created_at,
            last_used,
            expires,
            enabled,
            disabled_since,
            orphaned_since,
            is_self,
            ..key()
        },
    )
}

fn limits(days: [u32; 4]) -> Policy {
    Policy {
        limits: Limits {
            stale_after: after(days[0]),
            never_used_grace: after(days[1]),
            expiring_within: after(days[2]),
            max_age: after(days[3]),
            ignore: Some(BTreeSet::new()),
        },
        ..Policy::default()
    }
}

proptest! {
    #[test]
    fn a_longer_limit_never_brings_a_condition_forward(key in evidence(), days in any::<[u16; 4]>(), more in any::<[u16; 4]>()) {
        let short = limits(days.map(u32::from)).judge(&key).deadlines;
        let long = limits(std::array::from_fn(|i| u32::from(days[i]) + u32::from(more[i]))).judge(&key).deadlines;
        prop_assert!(short.stale.map(|s| s.0) <= long.stale.map(|s| s.0));
        prop_assert!(short.never_used <= long.never_used);
        prop_assert!(short.overdue <= long.overdue);
        // Measured backwards from expiry: a wider window begins earlier.
        prop_assert!(short.expiring >= long.expiring);
        prop_assert_eq!(
            (short.expired, short.no_expiry, short.disabled, short.orphaned),
            (long.expired, long.no_expiry, long.disabled, long.orphaned)
        );
        prop_assert!(short.expiring.is_none() || short.expiring <= short.expired);
    }

    #[test]
    fn a_disabled_key_has_no_other_condition(key in evidence()) {
        let key = Profile { enabled: false, ..key };
        let deadlines = plain().judge(&key).deadlines;
        prop_assert!(deadlines.disabled.is_some());
        prop_assert_eq!(Deadlines { disabled: None, ..deadlines }, Deadlines::default());
        let enabled = plain().judge(&Profile { enabled: true, ..key }).deadlines;
        prop_assert_eq!(enabled.disabled, None);
    }

    #[test]
    fn rules_behind_the_first_that_sets_a_limit_do_not_matter(key in evidence(), first in 0..500_u32, second in 0..500_u32) {
        let rule = |days| Rule {
            matches: Match { account: Some(Glob::new("acme")), ..Match::default() },
            limits: Limits { stale_after: after(days), ..Limits::default() },
            ..Rule::default()
        };
        let one = Policy { rules: vec![rule(first)], ..plain() };
        let both = Policy { rules: vec![rule(first), rule(second)], ..plain() };
        let turned = Policy { rules: vec![rule(second), rule(first)], ..plain() };
        prop_assert_eq!(one.judge(&key), both.judge(&key));
        prop_assert_eq!(both.fingerprint() == turned.fingerprint(), first == second);
    }
}

#[test]
fn a_claim_says_what_it_rests_on() {
    let rule = Rule { limits: Limits { stale_after: after(30), ..Limits::default() }, ..Rule::default() };
    let policy = Policy { rules: vec![rule], ..Policy::default() };
    let claim = |condition: Condition, change: fn(&mut Profile<'static>)| {
        let mut key = key();
        change(&mut key);
        policy.claims(&key).into_iter().find(|claim| claim.condition == condition).unwrap()
    };
    let used = MADE.plus(10 * DAY);
    let stale = claim(Condition::Stale, |key| key.last_used = Moment::At(MADE.plus(10 * DAY)));
    assert_eq!((stale.standing, stale.since), (Standing::From(used.plus(30 * DAY)), Fact::LastUse(used)));
    assert_eq!(stale.limit, Some(Chosen { value: Limit::After(Span::days(30)), by: Source::Rule(1) }));
    let by_age = claim(Condition::Stale, |_| ());
    assert_eq!((by_age.standing, by_age.since), (Standing::From(MADE.plus(30 * DAY)), Fact::MadeAndUseUnknown(Some(MADE))));

    let not = |condition, change: fn(&mut Profile<'static>)| match claim(condition, change).standing {
        Standing::Not(why) => why,
        Standing::From(time) => panic!("{condition} from {time}"),
    };
    assert_eq!(not(Condition::NoExpiry, |key| key.expires = Moment::Never), Not::Ignored);
    assert_eq!(not(Condition::Expiring, |key| key.expires = Moment::Never), Not::Untrue);
    assert_eq!(not(Condition::Expired, |_| ()), Not::NotReported);
    assert_eq!(not(Condition::NeverUsed, |key| key.last_used = Moment::At(MADE)), Not::Untrue);
    assert_eq!(not(Condition::Overdue, |key| key.created_at = None), Not::NotReported);
    assert_eq!(not(Condition::Overdue, |key| key.enabled = false), Not::Disabled);
    assert_eq!(not(Condition::Stale, |key| key.is_self = true), Not::Own);
    assert_eq!(not(Condition::Orphaned, |_| ()), Not::Untrue);
    let limitless = Policy { limits: Limits { max_age: Some(Limit::Never), ..Limits::default() }, ..Policy::default() };
    let overdue = limitless.claims(&key()).into_iter().find(|claim| claim.condition == Condition::Overdue).unwrap();
    assert_eq!((overdue.standing, overdue.limit.map(|limit| limit.by)), (Standing::Not(Not::Limitless), Some(Source::Policy)));
}
