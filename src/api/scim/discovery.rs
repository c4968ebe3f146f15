//! What the server offers (RFC 7644 §4, C18–C24). Read without a token; a token only chooses the view.

use std::sync::Arc;

use ::scim::message::{self, Features};
use ::scim::{Dialect, ResourceTypes, Schema, schema};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::failure::Failure;
use super::request::{bearer, has_filter, sign_in};
use super::response::scim_json;
use crate::api::Api;
use crate::domain::{Error, Noun};

/// `GET /ServiceProviderConfig`
pub(super) async fn service_provider_config(State(api): State<Api>, request: Request) -> Result<Response, Failure> {
    refuse_filter(&request)?;
    let limits = api.service.limits();
    let features = Features {
        max_results: limits.max_results,
        default_page_size: limits.default_page_size,
        cursor_timeout: crate::service::CURSOR_SECONDS,
        max_operations: api.settings.bulk_operations,
        max_payload_size: api.settings.body_bytes,
        documentation_uri: api.settings.documentation_url.clone(),
    };
    let config = message::service_provider_config(&features, &api.settings.scim_base);
    Ok(scim_json(StatusCode::OK, &config))
}

/// `GET /ResourceTypes`
pub(super) async fn list_resource_types(State(api): State<Api>, request: Request) -> Result<Response, Failure> {
    refuse_filter(&request)?;
    let base = &api.settings.scim_base;
    let asker = Asker::of(&api, request).await?;
    let types: Vec<Value> = asker.types.all().iter().map(|kind| message::resource_type(kind, base)).collect();
    Ok(whole_list(&types))
}

/// `GET /ResourceTypes/{name}`
pub(super) async fn get_resource_type(
    State(api): State<Api>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    refuse_filter(&request)?;
    let asker = Asker::of(&api, request).await?;
    let kind = asker.types.all().into_iter().find(|kind| kind.name.eq_ignore_ascii_case(&name));
    let kind = kind.ok_or(Error::NotFound(Noun::ResourceType))?;
    Ok(scim_json(StatusCode::OK, &message::resource_type(kind, &api.settings.scim_base)))
}

/// `GET /Schemas`
pub(super) async fn list_schemas(State(api): State<Api>, request: Request) -> Result<Response, Failure> {
    refuse_filter(&request)?;
    let asker = Asker::of(&api, request).await?;
    let base = &api.settings.scim_base;
    let schemas: Vec<Value> = asker.types.schemas().map(|schema| described(schema, asker.dialect, base)).collect();
    Ok(whole_list(&schemas))
}

/// `GET /Schemas/{urn}`; the URN in any case, its colons encoded or not (C20).
pub(super) async fn get_schema(
    State(api): State<Api>,
    Path(urn): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    refuse_filter(&request)?;
    let asker = Asker::of(&api, request).await?;
    let found = asker.types.schemas().find(|schema| schema.id.eq_ignore_ascii_case(&urn));
    let found = found.ok_or(Error::NotFound(Noun::Schema))?;
    Ok(scim_json(StatusCode::OK, &described(found, asker.dialect, &api.settings.scim_base)))
}

/// A filter here must not be mistaken for one that was applied (RFC 7644 §4).
fn refuse_filter(request: &Request) -> Result<(), Failure> {
    if has_filter(request.uri().query())? {
        return Err(Failure::status(StatusCode::FORBIDDEN, "discovery documents cannot be filtered"));
    }
    Ok(())
}

/// What whoever asks is shown: without a good token what every organization has.
struct Asker {
    dialect: Dialect,
    types: Arc<ResourceTypes>,
}

impl Asker {
    /// # Errors
    ///
    /// When it cannot be known who asks: what every organization has would be mistaken for all there is.
    async fn of(api: &Api, request: Request) -> Result<Self, Failure> {
        let (parts, _) = request.into_parts();
        let caller = match bearer(&parts.headers) {
            Some(_) => match sign_in(&parts, api).await {
                Ok(caller) => Some(caller),
                Err(failure) if failure.code() >= 500 => return Err(failure),
                Err(_) => None,
            },
            None => None,
        };
        Ok(match caller.as_ref().and_then(|caller| caller.as_directory().zip(Some(caller))) {
            Some((directory, caller)) => Self { dialect: directory.dialect, types: caller.types().clone() },
            None => Self { dialect: Dialect::Auto, types: ResourceTypes::standard().clone() },
        })
    }
}

/// Entra stumbles over `password` and `emails.display` (C23).
fn described(schema: &Schema, dialect: Dialect, base: &str) -> Value {
    if dialect != Dialect::Entra || schema.id != schema::USER {
        return message::schema(schema, base);
    }
    let mut trimmed = schema.clone();
    trimmed.attributes.retain(|attribute| attribute.name != "password");
    for attribute in trimmed.attributes.iter_mut().filter(|attribute| attribute.name == "emails") {
        attribute.sub_attributes.retain(|sub| sub.name != "display");
    }
    message::schema(&trimmed, base)
}

fn whole_list(documents: &[Value]) -> Response {
    scim_json(StatusCode::OK, &message::list(documents.len() as u64, &message::Place::Index(1), documents))
}
