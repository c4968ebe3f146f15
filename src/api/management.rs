//! `/metrics`, in the text format of Prometheus: for clients on this machine, and for those that send the token of
//! `server.management_token_file`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::Api;
use super::origin::bearer;
use super::server::Peer;
use crate::telemetry;

/// The token that opens the listener to other machines, if one is set.
type Token = Arc<Option<SecretString>>;

pub(super) fn routes(token: Option<SecretString>) -> Router<Api> {
    let token: Token = Arc::new(token);
    Router::new().route("/metrics", get(metrics)).route_layer(from_fn_with_state(token, admit))
}

/// Admits clients of this machine where no token is set, and whoever sends the one that is.
async fn admit(State(token): State<Token>, request: Request, next: Next) -> Response {
    let sent = bearer(request.headers()).ok().flatten();
    let is_admitted = match &*token {
        Some(token) => sent.is_some_and(|sent| is_same(&sent, token)),
        None => request.extensions().get::<Peer>().is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback()),
    };
    if is_admitted {
        return next.run(request).await;
    }
    if token.is_some() {
        let text = "send the token of server.management_token_file as 'Authorization: Bearer …'\n";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer realm=\"management\"")], text).into_response();
    }
    let text = "set server.management_token_file to read metrics from another machine\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

fn is_same(sent: &SecretString, token: &SecretString) -> bool {
    sent.expose_secret().as_bytes().ct_eq(token.expose_secret().as_bytes()).into()
}

async fn metrics(State(api): State<Api>) -> Response {
    metrics::counter!("rollcall_store_queries_total").absolute(api.service.store_queries());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::metrics().render()).into_response()
}
