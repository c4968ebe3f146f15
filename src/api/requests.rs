//! One id and one log line per request. What is logged is a template of the path and never a query, header or body.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use ::scim::Tolerance;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::Api;
use crate::domain::DirectoryId;

/// The header that carries the request id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: ours, never the client's.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) Arc<str>);

/// When a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started(pub(super) Instant);

/// What a handler learned about a request, for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    pub(super) directory: Option<DirectoryId>,
    pub(super) tolerances: BTreeSet<Tolerance>,
}

pub(super) async fn log_request(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let id: Arc<str> = api.service.request_id().into();
    let started = Instant::now();
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(Started(started));
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let learned = response.extensions_mut().remove::<Learned>().unwrap_or_default();
    let tolerances: Vec<&str> = learned.tolerances.iter().map(|tolerance| tolerance.as_str()).collect();
    span.in_scope(|| {
        tracing::info!(
            %method,
            path,
            status = response.status().as_u16(),
            directory = learned.directory.map(tracing::field::display),
            tolerances = tolerances.join(","),
            milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
