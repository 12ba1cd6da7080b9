//! The daemon, put together: inventory, supervisor, page and metrics; started in this order and stopped in the reverse.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::listener;
use super::served::Served;
use super::service::{self, Pulse};
use super::setup::{self, Source};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Control;
use crate::inventory::{Inventory, StoreError};
use crate::metrics::{Exposition, Tally};
use crate::sync::{self, Plan, Polls, Supervisor};
use crate::views::{AccountFacts, Views};
use crate::web::{self, App};
use crate::webhook::Teller;

/// How long polls and connections under way may take to end.
const GRACE: Duration = Duration::from_secs(4);

/// How the page presents itself.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Beside the program's name.
    pub title: String,
    /// The page loads itself again after this long.
    pub refresh: Option<Duration>,
}

/// A running daemon.
pub struct Daemon {
    address: SocketAddr,
    inventory: Inventory,
    views: Views,
    served: Arc<Served>,
    supervisor: JoinHandle<()>,
    web: JoinHandle<()>,
    control: JoinHandle<()>,
    teller: JoinHandle<()>,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Daemon {
    /// Starts everything. Nothing is asked of a provider before its schedule says so, or says that it was missed.
    ///
    /// # Errors
    /// Credentials, inventory or the address cannot be used; nothing is left running.
    pub async fn start(config: &Config, source: Option<Source>, clock: &Clock, look: Look) -> anyhow::Result<Self> {
        let access = setup::access(config, None)?;
        let listener = match listener::bind(config.web.listen).await {
            // The address is taken by the daemon whose inventory this is.
            Err(error) if error.kind() == ErrorKind::AddrInUse && Inventory::is_held(&config.inventory) => {
                return Err(StoreError::Locked { path: config.inventory.clone() }.into());
            }
            bound => {
                bound.with_context(|| format!("cannot listen on {}; set web.listen to a free address", config.web.listen))?
            }
        };
        let address = listener.local_addr()?;
        let facts = AccountFacts::of_all(config);
        let tally = Tally::new(&facts)?;
        let accounts = setup::lines(config, clock, &|account| tally.requests(account.provider.spec().id, &account.name))?;
        setup::warn_of_twins(config);
        listener::warn(config, &access, clock);
        let (access, asked) = watch::channel(access);
        let (hook, told_hook) = watch::channel(setup::webhook(config, clock)?);
        let inventory = setup::inventory(config, &config.inventory, clock).await?;
        let socket = setup::socket(&config.inventory);
        let control = match Control::bind(&socket).with_context(|| format!("cannot listen on {}", socket.display())) {
            Ok(control) => control,
            Err(error) => {
                inventory.close().await?;
                return Err(error);
            }
        };
        let views = Views::new(&inventory, clock.clone(), facts);
        let exposition = Exposition::new(views.clone(), Arc::clone(&tally), config.metrics.clone());
        let app = App { views: views.clone(), exposition, title: look.title, refresh: look.refresh, access: asked };

        let stop = CancellationToken::new();
        tokio::spawn(sync::tell_ends(inventory.clone(), clock.clone(), stop.clone()));
        tokio::spawn(listener::remind(app.access.clone(), clock.clone(), stop.clone()));
        let teller = Teller {
            inventory: inventory.clone(),
            views: views.clone(),
            tally: Arc::clone(&tally),
            clock: clock.clone(),
            hook: told_hook,
            stop: stop.clone(),
        };
        // Before anything is polled: what is there is no news.
        teller.begin().await?;
        let failed = CancellationToken::new();
        let told = async {
            teller.run().await;
            Ok::<_, Infallible>(())
        };
        let teller = tokio::spawn(watched("the teller of the webhook", told, stop.clone(), failed.clone()));
        let web = tokio::spawn(web::serve(listener, app, stop.clone()));
        let policy = Arc::new(config.policy.clone());
        views.judge_by(Arc::clone(&policy));
        let plan = Plan { accounts, policy, retention: config.retention.clone() };
        let (commands, told) = mpsc::channel(16);
        let supervisor =
            Supervisor::new(inventory.clone(), clock.clone(), Arc::clone(&tally) as Arc<dyn Polls>, plan, stop.clone());
        let supervisor = tokio::spawn(watched("the supervisor", supervisor.run(told), stop.clone(), failed.clone()));
        let served = Arc::new(Served {
            source,
            began_with: config.clone(),
            inventory: inventory.clone(),
            views: views.clone(),
            tally,
            clock: clock.clone(),
            commands,
            access,
            hook,
            reloading: tokio::sync::Mutex::default(),
        });
        let control = tokio::spawn(control.run(Arc::clone(&served), stop.clone()));
        tracing::info!(%address, inventory = %config.inventory.display(), accounts = config.accounts.len(), "started");
        // All keys are read once for the first scrape: not while that waits.
        let first = views.clone();
        tokio::spawn(async move {
            if let Err(error) = first.counts().await {
                tracing::debug!(%error, "the first count failed");
            }
        });
        Ok(Self { address, inventory, views, served, supervisor, web, control, teller, stop, failed })
    }

    /// Where pages and metrics are.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads the config again; what comes of it is in the log.
    pub async fn reload(&self) {
        // Refused or not: that has been told where it happened.
        let _ = self.served.reload().await;
    }

    /// Waits until nothing is polled, or told to the webhook, any more, though nobody told the daemon to stop: then the process ends so. The log says why.
    pub async fn failed(&self) -> Exit {
        self.failed.cancelled().await;
        Exit::Bug
    }

    /// Keeps the service manager told, until the daemon stops.
    pub fn attend(&self) {
        let pulse = Pulse { commands: self.served.commands.clone(), inventory: self.inventory.clone() };
        tokio::spawn(service::attend(pulse, self.views.clone(), Arc::clone(&self.served.tally), self.stop.clone()));
    }

    /// For questions about the inventory.
    pub const fn views(&self) -> &Views {
        &self.views
    }

    /// Ends polls and connections, and leaves a file that everybody can read.
    ///
    /// # Errors
    /// The last writes failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        self.stop.cancel();
        let ended = async {
            let polls = self.supervisor.await;
            (polls, self.web.await, self.control.await, self.teller.await)
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("a poll or a connection did not end in time; what was not stored will be read again");
        }
        drop((self.views, self.served));
        self.inventory.close().await.context("closing the inventory")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Runs the supervisor, or the teller. That one ends before it is told to, by an error or a bug, is no state to go on in: nothing
/// would be polled or told any more, and all that is shown would look fine.
async fn watched<E: std::fmt::Display + Send + 'static>(
    who: &'static str,
    running: impl Future<Output = Result<(), E>> + Send + 'static,
    stop: CancellationToken,
    failed: CancellationToken,
) {
    let why = match tokio::spawn(running).await {
        Ok(Ok(())) if stop.is_cancelled() => return,
        Ok(Ok(())) => "it ended".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(why, "{who} has failed: the daemon ends");
    failed.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fails(supervisor: impl Future<Output = Result<(), &'static str>> + Send + 'static, told: bool) -> bool {
        let (stop, failed) = (CancellationToken::new(), CancellationToken::new());
        if told {
            stop.cancel();
        }
        watched("the supervisor", supervisor, stop, failed.clone()).await;
        failed.is_cancelled()
    }

    #[tokio::test]
    async fn a_supervisor_that_ends_by_itself_fails_the_daemon() {
        assert!(!fails(async { Ok(()) }, true).await);
        assert!(fails(async { Ok(()) }, false).await);
        assert!(fails(async { Err("no clock") }, false).await);
        assert!(fails(async { panic!("on purpose") }, false).await);
    }
}
