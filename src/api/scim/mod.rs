//! The SCIM face (RFC 7644), under `/scim/v2`.

mod bulk;
mod discovery;
mod failure;
mod groups;
mod record;
mod request;
mod response;
mod search;
mod users;

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::cors::CorsLayer;

pub(super) use failure::{Failure, panicked, render_failures};

use super::Api;
use crate::domain::{Error, Noun};

/// How long a browser may remember what it was allowed.
const ALLOWED_FOR: Duration = Duration::from_secs(600);

/// The path of version 2.
const ROOT: &str = "/scim/v2";
/// Collections, as their schemas spell them.
const COLLECTIONS: [&str; 2] = ["Users", "Groups"];

/// Marks a request whose path named a type of resources in another case.
#[derive(Clone, Copy)]
struct Respelled;

/// `/users` is `/Users`, where the directory's dialect allows it: that is decided once it is known who asks.
pub(super) fn spell_types(request: &mut Request) {
    let Some(path) = request.uri().path().strip_prefix(ROOT).and_then(spelled) else { return };
    let target = match request.uri().query() {
        Some(query) => format!("{ROOT}{path}?{query}"),
        None => format!("{ROOT}{path}"),
    };
    if let Ok(uri) = target.parse() {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Respelled);
    }
}

/// The path with its type of resources as the schema spells it; none where it is spelled so.
fn spelled(path: &str) -> Option<String> {
    let path = path.strip_prefix('/')?;
    let (sent, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let known = COLLECTIONS.into_iter().find(|known| known.eq_ignore_ascii_case(sent))?;
    (known != sent).then(|| format!("/{known}{rest}"))
}

/// Everything under `/scim`.
pub(super) fn routes(api: &Api) -> Router<Api> {
    let routes = versions(api);
    if api.settings.browser_origins.is_empty() { routes } else { routes.layer(cors(api)) }
}

/// Lets the web pages that a setting names call from a browser (C141). They still need a token.
fn cors(api: &Api) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(api.settings.browser_origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH])
        .expose_headers([ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, HeaderName::from_static("x-request-id")])
        .max_age(ALLOWED_FOR)
}

fn versions(api: &Api) -> Router<Api> {
    Router::new()
        .nest("/v2", v2().layer(from_fn_with_state(api.clone(), record::record)))
        .route("/{version}", get(other_version))
        .route(
            "/{version}/{*rest}",
            get(other_version).post(other_version).put(other_version).patch(other_version).delete(other_version),
        )
}

fn v2() -> Router<Api> {
    Router::new()
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/ResourceTypes", get(discovery::list_resource_types))
        .route("/ResourceTypes/{name}", get(discovery::get_resource_type))
        .route("/Schemas", get(discovery::list_schemas))
        .route("/Schemas/{urn}", get(discovery::get_schema))
        .route("/", get(search::root))
        .route("/.search", post(search::everything))
        .route("/Bulk", post(bulk::bulk))
        .route("/Me", get(me).post(me).put(me).patch(me).delete(me))
        .merge(collections())
}

/// What one operation of a bulk request can be about, noted like any request.
fn resources(api: &Api) -> Router<Api> {
    collections().layer(from_fn_with_state(api.clone(), record::record))
}

fn collections() -> Router<Api> {
    Router::new()
        .route("/Users", get(users::list).post(users::create))
        .route("/Users/.search", post(users::search))
        .route("/Users/{id}", get(users::read).put(users::replace).patch(users::patch).delete(users::delete))
        .route("/Groups", get(groups::list).post(groups::create))
        .route("/Groups/.search", post(groups::search))
        .route("/Groups/{id}", get(groups::read).put(groups::replace).patch(groups::patch).delete(groups::delete))
}

/// `/Me` (RFC 7644 §3.11): a directory's token has no user behind it (C137).
async fn me(_client: request::Client) -> Failure {
    Failure::status(StatusCode::NOT_IMPLEMENTED, "a directory's token is nobody's: there is no user to be /Me")
}

/// A path nobody serves (C9).
pub(super) async fn unknown_path() -> Failure {
    Failure::from(Error::NotFound(Noun::Endpoint))
}

/// Another version of the protocol (C5). What version 2 does not serve ends up here too.
async fn other_version(Path(segments): Path<HashMap<String, String>>) -> Failure {
    if segments.get("version").is_some_and(|version| version == "v2") {
        return Error::NotFound(Noun::Endpoint).into();
    }
    let detail = "only version 2 of SCIM is served: use a base URL that ends in /scim/v2";
    Failure::from(Error::Protocol(::scim::Error::new(::scim::ScimType::InvalidVers, detail)))
}
