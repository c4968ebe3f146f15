//! Logs: structured, to standard error, without secrets or personal values (LG-01, LG-02).

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
