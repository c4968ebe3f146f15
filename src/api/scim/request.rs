//! Reading requests: credentials, media types, bodies, query parameters, conditions.

use ::scim::version::Tags;
use ::scim::{ListRequest, Reading, ScimType, Tolerance, json};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::Respelled;
use super::failure::Failure;
use super::record::Record;
use crate::api::Api;
use crate::api::admission::{Admitted, Kind};
use crate::api::bodies::is_declared_larger;
use crate::api::origin::origin_of_parts;
use crate::api::requests::RequestId;
use crate::domain::{Caller, Error, Noun};
use crate::service::Conditions;

/// A request of a directory whose token was verified, before its body is read.
pub(super) struct Client {
    pub(super) caller: Caller,
    pub(super) reading: Reading,
    pub(super) parameters: ListRequest,
    pub(super) conditions: Conditions,
    /// While it is carried out.
    place: Option<Admitted>,
}

impl FromRequestParts<Api> for Client {
    type Rejection = Failure;

    /// The token comes first: without it nothing is told, not even whether the request is well formed (C8).
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let mut client = Self::known(parts, api).await?;
        client.enter(parts, api).await?;
        Ok(client)
    }
}

impl Client {
    /// Who asks, and what is in the headers.
    async fn known(parts: &Parts, api: &Api) -> Result<Self, Failure> {
        let mut caller = sign_in(parts, api).await?;
        let directory = caller.as_directory().ok_or(Error::Unauthenticated)?.id;
        if let Some(record) = parts.extensions.get::<Record>() {
            caller = record.begin(api, caller);
        }
        if parts.extensions.get::<Counted>().is_none() {
            api.rates.check(directory)?;
        }
        let mut reading = Reading::new(caller.as_directory().map(|directory| directory.dialect).unwrap_or_default());
        if parts.extensions.get::<Respelled>().is_some() && !reading.tolerates(Tolerance::TypeNameCase) {
            return Err(Error::NotFound(Noun::Endpoint).into());
        }
        check_acceptable(&parts.headers, &reading)?;
        let parameters = ListRequest::from_query(pairs(parts.uri.query().unwrap_or_default())?)?;
        let conditions = Conditions {
            if_match: tags(&parts.headers, &IF_MATCH)?,
            if_none_match: tags(&parts.headers, &IF_NONE_MATCH)?,
        };
        Ok(Self { caller, reading, parameters, conditions, place: None })
    }

    /// Waits for a place among the requests that are carried out; an operation of a bulk request is in its request's.
    async fn enter(&mut self, parts: &Parts, api: &Api) -> Result<(), Failure> {
        if parts.extensions.get::<Counted>().is_some() {
            return Ok(());
        }
        let path = parts.uri.path();
        let kind = match parts.method {
            Method::GET | Method::HEAD => Kind::Read,
            Method::POST if path.ends_with("/.search") => Kind::Read,
            Method::POST if path.ends_with("/Bulk") => Kind::Bulk,
            _ => Kind::Write,
        };
        let whom = self.caller.organization().map(|id| id.to_string()).unwrap_or_default();
        self.place = Some(api.admission.enter(kind, &whom).await?);
        Ok(())
    }

    /// Says as what the body was read, for the record.
    pub(super) fn is_read_as(&self, operations: impl ExactSizeIterator<Item = String>) {
        if let Some(request) = self.caller.provisioning() {
            request.is_read_as(operations);
        }
        self.caller.note_reading(&self.reading);
    }

    /// Says with which status a change is answered, for the record.
    pub(super) fn will_be_answered(&self, status: StatusCode) {
        if let Some(request) = self.caller.provisioning() {
            request.will_answer(status.as_u16());
        }
    }
}

/// What a body sets, by name.
pub(super) fn sets(body: &Map<String, Value>) -> impl ExactSizeIterator<Item = String> {
    let names = body.keys().filter(|name| *name != "schemas").map(|name| name.split('[').next().unwrap_or_default());
    let names: Vec<&str> = names.collect();
    std::iter::once(format!("set {}", names.join(", ")))
}

/// Marks an operation of a request that was counted already.
#[derive(Clone, Copy)]
pub(super) struct Counted;

/// A [`Client`] with the JSON object it sent.
pub(super) struct ClientWithBody {
    pub(super) client: Client,
    pub(super) body: Map<String, Value>,
}

impl FromRequest<Api> for ClientWithBody {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut client = Client::known(&parts, api).await?;
        check_media_type(&parts.headers, &mut client.reading)?;
        let bytes = read_body(body, api).await?;
        // Not before the body is there: a slow client is in nobody's way.
        client.enter(&parts, api).await?;
        if let Some(request) = client.caller.provisioning() {
            request.has_body_of(bytes.len());
        }
        let body = api.service.work_on_body(&client.caller, || json::parse_object(&bytes)).await?;
        Ok(Self { client, body })
    }
}

pub(super) async fn sign_in(parts: &Parts, api: &Api) -> Result<Caller, Failure> {
    let request = parts.extensions.get::<RequestId>().map(|RequestId(id)| id.to_string()).unwrap_or_default();
    let token = bearer(&parts.headers).ok_or(Error::Unauthenticated)?;
    let network = origin_of_parts(api, &parts.headers, &parts.extensions, &request).network();
    // Tokens that look like ours are free to make: before one is looked up, its network must have requests left.
    api.public_rates.check_stranger(&network, token)?;
    let found = api.service.sign_in_directory(token, request).await;
    match &found {
        Ok(_) => api.public_rates.note_good(token),
        Err(Error::Unauthenticated) => api.public_rates.check_request(&network)?,
        Err(_) => {}
    }
    Ok(found?)
}

/// The token of the one `Authorization` header; two are none (SC-04).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Every answer is SCIM JSON; the strict dialect says so when the client wants something else (C4).
fn check_acceptable(headers: &HeaderMap, reading: &Reading) -> Result<(), Failure> {
    if reading.dialect().is_lenient() {
        return Ok(());
    }
    let ranges: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let acceptable = |range: &&str| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        ["application/scim+json", "application/json", "application/*", "*/*"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(media_type))
    };
    if ranges.is_empty() || ranges.iter().any(acceptable) {
        return Ok(());
    }
    Err(Failure::status(StatusCode::NOT_ACCEPTABLE, "answers are application/scim+json"))
}

fn check_media_type(headers: &HeaderMap, reading: &mut Reading) -> Result<(), Failure> {
    let unsupported = |detail: &str| Err(Failure::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if headers.contains_key(CONTENT_ENCODING) {
        return unsupported("send the body without Content-Encoding");
    }
    if !headers.contains_key(CONTENT_TYPE) && reading.tolerates(Tolerance::MissingContentType) {
        return Ok(());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let known =
        media_type.eq_ignore_ascii_case("application/scim+json") || media_type.eq_ignore_ascii_case("application/json");
    if !known {
        return unsupported("send the body as application/scim+json or application/json");
    }
    let charset = parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("charset")));
    match charset {
        Some((_, charset)) if !charset.trim_matches('"').eq_ignore_ascii_case("utf-8") => {
            unsupported("send the body in UTF-8")
        }
        _ => Ok(()),
    }
}

async fn read_body(body: Body, api: &Api) -> Result<Vec<u8>, Failure> {
    let settings = &api.settings;
    let too_large = || {
        let detail = format!("the body is larger than {} bytes", settings.body_bytes);
        Failure::status(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if is_declared_larger(&body, settings.body_bytes) {
        return Err(too_large());
    }
    let limited = Limited::new(body, settings.body_bytes).collect();
    match tokio::time::timeout(settings.body_time, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Failure::status(StatusCode::BAD_REQUEST, "the body ended early")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", settings.body_time.as_secs());
            Err(Failure::status(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Failure> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    if values.is_empty() {
        return Ok(None);
    }
    Ok(Some(Tags::parse(&values.join(","))?))
}

fn invalid(detail: &str) -> Failure {
    Failure::from(::scim::Error::new(ScimType::InvalidValue, detail))
}

/// Splits and decodes a query; what does not decode to UTF-8 is refused rather than repaired.
fn pairs(query: &str) -> Result<Vec<(String, String)>, Failure> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| invalid("a query parameter is not UTF-8"))
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// The `id` in a PUT body is ignored where it may be, and must be the path's where it may not (C68).
pub(super) fn check_body_id(body: &Map<String, Value>, id: &str, reading: &mut Reading) -> Result<(), Failure> {
    let differs = json::get_ignore_case(body, "id").is_some_and(|sent| sent != id);
    if differs && !reading.tolerates(Tolerance::IdInBody) {
        return Err(Failure::from(::scim::Error::new(ScimType::Mutability, "id: cannot be changed")));
    }
    Ok(())
}

/// Whether a query has a `filter`, for the paths that refuse it (C20).
pub(super) fn has_filter(query: Option<&str>) -> Result<bool, Failure> {
    Ok(pairs(query.unwrap_or_default())?.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")))
}
