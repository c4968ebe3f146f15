//! The GraphQL face: the account API (`schema/api.graphql` is the contract), behind an endpoint of our own.

mod answer;
mod audit;
mod budget;
mod connection;
mod cost;
mod directories;
mod documents;
mod endpoint;
mod enums;
mod failure;
mod groups;
mod inputs;
mod interfaces;
mod invitations;
mod lexer;
mod lists;
mod login_lists;
mod logins;
mod mutation;
mod organizations;
mod payloads;
mod people;
mod policy;
mod provisioning;
#[expect(clippy::too_many_arguments, reason = "lists take what the contract says")]
mod query;
mod read;
mod request;
mod scalars;
mod scan;
mod schema;
mod service_accounts;
mod suggestions;
mod tokens;
mod users;
mod variables;
mod viewer;
mod weight;
mod wording;

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::{any, get};
use serde::Deserialize;
use tower_http::cors::CorsLayer;

use super::Api;

pub use budget::BudgetSettings;
pub use schema::{GUARDED, sdl};

/// How long a browser may remember what it was allowed.
const ALLOWED_FOR: Duration = Duration::from_secs(600);

/// Who may ask what the schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Introspection {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    Authenticated,
    /// Nobody.
    Off,
}

/// What is done with documents known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustedDocuments {
    /// There are none.
    Off,
    /// They are served by their hash, and others as text.
    Prefer,
    /// Nothing else is served.
    Require,
}

/// What bounds an operation; each is described in `config/default.toml`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct GraphqlSettings {
    pub introspection: Introspection,
    pub graphiql: bool,
    pub browser_origins: Vec<HeaderValue>,
    pub trusted_documents: TrustedDocuments,
    pub trusted_documents_file: Option<PathBuf>,
    pub body_bytes: usize,
    pub document_bytes: usize,
    pub tokens: usize,
    pub nesting: usize,
    pub selections: usize,
    pub aliases: usize,
    pub root_fields: usize,
    pub mutations: usize,
    pub directives: usize,
    pub depth: usize,
    pub complexity: usize,
    pub read: BudgetSettings,
    pub time: Duration,
}

/// The schema with its bounds.
pub struct Graphql {
    schema: schema::Schema,
    settings: GraphqlSettings,
    documents: documents::Documents,
}

impl Graphql {
    /// The schema within these bounds.
    ///
    /// # Errors
    ///
    /// A sentence about the file of trusted documents, if it cannot be used.
    pub fn new(settings: GraphqlSettings) -> Result<Self, String> {
        let documents =
            documents::Documents::read(settings.trusted_documents, settings.trusted_documents_file.as_deref())?;
        Ok(Self { schema: schema::build(&settings), settings, documents })
    }

    /// Whether `/graphiql` is served.
    pub(super) fn has_graphiql(&self) -> bool {
        self.settings.graphiql
    }
}

/// Everything under `/graphql`.
pub(super) fn routes(api: &Api) -> Router<Api> {
    let routes =
        Router::new().route("/graphql", any(endpoint::serve)).route("/graphql/schema.graphql", get(endpoint::schema));
    let origins = &api.graphql.settings.browser_origins;
    if origins.is_empty() { routes } else { routes.layer(cors(origins.clone())) }
}

/// Lets the web pages of these origins call from a browser (GQ-16). They need a token: a browser's own credentials are
/// never allowed.
fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER, HeaderName::from_static("x-request-id")])
        .max_age(ALLOWED_FOR)
}

/// An error of HTTP under `/graphql`, as GraphQL clients read it.
pub(super) fn error(status: StatusCode, detail: &str, id: &str) -> Response {
    let code = match status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "FORBIDDEN",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "RATE_LIMITED",
        status if status.is_server_error() => "INTERNAL_SERVER_ERROR",
        _ => "BAD_USER_INPUT",
    };
    answer::refusal(answer::Refused(status, failure::Failure::new(code, detail)), answer::Media::Json, id)
}

/// A count in an answer.
fn number(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A version as clients pass it back.
fn version(version: u64) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}
