//! Why there is no answer, as programs read it: RFC 9457.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::parameters::Wrong;
use crate::inventory::StoreError;

/// A refusal, with a sentence for whoever sent the request.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

/// The content type of all of them.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

impl Problem {
    pub const fn not_found(title: &'static str, detail: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, title, detail }
    }
}

impl From<Wrong> for Problem {
    fn from(Wrong(detail): Wrong) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "Not a question that can be answered", detail }
    }
}

/// The log says why: an error of the file may name a path.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the inventory cannot be read");
        let detail = "The inventory cannot be read; the log says why.".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, title: "No inventory", detail }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "title": self.title, "status": self.status.as_u16(), "detail": self.detail });
        (self.status, [(header::CONTENT_TYPE, CONTENT_TYPE)], format!("{body}\n")).into_response()
    }
}
