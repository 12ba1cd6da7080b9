//! What polling one account needs, made from its config and its credential.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::ways::Ways;
use crate::clock::Clock;
use crate::config::{AccountConfig, Config};
use crate::domain::{KeyFacts, ScopeId};
use crate::inventory::GuardLimits;
use crate::providers::{Account, Known, Pace, Paging, Provider};
use crate::remote::{self, Carrier, Remote, Requests, Roots, Settings, SetupError};
use crate::walk::Caps;

/// Everything that polling one account needs, made from its config.
pub struct Line {
    /// How to ask and read.
    pub provider: &'static dyn Provider,
    /// What the adapter may know of the config.
    pub account: Account,
    /// How to send.
    pub remote: Remote,
    /// How much one walk may read.
    pub caps: Caps,
    /// Walks at once.
    pub concurrency: usize,
    /// How long scopes are opened after the start of a poll.
    pub deadline: Duration,
    /// The guard's limits.
    pub guard: GuardLimits,
    /// Accounts that are the same organisation for all that the config tells.
    pub(super) twins: Vec<String>,
    /// The ways of listing that this run has found wanting.
    pub(super) ways: Ways,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("provider", &self.provider.spec().id)
            .field("account", &self.account.name)
            .finish_non_exhaustive()
    }
}

impl Line {
    /// Sets up how an account is polled; sends nothing.
    ///
    /// # Errors
    /// The connection's settings do not work out: roots, CA file, credential.
    pub fn new(
        config: &Config,
        account: &AccountConfig,
        credential: SecretString,
        roots: &Roots,
        clock: &Clock,
        requests: Arc<dyn Requests>,
    ) -> Result<Self, SetupError> {
        let settings = settings(config, account, credential);
        Ok(Self::over(Remote::new(settings, roots, clock.clone(), requests)?, config, account))
    }

    /// The same where somebody else carries the requests.
    ///
    /// # Errors
    /// A credential that no header can carry.
    pub fn carried(
        carrier: Arc<dyn Carrier>,
        config: &Config,
        account: &AccountConfig,
        credential: SecretString,
        clock: &Clock,
        requests: Arc<dyn Requests>,
    ) -> Result<Self, SetupError> {
        let settings = settings(config, account, credential);
        Ok(Self::over(Remote::carried(carrier, settings, clock.clone(), requests)?, config, account))
    }

    /// Of the keys that a list holds, those that may be the one that the account signs in with: the adapter's candidates whose
    /// mask fits the credential. `None` where that list would not hold it, or the credential is no key.
    pub fn may_be_own<'k>(&self, known: &Known, scope: &ScopeId, keys: &'k [Box<KeyFacts>]) -> Option<Vec<&'k KeyFacts>> {
        let shows = self.own_mask_shows()?;
        let mut candidates = self.provider.may_be_own(&self.account, known, scope, keys)?;
        candidates.retain(|key| key.hint.as_ref().is_some_and(|mask| self.remote.is_masked_by(mask, shows)));
        Some(candidates)
    }

    /// How many characters of the credential a mask must show to be taken for its own; `None` where it is no key.
    pub(super) fn own_mask_shows(&self) -> Option<usize> {
        self.provider.spec().sign_in(&self.account).mask_shows
    }

    fn over(remote: Remote, config: &Config, account: &AccountConfig) -> Self {
        let limits = &config.limits;
        let twins = config.twins_of(account).map(str::to_owned);
        Self {
            provider: account.provider,
            account: account.account.clone(),
            remote,
            caps: Caps {
                items: limits.items_per_scope.into(),
                pages: limits.pages_per_scope.into(),
                time: limits.scope_timeout.as_duration(),
            },
            concurrency: usize::try_from(account.concurrency).unwrap_or(1),
            deadline: account.poll_deadline.as_duration().max(Duration::from_secs(1)),
            guard: GuardLimits {
                confirm_after_s: config.guard.confirm_after.as_secs(),
                min_keys: config.guard.min_keys.into(),
                scope_share: config.guard.scope_share,
                account_share: config.guard.account_share,
                small_scope: config.guard.small_scope.into(),
                window_s: config.guard.window.as_secs(),
            },
            twins: twins.collect(),
            ways: Ways::default(),
        }
    }
}

fn settings(config: &Config, account: &AccountConfig, credential: SecretString) -> Settings {
    let spec = account.provider.spec();
    let limits = &config.limits;
    Settings {
        base_url: account.base_url.clone(),
        credential,
        auth: spec.sign_in(&account.account).auth,
        // A pace of one's own is steady: what was measured in the wild allows a burst, a chosen number need not.
        pace: account.pace.map_or(spec.pace, |per_minute| Pace { per_minute, burst: spec.pace.burst.min(per_minute) }),
        limits: remote::Limits {
            connect: limits.connect_timeout.as_duration(),
            read: limits.read_timeout.as_duration(),
            request: limits.request_timeout.as_duration(),
            wire_bytes: limits.wire_bytes,
            inflated_bytes: limits.inflated_bytes,
            items_per_answer: match spec.paging {
                Paging::Pages => limits.items_per_page.into(),
                Paging::OneAnswer => limits.items_per_answer.into(),
            },
            retries: limits.retries,
            ..remote::Limits::of(spec.paging)
        },
        ca_file: account.ca_file.clone(),
        proxy: account.proxy.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::providers::PROVIDERS;

    /// Each a number of its own, so that two of them that changed places show.
    const CONFIG: &str = "
[limits]
connect_timeout = '2s'
read_timeout = '3s'
request_timeout = '4s'
scope_timeout = '5s'
wire_bytes = '6KiB'
inflated_bytes = '7KiB'
items_per_page = 8
items_per_answer = 9
items_per_scope = 10
pages_per_scope = 11
retries = 12
[accounts.den]
provider = 'den'
base_url = 'http://127.0.0.1:1'
credential_file = '/none'
schedule = '@hourly'
[accounts.openai]
provider = 'openai'
base_url = 'http://127.0.0.1:1'
credential_file = '/none'
schedule = '@hourly'
";

    #[test]
    fn each_limit_of_the_config_reaches_its_place() {
        let config = Config::parse(Path::new("/keymuster.toml"), CONFIG, std::iter::empty(), PROVIDERS).unwrap();
        for (name, items_per_answer) in [("openai", 8), ("den", 9)] {
            let account = &config.accounts[name];
            let settings = settings(&config, account, SecretString::from("none"));
            let remote::Limits { connect, read, request, wire_bytes, inflated_bytes, items_per_answer: items, retries, .. } =
                settings.limits;
            assert_eq!([connect, read, request].map(|time| time.as_secs()), [2, 3, 4]);
            assert_eq!((wire_bytes, inflated_bytes, items, retries), (6 << 10, 7 << 10, items_per_answer, 12));
            let line = Line::new(
                &config,
                account,
                SecretString::from("none"),
                &Roots::default(),
                &Clock::stopped(crate::domain::Time::from_unix(0)),
                Arc::new(Uncounted),
            );
            assert_eq!(line.unwrap().caps, Caps { items: 10, pages: 11, time: Duration::from_secs(5) });
        }
    }

    struct Uncounted;

    impl Requests for Uncounted {
        fn ended(&self, _: &'static str, _: &'static str, _: Duration) {}
    }
}
