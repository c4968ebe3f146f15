//! `/Bulk` (RFC 7644 §3.7): each operation goes through the same router as if it came alone, so that there is one way to
//! do a thing.

use std::time::Duration;

use ::scim::bulk::{self, Ids, Operation, Outcome, Sound, Step};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use axum::http::{Extensions, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;

use super::failure::{Failure, SCIM_JSON};
use super::record::{Record, refused};
use super::request::{ClientWithBody, Counted, bearer};
use super::response::{learned, scim_json};
use super::{Respelled, spelled};
use crate::api::Api;
use crate::api::requests::{RequestId, Started};
use crate::domain::Caller;

/// How much of a request's time is over when no operation is begun any more, and how much when none is waited for: what is
/// left is for the answer.
const SHARE_TO_BEGIN: f64 = 0.8;
const SHARE_TO_END: f64 = 0.95;

/// `POST /Bulk`
pub(super) async fn bulk(State(api): State<Api>, request: Request) -> Response {
    let extensions = request.extensions().clone();
    let token = bearer(request.headers()).map(|token| format!("Bearer {token}")).unwrap_or_default();
    let ClientWithBody { mut client, body } = match ClientWithBody::from_request(request, &api).await {
        Ok(read) => read,
        Err(failure) => return failure.into_response(),
    };
    let outcome: Result<Response, Failure> = async {
        let read = || bulk::read(&body, api.settings.bulk_operations, &mut client.reading);
        let read = api.service.work_on_body(&client.caller, read).await?;
        let running = Running::new(&api, client.caller.clone(), token, &extensions);
        let outcomes = running.run(&read).await;
        Ok(scim_json(StatusCode::OK, &bulk::response(&read.operations, &outcomes)))
    }
    .await;
    learned(&client, outcome)
}

/// A request whose operations are carried out.
struct Running<'a> {
    api: &'a Api,
    caller: Caller,
    router: Router,
    token: String,
    extensions: Extensions,
    begins_until: Instant,
    ends_until: Instant,
}

/// How far it has come.
struct Progress {
    ids: Ids,
    outcomes: Vec<Option<Outcome>>,
    links: Vec<Option<Value>>,
}

impl<'a> Running<'a> {
    fn new(api: &'a Api, caller: Caller, token: String, outer: &Extensions) -> Self {
        let mut extensions = Extensions::new();
        if let Some(id) = outer.get::<RequestId>() {
            extensions.insert(id.clone());
        }
        // Each is counted here, where it waits for its turn instead of being refused.
        extensions.insert(Counted);
        let started = outer.get::<Started>().map_or_else(Instant::now, |Started(at)| Instant::from_std(*at));
        let after = |share: f64| started + api.settings.request_time.mul_f64(share);
        Self {
            api,
            caller,
            router: super::resources(api).with_state(api.clone()),
            token,
            extensions,
            begins_until: after(SHARE_TO_BEGIN),
            ends_until: after(SHARE_TO_END),
        }
    }

    async fn run(&self, bulk: &bulk::Bulk) -> Vec<Option<Outcome>> {
        let count = bulk.operations.len();
        let mut progress = Progress { ids: Ids::new(), outcomes: vec![None; count], links: vec![None; count] };
        let (mut errors, mut is_over) = (0, false);
        for step in bulk::plan(&bulk.operations) {
            let (operation, outcome) = match step {
                // What was done is finished, also where no more is begun: nothing is left half.
                Step::Run { .. } if is_over => continue,
                Step::Run { operation, later } => {
                    (operation, self.carry_out(&bulk.operations[operation], operation, &later, &mut progress).await)
                }
                Step::Link(operation) => match self.link(operation, &mut progress).await {
                    Some(failed) => (operation, failed),
                    None => continue,
                },
            };
            errors += u64::from(outcome.is_error());
            progress.outcomes[operation] = Some(outcome);
            is_over |= bulk.fail_on_errors.is_some_and(|most| errors >= most);
        }
        progress.outcomes
    }

    async fn carry_out(
        &self,
        operation: &Operation,
        index: usize,
        later: &std::collections::BTreeSet<String>,
        progress: &mut Progress,
    ) -> Outcome {
        let resolved = operation.read.clone().and_then(|sound| sound.resolved(&progress.ids, later));
        let (sound, link) = match resolved {
            Ok(resolved) => resolved,
            Err(error) => {
                let path = operation.read.as_ref().map_or("/", |sound| sound.path.as_str());
                return self.refused(&operation.method, path, &Failure::from(error), None);
            }
        };
        let outcome = self.send(&sound).await;
        if let (Some(name), Some(location), false) = (&operation.bulk_id, &outcome.location, outcome.is_error()) {
            let id = location.rsplit('/').next().unwrap_or_default();
            progress.ids.insert(name.clone(), id.to_owned());
        }
        progress.links[index] = link;
        outcome
    }

    /// Puts in what an operation was made without; what came of it, if it failed. What was made stays: the answer says
    /// where it is.
    async fn link(&self, operation: usize, progress: &mut Progress) -> Option<Outcome> {
        let link = progress.links[operation].take()?;
        let made = progress.outcomes[operation].clone().filter(|outcome| !outcome.is_error())?;
        let location = made.location.clone()?;
        let path = location.strip_prefix(&self.api.settings.scim_base).unwrap_or(&location).to_owned();
        let data = match bulk::linked(&link, &progress.ids) {
            Ok(data) => data.as_object().cloned().unwrap_or_default(),
            Err(error) => return Some(self.refused("PATCH", &path, &Failure::from(error), made.location)),
        };
        // Whatever version it has: it was made a moment ago, by this request.
        let patch = Sound { method: bulk::Method::Patch, path, version: Some("*".to_owned()), data };
        let linked = self.send(&patch).await;
        if linked.is_error() {
            return Some(linked);
        }
        progress.outcomes[operation] = Some(Outcome { version: linked.version, ..made });
        None
    }

    async fn send(&self, sound: &Sound) -> Outcome {
        let respelled = spelled(&sound.path);
        let path = respelled.as_deref().unwrap_or(&sound.path);
        let place = (sound.method != bulk::Method::Post).then(|| format!("{}{path}", self.api.settings.scim_base));
        let late = || Failure::retry_later("the time for one request is over: send this again", Duration::from_secs(1));
        let refused = |failure: &Failure| self.refused(sound.method.as_str(), path, failure, place.clone());
        let directory = self.caller.directory_id();
        let turn = async {
            if let Some(directory) = directory {
                self.api.rates.take_turn(directory).await;
            }
        };
        if Instant::now() >= self.begins_until || timeout_at(self.begins_until, turn).await.is_err() {
            return refused(&late());
        }
        let body = if sound.data.is_empty() { Body::empty() } else { json!(sound.data).to_string().into() };
        let mut request = Request::builder()
            .method(sound.method.as_str())
            .uri(path)
            .header(AUTHORIZATION, &self.token)
            .header(CONTENT_TYPE, SCIM_JSON);
        if let Some(version) = &sound.version {
            request = request.header(IF_MATCH, version);
        }
        let Ok(mut request) = request.body(body) else {
            return refused(&Failure::status(StatusCode::BAD_REQUEST, "path or version cannot be sent"));
        };
        request.extensions_mut().extend(self.extensions.clone());
        if respelled.is_some() {
            request.extensions_mut().insert(Respelled);
        }
        let response = match timeout_at(self.ends_until, self.router.clone().oneshot(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => return self.failed(&late(), place),
        };
        if response.status() == StatusCode::NOT_FOUND && response.extensions().get::<Failure>().is_none() {
            return refused(&Failure::status(StatusCode::NOT_FOUND, "path: there is no such resource type"));
        }
        self.outcome_of(response, place).await
    }

    async fn outcome_of(&self, response: Response, place: Option<String>) -> Outcome {
        if let Some(failure) = response.extensions().get::<Failure>() {
            return self.failed(failure, place);
        }
        let text = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, version) = (response.status().as_u16(), text(response.headers().get(ETAG)));
        let location = text(response.headers().get(LOCATION));
        // A POST that reactivated somebody answers where they are in the body alone.
        let location = match location.or(place) {
            Some(location) => Some(location),
            None => located(response).await,
        };
        Outcome { status, location, version, response: None }
    }

    /// An operation that never gets to where requests are recorded.
    fn refused(&self, method: &str, path: &str, failure: &Failure, location: Option<String>) -> Outcome {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
        let record = Record::of(&method, path, None);
        let caller = record.begin(self.api, self.caller.clone());
        self.api.service.end_provisioning(&caller, refused(failure));
        self.failed(failure, location)
    }

    fn failed(&self, failure: &Failure, location: Option<String>) -> Outcome {
        let id = self.extensions.get::<RequestId>().map(|RequestId(id)| id.to_string());
        let response = failure.body(id.as_deref());
        Outcome { status: failure.code(), location, version: None, response: Some(response) }
    }
}

async fn located(response: Response) -> Option<String> {
    let body = response.into_body().collect().await.ok()?.to_bytes();
    let resource: Value = serde_json::from_slice(&body).ok()?;
    resource["meta"]["location"].as_str().map(str::to_owned)
}
