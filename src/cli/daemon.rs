//! The daemon, put together: inventory, supervisor, page and metrics; started in this order and stopped in the reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_cron_scheduler::JobSchedulerError;
use tokio_util::sync::CancellationToken;

use super::setup;
use crate::clock::Clock;
use crate::config::Config;
use crate::inventory::{Inventory, Reader};
use crate::sync::{Command, Plan, Supervisor};

/// How long polls and connections under way may take to end.
const GRACE: Duration = Duration::from_secs(4);

/// A running daemon.
pub struct Daemon {
    address: SocketAddr,
    inventory: Inventory,
    supervisor: JoinHandle<Result<(), JobSchedulerError>>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
}

impl Daemon {
    /// Starts everything. Nothing is asked of a provider before its schedule says so, or says that it was missed.
    ///
    /// # Errors
    /// Credentials, inventory or the address cannot be used; nothing is left running.
    pub async fn start(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.web.listen)
            .await
            .with_context(|| format!("cannot listen on {}; set web.listen to a free address", config.web.listen))?;
        let address = listener.local_addr()?;
        let accounts = setup::lines(config, clock, &|_| Arc::new(setup::Uncounted))?;
        for (one, other) in config.same_organization() {
            tracing::warn!(one, other, "two accounts are one organisation; both are counted");
        }
        let inventory = setup::inventory(config, &config.inventory, clock).await?;
        let stop = CancellationToken::new();
        let plan = Plan { accounts, policy: Arc::new(config.policy.clone()), retention: config.retention.clone() };
        let (commands, told) = mpsc::channel(16);
        let supervisor = Supervisor::new(inventory.clone(), clock.clone(), Arc::new(Logged), plan, stop.clone());
        let supervisor = tokio::spawn(supervisor.run(told));
        tracing::info!(%address, inventory = %config.inventory.display(), accounts = config.accounts.len(), "started");
        Ok(Self { address, inventory, supervisor, commands, stop })
    }

    /// Where pages and metrics are.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// For questions about the inventory.
    pub fn reader(&self) -> &Reader {
        self.inventory.reader()
    }

    /// Ends polls and connections, and leaves a file that everybody can read.
    ///
    /// # Errors
    /// The last writes failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        self.stop.cancel();
        if tokio::time::timeout(GRACE, self.supervisor).await.is_err() {
            tracing::warn!("a poll did not end in time; what it had not stored will be read again");
        }
        self.inventory.close().await.context("closing the inventory")?;
        tracing::info!("stopped");
        Ok(())
    }
}
struct Logged;
impl crate::sync::Polls for Logged {
    fn ended(&self, report: &crate::sync::Report) {
        for (scope, failure) in report.failures() {
            tracing::warn!(account=report.account, scope=?scope.map(ToString::to_string), %failure);
        }
        tracing::info!(account=report.account, scopes=report.scopes.len(), took=?report.took, "poll");
    }
    fn failed(&self, account: &str, _: &str, error: &crate::inventory::StoreError) {
        tracing::error!(account, %error);
    }
    fn overlapped(&self, account: &str) {
        tracing::debug!(account, "overlap");
    }
}
