//! Tells a story from its first event to its last, on a clock that stands still until everybody waits.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::checks::Verdict;
use crate::driver::Driver;
use crate::event::{Event, Story};
use crate::site::Setup;
use crate::tally::Tally;

/// How a story went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What is wrong; up to the first colon, the kind of lie.
    pub what: String,
    /// How many events had happened.
    pub events: usize,
}

impl Failure {
    /// The kind of lie.
    pub fn kind(&self) -> &str {
        self.what.split(':').next().unwrap_or_default()
    }
}

/// Tells it. Returns what happened, how often. A panic is a failure like others: it is told with its seed, and shortened.
pub fn tell(story: &Story) -> Result<Tally, Failure> {
    let mut events = 0;
    // Everything that a panic may have left half way ends with the story.
    let told = catch_unwind(AssertUnwindSafe(|| told(story, &mut events)));
    told.unwrap_or_else(|panic| Err(format!("panic: {}", message(panic.as_ref())))).map_err(|what| Failure { what, events })
}

thread_local! {
    /// Panics of this thread are told by nobody but their failures.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Tells a story whose failure is known, over and over: the hundredth trace of the same panic hides the first.
pub fn tell_again(story: &Story) -> Result<Tally, Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic)
            }
        }));
    });
    QUIET.set(true);
    let told = tell(story);
    QUIET.set(false);
    told
}

fn told(story: &Story, events: &mut usize) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut driver = Driver::new(setup(story)).await;
        for (at, event) in &story.events {
            driver.until(*at).await?;
            *events += 1;
            note(&mut driver.checker.tally, event);
            happen(&mut driver, event).await?;
        }
        driver.end().await?;
        Ok(driver.checker.tally)
    })
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

fn setup(story: &Story) -> Setup {
    Setup {
        openai: format!("poll_deadline = '{}s'", story.deadline),
        braintrust: format!("options = {{ listing = '{}' }}", story.listing),
        nature: story.nature.clone(),
        size: story.amount.size(),
        ..Setup::new(story.world)
    }
}

fn note(tally: &mut Tally, event: &Event) {
    let text = event.to_string();
    let word = text.split(' ').next().unwrap_or_default();
    match event {
        Event::Fault(fault) => tally.add("faults", fault.split(' ').next().unwrap_or_default()),
        Event::Life(what, _) => tally.add("life", &what.to_string()),
        Event::Poll(_) | Event::Healed(_) => {}
        Event::Jump(_)
        | Event::Suspend(_)
        | Event::Kill
        | Event::Reboot
        | Event::Stop
        | Event::Remove(_)
        | Event::Add(_)
        | Event::Policy(_)
        | Event::Ack(_)
        | Event::Second => tally.add("machine", word),
    }
}

async fn happen(driver: &mut Driver, event: &Event) -> Verdict {
    match event {
        Event::Poll(remote) => driver.poll(remote.as_str()),
        Event::Life(what, pick) => drop(driver.life(*what, *pick)),
        Event::Fault(fault) => driver.fault(fault),
        Event::Healed(fault) => driver.heal(fault),
        Event::Jump(by) => driver.set_clock(*by),
        Event::Suspend(seconds) => driver.suspend(*seconds).await,
        Event::Kill => driver.kill(false).await?,
        Event::Reboot => driver.kill(true).await?,
        Event::Stop => driver.stop().await?,
        Event::Remove(remote) => driver.reload(|setup| setup.accounts.retain(|(_, of)| of != remote)).await?,
        Event::Add(remote) => {
            let change = |setup: &mut Setup| {
                if !setup.accounts.iter().any(|(_, of)| of == remote) {
                    setup.accounts.push((remote.to_string(), *remote));
                }
            };
            driver.reload(change).await?;
        }
        Event::Policy(number) => driver.reload(|setup| setup.policy = *number).await?,
        Event::Ack(remote) => driver.ack(remote.as_str()).await?,
        Event::Second => driver.second()?,
    }
    Ok(())
}

/// No policy has that number.
#[test]
fn a_panic_is_a_failure_that_is_shortened() {
    let story: Story = "world 1\namount tiny\n10 poll den\n4000 stop\n5000 policy 9\n6000 kill\n".parse().unwrap();
    let failure = tell(&story).unwrap_err();
    assert!(failure.what.starts_with("panic: index out of bounds"), "{}", failure.what);
    assert_eq!(failure.events, 3);
    let (short, failure) = crate::shrink::shrink(&story, &failure);
    assert_eq!((short.events, failure.kind()), (vec![(5_000, Event::Policy(9))], "panic"));
}
