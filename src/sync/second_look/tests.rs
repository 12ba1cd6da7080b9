//! What the inventory has against a list that was read in a member's name, and what is asked about it once more.

use std::sync::Arc;

use super::*;
use crate::domain::{Organization, Scope, ScopeKind, Time};
use crate::inventory::{ConfiguredAccount, Confirmed, SeenOrganization};
use crate::providers::{Learnt, Subject, Way};
use crate::sync::proofs::tests::{listed, walk_of};
use crate::sync::rounds::tests::{ORGANIZATION, Site, list};

const NOW: Time = Time::from_unix(1_760_000_000);

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

/// That member's list, read whole, of keys with their owners, where these are told.
fn walked(inventory: &Inventory, member: &str, keys: &[(&str, Option<&str>)]) -> Walked {
    let scope = Scope::of(ScopeKind::Member, id(member), None);
    walk_of(inventory.next_walk(), scope, keys.iter().map(listed).collect())
}

#[tokio::test]
async fn a_key_without_an_owner_is_strange_where_it_is_known_as_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = Inventory::open(&folder.path().join("inventory.db"), NOW).unwrap();
    let account = ConfiguredAccount { name: "acme".into(), provider: "braintrust", formerly: None, interval: 3_600 };
    inventory.configure(vec![account], Arc::default(), NOW).await.unwrap();
    let poll = inventory.begin_poll("acme".into(), NOW).await.unwrap();
    let seen = SeenOrganization::Named(Organization { id: id("org"), name: None });
    let Confirmed::Yes(row) = inventory.confirm(poll, seen).await.unwrap() else { panic!("the first one") };
    let stored = vec![
        walked(&inventory, "ana", &[("a1", Some("ana")), ("a2", Some("ana"))]),
        walked(&inventory, "bo", &[("b", Some("bo"))]),
    ];
    inventory.apply(row, poll, Arc::default(), stored).await.unwrap();

    let against = async |keys: &[(&str, Option<&str>)], proof: Proof| {
        let subject = Subject { member: Some(id("ana")), proof, organization: None };
        let ended = Ended::Walk(Box::new(walked(&inventory, "ana", keys)), Learnt::default(), subject);
        before(&inventory, poll, &ended).await.unwrap()
    };
    let lacking = |keys: &[&str], strange| Before { lacking: keys.iter().map(|key| id(key)).collect(), strange };
    let asked = Proof::Impersonation;
    assert_eq!(against(&[("a1", Some("ana")), ("a2", None)], asked).await, lacking(&[], false));
    assert_eq!(against(&[("a1", Some("ana")), ("a2", None), ("new", None)], asked).await, lacking(&[], false));
    assert_eq!(against(&[("a1", None), ("a2", None), ("b", None)], asked).await, lacking(&[], true));
    assert_eq!(against(&[("b", None)], asked).await, lacking(&["a2", "a1"], true));
    assert_eq!(against(&[], asked).await, lacking(&["a2", "a1"], false));
    assert_eq!(against(&[("b", None)], Proof::None).await, lacking(&["a2", "a1"], false), "our own list is nobody else's");
    assert_eq!(against(&[("b", None)], Proof::OwnKeys).await, Before::default(), "a list that is no member's");
}

#[tokio::test(start_paused = true)]
async fn whom_the_provider_takes_us_for_is_asked_each_time_and_believed_where_it_is_always_the_member() {
    let site = Site::new();
    let mut common = site.common();
    common.known.way = Some(Way::Header);
    common.known.caller = Some(id("me"));
    let looking = Looking { common };
    let asked = async |member: &str| (looking.identity(&id(member)).await, site.asked().len());
    assert_eq!(asked("ana").await, (Ok(true), IDENTITIES));
    assert_eq!(asked("bo").await, (Err(Look::TakenFor(id("ana"))), 1));
    assert_eq!(asked("nobody").await, (Ok(false), 1), "it does not say");
    assert_eq!(asked("me").await, (Ok(false), 0), "of oneself it proves nothing");
}

#[tokio::test(start_paused = true)]
async fn the_organisation_is_asked_for_once_more_where_some_list_waits_for_it() {
    let site = Site::of("den");
    let asked = async |awaited: bool, before: Option<&str>| {
        let mut common = site.common();
        common.known.organization = before.map(|before| Organization { id: id(before), name: None });
        let shown = Looking { common }.organization(awaited).await.map_err(|failure| failure.reason);
        (shown, site.asked())
    };
    assert_eq!(asked(true, Some(ORGANIZATION)).await, (Ok(()), vec!["/v1/org".to_owned()]));
    assert_eq!(asked(false, Some(ORGANIZATION)).await, (Ok(()), vec![]));
    let another = asked(true, Some("org_01k9x2m4q7ragsb3e5tw8vzcdg")).await;
    assert_eq!(another.0, Err(Reason::AttributionMismatch), "the adapter sees it before the engine");
    assert_eq!(asked(true, None).await, (Err(Reason::Internal), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_again_and_has_to_hold_the_same() {
    let site = Site::new();
    let mut common = site.common();
    common.known.way = Some(Way::Header);
    common.known.caller = Some(id("me"));
    let looking = Looking { common };
    let look = async |member: &str, keys: &[(&str, Option<&str>)], lacking: &[&str]| {
        let silent = Silent {
            walked: walked(&site.common().inventory, member, keys),
            member: id(member),
            is_own: member == "me",
            before: Before { lacking: lacking.iter().map(|key| id(key)).collect(), strange: false },
            look: Look::NotNeeded,
        };
        let looked = looking.look(&silent, Some(&list(member))).await;
        let asked = site.asked();
        (
            looked,
            asked.iter().filter(|path| *path == "/api/self/me").count(),
            asked.iter().filter(|path| path[1..] == *member).count(),
        )
    };
    let looked = async |member: &str, keys: &[(&str, Option<&str>)]| look(member, keys, &[]).await;
    assert_eq!(looked("ana", &[]).await, (Ok(true), IDENTITIES, READINGS));
    assert_eq!(look("ana", &[], &["absent", "there"]).await.0, Err(Look::Answers(id("there"))));
    assert_eq!(look("ana", &[], &[["absent"; KEYS].as_slice(), &["there"]].concat()).await.0, Ok(true), "no more are asked for");
    assert_eq!(looked("ana", &[("key", None)]).await, (Err(Look::ReadOtherwise(id("key"))), IDENTITIES, 1));
    assert_eq!(looked("bo", &[]).await, (Err(Look::TakenFor(id("ana"))), 1, 0));
    assert_eq!(looked("me", &[]).await, (Ok(true), 0, READINGS), "of one's own list nobody else can speak");
}
