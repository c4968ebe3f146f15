//! Errors of HTTP in the shape that the client can read: SCIM under `/scim`, GraphQL under `/graphql`, elsewhere a page for
//! browsers and problem details (RFC 9457) for programs.

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::requests::RequestId;
use super::scim::{self, Failure};
use super::{Api, graphql, pages, whole_seconds};

/// The shape of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// RFC 7644 §3.12.
    Scim,
    /// `{"errors": […]}`.
    Graphql,
    /// A page for people.
    Page,
    /// RFC 9457.
    Problem,
}

impl Shape {
    /// The shape for a request: by its path, then by what its client accepts.
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        if is_below(path, "/scim") {
            Self::Scim
        } else if is_below(path, "/graphql") {
            Self::Graphql
        } else if accepts_pages(request.headers()) {
            Self::Page
        } else {
            Self::Problem
        }
    }

    fn render(self, api: &Api, status: StatusCode, detail: &str, id: &str) -> Response {
        match self {
            Self::Graphql => graphql::error(status, detail, id),
            Self::Page => pages::failed_request(api, status, detail),
            Self::Scim | Self::Problem => problem(status, detail, id),
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a client asks for pages, as browsers do.
pub(super) fn accepts_pages(headers: &HeaderMap) -> bool {
    let sent = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = sent.flat_map(|text| text.split(',')).filter_map(|range| range.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// Problem details (RFC 9457).
fn problem(status: StatusCode, detail: &str, id: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "requestId": id,
    });
    (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// Gives every failure the body that its client can read: of a handler, of a limit, or of the router itself.
pub(super) async fn render_failures(State(api): State<Api>, request: Request, next: Next) -> Response {
    let shape = Shape::of(&request);
    if shape == Shape::Scim {
        return scim::render_failures(request, next).await;
    }
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.to_string()).unwrap_or_default();
    let mut response = next.run(request).await;
    let failure = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure,
        // The router knows which methods a path has, says so in `Allow`, and writes no body.
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && !response.headers().contains_key(CONTENT_TYPE) =>
        {
            Failure::status(StatusCode::METHOD_NOT_ALLOWED, "this path does not serve that method: see Allow")
        }
        None => return response,
    };
    let (status, detail, retry_after) = failure.told();
    let mut rendered = shape.render(&api, status, detail, &id);
    *rendered.extensions_mut() = std::mem::take(response.extensions_mut());
    let headers = rendered.headers_mut();
    headers.remove(ALLOW);
    for (name, value) in response.headers() {
        headers.entry(name).or_insert(value.clone());
    }
    headers.remove(CONTENT_LENGTH);
    if let Some(after) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    rendered
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn shape(path: &str, accept: &str) -> Shape {
        Shape::of(&Request::builder().uri(path).header(ACCEPT, accept).body(Body::empty()).expect("a request"))
    }

    /// D, "/, unknown paths, /graphql by browser".
    #[test]
    fn the_shape_follows_the_path_and_then_what_is_accepted() {
        const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (path, accept, wanted) in [
            ("/scim/v2/Users", BROWSER, Shape::Scim),
            ("/scim", "*/*", Shape::Scim),
            ("/scimitar", "*/*", Shape::Problem),
            ("/graphql", BROWSER, Shape::Graphql),
            ("/graphql/nothing", "*/*", Shape::Graphql),
            ("/graphiql/nothing", BROWSER, Shape::Page),
            ("/nothing", BROWSER, Shape::Page),
            ("/nothing", "*/*", Shape::Problem),
            ("/nothing", "application/json", Shape::Problem),
        ] {
            assert_eq!(shape(path, accept), wanted, "{path} {accept}");
        }
    }
}
