//! Each request that is to change something is recorded with what came of it (C142).

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{LOCATION, USER_AGENT};
use axum::http::{Method, StatusCode};
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

    /// The record of a request for this, to be begun once it is known who asks.
    pub(super) fn of(method: &Method, path: &str, client: Option<&str>) -> Self {
        let asks = Asks {
            method: method.to_string(),
            path: told(path),
            resource_type: resource_type(path),
            client: client.map(str::to_owned),
            started: Instant::now(),
        };
        Self { asks, caller: Arc::default() }
    }

    /// Whether a refusal is noted: of those for too much, now and then one.
    fn is_noted(&self, api: &Api, failure: &Failure, writes: bool) -> bool {
        let directory = || self.caller.get().and_then(Caller::as_directory);
        !failure.is_flood() || directory().is_none_or(|directory| api.rates.is_recorded(directory.id, writes))
    }

    /// What it came to; nothing is noted before it was begun.
    fn end(&self, api: &Api, answered: Answered) {
        if let Some(caller) = self.caller.get() {
            api.service.end_provisioning(caller, answered);
        }
    }
}

/// A request that is carried out. Given up on, it is recorded as that.
struct Running {
    api: Api,
    record: Record,
    is_answered: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let (status, detail) = if std::thread::panicking() {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "given up on: it took too long, or the client went away")
        };
        self.record.end(
            &self.api,
            Answered {
                resource: None,
                unchanged: false,
                status: status.as_u16(),
                scim_type: None,
                detail: Some(detail.to_owned()),
            },
        );
    }
}

/// What a failure says, for the record.
pub(super) fn refused(failure: &Failure) -> Answered {
    Answered {
        resource: None,
        unchanged: false,
        status: failure.code(),
        scim_type: failure.scim_type(),
        detail: Some(failure.detail().to_owned()),
    }
}

pub(super) async fn record(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let reads = [Method::GET, Method::HEAD].contains(&method) || path.ends_with("/.search");
    // Of a bulk request each operation is recorded; as a whole only that it was refused.
    let is_told = !reads && !path.ends_with("/Bulk");
    let client = request.headers().get(USER_AGENT).and_then(|client| client.to_str().ok());
    let record = Record::of(&method, &path, client);
    request.extensions_mut().insert(record.clone());
    let mut running = Running { api, record, is_answered: false };
    let response = next.run(request).await;
    running.is_answered = true;
    match response.extensions().get::<Failure>() {
        Some(failure) if !running.record.is_noted(&running.api, failure, !reads) => {}
        Some(failure) => {
            running.record.end(&running.api, Answered { resource: resource(&path, &response), ..refused(failure) });
        }
        None if is_told => running.record.end(
            &running.api,
            Answered {
                resource: resource(&path, &response),
                unchanged: response.extensions().get::<Outcome>() == Some(&Outcome::Unchanged),
                status: response.status().as_u16(),
                scim_type: None,
                detail: None,
            },
        ),
        None => {}
    }
    response
}

/// A path without what a client may have put in the place of an id.
fn told(path: &str) -> String {
    let mut segments = path.trim_start_matches('/').split('/');
    let (kind, id) = (segments.next().unwrap_or_default(), segments.next());
    match id {
        None => format!("/{kind}"),
        Some(".search") => format!("/{kind}/.search"),
        Some(id) if id::parse(id).is_some() => format!("/{kind}/{id}"),
        Some(_) => format!("/{kind}/…"),
    }
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
