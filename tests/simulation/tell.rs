//! Tells a story from its first event to its last, on a clock that stands still until everybody waits.

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

/// Tells it. Returns what happened, how often.
pub fn tell(story: &Story) -> Result<Tally, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut events = 0;
    let told = runtime.block_on(async {
        let mut driver = Driver::new(setup(story)).await;
        for (at, event) in &story.events {
            driver.until(*at).await?;
            events += 1;
            note(&mut driver.checker.tally, event);
            happen(&mut driver, event).await?;
        }
        driver.end().await?;
        Ok(driver.checker.tally)
    });
    told.map_err(|what| Failure { what, events })
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
