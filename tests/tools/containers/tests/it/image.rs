//! The image `rollcall` on its default store, without a database server.

use std::time::{Duration, Instant};

use crate::support::{Server, docker, engine_answers, image, json_line};

/// Longest time from SIGTERM to the end of the process. Docker kills after ten seconds by default.
const STOP_TIME: Duration = Duration::from_secs(10);

/// A volume with the store and its key file.
struct Volume(String);

impl Volume {
    fn new() -> Self {
        Self(docker(&["volume", "create"]).expect("a volume"))
    }

    fn mount(&self) -> String {
        format!("{}:/var/lib/rollcall", self.0)
    }

    /// Runs a command on the store. No server may have it open.
    fn rollcall(&self, image: &str, arguments: &[&str]) -> Result<String, String> {
        docker(&[&["run", "--rm", "--volume", &self.mount(), image][..], arguments].concat())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(docker(&["volume", "rm", "--force", &self.0]));
    }
}

/// A container that serves.
struct Serving(String);

impl Serving {
    fn start(image: &str, volume: &Volume) -> Self {
        let ports = ["--publish", "127.0.0.1::8080", "--publish", "127.0.0.1::9464"];
        let started = docker(&[&["run", "--detach", "--volume", &volume.mount()][..], &ports, &[image]].concat());
        let serving = Self(started.expect("the container starts"));
        serving.server(8080).wait_until_ready();
        serving
    }

    /// The server behind a port of the container. The published port changes with each start.
    fn server(&self, port: u16) -> Server {
        let published = docker(&["port", &self.0, &format!("{port}/tcp")]).expect("a published port");
        Server::at(published.lines().next().expect("an address"))
    }

    fn stop(&self) {
        let started = Instant::now();
        docker(&["stop", &self.0]).expect("the container stops");
        assert!(started.elapsed() < STOP_TIME, "stopped after {:?}", started.elapsed());
        let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &self.0]).expect("a state");
        assert_eq!(code, "0", "the process ends by itself");
    }

    fn start_again(&self) {
        docker(&["start", &self.0]).expect("the container starts");
        self.server(8080).wait_until_ready();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", docker(&["logs", "--tail", "50", &self.0]).unwrap_or_else(|error| error));
        }
        drop(docker(&["rm", "--force", &self.0]));
    }
}

/// Creates an organization with a directory and returns the directory's token.
fn create_directory(image: &str, volume: &Volume) -> String {
    let owner = "owner@acme.example";
    // A former image has no such command, and makes the store with the first organization.
    drop(volume.rollcall(image, &["init"]));
    json_line(volume.rollcall(image, &["organization", "create", "acme", "--owner-email", owner, "--json"]));
    let directory = json_line(volume.rollcall(image, &["directory", "create", "acme", "Okta", "--json"]));
    directory["token"].as_str().expect("a token").to_owned()
}

#[test]
fn the_image_serves_on_its_default_store_keeps_it_across_restarts_and_stops_within_ten_seconds() {
    if !engine_answers() {
        return;
    }
    let (image, volume) = (image(), Volume::new());
    let token = create_directory(&image, &volume);
    let serving = Serving::start(&image, &volume);
    for port in [8080, 9464] {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(serving.server(port).get(path, None).expect("an answer").0, 200, "{path} on {port}");
        }
    }
    let metrics = serving.server(9464).get("/metrics", None).expect("an answer").0;
    assert_eq!(metrics, 403, "L-11: not without a token");
    let user = docker(&["exec", &serving.0, "id", "--user"]).expect("a user");
    assert_eq!(user, "10001", "the server does not run as root");

    let id = serving.server(8080).create_user(&token, "ada@acme.example");
    serving.stop();
    serving.start_again();
    assert_eq!(serving.server(8080).user_name(&token, &id), "ada@acme.example");
    serving.stop();

    // Another container on the same volume, as after an upgrade of the image.
    let other = Serving::start(&image, &volume);
    assert_eq!(other.server(8080).user_name(&token, &id), "ada@acme.example");
    other.stop();
}

#[test]
fn the_image_reads_the_store_that_the_former_image_wrote() {
    let Ok(former) = std::env::var("ROLLCALL_TEST_FORMER_IMAGE") else {
        println!("skipped: ROLLCALL_TEST_FORMER_IMAGE names no image");
        return;
    };
    if !engine_answers() {
        return;
    }
    let (image, volume) = (image(), Volume::new());
    let token = create_directory(&former, &volume);
    let ids: Vec<String> = {
        let serving = Serving::start(&former, &volume);
        let ids = (0..20).map(|index| serving.server(8080).create_user(&token, &format!("u{index}"))).collect();
        serving.stop();
        ids
    };
    // A store that must be converted is refused with the command that converts it.
    if let Err(refused) = volume.rollcall(&image, &["organization", "list", "--json"]) {
        assert!(refused.contains("migrate --convert"), "{refused}");
        volume.rollcall(&image, &["migrate", "--convert"]).expect("the store is converted");
    }
    let serving = Serving::start(&image, &volume);
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(serving.server(8080).user_name(&token, id), format!("u{index}"));
    }
    serving.server(8080).create_user(&token, "afterwards");
    serving.stop();
}
