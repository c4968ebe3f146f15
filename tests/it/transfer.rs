//! Taking an organization out and putting it in: nothing is lost, nothing comes twice, what is wrong is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rollcall::domain::{Caller, OrganizationId};
use rollcall::service::Imported;
use serde_json::{Map, Value, json};

use crate::cli::{Running, json as answered, rollcall, text};
use crate::support::{ENTERPRISE, Engine, GROUP, Person, Scim, TestApp, USER};

const HR: &str = "urn:acme:scim:hr:1.0:User";
const SOURCE: &str = "surrealkv://source";
const TARGET: &str = "surrealkv://target";

fn run(folder: &Path, store: &str, arguments: &[&str]) -> std::process::Output {
    rollcall(folder, &[arguments, &["--store", store, "--json"]].concat())
}

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(name)).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn is_member_line(line: &Value) -> bool {
    line.get("members").is_some()
}

/// The members of each group, whatever lines they are spread over.
fn members_by_group(lines: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines.iter().filter(|line| is_member_line(line)) {
        let members = line["members"].as_array().expect("a list");
        let ids = members.iter().map(|member| member["value"].as_str().expect("an id").to_owned());
        groups.entry(line["id"].as_str().expect("an id").to_owned()).or_default().extend(ids);
    }
    groups
}

/// What must come through unchanged: all but when a group was last changed, since its members came in afterwards.
fn comparable(lines: &[Value]) -> Vec<Value> {
    let mut lines: Vec<Value> = lines.iter().filter(|line| !is_member_line(line)).cloned().collect();
    for line in lines.iter_mut().filter(|line| line["meta"]["resourceType"] == "Group") {
        line["meta"]["lastModified"] = Value::Null;
    }
    lines
}

fn hr() -> Value {
    let badge = json!({"name": "badge", "type": "integer", "multiValued": false, "description": "d", "required": false,
                       "mutability": "readWrite", "returned": "default"});
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": HR, "name": "HR", "description": "d",
           "attributes": [badge]})
}

/// A demo organization with what is easily lost: an own extension, somebody kept out, somebody protected, a removed
/// `active`, groups in groups, and a group that does not fit in one line.
async fn make_source(folder: &Path) {
    let demo = ["demo", "--listen", "127.0.0.1:0", "--organizations", "1", "--store", SOURCE, "--json"];
    assert!(Running::start(folder, &demo).stop());
    fs::write(folder.join("hr.json"), hr().to_string()).expect("written");
    answered(&run(folder, SOURCE, &["extension", "set", "acme", "hr.json"]));
    let running = Running::start(folder, &demo);
    let contract = running.json();
    let organization = &contract["organizations"][0];
    let url = contract["url"].as_str().expect("a URL");
    let scim = Scim::new(url, organization["scim"]["token"].as_str().expect("a token"));
    let manager = scim.make_user("zoe@acme.example").await;
    let full = json!({"schemas": [USER, ENTERPRISE, HR], "userName": "Ünal@acme.example", "externalId": "00u1",
                      "name": {"givenName": "Ü", "familyName": "N"}, "locale": "tr-TR",
                      "emails": [{"value": "u@acme.example", "type": "work", "primary": true}, {"value": "u@x.example"}],
                      ENTERPRISE: {"department": "R&D", "manager": {"value": manager}}, HR: {"badge": 7}});
    let full = scim.make("/Users", &full).await;
    let flagless = scim.make_user("flagless@acme.example").await;
    scim.patch(&format!("/Users/{flagless}"), json!([{"op": "remove", "path": "active"}])).await.expect(200);
    let held = scim.make_user("held@acme.example").await;
    let mut many = vec![full, flagless];
    for index in 0..1_100 {
        many.push(scim.make_user(&format!("many-{index}@acme.example")).await);
    }
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    let large = scim.make_group("Large", &all).await;
    let outer = scim.make_group("Outer", &[&large, &manager]).await;
    let circle = json!([{"op": "add", "path": "members", "value": [{"value": outer}]}]);
    scim.patch(&format!("/Groups/{large}"), circle).await.expect(204);
    let text_of = |value: &Value| value.as_str().expect("text").to_owned();
    let owner = &organization["owner"];
    let owner = Person::new(url, &text_of(&owner["email"]), &text_of(&owner["password"])).sign_in().await;
    owner.done("disableUser", json!({"user": {"id": held}, "reason": "leave"}), "user { id }").await;
    assert!(running.stop());
    answered(&run(folder, SOURCE, &["user", "protect", "acme", "zoe@acme.example"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_comes_through_whole_however_often_it_is_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    make_source(folder).await;
    answered(&run(folder, SOURCE, &["export", "acme", "--output", "all.jsonl"]));
    let again = run(folder, SOURCE, &["export", "acme", "--output", "all.jsonl"]);
    assert!(!again.status.success() && text(&again.stderr).contains("there already"), "{}", text(&again.stderr));
    let all = lines(folder, "all.jsonl");
    let whole = fs::read_to_string(folder.join("all.jsonl")).expect("a file");
    assert!(!whole.contains("password") && !whole.contains("scim_"), "no secret is taken out");
    let large = members_by_group(&all);
    assert!(large.values().any(|members| members.len() == 1_103), "over two lines");

    // An export that broke off anywhere, even within a line, goes on there; another organization's is not gone on with.
    let organizations = answered(&run(folder, SOURCE, &["organization", "list"]));
    let id = organizations["organizations"][0]["id"].as_str().expect("an id").to_owned();
    fs::write(folder.join("own.jsonl.01900000-0000-7000-8000-000000000001.part"), &whole[..5_000]).expect("written");
    answered(&run(folder, SOURCE, &["export", "acme", "--output", "own.jsonl"]));
    assert_eq!(fs::read_to_string(folder.join("own.jsonl")).expect("a file"), whole);
    let breaks = [0, 100, whole.len() / 3, whole.len() / 2, whole.len() - 60_000, whole.len() - 100, whole.len()];
    for (index, end) in breaks.into_iter().enumerate() {
        let name = format!("resumed-{index}.jsonl");
        let end = (0..=end).rev().find(|at| whole.is_char_boundary(*at)).expect("the beginning is one");
        fs::write(folder.join(format!("{name}.{id}.part")), &whole[..end]).expect("written");
        answered(&run(folder, SOURCE, &["export", "acme", "--output", &name]));
        assert_eq!(fs::read_to_string(folder.join(&name)).expect("a file"), whole, "broken off after {end}");
    }
    fs::write(folder.join(format!("x.jsonl.{id}.part")), "not an export\n").expect("written");
    assert!(!run(folder, SOURCE, &["export", "acme", "--output", "x.jsonl"]).status.success());

    // An import that broke off is run again.
    answered(&run(folder, TARGET, &["organization", "create", "copy", "--no-owner", "--create"]));
    let half: String = whole.lines().take(700).fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("written");
        text
    });
    fs::write(folder.join("half.jsonl"), half).expect("written");
    let first = answered(&run(folder, TARGET, &["import", "copy", "half.jsonl"]));
    assert_eq!((&first["extensions"], &first["users"], &first["groups"]), (&json!(1), &json!(699), &json!(0)));
    let second = answered(&run(folder, TARGET, &["import", "copy", "all.jsonl"]));
    assert_eq!((&second["existing"], &second["refused"]), (&json!(699), &json!([])));
    let third = answered(&run(folder, TARGET, &["import", "copy", "all.jsonl"]));
    assert_eq!((&third["users"], &third["groups"], &third["members"]), (&json!(0), &json!(0), &json!(0)), "{third}");

    answered(&run(folder, TARGET, &["export", "copy", "--output", "copy.jsonl"]));
    let copy = lines(folder, "copy.jsonl");
    assert_eq!(comparable(&copy), comparable(&all));
    assert_eq!(members_by_group(&copy), large);
    let held = copy.iter().find(|line| line["userName"] == "held@acme.example").expect("they came");
    assert_eq!((&held["active"], &held["rollcall"]["holdReason"]), (&json!(true), &json!("leave")));
    let flagless = copy.iter().find(|line| line["userName"] == "flagless@acme.example").expect("they came");
    assert_eq!(flagless["active"], false, "doubt lets nobody in");
    let trail = answered(&run(folder, TARGET, &["audit", "verify", "--organization", "copy"]));
    assert_eq!(trail["trails"][0]["whole"], true, "{trail}");
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

async fn put_in(app: &TestApp, organization: OrganizationId, users: &[Value]) -> Imported {
    let users = (1..).zip(users.iter().cloned().map(object)).collect();
    app.service.import_users(&Caller::operator(Some(organization)), users, None).await.expect("it goes on")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_in_is_named_and_the_rest_is() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let tenant = app.tenant("acme").await;
        let there = tenant.scim.make_user("There").await;
        let free = "01890000-0000-7000-8000-000000000001";
        let imported = put_in(
            &app,
            tenant.id,
            &[
                json!({"userName": "new"}),
                json!({"userName": "NEW"}),
                json!({"userName": "tHERE"}),
                json!({"userName": "there", "id": free}),
                json!({"userName": "renamed", "id": there}),
                json!({"userName": "x", "id": "42"}),
                json!({"userName": "x", "active": "perhaps"}),
                json!({"userName": "x", "rollcall": {"isAdmin": true}}),
                json!({"userName": " "}),
                json!({"userName": "lossy", "shoeSize": 44}),
                json!({"userName": "twin-1", "externalId": "of another directory"}),
                json!({"userName": "twin-2", "externalId": "of another directory"}),
                json!({"userName": "kept", "id": free, "meta": {"created": "2020-02-03T04:05:06Z"}}),
                json!({"userName": "future", "meta": {"created": "2999-01-01T00:00:00Z"}}),
            ],
        )
        .await;
        assert_eq!((imported.users, imported.existing), (4, 2), "{imported:?}");
        let refused: Vec<u64> = imported.refused.iter().map(|(number, _)| *number).collect();
        assert_eq!(refused, [2, 4, 6, 7, 8, 9, 10, 13], "{imported:?}");
        assert_eq!(tenant.scim.count("/Users", "userName eq \"there\"").await, 1);
        assert_eq!(tenant.scim.get(&format!("/Users/{there}")).await.expect(200)["userName"], "There");
        let new = tenant.scim.get("/Users?filter=userName%20eq%20%22future%22").await.expect(200);
        assert!(new["Resources"][0]["meta"]["created"].as_str().is_some_and(|at| at.starts_with("2026-01-01")));
        let kept = put_in(
            &app,
            tenant.id,
            &[json!({"userName": "kept", "id": free, "meta": {"created": "2020-02-03T04:05:06Z"}})],
        )
        .await;
        assert_eq!(kept.users, 1);
        let kept = tenant.scim.get(&format!("/Users/{free}")).await.expect(200);
        assert_eq!(kept["meta"]["created"], "2020-02-03T04:05:06.000Z");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_come_in_by_name_or_id_and_unknown_members_are_counted() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let tenant = app.tenant("acme").await;
        let ada = tenant.scim.make_user("ada").await;
        let operator = Caller::operator(Some(tenant.id));
        let import =
            async |line: Value| app.service.import_group(&operator, (9, object(line)), None).await.expect("on");
        let members = json!([{"value": ada}, {"value": ada}, {"value": "nobody"},
                             {"value": "01890000-0000-7000-8000-000000000001"}]);
        let made = import(json!({"schemas": [GROUP], "displayName": "Team", "members": members})).await;
        assert_eq!((made.groups, made.members), (1, 1));
        assert!(made.refused[0].1.starts_with("2 members"), "{made:?}");
        let again = import(json!({"displayName": "TEAM", "members": [{"value": ada}]})).await;
        assert_eq!((again.groups, again.existing, again.members, again.refused.len()), (0, 1, 0, 0));
        for wrong in [json!({"displayName": "Other", "members": "ada"}), json!({"displayName": "", "members": []})] {
            let refused = import(wrong).await;
            assert_eq!((refused.groups, refused.refused.len()), (0, 1));
        }
        let groups = tenant.scim.get("/Groups").await.expect(200);
        assert_eq!(groups["totalResults"], 1, "a refused line changes nothing");
        let id = groups["Resources"][0]["id"].as_str().expect("an id");
        assert_eq!(tenant.scim.member_ids(id).await, [ada.clone()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_ones_own_is_read_and_its_directory_goes_on_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    answered(&run(folder, TARGET, &["organization", "create", "acme", "--no-owner", "--create"]));
    let directory = answered(&run(folder, TARGET, &["directory", "create", "acme", "Okta"]));
    let people: String = (0..1_200).fold(String::new(), |mut text, index| {
        writeln!(text, "{{\"userName\": \"p{index}@acme.example\", \"externalId\": \"00u{index}\"}}\n")
            .expect("written");
        text
    });
    fs::write(folder.join("people.jsonl"), format!("{people}{{\"hello\": 1}}\nnonsense\n")).expect("written");
    let imported = run(folder, TARGET, &["import", "acme", "people.jsonl", "--directory", "Okta"]);
    assert_eq!(imported.status.code(), Some(1), "lines were refused");
    let answer: Value = serde_json::from_slice(&imported.stdout).expect("JSON");
    let refused: Vec<&Value> =
        answer["refused"].as_array().expect("a list").iter().map(|refused| &refused["line"]).collect();
    assert_eq!((&answer["users"], refused), (&json!(1_200), vec![&json!(2_401), &json!(2_402)]));

    let server = Running::start(folder, &["serve", "--listen", "127.0.0.1:0", "--store", TARGET, "--json"]);
    let url = server.json()["url"].as_str().expect("a URL").to_owned();
    let scim = Scim::new(&url, directory["token"].as_str().expect("a token"));
    assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 1_200);
    assert_eq!(scim.count("/Users", "externalId eq \"00u77\"").await, 1, "the directory knows its own ids");
    scim.post("/Users", &json!({"schemas": [USER], "userName": "P5@acme.example"}))
        .await
        .refused(409, Some("uniqueness"));
    assert!(server.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_in_after_an_extension_that_cannot() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    answered(&run(folder, TARGET, &["organization", "create", "acme", "--no-owner", "--create"]));
    let mut line = hr();
    line["resourceType"] = json!("Robot");
    let file = format!("{line}\n{}\n", json!({"userName": "ada", HR: {"badge": 1}}));
    fs::write(folder.join("file.jsonl"), file).expect("written");
    let refused = run(folder, TARGET, &["import", "acme", "file.jsonl"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("line 1"), "{}", text(&refused.stderr));
    answered(&run(folder, TARGET, &["export", "acme", "--output", "all.jsonl"]));
    assert_eq!(fs::read_to_string(folder.join("all.jsonl")).expect("a file"), "");
}
