//! Asked within the process: the same router, faults and counts, without a socket.
//!
//! Beside real sockets a paused clock runs on while bytes are on their way.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::serve::Peer;
use super::{Options, Simulation, made, router};
use crate::clock::Clock;

/// A way to ask a simulation without a socket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InProcess(Router);

impl Simulation {
    /// Makes a world as of the clock's now and serves it to this process alone: `addr` is what its addresses name, and nobody
    /// listens there; `lively` is not looked at.
    pub fn in_process(options: Options, clock: Clock) -> (Self, InProcess) {
        let address = options.addr;
        let shared = made(options, clock);
        let inside = InProcess(router(Arc::clone(&shared)));
        (Self { address, shared, tasks: Vec::new(), stop: tokio_util::sync::CancellationToken::new().drop_guard() }, inside)
    }
}

impl InProcess {
    /// Asks; the path is the whole one, `/openai/v1/…`.
    ///
    /// # Errors
    /// A fault hung up. That happens in the middle of a body too, and then is an error of the body.
    pub async fn ask(&self, mut request: Request<Body>) -> io::Result<Response<Body>> {
        let hang_up = Arc::new(AtomicBool::new(false));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        request.extensions_mut().insert(ConnectInfo(Peer { address, hang_up: Arc::clone(&hang_up) }));
        let answered: Result<_, Infallible> = TowerToHyperService::new(self.0.clone()).call(request).await;
        let Ok(response) = answered;
        if hang_up.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(response) }
    }
}
