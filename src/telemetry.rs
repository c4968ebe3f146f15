//! Logs: structured, to standard error, without secrets or personal values (LG-01, LG-02). Metrics: without organizations
//! and people, so that their number does not grow with them.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the process.
///
/// # Errors
///
/// When the filter is not one.
pub fn start(settings: &LogConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| format!("log.filter: {error}"))?;
    // The engine logs errors of its own with values in them: only what we understand is reported, by us.
    let filter = ["surrealdb", "surrealdb_core", "surrealkv", "surrealmx"]
        .iter()
        .filter_map(|target| format!("{target}=off").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Text => subscriber.try_init(),
    };
    started.map_err(|error| error.to_string())
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
