//! `/.search`: users and groups together (RFC 7644 §3.4.3).

use ::scim::{ResourceType, message};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::failure::Failure;
use super::groups::members;
use super::request::{ClientWithBody, Parameters};
use super::response::{learned, scim_json};
use crate::api::Api;
use crate::service::Either;

/// `POST /.search`
pub(super) async fn everything(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { client, body } = request;
    let outcome: Result<Response, Failure> = async {
        let parameters = Parameters::from_search(&body)?;
        let users = parameters.projection(ResourceType::user())?;
        let groups = parameters.projection(ResourceType::group())?;
        let found = api.service.search(&client.caller, &parameters.list, members(&groups)).await?;
        let base = api.settings.scim_base();
        let resources: Vec<Value> = found
            .views
            .iter()
            .map(|view| {
                let (kind, projection, mut resource) = match view {
                    Either::User(view) => (ResourceType::user(), &users, view.to_scim(&base)),
                    Either::Group(view) => (ResourceType::group(), &groups, view.to_scim(&base)),
                };
                projection.apply(kind, &mut resource);
                Value::Object(resource)
            })
            .collect();
        Ok(scim_json(StatusCode::OK, &message::list(found.total, &found.place, &resources)))
    }
    .await;
    learned(&client, outcome)
}
