//! What is told of a key's facts: the row follows its list, and history says each change once.

use std::sync::Arc;

use keymuster::domain::{Condition, KeyFacts, KeyKind, Moment, Owner, OwnerAccess, OwnerKind, RemoteId, ScopeKind, Text, Time};
use keymuster::policy::{Glob, Match, Policy, Rule};

use crate::site::{Site, ids};

const LATER: Time = Time::from_unix(1_900_000_000);

fn owned(facts: &mut KeyFacts, by: &str) {
    let id = RemoteId::new(by).unwrap();
    facts.owner = Some(Owner { kind: OwnerKind::User, id, name: None, email: None });
}

fn history(site: &Site) -> Vec<String> {
    site.rows("SELECT key_id, change, before, after FROM changes ORDER BY change_id")
}

fn row(site: &Site, columns: &str) -> String {
    site.rows(&format!("SELECT {columns} FROM keys WHERE key_id = 'p_000'")).remove(0)
}

#[tokio::test]
async fn each_fact_that_changes_is_written_and_told_once() {
    type Case = (&'static str, fn(&mut KeyFacts), fn(&mut KeyFacts), &'static [&'static str], &'static str);
    let cases: [Case; 11] = [
        ("name", |_| {}, |facts| facts.name = Some(Text::clean("deploy")), &["renamed|-|deploy"], "deploy"),
        ("name", |facts| facts.name = Some(Text::clean("a")), |facts| facts.name = Some(Text::clean("b")), &["renamed|a|b"], "b"),
        ("hint", |_| {}, |facts| facts.hint = keymuster::domain::Hint::new("sk-…abcd"), &[], "sk-…abcd"),
        ("owner_id", |_| {}, |facts| owned(facts, "user_001"), &["owner_changed|-|user_001"], "user_001"),
        (
            "owner_id",
            |facts| owned(facts, "user_000"),
            |facts| owned(facts, "user_001"),
            &["owner_changed|user_000|user_001"],
            "user_001",
        ),
        ("owner_id", |facts| owned(facts, "user_000"), |_| {}, &["owner_changed|user_000|-"], "-"),
        (
            "expires_state",
            |_| {},
            |facts| facts.expires = Moment::At(LATER),
            &["expiry_changed|never|2030-03-17T17:46:40Z"],
            "at",
        ),
        (
            "expires_state",
            |facts| facts.expires = Moment::At(LATER),
            |facts| facts.expires = Moment::NotReported,
            &["expiry_changed|2030-03-17T17:46:40Z|not_reported"],
            "not_reported",
        ),
        ("enabled", |_| {}, |facts| facts.enabled = false, &["disabled|-|-"], "0"),
        ("enabled", |facts| facts.enabled = false, |_| {}, &["enabled|-|-"], "1"),
        (
            "created_at",
            |_| {},
            |facts| facts.created_at = Some(Time::from_unix(1_745_000_000)),
            &["recreated|2025-02-19T21:20:00Z|2025-04-18T18:13:20Z"],
            "2025-04-18T18:13:20Z",
        ),
    ];
    for (nth, (column, before, after, told, is)) in cases.into_iter().enumerate() {
        let mut site = Site::new(&[("p", 2)]).await;
        site.told.insert("p_000".into(), before);
        site.poll().await;
        site.poll().await;
        assert!(history(&site).is_empty(), "{nth}, {column}: {:?}", history(&site));
        site.told.insert("p_000".into(), after);
        site.poll().await;
        let told: Vec<String> = told.iter().map(|line| format!("p_000|{line}")).collect();
        assert_eq!((row(&site, column), history(&site)), (is.to_owned(), told.clone()), "{nth}, {column}");
        site.poll().await;
        assert_eq!(history(&site), told, "{nth}, {column}: once");
    }
}

#[tokio::test]
async fn an_owner_who_lost_access_orphans_the_key_until_they_have_it_again() {
    let orphaned = |site: &Site| (site.count("orphaned_keys"), row(site, "conditions"));
    let lost: fn(&mut KeyFacts) = |facts| facts.owner_access = Some(OwnerAccess::Inactive);
    let has: fn(&mut KeyFacts) = |facts| facts.owner_access = Some(OwnerAccess::Active);

    // From the first look on, or later.
    for (begins, first) in [
        (Some(lost), None),
        (Some(has), Some("p_000|owner_access_changed|active|inactive")),
        (None, Some("p_000|owner_access_changed|-|inactive")),
    ] {
        let mut site = Site::new(&[("p", 2)]).await;
        site.told.extend(begins.map(|begins| ("p_000".into(), begins)));
        site.poll().await;
        assert_eq!(site.count("deadline WHERE orphaned_at IS NOT NULL"), usize::from(first.is_none()));
        site.told.insert("p_000".into(), lost);
        site.poll().await;
        let since = site.rows("SELECT orphaned_at FROM deadline WHERE orphaned_at IS NOT NULL");
        assert_eq!(since.len(), 1);
        // Another fact changes; since when it is orphaned does not.
        site.told.insert("p_000".into(), |facts| {
            facts.owner_access = Some(OwnerAccess::Inactive);
            facts.name = Some(Text::clean("other"));
        });
        site.poll().await;
        assert_eq!(site.rows("SELECT orphaned_at FROM deadline WHERE orphaned_at IS NOT NULL"), since);
        assert!(orphaned(&site).1.contains("orphaned"), "{:?}", orphaned(&site));
        site.told.insert("p_000".into(), has);
        site.poll().await;
        assert_eq!(orphaned(&site).0, 0);
        let access: Vec<String> = history(&site).into_iter().filter(|line| line.contains("access")).collect();
        let told: Vec<&str> = first.into_iter().chain(["p_000|owner_access_changed|inactive|active"]).collect();
        assert_eq!(access, told);
    }
}

#[tokio::test]
async fn a_key_that_is_disabled_has_no_other_condition() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.told.insert("p_000".into(), |facts| facts.enabled = false);
    site.poll().await;
    assert_eq!(site.rows("SELECT key_id FROM keys WHERE conditions = 'disabled'"), ["p_000"]);
    let since = "SELECT disabled_at FROM deadline WHERE disabled_at IS NOT NULL";
    let before = site.rows(since);
    assert_eq!(before.len(), 1);
    site.told.insert("p_000".into(), |facts| {
        facts.enabled = false;
        facts.name = Some(Text::clean("other"));
    });
    site.poll().await;
    assert_eq!(site.rows(since), before, "since then");
    site.told.clear();
    site.poll().await;
    assert!(site.rows(since).is_empty());
}

#[tokio::test]
async fn what_a_provider_said_holds_though_the_clock_went_back_behind_it() {
    let mut site = Site::new(&[("p", 2)]).await;
    // Public views read the machine's clock, which is an hour behind that of the polls.
    site.now = site.rows("SELECT unixepoch() + 3600")[0].parse().unwrap();
    site.told.insert("p_000".into(), |facts| facts.enabled = false);
    site.told.insert("p_001".into(), |facts| facts.owner_access = Some(OwnerAccess::Inactive));
    site.poll().await;
    assert_eq!(site.rows("SELECT key_id FROM orphaned_keys"), ["p_001"]);
    assert_eq!(site.rows("SELECT key_id FROM keys WHERE conditions = 'disabled'"), ["p_000"]);
    let counts = site.inventory.reader().count(Time::from_unix(site.now - 3_600)).await.unwrap();
    assert_eq!(counts.accounts["acme"].flagged(None, Condition::Orphaned), 1);
}

#[tokio::test]
async fn a_key_moves_to_the_list_that_it_came_to_and_is_said_to_once() {
    let mut site = Site::new(&[("p", 2), ("q", 2)]).await;
    site.poll().await;
    site.revoke("p", 1);
    site.projects.get_mut("q").unwrap().insert("p_000".into());
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(row(&site, "scope_id, presence"), "q|present");
        assert_eq!(history(&site), ["p_000|moved|project p|project q"]);
    }
    // Back to the one that is walked first: it was left there, so it came.
    site.projects.insert("p".into(), ids("p", 0, 2));
    site.projects.get_mut("q").unwrap().remove("p_000");
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(row(&site, "scope_id, presence"), "p|present");
        assert_eq!(history(&site), ["p_000|moved|project p|project q", "p_000|moved|project q|project p"]);
    }
}

#[tokio::test]
async fn a_key_that_a_better_list_shows_too_takes_its_facts() {
    let mut site = Site::new(&[("p", 1)]).await;
    site.admin = Some(ids("p", 0, 2));
    site.poll().await;
    assert_eq!(site.rows("SELECT key_id, kind FROM keys ORDER BY 1"), ["p_000|project", "p_001|unattributed"]);
    site.projects.insert("p".into(), ids("p", 0, 2));
    for _ in 0..2 {
        site.poll().await;
        assert_eq!(row(&site, "kind"), "project");
        assert_eq!(history(&site), ["p_001|moved|unattributed|project p"]);
    }

    // The same kind of key on a better kind of list has not moved.
    let mut site = Site::new(&[("p", 1)]).await;
    site.admin = Some(ids("p", 0, 2));
    site.told.insert("p_001".into(), |facts| facts.kind = KeyKind::Project);
    site.poll().await;
    site.projects.insert("p".into(), ids("p", 0, 2));
    site.poll().await;
    assert_eq!(site.rows("SELECT key_id, scope_id FROM keys ORDER BY 1"), ["p_000|p", "p_001|p"]);
    assert_eq!(history(&site), [""; 0]);
}

#[tokio::test]
async fn what_one_poll_finds_on_two_lists_is_told_as_one_find() {
    let mut site = Site::new(&[("p", 1)]).await;
    site.admin = Some(ids("p", 0, 1));
    site.poll().await;
    site.projects.insert("p".into(), ids("p", 0, 2));
    site.admin = Some(ids("p", 0, 2));
    // The worse list comes first.
    let (poll, row) = site.begin().await;
    let mut walks = site.walks();
    walks.reverse();
    site.apply(row, poll, walks).await;
    assert_eq!(site.rows("SELECT key_id, kind, scope_id FROM keys WHERE key_id = 'p_001'"), ["p_001|project|p"]);
    assert_eq!(history(&site), ["p_001|appeared|-|-"]);
}

#[tokio::test]
async fn whom_a_worse_list_names_of_a_key_that_another_told_is_nobody() {
    let mut site = Site::new(&[("p", 1)]).await;
    site.admin = Some(ids("p", 0, 2));
    site.told.insert("p_000".into(), |facts| owned(facts, if facts.kind == KeyKind::Project { "user_000" } else { "user_900" }));
    site.told.insert("p_001".into(), |facts| owned(facts, "user_800"));
    // The worse list comes last, and shows the key for the first time.
    let (poll, organization) = site.begin().await;
    let mut walks = site.walks();
    walks.sort_by_key(|walk| walk.scope().id.kind == ScopeKind::Admin);
    site.apply(organization, poll, walks).await;
    assert_eq!(
        site.rows("SELECT key_id, owner_id, kind FROM keys ORDER BY 1"),
        ["p_000|user_000|project", "p_001|user_800|unattributed"]
    );
    assert_eq!(site.count("person WHERE remote_id = 'user_900'"), 0);
    assert_eq!(history(&site), [""; 0]);
}

#[tokio::test]
async fn a_key_on_two_equal_lists_stays_on_the_first_until_that_one_drops_it() {
    let mut site = Site::new(&[("p", 3), ("q", 3)]).await;
    site.projects.get_mut("q").unwrap().insert("p_000".into());
    site.poll().await;
    let home = row(&site, "scope_id");
    for _ in 0..3 {
        site.poll().await;
        assert_eq!((row(&site, "scope_id"), history(&site)), (home.clone(), vec![]));
    }
    let other = if home == "p" { "q" } else { "p" };
    site.projects.get_mut(&home).unwrap().remove("p_000");
    // The one that is walked first learns of it a poll later.
    site.poll().await;
    assert_eq!(row(&site, "presence"), "present");
    for _ in 0..2 {
        site.poll().await;
        assert_eq!(row(&site, "scope_id, presence"), format!("{other}|present"));
        assert_eq!(history(&site), [format!("p_000|moved|project {home}|project {other}")]);
    }
}

/// Keys of owners who are called robots belong to a team.
async fn robots_have_a_team(site: &Site) {
    have_a_team(site, Match { owner: Some(Glob::new("robot *")), ..Match::default() }).await;
}

async fn have_a_team(site: &Site, matches: Match) {
    let rule = Rule { matches, labels: [("team".to_owned(), "machines".to_owned())].into(), ..Rule::default() };
    let policy = Policy { rules: vec![rule], ..Policy::default() };
    site.inventory.judge_all(Arc::new(policy), Time::from_unix(site.now)).await.unwrap();
}

/// A rule may go by the owner's name, which the list of people tells apart from the keys.
#[tokio::test]
async fn an_owner_who_is_called_otherwise_is_judged_otherwise() {
    let mut site = Site::new(&[("p", 2)]).await;
    robots_have_a_team(&site).await;
    site.told.insert("p_000".into(), |facts| owned(facts, "user_000"));
    site.names.insert("user_000".into(), "Ana");
    for (name, team) in [("Ana", "-"), ("robot 7", "machines"), ("Ana", "-")] {
        site.names.insert("user_000".into(), name);
        site.poll().await;
        assert_eq!(row(&site, "owner_name, team"), format!("{name}|{team}"));
    }
}

/// Lists are written in the order in which they were read, many in one transaction.
#[tokio::test]
async fn an_owner_is_judged_by_the_name_that_was_read_between_two_lists_of_keys() {
    let mut site = Site::new(&[("p", 1), ("q", 1)]).await;
    robots_have_a_team(&site).await;
    site.told.extend(["p_000", "q_000"].map(|key| (key.to_owned(), (|facts| owned(facts, "user_000")) as fn(&mut KeyFacts))));
    site.names.insert("user_000".into(), "robot 7");
    let mut walks = site.walks();
    let people = walks.remove(1);
    assert_eq!(people.scope().id.kind, ScopeKind::People);
    walks.insert(2, people);
    let (poll, row) = site.begin().await;
    site.apply(row, poll, walks).await;
    assert_eq!(site.rows("SELECT key_id || ' ' || team FROM keys ORDER BY key_id"), ["p_000 machines", "q_000 machines"]);
}

/// A rule may go by what a project is called.
#[tokio::test]
async fn a_project_that_is_called_otherwise_is_judged_otherwise() {
    let mut site = Site::new(&[("p", 1)]).await;
    have_a_team(&site, Match { scope_name: Some(Glob::new("robots *")), ..Match::default() }).await;
    for (title, team) in [("people", "-"), ("robots 7", "machines"), ("people", "-")] {
        site.titles.insert("p".into(), title);
        site.poll().await;
        assert_eq!(row(&site, "scope_name, team"), format!("{title}|{team}"));
    }
}

/// Where no list of people tells, the last key does.
#[tokio::test]
async fn an_owner_whom_keys_of_one_list_call_otherwise_is_called_as_by_the_last() {
    let mut site = Site::new(&[("p", 2)]).await;
    robots_have_a_team(&site).await;
    fn called(facts: &mut KeyFacts, name: &str) {
        owned(facts, "stranger");
        facts.owner.as_mut().unwrap().name = Some(Text::clean(name));
    }
    site.told.insert("p_000".into(), |facts| called(facts, "robot 7"));
    site.told.insert("p_001".into(), |facts| called(facts, "Ana"));
    let told = |site: &Site| site.rows("SELECT DISTINCT owner_name, team FROM keys");
    site.poll().await;
    assert_eq!(told(&site), ["Ana|-"]);
    site.told.insert("p_001".into(), |facts| called(facts, "robot 8"));
    site.poll().await;
    assert_eq!(told(&site), ["robot 8|machines"]);
}

/// A list's word on what somebody is called stands above a key's, which alone tells of what kind they are.
#[tokio::test]
async fn a_service_account_is_judged_by_the_name_that_a_list_of_users_gives_it() {
    let mut site = Site::new(&[("p", 2)]).await;
    robots_have_a_team(&site).await;
    site.names.insert("user_000".into(), "robot 7");
    for key in ["p_000", "p_001"] {
        site.told.insert(key.into(), |facts| {
            owned(facts, "user_000");
            let owner = facts.owner.as_mut().unwrap();
            (owner.kind, owner.name) = (OwnerKind::ServiceAccount, Some(Text::clean("ci")));
        });
    }
    site.poll().await;
    assert_eq!(site.rows("SELECT owner_kind, owner_name, team FROM keys"), ["service_account|robot 7|machines"; 2]);
}

/// Some lists hold service accounts among the users, and do not say so.
#[tokio::test]
async fn a_service_account_that_a_list_of_users_drops_orphans_nothing() {
    let mut site = Site::new(&[("p", 2)]).await;
    site.told.insert("p_000".into(), |facts| {
        owned(facts, "user_000");
        facts.owner.as_mut().unwrap().kind = OwnerKind::ServiceAccount;
    });
    site.told.insert("p_001".into(), |facts| owned(facts, "user_001"));
    for _ in 0..3 {
        site.poll().await;
        assert_eq!(site.rows("SELECT owner_kind FROM keys ORDER BY key_id"), ["service_account", "user"]);
    }
    site.people.clear();
    for _ in 0..3 {
        site.poll().await;
    }
    assert_eq!(site.rows("SELECT key_id FROM orphaned_keys"), ["p_001"]);
}
