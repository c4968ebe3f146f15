//! `/graphiql`: the explorer of the account API, built by npm into `web/dist` and embedded. Without it the page says how.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use super::encoding::accepts_brotli;
use super::page;
use crate::api::Api;
use crate::api::scim::unknown_path;

/// Scripts and styles of this origin; pictures and fonts that are inside the style sheet; requests to this origin alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Built;

/// How the name of a compressed file ends; the build puts one beside each file that is worth it.
const COMPRESSED: &str = ".br";

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/graphiql", get(index)).route("/graphiql/{file}", get(asset))
}

async fn index(State(api): State<Api>) -> Response {
    if !api.graphql.has_graphiql() {
        return unknown_path().await.into_response();
    }
    match Built::get("index.html") {
        Some(file) => page(StatusCode::OK, String::from_utf8_lossy(&file.data).into_owned(), POLICY),
        None => page(StatusCode::OK, MISSING.to_owned(), POLICY),
    }
}

const MISSING: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>GraphiQL</title></head><body>\
    <h1>GraphiQL is not built in</h1><p>Build it with npm, then the server again:</p>\
    <pre>npm --prefix web ci &amp;&amp; npm --prefix web run build &amp;&amp; cargo build</pre>\
    <p>The API itself is at <code>/graphql</code>, its schema at <a href=\"/graphql/schema.graphql\">/graphql/schema.graphql</a>.</p>\
    </body></html>";

async fn asset(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let is_served = api.graphql.has_graphiql() && name != "index.html" && !name.ends_with(COMPRESSED);
    let Some(plain) = Built::get(&name).filter(|_| is_served) else {
        return unknown_path().await.into_response();
    };
    let compressed = Some(format!("{name}{COMPRESSED}")).filter(|_| accepts_brotli(&headers));
    let compressed = compressed.and_then(|name| Built::get(&name));
    let is_compressed = compressed.is_some();
    let file = compressed.unwrap_or(plain);
    let tag: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (ETAG, tag.as_str()), (VARY, "accept-encoding")];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let mut response = (headers, file.data.into_owned()).into_response();
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}
