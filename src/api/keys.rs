//! `/.well-known/jwks.json`: the public halves of the keys that sign access tokens (RFC 7517 §5).

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::scim::Failure;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/.well-known/jwks.json", get(keys))
}

async fn keys(State(api): State<Api>) -> Response {
    match api.service.public_keys().await {
        Ok(keys) => {
            let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
            (headers, keys.to_string()).into_response()
        }
        Err(error) => Failure::from(error).into_response(),
    }
}
