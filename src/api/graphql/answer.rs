//! Answers without a word of the library's own, dressed as they were asked for (GraphQL over HTTP; 400 and 200 as the
//! `graphql-http` audits have it).

use std::collections::BTreeMap;

use async_graphql::{PathSegment, Response as GraphqlResponse, ServerError, Value};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::failure::Failure;
use super::suggestions::Suggestions;
use super::wording::{Stage, translate};

/// How an answer is dressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status says what happened.
    Graphql,
    /// `application/json`: a request that was understood as GraphQL is 200.
    Json,
}

impl Media {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Graphql => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }

    /// The status of an answer without data. The one place where it is decided: the draft of 2026 has 422 for what is
    /// well formed but not acceptable, the audits have 400.
    pub(super) fn status_of_refusal(self) -> StatusCode {
        match self {
            Self::Graphql => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }
}

/// A refusal before GraphQL: the status says it all.
pub(super) struct Refused(pub(super) StatusCode, pub(super) Failure);

/// Whether it was not even begun.
pub(super) fn is_refused(response: &GraphqlResponse) -> bool {
    response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
        && !response.errors.is_empty()
}

/// Errors without a code of ours are the library's: they get ours, and our words.
pub(super) fn dressed(response: GraphqlResponse, media: Media, id: &str, suggestions: Suggestions) -> Response {
    let is_refused = is_refused(&response);
    let mut wait = None;
    let mut unavailable = false;
    let errors: Vec<Json> = response
        .errors
        .into_iter()
        .take(20)
        .map(|error| {
            let error = with_code(error, suggestions);
            let rendered = rendered(&error, id, !is_refused);
            if let Some(seconds) = rendered["extensions"]["params"]["retryAfterSeconds"].as_u64() {
                wait = Some(wait.unwrap_or(0).max(seconds));
                unavailable |= rendered["extensions"]["code"] == "INTERNAL_SERVER_ERROR";
            }
            rendered
        })
        .collect();
    let body = Body { errors, data: (!is_refused).then_some(&response.data), extensions: &response.extensions };
    let status = match wait {
        Some(_) if unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::TOO_MANY_REQUESTS,
        None if is_refused => media.status_of_refusal(),
        None => StatusCode::OK,
    };
    respond(status, media, serde_json::to_string(&body).unwrap_or_default(), wait)
}

/// An answer, written straight from what was resolved: a large one is not copied first.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'a BTreeMap<String, Value>,
}

fn with_code(error: ServerError, suggestions: Suggestions) -> ServerError {
    let has_code = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    if has_code {
        return error;
    }
    let stage = if error.path.is_empty() { Stage::Validation } else { Stage::Execution };
    let failure = translate(&error.message, stage, suggestions);
    let position = error.locations.first().copied();
    failure.into_server_error(position, error.path)
}

fn rendered(error: &ServerError, id: &str, with_path: bool) -> Json {
    let mut extensions = serde_json::to_value(&error.extensions).unwrap_or_default();
    if !extensions.is_object() {
        extensions = json!({});
    }
    extensions["requestId"] = json!(id);
    let mut object = json!({"message": error.message, "extensions": extensions});
    if !error.locations.is_empty() {
        object["locations"] = error.locations.iter().map(|at| json!({"line": at.line, "column": at.column})).collect();
    }
    if with_path {
        object["path"] = error
            .path
            .iter()
            .map(|segment| match segment {
                PathSegment::Field(name) => json!(name),
                PathSegment::Index(index) => json!(index),
            })
            .collect();
    }
    object
}

pub(super) fn refusal(Refused(status, failure): Refused, media: Media, id: &str) -> Response {
    let wait = failure.retry_after.map(|after| after.as_secs().max(1));
    let status = if failure.unavailable { StatusCode::SERVICE_UNAVAILABLE } else { status };
    let error = rendered(&failure.into_server_error(None, Vec::new()), id, false);
    let mut response = respond(status, media, json!({"errors": [error]}).to_string(), wait);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn respond(status: StatusCode, media: Media, body: String, wait: Option<u64>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media.content_type());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = wait {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unused_async, reason = "resolvers are async")]

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use http_body_util::BodyExt as _;

    use super::*;

    struct Root;
    struct Child;

    fn fails<T>() -> Result<T, Failure> {
        Err(Failure::new("FORBIDDEN", "not for you"))
    }

    #[Object]
    impl Root {
        async fn fine(&self) -> i32 {
            1
        }

        async fn nullable(&self) -> Option<Result<i32, Failure>> {
            Some(fails())
        }

        async fn required(&self) -> Result<i32, Failure> {
            fails()
        }

        async fn child(&self) -> Option<Child> {
            Some(Child)
        }

        async fn children(&self) -> Vec<Option<Child>> {
            vec![Some(Child), None]
        }
    }

    #[Object]
    impl Child {
        async fn fine(&self) -> i32 {
            2
        }

        async fn required(&self) -> Result<i32, Failure> {
            fails()
        }
    }

    async fn answered(query: &str) -> (StatusCode, Json) {
        let schema = Schema::new(Root, EmptyMutation, EmptySubscription);
        let response = dressed(schema.execute(query).await, Media::Graphql, "r1", Suggestions::Withheld);
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn what_fails_is_null_as_far_up_as_it_must_be_and_no_further() {
        for (query, data, path) in [
            ("{ fine nullable }", json!({"fine": 1, "nullable": null}), json!(["nullable"])),
            ("{ fine child { fine required } }", json!({"fine": 1, "child": null}), json!(["child", "required"])),
            (
                "{ children { required } fine }",
                json!({"children": [null, null], "fine": 1}),
                json!(["children", 0, "required"]),
            ),
            ("{ fine required }", json!(null), json!(["required"])),
        ] {
            let (status, body) = answered(query).await;
            assert_eq!(status, StatusCode::OK, "{query}");
            assert_eq!(body["data"], data, "{query}");
            assert!(body.as_object().is_some_and(|body| body.contains_key("data")), "{query}: it ran");
            let error = &body["errors"][0];
            assert_eq!((&error["path"], &error["message"]), (&path, &json!("not for you")), "{query}");
            assert_eq!(error["extensions"], json!({"code": "FORBIDDEN", "requestId": "r1"}));
        }
        let (status, body) = answered("{ nothing }").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.get("data").is_none(), "nothing ran: {body}");
    }
}
