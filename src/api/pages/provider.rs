//! Out to a login provider and back: a browser is sent on, or told why not (RFC 6749 §3.1).

use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::landing::failed;
use crate::api::Api;
use crate::api::forms::{field, origin_of, query};
use crate::domain::Error;
use crate::domain::login::Origin;
use crate::service::{Authorization, ProviderAnswer, SentOut};

/// How the name of the cookie of a sign-in begins where the server is reached over https.
const SECURE_COOKIE: &str = "__Host-rollcall-signin-";
/// The same over http, as on a developer's machine.
const PLAIN_COOKIE: &str = "rollcall-signin-";
/// So many characters of the value end the name.
const NAMED_BY: usize = 16;
/// As long as a person may be at the provider.
const KEPT_SECONDS: u32 = 600;

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
    match outcome.await {
        Ok(SentOut { location, binding }) => {
            let cookie = binding.map(|binding| cookie(&api, &binding));
            send_on(&api, Ok(location), cookie)
        }
        Err(error) => failed(&api, &error),
    }
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
    let bindings = bindings(&api, request.headers());
    let answer = ProviderAnswer {
        organization: &organization,
        connection: &connection,
        state: field(&fields, "state"),
        code,
        issuer: fields.get("iss").map(String::as_str),
        bindings: &bindings,
    };
    let counted = counted(&api, &request);
    let outcome = async { api.service.finish_provider_sign_in(&answer, &counted?).await };
    send_on(&api, outcome.await, None)
}

/// How the cookie of a sign-in is named: over https so that no other host of the domain can set it. Over http, where browsers
/// refuse such names, without the prefix.
fn cookie_prefix(api: &Api) -> &'static str {
    if api.settings.is_https() { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// The cookie that binds a sign-in to the browser it begins in. Part of its value is in its name, so that several sign-ins can
/// be under way in one browser.
fn cookie(api: &Api, binding: &str) -> String {
    let named = binding.get(..NAMED_BY).unwrap_or(binding);
    let secure = if api.settings.is_https() { "; Secure" } else { "" };
    let prefix = cookie_prefix(api);
    format!("{prefix}{named}={binding}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax{secure}")
}

/// The values of the cookies of sign-ins that are under way in the browser.
fn bindings(api: &Api, headers: &HeaderMap) -> Vec<String> {
    let sent = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = sent.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let of_ours = pairs.filter(|(name, _)| name.starts_with(cookie_prefix(api)));
    of_ours.map(|(_, value)| value.to_owned()).collect()
}

/// Where the request comes from; it counts as an attempt of its address.
fn counted(api: &Api, request: &Request) -> Result<Origin, Error> {
    let origin = origin_of(api, request);
    api.public_rates.check_attempt(&origin.network())?;
    Ok(origin)
}

fn send_on(api: &Api, outcome: Result<String, Error>, cookie: Option<String>) -> Response {
    let header = |text: String| HeaderValue::try_from(text).map_err(|error| Error::Internal(error.into()));
    let headers = outcome.and_then(|url| Ok((header(url)?, cookie.map(header).transpose()?)));
    match headers {
        Ok((location, cookie)) => {
            let mut response = StatusCode::SEE_OTHER.into_response();
            let headers = response.headers_mut();
            headers.insert(LOCATION, location);
            if let Some(cookie) = cookie {
                headers.insert(SET_COOKIE, cookie);
            }
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => failed(api, &error),
    }
}
