//! Applying and settling against a reference model: random histories of an organisation, of faults, crashes and clocks, over
//! the real inventory. A failure tells its history as a story.

#![cfg(test)]

mod driver;
mod model;
mod stored;
mod story;
mod walking;
mod world;

use proptest::test_runner::{Config, TestRunner};

use driver::Driver;
use story::{Story, story};

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
    let config = Config { cases: if long { 20_000 } else { 400 }, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&story(), |story| tell(&story).map_err(proptest::test_runner::TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}
