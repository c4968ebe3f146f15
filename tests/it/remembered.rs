//! What the server remembers of what it read is what the store holds: whatever was written, by whatever door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Engine, Scim, TestApp, members, user};

/// Read from the store: a filter on the id is not remembered.
async fn stored(scim: &Scim, id: &str) -> Option<Value> {
    let list = scim.get(&crate::support::filtered("/Users", &format!("id eq \"{id}\""))).await.expect(200);
    list["Resources"].as_array().and_then(|found| found.first().cloned())
}

/// Everybody in the order of the list, from the store: this order is not remembered.
async fn everybody(scim: &Scim) -> Vec<String> {
    let list = scim.get("/Users?sortBy=id&count=1000").await.expect(200);
    list["Resources"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// The groups that each member is in, as users show them: found out from the members of all groups, from the store.
async fn groups_of_members(scim: &Scim) -> BTreeMap<String, BTreeSet<[String; 3]>> {
    let list = scim.get("/Groups?sortBy=id&count=1000").await.expect(200);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (mut names, mut direct) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for group in list["Resources"].as_array().into_iter().flatten() {
        names.insert(text(&group["id"]), text(&group["displayName"]));
        for member in group["members"].as_array().into_iter().flatten() {
            direct.entry(text(&member["value"])).or_default().insert(text(&group["id"]));
        }
    }
    let around = |member: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![member]);
        while let Some(next) = open.pop() {
            open.extend(direct.get(next).into_iter().flatten().filter(|group| seen.insert((*group).clone())));
        }
        let kind = |group: &String| if direct[member].contains(group) { "direct" } else { "indirect" };
        seen.iter().map(|group| [group.clone(), names[group].clone(), kind(group).to_owned()]).collect()
    };
    direct.keys().map(|member| (member.clone(), around(member))).collect()
}

fn groups_shown(user: &Value) -> BTreeSet<[String; 3]> {
    let text = |group: &Value, name: &str| group[name].as_str().expect("a text").to_owned();
    let groups = user["groups"].as_array().into_iter().flatten();
    groups.map(|group| ["value", "display", "type"].map(|name| text(group, name))).collect()
}

/// Each user by id, by name and in the pages of the list is what the store says.
async fn compare(scim: &Scim, known: &[String]) {
    let (everybody, groups) = (everybody(scim).await, groups_of_members(scim).await);
    for id in known {
        let answer = scim.get(&format!("/Users/{id}")).await;
        let Some(stored) = stored(scim, id).await else {
            answer.refused(404, None);
            continue;
        };
        assert_eq!(answer.header("etag"), stored["meta"]["version"].as_str().expect("a version"));
        assert_eq!(answer.expect(200), stored);
        assert_eq!(groups_shown(&stored), groups.get(id).cloned().unwrap_or_default());
        let name = stored["userName"].as_str().expect("a name").to_uppercase();
        let named = scim.get(&crate::support::filtered("/Users", &format!("userName eq \"{name}\""))).await.expect(200);
        assert_eq!((&named["totalResults"], &named["Resources"][0]), (&json!(1), &stored));
    }
    let mut paged = Vec::new();
    for start in (1..=everybody.len()).step_by(4) {
        let page = scim.get(&format!("/Users?startIndex={start}&count=4")).await.expect(200);
        assert_eq!(page["totalResults"], json!(everybody.len()));
        for shown in page["Resources"].as_array().expect("a list") {
            let id = shown["id"].as_str().expect("an id");
            assert_eq!(stored(scim, id).await.as_ref(), Some(shown));
            paged.push(id.to_owned());
        }
    }
    assert_eq!(paged, everybody);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Rename(usize),
    Display(usize),
    Title(usize),
    Manager(usize, usize),
    Deactivate(usize),
    Delete(usize),
    Create,
    Join(usize, usize),
    Leave(usize, usize),
    Nest(usize, usize),
    RenameGroup(usize),
    DeleteGroup(usize),
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    use proptest::prelude::*;
    let (user, group) = (0..8_usize, 0..3_usize);
    prop_oneof![
        user.clone().prop_map(Step::Rename),
        user.clone().prop_map(Step::Display),
        user.clone().prop_map(Step::Title),
        (user.clone(), user.clone()).prop_map(|(one, other)| Step::Manager(one, other)),
        user.clone().prop_map(Step::Deactivate),
        user.clone().prop_map(Step::Delete),
        Just(Step::Create),
        (group.clone(), user.clone()).prop_map(|(group, user)| Step::Join(group, user)),
        (group.clone(), user).prop_map(|(group, user)| Step::Leave(group, user)),
        (group.clone(), group.clone()).prop_map(|(one, other)| Step::Nest(one, other)),
        group.clone().prop_map(Step::RenameGroup),
        group.prop_map(Step::DeleteGroup),
    ]
}

async fn take(scim: &Scim, step: Step, number: usize, (users, groups): (&mut Vec<String>, &mut [String])) {
    let of = |users: &[String], index: usize| users[index % users.len()].clone();
    let replace = async |id: String, path: &str, value: Value| {
        scim.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": path, "value": value}])).await
    };
    match step {
        Step::Rename(at) => drop(replace(of(users, at), "userName", json!(format!("renamed{number}"))).await),
        Step::Display(at) => drop(replace(of(users, at), "displayName", json!(format!("Display {number}"))).await),
        Step::Title(at) => drop(replace(of(users, at), "title", json!(format!("Title {number}"))).await),
        Step::Manager(at, manager) => {
            let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
            drop(replace(of(users, at), path, json!({"value": of(users, manager)})).await);
        }
        Step::Deactivate(at) => drop(replace(of(users, at), "active", json!(false)).await),
        Step::Delete(at) => drop(scim.delete(&format!("/Users/{}", of(users, at))).await),
        Step::Create => users.push(scim.make_user(&format!("new{number}")).await),
        Step::Join(group, at) => {
            let value = members(&[&of(users, at)]);
            let operations = json!([{"op": "add", "path": "members", "value": value}]);
            drop(scim.patch(&format!("/Groups/{}", groups[group]), operations).await);
        }
        Step::Leave(group, at) => {
            let operations = json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", of(users, at))}]);
            drop(scim.patch(&format!("/Groups/{}", groups[group]), operations).await);
        }
        Step::Nest(one, other) => {
            let operations = json!([{"op": "add", "path": "members", "value": members(&[&groups[other]])}]);
            drop(scim.patch(&format!("/Groups/{}", groups[one]), operations).await);
        }
        Step::RenameGroup(group) => {
            let operations = json!([{"op": "replace", "path": "displayName", "value": format!("Group {number}")}]);
            drop(scim.patch(&format!("/Groups/{}", groups[group]), operations).await);
        }
        Step::DeleteGroup(group) => {
            drop(scim.delete(&format!("/Groups/{}", groups[group])).await);
            groups[group] = scim.make_group(&format!("Again {number}"), &[]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_what_is_stored_after_every_change() {
    let mut runner = TestRunner::new(Cases::default());
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for index in 0..6 {
            users.push(scim.make_user(&format!("user{index}")).await);
        }
        for index in 0..3 {
            groups.push(scim.make_group(&format!("group{index}"), &[]).await);
        }
        compare(&scim, &users).await;
        for number in 0..40 {
            let step = proptest::strategy::ValueTree::current(
                &proptest::strategy::Strategy::new_tree(&step(), &mut runner).expect("a step"),
            );
            take(&scim, step, number, (&mut users, &mut groups)).await;
            compare(&scim, &users).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_was_told_of_a_change_reads_it_however_many_write_and_read_at_once() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let group = scim.make_group("G", &[]).await;
        let mut writers = JoinSet::new();
        for index in 0..12 {
            let (scim, group) = (scim.clone(), group.clone());
            writers.spawn(async move {
                let id = scim.make_user(&format!("user{index}")).await;
                let path = format!("/Users/{id}");
                for round in 0..15 {
                    let operations = json!([{"op": "replace", "path": "title", "value": format!("{round}")}]);
                    scim.patch(&path, operations).await.expect(200);
                    assert_eq!(scim.get(&path).await.expect(200)["title"], json!(format!("{round}")));
                    let op = if round % 2 == 0 { "add" } else { "remove" };
                    let operations = json!([{"op": op, "path": "members", "value": members(&[&id])}]);
                    scim.patch(&format!("/Groups/{group}"), operations).await.expect(204);
                    assert_eq!(scim.get(&path).await.expect(200).get("groups").is_some(), round % 2 == 0);
                }
                let named = crate::support::filtered("/Users", &format!("userName eq \"user{index}\""));
                assert_eq!(scim.get(&named).await.expect(200)["totalResults"], json!(1));
                scim.delete(&path).await.expect(204);
                scim.get(&path).await.refused(404, None);
                assert_eq!(scim.get(&named).await.expect(200)["totalResults"], json!(0));
            });
        }
        let reader = {
            let scim = scim.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    let page = scim.get("/Users?count=100").await.expect(200);
                    let shown = page["Resources"].as_array().expect("a list").len();
                    assert!(page["totalResults"].as_u64().expect("a number") >= shown as u64);
                }
            })
        };
        writers.join_all().await;
        reader.await.expect("it read");
        assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], json!(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_was_told_of_a_change_of_a_group_sees_it_in_its_members_however_many_look_at_once() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let (ada, alan) = (scim.make_user("ada").await, scim.make_user("alan").await);
        let inner = scim.make_group("inner", &[&ada, &alan]).await;
        let outer = scim.make_group("outer", &[&inner]).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut looking = JoinSet::new();
        for _ in 0..4 {
            let (scim, path, is_over) = (scim.clone(), format!("/Users/{alan}"), is_over.clone());
            looking.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let operations = json!([{"op": "replace", "path": "nickName", "value": "x"}]);
                    scim.patch(&path, operations).await.expect(200);
                    scim.get(&format!("{path}?attributes=groups")).await.expect(200);
                }
            });
        }
        let change = async |operation: Value| {
            scim.patch(&format!("/Groups/{outer}"), json!([operation])).await.expect(204);
            let user = scim.get(&format!("/Users/{ada}")).await.expect(200);
            groups_shown(&user).into_iter().map(|[_, display, kind]| format!("{display}, {kind}")).collect::<Vec<_>>()
        };
        for round in 0..20 {
            let (name, value) = (format!("outer {round}"), members(&[&inner]));
            let shown = change(json!({"op": "replace", "path": "displayName", "value": name})).await;
            assert!(shown.contains(&format!("{name}, indirect")), "{shown:?}");
            assert_eq!(change(json!({"op": "remove", "path": "members"})).await, ["inner, direct"]);
            let shown = change(json!({"op": "add", "path": "members", "value": value})).await;
            assert!(shown.contains(&format!("{name}, indirect")), "{shown:?}");
        }
        is_over.store(true, Ordering::Relaxed);
        looking.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_groups_are_called_is_asked_for_once() {
    let app = TestApp::start().await;
    let scim = app.tenant("acme").await.scim;
    let (ada, alan) = (scim.make_user("ada").await, scim.make_user("alan").await);
    let inner = scim.make_group("inner", &[&ada]).await;
    scim.make_group("outer", &[&inner]).await;
    let asked = async |id: &str, title: &str| {
        let before = app.service.store_queries();
        let operations = json!([{"op": "replace", "path": "title", "value": title}]);
        scim.patch(&format!("/Users/{id}"), operations).await.expect(200);
        app.service.store_queries() - before
    };
    asked(&ada, "first").await;
    assert_eq!(asked(&ada, "second").await, asked(&alan, "first").await, "whoever is in groups costs no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_where_it_may_not_be() {
    let app = TestApp::start_configured(|config| config.cache.answers_mebibytes = 0).await;
    let scim = app.tenant("acme").await.scim;
    let id = scim.post("/Users", &user("ada")).await.expect(201)["id"].as_str().expect("an id").to_owned();
    for _ in 0..2 {
        assert_eq!(scim.get(&format!("/Users/{id}")).await.expect(200)["userName"], "ada");
    }
}
