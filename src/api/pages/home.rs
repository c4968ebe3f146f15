//! `/`: the page for people who open the server in a browser.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::context;

use super::landing::show;
use crate::api::Api;
use crate::api::errors::accepts_pages;

/// The page, or the same as text for whoever asks for no page.
pub(super) async fn home(State(api): State<Api>, headers: HeaderMap) -> Response {
    let url = &api.settings.public_url;
    let has_graphiql = api.graphql.has_graphiql();
    if accepts_pages(&headers) {
        let documentation = api.settings.documentation_url.as_deref();
        return show(&api, StatusCode::OK, "home.html", context! { url, has_graphiql, documentation });
    }
    let graphiql = if has_graphiql { format!("GraphiQL     {url}/graphiql\n") } else { String::new() };
    let text = format!(
        "Rollcall: a directory of users and groups.\n\nSCIM API     {url}/scim/v2\nGraphQL API  {url}/graphql\n{graphiql}"
    );
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
