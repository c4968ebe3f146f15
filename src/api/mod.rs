//! The faces: HTTP in, service calls, HTTP out. Translation only; a rule written here is in the wrong place.

mod admission;
mod bodies;
mod connection;
mod errors;
mod forms;
pub mod graphql;
mod health;
mod keys;
mod limits;
mod management;
mod oauth;
mod origin;
mod pages;
mod requests;
mod scim;
pub mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;

pub use admission::{Admission, AdmissionSettings, LaneSettings};
use ipnet::IpNet;
pub use limits::{DirectoryRates, PublicRates};
use secrecy::SecretString;

use crate::domain::brand::Brand;
use crate::service::Service;

/// What handlers can reach.
#[derive(Clone)]
pub struct Api {
    /// The verbs.
    pub service: Arc<Service>,
    /// Request rates per directory.
    pub rates: Arc<DirectoryRates>,
    /// Request rates of callers and of addresses.
    pub public_rates: Arc<PublicRates>,
    /// How much is done at once.
    pub admission: Arc<Admission>,
    /// What bounds a request.
    pub settings: Arc<ApiSettings>,
    /// The account API.
    pub graphql: Arc<graphql::Graphql>,
}

/// What bounds a request, and how the server is seen from outside.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The origin that clients use, without a trailing slash; locations are made of it, never of the Host header.
    pub public_url: String,
    /// The base of all SCIM locations.
    pub scim_base: String,
    /// Peers that may say whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body.
    pub body_bytes: usize,
    /// The most operations of one bulk request.
    pub bulk_operations: usize,
    /// The longest URI, in bytes.
    pub uri_bytes: usize,
    /// All headers together, in bytes.
    pub header_bytes: usize,
    /// How long a client may take to send a body.
    pub body_time: Duration,
    /// How long a request may take in all (C15).
    pub request_time: Duration,
    /// A request that takes longer is logged as slow.
    pub slow: Duration,
    /// Web pages of these origins may call SCIM from a browser.
    pub browser_origins: Vec<HeaderValue>,
    /// Where people read about the server.
    pub documentation_url: Option<String>,
    /// The operator's product, as pages show it.
    pub brand: Brand,
}

impl ApiSettings {
    /// Whether clients reach the server over https.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// The routes for operators, on a listener of its own. `token`: what clients on other machines send for metrics.
pub fn management(api: Api, token: Option<SecretString>) -> Router {
    management::routes(token).merge(health::routes()).layer(from_fn(bodies::announce_close)).with_state(api)
}

/// A wait in whole seconds, rounded up: a client that comes back then is not too early (C14). At least 1.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The router with everything around it.
pub fn router(api: Api) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(graphql::routes(&api))
        .merge(keys::routes())
        .merge(oauth::routes())
        .merge(pages::routes())
        .nest("/scim", scim::routes(&api))
        .fallback(scim::unknown_path)
        .layer(from_fn_with_state(api.clone(), limits::within_limits))
        .layer(CatchPanicLayer::custom(scim::panicked))
        .layer(from_fn_with_state(api.clone(), errors::render_failures))
        .layer(from_fn_with_state(api.clone(), requests::log_request))
        .layer(from_fn(bodies::announce_close))
        .with_state(api)
}
