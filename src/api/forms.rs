//! What browsers and OAuth clients send: `application/x-www-form-urlencoded` bodies and queries.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::Request;
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::percent_decode_str;

use super::Api;
use super::admission::{Admitted, Kind};
use super::origin::origin;
use super::requests::RequestId;
use crate::domain::Error;
use crate::domain::login::Origin;

/// A form has a secret, a password and a few names.
pub(super) const FORM_BYTES: usize = 16 * 1024;

/// Fields by name; of several with one name the last.
pub(super) type Fields = HashMap<String, String>;

/// One name or value as it was meant.
pub(super) fn decode_field(part: &str) -> String {
    percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn decode(text: &str) -> Fields {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode_field(name), decode_field(value))).collect()
}

/// A field; empty, if it was not sent.
pub(super) fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.get(name).map(String::as_str).unwrap_or_default()
}

/// The fields of a query.
pub(super) fn query(request: &Request) -> Fields {
    decode(request.uri().query().unwrap_or_default())
}

/// Where a request comes from.
pub(super) fn origin_of(api: &Api, request: &Request) -> Origin {
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.to_string()).unwrap_or_default();
    origin(api, request, &id)
}

/// Counts a page that is opened as a request of its network, and waits for its turn.
///
/// # Errors
///
/// [`Error::RateLimited`]; [`Error::Overloaded`].
pub(super) async fn opened(api: &Api, origin: &Origin) -> Result<Admitted, Error> {
    let network = origin.network();
    api.public_rates.check_request(&network)?;
    api.admission.enter(Kind::Login, &network).await
}

/// What was sent as a form, counted as an attempt of its address.
///
/// # Errors
///
/// [`Error::RateLimited`].
pub(super) async fn form(api: &Api, request: Request) -> Result<(Fields, Origin), Error> {
    let origin = origin_of(api, &request);
    api.public_rates.check_attempt(&origin.network())?;
    let body = Limited::new(request.into_body(), FORM_BYTES).collect();
    // A form that is too long, or comes too slowly, says nothing.
    let body = tokio::time::timeout(api.settings.body_time, body).await;
    let body: Bytes = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok((decode(&String::from_utf8_lossy(&body)), origin))
}
