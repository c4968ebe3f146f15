//! `ops/compose.yaml`: two nodes on one database, with a mail catcher.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Server, engine_answers, json_line, run, wait_for};

const OWNER: &str = "owner@acme.example";
const GUEST: &str = "ann@acme.example";
const PASSWORD: &str = "wX7 vals vK9 pl2 mQz";

/// A project of the compose file with ports and secrets of its own.
struct Project {
    program: &'static [&'static str],
    name: String,
    variables: Vec<(&'static str, String)>,
    _folder: TempDir,
}

/// Compose 2 as a part of `docker`, or Compose 1 as a program of its own.
fn program() -> Option<&'static [&'static str]> {
    let known: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    known.into_iter().find(|program| run(Command::new(program[0]).args(&program[1..]).arg("version")).is_ok())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

impl Project {
    /// Starts the project; none, with the reason printed, where that is not possible.
    fn start() -> Option<Self> {
        if !engine_answers() {
            return None;
        }
        let Some(program) = program() else {
            println!("skipped: neither `docker compose` nor `docker-compose` is installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let secrets = folder.path().join("secrets");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ops/make-secrets");
        run(Command::new(script).arg(&secrets)).expect("secrets are made");
        // The server that tests build has no storage but memory.
        let storage = std::env::var("ROLLCALL_DATABASE_STORAGE").unwrap_or_else(|_| "memory".to_owned());
        let ports = [free_port(), free_port(), free_port()].map(|port| port.to_string());
        let [one, two, mail] = ports;
        let project = Self {
            program,
            name: format!("rollcall-test-{}", std::process::id()),
            variables: vec![
                ("ROLLCALL_BIND", "127.0.0.1".to_owned()),
                ("ROLLCALL_ONE_PORT", one),
                ("ROLLCALL_TWO_PORT", two),
                ("ROLLCALL_MAIL_PORT", mail),
                ("ROLLCALL_DATABASE_STORAGE", storage),
                ("ROLLCALL_SECRETS", secrets.display().to_string()),
            ],
            _folder: folder,
        };
        project.compose(&["up", "--detach", "--no-build"]).expect("the project starts");
        Some(project)
    }

    fn compose(&self, arguments: &[&str]) -> Result<String, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ops/compose.yaml");
        let mut command = Command::new(self.program[0]);
        command.args(&self.program[1..]).args(["--project-name", &self.name, "--file"]).arg(file).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        run(&mut command)
    }

    /// Runs a command of the server in the first node's container and returns its JSON.
    fn rollcall(&self, arguments: &[&str]) -> Value {
        json_line(self.compose(&[&["exec", "-T", "one", "rollcall"][..], arguments, &["--json"]].concat()))
    }

    /// The server behind the port in a variable.
    fn server(&self, variable: &str) -> Server {
        let (_, port) = self.variables.iter().find(|(name, _)| *name == variable).expect("a variable");
        Server::at(&format!("127.0.0.1:{port}"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.compose(&["logs", "--no-color", "--tail", "40"]).unwrap_or_else(|error| error));
        }
        drop(self.compose(&["down", "--volumes", "--timeout", "5"]));
    }
}

/// The token of the link in the newest mail to this address.
fn token_in_mail(mails: &Server, to: &str) -> String {
    let mut id = None;
    wait_for("a mail", Duration::from_secs(30), || {
        let (_, listed) = mails.get("/api/v1/messages", None).expect("an answer");
        let messages = listed["messages"].as_array().expect("a list");
        let found = messages.iter().find(|message| message["To"][0]["Address"] == to);
        id = found.and_then(|message| message["ID"].as_str()).map(str::to_owned);
        id.is_some()
    });
    let (_, message) = mails.get(&format!("/api/v1/message/{}", id.expect("an id")), None).expect("an answer");
    let text = message["Text"].as_str().expect("a text");
    let link = text.lines().find(|line| line.starts_with("http")).unwrap_or_else(|| panic!("no link: {text}"));
    link.trim().split_once("token=").expect("a token").1.to_owned()
}

#[test]
fn two_nodes_of_the_compose_file_invite_provision_and_lose_nothing_while_each_restarts() {
    let Some(project) = Project::start() else { return };
    let (one, two) = (project.server("ROLLCALL_ONE_PORT"), project.server("ROLLCALL_TWO_PORT"));
    one.wait_until_ready();
    two.wait_until_ready();

    let made = project.rollcall(&["organization", "create", "acme", "--owner-email", OWNER]);
    let owner = one.sign_in(OWNER, made["owner"]["password"].as_str().expect("a password"));
    let invitation = json!({"email": GUEST, "name": "Ann Lee", "roles": [{"key": "developer"}], "connection": null});
    let results = "results { invitation { id } userErrors { code } }";
    let invited = one.mutate(Some(&owner), "invite", json!({"invitations": [invitation]}), results);
    assert!(invited["results"][0]["invitation"]["id"].is_string(), "{invited}");
    let token = token_in_mail(&project.server("ROLLCALL_MAIL_PORT"), GUEST);
    one.mutate(None, "acceptInvitation", json!({"token": token, "password": PASSWORD}), "user { id }");
    for node in [&one, &two] {
        node.sign_in(GUEST, PASSWORD);
    }

    let created = one.mutate(Some(&owner), "createDirectory", json!({"displayName": "Okta"}), "secret");
    let directory = created["secret"].as_str().expect("a token");
    let provisioned = one.create_user(directory, "ada");
    assert_eq!(two.user_name(directory, &provisioned), "ada");

    let mut written = vec![("ada".to_owned(), provisioned)];
    for (restarted, other) in [("one", &two), ("two", &one)] {
        std::thread::scope(|scope| {
            let restart = scope.spawn(|| project.compose(&["restart", "--timeout", "30", restarted]));
            let mut count = 0;
            // At most 20 a second: a directory may send 50.
            while !restart.is_finished() || count < 20 {
                let name = format!("while-{restarted}-restarts-{count}");
                written.push((name.clone(), other.create_user(directory, &name)));
                count += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            restart.join().expect("no panic").expect("the node restarts");
        });
        one.wait_until_ready();
        two.wait_until_ready();
    }
    for (name, id) in &written {
        for node in [&one, &two] {
            assert_eq!(&node.user_name(directory, id), name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    println!("{} users written and read back on both nodes", written.len());
}
