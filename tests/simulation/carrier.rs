//! Carries the daemon's requests to the simulated providers within the process.

use std::io;

use axum::body::Body;
use axum::http::{Request, header};
use keymuster::remote::{Carried, Carrier};
use keymuster::sim::InProcess;

#[derive(Debug)]
pub struct Inside(pub InProcess);

impl Carrier for Inside {
    fn carry(&self, request: reqwest::Request) -> Carried<'_> {
        Box::pin(async move {
            let mut inner = Request::builder().method(request.method().clone()).uri(request.url().as_str());
            if let Some(headers) = inner.headers_mut() {
                headers.clone_from(request.headers());
                headers.entry(header::ACCEPT_ENCODING).or_insert(header::HeaderValue::from_static("gzip"));
            }
            let body = request.body().and_then(reqwest::Body::as_bytes).map(<[u8]>::to_vec).unwrap_or_default();
            let inner = inner.body(Body::from(body)).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            let answer = self.0.ask(inner).await?;
            Ok(reqwest::Response::from(answer.map(|body| reqwest::Body::wrap_stream(body.into_data_stream()))))
        })
    }
}
