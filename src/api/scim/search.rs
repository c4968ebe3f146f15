//! Users and groups together: `/.search` and the root (RFC 7644 §3.4.2.1, §3.4.3).

use ::scim::{ListRequest, message};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::failure::Failure;
use super::groups::members;
use super::request::{Client, ClientWithBody};
use super::response::{learned, scim_json};
use crate::api::Api;
use crate::service::Either;

/// `POST /.search`
pub(super) async fn everything(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = match ListRequest::from_body(&body, &mut client.reading) {
        Ok(parameters) => search(&api, &mut client, &parameters).await,
        Err(error) => Err(error.into()),
    };
    learned(&client, outcome)
}

/// `GET /`: the same by the parameters of the URL (RFC 7644 §3.4.2.1). Connectors ask for it without a token to find out
/// whether there is a server.
pub(super) async fn root(State(api): State<Api>, mut client: Client) -> Response {
    let parameters = client.parameters.clone();
    let outcome = search(&api, &mut client, &parameters).await;
    learned(&client, outcome)
}

async fn search(api: &Api, client: &mut Client, parameters: &ListRequest) -> Result<Response, Failure> {
    let users = parameters.projection(&client.caller.types().user)?;
    let groups = parameters.projection(&client.caller.types().group)?;
    let found = api.service.search(&client.caller, parameters, members(&groups), &mut client.reading).await?;
    let (base, reader) = (&api.settings.scim_base, client.caller.directory_id());
    let resources: Vec<Value> = found
        .views
        .iter()
        .map(|view| {
            let (kind, projection, mut resource) = match view {
                Either::User(view) => (&client.caller.types().user, &users, view.to_scim(base, reader)),
                Either::Group(view) => (&client.caller.types().group, &groups, view.to_scim(base)),
            };
            projection.apply(kind, &mut resource);
            Value::Object(resource)
        })
        .collect();
    Ok(scim_json(StatusCode::OK, &message::list(found.total, &found.place, &resources)))
}
