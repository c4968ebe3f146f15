//! Docker's command line, and an HTTP client of a server in a container.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

pub const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// Whether an engine answers; prints the reason for the skip where none does.
pub fn engine_answers() -> bool {
    let answers = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !answers {
        println!("skipped: no Docker engine answers");
    }
    answers
}

/// The image under test.
pub fn image() -> String {
    std::env::var("ROLLCALL_TEST_IMAGE").unwrap_or_else(|_| "rollcall".to_owned())
}

/// Runs a command and returns its standard output without the line end, or its standard error where it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs `docker`.
pub fn docker(arguments: &[&str]) -> Result<String, String> {
    run(Command::new("docker").args(arguments))
}

/// The JSON that a command of `rollcall` prints.
#[track_caller]
pub fn json_line(output: Result<String, String>) -> Value {
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_for(what: &str, longest: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < longest, "{what}: not within {longest:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An HTTP server, by its origin.
#[derive(Clone)]
pub struct Server {
    http: Client,
    url: String,
}

impl Server {
    pub fn at(address: &str) -> Self {
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { http, url: format!("http://{address}") }
    }

    /// The status and the body of an answer; none where the connection fails.
    pub fn get(&self, path: &str, token: Option<&str>) -> Option<(u16, Value)> {
        send(self.http.get(format!("{}{path}", self.url)), token)
    }

    fn post(&self, path: &str, token: Option<&str>, media_type: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.url)).header("content-type", media_type);
        send(request.body(body.to_string()), token)
    }

    #[track_caller]
    pub fn wait_until_ready(&self) {
        wait_for("ready", Duration::from_secs(60), || matches!(self.get("/readyz", None), Some((200, _))));
    }

    /// Runs a mutation and returns its payload.
    #[track_caller]
    pub fn mutate(&self, token: Option<&str>, name: &str, input: Value, selection: &str) -> Value {
        let kind = format!("{}{}Input!", name[..1].to_uppercase(), &name[1..]);
        let query = format!(
            "mutation Do($input: {kind}) {{ {name}(input: $input) {{ {selection} userErrors {{ code message }} }} }}"
        );
        let body = json!({"query": query, "variables": {"input": input}});
        let (status, answer) = self.post("/graphql", token, "application/json", &body).expect("an answer");
        let payload = &answer["data"][name];
        assert!(status == 200 && payload["userErrors"] == json!([]), "{name}: {status} {answer}");
        payload.clone()
    }

    /// Signs in with a password and returns the access token.
    #[track_caller]
    pub fn sign_in(&self, email: &str, password: &str) -> String {
        let input = json!({"email": email, "password": password, "deviceId": "laptop-1"});
        let payload = self.mutate(None, "login", input, "session { accessToken }");
        payload["session"]["accessToken"].as_str().unwrap_or_else(|| panic!("no session: {payload}")).to_owned()
    }

    /// Creates a user over SCIM and returns its id.
    #[track_caller]
    pub fn create_user(&self, token: &str, name: &str) -> String {
        let body = json!({"schemas": [USER_SCHEMA], "userName": name});
        let (status, user) =
            self.post("/scim/v2/Users", Some(token), "application/scim+json", &body).expect("an answer");
        assert_eq!(status, 201, "{name}: {user}");
        user["id"].as_str().expect("an id").to_owned()
    }

    /// Reads a user over SCIM and returns its name.
    #[track_caller]
    pub fn user_name(&self, token: &str, id: &str) -> String {
        let (status, user) = self.get(&format!("/scim/v2/Users/{id}"), Some(token)).expect("an answer");
        assert_eq!(status, 200, "{id}: {user}");
        user["userName"].as_str().expect("a name").to_owned()
    }
}

fn send(request: RequestBuilder, token: Option<&str>) -> Option<(u16, Value)> {
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().ok()?;
    let status = response.status().as_u16();
    let text = response.text().ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
