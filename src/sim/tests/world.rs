use super::*;
use crate::sim::{Remote, World};

const DAY: i64 = 86_400;

#[test]
fn the_seed_decides_everything() {
    let make = |seed| World::make(seed, Size::demo(), NOW);
    assert_eq!(make(5).truth(), make(5).truth());
    assert_ne!(make(5).truth(), make(6).truth());
    let (mut one, mut other) = (make(5), make(5));
    for beat in 0..200 {
        assert_eq!(one.step(NOW.plus(beat * 3)), other.step(NOW.plus(beat * 3)));
    }
    assert_eq!(one.truth(), other.truth());
    let seen: std::collections::HashSet<String> = one.truth().into_iter().map(|key| key.id).collect();
    assert!(make(6).truth().iter().all(|key| !seen.contains(&key.id)), "no id of another world");
}

#[test]
fn the_demo_shows_every_condition() {
    for seed in 0..20 {
        shows_every_condition(seed);
    }
}

fn shows_every_condition(seed: u64) {
    let truth = World::make(seed, Size::demo(), NOW).truth();
    let now = NOW.unix();
    let count = |provider: Remote, holds: &dyn Fn(&TrueKey) -> bool| {
        truth.iter().filter(|key| key.provider == provider && key.listed && key.enabled && holds(key)).count()
    };
    let stale = |k: &TrueKey| k.last_used_at.unwrap_or(k.created_at) < now - 90 * DAY;
    for provider in [Remote::OpenAi, Remote::Den] {
        let shown: [(&str, usize); 7] = [
            ("stale by last use", count(provider, &|k| k.last_used_at.is_some() && stale(k))),
            ("stale, never used", count(provider, &|k| k.last_used_at.is_none() && stale(k))),
            ("never used", count(provider, &|k| k.last_used_at.is_none() && k.created_at < now - 7 * DAY)),
            ("expiring", count(provider, &|k| k.expires_at.is_some_and(|t| t > now && t < now + 14 * DAY))),
            ("expiring within minutes", count(provider, &|k| k.expires_at.is_some_and(|t| t > now && t < now + 900))),
            ("expired", count(provider, &|k| k.expires_at.is_some_and(|t| t <= now))),
            ("no expiry", count(provider, &|k| k.expires_at.is_none())),
        ];
        for (condition, keys) in shown {
            assert!(keys > 0, "seed {seed}, {provider}: {condition}");
        }
        assert!(count(provider, &|k| k.created_at < now - 365 * DAY) > 0, "{provider}: overdue");
    }
    let braintrust = |holds: &dyn Fn(&TrueKey) -> bool| count(Remote::Braintrust, holds);
    assert!(braintrust(&|k| k.created_at < now - 365 * DAY) > 0 && braintrust(&|k| k.created_at > now - 60 * DAY) > 0);
    assert_eq!(braintrust(&|k| k.last_used_at.is_some() || k.expires_at.is_some()), 0, "Braintrust reports neither");
    assert!((50..80).contains(&braintrust(&|k| k.home == k.owner_id)), "{}", braintrust(&|k| k.home == k.owner_id));
    assert!(braintrust(&|k| k.home == "service_tokens") >= 3);
    assert!(count(Remote::OpenAi, &|k| !k.owner_has_access) > 0, "orphaned");
    assert!(truth.iter().any(|k| k.listed && !k.enabled), "disabled");
    for part in ["<b>", "\"", "🔑", "é"] {
        assert!(truth.iter().any(|k| k.name.contains(part)), "{part}");
    }
    assert!(truth.iter().any(|k| k.name.len() > 256));
    assert!(truth.iter().all(|k| k.created_at <= now && k.last_used_at.is_none_or(|t| t >= k.created_at && t <= now)));
}

#[test]
fn life_does_all_that_it_promises() {
    let mut world = World::make(1, Size::demo(), NOW);
    let before = world.truth();
    let mut seen = std::collections::BTreeMap::new();
    for beat in 1..=20 {
        for event in world.step(NOW.plus(beat * 3)) {
            seen.entry(event.what).or_insert_with(Vec::new).push(event.id);
        }
    }
    let what: Vec<&str> = seen.keys().copied().collect();
    assert_eq!(what, ["joined", "left", "made", "renamed", "revoked", "used"], "within a minute");
    let after = world.truth();
    let find = |truth: &[TrueKey], id: &str| truth.iter().find(|key| key.id == id).cloned();
    assert!(seen["revoked"].iter().all(|id| find(&after, id).is_none()));
    assert!(seen["made"].iter().all(|id| find(&before, id).is_none()));
    let lost = |truth: &[TrueKey]| truth.iter().filter(|k| !k.owner_has_access && k.provider == Remote::OpenAi).count();
    assert!(lost(&after) > lost(&before));
    let at = |truth: &[TrueKey], ids: &[String]| {
        let of = |id: &String| find(truth, id).map(|k| k.provider);
        ids.iter().filter_map(of).collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(at(&after, &seen["made"]), Remote::ALL);
    assert!(at(&before, &seen["revoked"]).contains(&Remote::Braintrust));
    // Whoever left had keys at Braintrust too, which stay behind and are listed no more.
    let behind = after.iter().filter(|k| k.provider == Remote::Braintrust && k.home == k.owner_id && !k.owner_has_access);
    let listed_before = |k: &TrueKey| find(&before, &k.id).is_some_and(|k| k.listed);
    assert!(behind.clone().all(|k| !k.listed) && behind.filter(|k| listed_before(k)).count() > 0);
    // A Den key was made, so no expired one is left, except where it expired after that.
    let made_at = NOW.plus(14 * 3).unix();
    let expired =
        |t: &[TrueKey]| t.iter().filter(|k| k.provider == Remote::Den && k.expires_at.is_some_and(|e| e <= made_at)).count();
    assert!(expired(&before) > 0);
    assert_eq!(expired(&after), 0);
}

#[test]
fn too_many_keys_to_be_believed_disappear_after_a_minute_and_a_half() {
    for seed in 0..20 {
        let mut world = World::make(seed, Size::demo(), NOW);
        let keys = |world: &World, at: i64| {
            let there = |k: &TrueKey| k.provider == Remote::Den && k.listed && k.expires_at.is_none_or(|t| t > NOW.unix() + at);
            world.truth().into_iter().filter(there).count()
        };
        for beat in 1..30 {
            world.step(NOW.plus(beat * 3));
        }
        let before = keys(&world, 90);
        world.step(NOW.plus(90));
        let lost = before - keys(&world, 90);
        assert!(lost >= 10 && 2 * lost > before, "seed {seed}: {lost} of {before}");
    }
}

#[test]
fn the_own_keys_survive_life() {
    let mut world = World::make(3, Size::demo(), NOW);
    for beat in 0..2000 {
        world.step(NOW.plus(beat * 3));
    }
    let truth = world.truth();
    assert!(truth.iter().any(|k| k.name == "keymuster audit") && truth.iter().any(|k| k.name == "laptop"));
    assert!(truth.iter().any(|k| k.name == "keymuster") && truth.iter().any(|k| k.name == "keymuster (read only)"));
    assert!(truth.len() > 100 && truth.len() < 1000, "{}", truth.len());
}

#[test]
fn sizes_are_kept() {
    for keys in [1, 999, 2500, 20_000] {
        let truth = World::make(1, Size::of(keys), NOW).truth();
        assert_eq!(truth.iter().filter(|k| k.home.starts_with("proj_")).count(), keys);
        assert!(truth.iter().all(|k| k.provider == Remote::Den || k.listed), "a benchmark sees all of them");
        let ids: std::collections::HashSet<&str> = truth.iter().map(|k| k.id.as_str()).collect();
        assert_eq!(ids.len(), truth.len());
    }
    let truth = World::make(1, Size::members(2000, 3), NOW).truth();
    let personal = |k: &&TrueKey| k.provider == Remote::Braintrust && k.home == k.owner_id;
    let members: std::collections::HashSet<&str> = truth.iter().filter(personal).map(|k| &*k.home).collect();
    assert_eq!((members.len(), truth.iter().filter(personal).count()), (2000, 6000));
    assert!(truth.iter().filter(personal).all(|k| k.listed) && truth.len() < 6200);
    assert!(size_of::<crate::sim::world::Key>() <= 96, "a million keys are held at once");
}
