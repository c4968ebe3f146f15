//! Out to a login provider and back: a browser is sent on, or told why not (RFC 6749 §3.1).

use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::landing::failed;
use crate::api::Api;
use crate::api::forms::{field, origin_of, query};
use crate::domain::Error;
use crate::domain::login::Origin;
use crate::service::{Authorization, ProviderAnswer};

/// `GET /oauth/authorize`
pub(super) async fn authorize(State(api): State<Api>, request: Request) -> Response {
    let fields = query(&request);
    let text = |name: &str| field(&fields, name).to_owned();
    let wanted = Authorization {
        response_type: text("response_type"),
        client_id: text("client_id"),
        redirect_uri: text("redirect_uri"),
        state: fields.get("state").cloned(),
        code_challenge: text("code_challenge"),
        code_challenge_method: text("code_challenge_method"),
        organization: text("organization"),
        connection: fields.get("connection").cloned(),
        login_hint: fields.get("login_hint").cloned(),
        prompt: fields.get("prompt").cloned(),
        max_age: fields.get("max_age").cloned(),
    };
    let counted = counted(&api, &request);
    let outcome = async {
        counted?;
        api.service.begin_provider_sign_in(&wanted).await
    };
    send_on(&api, outcome.await)
}

/// `GET /oauth/callback/{organization}/{connection}`
pub(super) async fn callback(
    State(api): State<Api>,
    Path((organization, connection)): Path<(String, String)>,
    request: Request,
) -> Response {
    let fields = query(&request);
    let code = match fields.get("error") {
        Some(error) => Err(error.as_str()),
        None => Ok(field(&fields, "code")),
    };
    let answer = ProviderAnswer {
        organization: &organization,
        connection: &connection,
        state: field(&fields, "state"),
        code,
        issuer: fields.get("iss").map(String::as_str),
    };
    let counted = counted(&api, &request);
    let outcome = async { api.service.finish_provider_sign_in(&answer, &counted?).await };
    send_on(&api, outcome.await)
}

/// Where the request comes from; it counts as an attempt of its address.
fn counted(api: &Api, request: &Request) -> Result<Origin, Error> {
    let origin = origin_of(api, request);
    api.public_rates.check_attempt(&origin.network())?;
    Ok(origin)
}

fn send_on(api: &Api, outcome: Result<String, Error>) -> Response {
    let location = match outcome {
        Ok(url) => HeaderValue::try_from(url).map_err(|error| Error::Internal(error.into())),
        Err(error) => Err(error),
    };
    match location {
        Ok(location) => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            let headers = response.headers_mut();
            headers.insert(LOCATION, location);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => failed(api, &error),
    }
}
