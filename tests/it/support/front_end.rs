//! A front end that signs people in through login providers, and the browser it does it in.

use std::collections::HashMap;
use std::sync::Mutex;

use reqwest::{Client, Url, redirect};
use rollcall::domain::connection::ConnectionDraft;
use rollcall::domain::{Caller, OrganizationId};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::app::start_of_time;
use super::openid_provider::CLIENT;
use super::{Engine, OpenidProvider, Person, TestApp};

pub const CALLBACK: &str = "https://app.example/signed-in?tab=1";
const VERIFIER: &str = "a verifier of forty-three characters or more";
pub const GOOGLE: &str = "google-oauth2";

/// A front end of a server, with its login provider.
pub struct FrontEnd {
    pub http: Client,
    pub url: String,
    pub provider: OpenidProvider,
    /// The cookies that the server set in the browser, by name.
    cookies: Mutex<HashMap<String, String>>,
}

/// Where a browser was sent back to the front end.
#[derive(Debug)]
pub struct WayBack(pub HashMap<String, String>);

impl WayBack {
    pub fn error(&self) -> &str {
        self.0.get("error").map(String::as_str).unwrap_or_default()
    }

    pub fn description(&self) -> &str {
        self.0.get("error_description").map(String::as_str).unwrap_or_default()
    }
}

impl FrontEnd {
    /// A server that knows the front end `web`, and a provider.
    pub async fn start(engine: Engine) -> (TestApp, Self) {
        let front_ends = [("web".to_owned(), vec![CALLBACK.to_owned()])];
        let app = TestApp::start_changed(engine, |config| config.front_ends = front_ends.into()).await;
        let provider = OpenidProvider::start(app.clock.now().timestamp()).await;
        let web = Self::of(&app, provider);
        (app, web)
    }

    /// The front end `web` of a server, with this provider.
    pub fn of(app: &TestApp, provider: OpenidProvider) -> Self {
        let http = super::http().redirect(redirect::Policy::none()).build().expect("a client");
        Self { http, url: app.url.clone(), provider, cookies: Mutex::default() }
    }

    /// Sets the provider up for an organization whose own `acme.example` is, under the name of Google.
    pub async fn connect(&self, app: &TestApp, organization: OrganizationId) {
        app.service.add_domain(&Caller::operator(None), organization, "acme.example").await.expect("added");
        self.connect_alone(app, organization).await;
    }

    /// The same for an organization that has no domain.
    pub async fn connect_alone(&self, app: &TestApp, organization: OrganizationId) {
        let draft = ConnectionDraft {
            name: GOOGLE.to_owned(),
            display_name: "Google".to_owned(),
            issuer: self.provider.issuer().to_owned(),
            client_id: CLIENT.0.to_owned(),
            client_secret: Some(SecretString::from(CLIENT.1)),
        };
        app.service.create_connection(&Caller::operator(Some(organization)), draft).await.expect("set up");
    }

    /// What the front end asks for.
    pub fn wish() -> Vec<(&'static str, String)> {
        let challenge = rollcall::openid::challenge(VERIFIER);
        [
            ("response_type", "code"),
            ("client_id", "web"),
            ("redirect_uri", CALLBACK),
            ("state", "the front end's own & more"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("organization", "acme"),
            ("connection", GOOGLE),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    /// Opens a page; where it sends the browser, if it does.
    pub async fn open(&self, url: &str) -> (u16, Option<String>) {
        let cookies = if url.starts_with(&self.url) { self.cookies() } else { String::new() };
        let response = self.http.get(url).header("cookie", cookies).send().await.expect("an answer");
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.lock().expect("not poisoned").insert(name.to_owned(), value.to_owned());
        }
        let location = response.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
        (response.status().as_u16(), location)
    }

    /// The cookies as the browser sends them.
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.lock().expect("not poisoned");
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Asks to be sent to the provider.
    pub async fn leave_with(&self, wish: &[(&'static str, String)]) -> (u16, Option<String>) {
        let url = Url::parse_with_params(&format!("{}/oauth/authorize", self.url), wish).expect("a URL");
        self.open(url.as_str()).await
    }

    /// From the front end to the provider and to where the provider sends the browser.
    pub async fn to_callback(&self) -> String {
        let (status, to_provider) = self.leave_with(&Self::wish()).await;
        let to_provider = to_provider.unwrap_or_else(|| panic!("answered {status}"));
        assert!(to_provider.starts_with(self.provider.issuer()), "{to_provider}");
        self.open(&to_provider).await.1.expect("sent back")
    }

    /// Follows the callback to the front end.
    pub async fn come_back(&self, callback: &str) -> WayBack {
        let (status, location) = self.open(callback).await;
        let location = location.unwrap_or_else(|| panic!("answered {status} at {callback}"));
        assert!(location.starts_with(CALLBACK), "exact: {location}");
        read(&location)
    }

    /// The whole way, as this person.
    pub async fn go(&self, person: Value) -> WayBack {
        self.provider.sign_in(person);
        self.come_back(&self.to_callback().await).await
    }

    /// Exchanges something at the token endpoint.
    pub async fn exchange(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let sent = self.http.post(format!("{}/oauth/token", self.url)).form(form).send().await.expect("an answer");
        assert_eq!(sent.headers()["cache-control"], "no-store");
        (sent.status().as_u16(), sent.json().await.expect("JSON"))
    }

    /// Exchanges a code as the front end does.
    pub async fn redeem(&self, code: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "web"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.exchange(&form).await
    }

    /// The whole way to a session.
    pub async fn sign_in(&self, person: Value) -> Person {
        let back = self.go(person).await;
        let code = back.0.get("code").unwrap_or_else(|| panic!("{back:?}"));
        assert_eq!(back.0["state"], "the front end's own & more");
        assert_eq!(back.0["iss"], self.url);
        let (status, tokens) = self.redeem(code).await;
        assert_eq!(status, 200, "{tokens}");
        let session = json!({"accessToken": tokens["access_token"], "refreshToken": tokens["refresh_token"]});
        Person::new(&self.url, "", "").with_session(&session)
    }
}

/// The parameters of a URL.
pub fn read(url: &str) -> WayBack {
    WayBack(Url::parse(url).expect("a URL").query_pairs().into_owned().collect())
}

/// Somebody the provider vouches for, whom it asked who they are when the test began.
pub fn person(subject: &str, email: &str) -> Value {
    json!({"sub": subject, "email": email, "email_verified": true, "name": "Ada Lovelace", "given_name": "Ada",
           "family_name": "Lovelace", "auth_time": start_of_time().timestamp()})
}
