//! A SCIM client over a real socket.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

#[derive(Clone)]
pub struct Scim {
    http: Client,
    pub base: String,
    pub token: Option<String>,
    headers: HeaderMap,
}

/// An answer, its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    request: String,
}

impl Scim {
    pub fn new(url: &str, token: &str) -> Self {
        let http = super::http().build().expect("a client");
        Self { http, base: format!("{url}/scim/v2"), token: Some(token.to_owned()), headers: HeaderMap::new() }
    }

    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The same client at another base URL.
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        client.headers.append(name, HeaderValue::from_str(value).expect("a value"));
        client
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some((content_type, body)) = body {
            if !self.headers.contains_key("content-type") && !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            request = request.body(body);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body"), request: format!("{method} {path}") }
    }

    async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some(("application/scim+json", body.to_string().into_bytes()))).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_json("POST", path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send_json("PUT", path, body).await
    }

    pub async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.send_json("PATCH", path, &super::patch(operations)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Creates and answers the id.
    pub async fn make(&self, path: &str, body: &Value) -> String {
        self.post(path, body).await.expect(201)["id"].as_str().expect("an id").to_owned()
    }

    pub async fn make_user(&self, user_name: &str) -> String {
        self.make("/Users", &super::user(user_name)).await
    }

    pub async fn make_group(&self, display_name: &str, ids: &[&str]) -> String {
        let mut body = super::group(display_name);
        body["members"] = super::members(ids);
        self.make("/Groups", &body).await
    }

    /// The ids of a group's members, sorted.
    pub async fn member_ids(&self, group: &str) -> Vec<String> {
        let group = self.get(&format!("/Groups/{group}")).await.expect(200);
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> =
            members.iter().map(|member| member["value"].as_str().expect("an id").to_owned()).collect();
        ids.sort_unstable();
        ids
    }

    /// How many resources match.
    pub async fn count(&self, path: &str, filter: &str) -> u64 {
        let list = self.get(&super::filtered(path, filter)).await.expect(200);
        list["totalResults"].as_u64().expect("a number")
    }
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The error body, if status and scimType are the expected ones; its detail without the request id.
    #[track_caller]
    pub fn refused(self, status: u16, scim_type: Option<&str>) -> Value {
        let id = format!(" (request {})", self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/scim+json", "{}: {}", self.request, self.text);
        let request = self.request.clone();
        let mut body = self.expect(status);
        assert_eq!(body["schemas"], serde_json::json!([scim::message::ERROR]), "{request}");
        assert_eq!(body["status"], status.to_string(), "{request}: status is text");
        assert_eq!(body.get("scimType").and_then(Value::as_str), scim_type, "{request}: {body}");
        let detail = body["detail"].as_str().and_then(|detail| detail.strip_suffix(&id)).map(str::to_owned);
        assert!(detail.as_ref().is_some_and(|detail| !detail.is_empty()), "C13: {request}: {body}");
        body["detail"] = detail.into();
        body
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
