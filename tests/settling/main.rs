//! Applying and settling against a reference model: random histories of an organisation, of faults, crashes and clocks, over
//! the real inventory. A failure tells its history as a story.

#![cfg(test)]

mod driver;
mod model;
mod stored;
mod story;
mod walking;
mod world;

use proptest::test_runner::{Config, RngSeed, TestRunner};

use driver::Driver;
use keymuster::domain::Presence;
use story::{Fault, Round, Story, story};
use world::{Change, Place, Shape};

fn tell(story: &Story) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut driver = Driver::new(story.shape).await;
        driver.live(story).await.map_err(|error| format!("{}\n\n{error}\n", driver.told.join("\n")))
    })
}

#[test]
fn conclusions_follow_the_design_in_every_history() {
    let long = std::env::var_os("KEYMUSTER_LONG").is_some();
    // The short run tells the same stories every time, so that a change is judged by what it changes; the long one tells others.
    let (cases, rng_seed) = if long { (5_000, RngSeed::Random) } else { (400, RngSeed::Fixed(1)) };
    let config = Config { cases, rng_seed, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&story(), |story| tell(&story).map_err(proptest::test_runner::TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A key's presence, as stored.
fn presence(driver: &Driver, key: usize) -> Presence {
    driver.rows().unwrap().into_iter().find(|row| row.key == key).unwrap().presence
}

/// Rounds that follow one another, each with what key 0 has to be after it.
async fn follow(driver: &mut Driver, rounds: Vec<(Round, Presence)>) {
    for (nth, (round, expected)) in rounds.into_iter().enumerate() {
        driver.round(&round).await.unwrap_or_else(|error| panic!("{}\n\n{error}", driver.told.join("\n")));
        assert_eq!(presence(driver, 0), expected, "after poll {nth}:\n{}", driver.told.join("\n"));
    }
}

fn after(wait: i64, changes: Vec<Change>, faults: Vec<(usize, Fault)>) -> Round {
    Round { wait, changes, faults, ..Round::clean() }
}

#[tokio::test]
async fn a_deleted_key_is_gone_at_the_second_look_that_is_late_enough() {
    for shape in [Shape::Projects, Shape::Members] {
        let mut driver = Driver::new(shape).await;
        let rounds = vec![
            (after(30, vec![], vec![]), Presence::Present),
            (after(30, vec![Change::Delete(0)], vec![]), Presence::Missing),
            (after(30, vec![], vec![]), Presence::Missing),
            (after(400, vec![], vec![]), Presence::Missing),
            // 600 s after it became missing, or more.
            (after(200, vec![], vec![]), Presence::Gone),
            (after(200, vec![], vec![]), Presence::Gone),
        ];
        follow(&mut driver, rounds).await;
    }
}

#[tokio::test]
async fn a_key_that_moved_to_a_project_that_no_list_showed_yet_is_not_gone() {
    let mut driver = Driver::new(Shape::Projects).await;
    let moved = vec![Change::Bring(2), Change::Move { key: 0, project: 2 }];
    // The list of projects fails behind its first page, which holds the two old ones.
    let cut = || vec![(0, Fault::Cut { pages: 1 })];
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (after(3_600, moved, cut()), Presence::Missing),
        (after(3_600, vec![], cut()), Presence::Missing),
        (after(3_600, vec![], cut()), Presence::Missing),
        (after(3_600, vec![], vec![]), Presence::Present),
    ];
    follow(&mut driver, rounds).await;
}

#[tokio::test]
async fn the_keys_of_leavers_are_never_missing() {
    let mut driver = Driver::new(Shape::Members).await;
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (after(3_600, vec![Change::Leave(0)], vec![]), Presence::Unknown),
        (after(3_600, vec![], vec![]), Presence::Unknown),
        // Back, but the list of keys was not read since: what it left out then says nothing now.
        (after(3_600, vec![Change::Rejoin(0)], vec![(2, Fault::NotWalked)]), Presence::Unknown),
        (after(3_600, vec![], vec![]), Presence::Present),
        // While the list of people fails, nobody can tell leaving from deleting.
        (after(3_600, vec![Change::Leave(0)], vec![(1, Fault::Cut { pages: 0 })]), Presence::Present),
        (after(3_600, vec![], vec![(1, Fault::Cut { pages: 0 })]), Presence::Present),
        (after(3_600, vec![], vec![]), Presence::Unknown),
    ];
    follow(&mut driver, rounds).await;
}

#[tokio::test]
async fn who_was_away_while_nobody_looked_at_the_people_keeps_the_key() {
    let mut driver = Driver::new(Shape::Members).await;
    let unread = || vec![(1, Fault::Cut { pages: 0 })];
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (after(3_600, vec![Change::Leave(0)], unread()), Presence::Present),
        (after(3_600, vec![], unread()), Presence::Present),
        // Back, as the people tell; the list of keys was not read since.
        (after(3_600, vec![Change::Rejoin(0)], vec![(2, Fault::NotWalked)]), Presence::Present),
        (after(3_600, vec![Change::Delete(0)], vec![]), Presence::Missing),
        (after(3_600, vec![], unread()), Presence::Missing),
        (after(3_600, vec![], vec![]), Presence::Gone),
    ];
    follow(&mut driver, rounds).await;
}

#[tokio::test]
async fn who_leaves_behind_the_list_of_people_takes_no_key_along() {
    let mut driver = Driver::new(Shape::Members).await;
    let late = |late, round| Round { late, ..round };
    let unread = |round| Round { people_again: false, ..round };
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (late(vec![Change::Leave(0)], after(3_600, vec![Change::Delete(0)], vec![])), Presence::Present),
        (late(vec![Change::Leave(0)], after(3_600, vec![Change::Rejoin(0)], vec![])), Presence::Present),
        (unread(after(3_600, vec![Change::Rejoin(0)], vec![])), Presence::Present),
        (after(3_600, vec![], vec![]), Presence::Missing),
        (unread(after(3_600, vec![], vec![])), Presence::Missing),
        (after(3_600, vec![], vec![]), Presence::Gone),
    ];
    follow(&mut driver, rounds).await;
}

#[tokio::test]
async fn an_owner_whom_no_list_of_people_ever_held_left_too() {
    let mut driver = Driver::new(Shape::Members).await;
    // The first list of people was read before they joined and made a key.
    let rounds = vec![
        (after(30, vec![Change::Leave(0)], vec![(2, Fault::NotWalked)]), None),
        (after(30, vec![Change::Rejoin(0)], vec![(1, Fault::NotWalked)]), Some(Presence::Present)),
        (after(30, vec![Change::Leave(0)], vec![(1, Fault::NotWalked)]), Some(Presence::Unknown)),
    ];
    for (round, expected) in rounds {
        driver.round(&round).await.unwrap();
        assert_eq!(driver.rows().unwrap().into_iter().find(|row| row.key == 0).map(|row| row.presence), expected);
    }
}

#[tokio::test]
async fn a_scope_that_closes_spoils_its_own_keys_alone() {
    let mut driver = Driver::new(Shape::Projects).await;
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (after(30, vec![Change::Archive(0)], vec![]), Presence::Present),
        (after(30, vec![], vec![]), Presence::Unknown),
        (after(30, vec![Change::Unarchive(0)], vec![]), Presence::Present),
        (after(30, vec![Change::Remove(0)], vec![]), Presence::Unknown),
        (after(30, vec![Change::Bring(0), Change::Delete(0)], vec![]), Presence::Missing),
        (after(700, vec![], vec![]), Presence::Gone),
    ];
    follow(&mut driver, rounds).await;
    assert_eq!(presence(&driver, 1), Presence::Present);
}

#[tokio::test]
async fn history_also_tells_of_accounts_that_went_and_came_back() {
    let mut driver = Driver::new(Shape::Projects).await;
    driver.round(&Round::clean()).await.unwrap();
    for (configured, expected) in [(false, Presence::Unmanaged), (true, Presence::Unknown)] {
        driver.configure(configured).await;
        for row in driver.rows().unwrap() {
            assert_eq!((row.presence, row.replayed), (expected, expected), "{row}");
        }
    }
}

#[tokio::test]
async fn a_witness_that_closed_proves_nothing_more() {
    let mut driver = Driver::new(Shape::Projects).await;
    // Key 1 is in project 1, and on the admin list.
    let rounds = vec![
        (after(30, vec![], vec![]), Presence::Present),
        (after(3_600, vec![Change::Delete(1)], vec![]), Presence::Missing),
        (after(3_600, vec![Change::Archive(1)], vec![]), Presence::Missing),
        // The admin list was walked again, late enough, and so was all that is open; the project cannot be.
        (after(3_600, vec![], vec![]), Presence::Missing),
        (after(3_600, vec![], vec![]), Presence::Missing),
        (after(3_600, vec![Change::Unarchive(1)], vec![]), Presence::Gone),
    ];
    for (round, expected) in rounds {
        driver.round(&round).await.unwrap_or_else(|error| panic!("{}\n\n{error}", driver.told.join("\n")));
        assert_eq!(presence(&driver, 1), expected, "{}", driver.told.join("\n"));
    }
}

/// How many elements of the first project's list were read, and how many came again.
fn read_and_unchanged(driver: &mut Driver) -> (usize, usize) {
    let walked = driver.walk(Place::Project(0), None);
    (walked.keys().len(), walked.unchanged().len())
}

#[tokio::test]
async fn only_what_changed_is_read_again_and_what_somebody_else_wrote() {
    let mut driver = Driver::new(Shape::Projects).await;
    let more = |key| Change::Create { key, project: 0, owner: 0, on_admin: false };
    driver.round(&after(30, vec![more(4), more(5)], vec![])).await.unwrap();
    let all = 3;
    assert_eq!(read_and_unchanged(&mut driver), (0, all));
    driver.round(&after(30, vec![Change::Use(0)], vec![])).await.unwrap();
    assert_eq!(read_and_unchanged(&mut driver), (0, all), "the list's own walk wrote it");
    driver.begin_another().await;
    assert_eq!(read_and_unchanged(&mut driver), (0, all), "another organisation is no news of this one");
    // The keys are nobody's, and then ours again.
    driver.configure(false).await;
    driver.configure(true).await;
    assert_eq!(read_and_unchanged(&mut driver), (all, 0));
    driver.round(&Round::clean()).await.unwrap();
    assert_eq!(read_and_unchanged(&mut driver), (0, all));
    driver.round(&after(30, vec![], vec![(3, Fault::Cut { pages: 1 })])).await.unwrap();
    assert_eq!(read_and_unchanged(&mut driver), (all, 0), "a list that was not read whole tells nothing");
}
