//! `POST /graphql`: media types, one operation a request, the bounds before the library sees anything (GraphQL over HTTP).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::parser::parse_query;
use async_graphql::{Request as GraphqlRequest, Response as GraphqlResponse, Value};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use tracing::Instrument as _;
use tracing::field::{Empty, debug};

use super::answer::{Media, Refused, dressed, is_refused, refusal};
use super::budget::{Budget, BudgetSettings, Ends, Spent};
use super::failure::Failure;
use super::request::Asked;
use super::scan::{self, Kind, Scanned};
use super::schema::PROVING;
use super::suggestions::Suggestions;
use super::{Graphql, GraphqlSettings, Introspection, variables};
use crate::api::bodies::is_declared_larger;
use crate::api::origin::{bearer, origin};
use crate::api::requests::RequestId;
use crate::api::{Api, admission};
use crate::domain::actor::Nobody;
use crate::domain::login::Origin;
use crate::domain::{Caller, Error};
use crate::telemetry::TRACE;

const GRAPHQL_JSON: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// A request as clients send it.
#[derive(Deserialize)]
struct Sent {
    query: Option<String>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<Map<String, Json>>,
    #[expect(dead_code, reason = "read so that its type is checked")]
    extensions: Option<Map<String, Json>>,
    #[serde(rename = "documentId")]
    document_id: Option<String>,
}

/// `GET /graphql/schema.graphql`: the schema as text, for those who may ask for it by introspection (GQ-09).
pub(super) async fn schema(State(api): State<Api>, request: Request) -> Response {
    let id = request_id(&request);
    let (token, origin) = (credential(request.headers()), origin(&api, &request, &id));
    match check_schema_reader(&api, token, origin).await {
        Ok(()) => {
            let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
            (headers, super::sdl()).into_response()
        }
        Err(refused) => refusal(refused, Media::Json, &id),
    }
}

async fn check_schema_reader(
    api: &Api,
    token: Result<Option<SecretString>, Refused>,
    origin: Origin,
) -> Result<(), Refused> {
    let mode = api.graphql.settings.introspection;
    let status = match mode {
        Introspection::Public => return Ok(()),
        Introspection::Authenticated => StatusCode::UNAUTHORIZED,
        Introspection::Off => StatusCode::NOT_FOUND,
    };
    let caller = sign_in(api, token?.as_ref(), origin).await?;
    check_rate(api, &caller)?;
    if may_introspect(mode, &caller) { Ok(()) } else { Err(Refused(status, schema_refused(mode))) }
}

fn request_id(request: &Request) -> String {
    request.extensions().get::<RequestId>().map(|RequestId(id)| id.to_string()).unwrap_or_default()
}

/// The one credential that was sent, if any.
fn credential(headers: &HeaderMap) -> Result<Option<SecretString>, Refused> {
    bearer(headers).map_err(|()| {
        let failure = Failure::new("UNAUTHENTICATED", "send one credential, as 'Authorization: Bearer …'");
        Refused(StatusCode::UNAUTHORIZED, failure)
    })
}

/// The caller behind a credential; nobody without one, or with one that is no longer good.
async fn sign_in(api: &Api, token: Option<&SecretString>, origin: Origin) -> Result<Caller, Refused> {
    let Some(token) = token else { return Ok(Caller::nobody(Nobody::Unknown, origin)) };
    // Tokens that look like ours are free to make: before one is looked up, its network must have requests left.
    let secret = token.expose_secret();
    api.public_rates.check_stranger(&origin.network(), secret).map_err(too_many)?;
    let found = api.service.sign_in_with_token(secret, origin).await;
    let caller = found.map_err(|error| Refused(StatusCode::SERVICE_UNAVAILABLE, error.into()))?;
    if caller.as_member().is_some() {
        api.public_rates.note_good(secret);
    }
    Ok(caller)
}

/// Counts a request of its caller, or of the network it came from.
fn check_rate(api: &Api, caller: &Caller) -> Result<(), Refused> {
    let key = caller.as_person().map_or_else(|| caller.origin().network(), |person| person.account.id.to_string());
    api.public_rates.check_request(&key).map_err(too_many)
}

fn too_many(error: Error) -> Refused {
    Refused(StatusCode::TOO_MANY_REQUESTS, error.into())
}

/// The endpoint.
pub(super) async fn serve(State(api): State<Api>, request: Request) -> Response {
    let id = request_id(&request);
    let media = match acceptable(request.headers()) {
        Ok(media) => media,
        Err(refused) => return refusal(refused, Media::Json, &id),
    };
    let origin = origin(&api, &request, &id);
    match prepare(&api, request, origin).await {
        Ok((caller, token, sent)) => answer(&api, media, &id, caller, token, sent).await,
        Err(refused) => refusal(refused, media, &id),
    }
}

async fn prepare(api: &Api, request: Request, origin: Origin) -> Result<(Caller, Option<SecretString>, Sent), Refused> {
    let wrong = |status, message: &str| Refused(status, Failure::new("BAD_USER_INPUT", message));
    if request.method() != Method::POST {
        let people = if api.graphql.has_graphiql() { "; people use /graphiql" } else { "" };
        return Err(wrong(StatusCode::METHOD_NOT_ALLOWED, &format!("send operations by POST{people}")));
    }
    check_content(request.headers())?;
    let token = credential(request.headers())?;
    let caller = sign_in(api, token.as_ref(), origin).await?;
    check_rate(api, &caller)?;
    let body = read_body(api, request).await?;
    let sent: Json =
        serde_json::from_slice(&body).map_err(|_| wrong(StatusCode::BAD_REQUEST, "the body is not JSON"))?;
    if !sent.is_object() {
        return Err(wrong(StatusCode::BAD_REQUEST, "the body is one object: {\"query\": …}"));
    }
    let message = "query, operationName and documentId are texts, variables and extensions are objects";
    let sent: Sent = serde_json::from_value(sent).map_err(|_| wrong(StatusCode::BAD_REQUEST, message))?;
    if sent.query.is_some() == sent.document_id.is_some() {
        return Err(wrong(StatusCode::BAD_REQUEST, "send either query or documentId"));
    }
    Ok((caller, token, sent))
}

/// JSON in UTF-8 and nothing else: simple types let other sites' pages send requests (GQ-04).
fn check_content(headers: &HeaderMap) -> Result<(), Refused> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = sent.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(JSON));
    let is_utf8 = parts.all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        name.trim().eq_ignore_ascii_case("charset") && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if is_json && is_utf8 && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let failure = Failure::new("BAD_USER_INPUT", "send application/json in UTF-8, not compressed");
    Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, failure))
}

/// The first of our types that the client takes.
fn acceptable(headers: &HeaderMap) -> Result<Media, Refused> {
    let values: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accepted = values.join(",");
    if accepted.trim().is_empty() {
        return Ok(Media::Json);
    }
    let mut best: Option<(f32, Media)> = None;
    for range in accepted.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0_f32);
        let media = match kind.as_str() {
            GRAPHQL_JSON => Media::Graphql,
            JSON | "*/*" | "application/*" => Media::Json,
            _ => continue,
        };
        if weight > 0.0 && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, media));
        }
    }
    best.map(|(_, media)| media).ok_or_else(|| {
        let message = format!("answers are {GRAPHQL_JSON} or {JSON}");
        Refused(StatusCode::NOT_ACCEPTABLE, Failure::new("BAD_USER_INPUT", message))
    })
}

async fn read_body(api: &Api, request: Request) -> Result<Bytes, Refused> {
    let limit = api.graphql.settings.body_bytes;
    let too_large = || {
        let failure = Failure::new("DOCUMENT_TOO_LARGE", format!("the body is larger than {limit} bytes"));
        Refused(StatusCode::PAYLOAD_TOO_LARGE, failure.with("limit", limit))
    };
    if is_declared_larger(request.body(), limit) {
        return Err(too_large());
    }
    let read = Limited::new(request.into_body(), limit).collect();
    match tokio::time::timeout(api.settings.body_time, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            Err(Refused(StatusCode::BAD_REQUEST, Failure::new("BAD_USER_INPUT", "the body could not be read")))
        }
        Err(_) => Err(Refused(StatusCode::REQUEST_TIMEOUT, Failure::new("BAD_USER_INPUT", "the body took too long"))),
    }
}

/// Runs one operation.
async fn answer(
    api: &Api,
    media: Media,
    id: &str,
    caller: Caller,
    token: Option<SecretString>,
    sent: Sent,
) -> Response {
    let ready = match ready(api, &caller, sent) {
        Ok(ready) => {
            let whom = caller.organization().map_or_else(|| caller.origin().network(), |id| id.to_string());
            let place = api.admission.enter(ready.kind, &whom).await.map_err(Failure::from);
            place.map(|place| (ready, place))
        }
        Err(failure) => Err(failure),
    };
    match ready {
        Ok((Ready { request, kind, fields }, _place)) => {
            let budget = budget(&api.graphql.settings, kind);
            let asked = Asked::new(api.service.clone(), budget, caller, token, api.settings.public_url.clone());
            run(&api.graphql, media, id, request, &fields, Arc::new(asked)).await
        }
        Err(failure) => {
            let status =
                if failure.retry_after.is_some() { StatusCode::TOO_MANY_REQUESTS } else { media.status_of_refusal() };
            refusal(Refused(status, failure), media, id)
        }
    }
}

/// An operation that can be run.
struct Ready {
    request: GraphqlRequest,
    kind: admission::Kind,
    /// Its root fields.
    fields: Vec<String>,
}

/// Everything that can be refused without running anything.
fn ready(api: &Api, caller: &Caller, sent: Sent) -> Result<Ready, Failure> {
    let graphql = &api.graphql;
    let text = graphql.documents.choose(sent.document_id.as_deref(), sent.query)?;
    let scanned = scan::scan(&text, &graphql.settings)?;
    check_introspection(graphql.settings.introspection, caller, &scanned)?;
    let (kind, fields) = check_operation(api, caller, scanned, sent.operation_name.as_deref())?;
    let mut document = parse_query(&text).map_err(|error| {
        let position = error.positions().next();
        let place = position.map_or(String::new(), |at| format!(": see line {}, column {}", at.line, at.column));
        Failure::new("GRAPHQL_PARSE_FAILED", format!("the document is not GraphQL{place}"))
    })?;
    let sent_variables = variables::read(Json::Object(sent.variables.unwrap_or_default()));
    let name = sent.operation_name.as_deref();
    let chosen =
        document.operations.iter().find(|(known, _)| name.is_none() || known.map(async_graphql::Name::as_str) == name);
    if let Some(missing) = chosen.and_then(|(_, chosen)| variables::find_missing(&chosen.node, &sent_variables)) {
        let (name, kind) = (&missing.name.node, &missing.var_type.node);
        let text = format!("the variable ${name} is missing: give a value of the type {kind}");
        return Err(Failure::new("BAD_USER_INPUT", text)
            .with("field", format!("${name}"))
            .with("type", kind.to_string()));
    }
    variables::take_out_absent(&mut document, &sent_variables);
    let mut request = GraphqlRequest::new(text).variables(sent_variables);
    request.set_parsed_query(document);
    if let Some(name) = sent.operation_name {
        request = request.operation_name(name);
    }
    Ok(Ready { request, kind, fields })
}

fn check_introspection(mode: Introspection, caller: &Caller, scanned: &Scanned) -> Result<(), Failure> {
    if !scanned.introspects || may_introspect(mode, caller) { Ok(()) } else { Err(schema_refused(mode)) }
}

/// Whether the caller may know what the schema is.
fn may_introspect(mode: Introspection, caller: &Caller) -> bool {
    match mode {
        Introspection::Public => true,
        Introspection::Authenticated => caller.as_person().is_some(),
        Introspection::Off => false,
    }
}

fn schema_refused(mode: Introspection) -> Failure {
    let message = match mode {
        Introspection::Authenticated => "sign in to ask for the schema",
        Introspection::Public | Introspection::Off => "the schema is not told here",
    };
    Failure::new("GRAPHQL_VALIDATION_FAILED", message)
}

/// Of the operation that will run: mutations that prove something are one a request, and counted (GQ-01). What kind it is.
fn check_operation(
    api: &Api,
    caller: &Caller,
    scanned: Scanned,
    name: Option<&str>,
) -> Result<(admission::Kind, Vec<String>), Failure> {
    let mut operations = scanned.operations.into_iter();
    let Some(operation) = operations.find(|operation| name.is_none() || operation.name.as_deref() == name) else {
        return Ok((admission::Kind::Read, Vec::new()));
    };
    if operation.kind == Kind::Subscription {
        return Err(Failure::new("GRAPHQL_VALIDATION_FAILED", "there are no subscriptions"));
    }
    let proving = operation.root_fields.iter().filter(|field| PROVING.contains(&field.as_str())).count();
    if operation.kind == Kind::Mutation && proving > 1 {
        let message = format!("the document has {proving} mutations that check a secret, 1 is allowed");
        return Err(Failure::new("COMPLEXITY_EXCEEDED", message).with("number", proving).with("limit", 1));
    }
    if operation.kind == Kind::Mutation && proving == 1 {
        api.public_rates.check_attempt(&caller.origin().network())?;
    }
    let kind = match operation.kind {
        Kind::Mutation if proving > 0 => admission::Kind::Login,
        Kind::Mutation => admission::Kind::Write,
        _ => admission::Kind::Read,
    };
    Ok((kind, operation.root_fields))
}

/// The budget of an operation: a query is stopped, a mutation finishes within the time of all requests.
fn budget(settings: &GraphqlSettings, kind: admission::Kind) -> Budget {
    if kind == admission::Kind::Read {
        return Budget::new(settings.read, Ends::Operation);
    }
    Budget::new(BudgetSettings { time: settings.time, ..settings.read }, Ends::Answer)
}

/// Counts an operation under each of its root fields, which are the schema's own: one that is not valid is not counted.
fn count(fields: &[String], response: &GraphqlResponse, took: Duration) {
    if is_refused(response) {
        return;
    }
    let outcome = if response.errors.is_empty() { "ok" } else { "errors" };
    for field in fields.iter().collect::<BTreeSet<_>>() {
        metrics::histogram!("rollcall_graphql_operation_seconds", "field" => field.clone()).record(took.as_secs_f64());
        metrics::counter!("rollcall_graphql_operations_total", "field" => field.clone(), "outcome" => outcome)
            .increment(1);
    }
}

/// Runs an operation until it has spent its budget. Whatever of it still runs then is dropped.
///
/// # Errors
///
/// `COMPLEXITY_EXCEEDED` with the part of the budget that was spent.
async fn within_budget(
    budget: &Budget,
    executed: impl Future<Output = GraphqlResponse>,
) -> Result<GraphqlResponse, Failure> {
    let done = tokio::select! {
        biased;
        spent = budget.stopped() => Err(spent),
        done = tokio::time::timeout(budget.time(), executed) => done.map_err(|_| Spent::Time),
    };
    let spent = match done {
        // An operation that ended with failed loads was stopped, too.
        Ok(response) => match budget.stopped_by() {
            Some(spent) => spent,
            None => return Ok(response),
        },
        Err(spent) => spent,
    };
    tracing::warn!(spent = ?spent, "graphql operation stopped");
    Err(budget.failure(spent))
}

async fn run(
    graphql: &Graphql,
    media: Media,
    id: &str,
    request: GraphqlRequest,
    fields: &[String],
    asked: Arc<Asked>,
) -> Response {
    let started = Instant::now();
    let trace = tracing::info_span!(target: TRACE, "graphql.operation", graphql.root_fields = Empty);
    let executed = graphql.schema.execute(request.data(asked.clone())).instrument(trace.clone());
    let mut response = match within_budget(asked.budget(), executed).await {
        Ok(response) => response,
        Err(failure) => return refusal(Refused(media.status_of_refusal(), failure), media, id),
    };
    count(fields, &response, started.elapsed());
    if !is_refused(&response) {
        trace.record("graphql.root_fields", debug(fields));
    }
    if let Some(svg) = asked.take_qr_code() {
        let url = format!("data:image/svg+xml;base64,{}", data_encoding::BASE64.encode(svg.as_bytes()));
        response.extensions.insert("qrCode".to_owned(), Value::String(url));
    }
    let mode = graphql.settings.introspection;
    let may_know = may_introspect(mode, asked.asker());
    dressed(response, media, id, if may_know { Suggestions::Given } else { Suggestions::Withheld })
}
