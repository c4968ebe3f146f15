//! An organization with so many people and groups, and a server over it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rollcall::clock::{Clock, Entropy};
use serde_json::{Value, json};

use crate::client::Client;
use crate::measure::Door;
use crate::program::{Installation, Server};
use crate::shared::person;

/// How large groups are, where there are as many people.
pub const GROUP_SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];
/// So many people stay out of all groups.
pub const OUTSIDE: usize = 100;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Disk,
    Remote,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "mem",
            Self::Disk => "surrealkv",
            Self::Remote => "ws",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Memory, Self::Disk, Self::Remote].into_iter().find(|kind| kind.name() == name)
    }
}

pub struct World {
    pub kind: Kind,
    pub server: Server,
    pub token: String,
    /// Address and password of the owner.
    pub owner: (String, String),
    pub users: Vec<String>,
    /// How many there are with those who were there before: owners, samples.
    pub everybody: usize,
    /// Groups by how many members they have; the first is empty.
    pub groups: Vec<(usize, String)>,
    /// How long it took to make them.
    pub made: Duration,
    pub installation: Installation,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text: {value}")).to_owned()
}

impl World {
    /// Makes an organization with this program and serves it; none where there is no such store here.
    pub async fn make(program: &Path, kind: Kind, users: usize) -> Option<Self> {
        let started = Instant::now();
        let mut world = match kind {
            Kind::Memory => Self::in_memory(Installation::in_memory(program), users).await,
            Kind::Disk => Self::imported(kind, Installation::on_disk(program), users),
            Kind::Remote => Self::imported(kind, Installation::on_server(program)?, users),
        };
        world.made = started.elapsed();
        Some(world)
    }

    fn imported(kind: Kind, installation: Installation, count: usize) -> Self {
        installation.initialize();
        let made = installation.run(&["organization", "create", "acme", "--owner-email", "owner@acme.example"]);
        let token = text(&installation.run(&["directory", "create", "acme", "Load"])["token"]);
        let (users, groups) = write_file(&installation.folder().join("people.jsonl"), count);
        installation.run(&["import", "acme", "people.jsonl", "--directory", "Load"]);
        if kind == Kind::Disk {
            copy(&installation.store_folder(), &copy_in(&installation));
        }
        let owner = (text(&made["owner"]["email"]), text(&made["owner"]["password"]));
        let server = serve(&installation, count);
        let everybody = count + 1;
        Self { kind, server, token, owner, users, everybody, groups, made: Duration::ZERO, installation }
    }

    async fn in_memory(installation: Installation, count: usize) -> Self {
        let server = installation.demo();
        let acme = &server.contract["organizations"][0];
        let (token, owner) = (text(&acme["scim"]["token"]), &acme["owner"]);
        let owner = (text(&owner["email"]), text(&owner["password"]));
        let mut client = Client::connect(&server.address, &token).await;
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        let made = |answer: Vec<u8>| text(&serde_json::from_slice::<Value>(&answer).expect("JSON")["id"]);
        for index in 0..count {
            users.push(made(client.send("POST", "/scim/v2/Users", &person(index).to_string()).await));
        }
        for size in sizes(count).into_iter().filter(|size| *size <= 1_000) {
            let body = group(&users[..size], size).to_string();
            groups.push((size, made(client.send("POST", "/scim/v2/Groups", &body).await)));
        }
        let answer = client.send("GET", "/scim/v2/Users?count=0", "").await;
        let total = serde_json::from_slice::<Value>(&answer).expect("JSON")["totalResults"].as_u64();
        let everybody = usize::try_from(total.expect("a number")).expect("some thousands");
        let (kind, made) = (Kind::Memory, Duration::ZERO);
        Self { kind, server, token, owner, users, everybody, groups, made, installation }
    }

    /// Where the copy of its store is, on disk.
    pub fn copy(&self) -> PathBuf {
        copy_in(&self.installation)
    }

    /// Starts the server again on the same store, after it was stopped or killed.
    pub fn start_again(&mut self) {
        self.server = serve(&self.installation, self.users.len());
    }

    /// As its directory.
    pub fn door(&self) -> Door {
        Door { address: self.server.address.clone(), token: self.token.clone(), media: "application/scim+json" }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.server.address, &self.token).await
    }

    /// The group with so many members.
    pub fn group(&self, size: usize) -> Option<&str> {
        self.groups.iter().find(|(known, _)| *known == size).map(|(_, id)| id.as_str())
    }

    /// The largest group there is.
    pub fn crowd(&self) -> (usize, &str) {
        self.groups.last().map_or((0, ""), |(size, id)| (*size, id))
    }
}

/// Serves an organization of this size: the cache of answers holds all of it, at about 400 bytes for each user.
fn serve(installation: &Installation, users: usize) -> Server {
    let mebibytes = 128.max(users / 2_400);
    installation.serve(&[("ROLLCALL__CACHE__ANSWERS_MEBIBYTES", mebibytes.to_string())])
}

fn copy_in(installation: &Installation) -> PathBuf {
    installation.folder().join("alone")
}

/// Copies a store that nobody has open.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Which groups an organization of so many people has; none, and up to everybody but those outside.
fn sizes(users: usize) -> Vec<usize> {
    let most = users.saturating_sub(OUTSIDE);
    let mut sizes = vec![0];
    sizes.extend(GROUP_SIZES.into_iter().filter(|size| *size <= most));
    sizes
}

fn group(members: &[String], size: usize) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    json!({"schemas": [scim::schema::GROUP], "displayName": format!("Group of {size}"), "members": members})
}

/// People and groups as JSON lines, with ids of ours, so that it is known who is who.
fn write_file(path: &Path, count: usize) -> (Vec<String>, Vec<(usize, String)>) {
    let (entropy, clock) = (Entropy::default(), Clock::default());
    let id = || entropy.id(clock.now()).to_string();
    let mut users: Vec<String> = (0..count).map(|_| id()).collect();
    users.sort_unstable();
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut line = |mut resource: Value, id: &str| {
        resource["id"] = json!(id);
        let mut line = String::new();
        writeln!(line, "{resource}").expect("text");
        file.write_all(line.as_bytes()).expect("written");
    };
    for (index, id) in users.iter().enumerate() {
        line(person(index), id);
    }
    let groups: Vec<(usize, String)> = sizes(count).into_iter().map(|size| (size, id())).collect();
    for (size, id) in &groups {
        line(group(&[], *size), id);
    }
    for (size, id) in &groups {
        for members in users[..*size].chunks(1_000) {
            line(group(members, *size), id);
        }
    }
    (users, groups)
}
