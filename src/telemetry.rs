//! Logs: structured, to standard error, without secrets or personal values (LG-01, LG-02). Metrics: without organizations
//! and people, so that their number does not grow with them. Traces: without them too, and only where they are asked for.

#[cfg(feature = "otlp")]
mod otlp;

use std::sync::OnceLock;

use axum::http::HeaderMap;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::{Span, Subscriber};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Config, LogFormat};

/// The target of the spans that traces are made of. Logs never have them; where nobody is sent any, making one is a look
/// at a flag.
pub(crate) const TRACE: &str = "rollcall::trace";

/// What runs as long as the process tells of itself. Spans that wait are sent when it is dropped.
#[derive(Default)]
#[must_use = "what waits is sent when it is dropped"]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    _traces: Option<otlp::Traces>,
}

/// Starts logging for the process, and tracing if it is set. Called on the runtime that sends what is traced.
///
/// # Errors
///
/// When the filter is not one, or the endpoint cannot be used.
pub fn start(config: &Config) -> Result<Telemetry, String> {
    let filter = filter(&config.log.filter)?;
    let format = config.log.format;
    #[cfg(feature = "otlp")]
    if let Some(traces) = otlp::Traces::new(&config.telemetry)? {
        let logs = tracing_subscriber::registry().with(lines(format).with_filter(filter));
        logs.with(traces.layer()).try_init().map_err(|error| error.to_string())?;
        return Ok(Telemetry { _traces: Some(traces) });
    }
    let logs = tracing_subscriber::registry().with(filter).with(lines(format));
    logs.try_init().map_err(|error| error.to_string())?;
    Ok(Telemetry::default())
}

/// What is logged. The engine logs errors of its own with values in them: only what we understand is reported, by us.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::try_new(text).map_err(|error| format!("log.filter: {error}"))?;
    let never = ["surrealdb", "surrealdb_core", "surrealkv", "surrealmx", TRACE];
    Ok(never.iter().filter_map(|target| format!("{target}=off").parse().ok()).fold(filter, EnvFilter::add_directive))
}

/// How it is written.
fn lines<S: Subscriber + for<'s> LookupSpan<'s>>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.boxed(),
    }
}

/// Makes the span of a request part of the trace that its caller names, if it names one (W3C Trace Context).
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    #[cfg(feature = "otlp")]
    otlp::continue_trace(span, headers);
    #[cfg(not(feature = "otlp"))]
    let _ = (span, headers);
}

/// Upper bounds of the times that are counted, in seconds.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted since the first call, in the whole process.
///
/// # Panics
///
/// When something else in the process records metrics already, which would be a bug.
pub fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are some");
        let handle = builder.install_recorder().expect("nothing else records");
        describe();
        handle
    })
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_histogram!("rollcall_http_request_seconds", "Time to answer, by method and template of the path.");
    describe_counter!("rollcall_http_requests_total", "Requests answered, by method, template of the path and status.");
    describe_gauge!("rollcall_http_requests_running", "Requests that are being answered.");
    describe_histogram!("rollcall_graphql_operation_seconds", "Time to carry out an operation, by root field.");
    describe_counter!("rollcall_graphql_operations_total", "Operations, by root field and whether it had errors.");
    describe_counter!("rollcall_overload_refusals_total", "Requests refused because too many waited, by kind.");
    describe_counter!("rollcall_panics_total", "Handlers that panicked: each is a bug.");
    describe_counter!("rollcall_write_retries_total", "Units of work done again because somebody else was faster.");
    describe_counter!("rollcall_provisioning_records_dropped_total", "Records of refused requests that were too many.");
    describe_counter!("rollcall_store_queries_total", "Queries asked of the store.");
    describe_gauge!("rollcall_store_away", "1 while the store cannot be reached.");
}
