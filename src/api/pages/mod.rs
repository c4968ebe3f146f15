//! Pages for people: where the links of mails land, and GraphiQL. Everything is served from this origin, none of the
//! landing pages needs a script, and opening a link uses nothing up: only pressing its button does (IN-10).

mod encoding;
mod graphiql;
mod home;
mod landing;
mod provider;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(super) use landing::failed_request;

use super::Api;

/// Everything that people open in a browser.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(home::home))
        .route("/verify-email", get(landing::verify_email).post(landing::verified))
        .route("/reset-password", get(landing::reset_password).post(landing::password_set))
        .route("/invitation", get(landing::invitation).post(landing::answered))
        .route("/oauth/authorize", get(provider::authorize))
        .route("/oauth/callback/{organization}/{connection}", get(provider::callback))
        .route("/assets/page.css", get(landing::style))
        .merge(graphiql::routes())
}

/// A page that may load what `policy` says from this origin, is in no frame, and tells nobody where one came from.
fn page(status: StatusCode, html: String, policy: &str) -> Response {
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let strictest = HeaderValue::from_static("default-src 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(policy).unwrap_or(strictest));
    response
}
