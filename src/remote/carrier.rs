//! Who carries a request to the provider and brings its answer: the HTTP client, or whoever is given in its place.
//!
//! Sockets do not go together with a clock that stands still until everybody waits. A simulation of months gives a carrier
//! that calls its providers in the same process; limits, deadlines, pace, retries and reading stay what they are.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Client, Request, Response};

use super::Limits;
use super::broken::{classify, classify_carried};
use super::retry::Setback;

/// The answer to a request, once it comes.
pub type Carried<'a> = Pin<Box<dyn Future<Output = io::Result<Response>> + Send + 'a>>;

/// Carries requests in the place of the HTTP client.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Carries one. What the client adds by itself, such as `accept-encoding`, is the carrier's to add; an error of the answer's
    /// body stands for a connection that breaks.
    fn carry(&self, request: Request) -> Carried<'_>;
}

/// What one account's requests go over.
pub(super) enum Transport {
    Client(Client),
    Given(Arc<dyn Carrier>),
}

impl Transport {
    /// Sends once; returns when the head of the answer is there.
    pub(super) async fn execute(&self, request: Request, limits: &Limits) -> Result<Response, Setback> {
        match self {
            Self::Client(client) => client.execute(request).await.map_err(|error| classify(&error, limits)),
            Self::Given(carrier) => carrier.carry(request).await.map_err(|error| classify_carried(&error)),
        }
    }
}
