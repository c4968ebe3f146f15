//! Each request that is to change something is noted with what came of it (capability of every directory's owner).

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::LOCATION;
use axum::middleware::Next;
use axum::response::Response;

use super::failure::Failure;
use crate::api::Api;
use crate::api::requests::Learned;
use crate::domain::{Caller, id};
use crate::service::{Outcome, ProvisioningNote};

/// Who turned out to ask; told by the extractor, since a body that cannot be read reaches no handler.
#[derive(Clone, Default)]
pub(super) struct Asks(Arc<OnceLock<Caller>>);

impl Asks {
    pub(super) fn are(&self, caller: &Caller) {
        // Asked once a request.
        drop(self.0.set(caller.clone()));
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
    let asks = Asks::default();
    request.extensions_mut().insert(asks.clone());
    let started = Instant::now();
    let response = next.run(request).await;
    let failure = response.extensions().get::<Failure>();
    // Of a bulk request each operation is noted; as a whole only that it was refused.
    let is_told = !is_bulk || failure.is_some();
    if let Some(caller) = asks.0.get().filter(|_| is_told) {
        let learned = response.extensions().get::<Learned>();
        let tolerances = learned.iter().flat_map(|learned| &learned.tolerances);
        let (resource_type, resource) = resource(&path, &response);
        let note = ProvisioningNote {
            method: method.to_string(),
            resource_type,
            resource,
            unchanged: response.extensions().get::<Outcome>() == Some(&Outcome::Unchanged),
            status: response.status().as_u16(),
            scim_type: failure.and_then(Failure::scim_type),
            detail: failure.map(|failure| failure.detail().to_owned()),
            tolerances: tolerances.map(|tolerance| tolerance.as_str().to_owned()).collect(),
            took: started.elapsed(),
            path,
        };
        api.service.note_provisioning(caller, note);
    }
    response
}

/// What the request was about: named in its path, or, if it is new, in `Location`.
fn resource(path: &str, response: &Response) -> (Option<&'static str>, Option<uuid::Uuid>) {
    let mut segments = path.trim_start_matches('/').split('/');
    let kind = match segments.next() {
        Some("Users") => Some("User"),
        Some("Groups") => Some("Group"),
        _ => None,
    };
    let place = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let named = segments.next().or(place.and_then(|place| place.rsplit('/').next()));
    (kind, named.and_then(id::parse))
}
