//! What both harnesses send and how they count.

use std::time::{Duration, Instant};

use rollcall::config::Config;
use rollcall::store::StoreSettings;
use scim::Resource;
use serde_json::{Value, json};

use crate::client::Client;

/// Connections of a load, unless it says otherwise.
pub const CONNECTIONS: usize = 16;
/// What a front end asks first.
pub const ME: &str = "{ me { accountId user { id userName displayName email } organization { id shortName name } } }";
const LOGIN: &str =
    "mutation($input: LoginInput!) { login(input: $input) { session { accessToken } userErrors { code message } } }";

/// A person as directories describe them, in about 800 bytes.
pub fn person(index: usize) -> Value {
    json!({
        "schemas": [scim::schema::USER], "userName": user_name(index), "externalId": format!("ext-{index}"),
        "displayName": format!("User {index}"), "title": "Engineer", "locale": "en-US", "timezone": "Europe/Zurich",
        "name": {"givenName": "User", "familyName": format!("Number {index}"), "formatted": format!("User Number {index}")},
        "emails": [{"value": user_name(index), "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+41 44 668 18 00", "type": "work"}],
        scim::schema::ENTERPRISE_USER: {"department": format!("Department {}", index % 50), "employeeNumber": index.to_string()},
    })
}

pub fn user_name(index: usize) -> String {
    format!("user{index:06}@example.com")
}

/// As it is kept.
pub fn resource(body: &Value) -> Resource {
    let mut attributes = body.as_object().expect("an object").clone();
    attributes.remove("schemas");
    Resource::from_stored(attributes)
}

/// A store at this URL, otherwise as it is set where nobody set anything.
pub fn store_settings(url: &str) -> StoreSettings {
    let settings = Config::load(None).expect("the defaults").store_settings().expect("without secrets");
    StoreSettings { url: url.to_owned(), ..settings }
}

pub fn login_body(email: &str, password: &str, device: &str) -> String {
    let input = json!({"email": email, "password": password, "deviceId": device});
    json!({"query": LOGIN, "variables": {"input": input}}).to_string()
}

/// A client of the account API.
pub async fn graphql_client(address: &str, token: &str) -> Client {
    Client::connect_with(address, token, "application/json").await
}

/// An access token of theirs.
pub async fn signed_in(address: &str, email: &str, password: &str) -> String {
    let mut client = graphql_client(address, "none").await;
    let answer = client.send("POST", "/graphql", &login_body(email, password, "bench")).await;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    answer["data"]["login"]["session"]["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "some millions")]
pub fn per_second(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}
