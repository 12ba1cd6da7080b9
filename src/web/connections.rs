//! Accepts connections: a bounded number of them, each for a bounded time, with bounds on what may come before a request.

use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::Access;
use super::guard::{self, Asked};

/// Connections at once; more are told so and closed.
pub(super) const MOST: usize = 64;
/// From the start of a connection, or the end of an answer, to the end of the next request's headers.
const HEADERS: Duration = Duration::from_secs(10);
/// Request line and headers.
const HEADER_BYTES: usize = 16 * 1024;
/// No connection takes new requests for longer.
const LONGEST: Duration = Duration::from_mins(2);
/// What is under way when a connection or the server is to end may take so long.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `stop`; ends at most [`DRAIN`] after it. A new connection has to pass what `access` says then.
pub(super) async fn serve(listener: TcpListener, router: Router, access: watch::Receiver<Access>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MOST));
    let tracker = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: the connection stays in the queue, and asking at once again would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            shed(stream);
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let Access { tls, sign_in, names, .. } = access.borrow().clone();
        let asked = Asked { local: local.ip().to_canonical(), peer: peer.ip(), names, sign_in };
        let router = router.clone().layer(middleware::from_fn_with_state(asked, guard::guard));
        let stop = stop.clone();
        tracker.spawn(async move {
            match tls {
                None => connection(stream, router, stop).await,
                // Who does not get through is told so by TLS itself; to the log that is noise of scanners.
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEADERS, tls.accept(stream)).await {
                        connection(stream, router, stop).await;
                    }
                }
            }
            drop(place);
        });
    }
    tracker.close();
    tracker.wait().await;
}

async fn connection<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    tokio::select! {
        // Broken, slow or closed by the peer: nobody is there to be told.
        _ = served.as_mut() => return,
        () = stop.cancelled() => {}
        () = sleep(LONGEST) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, served).await;
}

/// Says that there is no room, without waiting for anything.
fn shed(stream: TcpStream) {
    static ANSWER: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n".to_vec();
        for (name, value) in guard::HEADERS {
            answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        answer.extend(b"\r\n");
        answer
    });
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(&ANSWER);
    }
}
