//! Somebody who uses the account API over a real socket.

use reqwest::Client;
use serde_json::{Value, json};

/// A GraphQL client, signed in or not.
#[derive(Clone)]
pub struct Person {
    http: Client,
    url: String,
    pub email: String,
    pub password: String,
    pub token: Option<String>,
    pub refresh: Option<String>,
    pub device: String,
}

/// An answer of the account API.
#[derive(Debug)]
pub struct GraphqlAnswer {
    pub status: u16,
    pub body: Value,
    request: String,
}

const LOGIN: &str = "mutation Login($input: LoginInput!) { login(input: $input) {
    session { accessToken refreshToken login { id deviceId } requiredActions }
    challenge { token methods attemptsRemaining canTrustDevice } trustedDeviceToken userErrors { code message path params } } }";

impl Person {
    pub fn new(url: &str, email: &str, password: &str) -> Self {
        Self {
            http: super::http()
                .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
                .build()
                .expect("a client"),
            url: url.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            token: None,
            refresh: None,
            device: "laptop-1".to_owned(),
        }
    }

    /// The same person without a credential.
    pub fn signed_out(&self) -> Self {
        Self { token: None, refresh: None, ..self.clone() }
    }

    /// The same client with another credential.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same person, known by another address.
    pub fn under(&self, email: &str) -> Self {
        Self { email: email.to_owned(), ..self.clone() }
    }

    /// The same person with another password.
    pub fn with_password(&self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self.clone() }
    }

    /// The same person at another node.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// The same person on another device.
    pub fn on(&self, device: &str) -> Self {
        Self { device: device.to_owned(), ..self.signed_out() }
    }

    pub fn request(&self, body: &Value) -> reqwest::RequestBuilder {
        self.request_at("/graphql", body)
    }

    pub fn request_at(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn post(&self, body: &Value) -> GraphqlAnswer {
        let response = self.request(body).send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        GraphqlAnswer { status, body, request: String::new() }
    }

    /// Runs an operation.
    pub async fn ask(&self, query: &str, variables: Value) -> GraphqlAnswer {
        let mut answer = self.post(&json!({"query": query, "variables": variables})).await;
        query.clone_into(&mut answer.request);
        answer
    }

    /// Runs a mutation `name(input: …) { selection userErrors { … } }`, and answers its payload.
    pub async fn mutate(&self, name: &str, input: Value, selection: &str) -> Value {
        let answer = self.try_mutate(name, input, selection).await;
        assert!(answer.body.get("errors").is_none(), "{name}: {}", answer.body);
        answer.body["data"][name].clone()
    }

    pub async fn try_mutate(&self, name: &str, input: Value, selection: &str) -> GraphqlAnswer {
        let kind = format!("{}{}Input!", name[..1].to_uppercase(), &name[1..]);
        let query = format!(
            "mutation Do($input: {kind}) {{ {name}(input: $input) {{ {selection} userErrors {{ code message path params }} }} }}"
        );
        self.ask(&query, json!({ "input": input })).await
    }

    /// Runs a mutation that is expected to be refused; answers the first code.
    pub async fn refused(&self, name: &str, input: Value) -> String {
        let payload = self.mutate(name, input, "clientMutationId").await;
        payload["userErrors"][0]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} was not refused: {payload}"))
            .to_owned()
    }

    /// Runs a mutation that is expected to succeed.
    pub async fn done(&self, name: &str, input: Value, selection: &str) -> Value {
        let payload = self.mutate(name, input, selection).await;
        assert_eq!(payload["userErrors"], json!([]), "{name}");
        payload
    }

    pub async fn login_payload(&self, extra: Value) -> Value {
        let answer = self.try_login(extra).await;
        assert!(answer.body.get("errors").is_none(), "{}", answer.body);
        answer.body["data"]["login"].clone()
    }

    pub async fn try_login(&self, extra: Value) -> GraphqlAnswer {
        let mut input = json!({"email": self.email, "password": self.password, "deviceId": self.device});
        input.as_object_mut().expect("an object").extend(extra.as_object().cloned().unwrap_or_default());
        self.ask(LOGIN, json!({ "input": input })).await
    }

    /// Signs in; no second factor may be asked for.
    pub async fn sign_in(&self) -> Self {
        let payload = self.login_payload(json!({})).await;
        assert!(payload["session"].is_object(), "{payload}");
        self.with_session(&payload["session"])
    }

    /// The same person with the tokens of a session.
    pub fn with_session(&self, session: &Value) -> Self {
        let text = |name: &str| session[name].as_str().map(str::to_owned);
        Self { token: text("accessToken"), refresh: text("refreshToken"), ..self.clone() }
    }

    /// The same login with new tokens.
    pub async fn refreshed(&self) -> Self {
        let input = json!({"refreshToken": self.refresh});
        let payload = self.done("refreshSession", input, "session { accessToken refreshToken }").await;
        self.with_session(&payload["session"])
    }

    /// The code with which a query fails, if it does.
    pub async fn refused_code(&self, query: &str) -> Option<String> {
        self.ask(query, json!({})).await.code()
    }

    /// What `me` answers for this selection.
    pub async fn me(&self, selection: &str) -> Value {
        self.ask(&format!("{{ me {{ {selection} }} }}"), json!({})).await.data()["me"].clone()
    }

    /// The code with which `me` fails, if it does.
    pub async fn me_code(&self) -> Option<String> {
        self.ask("{ me { accountId } }", json!({})).await.code()
    }

    pub async fn is_in(&self) -> bool {
        self.me_code().await.is_none()
    }

    pub async fn login_id(&self) -> String {
        self.me("login { id }").await["login"]["id"].as_str().expect("a login").to_owned()
    }
}

impl GraphqlAnswer {
    /// The data, if nothing failed.
    #[track_caller]
    pub fn data(self) -> Value {
        assert!(self.body.get("errors").is_none(), "{}: {}", self.request, self.body);
        self.body["data"].clone()
    }

    /// The code of the first error.
    pub fn code(&self) -> Option<String> {
        self.body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
    }
}

/// The code of a payload's first refusal; empty, if there is none.
pub fn first_code(payload: &Value) -> &str {
    payload["userErrors"][0]["code"].as_str().unwrap_or_default()
}

/// The fields of a root type, read from the SDL so that a new one cannot escape.
pub fn root_fields(root: &str) -> Vec<String> {
    use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
    let document = async_graphql::parser::parse_schema(rollcall::api::graphql::sdl()).expect("the SDL");
    for definition in document.definitions {
        if let TypeSystemDefinition::Type(definition) = definition
            && definition.node.name.node == root
            && let TypeKind::Object(object) = definition.node.kind
        {
            return object.fields.iter().map(|field| field.node.name.node.to_string()).collect();
        }
    }
    panic!("there is no type {root}");
}
