//! Tells a webhook what is new: findings that began and changes, one post for each team.
//!
//! What is new is looked for whenever the counts change: when something was written, or a condition began by itself. What is found
//! is stored as told together with the bodies that tell it; these are posted one after the other until each is taken. So a
//! restart repeats at most the post that was under way, under the same id. Nothing here makes a poll wait.

mod body;
mod patience;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::Time;
use crate::inventory::{Delivery, Inventory, Stored, Waits, Wanted};
use crate::metrics::{DeliveryEnd, Tally};
use crate::remote::{Sent, Webhook};
use crate::views::Views;
pub use body::test;
use patience::LONGEST_WAIT;

/// Who is told, and what.
#[derive(Debug)]
pub struct Hook {
    /// The line there.
    pub line: Webhook,
    /// What is told.
    pub wanted: Wanted,
}

/// What telling rests on.
#[derive(Debug)]
pub struct Teller {
    /// Where what is new is found, and what waits is kept.
    pub inventory: Inventory,
    /// They say when to look.
    pub views: Views,
    /// Where it is counted.
    pub tally: Arc<Tally>,
    /// The clock.
    pub clock: Clock,
    /// Who is told; a reload changes that.
    pub hook: watch::Receiver<Option<Arc<Hook>>>,
    /// Ends it.
    pub stop: CancellationToken,
}

/// Between two looks whether something changed; and between a post that failed and the next.
const LOOK: Duration = Duration::from_secs(1);
/// What polls write in quick succession is told together, once they have been quiet for so long.
const QUIET: Duration = Duration::from_secs(2);
/// They may never be.
const LONGEST_UNQUIET: Duration = Duration::from_secs(30);
/// Where so many wait, no more is looked for: what holds or is in history once there is room is told then. A finding that begins and
/// ends meanwhile is never told.
const MOST_WAITING: u64 = 1_000;
/// After a look that failed: at first so long, then twice as long each time, up to the longest.
const FIRST_BACKOFF: Duration = LOOK;
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// How long a post that is under way may take to end after the daemon was told to stop.
const DRAIN: Duration = Duration::from_secs(2);

impl Teller {
    /// Takes note of what is there before the first poll, where a webhook is new; or that there is none.
    ///
    /// # Errors
    /// The inventory cannot be read or written.
    pub async fn begin(&self) -> Stored<()> {
        let any = self.hook.borrow().is_some();
        if any { self.be_told().await } else { self.be_silent().await }
    }

    async fn be_told(&self) -> Stored<()> {
        if self.inventory.begin_to_tell(self.clock.now()).await? {
            tracing::info!("the webhook is told what is new from now on");
        }
        Ok(())
    }

    async fn be_silent(&self) -> Stored<()> {
        if let Some(dropped) = self.inventory.stop_telling().await? {
            tracing::info!(dropped, "there is no webhook any more: what waited for it was dropped");
        }
        Ok(())
    }

    /// Tells until it is stopped.
    pub async fn run(mut self) {
        let mut looked = Looked::default();
        let mut trouble: Option<(Trouble, Duration)> = None;
        loop {
            let hook = self.hook.borrow_and_update().clone();
            let turn = match &hook {
                Some(hook) => self.turn(hook, &mut looked).await,
                None => {
                    looked = Looked::default();
                    self.tally.webhook.waits(looked.waits);
                    self.be_silent().await.map_err(Trouble::at("forget what waits for the webhook that was switched off"))
                }
            };
            trouble = self.held_back(turn.err(), trouble.take());
            let pause = trouble.as_ref().map_or(LOOK, |(_, pause)| *pause);
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = self.hook.changed(), if hook.is_none() || trouble.is_some() => if changed.is_err() { return },
                () = tokio::time::sleep(pause), if hook.is_some() || trouble.is_some() => {}
            }
        }
    }

    /// What goes wrong now, told where it differs from what went wrong before, and how long to wait.
    fn held_back(&self, now: Option<Trouble>, before: Option<(Trouble, Duration)>) -> Option<(Trouble, Duration)> {
        let Some(now) = now else {
            if before.is_some() {
                tracing::info!("the webhook is seen to again");
            }
            return None;
        };
        self.tally.webhook.look_failed();
        let same = before.as_ref().is_some_and(|(before, _)| *before == now);
        if !same {
            tracing::error!(why = now.why, "cannot {}", now.what);
        }
        let pause = before.map_or(FIRST_BACKOFF, |(_, pause)| pause.saturating_mul(2).min(LONGEST_BACKOFF));
        Some((now, pause))
    }

    async fn turn(&self, hook: &Hook, looked: &mut Looked) -> Result<(), Trouble> {
        self.find(hook, looked).await?;
        self.tally.webhook.waits(looked.waits);
        if looked.waits.deliveries > 0 {
            let posted = async {
                self.post_what_is_due(hook).await?;
                self.inventory.waiting_deliveries().await
            };
            looked.waits = posted.await.map_err(Trouble::at("note what becomes of deliveries to the webhook"))?;
            self.tally.webhook.waits(looked.waits);
        }
        Ok(())
    }

    async fn find(&self, hook: &Hook, looked: &mut Looked) -> Result<(), Trouble> {
        let failed = Trouble::at("find out what to tell the webhook");
        if looked.number.is_none() {
            self.be_told().await.map_err(failed)?;
        }
        if looked.is_quiet(self.inventory.generation()) {
            let (number, _) = self.views.numbered_counts().await.map_err(failed)?;
            if looked.number != Some(number) && self.has_room(looked).await.map_err(failed)? {
                self.look(hook).await?;
                looked.number = Some(number);
                looked.waits = self.inventory.waiting_deliveries().await.map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn has_room(&self, looked: &mut Looked) -> Stored<bool> {
        looked.waits = self.inventory.waiting_deliveries().await?;
        let waiting = looked.waits.deliveries;
        let full = waiting >= MOST_WAITING;
        if full && !looked.full {
            tracing::error!(
                waiting,
                "so much waits for the webhook that nothing is added: what is new is told once there is room"
            );
        }
        looked.full = full;
        Ok(!full)
    }

    /// Finds what is new and puts it where it waits.
    async fn look(&self, hook: &Hook) -> Result<(), Trouble> {
        let failed = Trouble::at("find out what to tell the webhook");
        loop {
            let now = self.clock.now();
            let news = self.inventory.news(hook.wanted.clone(), now).await.map_err(failed)?;
            let more = news.more;
            if news.noted.is_any() {
                let (findings, changes) = (news.findings.len(), news.changes.len());
                let bodies =
                    body::by_team(news.findings, news.changes, now).map_err(Trouble::at("write what the webhook is told"))?;
                if !bodies.is_empty() {
                    tracing::info!(findings, changes, deliveries = bodies.len(), "there is news for the webhook");
                }
                self.inventory.tell(news.noted, bodies, now).await.map_err(failed)?;
            }
            if !more || self.stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Posts one after the other, in order, until nothing is due or one fails. That one is tried is stored before it is: a file that
    /// cannot be written does not make it be posted again and again.
    async fn post_what_is_due(&self, hook: &Hook) -> Stored<()> {
        while !self.stop.is_cancelled() && !self.hook.has_changed().unwrap_or(true) {
            let Some(due) = self.inventory.due_delivery(self.clock.now(), LONGEST_WAIT.as_secs().cast_signed()).await? else {
                return Ok(());
            };
            let attempts = due.attempts.saturating_add(1);
            let again = self.clock.now().plus(patience::wait(&due.message_id, attempts).as_secs().cast_signed());
            self.inventory.attempt_delivery(due.id, again).await?;
            let ended = async {
                self.stop.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            };
            let sent = tokio::select! {
                sent = hook.line.post(&due.message_id, due.body.clone()) => sent,
                () = ended => return Ok(()),
            };
            if !self.ended(&due, attempts, sent, again).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes down what came of an attempt. Returns whether it was taken.
    async fn ended(&self, due: &Delivery, attempts: u32, sent: Sent, mut again: Time) -> Stored<bool> {
        let id = due.message_id.as_str();
        let (why, asked) = match sent {
            Sent::Taken(status) => {
                self.inventory.forget_delivery(due.id).await?;
                self.tally.webhook.ended(DeliveryEnd::Delivered);
                tracing::info!(id, attempts, status, "the webhook was told");
                return Ok(true);
            }
            Sent::Refused { status, after } => (format!("status {status}"), after),
            Sent::NoAnswer(why) => (why, None),
        };
        self.tally.webhook.ended(DeliveryEnd::Failed);
        let now = self.clock.now();
        if patience::is_over(now.since(due.made_at), attempts) {
            self.inventory.forget_delivery(due.id).await?;
            self.tally.webhook.ended(DeliveryEnd::GivenUp);
            tracing::error!(id, attempts, why, made_at = %due.made_at, "the webhook did not take a delivery for days; it is given up");
            return Ok(false);
        }
        if let Some(asked) = asked {
            let later = now.plus(asked.min(LONGEST_WAIT).as_secs().cast_signed());
            if later > again {
                again = later;
                self.inventory.put_off(due.id, again).await?;
            }
        }
        tracing::warn!(id, attempts, why, %again, "the webhook did not take a delivery");
        Ok(false)
    }
}

/// What went wrong.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    what: &'static str,
    why: String,
}

impl Trouble {
    /// An error as trouble with doing that.
    const fn at<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> Self + Copy {
        move |why| Self { what, why: why.to_string() }
    }
}

/// As of when was last looked.
#[derive(Debug, Default)]
struct Looked {
    /// The number of the counts that were looked at.
    number: Option<u64>,
    /// What the inventory was at, and since when it is.
    generation: Option<(i64, Instant)>,
    /// Since when it has not been quiet.
    unquiet: Option<Instant>,
    /// It has been told that there was no room.
    full: bool,
    /// What waits.
    waits: Waits,
}

impl Looked {
    /// Whether it is time to look: nothing was written for a while, or for long there was never such a while.
    fn is_quiet(&mut self, generation: i64) -> bool {
        let now = Instant::now();
        let since = match self.generation {
            Some((before, since)) if before == generation => since,
            Some(_) => now,
            // At the start nothing is known to be under way.
            None => now.checked_sub(QUIET).unwrap_or(now),
        };
        self.generation = Some((generation, since));
        let unquiet = *self.unquiet.get_or_insert(now);
        let is_quiet = now - since >= QUIET || now - unquiet >= LONGEST_UNQUIET;
        if is_quiet {
            self.unquiet = None;
        }
        is_quiet
    }
}
