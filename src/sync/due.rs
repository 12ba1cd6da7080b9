//! When accounts are due: tokio-cron-scheduler says so and does nothing else.
//!
//! It protects against no overlap, forgets what it missed, and may start one more run after it was shut down; the supervisor
//! owns all of that. Its time zones are fixed when a job is made, so every schedule is in UTC.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The clock that says that an account is due.
pub struct Clockwork {
    scheduler: JobScheduler,
}

impl Clockwork {
    /// Starts it; names of accounts that are due come out of `due`. A name that finds the channel full is dropped: the account
    /// is due already.
    ///
    /// # Errors
    /// The scheduler refused a line or did not start.
    pub async fn start(schedules: &[(String, String)], due: mpsc::Sender<String>) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        for (account, six_fields) in schedules {
            let (account, due) = (account.clone(), due.clone());
            let job = Job::new_async(six_fields.as_str(), move |_, _| {
                let (account, due) = (account.clone(), due.clone());
                Box::pin(async move {
                    let _ = due.try_send(account);
                })
            })?;
            scheduler.add(job).await?;
        }
        scheduler.start().await?;
        Ok(Self { scheduler })
    }

    /// Stops it. One more name may still come out.
    ///
    /// # Errors
    /// The scheduler was not running.
    pub async fn stop(mut self) -> Result<(), JobSchedulerError> {
        self.scheduler.shutdown().await
    }
}

/// How long after its time an account is polled: the same at every start, different for every account, at most a twentieth of
/// the gap between two polls and at most a minute. It keeps accounts of one schedule from asking at the same second.
pub fn splay(account: &str, gap: Duration) -> Duration {
    let widest = (gap / 20).min(Duration::from_mins(1));
    let hash =
        account.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let thousandth = u32::try_from(hash % 1000).unwrap_or(0);
    widest * thousandth / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_splay_is_the_same_at_every_start_and_differs_between_accounts() {
        let minute = Duration::from_mins(1);
        // Written down: a later build is to keep to them too.
        assert_eq!(splay("acme-openai", minute), Duration::from_millis(2_292));
        assert_eq!(splay("acme-den", minute), Duration::from_millis(2_967));
        let accounts: std::collections::BTreeSet<Duration> =
            (0..100).map(|number| splay(&format!("account-{number}"), Duration::from_hours(1))).collect();
        assert!(accounts.len() > 80, "{} of 100 differ", accounts.len());
        for (gap, widest) in [(Duration::from_secs(1), Duration::from_millis(50)), (Duration::from_hours(24), minute)] {
            assert!((0..100).all(|number| splay(&format!("account-{number}"), gap) < widest), "{gap:?}");
        }
    }
}
