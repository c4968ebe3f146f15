//! Where the links of mails land: verify an address, set a new password, accept an invitation.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use minijinja::{Environment, Value, context};
use rust_embed::RustEmbed;

use super::page;
use crate::api::Api;
use crate::api::forms::{field, form, opened, origin_of, query};
use crate::domain::account::Edit;
use crate::domain::actor::Nobody;
use crate::domain::brand::Brand;
use crate::domain::profile::ProfileEdit;
use crate::domain::{Caller, Code, Error};
use crate::service::Acceptor;

/// Allows our own style sheet, the operator's logo, and forms to ourselves.
fn policy(brand: &Brand) -> String {
    let logo = brand.logo_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
    let images = logo.map_or_else(|| "'none'".to_owned(), |url| url.origin().ascii_serialization());
    format!(
        "default-src 'none'; style-src 'self'; img-src {images}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

#[derive(RustEmbed)]
#[folder = "src/api/pages/templates/"]
struct Templates;

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    for name in Templates::iter().filter(|name| name.ends_with(".html")) {
        let text =
            Templates::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
        environment.add_template_owned(name.to_string(), text).expect("our own template is one");
    }
    environment
});

pub(super) async fn style() -> Response {
    let style = Templates::get("page.css").map(|file| file.data.into_owned()).unwrap_or_default();
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")], style).into_response()
}

/// Renders a page of a template, with the operator's product.
pub(super) fn show(api: &Api, status: StatusCode, template: &str, values: Value) -> Response {
    let brand = &api.settings.brand;
    let values = context! { ..values, ..Value::from_serialize(brand) };
    match PAGES.get_template(template).and_then(|template| template.render(values)) {
        Ok(html) => page(status, html, &policy(brand)),
        Err(error) => {
            tracing::error!(%error, template, "page not rendered");
            page(StatusCode::INTERNAL_SERVER_ERROR, "internal error".to_owned(), &policy(brand))
        }
    }
}

/// Shows why a link or a form did not work, and what to do.
pub(super) fn failed(api: &Api, error: &Error) -> Response {
    let status = match error {
        Error::Refused(_) => StatusCode::BAD_REQUEST,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unauthenticated => StatusCode::OK,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match error {
        Error::Unauthenticated => {
            "This address has an account already. Sign in to it in your application and accept the invitation there."
                .to_owned()
        }
        error => sentence(&error.to_string()),
    };
    let title = match error {
        Error::Unauthenticated => "You have an account already",
        Error::Refused(_) => "This link does not work",
        Error::RateLimited { .. } => "Too many attempts",
        _ => "Something went wrong",
    };
    let mut response = show(api, status, "done.html", context! { title, text, is_problem => true });
    if let Error::RateLimited { retry_after } | Error::Overloaded { retry_after } = error {
        let seconds = retry_after.as_secs() + 1;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn done(api: &Api, title: &str, text: &str) -> Response {
    show(api, StatusCode::OK, "done.html", context! { title, text })
}

/// A request that no page answers: its path is not there, or its method is not served.
pub(in crate::api) fn failed_request(api: &Api, status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("That did not work");
    show(api, status, "done.html", context! { title, text => sentence(detail), is_problem => true })
}

/// Our messages begin small and end without a full stop.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

pub(super) async fn verify_email(State(api): State<Api>, request: Request) -> Response {
    let fields = query(&request);
    let token = field(&fields, "token");
    let origin = origin_of(&api, &request);
    let checked = async {
        let _place = opened(&api, &origin).await?;
        api.service.check_verification_link(token).await
    };
    match checked.await {
        Ok(email) => show(&api, StatusCode::OK, "verify_email.html", context! { token, address => email.address }),
        Err(error) => failed(&api, &error),
    }
}

pub(super) async fn verified(State(api): State<Api>, request: Request) -> Response {
    let outcome = async {
        let (fields, origin) = form(&api, request).await?;
        api.service.verify_email(field(&fields, "token"), &origin).await
    };
    match outcome.await {
        Ok(email) => {
            done(&api, "Address confirmed", &format!("{} is verified: you can sign in with it.", email.address))
        }
        Err(error) => failed(&api, &error),
    }
}

pub(super) async fn reset_password(State(api): State<Api>, request: Request) -> Response {
    let fields = query(&request);
    let token = field(&fields, "token");
    let origin = origin_of(&api, &request);
    let checked = async {
        let _place = opened(&api, &origin).await?;
        api.service.check_reset_link(token).await
    };
    match checked.await {
        Ok(()) => show(&api, StatusCode::OK, "reset_password.html", context! { token }),
        Err(error) => failed(&api, &error),
    }
}

pub(super) async fn password_set(State(api): State<Api>, request: Request) -> Response {
    let (fields, origin) = match form(&api, request).await {
        Ok(read) => read,
        Err(error) => return failed(&api, &error),
    };
    let token = field(&fields, "token");
    match api.service.complete_password_reset(token, field(&fields, "password"), &origin).await {
        Ok(_) => {
            done(&api, "Password set", "You can sign in with your new password. You were signed out everywhere else.")
        }
        Err(error) if is_about_password(&error) => {
            let problem = sentence(&error.to_string());
            show(&api, StatusCode::BAD_REQUEST, "reset_password.html", context! { token, problem })
        }
        Err(error) => failed(&api, &error),
    }
}

fn is_about_password(error: &Error) -> bool {
    let about = [Code::PasswordPolicy, Code::PasswordBreached, Code::ValidationFailed, Code::InvalidDisplayName];
    error.code().is_some_and(|code| about.contains(&code))
}

pub(super) async fn invitation(State(api): State<Api>, request: Request) -> Response {
    let fields = query(&request);
    let origin = origin_of(&api, &request);
    match opened(&api, &origin).await {
        Ok(_place) => show_invitation(&api, field(&fields, "token"), StatusCode::OK, None).await,
        Err(error) => failed(&api, &error),
    }
}

async fn show_invitation(api: &Api, token: &str, status: StatusCode, problem: Option<String>) -> Response {
    match api.service.preview_invitation(token).await {
        Ok(preview) if preview.is_sign_in_required => failed(api, &Error::Unauthenticated),
        Ok(preview) => {
            let values = context! {
                token, problem,
                organization => preview.organization.name,
                inviter => preview.inviter,
                name => preview.invitation.name,
                address => preview.invitation.email,
                roles => preview.roles,
                provider => preview.connection.map(|connection| connection.display_name),
                min_length => preview.policy.password_min_length,
            };
            show(api, status, "invitation.html", values)
        }
        Err(error) => failed(api, &error),
    }
}

pub(super) async fn answered(State(api): State<Api>, request: Request) -> Response {
    let (fields, origin) = match form(&api, request).await {
        Ok(read) => read,
        Err(error) => return failed(&api, &error),
    };
    let token = field(&fields, "token");
    if field(&fields, "answer") == "decline" {
        return match api.service.decline_invitation(token, &origin).await {
            Ok(_) => done(&api, "Invitation declined", "The invitation has ended. You can close this page."),
            Err(error) => failed(&api, &error),
        };
    }
    let name = Some(field(&fields, "name").trim()).filter(|name| !name.is_empty());
    let acceptor = Acceptor {
        password: Some(field(&fields, "password").to_owned()),
        profile: ProfileEdit {
            display_name: name.map_or(Edit::Keep, |name| Edit::Set(name.to_owned())),
            ..ProfileEdit::default()
        },
        ..Acceptor::default()
    };
    let caller = Caller::nobody(Nobody::Unknown, origin);
    match api.service.accept_invitation(&caller, token, &acceptor).await {
        Ok(joined) => {
            // The page keeps no session: signing in is the application's business.
            if let Some(session) = joined.session {
                let refresh = session.refresh_token.expose().to_owned();
                drop(api.service.sign_out(None, Some(&refresh), caller.origin()).await);
            }
            done(
                &api,
                "Welcome",
                &format!(
                    "You are now a member of {}. Sign in with your address and password.",
                    joined.organization.name
                ),
            )
        }
        Err(error) if is_about_password(&error) => {
            let problem = sentence(&error.to_string());
            show_invitation(&api, token, StatusCode::BAD_REQUEST, Some(problem)).await
        }
        Err(error) => failed(&api, &error),
    }
}
