//! One id and one log line per request. What is logged is a template of the path and never a query, header or body.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::scim::Tolerance;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::Api;
use crate::domain::DirectoryId;
use crate::telemetry::{self, TRACE};

/// The header that carries the request id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For a year a browser comes by https alone (RFC 6797). Other hosts of the domain are not ours to speak for.
const HTTPS_ONLY: &str = "max-age=31536000";

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
    let trace = traced(&request, &id);
    let running = InFlight::new();
    let mut response = next.run(request).instrument(span.clone()).instrument(trace.clone()).await;
    drop(running);
    note_status(&trace, response.status());
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
    if api.settings.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
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

/// The span of a request in its trace: what the log says of it, without whose directory it was.
fn traced(request: &Request, id: &str) -> Span {
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        target: TRACE,
        "request",
        otel.kind = "server",
        otel.name = format!("{} {}", method.unwrap_or("HTTP"), route.unwrap_or_default()).trim_end(),
        otel.status_code = Empty,
        http.request.method = method.unwrap_or("_OTHER"),
        http.route = route,
        http.response.status_code = Empty,
        rollcall.request_id = id,
    );
    telemetry::continue_trace(&span, request.headers());
    span
}

/// What came of it: an error is what is ours.
fn note_status(trace: &Span, status: StatusCode) {
    trace.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        trace.record("otel.status_code", "error");
    }
}

/// Methods of clients' own invention are none.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    KNOWN.iter().find(|known| *known == method).map(Method::as_str)
}

fn count(method: &Method, path: &str, status: StatusCode, took: Duration) {
    let method = known(method).unwrap_or("other");
    let path = path.to_owned();
    metrics::histogram!("rollcall_http_request_seconds", "method" => method, "path" => path.clone())
        .record(took.as_secs_f64());
    let status = status.as_u16().to_string();
    metrics::counter!("rollcall_http_requests_total", "method" => method, "path" => path, "status" => status)
        .increment(1);
}
