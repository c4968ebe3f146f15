//! Answers: one resource, a list, nothing.

use ::scim::{Projection, Reading, ResourceType, Version, message};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::failure::{Failure, SCIM_JSON};
use super::request::Client;
use crate::api::requests::Learned;
use crate::service::{Listed, Outcome, Shown};

/// Any JSON, as SCIM.
pub(super) fn scim_json(status: StatusCode, body: &Value) -> Response {
    scim_text(status, body.to_string())
}

/// One resource with its version and, where it is new, its place.
pub(super) struct Answer<'a> {
    pub(super) kind: &'a ResourceType,
    pub(super) projection: &'a Projection,
    pub(super) version: Version,
}

impl Answer<'_> {
    /// 200.
    pub(super) fn found(&self, resource: Map<String, Value>) -> Response {
        self.resource(StatusCode::OK, resource)
    }

    /// 200, or 304 when the client has this version already (C125).
    pub(super) fn found_unless_known(
        &self,
        client: &Client,
        resource: impl FnOnce() -> Map<String, Value>,
    ) -> Response {
        let known = client.conditions.if_none_match.as_ref();
        if known.is_some_and(|tags| tags.match_version(&self.version)) {
            return self.empty(StatusCode::NOT_MODIFIED);
        }
        self.found(resource())
    }

    /// 201 with `Location` (C25).
    pub(super) fn created(&self, resource: Map<String, Value>) -> Response {
        let location = resource.get("meta").and_then(|meta| meta["location"].as_str()).unwrap_or_default().to_owned();
        let mut response = self.resource(StatusCode::CREATED, resource);
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    /// 204, or 304: the version alone.
    pub(super) fn empty(&self, status: StatusCode) -> Response {
        self.with_version(status.into_response())
    }

    fn resource(&self, status: StatusCode, mut resource: Map<String, Value>) -> Response {
        self.projection.apply(self.kind, &mut resource);
        self.with_version(scim_json(status, &Value::Object(resource)))
    }

    fn with_version(&self, response: Response) -> Response {
        with_version(response, &self.version)
    }
}

fn with_version(mut response: Response, version: &Version) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&version.to_string()) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn scim_text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, SCIM_JSON)], body).into_response()
}

/// A resource as it is answered to whoever does not say which attributes.
pub(super) fn shown(kind: &ResourceType, mut resource: Map<String, Value>, version: Version) -> Shown {
    Projection::default().apply(kind, &mut resource);
    Shown { version, text: Value::Object(resource).to_string() }
}

/// 200 with a user or a group as it is answered, or 304 when the client has this version already (C125).
pub(super) fn shown_unless_known(client: &Client, shown: Shown) -> Response {
    let known = client.conditions.if_none_match.as_ref();
    if known.is_some_and(|tags| tags.match_version(&shown.version)) {
        return with_version(StatusCode::NOT_MODIFIED.into_response(), &shown.version);
    }
    with_version(scim_text(StatusCode::OK, shown.text), &shown.version)
}

/// A page of users as they are answered.
pub(super) fn list_of_shown(found: &Listed<Shown>) -> Response {
    let texts: Vec<&str> = found.views.iter().map(|shown| shown.text.as_str()).collect();
    scim_text(StatusCode::OK, message::list_of_texts(found.total, &found.place, &texts))
}

/// A page of resources.
pub(super) fn list(
    kind: &ResourceType,
    projection: &Projection,
    (total, place): (u64, &message::Place),
    resources: impl Iterator<Item = Map<String, Value>>,
) -> Response {
    let resources: Vec<Value> = resources
        .map(|mut resource| {
            projection.apply(kind, &mut resource);
            Value::Object(resource)
        })
        .collect();
    scim_json(StatusCode::OK, &message::list(total, place, &resources))
}

/// Notes whether anything had to change.
pub(super) fn saved(mut response: Response, outcome: Outcome) -> Response {
    response.extensions_mut().insert(outcome);
    response
}

/// Gives the log what was learned about the request, whether it succeeded or not (C2).
pub(super) fn learned(client: &Client, outcome: Result<Response, Failure>) -> Response {
    let mut response = outcome.into_response();
    response.extensions_mut().insert(learned_of(client));
    response
}

fn learned_of(Client { caller, reading, .. }: &Client) -> Learned {
    caller.note_reading(reading);
    let used = Reading::used(reading).clone();
    Learned { directory: caller.directory_id(), tolerances: used }
}
