//! Stories by name: what happens, and what the design answers at each step. After each poll everything is checked as in the
//! random months, so that a story only says what it is about: but not whether a key is there while a provider leaves some out
//! that nobody can miss, nor by the truth what another organisation has.

mod braintrust;
mod bugs;
mod lies;
mod losses;
mod openai;
mod organizations;
mod time;

use keymuster::domain::{Presence, Reason};
use keymuster::inventory::KeyRow;
use keymuster::sim::{Happening, Remote, TrueKey};
use keymuster::sync::Report;

use crate::checks;
use crate::driver::Driver;
use crate::site::Setup;

pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// Tells a story on a clock that stands still until everybody waits.
fn tell(setup: Setup, story: impl AsyncFnOnce(&mut Tale)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut tale = Tale { driver: Driver::new(setup).await };
        story(&mut tale).await;
        let Tale { mut driver } = tale;
        driver.end().await.unwrap_or_else(|why| panic!("{why}"));
    });
}

/// A site, and the steps that stories are made of. A step after which something is not as it must be fails the test.
struct Tale {
    driver: Driver,
}

impl Tale {
    async fn pass(&mut self, seconds: u64) {
        self.driver.pass(seconds).await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// An hour passes, then the account is polled to the end.
    async fn poll(&mut self, account: &str) -> Report {
        self.pass(HOUR).await;
        self.driver.poll(account);
        self.driver.rest().await.unwrap_or_else(|why| panic!("{why}"));
        self.driver.reports[account].clone()
    }

    /// The same so many times; the last report.
    async fn polls(&mut self, account: &str, times: usize) -> Report {
        for _ in 1..times {
            self.poll(account).await;
        }
        self.poll(account).await
    }

    async fn rows(&self, account: &str) -> Vec<KeyRow> {
        checks::rows(&self.driver.site, Some(account)).await
    }

    async fn row(&self, account: &str, key: &str) -> KeyRow {
        let rows = self.rows(account).await;
        rows.into_iter().find(|row| row.key_id == key).unwrap_or_else(|| panic!("no row of {key}"))
    }

    /// Presence and reason of one key: `present listed`.
    async fn presence(&self, account: &str, key: &str) -> String {
        let row = self.row(account, key).await;
        format!("{} {}", row.presence, row.presence_reason)
    }

    /// How many keys of an account are of that presence.
    async fn count(&self, account: &str, presence: Presence) -> usize {
        self.rows(account).await.iter().filter(|row| row.presence == presence).count()
    }

    /// How many wait for a person.
    async fn held(&self, account: &str) -> usize {
        self.rows(account).await.iter().filter(|row| row.held_since.is_some()).count()
    }

    fn truth(&self, remote: Remote) -> Vec<TrueKey> {
        self.driver.site.simulation.truth().into_iter().filter(|key| key.provider == remote).collect()
    }

    /// A key of that sort, as it is now.
    fn key(&self, fits: impl Fn(&TrueKey) -> bool) -> TrueKey {
        self.driver.site.simulation.truth().into_iter().find(fits).expect("some key is so")
    }

    /// Lets something happen to a certain key, project or member, by its id.
    fn happen_to(&mut self, what: Happening, id: &str) {
        let now = self.driver.site.sun.now();
        let happened = self.driver.change(|world| world.happen_to(what, id, now));
        assert!(happened, "{what} did not happen to {id}");
    }

    fn revoke(&mut self, id: &str) {
        assert!(self.driver.change(|world| world.revoke(id)));
    }
}

/// How a poll failed.
fn reason(report: &Report) -> Option<Reason> {
    report.failure()
}
