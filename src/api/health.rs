//! Whether the process lives and whether it can serve.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// The process answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// The store answers too.
async fn ready(State(api): State<Api>) -> Response {
    match api.service.check_ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], "not ready\n").into_response()
        }
    }
}
