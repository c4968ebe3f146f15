//! One id and one log line per request. What is logged is a template of the path and never a query, header or body.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::scim::Tolerance;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
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
    let running = InFlight::new();
    let mut response = next.run(request).instrument(span.clone()).await;
    drop(running);
    count(&method, &path, response.status(), started.elapsed());
    let learned = response.extensions_mut().remove::<Learned>().unwrap_or_default();
    let tolerances: Vec<&str> = learned.tolerances.iter().map(|tolerance| tolerance.as_str()).collect();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        tracing::info!(
            %method,
            path,
            status = response.status().as_u16(),
            directory = learned.directory.map(tracing::field::display),
            tolerances = tolerances.join(","),
            milliseconds,
            "answered"
        );
        if started.elapsed() > api.settings.slow {
            tracing::warn!(%method, path, milliseconds, "slow");
        }
    });
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A request that is being answered, for as long as this is there.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn new() -> Self {
        let gauge = metrics::gauge!("rollcall_http_requests_running");
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Methods of clients' own invention are one.
fn count(method: &Method, path: &str, status: StatusCode, took: Duration) {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let method = known.iter().find(|known| *known == method).map_or("other", Method::as_str).to_owned();
    let path = path.to_owned();
    metrics::histogram!("rollcall_http_request_seconds", "method" => method.clone(), "path" => path.clone())
        .record(took.as_secs_f64());
    let status = status.as_u16().to_string();
    metrics::counter!("rollcall_http_requests_total", "method" => method, "path" => path, "status" => status)
        .increment(1);
}
