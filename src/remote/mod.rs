//! The only outbound input and output of the daemon: one way to send, with limits, deadlines, signing, pace and retries.
//!
//! Everything goes to one pinned host. No redirect is followed, no URL of a server used, no proxy taken from the
//! environment. A body is never held whole: its elements go to the adapter one by one as they arrive. It does not know what
//! an answer means, whether a list is complete, or what comes next.
//!
//! What is posted to a webhook goes another way ([`Webhook`]): it has nothing to do with any provider.

mod answers;
mod broken;
mod bucket;
#[cfg(test)]
mod bucket_tests;
mod carrier;
mod client;
mod elements;
#[cfg(test)]
mod elements_tests;
mod inflate;
mod jitter;
mod pace;
mod request;
mod retry;
mod retry_after;
mod roots;
mod scan;
mod send;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::domain::{ClosedReason, Failure, Hint, Reason};
use crate::providers::{Answer, Fetch, Grant, Known, Next as Closing, Provider};
use crate::walk::{Page, Recognise};

pub use carrier::{Carried, Carrier};
pub use client::SetupError;
pub use jitter::thousandths;
pub use roots::Roots;
pub use settings::{BaseUrl, Limits, ProxyUrl, Settings, UrlProblem};
pub use webhook::{Sent, Webhook, WebhookSecret, WebhookSecretError, WebhookSettings};

use carrier::Transport;
use client::Route;
use pace::Paces;
use request::Signer;
use retry::{Budget, Cause, Next, Setback, Tally};
use send::{Line, Question, Reading};

/// Told of each request as it ends; one that is dropped on its way is not told of.
pub trait Requests: Send + Sync {
    /// `endpoint` is the template, `outcome` is `ok` or the word of a [`Reason`]. Each attempt is one request; `took` is
    /// without the wait for its turn.
    fn ended(&self, endpoint: &'static str, outcome: &'static str, took: Duration);

    /// A request waits that long for its turn, because of the pace or of what the provider asked.
    fn waits(&self, _wait: Duration) {}
}

/// What an exchange gave. A token, too, cannot be shown:
///
/// ```compile_fail,E0277
/// fn shown(given: &keymuster::remote::Exchanged) -> String {
///     match given {
///         keymuster::remote::Exchanged::Token(token) => format!("{token}"),
///         keymuster::remote::Exchanged::Closed(reason) => format!("{reason:?}"),
///     }
/// }
/// ```
#[derive(Debug)]
pub enum Exchanged {
    /// A token that reads as the user, for one walk.
    Token(SecretString),
    /// The user's list cannot be read at all.
    Closed(ClosedReason),
}

/// In which way a page is asked for.
#[derive(Clone, Copy, Default)]
pub struct As<'a> {
    /// A token in the place of our own credential.
    pub token: Option<&'a SecretString>,
    /// Tells elements that need not be read.
    pub recognise: Option<&'a Recognise>,
}

/// One account's line to its provider. Cheap to clone; clones share pace and connections.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    transport: Transport,
    signer: Signer,
    limits: Limits,
    paces: Paces,
    budget: Budget,
    clock: Clock,
    requests: Arc<dyn Requests>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("signer", &self.0.signer).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Remote {
    /// Sets the line up; sends nothing. For https this reads the roots, where nobody has yet; for http no CA file is touched.
    ///
    /// # Errors
    /// A CA file that cannot be read, no roots at all, a credential that no header can carry.
    pub fn new(settings: Settings, roots: &Roots, clock: Clock, requests: Arc<dyn Requests>) -> Result<Self, SetupError> {
        let route = Route {
            url: &settings.base_url,
            ca_file: settings.ca_file.as_deref(),
            roots,
            proxy: settings.proxy.as_ref(),
            connect: settings.limits.connect,
        };
        let transport = Transport::Client(client::build(route)?);
        Self::over(transport, settings, clock, requests)
    }

    /// A line whose requests somebody else carries; no client is built.
    ///
    /// # Errors
    /// A credential that no header can carry.
    pub fn carried(
        carrier: Arc<dyn Carrier>,
        settings: Settings,
        clock: Clock,
        requests: Arc<dyn Requests>,
    ) -> Result<Self, SetupError> {
        Self::over(Transport::Given(carrier), settings, clock, requests)
    }

    fn over(transport: Transport, settings: Settings, clock: Clock, requests: Arc<dyn Requests>) -> Result<Self, SetupError> {
        Ok(Self(Arc::new(Inner {
            transport,
            signer: Signer::new(&settings)?,
            limits: settings.limits,
            paces: Paces::new(settings.pace, clock.clone()),
            budget: Budget::default(),
            clock,
            requests,
        })))
    }

    /// A poll begins: its requests share retries of their own.
    pub fn poll_begins(&self) {
        self.0.budget.renew();
    }

    /// Asks for one page: waits for its turn, sends, tries again what may be tried again, reads.
    ///
    /// Dropping the future ends the request and leaves nothing behind. Elements of an attempt that failed are forgotten.
    ///
    /// # Errors
    /// The request's own failure, or the adapter's reading of the rest. Details hold no URL, body or secret.
    pub async fn ask(&self, provider: &dyn Provider, fetch: &Fetch, known: &Known) -> Result<Page, Failure> {
        self.ask_as(provider, fetch, known, As::default()).await
    }

    /// The same in another way.
    ///
    /// # Errors
    /// Those of [`Remote::ask`].
    pub async fn ask_as(&self, provider: &dyn Provider, fetch: &Fetch, known: &Known, how: As<'_>) -> Result<Page, Failure> {
        let (reading, took) = self.read(Question { provider, fetch, recognise: how.recognise }, how.token).await?;
        page(provider, fetch, known, reading, took)
    }

    /// Runs the exchange of a grant and takes the token from the answer, which nobody else sees.
    ///
    /// # Errors
    /// The request's own failure, the adapter's reading of a refusal, or an answer without a token.
    pub async fn exchange(&self, provider: &dyn Provider, grant: &Grant, known: &Known) -> Result<Exchanged, Failure> {
        let (reading, took) = self.read(Question { provider, fetch: &grant.exchange, recognise: None }, None).await?;
        if !(200..300).contains(&reading.status) {
            let page = page(provider, &grant.exchange, known, reading, took)?;
            return match page.end.next {
                Closing::Closed(reason) => Ok(Exchanged::Closed(reason)),
                Closing::Done | Closing::Page(_) => {
                    Err(Failure::new(Reason::Malformed, "the exchange was refused in no known way"))
                }
            };
        }
        let detail = "the answer of the exchange holds no token where one is looked for; set token_field";
        let token = token::find(&reading.rest.rest, &grant.token).ok_or_else(|| Failure::new(Reason::Malformed, detail))?;
        Ok(Exchanged::Token(token))
    }

    /// The mask is one of our own credential, and shows at least that many characters of it beside the prefix of its sort.
    pub fn is_masked_by(&self, mask: &Hint, at_least: usize) -> bool {
        self.0.signer.is_masked_by(mask, at_least)
    }

    async fn read(&self, question: Question<'_>, token: Option<&SecretString>) -> Result<(Reading, Duration), Failure> {
        let (inner, fetch) = (&*self.0, question.fetch);
        let endpoint = inner.paces.of(fetch.endpoint);
        let line = Line { transport: &inner.transport, limits: &inner.limits, clock: &inner.clock };
        let mut tally = Tally::default();
        inner.budget.request();
        loop {
            let request = inner.signer.request(fetch, token)?;
            let sent_at = endpoint.turn(&|wait| inner.requests.waits(wait)).await?;
            let result = line.attempt(question, request).await;
            let took = inner.clock.boot().saturating_sub(sent_at);
            let outcome = match &result {
                Ok(reading) => send::outcome(reading.status),
                Err(setback) => setback.failure.reason.as_str(),
            };
            inner.requests.ended(fetch.endpoint, outcome, took);
            let setback = match result {
                Ok(reading) => {
                    // A refusal proves nothing: Den answers 401 to a key that it throttles.
                    if outcome == "ok" {
                        endpoint.answered(sent_at);
                    }
                    return Ok((reading, took));
                }
                Err(setback) => setback,
            };
            if let Cause::Limited(asked) = setback.cause {
                endpoint.limited(sent_at, asked.after);
            }
            match tally.next(setback.cause, inner.limits.retries, fetch) {
                Next::GiveUp => return Err(last(setback, &tally)),
                Next::After(_) if !inner.budget.spend() => {
                    let Failure { reason, detail } = last(setback, &tally);
                    return Err(Failure { reason, detail: format!("{detail}; the poll has no retries left") });
                }
                Next::After(wait) => tokio::time::sleep(wait).await,
                Next::WhenPaced => {}
            }
        }
    }
}

fn page(provider: &dyn Provider, fetch: &Fetch, known: &Known, reading: Reading, took: Duration) -> Result<Page, Failure> {
    let answer = Answer {
        status: reading.status,
        rest: &reading.rest.rest,
        elements: reading.rest.elements,
        last_id: reading.last_id.as_ref(),
        known,
    };
    let end = provider.end(fetch, &answer)?;
    Ok(Page {
        items: reading.items,
        digests: reading.digests,
        unchanged: reading.unchanged,
        refused: reading.refused,
        elements: reading.rest.elements.unwrap_or(0),
        end,
        server_time: reading.server_time,
        wire_bytes: reading.wire_bytes,
        took,
    })
}

fn last(setback: Setback, tally: &Tally) -> Failure {
    let Setback { failure: Failure { reason, detail }, cause: _ } = setback;
    match tally.attempts() {
        0 | 1 => Failure { reason, detail },
        attempts => Failure { reason, detail: format!("{detail}, after {attempts} attempts") },
    }
}
