//! The read model: remembered counts are what a count would give, and lists are those of the public view.

use keymuster::clock::Clock;
use keymuster::domain::{Condition, KeyKind, Presence};
use keymuster::inventory::Reader;
use keymuster::views::{AccountCounts, Counts, Filter, KeysAsked, Order, Views, Which};

use crate::house::{House, NOW};

fn flagged(counts: &Counts, condition: Condition) -> u64 {
    counts.accounts.values().map(|account| account.flagged(None, condition)).sum()
}

#[tokio::test]
async fn counts_are_remembered_until_something_is_written() {
    let house = House::new("").await;
    let before = house.views.counts().await.unwrap();
    assert_eq!(
        before.accounts["acme-den"],
        AccountCounts { provider: "den".into(), configured: true, interval: Some(3_600), ..AccountCounts::default() }
    );
    house.views.counts().await.unwrap();
    house.views.overview().await.unwrap();
    assert_eq!(house.views.recounts(), 1);
    house.poll().await;
    let after = house.views.counts().await.unwrap();
    assert_eq!(house.views.recounts(), 2);
    let truth = house.simulation.truth();
    let configured = |key: &&keymuster::sim::TrueKey| key.provider != keymuster::sim::Remote::Braintrust;
    let listed = truth.iter().filter(configured).filter(|key| key.listed || key.leaked).count() as u64;
    let counted: u64 = after.accounts.values().map(|account| account.keys_in(Presence::Present)).sum();
    assert_eq!(counted, listed);
    assert!(after.accounts.values().all(|account| account.last_poll.is_some()));
}

#[tokio::test]
async fn a_deadline_that_passes_changes_the_counts_without_a_write() {
    let house = House::polled().await;
    let before = house.views.counts().await.unwrap();
    let next = before.next.expect("some key expires some day");
    let generation = house.inventory.generation();

    // Long before it, as the machine may stand still for a while.
    house.clock.jump(next.since(house.clock.now()) - 120);
    house.views.counts().await.unwrap();
    assert_eq!(house.views.recounts(), 1, "no deadline has passed yet");
    house.clock.jump(121);
    house.views.counts().await.unwrap();
    assert_eq!(house.views.recounts(), 2, "the first one has");

    house.clock.jump(400 * 86_400);
    let after = house.views.counts().await.unwrap();
    assert_eq!(house.views.recounts(), 3);
    for condition in [Condition::Expired, Condition::Overdue] {
        assert!(flagged(&after, condition) > flagged(&before, condition), "{condition}");
    }
    for condition in [Condition::Stale, Condition::NeverUsed] {
        assert_eq!(flagged(&after, condition), flagged(&before, condition), "{condition}: nobody looked since");
    }
    house.clock.jump(-400 * 86_400);
    let back = house.views.counts().await.unwrap();
    assert_eq!(flagged(&back, Condition::Overdue), flagged(&before, Condition::Overdue), "the clock went back");
    assert_eq!(house.inventory.generation(), generation, "nothing was written");
}

/// Just before every deadline, what is remembered and what is counted anew are the same: also where the clock went back, so
/// that keys were seen in what is now the future.
#[tokio::test]
async fn what_is_remembered_is_what_a_count_would_give() {
    let house = House::polled().await;
    for jump in [0, -100 * 86_400] {
        house.clock.jump(jump);
        let mut steps = 0;
        while steps < 300 {
            let remembered = house.views.counts().await.unwrap();
            let Some(next) = remembered.next else { break };
            let anew = house.inventory.reader().count(next.plus(-1)).await.unwrap();
            assert_eq!((&anew.accounts, anew.next), (&remembered.accounts, remembered.next), "{} to {next}", remembered.at);
            house.clock.jump(next.since(house.clock.now()));
            steps += 1;
        }
        assert!(steps > 20, "{steps} are too few deadlines to show anything");
        let back = NOW.since(house.clock.now());
        house.clock.jump(back);
    }
}

#[tokio::test]
async fn a_file_of_another_process_is_watched() {
    let house = House::new("").await;
    let reader = Reader::open(house.inventory.path()).unwrap();
    let views = Views::of_file(reader, house.clock.clone(), Vec::new()).unwrap();
    for _ in 0..3 {
        views.counts().await.unwrap();
    }
    assert_eq!(views.recounts(), 1);
    house.poll().await;
    assert_eq!(views.counts().await.unwrap().accounts, house.views.counts().await.unwrap().accounts);
    assert_eq!(views.recounts(), 2);
}

#[tokio::test]
async fn counts_and_lists_and_public_views_agree() {
    // The public views tell the time by SQLite's own clock.
    let house = House::polled().await;
    let counts = house.views.counts().await.unwrap();
    for (name, account) in &counts.accounts {
        for condition in Condition::ALL {
            for kind in KeyKind::ALL {
                let filter = Filter {
                    accounts: vec![name.clone()],
                    kinds: vec![*kind],
                    conditions: vec![*condition],
                    waived: Some(false),
                    ..Filter::default()
                };
                let listed = house.views.keys(KeysAsked { filter, ..KeysAsked::default() }).await.unwrap();
                assert_eq!(listed.len() as u64, account.flagged(Some(*kind), *condition), "{name} {kind} {condition}");
            }
        }
        let scopes = house.views.scopes(name).await.unwrap();
        assert_eq!(scopes.len() as u64, account.scopes.values().sum::<u64>());
    }
    let listed = house.views.keys(KeysAsked::default()).await.unwrap();
    let read = move |connection: &rusqlite::Connection| {
        let mut select =
            connection.prepare("SELECT account, key_id, conditions, created_at FROM keys ORDER BY account, key_id")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        Ok(rows.collect::<Result<Vec<(String, String, String, Option<String>)>, _>>()?)
    };
    // Both within one second, in which nothing can begin.
    let (public, by_its_clock) = loop {
        let at = Clock::system().now();
        let public = house.inventory.reader().read(read).await.unwrap();
        if Clock::system().now() == at {
            break (public, house.inventory.reader().keys(KeysAsked::default(), at).await.unwrap());
        }
    };
    assert_eq!(listed.len(), public.len());
    let typed: Vec<_> = by_its_clock
        .into_iter()
        .map(|key| {
            let conditions: Vec<&str> = key.conditions.iter().map(|condition| condition.as_str()).collect();
            (key.account, key.key_id, conditions.join(","), key.created_at.map(|at| at.to_string()))
        })
        .collect();
    assert_eq!(typed, public);
}

#[tokio::test]
async fn filters_orders_and_cuts() {
    let house = House::polled().await;
    let ask = async |filter: Filter, order, limit, offset| {
        house.views.keys(KeysAsked { filter, order, limit, offset, ..KeysAsked::default() }).await.unwrap()
    };
    let all = ask(Filter::default(), Order::Id, None, 0).await;
    let ids = |keys: &[keymuster::views::KeyRow]| keys.iter().map(|key| key.key_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&ask(Filter::default(), Order::Id, Some(7), 5).await), ids(&all)[5..12]);

    let one = all.iter().find(|key| key.owner.as_ref().is_some_and(|owner| owner.email.is_some())).unwrap();
    let owner = one.owner.as_ref().unwrap();
    let of_owner =
        ask(Filter { owner: owner.email.as_ref().map(|e| e.to_uppercase()), ..Filter::default() }, Order::Id, None, 0).await;
    assert!(of_owner.contains(one) && of_owner.iter().all(|key| key.owner.as_ref().unwrap().email == owner.email));
    let prefixed = ask(Filter { id_prefix: Some(one.key_id.clone()), ..Filter::default() }, Order::Id, None, 0).await;
    assert_eq!(ids(&prefixed), std::slice::from_ref(&one.key_id));
    let text = one.key_id[2..].to_uppercase();
    assert!(ask(Filter { text: Some(text), ..Filter::default() }, Order::Id, None, 0).await.contains(one));
    for hostile in ["' OR 1=1 --", "%", "_", "\"", "[]", "\\"] {
        let filter = Filter { owner: Some(hostile.into()), accounts: vec![hostile.into()], ..Filter::default() };
        assert!(ask(filter, Order::Id, None, 0).await.is_empty(), "{hostile} is text");
    }

    let urgent = ask(Filter { flagged: Some(true), ..Filter::default() }, Order::Urgency, None, 0).await;
    assert!(urgent[0].conditions.contains(&Condition::Expired));
    let presences = vec![Presence::Present, Presence::Missing, Presence::Unknown];
    let filter = Filter { flagged: Some(true), waived: Some(false), presences: presences.clone(), ..Filter::default() };
    let chosen = house.views.urgent(Which { flagged: true, limit: 40 }).await.unwrap();
    assert_eq!(*chosen, ask(filter, Order::Urgency, Some(40), 0).await, "one order, asked in two ways");
    let chosen = house.views.urgent(Which { flagged: false, limit: 1_000 }).await.unwrap();
    assert_eq!(*chosen, ask(Filter { presences, ..Filter::default() }, Order::Urgency, None, 0).await);
    let expiries: Vec<_> =
        ask(Filter::default(), Order::Expiry, None, 0).await.iter().filter_map(|key| key.expires.at()).collect();
    assert!(expiries.is_sorted() && !expiries.is_empty());
    for order in [Order::Id, Order::Urgency, Order::Expiry, Order::LastUse, Order::Created] {
        let once = ids(&ask(Filter::default(), order, None, 0).await);
        assert_eq!(once, ids(&ask(Filter::default(), order, None, 0).await), "{order:?} is stable");
    }
    assert!(all.iter().all(|key| key.first_seen_at >= NOW));
}
