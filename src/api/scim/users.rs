//! `/Users` (RFC 7644 §3).

use ::scim::{ListRequest, Resource, patch as operations};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::failure::Failure;
use super::request::{Client, ClientWithBody};
use super::response::{self, Answer, learned, saved};
use crate::api::Api;
use crate::domain::user::UserView;
use crate::domain::{Caller, UserId};
use crate::service::{Outcome, Saved, Show};

/// `POST /Users` (RFC 7644 §3.3).
pub(super) async fn create(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().user)?;
        let read = || Resource::read(&client.caller.types().user, &body, &mut client.reading);
        let attributes = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(super::request::sets(&body));
        let Saved { view, outcome } = api.service.create_user(&client.caller, attributes).await?;
        let answer = Answer { kind: &client.caller.types().user, projection: &projection, version: view.version() };
        let resource = view.to_scim(&api.settings.scim_base, client.caller.directory_id());
        // A user that was reactivated instead of made is not new (C33).
        Ok(if outcome == Outcome::Created { answer.created(resource) } else { saved(answer.found(resource), outcome) })
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `GET /Users/{id}` (RFC 7644 §3.4.1).
pub(super) async fn read(State(api): State<Api>, Path(id): Path<String>, client: Client) -> Response {
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().user)?;
        if projection.is_default() {
            let shown = api.service.show_user(&client.caller, id.parse()?, show(&api, &client.caller)).await?;
            return Ok(response::shown_unless_known(&client, shown));
        }
        let view = api.service.get_user(&client.caller, id.parse()?).await?;
        let answer = Answer { kind: &client.caller.types().user, projection: &projection, version: view.version() };
        Ok(answer.found_unless_known(&client, || view.to_scim(&api.settings.scim_base, client.caller.directory_id())))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `GET /Users` (RFC 7644 §3.4.2).
pub(super) async fn list(State(api): State<Api>, mut client: Client) -> Response {
    let parameters = client.parameters.clone();
    let outcome = list_by(&api, &mut client, &parameters).await;
    learned(&client, outcome)
}

/// `POST /Users/.search` (RFC 7644 §3.4.3).
pub(super) async fn search(State(api): State<Api>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = match ListRequest::from_body(&body, &mut client.reading) {
        Ok(parameters) => list_by(&api, &mut client, &parameters).await,
        Err(error) => Err(error.into()),
    };
    learned(&client, outcome)
}

async fn list_by(api: &Api, client: &mut Client, parameters: &ListRequest) -> Result<Response, Failure> {
    let projection = parameters.projection(&client.caller.types().user)?;
    if projection.is_default() {
        let show = show(api, &client.caller);
        let found = api.service.show_users(&client.caller, parameters, &mut client.reading, show).await?;
        return Ok(response::list_of_shown(&found));
    }
    let found = api.service.list_users(&client.caller, parameters, &mut client.reading).await?;
    let (base, reader) = (&api.settings.scim_base, client.caller.directory_id());
    let resources = found.views.iter().map(|view| view.to_scim(base, reader));
    Ok(response::list(&client.caller.types().user, &projection, (found.total, &found.place), resources))
}

/// How a user is answered to whoever does not say which attributes: the same for all clients of an organization, but for the
/// `active` of a user whom a directory keeps out.
fn show(api: &Api, caller: &Caller) -> impl Show<UserView> {
    let (base, kind, reader) = (&api.settings.scim_base, &caller.types().user, caller.directory_id());
    move |view: &UserView| response::shown(kind, view.to_scim(base, reader), view.version())
}

/// `PUT /Users/{id}` (RFC 7644 §3.5.1).
pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().user)?;
        let id: UserId = id.parse()?;
        super::request::check_body_id(&body, &id.to_string(), &mut client.reading)?;
        let read = || Resource::read_replacement(&client.caller.types().user, &body, &mut client.reading);
        let attributes = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(super::request::sets(&body));
        let replaced =
            api.service.replace_user(&client.caller, id, &attributes, &client.conditions, &mut client.reading);
        let Saved { view, outcome } = replaced.await?;
        let answer = Answer { kind: &client.caller.types().user, projection: &projection, version: view.version() };
        Ok(saved(answer.found(view.to_scim(&api.settings.scim_base, client.caller.directory_id())), outcome))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `PATCH /Users/{id}` (RFC 7644 §3.5.2).
pub(super) async fn patch(State(api): State<Api>, Path(id): Path<String>, request: ClientWithBody) -> Response {
    let ClientWithBody { mut client, body } = request;
    let outcome = async {
        let projection = client.parameters.projection(&client.caller.types().user)?;
        let id: UserId = id.parse()?;
        let read = || operations::read(&body, &mut client.reading);
        let operations = api.service.work_on_body(&client.caller, read).await?;
        client.is_read_as(operations.iter().map(ToString::to_string));
        let quiet = client.caller.as_directory().is_some_and(|directory| directory.settings.patch_user_without_body)
            && !projection.is_selective();
        client.will_be_answered(if quiet { StatusCode::NO_CONTENT } else { StatusCode::OK });
        let patched = api.service.patch_user(&client.caller, id, &operations, &client.conditions, &mut client.reading);
        let Saved { view, outcome }: Saved<UserView> = patched.await?;
        let answer = Answer { kind: &client.caller.types().user, projection: &projection, version: view.version() };
        let response = if quiet {
            answer.empty(StatusCode::NO_CONTENT)
        } else {
            answer.found(view.to_scim(&api.settings.scim_base, client.caller.directory_id()))
        };
        Ok(saved(response, outcome))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}

/// `DELETE /Users/{id}` (RFC 7644 §3.6).
pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, client: Client) -> Response {
    let outcome = async {
        api.service.delete_user(&client.caller, id.parse()?, &client.conditions).await?;
        Ok(axum::response::IntoResponse::into_response(StatusCode::NO_CONTENT))
    };
    let outcome = outcome.await;
    learned(&client, outcome)
}
