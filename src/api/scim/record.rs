//! Each request that is to change something is recorded with what came of it (C142).

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::{LOCATION, USER_AGENT};
use axum::middleware::Next;
use axum::response::Response;

use super::failure::Failure;
use crate::api::Api;
use crate::domain::provisioning::{Answered, Asks};
use crate::domain::{Caller, id};
use crate::service::Outcome;

/// The record of a request; begun by the extractor, which knows who asks: a body that cannot be read reaches no handler.
#[derive(Clone)]
pub(super) struct Record {
    asks: Asks,
    caller: Arc<OnceLock<Caller>>,
}

impl Record {
    /// The caller, of whose request the record is made.
    pub(super) fn begin(&self, api: &Api, caller: Caller) -> Caller {
        let caller = api.service.begin_provisioning(caller, self.asks.clone());
        // Once a request.
        drop(self.caller.set(caller.clone()));
        caller
    }
}

pub(super) async fn record(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&method);
    if !writes || path.ends_with("/.search") {
        return next.run(request).await;
    }
    let is_bulk = path.ends_with("/Bulk");
    let client = request.headers().get(USER_AGENT).and_then(|client| client.to_str().ok()).map(str::to_owned);
    let asks = Asks {
        method: method.to_string(),
        path: path.clone(),
        resource_type: resource_type(&path),
        client,
        started: Instant::now(),
    };
    let record = Record { asks, caller: Arc::default() };
    request.extensions_mut().insert(record.clone());
    let response = next.run(request).await;
    let failure = response.extensions().get::<Failure>();
    // Of a bulk request each operation is recorded; as a whole only that it was refused.
    let is_told = !is_bulk || failure.is_some();
    if let Some(caller) = record.caller.get().filter(|_| is_told) {
        let answered = Answered {
            resource: resource(&path, &response),
            unchanged: response.extensions().get::<Outcome>() == Some(&Outcome::Unchanged),
            status: response.status().as_u16(),
            scim_type: failure.and_then(Failure::scim_type),
            detail: failure.map(|failure| failure.detail().to_owned()),
        };
        api.service.end_provisioning(caller, answered);
    }
    response
}

fn resource_type(path: &str) -> Option<&'static str> {
    match path.trim_start_matches('/').split('/').next() {
        Some("Users") => Some("User"),
        Some("Groups") => Some("Group"),
        _ => None,
    }
}

/// What the request was about: named in its path, or, if it is new, in `Location`.
fn resource(path: &str, response: &Response) -> Option<uuid::Uuid> {
    let place = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let named = path.trim_start_matches('/').split('/').nth(1);
    named.or(place.and_then(|place| place.rsplit('/').next())).and_then(id::parse)
}
