//! `/Groups` (RFC 7644 §3).

use ::scim::{ListRequest, Projection, Resource, ResourceType, patch as operations};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::failure::Failure;
use super::request::{Client, ClientWithBody};
use super::response::{self, Answer, learned, saved};
use crate::api::Api;
use crate::domain::group::GroupView;
use crate::domain::{Caller, GroupId};
use crate::service::{Members, Saved, Show};

/// Members are read only if they are answered (C59).
pub(super) fn members(projection: &Projection) -> Members {
    let wanted = ResourceType::group().attribute("members").is_some_and(|members| projection.wants(members));
    if wanted { Members::Read } else { Members::Left }
}

fn answer<'a>(client: &'a Client, view: &GroupView, projection: &'a Projection) -> Answer<'a> {
    Answer { kind: &client.caller.types().group, projection, version: view.group.etag() }
}

/// `POST /Groups` (RFC 7644 §3.3).
pub(super) async fn create(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().group)?;
        let read = || Resource::read(&client.caller.types().group, &body, &mut client.reading);
        let attributes = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(super::request::sets(&body));
        let saved = api.service.create_group(&client.caller, attributes, &mut client.reading).await?;
        Ok(answer(&client, &saved.view, &projection).created(saved.view.to_scim(&api.settings.scim_base)))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `GET /Groups/{id}` (RFC 7644 §3.4.1).
pub(super) async fn read(State(api): State<Api>, Path(id): Path<String>, client: Client) -> Response {
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().group)?;
        if projection.is_default() {
            let shown = api.service.show_group(&client.caller, id.parse()?, show(&api, &client.caller)).await?;
            return Ok(response::shown_unless_known(&client, shown));
        }
        let view = api.service.get_group(&client.caller, id.parse()?, members(&projection)).await?;
        let answer = answer(&client, &view, &projection);
        Ok(answer.found_unless_known(&client, || view.to_scim(&api.settings.scim_base)))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// How a group is answered to whoever does not say which attributes: the same for all clients of an organization.
fn show(api: &Api, caller: &Caller) -> impl Show<GroupView> {
    let (base, kind) = (&api.settings.scim_base, &caller.types().group);
    move |view: &GroupView| response::shown(kind, view.to_scim(base), view.group.etag())
}

/// `GET /Groups` (RFC 7644 §3.4.2).
pub(super) async fn list(State(api): State<Api>, mut client: Client) -> Response {
    let parameters = client.parameters.clone();
    let outcome = list_by(&api, &mut client, &parameters).await;
    learned(&client, outcome)
}

/// `POST /Groups/.search` (RFC 7644 §3.4.3).
pub(super) async fn search(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = match ListRequest::from_body(&body, &mut client.reading) {
        Ok(parameters) => list_by(&api, &mut client, &parameters).await,
        Err(error) => Err(error.into()),
    };
    learned(&client, outcome)
}

async fn list_by(api: &Api, client: &mut Client, parameters: &ListRequest) -> Result<Response, Failure> {
    let projection = parameters.projection(&client.caller.types().group)?;
    let with = members(&projection);
    let found = api.service.list_groups(&client.caller, parameters, with, &mut client.reading).await?;
    let base = &api.settings.scim_base;
    let resources = found.views.iter().map(|view| view.to_scim(base));
    Ok(response::list(&client.caller.types().group, &projection, (found.total, &found.place), resources))
}

/// `PUT /Groups/{id}` (RFC 7644 §3.5.1).
pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().group)?;
        let id: GroupId = id.parse()?;
        super::request::check_body_id(&body, &id.to_string(), &mut client.reading)?;
        let read = || Resource::read_replacement(&client.caller.types().group, &body, &mut client.reading);
        let attributes = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(super::request::sets(&body));
        let replaced =
            api.service.replace_group(&client.caller, id, &attributes, &client.conditions, &mut client.reading);
        let outcome = replaced.await?.outcome;
        Ok(saved(reread(&api, &client, id, &projection).await?, outcome))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `PATCH /Groups/{id}` (RFC 7644 §3.5.2). Nothing is answered unless the client names attributes (C76), or its directory
/// is set to be answered with the group: scim-sanity and Microsoft's validator want that.
pub(super) async fn patch(State(api): State<Api>, Path(id): Path<String>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().group)?;
        let id: GroupId = id.parse()?;
        let read = || operations::read(&body, &mut client.reading);
        let operations = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(operations.iter().map(ToString::to_string));
        let answers_group = projection.is_selective()
            || client.caller.as_directory().is_some_and(|directory| directory.settings.patch_group_with_body);
        client.will_be_answered(if answers_group { StatusCode::OK } else { StatusCode::NO_CONTENT });
        let patched = api.service.patch_group(&client.caller, id, &operations, &client.conditions, &mut client.reading);
        let Saved { view, outcome } = patched.await?;
        if answers_group {
            return Ok(saved(reread(&api, &client, id, &projection).await?, outcome));
        }
        let answer = Answer { kind: &client.caller.types().group, projection: &projection, version: view.etag() };
        Ok(saved(answer.empty(StatusCode::NO_CONTENT), outcome))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// The group as it is after a change.
async fn reread(api: &Api, client: &Client, id: GroupId, projection: &Projection) -> Result<Response, Failure> {
    let view = api.service.view_changed_group(&client.caller, id, members(projection)).await?;
    Ok(answer(client, &view, projection).found(view.to_scim(&api.settings.scim_base)))
}

/// `DELETE /Groups/{id}` (RFC 7644 §3.6).
pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, client: Client) -> Response {
    let outcome = async {
        api.service.delete_group(&client.caller, id.parse()?, &client.conditions).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}
